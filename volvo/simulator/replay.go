// Package simulator answers as Volvo's cloud does, for tests, `demo` and
// `simulate`. It knows the API from its documents, not from package volvo, so
// that a misunderstanding there shows here.
package simulator

import (
	"encoding/json"
	"fmt"
	"io"
	"io/fs"
	"net/http"
	"strings"
	"sync"
)

// files maps what follows /vehicles/{vin} to the file of a recording.
var files = map[string]string{
	"/connected-vehicle/v2/vehicles":                         "vehicles.json",
	"/connected-vehicle/v2/vehicles/*":                       "vehicle.json",
	"/connected-vehicle/v2/vehicles/*/doors":                 "doors.json",
	"/connected-vehicle/v2/vehicles/*/windows":               "windows.json",
	"/connected-vehicle/v2/vehicles/*/engine-status":         "engine-status.json",
	"/connected-vehicle/v2/vehicles/*/engine":                "engine.json",
	"/connected-vehicle/v2/vehicles/*/fuel":                  "fuel.json",
	"/connected-vehicle/v2/vehicles/*/odometer":              "odometer.json",
	"/connected-vehicle/v2/vehicles/*/diagnostics":           "diagnostics.json",
	"/connected-vehicle/v2/vehicles/*/brakes":                "brakes.json",
	"/connected-vehicle/v2/vehicles/*/tyres":                 "tyres.json",
	"/connected-vehicle/v2/vehicles/*/warnings":              "warnings.json",
	"/connected-vehicle/v2/vehicles/*/statistics":            "statistics.json",
	"/connected-vehicle/v2/vehicles/*/commands":              "commands.json",
	"/connected-vehicle/v2/vehicles/*/command-accessibility": "command-accessibility.json",
	"/energy/v2/vehicles/*/state":                            "energy-state.json",
	"/energy/v2/vehicles/*/capabilities":                     "energy-capabilities.json",
	"/location/v1/vehicles/*/location":                       "location.json",
}

// Answer is a canned answer.
type Answer struct {
	Status int
	Body   string
	Header map[string]string
}

// Call is a request that came in.
type Call struct {
	Method, Path, Body, Token, Key string
}

// Replay answers with the files of a recorded car. A test may change an answer,
// and see what was asked.
type Replay struct {
	mu      sync.Mutex
	bodies  map[string]string // file: body
	answers map[string]Answer // "GET /path" with * for the VIN
	calls   []Call
	// Command answers POSTs; nil: COMPLETED, and the lock follows.
	Command func(Call) Answer
}

// NewReplay reads the files of a folder.
func NewReplay(dir fs.FS) (*Replay, error) {
	r := &Replay{bodies: map[string]string{}, answers: map[string]Answer{}}
	for _, name := range files {
		data, err := fs.ReadFile(dir, name)
		if err == nil {
			r.bodies[name] = string(data)
		}
	}
	if len(r.bodies) == 0 {
		return nil, fmt.Errorf("no recording in that folder")
	}
	return r, nil
}

// Body returns the body of a recorded file, as changed since.
func (r *Replay) Body(file string) string {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.bodies[file]
}

// SetBody changes the body of a recorded file.
func (r *Replay) SetBody(file, body string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.bodies[file] = body
}

// Set makes a request such as "GET /connected-vehicle/v2/vehicles/*/doors" get an
// answer; the zero Answer takes that back. "GET *" is every GET.
func (r *Replay) Set(request string, a Answer) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if a.Status == 0 {
		delete(r.answers, request)
		return
	}
	r.answers[request] = a
}

// Calls returns the requests of a method, all with "".
func (r *Replay) Calls(method string) []Call {
	r.mu.Lock()
	defer r.mu.Unlock()
	var calls []Call
	for _, c := range r.calls {
		if method == "" || c.Method == method {
			calls = append(calls, c)
		}
	}
	return calls
}

// ServeHTTP implements [http.Handler].
func (r *Replay) ServeHTTP(w http.ResponseWriter, req *http.Request) {
	body, _ := io.ReadAll(io.LimitReader(req.Body, 1<<16)) // what a bridge sends is short
	call := Call{req.Method, req.URL.Path, string(body), strings.TrimPrefix(req.Header.Get("Authorization"), "Bearer "), req.Header.Get("vcc-api-key")}
	a := r.answer(call)
	for k, v := range a.Header {
		w.Header().Set(k, v)
	}
	if w.Header().Get("Content-Type") == "" {
		w.Header().Set("Content-Type", "application/json")
	}
	w.WriteHeader(a.Status)
	_, _ = io.WriteString(w, a.Body) // a client that left needs no answer
}

func (r *Replay) answer(call Call) Answer {
	r.mu.Lock()
	r.calls = append(r.calls, call)
	pattern := anyVIN(call.Path)
	a, ok := r.answers[call.Method+" "+pattern]
	if !ok {
		a, ok = r.answers[call.Method+" *"]
	}
	body, recorded := r.bodies[files[pattern]]
	command := r.Command
	r.mu.Unlock()
	switch {
	case ok:
		return a
	case call.Method == http.MethodPost && command != nil:
		return command(call)
	case call.Method == http.MethodPost:
		return r.complete(call)
	case recorded:
		return Answer{Status: http.StatusOK, Body: body}
	}
	return Answer{Status: http.StatusNotFound, Body: `{"error":{"message":"NOT_FOUND","description":"resource not found"}}`}
}

// anyVIN replaces the VIN in a path by a star.
func anyVIN(path string) string {
	levels := strings.Split(path, "/")
	for i, level := range levels {
		if level == "vehicles" && i+1 < len(levels) {
			levels[i+1] = "*"
		}
	}
	return strings.Join(levels, "/")
}

// complete runs a command at once: doors and engine show it.
func (r *Replay) complete(call Call) Answer {
	levels := strings.Split(call.Path, "/")
	switch levels[len(levels)-1] {
	case "lock", "lock-reduced-guard":
		r.setValue("doors.json", "centralLock", "LOCKED")
	case "unlock":
		r.setValue("doors.json", "centralLock", "UNLOCKED")
	case "engine-start":
		r.setValue("engine-status.json", "engineStatus", "RUNNING")
	case "engine-stop":
		r.setValue("engine-status.json", "engineStatus", "STOPPED")
	}
	return Answer{Status: http.StatusOK, Body: `{"data":{"vin":"","invokeStatus":"COMPLETED","message":""}}`}
}

func (r *Replay) setValue(file, field, value string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	var body map[string]map[string]map[string]any
	if json.Unmarshal([]byte(r.bodies[file]), &body) != nil || body["data"] == nil {
		return
	}
	if body["data"][field] == nil {
		body["data"][field] = map[string]any{}
	}
	body["data"][field]["value"] = value
	changed, err := json.Marshal(body)
	if err == nil {
		r.bodies[file] = string(changed)
	}
}
