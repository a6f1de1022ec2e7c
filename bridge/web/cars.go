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
	"maragu.dev/gomponents/html"

	"volvobridge/bridge/entity"
	"volvobridge/volvo"
)

// carsPage is the first page: a card a car.
func carsPage(s *sheet) gomponents.Node {
	cards := gomponents.Map(s.view.Cars, func(c Car) gomponents.Node { return s.card(&c) })
	if len(s.view.Cars) == 0 {
		cards = gomponents.Group{s.live("no-cars", html.Div(html.ID("no-cars"), html.Class("card"), s.text("No car is known yet. It appears by itself once the account lists one.")))}
	}
	return gomponents.Group{html.H1(s.text("Cars")), s.live("trouble", s.trouble()), html.Div(html.Class("grid"), cards)}
}

// trouble says what is wrong with the whole, in short; "Why" says it at length.
func (s *sheet) trouble() gomponents.Node {
	var notes []gomponents.Node
	add := func(kind string, text gomponents.Node) {
		notes = append(notes, html.Div(html.Class("note "+kind), text))
	}
	why := gomponents.Group{gomponents.Text(" "), html.A(html.Href("why"), s.text("Why?"))}
	if !s.view.Broker.Connected {
		add("bad", gomponents.Group{html.Strong(s.text("Not connected to the broker.")), why})
	}
	for _, a := range s.view.Accounts {
		switch {
		case a.Required:
			add("bad", gomponents.Group{html.Strong(s.text("A login at Volvo is needed.")), gomponents.Text(" "), html.A(html.Href("login"), s.text("Log in"))})
		case a.Status != "ok":
			add("warn", gomponents.Group{html.Strong(s.word(a.Status)), gomponents.Text(". "), s.says(a.Advice), why})
		}
	}
	return html.Div(html.ID("trouble"), html.Role("status"), gomponents.Group(notes))
}

func (s *sheet) card(c *Car) gomponents.Node {
	id := "car-" + c.Level
	var picture gomponents.Node = html.Span()
	if slices.Contains(c.Pictures, "exterior") {
		picture = html.Img(html.Src("cars/"+c.Level+"/picture/exterior"), html.Alt(s.t("Picture of %s", c.Name)))
	}
	return html.Article(html.Class("card"), html.ID(id), gomponents.Attr("aria-labelledby", id+"-name"),
		s.live(id+"-head", html.Div(html.ID(id+"-head"), html.Class("head"), html.H2(html.ID(id+"-name"), gomponents.Text(c.Name)), s.state(c))),
		html.Div(html.Class("look"), picture, s.live(id+"-top", html.Div(html.ID(id+"-top"), s.topView(c)))),
		s.live(id+"-facts", html.Div(html.ID(id+"-facts"), html.Dl(html.Class("facts"), gomponents.Group(s.facts(c))))),
		s.live(id+"-orders", html.Div(html.ID(id+"-orders"), s.orders(c))),
		s.live(id+"-life", html.Div(html.ID(id+"-life"), html.Role("status"), s.life(c.Last))))
}

// state is whether the car is in touch, and what it does.
func (s *sheet) state(c *Car) gomponents.Node {
	if !c.Online {
		return html.Span(html.Class("badge bad"), s.text("offline"))
	}
	return html.Span(html.Class("badge good"), s.word(c.Phase))
}

// fact is a line of a card; an empty value is unknown.
func (s *sheet) fact(title, class string, value, age gomponents.Node) gomponents.Node {
	if value == nil {
		value = html.Span(html.Class("dim"), s.text("unknown"))
	}
	return html.Div(html.Class(class), html.Dt(gomponents.Text(title)), html.Dd(value, age))
}

// age is how old the values of a row are: by our last read, and by Volvo's own time.
func (s *sheet) age(r *entity.Row) gomponents.Node {
	if r == nil || r.Fetched.IsZero() {
		return nil
	}
	line := gomponents.Group{html.Br(), html.Small(s.ago(r.Fetched), gomponents.If(!r.At.IsZero(), gomponents.Group{gomponents.Text(", "), s.text("Volvo's time"), gomponents.Text(" "), s.clock(r.At)}))}
	return line
}

func (s *sheet) facts(c *Car) []gomponents.Node {
	var facts []gomponents.Node
	add := func(n gomponents.Node) { facts = append(facts, n) }
	if r := c.Row("lock"); r != nil {
		add(s.fact(s.name("lock", "Doors"), "", s.lock(r), s.age(r)))
	}
	if r := c.Row("climatization"); r != nil {
		add(s.fact(s.name("", "Climate"), "", gomponents.Group{s.value(r), gomponents.Text(" "), html.Small(s.text("assumed"))}, nil))
	}
	for _, level := range []struct{ id, reach string }{{"battery_charge_level", "distance_to_empty_battery"}, {"fuel_amount", "distance_to_empty_tank"}} {
		if r := c.Row(level.id); r != nil {
			add(s.fact(s.name(r.ID, r.Name), "", s.large(r), s.age(r)))
			if reach := c.Row(level.reach); reach != nil {
				add(s.fact(s.name(reach.ID, reach.Name), "", s.large(reach), s.age(reach)))
			}
		}
	}
	if r := c.Row("charging_status"); r != nil {
		add(s.fact(s.name(r.ID, r.Name), "all", s.charging(c, r), s.age(r)))
	}
	add(s.fact(s.t("Open"), "all", s.openings(c), s.age(first(c, "door_front_left", "window_front_left"))))
	if r := c.Row("tire_front_left"); r != nil {
		add(s.fact(s.t("Tyres"), "", s.parts(c, "tire_", s.t("all right")), s.age(r)))
	}
	if r := c.Row("any_warning"); r != nil {
		add(s.fact(s.name(r.ID, r.Name), "", s.warnings(c, r), s.age(first(c, "service_warning", "washer_fluid_level_warning"))))
	}
	if r := c.Row("odometer"); r != nil {
		add(s.fact(s.name(r.ID, r.Name), "", s.value(r), s.age(r)))
	}
	if r := c.Row("engine_status"); r != nil {
		add(s.fact(s.name(r.ID, r.Name), "", s.engine(r), s.age(r)))
	}
	if r := c.Row("location"); r != nil {
		add(s.fact(s.name(r.ID, r.Name), "all", s.position(c), s.age(r)))
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

func (s *sheet) lock(r *entity.Row) gomponents.Node {
	word, _ := r.Value.(string)
	class := map[string]string{"LOCKED": "good", "UNLOCKED": "warn"}[word]
	if word == "" {
		return nil
	}
	return html.Span(html.Class("big "+class), s.word(strings.ToLower(word)))
}

// value is a row's value with its unit; nil is unknown.
func (s *sheet) value(r *entity.Row) gomponents.Node {
	if r == nil || r.Value == nil {
		return nil
	}
	return gomponents.Text(s.plain(r))
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

func (s *sheet) large(r *entity.Row) gomponents.Node {
	if r.Value == nil {
		return nil
	}
	return html.Span(html.Class("big"), gomponents.Text(s.plain(r)))
}

// word is a word of the table as people say it.
func (s *sheet) word(word string) gomponents.Node { return gomponents.Text(s.t(wordOf(word))) }

// wordOf makes of a word in snake case what is translated.
func wordOf(word string) string { return strings.ReplaceAll(strings.ToLower(word), "_", " ") }

func (s *sheet) charging(c *Car, r *entity.Row) gomponents.Node {
	if r.Value == nil {
		return nil
	}
	parts := []gomponents.Node{s.word(fmt.Sprint(r.Value))}
	if power := c.Row("charging_power"); power != nil && power.Value != nil && r.Value == "charging" {
		parts = append(parts, gomponents.Text(", "+s.plain(power)))
	}
	if finish := c.Row("estimated_charging_finish"); finish != nil {
		if at, err := time.Parse(time.RFC3339, fmt.Sprint(finish.Value)); err == nil {
			parts = append(parts, gomponents.Text(", "), s.text("done at"), gomponents.Text(" "), s.clock(at))
		}
	}
	if plug := c.Row("charger_connection_status"); plug != nil && plug.Value != nil && r.Value != "charging" {
		parts = append(parts, gomponents.Text(", "), s.word("plug "+fmt.Sprint(plug.Value)))
	}
	return gomponents.Group(parts)
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
func (s *sheet) openings(c *Car) gomponents.Node {
	open, unknown, any := partsOpen(c)
	switch {
	case !any || len(open) == 0 && len(unknown) > 0:
		return nil
	case len(open) == 0:
		return html.Span(html.Class("good"), s.text("everything is closed"))
	}
	return html.Strong(html.Class("bad"), gomponents.Text(s.names(open)))
}

func (s *sheet) names(rows []*entity.Row) string {
	var names []string
	for _, r := range rows {
		names = append(names, s.name(r.ID, r.Name))
	}
	return strings.Join(names, ", ")
}

// parts names those of a kind that have a problem.
func (s *sheet) parts(c *Car, prefix, well string) gomponents.Node {
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
		return html.Span(html.Class("good"), gomponents.Text(well))
	}
	return html.Strong(html.Class("bad"), gomponents.Text(s.names(bad)))
}

func (s *sheet) warnings(c *Car, r *entity.Row) gomponents.Node {
	switch {
	case r.Value == nil:
		return nil
	case len(c.Warnings) == 0:
		return html.Span(html.Class("good"), s.text("none"))
	}
	var rows []*entity.Row
	for _, id := range c.Warnings {
		if row := c.Row(id); row != nil {
			rows = append(rows, row)
		}
	}
	return html.Strong(html.Class("bad"), gomponents.Text(s.names(rows)))
}

func (s *sheet) engine(r *entity.Row) gomponents.Node {
	switch r.Value {
	case "ON":
		return html.Strong(s.text("running"))
	case "OFF":
		return s.text("stopped")
	}
	return nil
}

// position is text and a link: no tile of a map is fetched.
func (s *sheet) position(c *Car) gomponents.Node {
	latitude, ok1 := c.Position["latitude"].(float64)
	longitude, ok2 := c.Position["longitude"].(float64)
	if !ok1 || !ok2 {
		return nil
	}
	place := fmt.Sprintf("%.5f, %.5f", latitude, longitude)
	return gomponents.Group{gomponents.Text(place + " "),
		html.A(html.Href(fmt.Sprintf("https://www.openstreetmap.org/?mlat=%.5f&mlon=%.5f#map=16/%.5f/%.5f", latitude, longitude, latitude, longitude)), html.Rel("noreferrer noopener"), html.Target("_blank"), s.text("Show on a map"))}
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
func (s *sheet) orders(c *Car) gomponents.Node {
	seen := map[volvo.Command]bool{}
	var buttons []gomponents.Node
	for _, r := range c.Rows {
		for _, o := range r.Orders {
			if seen[o.Command] {
				continue
			}
			seen[o.Command] = true
			buttons = append(buttons, html.Form(html.Method("post"), html.Action("cars/"+c.Level+"/"+r.ID), html.Input(html.Type("hidden"), html.Name("value"), html.Value(o.Word)),
				html.Button(html.ID("do-"+c.Level+"-"+string(o.Command)), gomponents.If(asks(o.Command), html.Class("danger")), gomponents.Text(s.orderName(o.Command)), gomponents.If(asks(o.Command), gomponents.Text(" ...")))))
		}
	}
	if len(buttons) == 0 {
		return html.P(html.Small(s.text("No command is offered or allowed for this car.")))
	}
	return html.Div(html.Class("orders"), gomponents.Group(buttons))
}

// life is where a command is on its way.
func (s *sheet) life(status *entity.Status) gomponents.Node {
	if status == nil || status.Command == nil {
		return nil
	}
	name := s.orderName(volvo.Command(*status.Command))
	return gomponents.Group{html.Ul(html.Class("life"), gomponents.Attr("aria-label", name), html.Li(html.Class("head"), gomponents.Text(name)), gomponents.Map(steps(*status), func(st step) gomponents.Node {
		return html.Li(html.Class(st.class), s.word(st.word))
	})), html.Small(s.ago(status.RequestedAt), s.words(*status))}
}

// words are what Volvo and the bridge say of a command.
func (s *sheet) words(status entity.Status) gomponents.Node {
	var parts []gomponents.Node
	for _, text := range []*string{status.InvokeStatus, status.Message} {
		if text != nil && *text != "" {
			parts = append(parts, gomponents.Text(" "), s.says("Volvo: "+*text+"."))
		}
	}
	if status.Reason != nil {
		parts = append(parts, gomponents.Text(" "), html.Code(gomponents.Text(*status.Reason)))
	}
	if status.Advice != nil {
		parts = append(parts, gomponents.Text(" "), s.says(*status.Advice))
	}
	return gomponents.Group(parts)
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
	hidden := func(name, value string) gomponents.Node {
		return html.Input(html.Type("hidden"), html.Name(name), html.Value(value))
	}
	body := html.Section(html.Class("card"), html.H1(gomponents.Text(title)), s.problem(problem),
		html.P(s.text("This opens or starts a real car, wherever it stands.")),
		html.Form(html.Method("post"), html.Action(s.root+"cars/"+c.Level+"/"+id), html.AutoComplete("off"), hidden("value", value), hidden("sure", "yes"), hidden("id", newID()),
			gomponents.If(s.view.Rules.PIN, gomponents.Group{html.Label(html.For("pin"), s.text("PIN")),
				html.Input(html.ID("pin"), html.Name("pin"), html.Type("password"), gomponents.Attr("inputmode", "numeric"), html.AutoComplete("off"), html.Required(), html.AutoFocus())}),
			html.Div(html.Class("orders"), html.Button(html.Class("danger"), html.ID("sure"), gomponents.Text(s.orderName(order))), html.A(html.Class("button"), html.Href(s.root+"./#car-"+c.Level), s.text("Cancel")))))
	s.write(w, code, title, "confirm", body, false)
}
