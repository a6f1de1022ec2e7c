package web

import (
	"context"
	"fmt"
	"net/http"
	"runtime"
	"strings"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promhttp"
)

// metric is one of the bridge: volvobridge_<name>, in base units. A car is its name
// in topics or its number, never the VIN.
type metric struct {
	*prometheus.Desc
	name, help string
	labels     []string
}

func describe(name, help string, labels ...string) metric {
	name = "volvobridge_" + name
	return metric{prometheus.NewDesc(name, help, labels, nil), name, help, labels}
}

// MetricTable is the table of the metrics as Markdown, for the documents.
func MetricTable() string {
	var b strings.Builder
	b.WriteString("| metric | labels | says |\n|---|---|---|\n")
	for _, m := range allMetrics {
		fmt.Fprintf(&b, "| `%s` | %s | %s |\n", m.name, strings.Join(m.labels, ", "), m.help)
	}
	return b.String()
}

var (
	buildInfo     = describe("build_info", "1; the labels tell the version of the program and of Go.", "version", "goversion")
	goroutines    = describe("goroutines", "Goroutines of the program.")
	memoryBytes   = describe("memory_bytes", "Memory that the program holds from the system.")
	mqttConnected = describe("mqtt_connected", "1 while the broker is connected and the base topic is ours.")
	storeProblem  = describe("store_problem", "1 while the store can't be written.")
	unknownFields = describe("unknown_fields", "Fields of Volvo's answers that nobody knows.")
	commandsTotal = describe("commands_total", "Commands since the start, by their last status.", "status")
	refusalsTotal = describe("command_refusals_total", "Commands refused since the start, by reason.", "reason")
	cloudStatus   = describe("cloud_status", "1 for the status of the account's cloud.", "account", "status")
	loginRequired = describe("login_required", "1 while the account must log in at Volvo.", "account")
	loginSeconds  = describe("login_remaining_seconds", "Time until the account's login ends.", "account")
	callsTotal    = describe("calls_total", "Reads of Volvo's API since the start, by resource and outcome.", "account", "resource", "outcome")
	callsSpent    = describe("quota_calls", "Calls counted in the quota day of the account's API keys.", "account")
	callsLeft     = describe("quota_remaining_calls", "Calls that are left in the quota day.", "account")
	callsLimit    = describe("quota_polling_limit_calls", "Calls of a quota day that polling may make.", "account")
	callsForecast = describe("quota_forecast_calls", "Calls that will have been made when the quota is refilled.", "account")
	callPrice     = describe("call_price_seconds", "Weighted seconds of wrong values that a read must be expected to save.", "account")
	carOnline     = describe("car_online", "1 while the car answers.", "car")
	carPhase      = describe("car_phase", "1 for the phase that the car is taken to be in.", "car", "phase")
	readInterval  = describe("read_interval_seconds", "Time from the last read of a resource to the next.", "car", "resource")
	readAge       = describe("read_age_seconds", "Time since the last good read of a resource.", "car", "resource")
	allMetrics    = []metric{buildInfo, goroutines, memoryBytes, mqttConnected, storeProblem, unknownFields, commandsTotal, refusalsTotal, cloudStatus, loginRequired, loginSeconds,
		callsTotal, callsSpent, callsLeft, callsLimit, callsForecast, callPrice, carOnline, carPhase, readInterval, readAge}
)

// collector makes metrics of the view when they are asked for.
type collector struct {
	bridge  Bridge
	version string
}

// Describe implements [prometheus.Collector].
func (collector) Describe(to chan<- *prometheus.Desc) {
	for _, d := range allMetrics {
		to <- d.Desc
	}
}

// Collect implements [prometheus.Collector].
func (c collector) Collect(to chan<- prometheus.Metric) {
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	v, err := c.bridge.View(ctx)
	if err != nil {
		to <- prometheus.NewInvalidMetric(buildInfo.Desc, err)
		return
	}
	gauge := func(d metric, v float64, labels ...string) {
		to <- prometheus.MustNewConstMetric(d.Desc, prometheus.GaugeValue, v, labels...)
	}
	counter := func(d metric, n int, labels ...string) {
		to <- prometheus.MustNewConstMetric(d.Desc, prometheus.CounterValue, float64(n), labels...)
	}
	var memory runtime.MemStats
	runtime.ReadMemStats(&memory)
	gauge(buildInfo, 1, c.version, runtime.Version())
	gauge(goroutines, float64(runtime.NumGoroutine()))
	gauge(memoryBytes, float64(memory.Sys-memory.HeapReleased))
	gauge(mqttConnected, flag(v.Broker.Connected))
	gauge(storeProblem, flag(v.Store != ""))
	gauge(unknownFields, float64(len(v.Unknown)))
	for status, n := range v.Commands {
		counter(commandsTotal, n, status)
	}
	for reason, n := range v.Refusals {
		counter(refusalsTotal, n, reason)
	}
	for _, a := range v.Accounts {
		a.collect(gauge, v.Now)
		for call, n := range a.Calls {
			counter(callsTotal, n, a.Label, call.Resource, call.Outcome)
		}
	}
	for _, car := range v.Cars {
		car.collect(gauge, v.Now)
	}
}

func flag(yes bool) float64 {
	if yes {
		return 1
	}
	return 0
}

func (a Account) collect(gauge func(metric, float64, ...string), now time.Time) {
	gauge(cloudStatus, 1, a.Label, a.Status)
	gauge(loginRequired, flag(a.Required), a.Label)
	if !a.LoginEnds.IsZero() {
		gauge(loginSeconds, a.LoginEnds.Sub(now).Seconds(), a.Label)
	}
	gauge(callsSpent, float64(a.Spent), a.Label)
	gauge(callsLeft, float64(a.Left), a.Label)
	gauge(callsLimit, float64(a.Limit), a.Label)
	gauge(callsForecast, float64(a.Forecast), a.Label)
	gauge(callPrice, a.Price, a.Label)
}

func (c Car) collect(gauge func(metric, float64, ...string), now time.Time) {
	gauge(carOnline, flag(c.Online), c.Label)
	if c.Phase != "" {
		gauge(carPhase, 1, c.Label, c.Phase)
	}
	for _, r := range c.Reads {
		gauge(readInterval, r.Interval.Seconds(), c.Label, r.Resource)
		if !r.Last.IsZero() {
			gauge(readAge, now.Sub(r.Last).Seconds(), c.Label, r.Resource)
		}
	}
}

// metrics serves what Prometheus asks for.
func (s *site) metrics() http.HandlerFunc {
	registry := prometheus.NewRegistry()
	registry.MustRegister(collector{s.opts.Bridge, s.opts.Version})
	return promhttp.HandlerFor(registry, promhttp.HandlerOpts{ErrorHandling: promhttp.HTTPErrorOnError, MaxRequestsInFlight: 2}).ServeHTTP
}
