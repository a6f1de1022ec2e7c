package e2e

import (
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	paho "github.com/eclipse/paho.mqtt.golang"
)

// BenchmarkCommand measures from the MQTT publish to the POST that reaches the
// cloud, beside a bare client that does nothing but POST (the floor), in turns:
//
//	go test -run '^$' -bench Command -benchtime 1x ./e2e
func BenchmarkCommand(b *testing.B) {
	for b.Loop() {
		// Without this the broker holds a message back until we acknowledged the one
		// before, up to 40 ms: that is not what is measured here.
		broker := startMosquitto(b, "set_tcp_nodelay true")
		arrived := make(chan time.Time, 1)
		var reads atomic.Int64
		cloud := fleet(b, 100)
		handler := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if r.Method == http.MethodPost {
				arrived <- time.Now()
				fmt.Fprint(w, `{"data":{"invokeStatus":"COMPLETED"}}`)
				return
			}
			reads.Add(1)
			cloud.ServeHTTP(w, r)
		})
		s := httptest.NewServer(handler)
		b.Cleanup(s.Close)
		o := observe(b, broker.url())
		bare(b, broker.url(), s.URL)
		p := startBridge(b, b.TempDir(), quietConfig(s.URL, broker.url(), quick+strings.Replace(allow, "per_minute: 1000", "per_minute: 1000000", 1)))
		eventually(b, 60*time.Second, "all cars", func() bool { return len(o.topics("homeassistant/device/volvobridge_yv1fleet")) == 100 })
		time.Sleep(2 * time.Second)

		n := 0
		measure := func(topic string) time.Duration {
			n++
			began := time.Now()
			o.publish(topic, fmt.Sprintf(`{"value":"PRESS","id":"%d"}`, n))
			at := <-arrived
			time.Sleep(5 * time.Millisecond)
			return at.Sub(began)
		}
		var floor, ours, busy []time.Duration
		for i := range 300 {
			floor = append(floor, measure("bare/set"))
			ours = append(ours, measure(fmt.Sprintf("volvo/YV1FLEET%09d/honk/set", i%100)))
		}
		before := reads.Load()
		for i := range 100 {
			o.publish(fmt.Sprintf("volvo/YV1FLEET%09d/refresh/set", i), fmt.Sprintf(`{"value":"PRESS","id":"r%d"}`, i))
			busy = append(busy, measure(fmt.Sprintf("volvo/YV1FLEET%09d/flash/set", (i+50)%100)))
		}
		b.ReportMetric(float64(reads.Load()-before), "reads-meanwhile")
		for name, times := range map[string][]time.Duration{"floor": floor, "bridge": ours, "while-polling": busy} {
			slices.Sort(times)
			b.ReportMetric(float64(times[len(times)/2].Microseconds())/1000, name+"-p50-ms")
			b.ReportMetric(float64(times[len(times)*95/100].Microseconds())/1000, name+"-p95-ms")
			b.ReportMetric(float64(times[len(times)*99/100].Microseconds())/1000, name+"-p99-ms")
		}
		p.terminate()
	}
}

// bare is a client that POSTs for every message, and does nothing else.
func bare(b *testing.B, broker, cloud string) {
	b.Helper()
	client := paho.NewClient(paho.NewClientOptions().AddBroker(broker).SetClientID("bare").SetProtocolVersion(4))
	if token := client.Connect(); !token.WaitTimeout(5*time.Second) || token.Error() != nil {
		b.Fatal(token.Error())
	}
	b.Cleanup(func() { client.Disconnect(100) })
	token := client.Subscribe("bare/set", 1, func(paho.Client, paho.Message) {
		if resp, err := http.Post(cloud+"/connected-vehicle/v2/vehicles/X/commands/honk", "application/json", nil); err == nil {
			resp.Body.Close()
		}
	})
	if !token.WaitTimeout(5*time.Second) || token.Error() != nil {
		b.Fatal(token.Error())
	}
}

// BenchmarkCommandWithPages measures from a message to its POST: alone, with 50 pages open
// that each command changes, and with 500 connections beside them that say nothing.
func BenchmarkCommandWithPages(b *testing.B) {
	for b.Loop() {
		broker := startMosquitto(b, "set_tcp_nodelay true")
		arrived := make(chan time.Time, 1)
		cloud := fleet(b, 3)
		s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if r.Method == http.MethodPost {
				arrived <- time.Now()
				fmt.Fprint(w, `{"data":{"invokeStatus":"COMPLETED"}}`)
				return
			}
			cloud.ServeHTTP(w, r)
		}))
		b.Cleanup(s.Close)
		o := observe(b, broker.url())
		page := fmt.Sprintf("127.0.0.1:%d", freePort(b))
		text := quietConfig(s.URL, broker.url(), quick+strings.Replace(allow, "per_minute: 1000", "per_minute: 1000000", 1))
		p := startBridge(b, b.TempDir(), strings.Replace(text, `listen: ""`, fmt.Sprintf("listen: %q", page), 1))
		eventually(b, 60*time.Second, "all cars", func() bool { return len(o.topics("homeassistant/device/volvobridge_yv1fleet")) == 3 })
		time.Sleep(2 * time.Second)
		n := 0
		measure := func(name string) {
			var times []time.Duration
			for range 200 {
				n++
				began := time.Now()
				o.publish(fmt.Sprintf("volvo/YV1FLEET%09d/honk/set", n%3), fmt.Sprintf(`{"value":"PRESS","id":"%d"}`, n))
				times = append(times, (<-arrived).Sub(began))
				time.Sleep(20 * time.Millisecond)
			}
			slices.Sort(times)
			b.ReportMetric(float64(times[len(times)/2].Microseconds())/1000, name+"-p50-ms")
			b.ReportMetric(float64(times[len(times)*95/100].Microseconds())/1000, name+"-p95-ms")
		}
		measure("alone")
		for range 50 {
			resp, err := http.Get("http://" + page + "/stream?page=")
			if err != nil {
				b.Fatal(err)
			}
			b.Cleanup(func() { resp.Body.Close() })
			go func() { _, _ = io.Copy(io.Discard, resp.Body) }() // ends with the bridge
		}
		measure("pages")
		for range 500 {
			conn, err := net.Dial("tcp", page)
			if err != nil {
				b.Fatal(err)
			}
			b.Cleanup(func() { conn.Close() })
		}
		measure("attacked")
		p.terminate()
	}
}
