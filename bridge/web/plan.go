package web

import (
	"context"
	"fmt"
	"net/http"
	"strings"
	"time"

	"maragu.dev/gomponents"
	"maragu.dev/gomponents/html"
)

// Plans are how the cars are read by now: for the page and the metrics.
type Plans struct {
	Budgets []Budget
	Cars    []CarPlan
}

// Budget is what an account's keys have spent of the quota day.
type Budget struct {
	Account  string
	Spent    int // calls
	Limit    int // of them for polling
	Forecast int // calls by the time of the refill
	Refill   time.Time
	Price    float64 // of a call: the weighted seconds of wrong values that it must be expected to save
}

// CarPlan is how a car is read. Its label is never the VIN.
type CarPlan struct {
	Label, Phase, Reason string
	Reads                []PlannedRead
}

// PlannedRead is a resource of a car.
type PlannedRead struct {
	Resource, Reason string
	Interval         time.Duration // from the last read to the next
	Last, Next       time.Time     // zero: not yet; being read
}

// planPage shows the plans.
func planPage(plans func(context.Context) (Plans, error)) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		p, err := plans(r.Context())
		if err != nil {
			http.Error(w, "the bridge is busy or stops; try again in a moment", http.StatusServiceUnavailable)
			return
		}
		h := w.Header()
		h.Set("Content-Type", "text/html; charset=utf-8")
		h.Set("Cache-Control", "no-store")
		h.Set("Referrer-Policy", "same-origin")
		h.Set("Content-Security-Policy", "default-src 'none'; style-src 'unsafe-inline'; frame-ancestors 'none'")
		_ = p.page(time.Now()).Render(w) // the browser may have left
	}
}

const planStyle = `
body{max-width:52rem}table{border-collapse:collapse;width:100%}th,td{text-align:left;padding:.25rem .5rem;border-bottom:1px solid #8885;vertical-align:top}td.n{white-space:nowrap}
`

func (p Plans) page(now time.Time) gomponents.Node {
	return html.Doctype(html.HTML(html.Lang("en"),
		html.Head(html.Meta(html.Charset("utf-8")), html.Meta(html.Name("viewport"), html.Content("width=device-width, initial-scale=1")),
			html.TitleEl(gomponents.Text("volvobridge: polling")), html.StyleEl(gomponents.Raw(loginStyle+planStyle))),
		html.Body(html.H1(gomponents.Text("Polling")),
			gomponents.Map(p.Budgets, func(b Budget) gomponents.Node { return b.view() }),
			gomponents.Map(p.Cars, func(c CarPlan) gomponents.Node { return c.view(now) }),
			html.P(html.A(html.Href("login"), gomponents.Text("Login"))))))
}

func (b Budget) view() gomponents.Node {
	return html.Div(html.Class("box"), html.P(html.Strong(gomponents.Text(b.Account)), gomponents.Text(fmt.Sprintf(
		": %d of %d calls for polling spent; %d will be by the refill at %s UTC. A read must be expected to save %.1f weighted seconds of wrong values.",
		b.Spent, b.Limit, b.Forecast, b.Refill.UTC().Format("15:04"), b.Price))))
}

func (c CarPlan) view(now time.Time) gomponents.Node {
	head := func(words ...string) gomponents.Node {
		return html.Tr(gomponents.Map(words, func(word string) gomponents.Node { return html.Th(html.Scope("col"), gomponents.Text(word)) }))
	}
	return html.Section(html.H2(gomponents.Text(c.Label)), html.P(gomponents.Text(c.Reason)),
		html.Table(html.THead(head("Resource", "Last read", "Next", "Interval", "Why")),
			html.TBody(gomponents.Map(c.Reads, func(r PlannedRead) gomponents.Node {
				return html.Tr(html.Th(html.Scope("row"), gomponents.Text(r.Resource)), cell(ago(r.Last, now)), cell(until(r.Next, now)), cell(short(r.Interval)), html.Td(gomponents.Text(r.Reason)))
			}))))
}

func cell(text string) gomponents.Node { return html.Td(html.Class("n"), gomponents.Text(text)) }

func ago(t, now time.Time) string {
	if t.IsZero() {
		return "not yet"
	}
	return short(now.Sub(t)) + " ago"
}

func until(t, now time.Time) string {
	switch {
	case t.IsZero():
		return "being read"
	case !t.After(now):
		return "now"
	}
	return "in " + short(t.Sub(now))
}

// short is a time in its largest unit.
func short(d time.Duration) string {
	switch {
	case d <= 0:
		return ""
	case d < 2*time.Minute:
		return fmt.Sprintf("%d s", int(d.Seconds()))
	case d < 2*time.Hour:
		return fmt.Sprintf("%d min", int(d.Minutes()))
	}
	return strings.TrimSuffix(fmt.Sprintf("%.1f", d.Hours()), ".0") + " h"
}
