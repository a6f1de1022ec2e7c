package web

import (
	"net/http"
	"slices"
	"time"

	"maragu.dev/gomponents"

	"volvobridge/bridge/web/el"
)

// Check examines everything that the bridge needs, as the command doctor does.
type Check interface {
	// Start begins a round, unless one goes on.
	Start()
	// State returns the round that goes on, or the last one.
	State() CheckState
	// Bundle returns its report without secrets; an error says that there is none yet.
	Bundle() ([]byte, error)
	// Changed returns a channel that is closed when the state changes.
	Changed() <-chan struct{}
}

// CheckState is a round of examining.
type CheckState struct {
	Running  bool
	Ended    time.Time // zero: never
	Findings []Finding
}

// Finding is one thing that was looked at. Result is a word: ok, warning, problem, skipped.
type Finding struct{ Area, What, Result, Found, Advice string }

// checkPage shows what doctor prints.
func checkPage(s *sheet) el.Node {
	state := s.site.opts.Check.State()
	return el.Group{el.H1(s.text("Check")),
		el.P(s.text("It tries everything that the bridge needs: the network, the clock, the broker and its rights, the login and its scopes, every resource of every car, the quota, the store. Each resource of each car is one call.")),
		el.Form(el.Method("post"), el.Action("check"), el.Button(el.Class("main"), el.ID("start"), s.text("Check now"))),
		s.live("round", el.Div(el.ID("round"), s.round(state)))}
}

func (s *sheet) round(state CheckState) el.Node {
	switch {
	case state.Running:
		return el.P(el.Class("note"), el.Role("status"), s.text("Looking; this takes up to some minutes, since Volvo allows 100 calls a minute."))
	case state.Ended.IsZero():
		return nil
	}
	problems, warnings := 0, 0
	for _, f := range state.Findings {
		problems += map[bool]int{true: 1}[f.Result == "problem"]
		warnings += map[bool]int{true: 1}[f.Result == "warning"]
	}
	var areas []el.Node
	for area := range chunks(state.Findings) {
		areas = append(areas, el.Section(el.Class("card"), el.H2(el.Text(area[0].Area)), el.Ul(el.Class("log"), gomponents.Map(area, s.finding))))
	}
	return el.Group{el.P(el.Role("status"), el.Strong(el.Class(good(problems == 0)), s.text("%d problems, %d warnings", problems, warnings)), el.Text(" "), s.clock(state.Ended), el.Text(" "),
		el.A(el.Class("button"), el.Href("check/bundle"), el.Attr("download", "volvobridge-report.json"), s.text("Download the report"))),
		el.P(el.Small(s.text("The report holds no secret, VIN, name or position: it can go into a public issue."))), el.Group(areas)}
}

// chunks are the findings by area, in their order.
func chunks(all []Finding) func(yield func([]Finding) bool) {
	return func(yield func([]Finding) bool) {
		for begin := 0; begin < len(all); {
			end := begin
			for end < len(all) && all[end].Area == all[begin].Area {
				end++
			}
			if !yield(slices.Clone(all[begin:end])) {
				return
			}
			begin = end
		}
	}
}

func (s *sheet) finding(f Finding) el.Node {
	class := map[string]string{"ok": "good", "problem": "bad", "warning": "warn"}[f.Result]
	return el.Li(el.Span(el.Class("badge "+class), s.word(f.Result)), el.Text(" "), el.Strong(el.Text(f.What)), el.Text(": "), s.says(f.Found),
		el.If(f.Advice != "", el.Div(el.Class("dim"), s.says(f.Advice))))
}

// bundle is the report for a public issue.
func (s *site) bundle(w http.ResponseWriter, r *http.Request) {
	data, err := s.opts.Check.Bundle()
	if err != nil {
		http.Error(w, err.Error(), http.StatusNotFound)
		return
	}
	s.protect(w, r)
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("Content-Disposition", `attachment; filename="volvobridge-report.json"`)
	_, _ = w.Write(data) // the browser may have left
}
