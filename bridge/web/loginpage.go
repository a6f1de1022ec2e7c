package web

import (
	"maragu.dev/gomponents"

	"volvobridge/bridge/web/el"
)

// loginView is what a step of a login left to show.
type loginView struct {
	outcome *LoginOutcome
	problem string
	bare    bool // who looks may not know the password
}

// loginPage leads to the login at Volvo.
func loginPage(s *sheet) el.Node { return s.login(loginView{}) }

func (s *sheet) login(v loginView) el.Node {
	var accounts []LoginAccount
	if !v.bare {
		accounts = s.site.opts.Login.Accounts()
	}
	parts := []el.Node{el.H1(s.text("Login at Volvo ID")), s.problem(v.problem), s.outcome(v.outcome)}
	for _, a := range accounts {
		parts = append(parts, s.account(a))
	}
	switch {
	case len(accounts) > 0:
		parts = append(parts, s.paste())
	case !v.bare:
		parts = append(parts, el.Section(el.Class("card"), s.text("Test tokens are used (volvo.access_token): there is nothing to log in to.")))
	}
	return el.Group(parts)
}

func (s *sheet) outcome(o *LoginOutcome) el.Node {
	switch {
	case o == nil:
		return nil
	case o.Next != "":
		return el.Section(el.Class("note bad"),
			el.P(el.Strong(s.text("Your application has not published every scope.")), el.Text(" "), s.text("Go on without these:")), s.bullets(o.Lost),
			el.P(el.A(el.Class("button"), el.Href(o.Next), s.text("Log in without them"))))
	}
	next := el.Node(s.text("The values of %s follow at once. You can close this page.", o.Account))
	if s.site.opts.Setup != nil {
		next = el.A(el.Class("button main"), el.Href(s.root+"setup"), s.text("Go on with the set-up"))
	}
	return el.Section(el.Class("note good"), el.P(el.Strong(s.text("Logged in.")), el.Text(" "), next),
		el.If(len(o.Lost) > 0, el.Group{el.P(s.text("Volvo did not grant:")), s.bullets(o.Lost)}))
}

func (s *sheet) account(a LoginAccount) el.Node {
	word := "Log in again"
	if a.Required {
		word = "Log in"
	}
	return el.Section(el.Class("card"),
		el.P(el.Strong(el.Text(a.Name)), el.Text(": "), s.says(a.State)),
		el.P(el.Small(s.text("Volvo's page opens in a new tab. Log in there with your Volvo ID. The last page may not open: that is all right. Then copy its address, come back to this tab and paste it below."))),
		s.accountForm("login", a.Name, word, true),
		el.If(a.Unconfirmed, el.Group{
			el.P(s.text("A login waits that lists none of your cars. If it is meant, use it:")),
			s.accountForm("login/confirm", a.Name, "Use it all the same", false),
		}))
}

// accountForm is a button that does something with an account.
func (s *sheet) accountForm(path, account, word string, newTab bool) el.Node {
	return el.Form(el.Method("post"), el.Action(s.root+path), el.If(newTab, el.Target("_blank")), el.Input(el.Type("hidden"), el.Name("account"), el.Value(account)), el.Button(el.Class("main"), s.text(word)))
}

func (s *sheet) paste() el.Node {
	return el.Section(el.Class("card"), el.Form(el.Method("post"), el.Action(s.root+"login/paste"), el.AutoComplete("off"),
		el.Label(el.For("pasted"), s.text("If the browser ends on a page that it can't open, paste the address of that page here:")),
		el.Input(el.ID("pasted"), el.Name("pasted"), el.Required(), el.Placeholder(s.site.opts.RedirectURL+"?code=...")), el.P(el.Button(s.text("Finish")))))
}

func (s *sheet) bullets(lines []string) el.Node {
	return el.Ul(gomponents.Map(lines, func(line string) el.Node { return el.Li(s.says(line)) }))
}
