package web

import (
	"crypto/rand"
	"net/http"
	"net/netip"
	"strings"
	"sync"
	"time"

	"volvobridge/bridge/web/el"
)

const (
	sessionCookie = "volvobridge_session"
	sessionLife   = 30 * 24 * time.Hour
	mostSessions  = 200
)

// sessions are the browsers that gave the password, by the secret in their cookie, until
// when. They end with the process.
type sessions struct {
	mu    sync.Mutex
	until map[string]time.Time
}

// begin returns the secret of a new session.
func (s *sessions) begin(now time.Time) string {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.until == nil {
		s.until = map[string]time.Time{}
	}
	oldest := ""
	for secret, until := range s.until {
		if now.After(until) {
			delete(s.until, secret)
		} else if oldest == "" || until.Before(s.until[oldest]) {
			oldest = secret
		}
	}
	if len(s.until) >= mostSessions {
		delete(s.until, oldest)
	}
	secret := rand.Text()
	s.until[secret] = now.Add(sessionLife)
	return secret
}

// known tells whether a request belongs to a session.
func (s *sessions) known(r *http.Request, now time.Time) bool {
	cookie, err := r.Cookie(sessionCookie)
	if err != nil {
		return false
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	return now.Before(s.until[cookie.Value])
}

func (s *sessions) end(r *http.Request) {
	if cookie, err := r.Cookie(sessionCookie); err == nil {
		s.mu.Lock()
		defer s.mu.Unlock()
		delete(s.until, cookie.Value)
	}
}

// outsider tells whether a request to an app of Home Assistant, that has no password, comes
// neither through its ingress nor from this machine: a port was mapped.
func (s *site) outsider(r *http.Request) bool {
	if !s.opts.Proxy.IsValid() || s.gate.password != "" || s.proxied(r) {
		return false
	}
	from, err := netip.ParseAddrPort(r.RemoteAddr)
	return err != nil || !from.Addr().Unmap().IsLoopback()
}

// insiders turns outsiders away, but for a browser that Volvo sends back from a login.
func (s *site) insiders(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if s.outsider(r) && r.URL.Path != callbackPath {
			refuseOutsider(w)
			return
		}
		next.ServeHTTP(w, r)
	})
}

func refuseOutsider(w http.ResponseWriter) {
	http.Error(w, "only Home Assistant may ask without a password: open the app's page there, or set the option http_password", http.StatusForbidden)
}

// guard lets through who has a session or the password, who comes through Home
// Assistant, or everybody if there is no password.
func (s *site) guard(next http.HandlerFunc) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		if s.outsider(r) {
			refuseOutsider(w)
			return
		}
		if s.gate.password == "" || s.proxied(r) || s.gate.sessions.known(r, time.Now()) {
			next(w, r)
			return
		}
		_, given, basic := r.BasicAuth()
		if basic {
			right, wait := s.gate.try(given, addressOf(r))
			switch {
			case right:
				next(w, r)
				return
			case wait > 0:
				s.gate.tooMany(w, wait)
				return
			}
		}
		if !basic && strings.Contains(r.Header.Get("Accept"), "text/html") {
			s.ask(w, r, http.StatusUnauthorized, "")
			return
		}
		w.Header().Set("WWW-Authenticate", `Basic realm="volvobridge", charset="UTF-8"`)
		http.Error(w, "the password of http.password is needed; any user name will do", http.StatusUnauthorized)
	}
}

// guardMetrics is guard, unless everybody may read the metrics.
func (s *site) guardMetrics(next http.HandlerFunc) http.HandlerFunc {
	if s.opts.PublicMetrics {
		return next
	}
	return s.guard(next)
}

// ask shows the form for the password.
func (s *site) ask(w http.ResponseWriter, r *http.Request, status int, problem string) {
	sheet := s.sheet(r)
	target := r.URL.Path
	if r.Method != http.MethodGet {
		target = "/"
	}
	if given := r.PostFormValue("then"); given != "" {
		target = given
	}
	body := el.Section(el.Class("card"), el.H1(sheet.text("Password")), sheet.problem(problem),
		el.Form(el.Method("post"), el.Action(sheet.root+"enter"),
			el.Input(el.Type("hidden"), el.Name("then"), el.Value(target)),
			el.Label(el.For("password"), sheet.text("The password of this bridge (http.password)")),
			el.Input(el.ID("password"), el.Name("password"), el.Type("password"), el.AutoComplete("current-password"), el.Required(), el.AutoFocus()),
			el.P(el.Button(el.Class("main"), sheet.text("Enter")))))
	sheet.alone()
	sheet.write(w, status, sheet.t("Password"), "enter", body)
}

// alone leaves out every way to another page: who looks may not know the password.
func (s *sheet) alone() { s.site = &site{opts: s.site.opts, gate: &gate{}} }

// problem is what did not work, in words.
func (s *sheet) problem(text string) el.Node {
	if text == "" {
		return nil
	}
	return el.Div(el.Class("note bad"), el.Role("alert"), el.Strong(s.text("That did not work:")), el.Text(" "), s.says(strings.TrimSuffix(text, ".")+"."))
}

// enter takes the password and begins a session.
func (s *site) enter(w http.ResponseWriter, r *http.Request) {
	if s.gate.password == "" {
		seeOther(w, "./")
		return
	}
	right, wait := s.gate.try(r.PostFormValue("password"), addressOf(r))
	switch {
	case wait > 0:
		s.gate.tooMany(w, wait)
		return
	case !right:
		s.ask(w, r, http.StatusUnauthorized, s.sheet(r).t("the password is wrong"))
		return
	}
	http.SetCookie(w, &http.Cookie{Name: sessionCookie, Value: s.gate.sessions.begin(time.Now()), Path: "/", MaxAge: int(sessionLife.Seconds()), HttpOnly: true,
		SameSite: http.SameSiteStrictMode, Secure: r.TLS != nil})
	seeOther(w, back(r.PostFormValue("then")))
}

// back makes a relative address of a path of ours; of anything else the first page.
func back(path string) string {
	path = strings.TrimLeft(path, "/\\")
	if path == "" || strings.ContainsAny(path, ":\\\r\n?#") || strings.Contains(path, "//") {
		return "./"
	}
	return path
}

// leave ends the session.
func (s *site) leave(w http.ResponseWriter, r *http.Request) {
	s.gate.sessions.end(r)
	http.SetCookie(w, &http.Cookie{Name: sessionCookie, Path: "/", MaxAge: -1, HttpOnly: true, SameSite: http.SameSiteStrictMode})
	seeOther(w, "./")
}
