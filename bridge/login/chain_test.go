package login_test

import (
	"context"
	"errors"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"volvobridge/bridge/entity"
	"volvobridge/bridge/login"
	"volvobridge/bridge/login/logintest"
	"volvobridge/volvo"
	"volvobridge/volvo/simulator"
)

// loginRig is a chain against an identity server.
type loginRig struct {
	*testing.T
	cloud  http.Handler
	tokens *logintest.Tokens
	chain  *login.Chain
	scopes []string
	ours   func(context.Context, string) (bool, error)
	mu     sync.Mutex
	told   []login.Event
	stop   func()
}

func newLoginRig(t *testing.T, cloud http.Handler) *loginRig {
	return &loginRig{T: t, cloud: cloud, tokens: &logintest.Tokens{}, scopes: entity.Scopes(volvo.AllCommands())}
}

func (r *loginRig) start() {
	r.chain = logintest.Open(r, login.Options{Name: "account1", File: "f", Store: r.tokens, Scopes: r.scopes, OAuth: r.oauth(), OwnsCar: r.ours, Explain: entity.Lost})
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan struct{})
	go func() {
		defer close(done)
		r.chain.Run(ctx, func(h login.Event) {
			r.mu.Lock()
			defer r.mu.Unlock()
			r.told = append(r.told, h)
		})
	}()
	r.stop = func() { cancel(); <-done }
}

func (r *loginRig) oauth() *volvo.OAuth { return logintest.OAuth(r.cloud) }

func (r *loginRig) count(kind login.EventKind) int {
	r.mu.Lock()
	defer r.mu.Unlock()
	n := 0
	for _, h := range r.told {
		if h.Kind == kind {
			n++
		}
	}
	return n
}

// lastWarning is the last warning of the grant's end.
func (r *loginRig) lastWarning() (last login.Event) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, h := range r.told {
		if h.Kind == login.GrantEnds {
			last = h
		}
	}
	return last
}

// logIn logs in as a person does.
func (r *loginRig) logIn() login.Outcome {
	r.Helper()
	out, err := login.Finish(r.Context(), []*login.Chain{r.chain}, logintest.Agree(r, r.cloud, r.chain.Begin().URL))
	if err != nil {
		r.Fatal(err)
	}
	return out
}

func TestLoginAndRefresh(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		cloud := simulator.New(simulator.Options{PerMinute: -1})
		r := newLoginRig(t, cloud)
		r.start()
		defer func() { r.stop() }()
		if s := r.chain.State(time.Now()); !s.Login || s.Usable {
			t.Fatalf("before the first login: %+v", s)
		}
		if _, err := r.chain.Token(t.Context(), volvo.Energy, false); !errors.Is(err, volvo.ErrLogin) {
			t.Fatal(err)
		}
		if out := r.logIn(); !out.Done || len(out.Lost) > 0 {
			t.Fatalf("%+v", out)
		}
		first, err := r.chain.Token(t.Context(), volvo.Energy, false)
		if err != nil {
			t.Fatal(err)
		}
		time.Sleep(299 * 59 * time.Second / 100)
		if second, _ := r.chain.Token(t.Context(), volvo.Energy, false); second != first || cloud.TokenRequests() != 1 {
			t.Error("refreshed before 60 % of its life")
		}
		time.Sleep(299*32*time.Second/100 + time.Second)
		if second, _ := r.chain.Token(t.Context(), volvo.Energy, false); second == first || cloud.TokenRequests() != 2 {
			t.Error("not refreshed after 90 % of its life")
		}
		// Marked before, kept after, and the one before it with it.
		saved := r.tokens.Saved
		mark, kept := saved[len(saved)-2], saved[len(saved)-1]
		if mark.Started.IsZero() || !kept.Started.IsZero() || kept.Previous != mark.Refresh || kept.Refresh == mark.Refresh {
			t.Errorf("saved %+v, then %+v", mark, kept)
		}
		r.stop()
		time.Sleep(48 * time.Hour)
		r.start()
		time.Sleep(time.Second)
		if !r.chain.Usable(time.Now()) {
			t.Error("a restart after two days lost the login")
		}
	})
}

// slow lets many requests arrive before the first is answered.
type slow struct{ http.Handler }

func (s slow) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	time.Sleep(time.Second)
	s.Handler.ServeHTTP(w, r)
}

func TestFiftyRefusalsMakeOneTokenRequest(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		cloud := simulator.New(simulator.Options{PerMinute: -1})
		r := newLoginRig(t, slow{cloud})
		r.start()
		defer func() { r.stop() }()
		r.logIn()
		access, err := r.chain.Token(t.Context(), volvo.ConnectedVehicle, false)
		if err != nil {
			t.Fatal(err)
		}
		before := cloud.TokenRequests()
		var all sync.WaitGroup
		for range 50 {
			all.Go(func() {
				if kind := r.chain.Reject(volvo.ConnectedVehicle, access); kind != volvo.ErrRenewed {
					t.Errorf("a refused token means %v", kind)
				}
				fresh, err := r.chain.Token(t.Context(), volvo.ConnectedVehicle, false)
				if err != nil || fresh == access {
					t.Errorf("no fresh token: %v", err)
				}
			})
		}
		all.Wait()
		if n := cloud.TokenRequests() - before; n != 1 {
			t.Errorf("%d token requests", n)
		}
		// Refused again at once, it is not the token's fault: no second one.
		fresh, _ := r.chain.Token(t.Context(), volvo.ConnectedVehicle, false)
		if kind := r.chain.Reject(volvo.ConnectedVehicle, fresh); kind != volvo.ErrOutage {
			t.Errorf("a fresh token refused means %v", kind)
		}
		time.Sleep(10 * time.Second)
		if n := cloud.TokenRequests() - before; n != 1 {
			t.Errorf("%d token requests", n)
		}
	})
}

// trouble is what the token endpoint answers until it is mended.
type trouble struct {
	cloud   *simulator.Cloud
	mu      sync.Mutex
	answer  http.HandlerFunc
	only    string // the refresh token that is answered so; empty: any
	answers int
}

func (tr *trouble) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	tr.mu.Lock()
	answer := tr.answer
	if answer != nil && r.URL.Path == "/as/token.oauth2" && (tr.only == "" || r.PostFormValue("refresh_token") == tr.only) {
		tr.answers++
	} else {
		answer = nil
	}
	tr.mu.Unlock()
	if answer != nil {
		answer(w, r)
		return
	}
	tr.cloud.ServeHTTP(w, r)
}

// asked counts the troubled answers.
func (tr *trouble) asked() int {
	tr.mu.Lock()
	defer tr.mu.Unlock()
	return tr.answers
}

// become changes the trouble; nil mends it.
func (tr *trouble) become(answer http.HandlerFunc) {
	tr.mu.Lock()
	defer tr.mu.Unlock()
	tr.answer = answer
}

func status(code int, contentType, body string) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", contentType)
		w.WriteHeader(code)
		_, _ = w.Write([]byte(body))
	}
}

// verdict is what the token endpoint answers, and what must come of it.
type verdict struct {
	name   string
	answer http.HandlerFunc
	login  bool // login_required
	most   int  // requests in a minute
}

// verdicts are kinds of trouble, and every recorded error.
func verdicts(t *testing.T) []verdict {
	const asJSON = "application/json"
	cases := []verdict{
		{"invalid_grant", status(400, asJSON, `{"error":"invalid_grant","error_description":"unknown, invalid, or expired refresh token"}`), true, 3},
		{"invalid_grant, 401", status(401, asJSON, `{"error":"invalid_grant"}`), true, 3},
		{"invalid_client", status(401, asJSON, `{"error":"invalid_client"}`), false, 1},
		{"unauthorized_client", status(400, asJSON, `{"error":"unauthorized_client"}`), false, 1},
		{"invalid_request", status(400, asJSON, `{"error":"invalid_request"}`), false, 12},
		{"400 without a word", status(400, asJSON, `{}`), false, 12},
		{"500", status(500, asJSON, `{"error":"server_error"}`), false, 12},
		{"502 that speaks of invalid_grant", status(502, asJSON, `{"error":"invalid_grant"}`), false, 12},
		{"503, html", status(503, "text/html", `<html>down</html>`), false, 12},
		{"200, html", status(200, "text/html", `<html>captive portal</html>`), false, 12},
		{"200, empty", status(200, asJSON, ``), false, 12},
		{"200, null", status(200, asJSON, `{"access_token":null}`), false, 12},
		{"429", func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("Retry-After", "40")
			status(429, asJSON, `{}`)(w, r)
		}, false, 2},
		{"302", func(w http.ResponseWriter, r *http.Request) {
			http.Redirect(w, r, "https://elsewhere/", http.StatusFound)
		}, false, 12},
		{"403, a firewall", status(403, "text/html", `<html>blocked</html>`), false, 12},
		{"connection cut", func(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) }, false, 12},
		{"no answer", func(_ http.ResponseWriter, r *http.Request) {
			time.Sleep(40 * time.Second)
			panic(http.ErrAbortHandler)
		}, false, 12},
	}
	files, err := filepath.Glob(filepath.Join(recordingsOrNone(), "errors", "*.json"))
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range files {
		body, err := os.ReadFile(f)
		if err != nil {
			t.Fatal(err)
		}
		name := filepath.Base(f)
		code, err := strconv.Atoi(regexp.MustCompile(`\d{3}`).FindString(name))
		if err != nil {
			t.Fatal(err)
		}
		c := verdict{"recorded " + name, status(code, asJSON, string(body)), strings.Contains(name, "invalid_grant"), 12}
		if c.login {
			c.most = 3
		}
		cases = append(cases, c)
	}
	return cases
}

// TestVerdicts: what the token endpoint says for a minute, and whether that ends
// the login.
func TestVerdicts(t *testing.T) {
	for _, c := range verdicts(t) {
		t.Run(c.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				tr := &trouble{cloud: simulator.New(simulator.Options{PerMinute: -1})}
				r := newLoginRig(t, tr)
				r.start()
				defer func() { r.stop() }()
				r.logIn()
				time.Sleep(300 * time.Second) // one refresh, so that there is a previous token
				tr.become(c.answer)
				for tr.asked() == 0 {
					time.Sleep(time.Second)
				}
				time.Sleep(time.Minute)
				s := r.chain.State(time.Now())
				if s.Login != c.login || tr.asked() > c.most {
					t.Errorf("login required: %v, after %d requests: %v", s.Login, tr.asked(), s.Fault)
				}
				time.Sleep(12 * time.Minute)
				if asked := tr.asked(); c.login && asked != 3 { // a second look, and one with the token before
					t.Errorf("%d requests", asked)
				}
				if kept := r.tokens.Current(); kept.Refresh == "" || kept.Rejected.IsZero() == c.login {
					t.Errorf("kept %+v", kept)
				}
				tr.become(nil)
				time.Sleep(10 * time.Minute)
				if r.chain.Usable(time.Now()) == c.login {
					t.Errorf("afterwards usable: %v", !c.login)
				}
				time.Sleep(65 * time.Minute) // nothing was thrown away
				if !r.chain.Usable(time.Now()) || r.chain.State(time.Now()).Login {
					t.Error("an hour later not usable")
				}
			})
		})
	}
}

func recordingsOrNone() string {
	if dir := os.Getenv("VOLVO_RECORDINGS"); dir != "" {
		return dir
	}
	return filepath.Join("..", "..", "..", "shared", "recordings")
}

// TestOneRefusalIsNoVerdict: the second request, and the one with the token
// before, can each save the login.
func TestOneRefusalIsNoVerdict(t *testing.T) {
	refusal := status(400, "application/json", `{"error":"invalid_grant"}`)
	for _, c := range []struct {
		name   string
		times  int
		lost   bool // the answer to a refresh was lost, and its token with it
		grace  time.Duration
		usable bool
	}{
		{"refused once", 1, false, 0, true},
		{"an answer lost, with a grace period", 0, true, time.Minute, true},
		{"an answer lost, without", 0, true, 0, false},
	} {
		t.Run(c.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				cloud := simulator.New(simulator.Options{PerMinute: -1, OAuth: simulator.OAuth{Grace: c.grace}})
				tr := &trouble{cloud: cloud}
				r := newLoginRig(t, tr)
				r.start()
				defer func() { r.stop() }()
				r.logIn()
				time.Sleep(300 * time.Second)
				times := c.times
				tr.mu.Lock()
				tr.answer = func(w http.ResponseWriter, req *http.Request) {
					if times > 0 {
						times--
						refusal(w, req)
						return
					}
					cloud.ServeHTTP(w, req)
				}
				tr.mu.Unlock()
				if c.lost {
					if err := cloud.Switch(simulator.Fault{Match: "TOKEN", Kind: "lost", Times: 1}); err != nil {
						t.Fatal(err)
					}
				}
				time.Sleep(6 * time.Minute)
				if r.chain.Usable(time.Now()) != c.usable || r.chain.State(time.Now()).Login == c.usable {
					t.Errorf("usable: %v", !c.usable)
				}
			})
		})
	}
}

// TestPreviousTokenSavesALogin: the store lost the newest token, Volvo's grace
// period takes the one before.
func TestPreviousTokenSavesALogin(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		cloud := simulator.New(simulator.Options{PerMinute: -1, OAuth: simulator.OAuth{Grace: time.Hour}})
		r := newLoginRig(t, cloud)
		r.start()
		r.logIn()
		time.Sleep(300 * time.Second)
		r.stop()
		r.tokens.Token.Refresh = "never-handed-out" // whatever became of it
		r.tokens.Token.Issued = time.Time{}
		r.start()
		defer func() { r.stop() }()
		time.Sleep(2 * time.Minute)
		if !r.chain.Usable(time.Now()) {
			t.Errorf("%+v", r.chain.State(time.Now()))
		}
	})
}

// TestRefusedTokenIsTriedAgain: Volvo's refusals end no login that works again
// later; and nobody asks so often that Volvo blocks the application.
func TestRefusedTokenIsTriedAgain(t *testing.T) {
	refusal := status(400, "application/json", `{"error":"invalid_grant"}`)
	for _, lasts := range []time.Duration{10 * time.Second, 90 * time.Second, 5 * time.Hour, 40 * time.Hour} {
		t.Run(lasts.String(), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				tr := &trouble{cloud: simulator.New(simulator.Options{PerMinute: -1})}
				r := newLoginRig(t, tr)
				r.start()
				defer func() { r.stop() }()
				r.logIn()
				tr.become(refusal)
				for tr.asked() == 0 {
					time.Sleep(time.Second)
				}
				if s := r.chain.State(time.Now()); !s.Login {
					t.Errorf("at the first refusal: %+v", s)
				}
				time.Sleep(lasts)
				tr.become(nil)
				asked := tr.asked()
				if most := 3 + int(lasts/time.Hour); asked > most {
					t.Errorf("%d requests in %v", asked, lasts)
				}
				time.Sleep(70 * time.Minute)
				if s := r.chain.State(time.Now()); s.Login || !r.chain.Usable(time.Now()) {
					t.Errorf("%+v", s)
				}
				if r.count(login.LoginRequired) != 1 {
					t.Errorf("told %d times", r.count(login.LoginRequired))
				}
			})
		})
	}
}

// TestRefusedTokenAtEachStart: a start tries it at once, a crash loop not more often
// than once a minute.
func TestRefusedTokenAtEachStart(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		tr := &trouble{cloud: simulator.New(simulator.Options{PerMinute: -1})}
		r := newLoginRig(t, tr)
		r.start()
		r.logIn()
		tr.become(status(400, "application/json", `{"error":"invalid_grant"}`))
		time.Sleep(10 * time.Minute)
		asked := tr.asked()
		r.stop()
		r.start()
		time.Sleep(time.Second)
		if tr.asked() == asked {
			t.Error("a start did not try")
		}
		asked = tr.asked()
		for range 60 {
			r.stop()
			r.start()
			time.Sleep(5 * time.Second)
		}
		if n := tr.asked() - asked; n > 12 {
			t.Errorf("%d requests in a crash loop of 5 minutes", n)
		}
		tr.become(nil)
		time.Sleep(70 * time.Minute)
		if !r.chain.Usable(time.Now()) {
			t.Error("not usable afterwards")
		}
		r.stop()
	})
}

// TestHalfAYear: refreshes all the time, a week without a network, the warnings,
// the end.
func TestHalfAYear(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		cloud := simulator.New(simulator.Options{PerMinute: -1})
		tr := &trouble{cloud: cloud}
		r := newLoginRig(t, tr)
		r.start()
		defer func() { r.stop() }()
		r.logIn()
		began := time.Now()
		day := func(n float64) { time.Sleep(time.Until(began.Add(time.Duration(n * float64(24*time.Hour))))) }
		day(30)
		refreshes := cloud.TokenRequests()
		if refreshes < 30*24*3600/299 || refreshes > 30*24*3600*10/6/299+10 {
			t.Errorf("%d refreshes in 30 days", refreshes)
		}
		if ends := r.chain.State(time.Now()).Ends; !ends.Equal(began.Add(182 * 24 * time.Hour)) {
			t.Errorf("the grant ends %v", ends)
		}
		// A week, but for an hour, without a network.
		tr.become(func(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) })
		day(35)
		s := r.chain.State(time.Now())
		if s.Login || s.Usable || s.Ends.After(began.Add(37*24*time.Hour)) || s.Ends.Before(began.Add(36*24*time.Hour+23*time.Hour)) {
			t.Errorf("offline: %+v", s)
		}
		day(36.95)
		if offline := r.count(login.GrantEnds); offline != 2 {
			t.Errorf("%d warnings while offline, want those of 3 days and of 1 day", offline)
		}
		tr.become(nil)
		day(37)
		if s := r.chain.State(time.Now()); !s.Usable || !s.Ends.Equal(began.Add(182*24*time.Hour)) {
			t.Errorf("back: %+v", s)
		}
		day(167.9)
		if n := r.count(login.GrantEnds); n != 2 {
			t.Errorf("%d warnings before the last 14 days", n)
		}
		for i, left := range []float64{14, 3, 1} {
			day(182 - left + 0.1)
			if n := r.count(login.GrantEnds); n != 3+i || r.lastWarning().Days != int(left) {
				t.Errorf("%v days before the end: %d warnings, the last %+v", left, n, r.lastWarning())
			}
			if left == 3 { // a restart warns of nothing twice
				r.stop()
				r.start()
			}
		}
		if r.chain.State(time.Now()).Login {
			t.Error("ended too early")
		}
		day(182.1)
		if s := r.chain.State(time.Now()); !s.Login || r.count(login.LoginRequired) != 1 {
			t.Errorf("after half a year: %+v", s)
		}
		r.logIn()
		if s := r.chain.State(time.Now()); !s.Usable || s.Login || time.Until(s.Ends) < 180*24*time.Hour {
			t.Errorf("after a new login: %+v", s)
		}
	})
}

// TestWrongClocks: a token from the future or the past costs one refresh.
func TestWrongClocks(t *testing.T) {
	for name, shift := range map[string]time.Duration{"a clock of long ago": 50 * 365 * 24 * time.Hour, "a clock that is ahead": -50 * 365 * 24 * time.Hour, "right": 0} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				cloud := simulator.New(simulator.Options{PerMinute: -1})
				r := newLoginRig(t, cloud)
				r.start()
				r.logIn()
				r.stop()
				saved := &r.tokens.Token // as if it were written by a clock that is off by that much
				saved.Issued, saved.LoggedIn, saved.Refreshed = saved.Issued.Add(shift), saved.LoggedIn.Add(shift), saved.Refreshed.Add(shift)
				before := cloud.TokenRequests()
				r.start()
				defer func() { r.stop() }()
				time.Sleep(2 * time.Minute)
				if n := cloud.TokenRequests() - before; n > 1 || !r.chain.Usable(time.Now()) {
					t.Errorf("%d refreshes, usable %v", n, r.chain.Usable(time.Now()))
				}
				if r.count(login.GrantEnds) > 0 {
					t.Error("warned of the end")
				}
			})
		})
	}
}

func TestLoginMistakes(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		cloud := simulator.New(simulator.Options{PerMinute: -1})
		r := newLoginRig(t, cloud)
		r.start()
		defer func() { r.stop() }()
		finish := func(pasted string) error {
			_, err := login.Finish(t.Context(), []*login.Chain{r.chain}, pasted)
			return err
		}
		for _, c := range []struct{ pasted, want string }{
			{"", "nothing was pasted"}, {"hello world", "spaces"}, {"abc", "no login was begun"}, {"abcdefghijklmnopqrst", "no login was begun"}, {logintest.RedirectURL, "no code"},
			{logintest.RedirectURL + "?code=x&state=y", "belongs to no login"}, {"https://id/as/authorization.oauth2?client_id=c", "Volvo's own page"},
		} {
			if err := finish(c.pasted); err == nil || !strings.Contains(err.Error(), c.want) {
				t.Errorf("%q: %v, want %q", c.pasted, err, c.want)
			}
		}
		back := logintest.Agree(t, cloud, r.chain.Begin().URL)
		if err := finish("  " + back + "\n"); err != nil {
			t.Errorf("a good address: %v", err)
		}
		if err := finish(back); err == nil || !strings.Contains(err.Error(), "used already") {
			t.Errorf("the same address again: %v", err)
		}
		r.chain.Begin()
		if err := finish("not-a-code-of-volvo"); err == nil || !strings.Contains(err.Error(), "does not accept the code") {
			t.Errorf("a wrong code: %v", err)
		}
		address := logintest.Agree(t, cloud, r.chain.Begin().URL)
		u, _ := url.Parse(address)
		if err := finish(u.Query().Get("code")); err != nil {
			t.Errorf("the code alone: %v", err)
		}
		late := logintest.Agree(t, cloud, r.chain.Begin().URL)
		time.Sleep(11 * time.Minute)
		if err := finish(late); err == nil || !strings.Contains(err.Error(), "last 10 minutes") {
			t.Errorf("after 11 minutes: %v", err)
		}
		denied := r.chain.Begin().URL
		d, _ := url.Parse(denied)
		for problem, want := range map[string]string{"access_denied": "denied", "unauthorized_client": "published", "weird<script>": "unknown reason"} {
			state := d.Query().Get("state")
			if problem != "access_denied" {
				n, _ := url.Parse(r.chain.Begin().URL)
				state = n.Query().Get("state")
			}
			q := url.Values{"error": {problem}, "state": {state}}
			if err := finish(logintest.RedirectURL + "?" + q.Encode()); err == nil || !strings.Contains(err.Error(), want) {
				t.Errorf("%s: %v", problem, err)
			}
		}
		if !r.chain.Usable(time.Now()) {
			t.Error("mistakes cost the login that there was")
		}
	})
}

// TestUnpublishedScope: an application without some scopes gets a second address.
func TestUnpublishedScope(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var published []string
		for _, scope := range entity.Scopes(volvo.AllCommands()) {
			if !volvo.Restricted(scope) {
				published = append(published, scope)
			}
		}
		cloud := simulator.New(simulator.Options{PerMinute: -1, OAuth: simulator.OAuth{Published: published}})
		r := newLoginRig(t, cloud)
		r.start()
		defer func() { r.stop() }()
		out := r.logIn()
		if out.Done || out.Next == nil || !slices.ContainsFunc(out.Lost, func(l string) bool { return strings.HasPrefix(l, "location:read: ") && strings.Contains(l, "Location") }) {
			t.Fatalf("%+v", out)
		}
		out, err := login.Finish(t.Context(), []*login.Chain{r.chain}, logintest.Agree(t, cloud, out.Next.URL))
		if err != nil || !out.Done || len(out.Lost) != 5 {
			t.Fatalf("%+v %v", out, err)
		}
		if s := r.chain.State(time.Now()); !s.Usable || len(s.Missing) != 5 {
			t.Errorf("%+v", s)
		}
	})
}

// TestDiskFull: without the mark on the disk Volvo is not asked, since a crash would
// lose the login; it goes on when there is space.
func TestDiskFull(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		cloud := simulator.New(simulator.Options{PerMinute: -1})
		r := newLoginRig(t, cloud)
		r.start()
		defer func() { r.stop() }()
		r.logIn()
		time.Sleep(10 * time.Minute)
		full := func(err error) {
			r.tokens.Fail(err)
		}
		full(errors.New("no space left on device"))
		asked := cloud.TokenRequests()
		time.Sleep(time.Hour)
		if n := cloud.TokenRequests() - asked; n != 0 {
			t.Errorf("%d requests without a mark", n)
		}
		if s := r.chain.State(time.Now()); s.Login || s.Fault == nil || !errors.Is(s.Fault, volvo.ErrNotKept) || !strings.Contains(s.Fault.Advice(), "disk") {
			t.Errorf("%+v", s)
		}
		full(nil)
		time.Sleep(time.Minute)
		if s := r.chain.State(time.Now()); !s.Usable || s.Login {
			t.Errorf("with space again: %+v", s)
		}
		if err := r.chain.Keep(); err != nil {
			t.Error(err)
		}
	})
}

// TestNewestTokenNotKept: a new token that can't be written is used, and the stop
// says that it is lost.
func TestNewestTokenNotKept(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		tr := &trouble{cloud: simulator.New(simulator.Options{PerMinute: -1})}
		r := newLoginRig(t, tr)
		r.start()
		defer func() { r.stop() }()
		r.logIn()
		fail := func(err error) {
			r.tokens.Fail(err)
		}
		tr.become(func(w http.ResponseWriter, req *http.Request) { // the disk fills up between the mark and the answer
			fail(errors.New("no space left on device"))
			tr.cloud.ServeHTTP(w, req)
		})
		for tr.asked() == 0 {
			time.Sleep(time.Second)
		}
		time.Sleep(time.Minute)
		if s := r.chain.State(time.Now()); !s.Usable {
			t.Errorf("%+v", s)
		}
		if err := r.chain.Keep(); err == nil || !strings.Contains(err.Error(), "lost") {
			t.Errorf("a stop says %v", err)
		}
		kept := r.tokens.Current().Refresh
		fail(nil)
		if err := r.chain.Keep(); err != nil || r.tokens.Current().Refresh == kept {
			t.Errorf("with space: %v", err)
		}
	})
}

// TestEveryTokenRefusedTwice: a token that was good and is no longer is replaced,
// however soon after the one before.
func TestEveryTokenRefusedTwice(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newLoginRig(t, simulator.New(simulator.Options{PerMinute: -1}))
		r.start()
		defer func() { r.stop() }()
		r.logIn()
		last := ""
		for n := range 3 {
			access, err := r.chain.Token(t.Context(), volvo.ConnectedVehicle, false)
			if err != nil || access == last {
				t.Fatalf("token %d: %v, the same: %v", n, err, access == last)
			}
			last = access
			r.chain.Accept(volvo.ConnectedVehicle, access)
			time.Sleep(10 * time.Second)
			if err := r.chain.Reject(volvo.Energy, access); n > 0 && !errors.Is(err, volvo.ErrOutage) {
				t.Errorf("an API that never took the token: %v", err)
			}
			if n == 0 {
				continue // the first refusal of all is believed
			}
			if err := r.chain.Reject(volvo.ConnectedVehicle, access); !errors.Is(err, volvo.ErrRenewed) {
				t.Errorf("token %d was refused: %v", n, err)
			}
		}
	})
}

// TestCommandForcesARefresh: a command does not take an old failure for an answer,
// and its token lasts.
func TestCommandForcesARefresh(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		tr := &trouble{cloud: simulator.New(simulator.Options{PerMinute: -1, OAuth: simulator.OAuth{Life: time.Minute}})}
		r := newLoginRig(t, tr)
		r.start()
		defer func() { r.stop() }()
		r.logIn()
		for range 20 {
			time.Sleep(7 * time.Second)
			access, err := r.chain.Token(t.Context(), volvo.ConnectedVehicle, true)
			if left := time.Until(r.chain.State(time.Now()).Refreshed.Add(time.Minute)); err != nil || access == "" || left < 29*time.Second {
				t.Errorf("%v left: %v", left, err)
			}
		}
		tr.become(status(500, "application/json", `{}`))
		time.Sleep(10 * time.Minute) // tries are minutes apart by now
		asked := tr.asked()
		for range 120 {
			_, _ = r.chain.Token(t.Context(), volvo.ConnectedVehicle, true) // refused, of course
			time.Sleep(500 * time.Millisecond)
		}
		if n := tr.asked() - asked; n < 5 || n > 14 {
			t.Errorf("two commands a second asked for %d tokens in a minute", n)
		}
		time.Sleep(5 * time.Minute)
		tr.become(nil)
		if _, err := r.chain.Token(t.Context(), volvo.ConnectedVehicle, false); err == nil {
			t.Error("a read forces a refresh")
		}
		_, err := r.chain.Token(t.Context(), volvo.ConnectedVehicle, true)
		if err != nil { // the chain's own try was a moment ago, and commands keep seconds between tries
			time.Sleep(15 * time.Second)
			_, err = r.chain.Token(t.Context(), volvo.ConnectedVehicle, true)
		}
		if err != nil {
			t.Errorf("a command: %v", err)
		}
	})
}

// TestCommandsRespectRetryAfter: Volvo asked for a pause, and gets it.
func TestCommandsRespectRetryAfter(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		tr := &trouble{cloud: simulator.New(simulator.Options{PerMinute: -1, OAuth: simulator.OAuth{Life: time.Minute}})}
		r := newLoginRig(t, tr)
		r.start()
		defer func() { r.stop() }()
		r.logIn()
		tr.become(func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("Retry-After", "240")
			status(429, "application/json", `{}`)(w, r)
		})
		time.Sleep(time.Minute)
		asked := tr.asked()
		for range 60 {
			_, _ = r.chain.Token(t.Context(), volvo.ConnectedVehicle, true)
			time.Sleep(time.Second)
		}
		if n := tr.asked() - asked; n > 0 {
			t.Errorf("%d requests in the pause", n)
		}
	})
}

// TestOneResourceRefusesEveryToken: others take them, so asking for more helps nobody.
func TestOneResourceRefusesEveryToken(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		cloud := simulator.New(simulator.Options{PerMinute: -1, OAuth: simulator.OAuth{Life: 24 * time.Hour}})
		r := newLoginRig(t, cloud)
		r.start()
		defer func() { r.stop() }()
		r.logIn()
		before := cloud.TokenRequests()
		for range 60 {
			access, err := r.chain.Token(t.Context(), volvo.ConnectedVehicle, false)
			if err != nil {
				t.Fatal(err)
			}
			r.chain.Accept(volvo.ConnectedVehicle, access)
			_ = r.chain.Reject(volvo.ConnectedVehicle, access)
			time.Sleep(time.Minute)
		}
		if n := cloud.TokenRequests() - before; n > 12 {
			t.Errorf("%d refreshes in an hour", n)
		}
	})
}

// TestAddressWithoutState: an address that does not say whose login it is ends
// none.
func TestAddressWithoutState(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		cloud := simulator.New(simulator.Options{PerMinute: -1})
		r := newLoginRig(t, cloud)
		r.start()
		defer func() { r.stop() }()
		address := r.chain.Begin().URL
		for _, pasted := range []string{logintest.RedirectURL + "?code=x", logintest.RedirectURL + "?error=invalid_scope"} {
			if out, err := login.Finish(t.Context(), []*login.Chain{r.chain}, pasted); err == nil || out.Next != nil || !strings.Contains(err.Error(), "no state") {
				t.Errorf("%s: %+v %v", pasted, out, err)
			}
		}
		if cloud.TokenRequests() != 0 {
			t.Error("a token request")
		}
		if _, err := login.Finish(t.Context(), []*login.Chain{r.chain}, logintest.Agree(t, cloud, address)); err != nil {
			t.Errorf("the login itself: %v", err)
		}
	})
}

// TestAnotherAccountsLogin: a login that lists none of our cars takes the place of
// none that works, until a person says so.
func TestAnotherAccountsLogin(t *testing.T) {
	for _, c := range []struct {
		name string
		ours bool
		err  error
		kept bool
	}{{"lists our car", true, nil, false}, {"lists none", false, nil, true}, {"can't be listed", false, errors.New("outage"), true}} {
		t.Run(c.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				cloud := simulator.New(simulator.Options{PerMinute: -1})
				r := newLoginRig(t, cloud)
				asked := 0
				r.ours = func(context.Context, string) (bool, error) { asked++; return c.ours, c.err }
				r.start()
				defer func() { r.stop() }()
				r.logIn() // the first: nothing is replaced
				if asked != 0 {
					t.Error("the first login was doubted")
				}
				before := r.tokens.Current().Refresh
				published, err := r.chain.BeginPublished()
				if err != nil {
					t.Fatal(err)
				}
				out, err := login.FinishPublished(t.Context(), []*login.Chain{r.chain}, logintest.Agree(t, cloud, published.URL))
				if (err != nil) != c.kept || out.Foreign != c.kept || out.Done == c.kept || asked != 1 {
					t.Errorf("%+v %v", out, err)
				}
				if kept := r.tokens.Current().Refresh == before; kept != c.kept {
					t.Errorf("the login before is kept: %v", kept)
				}
				time.Sleep(6 * time.Minute) // it goes on being refreshed
				if !r.chain.Usable(time.Now()) {
					t.Error("not usable")
				}
				if !c.kept {
					return
				}
				if out, err := login.Confirm([]*login.Chain{r.chain}, "account1"); err != nil || !out.Done {
					t.Errorf("confirmed: %+v %v", out, err)
				}
				time.Sleep(6 * time.Minute)
				if !r.chain.Usable(time.Now()) {
					t.Error("the confirmed login is not usable")
				}
				if _, err := login.Confirm([]*login.Chain{r.chain}, "account1"); err == nil {
					t.Error("confirmed twice")
				}
			})
		})
	}
}

// TestFloodOfCodes: few of many codes reach Volvo, one at a time, and nobody pushes
// out an address that a person is using.
func TestFloodOfCodes(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		cloud := simulator.New(simulator.Options{PerMinute: -1})
		slow := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if r.URL.Path == "/as/token.oauth2" {
				time.Sleep(time.Second)
			}
			cloud.ServeHTTP(w, r)
		})
		r := newLoginRig(t, slow)
		r.start()
		defer func() { r.stop() }()
		owner := r.chain.Begin()
		if s := r.chain.State(time.Now()); s.Address != "" {
			t.Error("an address that nobody else should read is published")
		}
		made := 0
		for range 40 {
			if _, err := r.chain.BeginPublished(); err == nil {
				made++
			} else if !strings.Contains(err.Error(), "try again") {
				t.Error(err)
			}
		}
		if made != 5 {
			t.Errorf("%d addresses were made", made)
		}
		var all sync.WaitGroup
		for i := range 1500 {
			all.Go(func() {
				if _, err := login.FinishPublished(t.Context(), []*login.Chain{r.chain}, "code"+strconv.Itoa(i)); err == nil {
					t.Error("a code was taken")
				}
			})
			if i%100 == 0 {
				time.Sleep(2 * time.Second)
			}
		}
		all.Wait()
		if n := cloud.TokenRequests(); n > 25 {
			t.Errorf("%d requests to Volvo", n)
		}
		if _, err := login.Finish(t.Context(), []*login.Chain{r.chain}, logintest.Agree(t, cloud, owner.URL)); err != nil {
			t.Errorf("the owner: %v", err)
		}
	})
}
