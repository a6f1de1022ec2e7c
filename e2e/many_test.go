package e2e

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"time"
)

// BenchmarkFiguresMany measures with how many cars what costs what: the start until
// every configured car was published, and the CPU of a read.
func BenchmarkFiguresMany(b *testing.B) {
	for n, limit := range map[int]float64{1: 5, 1000: 5, 10000: 60} {
		b.Run(fmt.Sprintf("cars=%d", n), func(b *testing.B) {
			for b.Loop() {
				broker := startMosquitto(b, "max_queued_messages 0", "max_inflight_messages 0")
				cloud, _ := recorded(b)
				var reads atomic.Int64
				s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
					reads.Add(1)
					cloud.ServeHTTP(w, r)
				}))
				var cars strings.Builder
				for i := range n {
					fmt.Fprintf(&cars, "    - {vin: YV1FLEET%09d}\n", i)
				}
				port := freePort(b)
				cfg := strings.Replace(quietConfig(s.URL, broker.url(), quick), "listen: \"\"", fmt.Sprintf("listen: 127.0.0.1:%d", port), 1)
				cfg = strings.Replace(cfg, "  api_url:", "  vehicles:\n"+cars.String()+"  api_url:", 1)
				began := time.Now()
				p := startBridge(b, b.TempDir(), cfg)
				for ready := false; !ready && time.Since(began) < 2*time.Minute; time.Sleep(10 * time.Millisecond) {
					resp, err := http.Get(fmt.Sprintf("http://127.0.0.1:%d/readyz", port))
					if ready = err == nil && resp.StatusCode == http.StatusOK; err == nil {
						resp.Body.Close()
					}
				}
				within(b, time.Since(began).Seconds(), "s-to-ready", limit)
				before, used := reads.Load(), processorTime(b, p.cmd.Process.Pid)
				time.Sleep(10 * time.Second) // the first look at every car goes on
				if more := reads.Load() - before; n > 1 {
					within(b, (processorTime(b, p.cmd.Process.Pid)-used).Seconds()/float64(more)*1000, "CPU-s/1000-reads", 2) // measured 0.6 to 0.9 on a quiet machine
					b.ReportMetric(float64(more), "reads")
				}
				b.ReportMetric(resident(b, p.cmd.Process.Pid), "MB-resident")
				p.terminate()
				s.Close()
			}
		})
	}
}
