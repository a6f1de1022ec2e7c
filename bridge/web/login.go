package web

import (
	"context"
	"crypto/sha256"
	"crypto/subtle"
	"errors"
	"html/template"
	"net/http"
	"strings"

	"golang.org/x/crypto/bcrypt"

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
}

// LoginAccount is an account on the page.
type LoginAccount struct {
	Name, State string
	Required    bool
}

// LoginOutcome is what became of a login.
type LoginOutcome struct {
	Account string
	// Lost says what will not work, Next is a second address to try.
	Lost []string
	Next string
}

var loginPage = template.Must(template.New("login").Parse(`<!doctype html>
<html lang="en"><meta charset="utf-8"><meta name="viewport" content="width=device-width, initial-scale=1">
<title>volvobridge: login</title>
<style>
body{font:16px/1.5 system-ui,sans-serif;max-width:38rem;margin:2rem auto;padding:0 1rem;color:#1b1b1b;background:#fff}
.box{border:1px solid #ccc;border-radius:8px;padding:1rem;margin:1rem 0}.good{border-color:#2e7d32}.bad{border-color:#b3261e}
button,.button{font:inherit;padding:.5rem 1rem;border:0;border-radius:6px;background:#1c4e80;color:#fff;text-decoration:none;cursor:pointer}
input{font:inherit;width:100%;box-sizing:border-box;padding:.5rem;margin:.5rem 0}
@media(prefers-color-scheme:dark){body{color:#eee;background:#161616}.box{border-color:#555}}
</style>
<h1>Login at Volvo ID</h1>
{{with .Problem}}<div class="box bad" role="alert"><strong>That did not work:</strong> {{.}}.</div>{{end}}
{{with .Outcome}}{{if .Next}}<div class="box bad"><p><strong>Your application has not published every scope.</strong> Go on without these:</p>
<ul>{{range .Lost}}<li>{{.}}</li>{{end}}</ul><p><a class="button" href="{{.Next}}">Log in without them</a></p></div>
{{else}}<div class="box good"><p><strong>Logged in.</strong> The values of {{.Account}} follow at once. You can close this page.</p>
{{if .Lost}}<p>Volvo did not grant:</p><ul>{{range .Lost}}<li>{{.}}</li>{{end}}</ul>{{end}}</div>{{end}}{{end}}
{{range .Accounts}}<div class="box"><p><strong>{{.Name}}</strong>: {{.State}}</p>
<form method="post" action="/login"><input type="hidden" name="account" value="{{.Name}}"><button>{{if .Required}}Log in{{else}}Log in again{{end}}</button></form></div>
{{else}}{{if not .Bare}}<div class="box">Test tokens are used (volvo.access_token): there is nothing to log in to.</div>{{end}}{{end}}
{{if .Accounts}}<div class="box"><form method="post" action="/login/paste" autocomplete="off">
<label for="pasted">If the browser ends on a page that it can't open, paste the address of that page here:</label>
<input id="pasted" name="pasted" placeholder="{{.Example}}"><button>Finish</button></form></div>{{end}}
</html>`))

type loginView struct {
	Accounts []LoginAccount
	Outcome  *LoginOutcome
	Problem  string
	// Bare: who looks may not know the password, so no account is shown.
	Bare    bool
	Example string
}

// loginPages adds the pages of the login.
func loginPages(mux *http.ServeMux, l Login, password, redirect string) {
	show := func(w http.ResponseWriter, status int, v loginView) {
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
		_ = loginPage.Execute(w, v) // the browser may have left
	}
	finish := func(w http.ResponseWriter, r *http.Request, pasted string, bare bool) {
		out, err := l.Finish(r.Context(), pasted)
		if fault, ok := errors.AsType[*volvo.Error](err); ok {
			show(w, http.StatusBadGateway, loginView{Bare: bare, Problem: strings.TrimSuffix(fault.Advice(), ".")})
			return
		} else if err != nil {
			show(w, http.StatusBadRequest, loginView{Bare: bare, Problem: err.Error()})
			return
		}
		show(w, http.StatusOK, loginView{Bare: bare, Outcome: &out})
	}
	own := guard(password)
	mux.HandleFunc("GET /login", own(func(w http.ResponseWriter, _ *http.Request) { show(w, http.StatusOK, loginView{}) }))
	mux.HandleFunc("POST /login", own(func(w http.ResponseWriter, r *http.Request) {
		address, err := l.Begin(r.Context(), r.PostFormValue("account"))
		if err != nil {
			show(w, http.StatusBadRequest, loginView{Problem: err.Error()})
			return
		}
		http.Redirect(w, r, address, http.StatusSeeOther)
	}))
	mux.HandleFunc("POST /login/paste", own(func(w http.ResponseWriter, r *http.Request) { finish(w, r, r.PostFormValue("pasted"), false) }))
	// Volvo sends the browser here. The state in the address, that only we and Volvo
	// know, is what lets it in.
	mux.HandleFunc("GET /oauth/callback", func(w http.ResponseWriter, r *http.Request) {
		finish(w, r, "http://"+r.Host+r.URL.RequestURI(), password != "")
	})
}

// guard asks for the password, if there is one.
func guard(password string) func(http.HandlerFunc) http.HandlerFunc {
	return func(next http.HandlerFunc) http.HandlerFunc {
		if password == "" {
			return next
		}
		return func(w http.ResponseWriter, r *http.Request) {
			if _, given, ok := r.BasicAuth(); ok && samePassword(password, given) {
				next(w, r)
				return
			}
			w.Header().Set("WWW-Authenticate", `Basic realm="volvobridge", charset="UTF-8"`)
			http.Error(w, "the password of http.password is needed; any user name will do", http.StatusUnauthorized)
		}
	}
}

// samePassword compares with a bcrypt hash or a plain password.
func samePassword(want, given string) bool {
	if strings.HasPrefix(want, "$2") {
		return bcrypt.CompareHashAndPassword([]byte(want), []byte(given)) == nil
	}
	a, b := sha256.Sum256([]byte(want)), sha256.Sum256([]byte(given))
	return subtle.ConstantTimeCompare(a[:], b[:]) == 1
}
