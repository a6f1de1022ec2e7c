package web

import (
	"strings"

	"maragu.dev/gomponents"
	"maragu.dev/gomponents/html"

	"volvobridge/bridge/entity"
)

// entitiesPage lists every entity of a car with all that is to know of it, and the last
// answers of Volvo.
func entitiesPage(s *sheet) gomponents.Node {
	c := s.car(s.query.Get("car"))
	if c == nil && len(s.view.Cars) > 0 {
		c = &s.view.Cars[0]
	}
	if c == nil {
		return gomponents.Group{html.H1(s.text("Entities")), html.P(s.text("No car is known yet. It appears by itself once the account lists one."))}
	}
	asked := strings.ToLower(s.query.Get("q"))
	var rows []gomponents.Node
	for i := range c.Rows {
		r := &c.Rows[i]
		if text := s.searchable(r); r.Announced || r.HasValue {
			if !strings.Contains(text, asked) {
				continue
			}
			rows = append(rows, s.live("entity-"+r.ID, s.entity(r, text)))
		}
	}
	return gomponents.Group{html.H1(s.text("Entities")), s.tabs(c),
		html.Form(html.Class("filters"), html.Method("get"), html.Action("entities"), html.Input(html.Type("hidden"), html.Name("car"), html.Value(c.Level)),
			html.Div(html.Label(html.For("q"), s.text("Search")), html.Input(html.ID("q"), html.Name("q"), html.Type("search"), html.Value(s.query.Get("q")), html.Data("filter", "yes"))), html.Button(s.text("Show"))),
		html.Section(html.Class("card"), gomponents.Attr("aria-label", s.t("Entities")), html.Table(html.Class("stack"),
			html.THead(html.Tr(s.heads("Entity", "State", "Volvo's time", "Source", "Topic", "Unique id")...)), html.TBody(gomponents.Group(rows)))),
		html.Section(html.Class("card"), html.H2(s.text("Last answers of Volvo, redacted")), gomponents.Map(sorted(c.Answers), func(name string) gomponents.Node {
			return s.live("answer-"+name, s.answer(name, c.Answers[name]))
		}))}
}

func (s *sheet) tabs(chosen *Car) gomponents.Node {
	if len(s.view.Cars) < 2 {
		return nil
	}
	return html.Nav(html.Class("tabs"), gomponents.Attr("aria-label", s.t("Cars")), gomponents.Map(s.view.Cars, func(c Car) gomponents.Node {
		return html.A(html.Href("entities?car="+c.Level), gomponents.If(c.Level == chosen.Level, gomponents.Attr("aria-current", "true")), gomponents.Text(c.Name))
	}))
}

// searchable is what the search looks through.
func (s *sheet) searchable(r *entity.Row) string {
	return strings.ToLower(strings.Join([]string{r.ID, r.Name, s.name(r.ID, r.Name), r.EntityID, r.Platform, string(r.Resource), r.Field}, " "))
}

func (s *sheet) entity(r *entity.Row, text string) gomponents.Node {
	state := s.plain(r)
	if !r.HasValue {
		state = "-"
	}
	cell := func(title string, nodes ...gomponents.Node) gomponents.Node {
		return html.Td(html.Data("label", s.t(title)), gomponents.Group(nodes))
	}
	topic := gomponents.Group{s.copyable(r.Topic), gomponents.If(r.Set != "", gomponents.Group{gomponents.If(r.Topic != "", html.Br()), s.copyable(r.Set)})}
	source := s.t("the bridge")
	if r.Resource != "" {
		source = string(r.Resource) + " " + r.Field
	}
	when := gomponents.Node(gomponents.Text("-"))
	if !r.At.IsZero() {
		when = s.clock(r.At)
	}
	return html.Tr(html.ID("entity-"+r.ID), html.Data("text", text), html.Th(html.Scope("row"), gomponents.Text(s.name(r.ID, r.Name)), html.Br(), s.copyable(r.EntityID)),
		cell("State", gomponents.Text(state)), cell("Volvo's time", when), cell("Source", html.Code(gomponents.Text(source))), cell("Topic", topic), cell("Unique id", s.copyable(r.UniqueID)))
}

func (s *sheet) copyable(text string) gomponents.Node {
	if text == "" {
		return nil
	}
	return html.Small(html.Code(gomponents.Text(text)), gomponents.Text(" "), html.Button(html.Type("button"), html.Class("quiet copy"), html.Data("copy", text), gomponents.Attr("aria-label", s.t("Copy %s", text)), s.text("Copy")))
}

// answer is the last answer of a resource, as it was understood.
func (s *sheet) answer(name string, a entity.Answer) gomponents.Node {
	var b strings.Builder
	for _, field := range sorted(a.Readings) {
		r := a.Readings[field]
		value := r.Value
		if !r.HasValue() {
			value = "-"
		}
		b.WriteString(strings.TrimSpace(field+": "+value+" "+r.Unit) + "\n")
	}
	return html.Details(html.ID("answer-"+name), html.Summary(gomponents.Text(name+", "), s.ago(a.Fetched)), html.Pre(gomponents.Text(s.redacted(b.String()))))
}
