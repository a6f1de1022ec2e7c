package web

import (
	"fmt"
	"strings"
	"time"

	"maragu.dev/gomponents"
	"maragu.dev/gomponents/html"
)

// whyPage says how everything is, since when, and what to do about it.
func whyPage(s *sheet) gomponents.Node {
	return gomponents.Group{html.H1(s.text("Why")),
		s.live("states", html.Section(html.ID("states"), html.Class("card"), gomponents.Attr("aria-labelledby", "states-title"), html.H2(html.ID("states-title"), s.text("How it is")), s.states())),
		gomponents.Map(s.view.Accounts, func(a Account) gomponents.Node {
			id := "account-" + a.Label
			return s.live(id, html.Section(html.ID(id), html.Class("card"), html.H2(s.text("Calls of %s", a.Label)), s.budget(a)))
		}),
		gomponents.Map(s.view.Cars, func(c Car) gomponents.Node {
			id := "plan-" + c.Level
			return s.live(id, html.Section(html.ID(id), html.Class("card"), gomponents.Attr("aria-labelledby", id+"-name"), s.plan(&c, id)))
		})}
}

// row is a thing and how it is: a word, since when, and a sentence of advice.
func (s *sheet) row(what gomponents.Node, class string, how gomponents.Node, since time.Time, advice gomponents.Node) gomponents.Node {
	var when gomponents.Node = gomponents.Text("")
	if !since.IsZero() {
		when = gomponents.Group{s.clock(since), gomponents.Text(" ("), s.ago(since), gomponents.Text(")")}
	}
	return html.Tr(html.Th(html.Scope("row"), what), html.Td(html.Data("label", s.t("State")), html.Strong(html.Class(class), how)), html.Td(html.Data("label", s.t("Since")), when), html.Td(html.Data("label", s.t("What to do")), advice))
}

func (s *sheet) states() gomponents.Node {
	nothing := s.text("nothing to do")
	var rows []gomponents.Node
	add := func(n gomponents.Node) { rows = append(rows, n) }
	for _, a := range s.view.Accounts {
		name := func(what string) gomponents.Node {
			if len(s.view.Accounts) > 1 {
				return gomponents.Text(s.t(what) + " (" + a.Label + ")")
			}
			return s.text(what)
		}
		advice := nothing
		if a.Advice != "" {
			advice = gomponents.Group{s.says(a.Advice), gomponents.If(a.Required, gomponents.Group{gomponents.Text(" "), html.A(html.Href("login"), s.text("Log in"))})}
		}
		add(s.row(name("Volvo's cloud"), good(a.Status == "ok"), s.word(a.Status), a.Since, advice))
		add(s.loginRow(name("Login"), a))
		add(s.quotaRow(name("Quota"), a))
	}
	add(s.brokerRow())
	for _, c := range s.view.Cars {
		add(s.carRow(&c))
	}
	if s.view.Store != "" {
		add(s.row(s.text("Store"), "bad", s.text("can't be written"), time.Time{}, s.says(s.view.Store)))
	}
	if len(s.view.Unknown) > 0 {
		add(s.row(s.text("Unknown fields"), "warn", gomponents.Text(fmt.Sprint(len(s.view.Unknown))), time.Time{}, html.Details(html.Summary(s.text("Volvo sent what nobody knows yet; please report it")), html.Pre(gomponents.Text(s.redacted(strings.Join(s.view.Unknown, "\n")))))))
	}
	return html.Div(html.Class("scroll"), html.Table(html.Class("stack"), html.THead(html.Tr(s.heads("What", "State", "Since", "What to do")...)), html.TBody(gomponents.Group(rows))))
}

func (s *sheet) heads(titles ...string) []gomponents.Node {
	var heads []gomponents.Node
	for _, title := range titles {
		heads = append(heads, html.Th(html.Scope("col"), s.text(title)))
	}
	return heads
}

func good(yes bool) string {
	if yes {
		return "good"
	}
	return "bad"
}

func (s *sheet) loginRow(name gomponents.Node, a Account) gomponents.Node {
	switch {
	case !a.Login:
		return s.row(name, "warn", s.text("test tokens"), time.Time{}, s.text("They end about an hour after they were made; for a login that lasts, set client_id and client_secret."))
	case a.Required:
		return s.row(name, "bad", s.text("needed"), a.Since, html.A(html.Href("login"), s.text("Log in")))
	case a.LoginEnds.IsZero():
		return s.row(name, "good", s.text("logged in"), time.Time{}, s.text("nothing to do"))
	}
	days := int(a.LoginEnds.Sub(s.now).Hours() / 24)
	return s.row(name, good(days > 14), s.text("logged in"), time.Time{}, s.text("It ends in %d days; log in again before.", days))
}

func (s *sheet) quotaRow(name gomponents.Node, a Account) gomponents.Node {
	if a.Left == 0 || a.Status == "quota_spent" {
		return s.row(name, "bad", s.word("quota spent"), time.Time{}, s.text("Reading goes on by itself at %s UTC.", a.Refill.UTC().Format("15:04")))
	}
	return s.row(name, "good", s.text("%d calls left", a.Left), time.Time{}, s.text("nothing to do"))
}

func (s *sheet) brokerRow() gomponents.Node {
	b := s.view.Broker
	advice := s.text("nothing to do")
	if len(b.Lines) > 0 {
		advice = gomponents.Map(b.Lines, func(line string) gomponents.Node { return html.Div(s.says(line)) })
	}
	switch {
	case b.Conflict:
		return s.row(s.text("Broker"), "bad", s.text("another bridge is there"), b.Since, advice)
	case !b.Connected:
		return s.row(s.text("Broker"), "bad", s.text("not connected"), b.Since, advice)
	}
	return s.row(s.text("Broker"), good(len(b.Lines) == 0), s.text("connected"), b.Since, advice)
}

func (s *sheet) carRow(c *Car) gomponents.Node {
	name := gomponents.Text(c.Name)
	word := ""
	if r := c.Row("availability"); r != nil && r.Value != nil {
		word = fmt.Sprint(r.Value)
	}
	switch {
	case !c.Online && c.LastGood.IsZero():
		return s.row(name, "warn", s.text("offline"), time.Time{}, s.text("Nothing was read of it yet; see above whether the cloud and the login are well."))
	case !c.Online:
		return s.row(name, "bad", s.text("offline"), c.LastGood, s.text("No read of it has succeeded since; see above whether the cloud and the login are well, and below what Volvo says."))
	case word != "" && word != "available":
		return s.row(name, "warn", s.word(word), time.Time{}, s.text(carAdvice[word]))
	}
	return s.row(name, "good", s.text("online"), time.Time{}, s.text("nothing to do"))
}

// carAdvice is what to do about the words of the entity availability.
var carAdvice = map[string]string{
	"car_in_use":                   "It is being used; commands wait until it is parked.",
	"no_internet":                  "It has no connection; it comes back by itself where there is one.",
	"ota_installation_in_progress": "It installs an update; wait until that is done.",
	"power_saving_mode":            "It saves power, as after days without use; only using it wakes it.",
	"unavailable":                  "It takes no commands now; look at its own display.",
}

// budget draws what the account has spent.
func (s *sheet) budget(a Account) gomponents.Node {
	return html.Div(html.Class("grid wide"),
		html.Div(html.H3(s.text("Today")), s.budgetBar(a), html.P(html.Small(s.text("%d of %d calls spent, %d expected by the refill at %s UTC", a.Spent, a.Limit, a.Forecast, a.Refill.UTC().Format("15:04")),
			gomponents.Text(". "), s.text("A read must be expected to save %s weighted seconds of wrong values.", s.number(a.Price))))),
		html.Div(html.H3(s.text("Calls a day")), s.daysPlot(a)))
}

// plan is what is read of a car when, and how its values went.
func (s *sheet) plan(c *Car, id string) gomponents.Node {
	var plots []gomponents.Node
	for _, drawn := range []string{"battery_charge_level", "fuel_amount", "odometer"} {
		if r := c.Row(drawn); r != nil {
			name := s.name(r.ID, r.Name)
			plots = append(plots, html.Div(html.H3(gomponents.Text(name)), s.valuesPlot(name, r.Unit, c.History[drawn])))
		}
	}
	return gomponents.Group{html.H2(html.ID(id+"-name"), gomponents.Text(c.Name)), html.P(s.says(c.Reason)),
		html.Table(html.Class("stack"), html.THead(html.Tr(s.heads("Resource", "Last read", "Next", "Interval", "Why", "Last error")...)),
			html.TBody(gomponents.Map(c.Reads, s.read))), html.Div(html.Class("grid wide"), gomponents.Group(plots))}
}

func (s *sheet) read(r Read) gomponents.Node {
	next := s.t("being read")
	if !r.Next.IsZero() {
		next = s.ahead(r.Next)
	}
	interval := ""
	if r.Interval > 0 {
		interval = s.span(r.Interval)
	}
	var fault gomponents.Node = gomponents.Text("-")
	if r.Fault != "" {
		fault = gomponents.Group{s.clock(r.FaultAt), gomponents.Text(" "), html.Span(html.Class("warn"), s.says(s.redacted(r.Fault)))}
	}
	cell := func(title string, node gomponents.Node) gomponents.Node {
		return html.Td(html.Data("label", s.t(title)), node)
	}
	return html.Tr(html.Th(html.Scope("row"), gomponents.Text(r.Resource)), cell("Last read", s.ago(r.Last)), cell("Next", gomponents.Text(next)), cell("Interval", gomponents.Text(interval)), cell("Why", s.says(r.Reason)), cell("Last error", fault))
}

// redacted masks a foreign text; without a mask nothing is shown.
func (s *sheet) redacted(text string) string {
	if s.site.opts.Redact == nil {
		return ""
	}
	return s.site.opts.Redact(text)
}
