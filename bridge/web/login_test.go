package web

import (
	"context"
	"errors"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"golang.org/x/crypto/bcrypt"
)

// pretend is a login that notes what it is asked.
type pretend struct{ begun, finished []string }

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
		h := New(Options{Login: p, Password: password, Hosts: []string{"pi.local"}})
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
