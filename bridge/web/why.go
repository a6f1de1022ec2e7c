package web

import (
	"fmt"
	"strings"
	"time"

	"maragu.dev/gomponents"

	"volvobridge/bridge/web/el"
)

// whyPage says how everything is, since when, and what to do about it.
func whyPage(s *sheet) el.Node {
	return el.Group{el.H1(s.text("Why")),
		s.live("states", el.Section(el.ID("states"), el.Class("card"), el.Attr("aria-labelledby", "states-title"), el.H2(el.ID("states-title"), s.text("How it is")), s.states())),
		gomponents.Map(s.view.Accounts, func(a Account) el.Node {
			id := "account-" + a.Label
			return s.live(id, el.Section(el.ID(id), el.Class("card"), el.H2(s.text("Calls of %s", a.Label)), s.budget(a)))
		}),
		gomponents.Map(s.view.Cars, func(c Car) el.Node {
			id := "plan-" + c.Level
			return s.live(id, el.Section(el.ID(id), el.Class("card"), el.Attr("aria-labelledby", id+"-name"), s.plan(&c, id)))
		})}
}

// row is a thing and how it is: a word, since when, and a sentence of advice.
func (s *sheet) row(what el.Node, class string, how el.Node, since time.Time, advice el.Node) el.Node {
	when := el.Text("")
	if !since.IsZero() {
		when = el.Group{s.clock(since), el.Text(" ("), s.ago(since), el.Text(")")}
	}
	return el.Tr(el.Th(el.Scope("row"), what), el.Td(el.Data("label", s.t("State")), el.Strong(el.Class(class), how)), el.Td(el.Data("label", s.t("Since")), when), el.Td(el.Data("label", s.t("What to do")), advice))
}

func (s *sheet) states() el.Node {
	nothing := s.text("nothing to do")
	var rows []el.Node
	add := func(n el.Node) { rows = append(rows, n) }
	for _, a := range s.view.Accounts {
		name := func(what string) el.Node {
			if len(s.view.Accounts) > 1 {
				return el.Text(s.t(what) + " (" + a.Label + ")")
			}
			return s.text(what)
		}
		advice := nothing
		if a.Advice != "" {
			advice = el.Group{s.says(a.Advice), el.If(a.Required, el.Group{el.Text(" "), el.A(el.Href("login"), s.text("Log in"))})}
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
		add(s.row(s.text("Unknown fields"), "warn", el.Text(fmt.Sprint(len(s.view.Unknown))), time.Time{}, el.Details(el.Summary(s.text("Volvo sent what nobody knows yet; please report it")), el.Pre(el.Text(s.redacted(strings.Join(s.view.Unknown, "\n")))))))
	}
	return el.Div(el.Class("scroll"), el.Table(el.Class("stack"), el.THead(el.Tr(s.heads("What", "State", "Since", "What to do")...)), el.TBody(el.Group(rows))))
}

func (s *sheet) heads(titles ...string) []el.Node {
	var heads []el.Node
	for _, title := range titles {
		heads = append(heads, el.Th(el.Scope("col"), s.text(title)))
	}
	return heads
}

func good(yes bool) string {
	if yes {
		return "good"
	}
	return "bad"
}

func (s *sheet) loginRow(name el.Node, a Account) el.Node {
	switch {
	case !a.Login:
		return s.row(name, "warn", s.text("test tokens"), time.Time{}, s.text("They end about an hour after they were made; for a login that lasts, set client_id and client_secret."))
	case a.Required:
		return s.row(name, "bad", s.text("needed"), a.Since, el.A(el.Href("login"), s.text("Log in")))
	case a.LoginEnds.IsZero():
		return s.row(name, "good", s.text("logged in"), time.Time{}, s.text("nothing to do"))
	}
	days := int(a.LoginEnds.Sub(s.now).Hours() / 24)
	return s.row(name, good(days > 14), s.text("logged in"), time.Time{}, s.text("It ends in %d days; log in again before.", days))
}

func (s *sheet) quotaRow(name el.Node, a Account) el.Node {
	if a.Left == 0 || a.Status == "quota_spent" {
		return s.row(name, "bad", s.word("quota spent"), time.Time{}, s.text("Reading goes on by itself at %s UTC.", a.Refill.UTC().Format("15:04")))
	}
	return s.row(name, "good", s.text("%s calls left", s.number(float64(a.Left))), time.Time{}, s.text("nothing to do"))
}

func (s *sheet) brokerRow() el.Node {
	b := s.view.Broker
	advice := s.text("nothing to do")
	if len(b.Lines) > 0 {
		advice = gomponents.Map(b.Lines, func(line string) el.Node { return el.Div(s.says(line)) })
	}
	switch {
	case b.Conflict:
		return s.row(s.text("Broker"), "bad", s.text("another bridge is there"), b.Since, advice)
	case !b.Connected:
		return s.row(s.text("Broker"), "bad", s.text("not connected"), b.Since, advice)
	}
	return s.row(s.text("Broker"), good(len(b.Lines) == 0), s.text("connected"), b.Since, advice)
}

func (s *sheet) carRow(c *Car) el.Node {
	name := el.Text(c.Name)
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
	return s.row(name, "good", s.text("online"), c.Since, s.text("nothing to do"))
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
func (s *sheet) budget(a Account) el.Node {
	return el.Div(el.Class("grid wide"),
		el.Div(el.H3(s.text("Today")), s.budgetBar(a), el.P(el.Small(s.text("%d of %d calls spent, %d expected by the refill at %s UTC", a.Spent, a.Limit, a.Forecast, a.Refill.UTC().Format("15:04")),
			el.Text(". "), s.text("A read must be expected to save %s weighted seconds of wrong values.", s.number(a.Price))))),
		el.Div(el.H3(s.text("Calls a day")), s.daysPlot(a)))
}

// plan is what is read of a car when, and how its values went.
func (s *sheet) plan(c *Car, id string) el.Node {
	var plots []el.Node
	for _, drawn := range []string{"battery_charge_level", "fuel_amount", "odometer"} {
		if r := c.Row(drawn); r != nil {
			name := s.name(r.Name)
			plots = append(plots, el.Div(el.H3(el.Text(name)), s.valuesPlot(name, r.Unit, c.History[drawn])))
		}
	}
	return el.Group{el.H2(el.ID(id+"-name"), el.Text(c.Name)), el.P(s.says(c.Reason)),
		el.Table(el.Class("stack"), el.THead(el.Tr(s.heads("Resource", "Last read", "Next", "Interval", "Why", "Last error")...)),
			el.TBody(gomponents.Map(c.Reads, s.read))), el.Div(el.Class("grid wide"), el.Group(plots))}
}

func (s *sheet) read(r Read) el.Node {
	next := s.t("being read")
	if !r.Next.IsZero() {
		next = s.ahead(r.Next)
	}
	interval := ""
	if r.Interval > 0 {
		interval = s.span(r.Interval)
	}
	fault := el.Text("-")
	if r.Fault != "" {
		fault = el.Group{s.clock(r.FaultAt), el.Text(" "), el.Span(el.Class("warn"), s.says(s.redacted(r.Fault)))}
	}
	cell := func(title string, node el.Node) el.Node {
		return el.Td(el.Data("label", s.t(title)), node)
	}
	return el.Tr(el.Th(el.Scope("row"), el.Text(r.Resource)), cell("Last read", s.ago(r.Last)), cell("Next", el.Text(next)), cell("Interval", el.Text(interval)), cell("Why", s.says(r.Reason)), cell("Last error", fault))
}

// redacted masks a foreign text; without a mask nothing is shown.
func (s *sheet) redacted(text string) string {
	if s.site.opts.Redact == nil {
		return ""
	}
	return s.site.opts.Redact(text)
}
