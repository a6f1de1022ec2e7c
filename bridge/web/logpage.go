package web

import (
	"slices"
	"time"

	"volvobridge/bridge/web/el"
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
func logPage(s *sheet) el.Node {
	lines := s.site.opts.Log.Lines()
	least := slices.Index(levels, s.query.Get("level"))
	var cars []string
	var items []el.Node
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
	list := el.Node(el.P(s.text("None yet.")))
	if len(items) > 0 {
		list = el.Ul(el.Class("log"), el.Group(items))
	}
	return el.Group{el.H1(s.text("Log")),
		el.Form(el.Class("filters"), el.Method("get"), el.Action("log"), s.filter("level", "At least", []string{"debug", "info", "warn", "error"}, asIs), s.filter("car", "Car", cars, asIs), el.Button(s.text("Show"))),
		s.live("log", el.Section(el.ID("log"), el.Class("card"), el.Attr("aria-label", s.t("Log")), list)),
		el.P(el.Small(s.text("The last 500 lines, without secrets, VINs and positions.")))}
}

func (s *sheet) logLine(l LogLine) el.Node {
	class := map[string]string{"warn": "warn", "error": "bad", "fatal": "bad", "panic": "bad"}[l.Level]
	return el.Li(s.clock(l.At), el.Text(" "), el.Span(el.Class("badge "+class), el.Text(l.Level)), el.Text(" "), el.Span(el.Lang("en"), el.Strong(el.Text(l.Text)), el.Text(" "), el.Span(el.Class("dim"), el.Text(l.Rest))))
}
