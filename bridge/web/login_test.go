package web

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"

	"golang.org/x/crypto/bcrypt"
)

// pretend is a login that notes what it is asked.
type pretend struct {
	begun, finished, confirmed []string
	published                  bool
}

func (p *pretend) Confirm(_ context.Context, account string) (LoginOutcome, error) {
	p.confirmed = append(p.confirmed, account)
	return LoginOutcome{Account: account}, nil
}

func (p *pretend) Published(string) bool { return p.published }

func (p *pretend) Accounts() []LoginAccount {
	return []LoginAccount{{Name: "account1", State: "<b>logged in</b>", Required: true}}
}

func (p *pretend) Begin(_ context.Context, account string) (string, error) {
	p.begun = append(p.begun, account)
	return "https://id.example/authorize", nil
}

func (p *pretend) Finish(_ context.Context, pasted string) (LoginOutcome, error) {
	p.finished = append(p.finished, pasted)
	return LoginOutcome{}, errors.New("this address belongs to no login")
}

func ask(h http.Handler, method, address, body string, change func(*http.Request)) *httptest.ResponseRecorder {
	r := httptest.NewRequest(method, address, strings.NewReader(body))
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	if change != nil {
		change(r)
	}
	w := httptest.NewRecorder()
	h.ServeHTTP(w, r)
	return w
}

func TestLoginPages(t *testing.T) {
	hash, err := bcrypt.GenerateFromPassword([]byte("right"), bcrypt.MinCost)
	if err != nil {
		t.Fatal(err)
	}
	for _, password := range []string{"right", string(hash)} {
		p := &pretend{}
		h := New(context.Background(), Options{Login: p, Password: password, Hosts: []string{"pi.local"}})
		with := func(given string) func(*http.Request) {
			return func(r *http.Request) {
				r.Host = "pi.local:8099"
				r.SetBasicAuth("anybody", given)
				r.Header.Set("Origin", "http://pi.local:8099") // as a browser does in a network of one's own
			}
		}
		if w := ask(h, "GET", "http://localhost/login", "", nil); w.Code != http.StatusUnauthorized {
			t.Errorf("without a password: %d", w.Code)
		}
		if w := ask(h, "POST", "http://localhost/login", "account=account1", with("wrong")); w.Code != http.StatusUnauthorized {
			t.Errorf("a wrong password: %d", w.Code)
		}
		w := ask(h, "GET", "http://localhost/login", "", with("right"))
		if w.Code != http.StatusOK || !strings.Contains(w.Body.String(), "account1") || strings.Contains(w.Body.String(), "<b>") || w.Header().Get("Referrer-Policy") != "same-origin" {
			t.Errorf("the page: %d %s", w.Code, w.Body)
		}
		if w := ask(h, "POST", "http://localhost/login", "account=account1", with("right")); w.Code != http.StatusSeeOther || w.Header().Get("Location") != "https://id.example/authorize" {
			t.Errorf("begin: %d", w.Code)
		}
		foreign := func(r *http.Request) { with("right")(r); r.Header.Set("Origin", "http://evil.example") }
		if w := ask(h, "POST", "http://localhost/login", "account=account1", foreign); w.Code != http.StatusForbidden || len(p.begun) != 1 {
			t.Errorf("another site's POST: %d", w.Code)
		}
		// The callback needs no password, and tells nobody who the accounts are.
		if w := ask(h, "GET", "http://localhost/oauth/callback?code=x&state=forged", "", nil); w.Code != http.StatusBadRequest || strings.Contains(w.Body.String(), "account1") {
			t.Errorf("the callback: %d %s", w.Code, w.Body)
		}
	}
}

// TestCallbackOfAPublishedLogin: whoever could read its address must know the
// password, if there is one.
func TestCallbackOfAPublishedLogin(t *testing.T) {
	p := &pretend{published: true}
	h := New(context.Background(), Options{Login: p, Password: "right"})
	const back = "http://localhost/oauth/callback?code=x&state=seen"
	if w := ask(h, "GET", back, "", nil); w.Code != http.StatusUnauthorized || len(p.finished) != 0 {
		t.Errorf("without a password: %d", w.Code)
	}
	if ask(h, "GET", back, "", func(r *http.Request) { r.SetBasicAuth("x", "right") }); len(p.finished) != 1 {
		t.Error("with the password it was not taken")
	}
	if w := ask(h, "POST", "http://localhost/login/confirm", "account=account1", nil); w.Code != http.StatusUnauthorized || len(p.confirmed) != 0 {
		t.Errorf("a confirmation without a password: %d", w.Code)
	}
}

// TestGuesses: a few of many are compared, one at a time, and told; who knows the
// password gets in.
func TestGuesses(t *testing.T) {
	hash, err := bcrypt.GenerateFromPassword([]byte("right"), 8)
	if err != nil {
		t.Fatal(err)
	}
	p, told := &pretend{}, 0
	h := New(context.Background(), Options{Login: p, Password: string(hash), Warn: func(_, from string, _ int) {
		if told++; from != "192.0.2.1" {
			t.Errorf("from %s", from)
		}
	}})
	with := func(given, from string) func(*http.Request) {
		return func(r *http.Request) { r.SetBasicAuth("x", given); r.RemoteAddr = from + ":1234" }
	}
	if w := ask(h, "GET", "http://localhost/login", "", with("right", "192.0.2.9")); w.Code != http.StatusOK {
		t.Fatalf("%d", w.Code)
	}
	compared := 0
	for range 2000 {
		if w := ask(h, "GET", "http://localhost/login", "", with("wrong", "192.0.2.1")); w.Code == http.StatusUnauthorized {
			compared++
		} else if w.Code != http.StatusTooManyRequests || w.Header().Get("Retry-After") == "" {
			t.Fatalf("%d", w.Code)
		}
	}
	if compared > 10 || told != 1 {
		t.Errorf("%d of 2000 guesses were compared, told %d times", compared, told)
	}
	for _, from := range []string{"192.0.2.9", "192.0.2.1"} { // the owner, also behind the same address
		if w := ask(h, "GET", "http://localhost/login", "", with("right", from)); w.Code != http.StatusOK {
			t.Errorf("the owner from %s: %d", from, w.Code)
		}
	}
	var all sync.WaitGroup
	var mu sync.Mutex
	slow := 0
	for i := range 64 {
		all.Go(func() {
			w := ask(h, "GET", "http://localhost/login", "", with("wrong", fmt.Sprintf("198.51.100.%d", i)))
			mu.Lock()
			defer mu.Unlock()
			if w.Code == http.StatusUnauthorized {
				slow++
			}
		})
	}
	all.Wait()
	if slow > 40 {
		t.Errorf("%d of 64 parallel guesses were compared", slow)
	}
}

func TestLongBodies(t *testing.T) {
	p := &pretend{}
	h := New(context.Background(), Options{Login: p})
	if w := ask(h, "POST", "http://localhost/login/paste", "pasted="+strings.Repeat("x", 10<<20), nil); w.Code != http.StatusRequestEntityTooLarge || len(p.finished) != 0 {
		t.Errorf("%d", w.Code)
	}
}
