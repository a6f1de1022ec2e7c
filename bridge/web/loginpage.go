package web

import (
	"maragu.dev/gomponents"
	"maragu.dev/gomponents/html"
)

// loginView is what a step of a login left to show.
type loginView struct {
	outcome *LoginOutcome
	problem string
	bare    bool // who looks may not know the password
}

// loginPage leads to the login at Volvo.
func loginPage(s *sheet) gomponents.Node { return s.login(loginView{}) }

func (s *sheet) login(v loginView) gomponents.Node {
	var accounts []LoginAccount
	if !v.bare {
		accounts = s.site.opts.Login.Accounts()
	}
	parts := []gomponents.Node{html.H1(s.text("Login at Volvo ID")), s.problem(v.problem), s.outcome(v.outcome)}
	for _, a := range accounts {
		parts = append(parts, s.account(a))
	}
	switch {
	case len(accounts) > 0:
		parts = append(parts, s.paste())
	case !v.bare:
		parts = append(parts, html.Section(html.Class("card"), s.text("Test tokens are used (volvo.access_token): there is nothing to log in to.")))
	}
	return gomponents.Group(parts)
}

func (s *sheet) outcome(o *LoginOutcome) gomponents.Node {
	switch {
	case o == nil:
		return nil
	case o.Next != "":
		return html.Section(html.Class("note bad"),
			html.P(html.Strong(s.text("Your application has not published every scope.")), gomponents.Text(" "), s.text("Go on without these:")), s.bullets(o.Lost),
			html.P(html.A(html.Class("button"), html.Href(o.Next), s.text("Log in without them"))))
	}
	next := gomponents.Node(s.text("The values of %s follow at once. You can close this page.", o.Account))
	if s.site.opts.Setup != nil {
		next = html.A(html.Class("button main"), html.Href(s.root+"setup"), s.text("Go on with the set-up"))
	}
	return html.Section(html.Class("note good"), html.P(html.Strong(s.text("Logged in.")), gomponents.Text(" "), next),
		gomponents.If(len(o.Lost) > 0, gomponents.Group{html.P(s.text("Volvo did not grant:")), s.bullets(o.Lost)}))
}

func (s *sheet) account(a LoginAccount) gomponents.Node {
	word := "Log in again"
	if a.Required {
		word = "Log in"
	}
	return html.Section(html.Class("card"),
		html.P(html.Strong(gomponents.Text(a.Name)), gomponents.Text(": "), s.says(a.State)),
		html.P(html.Small(s.text("Volvo's page opens in a new tab. Log in there with your Volvo ID. The last page may not open: that is all right. Then copy its address, come back to this tab and paste it below."))),
		s.accountForm("login", a.Name, word, true),
		gomponents.If(a.Unconfirmed, gomponents.Group{
			html.P(s.text("A login waits that lists none of your cars. If it is meant, use it:")),
			s.accountForm("login/confirm", a.Name, "Use it all the same", false),
		}))
}

// accountForm is a button that does something with an account.
func (s *sheet) accountForm(path, account, word string, newTab bool) gomponents.Node {
	return html.Form(html.Method("post"), html.Action(s.root+path), gomponents.If(newTab, html.Target("_blank")), html.Input(html.Type("hidden"), html.Name("account"), html.Value(account)), html.Button(html.Class("main"), s.text(word)))
}

func (s *sheet) paste() gomponents.Node {
	return html.Section(html.Class("card"), html.Form(html.Method("post"), html.Action(s.root+"login/paste"), html.AutoComplete("off"),
		html.Label(html.For("pasted"), s.text("If the browser ends on a page that it can't open, paste the address of that page here:")),
		html.Input(html.ID("pasted"), html.Name("pasted"), html.Required(), html.Placeholder(s.site.opts.RedirectURL+"?code=...")), html.P(html.Button(s.text("Finish")))))
}

func (s *sheet) bullets(lines []string) gomponents.Node {
	return html.Ul(gomponents.Map(lines, func(line string) gomponents.Node { return html.Li(s.says(line)) }))
}
