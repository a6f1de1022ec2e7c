package web

import (
	"context"
	"errors"
	"net/http"
	"strings"

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

// loginPages adds the pages of the login.
func loginPages(mux *http.ServeMux, l Login, g *gate, redirect string) {
	show := func(w http.ResponseWriter, r *http.Request, status int, v loginView) {
		v.Root = strings.Repeat("../", strings.Count(r.URL.Path, "/")-1)
		if !v.Bare {
			v.Accounts, v.Example = l.Accounts(), redirect+"?code=..."
		}
		h := w.Header()
		h.Set("Content-Type", "text/html; charset=utf-8")
		h.Set("Cache-Control", "no-store")
		// The address may hold a code, so it goes nowhere else; with no-referrer a form
		// would be posted without its origin, and turned away.
		h.Set("Referrer-Policy", "same-origin")
		h.Set("Content-Security-Policy", "default-src 'none'; style-src 'unsafe-inline'; frame-ancestors 'none'")
		w.WriteHeader(status)
		_ = v.page().Render(w) // the browser may have left
	}
	finish := func(w http.ResponseWriter, r *http.Request, pasted string, bare bool) {
		out, err := l.Finish(r.Context(), pasted)
		if fault, ok := errors.AsType[*volvo.Error](err); ok {
			show(w, r, http.StatusBadGateway, loginView{Bare: bare, Problem: strings.TrimSuffix(fault.Advice(), ".")})
			return
		} else if err != nil {
			show(w, r, http.StatusBadRequest, loginView{Bare: bare, Problem: err.Error()})
			return
		}
		show(w, r, http.StatusOK, loginView{Bare: bare, Outcome: &out})
	}
	own := g.guard
	mux.HandleFunc("GET /login", own(func(w http.ResponseWriter, r *http.Request) { show(w, r, http.StatusOK, loginView{}) }))
	mux.HandleFunc("POST /login", own(func(w http.ResponseWriter, r *http.Request) {
		address, err := l.Begin(r.Context(), r.PostFormValue("account"))
		if err != nil {
			show(w, r, http.StatusBadRequest, loginView{Problem: err.Error()})
			return
		}
		http.Redirect(w, r, address, http.StatusSeeOther)
	}))
	mux.HandleFunc("POST /login/paste", own(func(w http.ResponseWriter, r *http.Request) { finish(w, r, r.PostFormValue("pasted"), false) }))
	mux.HandleFunc("POST /login/confirm", own(func(w http.ResponseWriter, r *http.Request) {
		out, err := l.Confirm(r.Context(), r.PostFormValue("account"))
		if err != nil {
			show(w, r, http.StatusBadRequest, loginView{Problem: err.Error()})
			return
		}
		show(w, r, http.StatusOK, loginView{Outcome: &out})
	}))
	// Volvo sends the browser here. The state in the address, that only we, Volvo and
	// who began the login know, is what lets it in; if it was published, others know it
	// too, and the password is asked for.
	mux.HandleFunc("GET /oauth/callback", func(w http.ResponseWriter, r *http.Request) {
		pasted := "http://" + r.Host + r.URL.RequestURI()
		take := func(w http.ResponseWriter, r *http.Request) { finish(w, r, pasted, g.password != "") }
		if l.Published(pasted) {
			take = own(take)
		}
		take(w, r)
	})
}
