package web

import (
	"strings"

	"maragu.dev/gomponents"

	"volvobridge/bridge/entity"
	"volvobridge/bridge/web/el"
)

// entitiesPage lists every entity of a car with all that is to know of it, and the last
// answers of Volvo.
func entitiesPage(s *sheet) el.Node {
	c := s.car(s.query.Get("car"))
	if c == nil && len(s.view.Cars) > 0 {
		c = &s.view.Cars[0]
	}
	if c == nil {
		return el.Group{el.H1(s.text("Entities")), el.P(s.text("No car is known yet. It appears by itself once the account lists one."))}
	}
	asked := strings.ToLower(s.query.Get("q"))
	var rows []el.Node
	for i := range c.Rows {
		r := &c.Rows[i]
		if text := s.searchable(r); r.Announced || r.HasValue {
			if !strings.Contains(text, asked) {
				continue
			}
			rows = append(rows, s.live("entity-"+r.ID, s.entity(r, text)))
		}
	}
	return el.Group{el.H1(s.text("Entities")), s.tabs(c),
		el.Form(el.Class("filters"), el.Method("get"), el.Action("entities"), el.Input(el.Type("hidden"), el.Name("car"), el.Value(c.Level)),
			el.Div(el.Label(el.For("q"), s.text("Search")), el.Input(el.ID("q"), el.Name("q"), el.Type("search"), el.Value(s.query.Get("q")), el.Data("filter", "yes"))), el.Button(s.text("Show"))),
		el.Section(el.Class("card"), el.Attr("aria-label", s.t("Entities")), el.Table(el.Class("stack"),
			el.THead(el.Tr(s.heads("Entity", "State", "Volvo's time", "Source", "Topic", "Unique id")...)), el.TBody(el.Group(rows)))),
		el.Section(el.Class("card"), el.H2(s.text("Last answers of Volvo, redacted")), gomponents.Map(sorted(c.Answers), func(name string) el.Node {
			return s.live("answer-"+name, s.answer(name, c.Answers[name]))
		}))}
}

func (s *sheet) tabs(chosen *Car) el.Node {
	if len(s.view.Cars) < 2 {
		return nil
	}
	return el.Nav(el.Class("tabs"), el.Attr("aria-label", s.t("Cars")), gomponents.Map(s.view.Cars, func(c Car) el.Node {
		return el.A(el.Href("entities?car="+c.Level), el.If(c.Level == chosen.Level, el.Attr("aria-current", "true")), el.Text(c.Name))
	}))
}

// searchable is what the search looks through.
func (s *sheet) searchable(r *entity.Row) string {
	return strings.ToLower(strings.Join([]string{r.ID, r.Name, s.name(r.Name), r.EntityID, r.Platform, string(r.Resource), r.Field}, " "))
}

func (s *sheet) entity(r *entity.Row, text string) el.Node {
	state := s.plain(r)
	if !r.HasValue {
		state = "-"
	}
	cell := func(title string, nodes ...el.Node) el.Node {
		return el.Td(el.Data("label", s.t(title)), el.Group(nodes))
	}
	topic := el.Group{s.copyable(r.Topic), el.If(r.Set != "", el.Group{el.If(r.Topic != "", el.Br()), s.copyable(r.Set)})}
	source := s.t("the bridge")
	if r.Resource != "" {
		source = string(r.Resource) + " " + r.Field
	}
	when := el.Node(el.Text("-"))
	if !r.At.IsZero() {
		when = s.clock(r.At)
	}
	return el.Tr(el.ID("entity-"+r.ID), el.Data("text", text), el.Th(el.Scope("row"), el.Text(s.name(r.Name)), el.Br(), s.copyable(r.EntityID)),
		cell("State", el.Text(state)), cell("Volvo's time", when), cell("Source", el.Code(el.Text(source))), cell("Topic", topic), cell("Unique id", s.copyable(r.UniqueID)))
}

func (s *sheet) copyable(text string) el.Node {
	if text == "" {
		return nil
	}
	return el.Small(el.Code(el.Text(text)), el.Text(" "), el.Button(el.Type("button"), el.Class("quiet copy"), el.Data("copy", text), el.Attr("aria-label", s.t("Copy %s", text)), s.text("Copy")))
}

// answer is the last answer of a resource, as it was understood.
func (s *sheet) answer(name string, a entity.Answer) el.Node {
	var b strings.Builder
	for _, field := range sorted(a.Readings) {
		r := a.Readings[field]
		value := r.Value
		if !r.HasValue() {
			value = "-"
		}
		b.WriteString(strings.TrimSpace(field+": "+value+" "+r.Unit) + "\n")
	}
	return el.Details(el.ID("answer-"+name), el.Summary(el.Text(name+", "), s.ago(a.Fetched)), el.Pre(el.Text(s.redacted(b.String()))))
}
