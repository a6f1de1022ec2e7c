package web

import (
	"context"
	"net/http"
	"strings"

	"maragu.dev/gomponents"

	"volvobridge/bridge/web/el"
	"volvobridge/volvo"
)

// Setup takes a first configuration, step by step. What is wrong comes back as a
// sentence for a person.
type Setup interface {
	State(ctx context.Context) SetupState
	// Broker tries the broker, and keeps it if it works.
	Broker(ctx context.Context, b SetupBroker) error
	// Volvo tries what the developer portal gave, and keeps it if Volvo takes it.
	Volvo(ctx context.Context, v SetupVolvo) error
	// Finish writes the configuration and starts the bridge.
	Finish(ctx context.Context, c SetupCars) error
}

// SetupState is how far the set-up is.
type SetupState struct {
	Broker SetupBroker // as it was entered last; its password is never shown
	// Found tells that a broker answers at that address without being asked for.
	Found, BrokerDone bool
	// Service tells that Home Assistant finds the broker, NoService why it does not; None
	// that it has none.
	Service, None bool
	NoService     string
	// Fixed says of fields what sets them, in place of this page.
	Fixed     map[string]string
	Volvo     SetupVolvo // as it was entered last; its secrets are never shown
	VolvoDone bool
	// Scopes are those to tick in the portal.
	Scopes []string
	// LoggedIn tells that the cars can be listed; Cars are those found, Trouble says why not.
	LoggedIn bool
	Cars     []SetupCar
	Trouble  string
	Commands []SetupCommand
	// Done is set when the configuration is written: Where is the file's name.
	Done  bool
	Where string
}

// SetupBroker is the broker.
type SetupBroker struct{ URL, Username, Password string }

// SetupVolvo is what the developer portal gave, and what it is used for.
type SetupVolvo struct {
	ClientID, ClientSecret, APIKey, RedirectURL, AccessToken string
	// Allow are the commands that the login must cover.
	Allow []volvo.Command
}

// SetupCar is a car of the account. Its number stands for its VIN.
type SetupCar struct{ Model, VINEnd, Name string }

// SetupCommand is a command that may be allowed.
type SetupCommand struct {
	Command volvo.Command
	Allowed bool
}

// SetupCars are the names of the cars in the order of the state, and the PIN, if one is
// wanted.
type SetupCars struct {
	Names []string
	PIN   string
}

// setupPage leads through the set-up.
func setupPage(s *sheet) el.Node {
	return s.setup("", "")
}

// setup shows every step; the one with a problem says so.
func (s *sheet) setup(step, problem string) el.Node {
	state := s.site.opts.Setup.State(s.request.Context())
	if state.Done {
		return el.Group{el.H1(s.text("Set-up")), el.Section(el.Class("note good"), el.P(el.Strong(s.text("Done.")), el.Text(" "), s.text("It was written to %s.", state.Where)), el.P(el.A(el.Class("button main"), el.Href(s.root+"./"), s.text("See the cars"))))}
	}
	say := func(of string) string {
		if of == step {
			return problem
		}
		return ""
	}
	return el.Group{el.H1(s.text("Set-up")), el.P(s.text("Four steps. Each is tried at once; nothing is written before the last.")),
		s.step(1, "The broker", state.BrokerDone && state.NoService == "", true, s.problem(say("broker")), s.broker(state)),
		s.step(2, "Volvo's developer portal", state.VolvoDone, state.BrokerDone, s.problem(say("volvo")), s.portal(state), s.volvoForm(state)),
		s.step(3, "Log in", state.LoggedIn, state.BrokerDone && state.VolvoDone, s.setupLogin()),
		s.step(4, "The cars", false, state.LoggedIn && state.BrokerDone, s.problem(say("cars")), s.carsForm(state))}
}

// step is a part of the set-up; one that can't be done yet is closed.
func (s *sheet) step(number int, title string, done, possible bool, content ...el.Node) el.Node {
	head := el.Group{el.Text(map[bool]string{true: "✓ "}[done]), s.text("Step %d:", number), el.Text(" "), s.text(title)}
	if !possible {
		return el.Section(el.Class("card dim"), el.H2(head), el.P(s.text("After the step before.")))
	}
	return el.Section(el.Class("card"), el.Details(el.If(!done, el.Attr("open")), el.Summary(el.H2(head)), el.Group(content)))
}

// field is a labelled input.
func (s *sheet) field(name, title, kind, value, hint string, required bool) el.Node {
	return el.Group{el.Label(el.For(name), s.text(title)),
		el.Input(el.ID(name), el.Name(name), el.Type(kind), el.Value(value), el.AutoComplete("off"), el.Attr("autocapitalize", "none"), el.Attr("spellcheck", "false"), el.If(required, el.Required()), el.If(hint != "", el.Attr("aria-describedby", name+"-hint"))),
		el.If(hint != "", el.Small(el.ID(name+"-hint"), s.text(hint)))}
}

// secret is a field whose value is never shown; one that was entered before need not be
// entered again.
func (s *sheet) secret(name, title, before, hint string, required bool) el.Node {
	entered := before != ""
	if entered {
		hint = "Entered before; leave it empty to keep that."
	}
	return s.field(name, title, "password", "", hint, required && !entered)
}

// mosquitto leads to the broker among Home Assistant's apps.
func (s *sheet) mosquitto(missing bool) el.Node {
	return el.If(missing, el.Group{el.Text(" "), el.A(el.Href("https://my.home-assistant.io/redirect/supervisor_addon/?addon=core_mosquitto"), el.Target("_blank"), el.Rel("noreferrer noopener"), s.text("Install the Mosquitto broker in Home Assistant"))})
}

// broker is the first step; where Home Assistant finds the broker, there is nothing to do.
func (s *sheet) broker(state SetupState) el.Node {
	switch {
	case !state.Service:
		return s.brokerForm(state)
	case state.NoService == "":
		return el.Group{el.P(el.Class("good"), s.text("The broker of Home Assistant is found by itself.")), el.Details(el.Summary(s.text("Another broker")), s.brokerForm(state))}
	}
	return el.Group{el.P(s.says(state.NoService), s.mosquitto(state.None)), el.P(el.A(el.Class("button"), el.Href(s.root+"setup"), s.text("Try again"))), el.Details(el.Summary(s.text("Another broker")), s.brokerForm(state))}
}

// unlessFixed is a field, or what sets it in place of this page.
func (s *sheet) unlessFixed(state SetupState, name, title string, field el.Node) el.Node {
	if by := state.Fixed[name]; by != "" {
		return el.P(s.text(title), el.Text(": "), s.text("set by %s", by))
	}
	return field
}

func (s *sheet) brokerForm(state SetupState) el.Node {
	return el.Form(el.Method("post"), el.Action(s.root+"setup/broker"), el.AutoComplete("off"),
		el.If(state.Found, el.P(el.Class("good"), s.text("A broker answers at this address."))),
		s.unlessFixed(state, "url", "Address of the broker", s.field("url", "Address of the broker", "text", state.Broker.URL, "Such as mqtt://localhost:1883. The word embedded starts a broker inside this program.", true)),
		s.unlessFixed(state, "username", "User name", s.field("username", "User name", "text", state.Broker.Username, "", false)),
		s.unlessFixed(state, "broker-password", "Password", s.secret("broker-password", "Password", state.Broker.Password, "", false)),
		el.P(el.Button(el.Class("main"), el.ID("try-broker"), s.text("Try it"))))
}

// portal tells what to do in Volvo's developer portal.
func (s *sheet) portal(state SetupState) el.Node {
	return el.Ol(
		el.Li(el.A(el.Href("https://developer.volvocars.com/account/"), el.Target("_blank"), el.Rel("noreferrer noopener"), s.text("Open the developer portal")), el.Text(" "), s.text("and sign in with the Volvo ID of the Volvo app.")),
		el.Li(s.text("Create an application. It shows the VCC API key - Primary: paste it below.")),
		el.Li(s.text("Press Publish. As redirect URI give exactly this:"), el.Text(" "), s.copyable(state.Volvo.RedirectURL)),
		el.Li(s.text("Tick these scopes:"), el.Text(" "), s.copyable(strings.Join(state.Scopes, " "))),
		el.Li(s.text("It shows the client ID and, once only, the client secret: paste both below.")))
}

func (s *sheet) volvoForm(state SetupState) el.Node {
	return el.Form(el.Method("post"), el.Action(s.root+"setup/volvo"), el.AutoComplete("off"),
		s.unlessFixed(state, "api_key", "VCC API key - Primary", s.secret("api_key", "VCC API key - Primary", state.Volvo.APIKey, "", true)),
		s.unlessFixed(state, "client_id", "Client ID", s.field("client_id", "Client ID", "text", state.Volvo.ClientID, "", false)),
		s.unlessFixed(state, "client_secret", "Client secret", s.secret("client_secret", "Client secret", state.Volvo.ClientSecret, "", false)),
		s.unlessFixed(state, "redirect_url", "Redirect URI", s.field("redirect_url", "Redirect URI", "text", state.Volvo.RedirectURL, "It must be the one in the portal, letter by letter.", false)),
		el.Details(el.Summary(s.text("For a trial of an hour: a test token instead")), s.secret("access_token", "Test access token of the portal", "", "Leave client ID and secret empty then.", false)),
		s.unlessFixed(state, "allow", "What may be done to the cars over MQTT and on this page; the login asks for it", el.FieldSet(el.Legend(s.text("What may be done to the cars over MQTT and on this page; the login asks for it")), gomponents.Map(state.Commands, func(c SetupCommand) el.Node {
			id := "allow-" + string(c.Command)
			return el.Div(el.Class("check"), el.Input(el.ID(id), el.Type("checkbox"), el.Name("allow"), el.Value(string(c.Command)), el.If(c.Allowed, el.Checked())), el.Label(el.For(id), el.Text(s.orderName(c.Command))))
		}))),
		el.P(el.Button(el.Class("main"), el.ID("try-volvo"), s.text("Try it"))))
}

// setupLogin is the login, once there is an application to log in to.
func (s *sheet) setupLogin() el.Node {
	if s.site.opts.Login == nil || len(s.site.opts.Login.Accounts()) == 0 {
		return el.P(s.text("Test tokens are used (volvo.access_token): there is nothing to log in to."))
	}
	var parts []el.Node
	for _, a := range s.site.opts.Login.Accounts() {
		parts = append(parts, s.account(a))
	}
	return el.Group{el.Group(parts), s.paste(), el.P(el.A(el.Class("button"), el.Href(s.root+"setup"), s.text("I have logged in in the other tab")))}
}

func (s *sheet) carsForm(state SetupState) el.Node {
	if state.Trouble != "" {
		return el.Group{s.problem(state.Trouble), el.P(el.A(el.Class("button"), el.Href(s.root+"setup"), s.text("Try again")))}
	}
	return el.Form(el.Method("post"), el.Action(s.root+"setup/cars"), el.AutoComplete("off"),
		el.P(s.text("The names become those of topics and entities in Home Assistant; they are easiest to choose now.")),
		s.unlessFixed(state, "vehicles", "Cars", gomponents.Map(state.Cars, func(c SetupCar) el.Node {
			id := "name-" + c.VINEnd
			return el.Group{el.Label(el.For(id), s.text("Name of the %s (VIN ...%s)", c.Model, c.VINEnd)), el.Input(el.ID(id), el.Name("name"), el.Type("text"), el.Value(c.Name), el.MaxLength("40"))}
		})),
		s.unlessFixed(state, "pin", "PIN for unlocking and starting, 4 to 8 digits; empty: none", s.secret("pin", "PIN for unlocking and starting, 4 to 8 digits; empty: none", "", "", false)),
		el.P(el.Button(el.Class("main"), el.ID("finish"), s.text("Write it and start"))))
}

// takeSetup takes a step.
func (s *site) takeSetup(w http.ResponseWriter, r *http.Request) {
	form := func(key string) string { return strings.TrimSpace(r.PostFormValue(key)) }
	var err error
	step := r.PathValue("step")
	switch step {
	case "broker":
		err = s.opts.Setup.Broker(r.Context(), SetupBroker{form("url"), form("username"), r.PostFormValue("broker-password")})
	case "volvo":
		chosen := SetupVolvo{ClientID: form("client_id"), ClientSecret: form("client_secret"), APIKey: form("api_key"), RedirectURL: form("redirect_url"), AccessToken: form("access_token")}
		for _, c := range r.PostForm["allow"] {
			chosen.Allow = append(chosen.Allow, volvo.Command(c))
		}
		err = s.opts.Setup.Volvo(r.Context(), chosen)
	case "cars":
		chosen := SetupCars{PIN: form("pin")}
		for _, name := range r.PostForm["name"] {
			chosen.Names = append(chosen.Names, strings.TrimSpace(name))
		}
		err = s.opts.Setup.Finish(r.Context(), chosen)
	default:
		http.NotFound(w, r)
		return
	}
	if err != nil {
		sheet := s.sheet(r)
		sheet.root = "../"
		sheet.write(w, http.StatusUnprocessableEntity, sheet.t("Set-up"), "setup", sheet.setup(step, err.Error()))
		return
	}
	if step == "cars" { // the bridge may be there before the next request: all is told now
		sheet := s.sheet(r)
		sheet.write(w, http.StatusOK, sheet.t("Set-up"), "setup", sheet.setup("", ""))
		return
	}
	seeOther(w, "../setup")
}
