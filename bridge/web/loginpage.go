package web

import (
	"maragu.dev/gomponents"
	"maragu.dev/gomponents/html"
)

// loginView is what the page of the login shows.
type loginView struct {
	Accounts []LoginAccount
	Outcome  *LoginOutcome
	Problem  string
	// Bare: who looks may not know the password, so no account is shown.
	Bare    bool
	Example string
	// Root is the way from the page to the top, such as "../": behind a proxy the top
	// is not "/".
	Root string
}

const loginStyle = `
body{font:16px/1.5 system-ui,sans-serif;max-width:38rem;margin:2rem auto;padding:0 1rem;color:#1b1b1b;background:#fff}
.box{border:1px solid #ccc;border-radius:8px;padding:1rem;margin:1rem 0}.good{border-color:#2e7d32}.bad{border-color:#b3261e}
button,.button{font:inherit;padding:.5rem 1rem;border:0;border-radius:6px;background:#1c4e80;color:#fff;text-decoration:none;cursor:pointer}
input{font:inherit;width:100%;box-sizing:border-box;padding:.5rem;margin:.5rem 0}
@media(prefers-color-scheme:dark){body{color:#eee;background:#161616}.box{border-color:#555}}
`

// page makes the page of the view. Every text is escaped where it is written.
func (v loginView) page() gomponents.Node {
	return html.Doctype(html.HTML(html.Lang("en"),
		html.Head(html.Meta(html.Charset("utf-8")), html.Meta(html.Name("viewport"), html.Content("width=device-width, initial-scale=1")),
			html.TitleEl(gomponents.Text("volvobridge: login")), html.StyleEl(gomponents.Raw(loginStyle))),
		html.Body(html.H1(gomponents.Text("Login at Volvo ID")), v.problem(), v.outcome(), gomponents.Map(v.Accounts, v.account), v.paste(),
			gomponents.If(!v.Bare, html.P(html.A(html.Href(v.Root+"polling"), gomponents.Text("What is read when")))))))
}

func (v loginView) problem() gomponents.Node {
	if v.Problem == "" {
		return nil
	}
	return html.Div(html.Class("box bad"), html.Role("alert"), html.Strong(gomponents.Text("That did not work:")), gomponents.Text(" "+v.Problem+"."))
}

func (v loginView) outcome() gomponents.Node {
	o := v.Outcome
	switch {
	case o == nil:
		return nil
	case o.Next != "":
		return html.Div(html.Class("box bad"),
			html.P(html.Strong(gomponents.Text("Your application has not published every scope.")), gomponents.Text(" Go on without these:")), bullets(o.Lost),
			html.P(html.A(html.Class("button"), html.Href(o.Next), gomponents.Text("Log in without them"))))
	}
	return html.Div(html.Class("box good"),
		html.P(html.Strong(gomponents.Text("Logged in.")), gomponents.Text(" The values of "+o.Account+" follow at once. You can close this page.")),
		gomponents.If(len(o.Lost) > 0, gomponents.Group{html.P(gomponents.Text("Volvo did not grant:")), bullets(o.Lost)}))
}

func (v loginView) account(a LoginAccount) gomponents.Node {
	word := "Log in again"
	if a.Required {
		word = "Log in"
	}
	return html.Div(html.Class("box"),
		html.P(html.Strong(gomponents.Text(a.Name)), gomponents.Text(": "+a.State)),
		v.form("login", a.Name, word),
		gomponents.If(a.Unconfirmed, gomponents.Group{
			html.P(gomponents.Text("A login waits that lists none of your cars. If it is meant, use it:")),
			v.form("login/confirm", a.Name, "Use it all the same"),
		}))
}

// form is a button that does something with an account.
func (v loginView) form(path, account, word string) gomponents.Node {
	return html.Form(html.Method("post"), html.Action(v.Root+path), html.Input(html.Type("hidden"), html.Name("account"), html.Value(account)), html.Button(gomponents.Text(word)))
}

func (v loginView) paste() gomponents.Node {
	switch {
	case len(v.Accounts) > 0:
		return html.Div(html.Class("box"), html.Form(html.Method("post"), html.Action(v.Root+"login/paste"), html.AutoComplete("off"),
			html.Label(html.For("pasted"), gomponents.Text("If the browser ends on a page that it can't open, paste the address of that page here:")),
			html.Input(html.ID("pasted"), html.Name("pasted"), html.Placeholder(v.Example)), html.Button(gomponents.Text("Finish"))))
	case !v.Bare:
		return html.Div(html.Class("box"), gomponents.Text("Test tokens are used (volvo.access_token): there is nothing to log in to."))
	}
	return nil
}

func bullets(lines []string) gomponents.Node {
	return html.Ul(gomponents.Map(lines, func(line string) gomponents.Node { return html.Li(gomponents.Text(line)) }))
}
