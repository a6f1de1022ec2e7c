package web

import (
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"
	"time"

	"maragu.dev/gomponents"

	"volvobridge/bridge/entity"
	"volvobridge/bridge/web/el"
)

// carsPage is the first page: a card a car.
func carsPage(s *sheet) el.Node {
	cards := gomponents.Map(s.view.Cars, func(c Car) el.Node { return s.card(&c) })
	if len(s.view.Cars) == 0 {
		cards = el.Group{s.live("no-cars", el.Div(el.ID("no-cars"), el.Class("card"), s.text("No car is known yet. It appears by itself once the account lists one.")))}
	}
	return el.Group{el.H1(s.text("Cars")), s.live("trouble", s.trouble()), el.Div(el.Class("grid"), cards)}
}

// trouble says what is wrong with the whole, in short; "Why" says it at length.
func (s *sheet) trouble() el.Node {
	var notes []el.Node
	add := func(kind string, text el.Node) {
		notes = append(notes, el.Div(el.Class("note "+kind), text))
	}
	why := el.Group{el.Text(" "), el.A(el.Href("why"), s.text("Why?"))}
	if !s.view.Broker.Connected {
		add("bad", el.Group{el.Strong(s.text("Not connected to the broker.")), why, s.mosquitto(s.view.Broker.None)})
	}
	for _, a := range s.view.Accounts {
		switch {
		case a.Required:
			add("bad", el.Group{el.Strong(s.text("A login at Volvo is needed.")), el.Text(" "), el.A(el.Href("login"), s.text("Log in"))})
		case a.Status != "ok":
			add("warn", el.Group{el.Strong(s.word(a.Status)), el.Text(". "), s.says(a.Advice), why})
		}
	}
	return el.Div(el.ID("trouble"), el.Role("status"), el.Group(notes))
}

func (s *sheet) card(c *Car) el.Node {
	id := "car-" + c.Level
	picture := el.Span()
	if slices.Contains(c.Pictures, "exterior") {
		picture = el.Img(el.Src("cars/"+c.Level+"/picture/exterior"), el.Alt(s.t("Picture of %s", c.Name)))
	}
	return el.Article(el.Class("card"), el.ID(id), el.Attr("aria-labelledby", id+"-name"),
		s.live(id+"-head", el.Div(el.ID(id+"-head"), el.Class("head"), el.H2(el.ID(id+"-name"), el.Text(c.Name)), s.state(c))),
		el.Div(el.Class("look"), picture, s.live(id+"-top", el.Div(el.ID(id+"-top"), s.topView(c)))),
		s.live(id+"-facts", el.Div(el.ID(id+"-facts"), el.Dl(el.Class("facts"), el.Group(s.facts(c))))),
		s.live(id+"-orders", el.Div(el.ID(id+"-orders"), s.orders(c))),
		s.live(id+"-life", el.Div(el.ID(id+"-life"), el.Role("status"), s.life(c.Last))))
}

// state is whether the car is in touch, and what it does.
func (s *sheet) state(c *Car) el.Node {
	if !c.Online {
		return el.Span(el.Class("badge bad"), s.text("offline"))
	}
	return el.Span(el.Class("badge good"), s.word(c.Phase))
}

// fact is a line of a card; an empty value is unknown.
//
//go:noinline
func (s *sheet) fact(title, class string, value, age el.Node) el.Node {
	if value == nil {
		value = el.Span(el.Class("dim"), s.text("unknown"))
	}
	return el.Div(el.Class(class), el.Dt(el.Text(title)), el.Dd(value, age))
}

// age is how old the values of a row are: by our last read, and by Volvo's own time.
func (s *sheet) age(r *entity.Row) el.Node {
	if r == nil || r.Fetched.IsZero() {
		return nil
	}
	return el.Group{el.Br(), el.Small(s.ago(r.Fetched), el.If(!r.At.IsZero(), el.Group{el.Text(", "), s.text("Volvo's time"), el.Text(" "), s.clock(r.At)}))}
}

func (s *sheet) facts(c *Car) []el.Node {
	var facts []el.Node
	add := func(n el.Node) { facts = append(facts, n) }
	if r := c.Row("lock"); r != nil {
		add(s.fact(s.name("Doors"), "", s.lock(r), s.age(r)))
	}
	if r := c.Row("climatization"); r != nil {
		add(s.fact(s.name("Climate"), "", el.Group{s.value(r), el.Text(" "), el.Small(s.text("assumed"))}, nil))
	}
	for _, level := range []struct{ id, reach string }{{"battery_charge_level", "distance_to_empty_battery"}, {"fuel_amount", "distance_to_empty_tank"}} {
		if r := c.Row(level.id); r != nil {
			add(s.fact(s.name(r.Name), "", s.large(r), s.age(r)))
			if reach := c.Row(level.reach); reach != nil {
				add(s.fact(s.name(reach.Name), "", s.large(reach), s.age(reach)))
			}
		}
	}
	if r := c.Row("charging_status"); r != nil {
		add(s.fact(s.name(r.Name), "all", s.charging(c, r), s.age(r)))
	}
	add(s.fact(s.t("Open"), "all", s.openings(c), s.age(first(c, "door_front_left", "window_front_left"))))
	if r := c.Row("tire_front_left"); r != nil {
		add(s.fact(s.t("Tyres"), "", s.parts(c, "tire_", s.t("all right")), s.age(r)))
	}
	if r := c.Row("any_warning"); r != nil {
		add(s.fact(s.name(r.Name), "", s.warnings(c, r), s.age(first(c, "service_warning", "washer_fluid_level_warning"))))
	}
	if r := c.Row("odometer"); r != nil {
		add(s.fact(s.name(r.Name), "", s.value(r), s.age(r)))
	}
	if r := c.Row("engine_status"); r != nil {
		add(s.fact(s.name(r.Name), "", s.engine(r), s.age(r)))
	}
	if r := c.Row("location"); r != nil {
		add(s.fact(s.name(r.Name), "all", s.position(c), s.age(r)))
	}
	return facts
}

func first(c *Car, ids ...string) *entity.Row {
	for _, id := range ids {
		if r := c.Row(id); r != nil {
			return r
		}
	}
	return nil
}

func (s *sheet) lock(r *entity.Row) el.Node {
	word, _ := r.Value.(string)
	class := map[string]string{"LOCKED": "good", "UNLOCKED": "warn"}[word]
	if word == "" {
		return nil
	}
	return el.Span(el.Class("big "+class), s.word(word))
}

// value is a row's value with its unit; nil is unknown.
func (s *sheet) value(r *entity.Row) el.Node {
	if r == nil || r.Value == nil {
		return nil
	}
	return el.Text(s.plain(r))
}

// plain is the same as text.
func (s *sheet) plain(r *entity.Row) string {
	switch v := r.Value.(type) {
	case nil:
		return s.t("unknown")
	case float64:
		if r.Precision != nil {
			scale := math.Pow10(*r.Precision)
			v = math.Round(v*scale) / scale
		}
		return strings.TrimSpace(s.number(v) + " " + r.Unit)
	case int:
		return strings.TrimSpace(strconv.Itoa(v) + " " + r.Unit)
	case string:
		if r.Class == "timestamp" {
			return v
		}
		if len(r.Words) > 0 || r.Platform != "sensor" {
			return s.t(wordOf(v))
		}
		return v
	}
	return fmt.Sprint(r.Value)
}

// number writes one as people of the language do.
func (s *sheet) number(v float64) string {
	text := strconv.FormatFloat(math.Round(v*10)/10, 'f', -1, 64)
	whole, rest, _ := strings.Cut(text, ".")
	for i := len(whole) - 3; i > 0 && whole[i-1] != '-'; i -= 3 {
		whole = whole[:i] + " " + whole[i:]
	}
	if rest == "" {
		return whole
	}
	if s.language == "en" {
		return whole + "." + rest
	}
	return whole + "," + rest
}

func (s *sheet) large(r *entity.Row) el.Node {
	if r.Value == nil {
		return nil
	}
	return el.Span(el.Class("big"), el.Text(s.plain(r)))
}

// word is a word of the table as people say it.
func (s *sheet) word(word string) el.Node { return el.Text(s.t(wordOf(word))) }

// wordOf makes of a word in snake case what is translated.
func wordOf(word string) string { return strings.ReplaceAll(strings.ToLower(word), "_", " ") }

func (s *sheet) charging(c *Car, r *entity.Row) el.Node {
	if r.Value == nil {
		return nil
	}
	parts := []el.Node{s.word(fmt.Sprint(r.Value))}
	if power := c.Row("charging_power"); power != nil && power.Value != nil && r.Value == "charging" {
		parts = append(parts, el.Text(", "+s.plain(power)))
	}
	if finish := c.Row("estimated_charging_finish"); finish != nil {
		if at, err := time.Parse(time.RFC3339, fmt.Sprint(finish.Value)); err == nil {
			parts = append(parts, el.Text(", "), s.text("done at"), el.Text(" "), s.clock(at))
		}
	}
	if plug := c.Row("charger_connection_status"); plug != nil && plug.Value != nil && r.Value != "charging" {
		parts = append(parts, el.Text(", "), s.word("plug "+fmt.Sprint(plug.Value)))
	}
	return el.Group(parts)
}

// partsOpen are the parts of a car that can stand open, in the order of the table.
func partsOpen(c *Car) (open, unknown []*entity.Row, any bool) {
	for i := range c.Rows {
		r := &c.Rows[i]
		if r.Class != "door" && r.Class != "window" {
			continue
		}
		any = true
		switch r.Value {
		case "ON":
			open = append(open, r)
		case nil:
			unknown = append(unknown, r)
		}
	}
	return open, unknown, any
}

// openings names what is open.
func (s *sheet) openings(c *Car) el.Node {
	open, unknown, any := partsOpen(c)
	switch {
	case !any || len(open) == 0 && len(unknown) > 0:
		return nil
	case len(open) == 0:
		return el.Span(el.Class("good"), s.text("everything is closed"))
	}
	return el.Strong(el.Class("bad"), el.Text(s.names(open)))
}

func (s *sheet) names(rows []*entity.Row) string {
	var names []string
	for _, r := range rows {
		names = append(names, s.name(r.Name))
	}
	return strings.Join(names, ", ")
}

// parts names those of a kind that have a problem.
func (s *sheet) parts(c *Car, prefix, well string) el.Node {
	var bad []*entity.Row
	known := false
	for i := range c.Rows {
		if r := &c.Rows[i]; strings.HasPrefix(r.ID, prefix) {
			known = known || r.Value != nil
			if r.Value == "ON" {
				bad = append(bad, r)
			}
		}
	}
	switch {
	case !known:
		return nil
	case len(bad) == 0:
		return el.Span(el.Class("good"), el.Text(well))
	}
	return el.Strong(el.Class("bad"), el.Text(s.names(bad)))
}

func (s *sheet) warnings(c *Car, r *entity.Row) el.Node {
	switch {
	case r.Value == nil:
		return nil
	case len(c.Warnings) == 0:
		return el.Span(el.Class("good"), s.text("none"))
	}
	var rows []*entity.Row
	for _, id := range c.Warnings {
		if row := c.Row(id); row != nil {
			rows = append(rows, row)
		}
	}
	return el.Strong(el.Class("bad"), el.Text(s.names(rows)))
}

func (s *sheet) engine(r *entity.Row) el.Node {
	switch r.Value {
	case "ON":
		return el.Strong(s.text("running"))
	case "OFF":
		return s.text("stopped")
	}
	return nil
}

// position is text and a link: no tile of a map is fetched.
func (s *sheet) position(c *Car) el.Node {
	latitude, ok1 := c.Position["latitude"].(float64)
	longitude, ok2 := c.Position["longitude"].(float64)
	if !ok1 || !ok2 {
		return nil
	}
	place := fmt.Sprintf("%.5f, %.5f", latitude, longitude)
	return el.Group{el.Text(place + " "),
		el.A(el.Href(fmt.Sprintf("https://www.openstreetmap.org/?mlat=%.5f&mlon=%.5f#map=16/%.5f/%.5f", latitude, longitude, latitude, longitude)), el.Rel("noreferrer noopener"), el.Target("_blank"), s.text("Show on a map"))}
}
