package web

import (
	"slices"
	"time"

	"maragu.dev/gomponents"
	"maragu.dev/gomponents/html"

	"volvobridge/bridge/entity"
)

// filter is a list to choose one of; the empty value is all of them.
func (s *sheet) filter(name, title string, values []string, shown func(string) string) gomponents.Node {
	chosen := s.query.Get(name)
	return html.Div(html.Label(html.For(name), s.text(title)), html.Select(html.ID(name), html.Name(name), html.Option(html.Value(""), s.text("all")),
		gomponents.Map(values, func(v string) gomponents.Node {
			return html.Option(html.Value(v), gomponents.If(v == chosen, html.Selected()), gomponents.Text(shown(v)))
		})))
}

func asIs(s string) string { return s }

// commandsPage lists the last commands, the newest first, and those that were refused.
func commandsPage(s *sheet) gomponents.Node {
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
	var rows []gomponents.Node
	for _, e := range slices.Backward(entries) {
		if (s.query.Get("car") == "" || s.query.Get("car") == e.Car) && (s.query.Get("status") == "" || s.query.Get("status") == e.Status.Status) {
			rows = append(rows, s.entry(e))
		}
	}
	list := gomponents.Node(html.P(s.text("None yet.")))
	if len(rows) > 0 {
		list = html.Table(html.Class("stack"), html.THead(html.Tr(s.heads("When", "Car", "Command", "What became of it", "Times")...)), html.TBody(gomponents.Group(rows)))
	}
	return gomponents.Group{html.H1(s.text("Commands")),
		html.Form(html.Class("filters"), html.Method("get"), html.Action("commands"), s.filter("car", "Car", slices.Compact(cars), asIs),
			s.filter("status", "What became of it", slices.Compact(statuses), func(w string) string { return s.t(wordOf(w)) }), html.Button(s.text("Show"))),
		s.live("ledger", html.Section(html.ID("ledger"), html.Class("card"), gomponents.Attr("aria-label", s.t("Commands")), list)),
		html.P(html.Small(s.text("The last 200 commands are kept over a restart, the last 100 refusals until one.")))}
}

func (s *sheet) entry(e LedgerEntry) gomponents.Node {
	name := e.Entity
	if e.Command != "" {
		name = s.orderName(e.Command)
	}
	if orderNames[e.Command] == "" && e.Command != "" {
		name = string(e.Command)
	}
	return html.Tr(html.Th(html.Scope("row"), s.clock(e.RequestedAt)), html.Td(html.Data("label", s.t("Car")), gomponents.Text(e.Car)), html.Td(html.Data("label", s.t("Command")), gomponents.Text(name)),
		html.Td(html.Data("label", s.t("What became of it")), html.Ul(html.Class("life"), gomponents.Map(steps(withCommand(e)), func(st step) gomponents.Node { return html.Li(html.Class(st.class), s.word(st.word)) })), html.Small(s.words(e.Status))),
		html.Td(html.Data("label", s.t("Times")), s.times(e)))
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
func (s *sheet) times(e LedgerEntry) gomponents.Node {
	var lines []gomponents.Node
	for _, t := range []struct {
		what string
		at   *time.Time
	}{{"sent after %s", e.SentAt}, {"answered after %s", e.AnsweredAt}, {"confirmed after %s", e.ConfirmedAt}} {
		if t.at != nil {
			lines = append(lines, html.Div(s.text(t.what, t.at.Sub(e.RequestedAt).Round(10*time.Millisecond).String())))
		}
	}
	if len(lines) == 0 {
		return gomponents.Text("-")
	}
	return html.Small(gomponents.Group(lines))
}
