package web

import (
	"cmp"
	"encoding/json"
	"net/http"
	"strings"
	"time"

	"maragu.dev/gomponents"

	"volvobridge/bridge/entity"
	"volvobridge/bridge/web/el"
	"volvobridge/volvo"
)

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
	return s.t(cmp.Or(orderNames[command], string(command)))
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
	var way []step
	switch status.Status {
	case "refused", "failed", "unknown":
		way = []step{{status.Status, "failed"}}
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
	s.write(w, code, title, "confirm", body)
}
