package web

import (
	"context"
	"net/http"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promhttp"
)

// The metrics of polling: volvobridge_<name>, in base units.
var (
	callsSpent    = prometheus.NewDesc("volvobridge_quota_calls", "Calls counted in the quota day of the account's API keys.", []string{"account"}, nil)
	callsLimit    = prometheus.NewDesc("volvobridge_quota_polling_limit_calls", "Calls of a quota day that polling may make.", []string{"account"}, nil)
	callsForecast = prometheus.NewDesc("volvobridge_quota_forecast_calls", "Calls that will have been made when the quota is refilled.", []string{"account"}, nil)
	callPrice     = prometheus.NewDesc("volvobridge_call_price_seconds", "Weighted seconds of wrong values that a read must be expected to save.", []string{"account"}, nil)
	carPhase      = prometheus.NewDesc("volvobridge_car_phase", "1 for the phase that the car is taken to be in.", []string{"car", "phase"}, nil)
	readInterval  = prometheus.NewDesc("volvobridge_read_interval_seconds", "Time from the last read of a resource to the next.", []string{"car", "resource"}, nil)
	readAge       = prometheus.NewDesc("volvobridge_read_age_seconds", "Time since the last good read of a resource.", []string{"car", "resource"}, nil)
)

// planCollector makes metrics of the plans when they are asked for.
type planCollector struct {
	plans func(context.Context) (Plans, error)
}

// Describe implements [prometheus.Collector].
func (planCollector) Describe(to chan<- *prometheus.Desc) {
	for _, d := range []*prometheus.Desc{callsSpent, callsLimit, callsForecast, callPrice, carPhase, readInterval, readAge} {
		to <- d
	}
}

// scrapeLimit is how long the loop may take to say how it is.
const scrapeLimit = 5 * time.Second

// Collect implements [prometheus.Collector].
func (c planCollector) Collect(to chan<- prometheus.Metric) {
	ctx, cancel := context.WithTimeout(context.Background(), scrapeLimit)
	defer cancel()
	p, err := c.plans(ctx)
	if err != nil {
		to <- prometheus.NewInvalidMetric(callsSpent, err)
		return
	}
	gauge := func(d *prometheus.Desc, v float64, labels ...string) {
		to <- prometheus.MustNewConstMetric(d, prometheus.GaugeValue, v, labels...)
	}
	for _, b := range p.Budgets {
		gauge(callsSpent, float64(b.Spent), b.Account)
		gauge(callsLimit, float64(b.Limit), b.Account)
		gauge(callsForecast, float64(b.Forecast), b.Account)
		gauge(callPrice, b.Price, b.Account)
	}
	for _, car := range p.Cars {
		gauge(carPhase, 1, car.Label, car.Phase)
		for _, r := range car.Reads {
			gauge(readInterval, r.Interval.Seconds(), car.Label, r.Resource)
			if !r.Last.IsZero() {
				gauge(readAge, time.Since(r.Last).Seconds(), car.Label, r.Resource)
			}
		}
	}
}

// metrics serves what Prometheus asks for.
func metrics(plans func(context.Context) (Plans, error)) http.Handler {
	registry := prometheus.NewRegistry()
	registry.MustRegister(planCollector{plans})
	return promhttp.HandlerFor(registry, promhttp.HandlerOpts{ErrorHandling: promhttp.HTTPErrorOnError, MaxRequestsInFlight: 2})
}
