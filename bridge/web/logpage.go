package web

import (
	"slices"
	"time"

	"maragu.dev/gomponents"
	"maragu.dev/gomponents/html"
)

// Log is the end of the program's log, redacted.
type Log interface {
	// Lines returns the last lines, the oldest first.
	Lines() []LogLine
	// Changed returns a channel that is closed with the next line.
	Changed() <-chan struct{}
}

// LogLine is a line of the log.
type LogLine struct {
	At               time.Time
	Level, Car, Text string
	// Rest are the other fields, as text.
	Rest string
}

var levels = []string{"trace", "debug", "info", "warn", "error", "fatal", "panic"}

// logPage shows the log, the newest line first.
func logPage(s *sheet) gomponents.Node {
	lines := s.site.opts.Log.Lines()
	least := slices.Index(levels, s.query.Get("level"))
	var cars []string
	var items []gomponents.Node
	for _, l := range slices.Backward(lines) {
		if l.Car != "" && !slices.Contains(cars, l.Car) {
			cars = append(cars, l.Car)
		}
		if slices.Index(levels, l.Level) < least || s.query.Get("car") != "" && l.Car != s.query.Get("car") {
			continue
		}
		items = append(items, s.logLine(l))
	}
	slices.Sort(cars)
	list := gomponents.Node(html.P(s.text("None yet.")))
	if len(items) > 0 {
		list = html.Ul(html.Class("log"), gomponents.Group(items))
	}
	return gomponents.Group{html.H1(s.text("Log")),
		html.Form(html.Class("filters"), html.Method("get"), html.Action("log"), s.filter("level", "At least", []string{"debug", "info", "warn", "error"}, asIs), s.filter("car", "Car", cars, asIs), html.Button(s.text("Show"))),
		s.live("log", html.Section(html.ID("log"), html.Class("card"), gomponents.Attr("aria-label", s.t("Log")), list)),
		html.P(html.Small(s.text("The last 500 lines, without secrets, VINs and positions.")))}
}

func (s *sheet) logLine(l LogLine) gomponents.Node {
	class := map[string]string{"warn": "warn", "error": "bad", "fatal": "bad", "panic": "bad"}[l.Level]
	return html.Li(s.clock(l.At), gomponents.Text(" "), html.Span(html.Class("badge "+class), gomponents.Text(l.Level)), gomponents.Text(" "), html.Span(html.Lang("en"), html.Strong(gomponents.Text(l.Text)), gomponents.Text(" "), html.Span(html.Class("dim"), gomponents.Text(l.Rest))))
}
