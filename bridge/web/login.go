package web

import (
	"context"
	"errors"
	"net/http"

	"volvobridge/volvo"
)

// Login logs accounts in at Volvo ID.
type Login interface {
	// Accounts lists the accounts that log in.
	Accounts() []LoginAccount
	// Begin makes a new address for an account.
	Begin(ctx context.Context, account string) (address string, err error)
	// Finish takes what Volvo sent the browser back with, or what was pasted.
	Finish(ctx context.Context, pasted string) (LoginOutcome, error)
	// Confirm uses the last login of an account that listed none of its cars.
	Confirm(ctx context.Context, account string) (LoginOutcome, error)
	// Published tells whether what Volvo sent the browser back with belongs to a login
	// whose address others could read.
	Published(pasted string) bool
}

// LoginAccount is an account on the page.
type LoginAccount struct {
	Name, State string
	Required    bool
	// Unconfirmed: a login that listed none of the cars waits to be confirmed.
	Unconfirmed bool
}

// LoginOutcome is what became of a login.
type LoginOutcome struct {
	Account string
	// Lost says what will not work, Next is a second address to try.
	Lost []string
	Next string
}

// callbackPath is where Volvo sends a browser after a login.
const callbackPath = "/oauth/callback"

// loginPaths adds what the login page leads to.
func (s *site) loginPaths(mux *http.ServeMux) {
	l := s.opts.Login
	finish := func(w http.ResponseWriter, r *http.Request, pasted string, bare bool) {
		out, err := l.Finish(r.Context(), pasted)
		if fault, ok := errors.AsType[*volvo.Error](err); ok {
			s.showLogin(w, r, http.StatusBadGateway, loginView{bare: bare, problem: fault.Advice()})
			return
		} else if err != nil {
			s.showLogin(w, r, http.StatusBadRequest, loginView{bare: bare, problem: err.Error()})
			return
		}
		s.showLogin(w, r, http.StatusOK, loginView{bare: bare, outcome: &out})
	}
	mux.HandleFunc("POST /login", s.guard(func(w http.ResponseWriter, r *http.Request) {
		address, err := l.Begin(r.Context(), r.PostFormValue("account"))
		if err != nil {
			s.showLogin(w, r, http.StatusBadRequest, loginView{problem: err.Error()})
			return
		}
		http.Redirect(w, r, address, http.StatusSeeOther)
	}))
	mux.HandleFunc("POST /login/paste", s.guard(func(w http.ResponseWriter, r *http.Request) { finish(w, r, r.PostFormValue("pasted"), false) }))
	mux.HandleFunc("POST /login/confirm", s.guard(func(w http.ResponseWriter, r *http.Request) {
		out, err := l.Confirm(r.Context(), r.PostFormValue("account"))
		if err != nil {
			s.showLogin(w, r, http.StatusBadRequest, loginView{problem: err.Error()})
			return
		}
		s.showLogin(w, r, http.StatusOK, loginView{outcome: &out})
	}))
	// Volvo sends the browser here. The state in the address, that only we, Volvo and
	// who began the login know, is what lets it in; if it was published, others know it
	// too, and the password is asked for.
	mux.HandleFunc("GET "+callbackPath, func(w http.ResponseWriter, r *http.Request) {
		pasted := "http://" + r.Host + r.URL.RequestURI()
		take := func(w http.ResponseWriter, r *http.Request) {
			finish(w, r, pasted, s.gate.password != "" || s.outsider(r))
		}
		if l.Published(pasted) {
			take = s.guard(take)
		}
		take(w, r)
	})
}

// showLogin answers a step of a login with the page of the login.
func (s *site) showLogin(w http.ResponseWriter, r *http.Request, status int, v loginView) {
	sheet := s.sheet(r)
	if v.bare {
		sheet.alone()
	}
	sheet.write(w, status, sheet.t("Login"), "login", sheet.login(v))
}
