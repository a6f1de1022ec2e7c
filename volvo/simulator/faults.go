package simulator

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"strings"
	"time"
)

// FaultHelp documents the fault switches for people.
const FaultHelp = `Fault switches, over HTTP while it runs:

  GET    /simulator/faults   the faults that are on
  POST   /simulator/faults   switch one on; the body is a JSON object
  DELETE /simulator/faults   switch all off
  GET    /simulator/calls    the calls made with the first key today, and the commands

  A fault has the keys
    match    which requests: "GET", "POST" or "TOKEN" (the token endpoint), or a part of the
             path such as "doors" or a VIN, or several of them with spaces; empty: all
    times    how often; 0: until switched off
    status   answer with this HTTP status
    body     and this body
    header   and these headers, such as {"Retry-After": "30"}
    delay    wait first, such as "20s"
    kind     "cut" (drop the connection), "truncate" (half an answer), "html" (a web page
             with 200), "huge" (50 MB), "lost" (do it, then drop the connection),
             "quota" (403, with delay as the time until the refill), "null" (every value
             null), "strange" (words that nobody knows), "vanish" (the car whose VIN is
             the match leaves the account)
    invoke   answer commands with this invokeStatus

  curl -d '{"match":"doors","status":500}' http://127.0.0.1:8800/simulator/faults`

// Fault is a switch that is on.
type Fault struct {
	Match  string            `json:"match"`
	Times  int               `json:"times"`
	Status int               `json:"status"`
	Body   string            `json:"body"`
	Header map[string]string `json:"header"`
	Delay  string            `json:"delay"`
	Kind   string            `json:"kind"`
	Invoke string            `json:"invoke"`
	used   int
}

// Switch switches a fault on.
func (c *Cloud) Switch(f Fault) error {
	if f.Delay != "" {
		if _, err := time.ParseDuration(f.Delay); err != nil {
			return fmt.Errorf("delay: %w", err)
		}
	}
	switch f.Kind {
	case "", "cut", "truncate", "html", "huge", "lost", "quota", "null", "strange":
	case "vanish":
		c.mu.Lock()
		c.vanish[f.Match] = true
		c.mu.Unlock()
	default:
		return fmt.Errorf("there is no kind %q of fault", f.Kind)
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.faults = append(c.faults, &f)
	return nil
}

// Mend switches all faults off.
func (c *Cloud) Mend() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.faults, c.vanish = nil, map[string]bool{}
}

func (c *Cloud) faultSwitches(w http.ResponseWriter, r *http.Request) {
	switch r.Method {
	case http.MethodGet:
		c.mu.Lock()
		faults := append([]*Fault{}, c.faults...)
		c.mu.Unlock()
		reply(w, http.StatusOK, faults)
	case http.MethodDelete:
		c.Mend()
		reply(w, http.StatusOK, fields{})
	case http.MethodPost:
		var f Fault
		d := json.NewDecoder(io.LimitReader(r.Body, 1<<20))
		d.DisallowUnknownFields()
		err := d.Decode(&f)
		if err == nil {
			err = c.Switch(f)
		}
		if err != nil {
			http.Error(w, err.Error()+"; see volvobridge simulate --help", http.StatusBadRequest)
			return
		}
		reply(w, http.StatusOK, fields{})
	default:
		w.WriteHeader(http.StatusMethodNotAllowed)
	}
}

func (c *Cloud) listCalls(w http.ResponseWriter, _ *http.Request) {
	reply(w, http.StatusOK, fields{"today": c.Calls(), "posts": append([]Call{}, c.Posts()...)})
}

func (f *Fault) matches(r *http.Request) bool {
	for _, word := range strings.Fields(f.Match) {
		switch word {
		case "GET", "POST":
			if r.Method != word || strings.HasPrefix(r.URL.Path, "/as/") {
				return false
			}
		case "TOKEN":
			if r.URL.Path != "/as/token.oauth2" {
				return false
			}
		default:
			if !strings.Contains(r.URL.Path, word) {
				return false
			}
		}
	}
	return f.Match != "" || !strings.HasPrefix(r.URL.Path, "/as/")
}

// take returns the first fault for a request that pick likes, and counts its use.
func (c *Cloud) take(r *http.Request, pick func(*Fault) bool) *Fault {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.takeLocked(r, pick)
}

func (c *Cloud) takeLocked(r *http.Request, pick func(*Fault) bool) *Fault {
	for _, f := range c.faults {
		if f.matches(r) && pick(f) && (f.Times == 0 || f.used < f.Times) {
			f.used++
			return f
		}
	}
	return nil
}

// fault applies the switches that answer in place of the API, and reports whether
// one did.
func (c *Cloud) fault(w http.ResponseWriter, r *http.Request) bool {
	f := c.take(r, func(f *Fault) bool {
		return f.Kind != "null" && f.Kind != "strange" && f.Kind != "vanish" && f.Invoke == ""
	})
	if f == nil {
		return false
	}
	delay, _ := time.ParseDuration(f.Delay) // checked when switched on
	if f.Kind != "quota" && delay > 0 {
		select {
		case <-time.After(delay):
		case <-r.Context().Done():
			return true
		}
	}
	switch f.Kind {
	case "cut":
		panic(http.ErrAbortHandler)
	case "lost":
		c.mux.ServeHTTP(discard{http.Header{}}, r)
		panic(http.ErrAbortHandler)
	case "quota":
		quotaSpent(w, delay)
		return true
	case "html":
		w.Header().Set("Content-Type", "text/html")
		fmt.Fprint(w, "<!doctype html><title>Sorry</title><p>We will be back soon.</p>")
		return true
	case "huge":
		c.huge(w)
		return true
	case "truncate":
		w.Header().Set("Content-Length", "4000")
		fmt.Fprint(w, `{"data":{"centralLock":{"value":"LOC`)
		return true
	}
	if f.Status == 0 {
		return false // only a delay
	}
	for k, v := range f.Header {
		w.Header().Set(k, v)
	}
	w.WriteHeader(f.Status)
	_, _ = io.WriteString(w, f.Body) // a client that left needs no answer
	return true
}

func (c *Cloud) huge(w http.ResponseWriter) {
	_, _ = io.WriteString(w, `{"data":{"x":"`)
	chunk := strings.Repeat("x", 1<<20)
	for range 50 {
		if _, err := io.WriteString(w, chunk); err != nil {
			return
		}
	}
	_, _ = io.WriteString(w, `"}}`)
}

// discard is a response that nobody gets.
type discard struct{ header http.Header }

func (d discard) Header() http.Header         { return d.header }
func (d discard) Write(b []byte) (int, error) { return len(b), nil }
func (d discard) WriteHeader(int)             {}

// spoiled tells what to do to the values of an answer. The cloud is locked.
func (c *Cloud) spoiled(r *http.Request) (nulls, strange bool) {
	f := c.takeLocked(r, func(f *Fault) bool { return f.Kind == "null" || f.Kind == "strange" })
	if f == nil {
		return false, false
	}
	return f.Kind == "null", f.Kind == "strange"
}

// forced is the invokeStatus that a switch demands. The cloud is locked.
func (c *Cloud) forced(r *http.Request) string {
	if f := c.takeLocked(r, func(f *Fault) bool { return f.Invoke != "" }); f != nil {
		return f.Invoke
	}
	return ""
}
