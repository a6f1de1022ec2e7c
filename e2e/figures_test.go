package e2e

import (
	"bytes"
	"encoding/json"
	"fmt"
	"net/http"
	"os"
	"strconv"
	"strings"
	"testing"
	"time"

	"volvobridge/volvo/simulator"
)

// The figures of the README: go test -run '^$' -bench Figures -benchtime 1x ./e2e

// within reports a figure, and fails the benchmark when it is over its limit. The
// limits on time are far above what is measured: a busy machine passes them.
func within(b *testing.B, value float64, unit string, limit float64) {
	b.Helper()
	b.ReportMetric(value, unit)
	if value > limit {
		b.Errorf("%.3g %s, the limit is %.3g", value, unit, limit)
	}
}

// fleet is a cloud with n cars.
func fleet(b *testing.B, n int) *simulator.Replay {
	b.Helper()
	cloud, _ := recorded(b)
	var list []map[string]string
	for i := range n {
		list = append(list, map[string]string{"vin": fmt.Sprintf("YV1FLEET%09d", i)})
	}
	body, err := json.Marshal(map[string]any{"data": list})
	if err != nil {
		b.Fatal(err)
	}
	cloud.SetBody("vehicles.json", string(body))
	return cloud
}

// resident is the memory of a process that is its own, in MB.
func resident(b testing.TB, pid int) float64 {
	b.Helper()
	data, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	if err != nil {
		b.Skip("no /proc here")
	}
	for line := range bytes.Lines(data) {
		if rest, ok := bytes.CutPrefix(line, []byte("VmRSS:")); ok {
			kB, err := strconv.Atoi(strings.Fields(string(rest))[0])
			if err != nil {
				b.Fatal(err)
			}
			return float64(kB) / 1024
		}
	}
	b.Fatal("no VmRSS")
	return 0
}

const quick = `polling: {daily_quota: 100000000, per_minute: 10000000, min_interval: 1s}
`

func BenchmarkFiguresMemory(b *testing.B) {
	for n, limit := range map[int]float64{1: 18, 100: 32} {
		b.Run(fmt.Sprintf("cars=%d", n), func(b *testing.B) {
			for b.Loop() {
				broker := startMosquitto(b)
				cloud := fleet(b, n)
				o := observe(b, broker.url())
				page := fmt.Sprintf("127.0.0.1:%d", freePort(b))
				p := startBridge(b, b.TempDir(), strings.Replace(quietConfig(serve(b, cloud), broker.url(), quick), `listen: ""`, fmt.Sprintf("listen: %q", page), 1))
				eventually(b, 60*time.Second, "all cars are announced", func() bool { return len(o.topics("homeassistant/device/volvobridge_yv1fleet")) == n })
				time.Sleep(70 * time.Second) // a round of the fast resources, and rest
				// Two thirds of it are the program's own file, of which the kernel maps what it
				// likes: 5 % are left to it.
				within(b, resident(b, p.cmd.Process.Pid), "MB-resident", limit*1.05)
				p.terminate()
			}
		})
	}
}

func quietConfig(cloud, broker, more string) string {
	return strings.Replace(config(cloud, broker, more), "level: trace", "level: info", 1)
}

func BenchmarkFiguresBinary(b *testing.B) {
	info, err := os.Stat(binary)
	if err != nil {
		b.Fatal(err)
	}
	for b.Loop() {
		within(b, float64(info.Size())/1e6, "MB-stripped", 16)
	}
}

// BenchmarkFiguresStart measures from exec to the first published state.
func BenchmarkFiguresStart(b *testing.B) {
	broker := startMosquitto(b)
	cloud := fleet(b, 1)
	url := serve(b, cloud)
	topic := "volvo/YV1FLEET000000000/state"
	dir := b.TempDir()
	o := observe(b, broker.url())
	start := func(b *testing.B, limit float64) {
		broker.restart()
		time.Sleep(1500 * time.Millisecond) // the observer comes back
		o.forget()
		began := time.Now()
		p := startBridge(b, dir, quietConfig(url, broker.url(), quick))
		for o.get(topic) == "" && time.Since(began) < 10*time.Second {
			time.Sleep(time.Millisecond)
		}
		within(b, float64(time.Since(began).Milliseconds()), "ms-to-state", limit)
		time.Sleep(time.Second)
		p.terminate()
	}
	b.Run("fresh", func(b *testing.B) {
		for b.Loop() {
			os.RemoveAll(dir + "/data")
			start(b, 500)
		}
	})
	b.Run("store", func(b *testing.B) {
		cloud.Set("GET *", simulator.Answer{Status: 503})
		for b.Loop() {
			start(b, 250)
		}
	})
}

// BenchmarkFiguresReads measures the CPU of reads, and the messages of rounds in
// which nothing changed.
func BenchmarkFiguresReads(b *testing.B) {
	for _, delay := range []time.Duration{0, 50 * time.Millisecond} {
		b.Run("answers-in="+delay.String(), func(b *testing.B) { benchmarkReads(b, delay) })
	}
}

func benchmarkReads(b *testing.B, delay time.Duration) {
	for b.Loop() {
		broker := startMosquitto(b)
		cloud := fleet(b, 20)
		slow := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			time.Sleep(delay)
			cloud.ServeHTTP(w, r)
		})
		o := observe(b, broker.url())
		var intervals []string
		for _, r := range strings.Fields("doors windows engine-status energy fuel odometer diagnostics brakes tyres warnings statistics location command-accessibility engine") {
			intervals = append(intervals, r+": 1s")
		}
		p := startBridge(b, b.TempDir(), quietConfig(serve(b, slow), broker.url(), strings.Replace(quick, "}", ", intervals: {"+strings.Join(intervals, ", ")+"}}", 1)))
		eventually(b, 60*time.Second, "all cars are announced", func() bool { return len(o.topics("homeassistant/device/volvobridge_yv1fleet")) == 20 })
		time.Sleep(3 * time.Second)
		o.forget()
		calls := len(cloud.Calls("GET"))
		before := processorTime(b, p.cmd.Process.Pid)
		time.Sleep(15 * time.Second)
		reads := len(cloud.Calls("GET")) - calls
		used := processorTime(b, p.cmd.Process.Pid) - before
		o.mu.Lock()
		messages := 0
		for _, m := range o.log {
			if !strings.HasPrefix(m, "volvo/bridge/instance ") && !strings.Contains(m, "/polling/attributes ") { // renewed whatever happens
				messages++
			}
		}
		o.mu.Unlock()
		within(b, used.Seconds()/float64(reads)*1000, "CPU-s/1000-reads", 1) // a tenth of it makes the count safe from a power cut
		within(b, float64(messages), "messages", 0)
		b.ReportMetric(float64(reads), "reads")
		p.terminate()
	}
}

// processorTime is what a process used so far, user and system.
func processorTime(b *testing.B, pid int) time.Duration {
	b.Helper()
	data, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		b.Skip("no /proc here")
	}
	_, rest, _ := strings.Cut(string(data), ") ")
	fields := strings.Fields(rest)
	ticks := 0
	for _, i := range []int{11, 12} {
		n, err := strconv.Atoi(fields[i])
		if err != nil {
			b.Fatal(err)
		}
		ticks += n
	}
	return time.Duration(ticks) * 10 * time.Millisecond // USER_HZ is 100 wherever Go runs on Linux
}
