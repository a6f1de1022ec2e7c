package simulator

import (
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"fmt"
	"html"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"
)

// OAuth configures the identity server. The zero value is an application that
// published every scope, with Volvo's lifetimes.
type OAuth struct {
	ClientID, ClientSecret string
	RedirectURI            string // any, if empty
	// Published are the scopes of the application; nil: all.
	Published []string
	// Life is an access token's; 0: 299 s, as Volvo's.
	Life time.Duration
	// Grace is how long a refresh token that was used can be used again; 0: not.
	Grace time.Duration
	// Grant is how long a login lasts in all; 0: half a year. Idle is how long it
	// lasts unused; 0: a week.
	Grant, Idle time.Duration
}

type oauthState struct {
	codes    map[string]*grant
	access   map[string]*grant // by token
	refresh  map[string]*grant
	requests int
}

// grant is one login.
type grant struct {
	scopes    []string
	challenge string
	redirect  string
	until     time.Time // of the code or access token
	began     time.Time
	last      time.Time // refreshed
	current   string    // refresh token
	spent     []spent   // tokens that are good for the grace period yet
	issued    []spent   // access tokens
	dead      bool
}

// spent is a token and when it was used, or will end.
type spent struct {
	token string
	at    time.Time
}

func (s *oauthState) init(o *OAuth) {
	s.codes, s.access, s.refresh = map[string]*grant{}, map[string]*grant{}, map[string]*grant{}
	if o.ClientID == "" {
		o.ClientID, o.ClientSecret = "simulated-client", "simulated-secret"
	}
	if o.Life == 0 {
		o.Life = 299 * time.Second
	}
	if o.Grant == 0 {
		o.Grant = 182 * 24 * time.Hour
	}
	if o.Idle == 0 {
		o.Idle = 7 * 24 * time.Hour
	}
}

func random() string {
	b := make([]byte, 24)
	_, _ = rand.Read(b) // never fails
	return base64.RawURLEncoding.EncodeToString(b)
}

// bearer returns the scopes of an access token; nil is all.
func (c *Cloud) bearer(token string, now time.Time) ([]string, bool) {
	if slices.Contains(c.opts.Tokens, token) {
		return nil, true
	}
	g := c.oauth.access[token]
	if g == nil || g.dead || now.After(g.until) {
		return nil, false
	}
	return g.scopes, true
}

// TokenRequests counts the calls of the token endpoint.
func (c *Cloud) TokenRequests() int {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.oauth.requests
}

// Revoke ends every login, as its owner can at Volvo's.
func (c *Cloud) Revoke() {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, g := range c.oauth.refresh {
		g.dead = true
	}
}

// authorize shows the page on which a person agrees.
func (c *Cloud) authorize(w http.ResponseWriter, r *http.Request) {
	c.mu.Lock()
	defer c.mu.Unlock()
	q := r.URL.Query()
	if q.Get("client_id") != c.opts.OAuth.ClientID {
		http.Error(w, "Unknown or invalid client_id", http.StatusBadRequest)
		return
	}
	redirect := q.Get("redirect_uri")
	if want := c.opts.OAuth.RedirectURI; want != "" && redirect != want || redirect == "" {
		http.Error(w, "Invalid redirect_uri", http.StatusBadRequest)
		return
	}
	if problem, text := c.requestProblem(q); problem != "" {
		back(w, r, redirect, url.Values{"error": {problem}, "error_description": {text}, "state": {q.Get("state")}})
		return
	}
	w.Header().Set("Content-Type", "text/html; charset=utf-8")
	fmt.Fprintf(w, `<!doctype html><title>Volvo ID (simulated)</title><h1>Volvo ID (simulated)</h1>
<p>%s asks for: %s</p><form method="post" action="?%s"><button name="agree" value="yes">Allow</button></form>`,
		html.EscapeString(q.Get("client_id")), html.EscapeString(q.Get("scope")), html.EscapeString(r.URL.RawQuery))
}

func (c *Cloud) requestProblem(q url.Values) (string, string) {
	switch {
	case q.Get("response_type") != "code":
		return "unsupported_response_type", "only code"
	case q.Get("code_challenge_method") != "S256" || q.Get("code_challenge") == "":
		return "invalid_request", "code_challenge with S256 is required"
	}
	for _, scope := range strings.Fields(q.Get("scope")) {
		if published := c.opts.OAuth.Published; published != nil && !slices.Contains(published, scope) {
			return "invalid_scope", "The requested scope(s) must be blank or a subset of the provided scopes."
		}
	}
	return "", ""
}

func back(w http.ResponseWriter, r *http.Request, redirect string, values url.Values) {
	u, err := url.Parse(redirect)
	if err != nil {
		http.Error(w, "Invalid redirect_uri", http.StatusBadRequest)
		return
	}
	u.RawQuery = values.Encode()
	http.Redirect(w, r, u.String(), http.StatusFound)
}

// consent is the button of the page.
func (c *Cloud) consent(w http.ResponseWriter, r *http.Request) {
	c.mu.Lock()
	defer c.mu.Unlock()
	q := r.URL.Query()
	if problem, _ := c.requestProblem(q); problem != "" || q.Get("client_id") != c.opts.OAuth.ClientID {
		http.Error(w, "invalid request", http.StatusBadRequest)
		return
	}
	code := random()
	c.oauth.codes[code] = &grant{scopes: strings.Fields(q.Get("scope")), challenge: q.Get("code_challenge"),
		redirect: q.Get("redirect_uri"), until: time.Now().Add(time.Minute)}
	back(w, r, q.Get("redirect_uri"), url.Values{"code": {code}, "state": {q.Get("state")}})
}

// token exchanges codes and refresh tokens.
func (c *Cloud) token(w http.ResponseWriter, r *http.Request) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.oauth.requests++
	id, secret, ok := r.BasicAuth()
	if id, err := url.QueryUnescape(id); !ok || err != nil || id != c.opts.OAuth.ClientID || secret != c.opts.OAuth.ClientSecret {
		reply(w, http.StatusUnauthorized, fields{"error": "invalid_client", "error_description": "Invalid client or client credentials."})
		return
	}
	now := time.Now()
	switch r.PostFormValue("grant_type") {
	case "authorization_code":
		c.exchange(w, r, now)
	case "refresh_token":
		c.refresh(w, r, now)
	default:
		reply(w, http.StatusBadRequest, fields{"error": "unsupported_grant_type"})
	}
}

func (c *Cloud) exchange(w http.ResponseWriter, r *http.Request, now time.Time) {
	code := r.PostFormValue("code")
	g := c.oauth.codes[code]
	delete(c.oauth.codes, code) // single use, well or not
	sum := sha256.Sum256([]byte(r.PostFormValue("code_verifier")))
	if g == nil || now.After(g.until) || g.redirect != r.PostFormValue("redirect_uri") ||
		g.challenge != base64.RawURLEncoding.EncodeToString(sum[:]) {
		reply(w, http.StatusBadRequest, fields{"error": "invalid_grant", "error_description": "Authorization code is invalid or expired."})
		return
	}
	g.began, g.last = now, now
	c.issue(w, g, now)
}

func (c *Cloud) refresh(w http.ResponseWriter, r *http.Request, now time.Time) {
	g, good := c.accepts(r.PostFormValue("refresh_token"), now)
	if !good {
		reply(w, http.StatusBadRequest, fields{"error": "invalid_grant", "error_description": "unknown, invalid, or expired refresh token"})
		return
	}
	g.last = now
	c.issue(w, g, now)
}

// Accepts tells whether a refresh token would be taken now.
func (c *Cloud) Accepts(refresh string) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	_, good := c.accepts(refresh, time.Now())
	return good
}

func (c *Cloud) accepts(token string, now time.Time) (*grant, bool) {
	g := c.oauth.refresh[token]
	good := g != nil && !g.dead && now.Sub(g.began) < c.opts.OAuth.Grant && now.Sub(g.last) < c.opts.OAuth.Idle
	if good && token != g.current {
		good = slices.ContainsFunc(g.spent, func(old spent) bool { return old.token == token && now.Sub(old.at) < c.opts.OAuth.Grace })
	}
	return g, good
}

// issue rotates the refresh token.
func (c *Cloud) issue(w http.ResponseWriter, g *grant, now time.Time) {
	for len(g.spent) > 0 && now.Sub(g.spent[0].at) >= c.opts.OAuth.Grace {
		delete(c.oauth.refresh, g.spent[0].token)
		g.spent = g.spent[1:]
	}
	for len(g.issued) > 0 && now.After(g.issued[0].at) {
		delete(c.oauth.access, g.issued[0].token)
		g.issued = g.issued[1:]
	}
	if g.current != "" {
		g.spent = append(g.spent, spent{g.current, now})
	}
	g.current = random()
	g.until = now.Add(c.opts.OAuth.Life)
	c.oauth.refresh[g.current] = g
	access := random()
	c.oauth.access[access] = &grant{scopes: g.scopes, until: g.until}
	g.issued = append(g.issued, spent{access, g.until})
	reply(w, http.StatusOK, fields{"access_token": access, "refresh_token": g.current, "id_token": "simulated", "token_type": "Bearer",
		"expires_in": int(c.opts.OAuth.Life.Seconds()), "scope": strings.Join(g.scopes, " ")})
}
