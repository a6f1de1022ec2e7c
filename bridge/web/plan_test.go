package web

import (
	"context"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus/testutil"
)

func twoPlans(context.Context) (Plans, error) {
	return Plans{
		Budgets: []Budget{{Account: "account1", Spent: 2310, Limit: 9500, Forecast: 2900, Refill: time.Now().Add(5 * time.Hour), Price: 11.5}},
		Cars: []CarPlan{{Label: "xc40", Phase: "parked", Reason: "parked since 3 h", Reads: []PlannedRead{
			{Resource: "doors", Reason: "nobody should wait longer to hear of it", Interval: 56 * time.Second, Last: time.Now().Add(-20 * time.Second), Next: time.Now().Add(36 * time.Second)},
			{Resource: "tyres", Reason: "<b>first look</b>"},
		}}},
	}, nil
}

func get(t *testing.T, opts Options, path string) (int, string) {
	t.Helper()
	opts.Healthy, opts.Ready = func() error { return nil }, func() error { return nil }
	server := httptest.NewServer(New(opts))
	defer server.Close()
	res, err := http.Get(server.URL + path)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	body, err := io.ReadAll(res.Body)
	if err != nil {
		t.Fatal(err)
	}
	return res.StatusCode, string(body)
}

// TestThePageOfThePlan: what is read next and why, every text escaped.
func TestThePageOfThePlan(t *testing.T) {
	status, page := get(t, Options{Plans: twoPlans}, "/polling")
	for _, want := range []string{"2310 of 9500 calls", "2900 will be", "parked since 3 h", "doors", "20 s ago", "in 3", "56 s", "not yet", "being read", "&lt;b&gt;first look"} {
		if !strings.Contains(page, want) {
			t.Errorf("the page has no %q", want)
		}
	}
	if status != http.StatusOK {
		t.Errorf("status %d", status)
	}
	status, _ = get(t, Options{Plans: func(context.Context) (Plans, error) { return Plans{}, errors.New("stopping") }}, "/polling")
	if status != http.StatusServiceUnavailable {
		t.Errorf("status %d while the bridge stops", status)
	}
}

// TestMetrics: they are well formed, say the same, and are guarded as the pages are.
func TestMetrics(t *testing.T) {
	status, text := get(t, Options{Plans: twoPlans}, "/metrics")
	for _, want := range []string{`volvobridge_quota_calls{account="account1"} 2310`, `volvobridge_call_price_seconds{account="account1"} 11.5`, `volvobridge_car_phase{car="xc40",phase="parked"} 1`,
		`volvobridge_read_interval_seconds{car="xc40",resource="doors"} 56`} {
		if !strings.Contains(text, want) {
			t.Errorf("no %s in\n%s", want, text)
		}
	}
	if status != http.StatusOK {
		t.Errorf("status %d", status)
	}
	if problems, err := testutil.CollectAndLint(planCollector{twoPlans}); err != nil || len(problems) > 0 {
		t.Errorf("promlint: %v %v", problems, err)
	}
	if status, text := get(t, Options{Plans: twoPlans, Password: "secret"}, "/metrics"); status != http.StatusUnauthorized || strings.Contains(text, "xc40") {
		t.Errorf("without the password: %d %s", status, text)
	}
}
