package web

import (
	"slices"
	"time"

	"maragu.dev/gomponents"

	"volvobridge/bridge/entity"
	"volvobridge/bridge/web/el"
)

// filter is a list to choose one of; the empty value is all of them.
func (s *sheet) filter(name, title string, values []string, shown func(string) string) el.Node {
	chosen := s.query.Get(name)
	return el.Div(el.Label(el.For(name), s.text(title)), el.Select(el.ID(name), el.Name(name), el.Option(el.Value(""), s.text("all")),
		gomponents.Map(values, func(v string) el.Node {
			return el.Option(el.Value(v), el.If(v == chosen, el.Selected()), el.Text(shown(v)))
		})))
}

func asIs(s string) string { return s }

// commandsPage lists the last commands, the newest first, and those that were refused.
func commandsPage(s *sheet) el.Node {
	entries, err := s.site.opts.Bridge.Ledger(s.request.Context())
	if err != nil {
		entries = nil
	}
	var cars, statuses []string
	for _, e := range entries {
		cars, statuses = append(cars, e.Car), append(statuses, e.Status.Status)
	}
	slices.Sort(cars)
	slices.Sort(statuses)
	var rows []el.Node
	for _, e := range slices.Backward(entries) {
		if (s.query.Get("car") == "" || s.query.Get("car") == e.Car) && (s.query.Get("status") == "" || s.query.Get("status") == e.Status.Status) {
			rows = append(rows, s.entry(e))
		}
	}
	list := el.Node(el.P(s.text("None yet.")))
	if len(rows) > 0 {
		list = el.Table(el.Class("stack"), el.THead(el.Tr(s.heads("When", "Car", "Command", "What became of it", "Times")...)), el.TBody(el.Group(rows)))
	}
	return el.Group{el.H1(s.text("Commands")),
		el.Form(el.Class("filters"), el.Method("get"), el.Action("commands"), s.filter("car", "Car", slices.Compact(cars), asIs),
			s.filter("status", "What became of it", slices.Compact(statuses), func(w string) string { return s.t(wordOf(w)) }), el.Button(s.text("Show"))),
		s.live("ledger", el.Section(el.ID("ledger"), el.Class("card"), el.Attr("aria-label", s.t("Commands")), list)),
		el.P(el.Small(s.text("The last 200 commands are kept over a restart, the last 100 refusals until one.")))}
}

func (s *sheet) entry(e LedgerEntry) el.Node {
	name := e.Entity
	if e.Command != "" {
		name = s.orderName(e.Command)
	}
	return el.Tr(el.Th(el.Scope("row"), s.clock(e.RequestedAt)), el.Td(el.Data("label", s.t("Car")), el.Text(e.Car)), el.Td(el.Data("label", s.t("Command")), el.Text(name)),
		el.Td(el.Data("label", s.t("What became of it")), el.Ul(el.Class("life"), gomponents.Map(steps(withCommand(e)), func(st step) el.Node { return el.Li(el.Class(st.class), s.word(st.word)) })), el.Small(s.words(e.Status))),
		el.Td(el.Data("label", s.t("Times")), s.times(e)))
}

// withCommand is the status of an entry, which names its command.
func withCommand(e LedgerEntry) (status entity.Status) {
	status = e.Status
	if status.Command == nil {
		status.Command = new(string(e.Command))
	}
	return status
}

// times are how long each step took.
func (s *sheet) times(e LedgerEntry) el.Node {
	var lines []el.Node
	for _, t := range []struct {
		what string
		at   *time.Time
	}{{"sent after %s", e.SentAt}, {"answered after %s", e.AnsweredAt}, {"confirmed after %s", e.ConfirmedAt}} {
		if t.at != nil {
			lines = append(lines, el.Div(s.text(t.what, t.at.Sub(e.RequestedAt).Round(10*time.Millisecond).String())))
		}
	}
	if len(lines) == 0 {
		return el.Text("-")
	}
	return el.Small(el.Group(lines))
}
