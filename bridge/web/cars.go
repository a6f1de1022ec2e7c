package web

import (
	"encoding/json"
	"fmt"
	"math"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"

	"maragu.dev/gomponents"

	"volvobridge/bridge/entity"
	"volvobridge/bridge/web/el"
	"volvobridge/volvo"
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
		add("bad", el.Group{el.Strong(s.text("Not connected to the broker.")), why})
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
	var picture el.Node = el.Span()
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
	line := el.Group{el.Br(), el.Small(s.ago(r.Fetched), el.If(!r.At.IsZero(), el.Group{el.Text(", "), s.text("Volvo's time"), el.Text(" "), s.clock(r.At)}))}
	return line
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
	return el.Span(el.Class("big "+class), s.word(strings.ToLower(word)))
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

// orderNames are the texts of the buttons.
var orderNames = map[volvo.Command]string{
	volvo.Lock: "Lock", volvo.Unlock: "Unlock", volvo.LockReducedGuard: "Lock reduced guard", volvo.Honk: "Honk", volvo.Flash: "Flash", volvo.HonkFlash: "Honk & flash",
	volvo.ClimatizationStart: "Start climatization", volvo.ClimatizationStop: "Stop climatization", volvo.EngineStart: "Start engine", volvo.EngineStop: "Stop engine",
}

// asks tells whether a command opens or starts a car, and so must be meant.
func asks(command volvo.Command) bool {
	return command == volvo.Unlock || command == volvo.EngineStart
}

func (s *sheet) orderName(command volvo.Command) string {
	if name := entity.Translated(orderNames[command], s.language); name != orderNames[command] {
		return name
	}
	return s.t(orderNames[command])
}

// orders are the buttons of what the car offers and the configuration allows, each
// command once.
func (s *sheet) orders(c *Car) el.Node {
	seen := map[volvo.Command]bool{}
	var buttons []el.Node
	for _, r := range c.Rows {
		for _, o := range r.Orders {
			if seen[o.Command] {
				continue
			}
			seen[o.Command] = true
			buttons = append(buttons, el.Form(el.Method("post"), el.Action("cars/"+c.Level+"/"+r.ID), el.Input(el.Type("hidden"), el.Name("value"), el.Value(o.Word)),
				el.Button(el.ID("do-"+c.Level+"-"+string(o.Command)), el.If(asks(o.Command), el.Class("danger")), el.Text(s.orderName(o.Command)), el.If(asks(o.Command), el.Text(" ...")))))
		}
	}
	if len(buttons) == 0 {
		return el.P(el.Small(s.text("No command is offered or allowed for this car.")))
	}
	return el.Div(el.Class("orders"), el.Group(buttons))
}

// life is where a command is on its way.
func (s *sheet) life(status *entity.Status) el.Node {
	if status == nil || status.Command == nil {
		return nil
	}
	name := s.orderName(volvo.Command(*status.Command))
	return el.Group{el.Ul(el.Class("life"), el.Attr("aria-label", name), el.Li(el.Class("head"), el.Text(name)), gomponents.Map(steps(*status), func(st step) el.Node {
		return el.Li(el.Class(st.class), s.word(st.word))
	})), el.Small(s.ago(status.RequestedAt), s.words(*status))}
}

// words are what Volvo and the bridge say of a command.
func (s *sheet) words(status entity.Status) el.Node {
	var parts []el.Node
	for _, text := range []*string{status.InvokeStatus, status.Message} {
		if text != nil && *text != "" {
			parts = append(parts, el.Text(" "), s.says("Volvo: "+*text+"."))
		}
	}
	if status.Reason != nil {
		parts = append(parts, el.Text(" "), el.Code(el.Text(*status.Reason)))
	}
	if status.Advice != nil {
		parts = append(parts, el.Text(" "), s.says(*status.Advice))
	}
	return el.Group(parts)
}

type step struct{ word, class string }

// steps are those of a command's life that are behind, now, and ahead.
func steps(status entity.Status) []step {
	class := func(bad bool) string {
		if bad {
			return "failed"
		}
		return "now"
	}
	var way []step
	switch status.Status {
	case "refused", "failed", "unknown":
		way = []step{{status.Status, class(true)}}
	case "sending":
		way = []step{{"sending", "now"}, {"accepted", ""}, {"succeeded", ""}}
	case "accepted":
		way = []step{{"sending", "done"}, {"accepted", "now"}, {"succeeded", ""}}
	default:
		way = []step{{"sending", "done"}, {"accepted", "done"}, {"succeeded", "now"}}
	}
	lock := status.Command != nil && (*status.Command == string(volvo.Lock) || *status.Command == string(volvo.Unlock))
	switch {
	case status.Confirmed != nil && *status.Confirmed:
		way[len(way)-1].class = "done"
		way = append(way, step{"confirmed", "done"})
	case status.Confirmed != nil:
		way = append(way, step{"not confirmed", "failed"})
	case lock && (status.Status == "sending" || status.Status == "accepted" || status.Status == "succeeded"):
		way = append(way, step{"confirmed", ""})
	}
	return way
}

// command takes a button. What opens or starts a car is asked for once more, with the PIN
// if one is wanted.
func (s *site) command(w http.ResponseWriter, r *http.Request) {
	sheet := s.sheet(r)
	if sheet.look(r.Context()) != nil {
		s.busy(w)
		return
	}
	level, id, value := r.PathValue("car"), r.PathValue("entity"), r.PostFormValue("value")
	c, e := sheet.car(level), entity.ByID(id)
	if c == nil || e == nil {
		http.NotFound(w, r)
		return
	}
	order, known := e.Command(value)
	if known && asks(order) && r.PostFormValue("sure") == "" {
		sheet.confirm(w, http.StatusOK, c, id, value, order, "")
		return
	}
	payload, _ := json.Marshal(request{Value: value, ID: r.PostFormValue("id"), At: time.Now().Unix(), PIN: strings.TrimSpace(r.PostFormValue("pin"))}) // texts always marshal
	status, err := s.opts.Bridge.Command(r.Context(), level, id, payload)
	s.mu.Lock()
	s.lastAt = time.Time{} // the next view shows it
	s.mu.Unlock()
	switch {
	case err != nil:
		s.busy(w)
	case status.Reason != nil && *status.Reason == "pin" && asks(order):
		sheet.confirm(w, http.StatusUnprocessableEntity, c, id, value, order, *status.Advice)
	default:
		seeOther(w, sheet.root+"./#car-"+level)
	}
}

// request is the payload of a command, as on MQTT.
type request struct {
	Value string `json:"value"`
	ID    string `json:"id,omitempty"`
	At    int64  `json:"at"`
	PIN   string `json:"pin,omitempty"`
}

// confirm asks whether a command is meant.
func (s *sheet) confirm(w http.ResponseWriter, code int, c *Car, id, value string, order volvo.Command, problem string) {
	title := s.t("%s: %s?", c.Name, s.orderName(order))
	hidden := func(name, value string) el.Node {
		return el.Input(el.Type("hidden"), el.Name(name), el.Value(value))
	}
	body := el.Section(el.Class("card"), el.H1(el.Text(title)), s.problem(problem),
		el.P(s.text("This opens or starts a real car, wherever it stands.")),
		el.Form(el.Method("post"), el.Action(s.root+"cars/"+c.Level+"/"+id), el.AutoComplete("off"), hidden("value", value), hidden("sure", "yes"), hidden("id", newID()),
			el.If(s.view.Rules.PIN, el.Group{el.Label(el.For("pin"), s.text("PIN")),
				el.Input(el.ID("pin"), el.Name("pin"), el.Type("password"), el.Attr("inputmode", "numeric"), el.AutoComplete("off"), el.Required(), el.AutoFocus())}),
			el.Div(el.Class("orders"), el.Button(el.Class("danger"), el.ID("sure"), el.Text(s.orderName(order))), el.A(el.Class("button"), el.Href(s.root+"./#car-"+c.Level), s.text("Cancel")))))
	s.write(w, code, title, "confirm", body, false)
}
