package web

import (
	"context"
	"errors"
	"fmt"
	"html"
	"io"
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

const loginHead = `<!doctype html>
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
`

// page writes the view. A template engine would cost the program a quarter of its
// size; every foreign text goes through esc.
func (v loginView) page() string {
	var b strings.Builder
	esc := html.EscapeString
	b.WriteString(loginHead)
	if v.Problem != "" {
		fmt.Fprintf(&b, "<div class=\"box bad\" role=\"alert\"><strong>That did not work:</strong> %s.</div>\n", esc(v.Problem))
	}
	switch o := v.Outcome; {
	case o == nil:
	case o.Next != "":
		fmt.Fprintf(&b, "<div class=\"box bad\"><p><strong>Your application has not published every scope.</strong> Go on without these:</p>%s"+
			"<p><a class=\"button\" href=\"%s\">Log in without them</a></p></div>\n", bullets(o.Lost), esc(o.Next))
	default:
		fmt.Fprintf(&b, "<div class=\"box good\"><p><strong>Logged in.</strong> The values of %s follow at once. You can close this page.</p>", esc(o.Account))
		if len(o.Lost) > 0 {
			b.WriteString("<p>Volvo did not grant:</p>" + bullets(o.Lost))
		}
		b.WriteString("</div>\n")
	}
	for _, a := range v.Accounts {
		word := "Log in again"
		if a.Required {
			word = "Log in"
		}
		fmt.Fprintf(&b, "<div class=\"box\"><p><strong>%s</strong>: %s</p>\n<form method=\"post\" action=\"/login\"><input type=\"hidden\" name=\"account\" value=\"%[1]s\">"+
			"<button>%[3]s</button></form>", esc(a.Name), esc(a.State), word)
		if a.Unconfirmed {
			fmt.Fprintf(&b, "<p>A login waits that lists none of your cars. If it is meant, use it:</p><form method=\"post\" action=\"/login/confirm\">"+
				"<input type=\"hidden\" name=\"account\" value=\"%s\"><button>Use it all the same</button></form>", esc(a.Name))
		}
		b.WriteString("</div>\n")
	}
	switch {
	case len(v.Accounts) > 0:
		fmt.Fprintf(&b, `<div class="box"><form method="post" action="/login/paste" autocomplete="off">
<label for="pasted">If the browser ends on a page that it can't open, paste the address of that page here:</label>
<input id="pasted" name="pasted" placeholder="%s"><button>Finish</button></form></div>
`, esc(v.Example))
	case !v.Bare:
		b.WriteString("<div class=\"box\">Test tokens are used (volvo.access_token): there is nothing to log in to.</div>\n")
	}
	b.WriteString("</html>\n")
	return b.String()
}

func bullets(lines []string) string {
	var b strings.Builder
	for _, line := range lines {
		b.WriteString("<li>" + html.EscapeString(line) + "</li>")
	}
	return "<ul>" + b.String() + "</ul>"
}

type loginView struct {
	Accounts []LoginAccount
	Outcome  *LoginOutcome
	Problem  string
	// Bare: who looks may not know the password, so no account is shown.
	Bare    bool
	Example string
}

// loginPages adds the pages of the login.
func loginPages(mux *http.ServeMux, l Login, g *gate, redirect string) {
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
		_, _ = io.WriteString(w, v.page()) // the browser may have left
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
	own := g.guard
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
	mux.HandleFunc("POST /login/confirm", own(func(w http.ResponseWriter, r *http.Request) {
		out, err := l.Confirm(r.Context(), r.PostFormValue("account"))
		if err != nil {
			show(w, http.StatusBadRequest, loginView{Problem: err.Error()})
			return
		}
		show(w, http.StatusOK, loginView{Outcome: &out})
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
