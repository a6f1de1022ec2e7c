package bridge

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"volvobridge/bridge/command"
	"volvobridge/bridge/entity"
	"volvobridge/bridge/login"
	"volvobridge/bridge/mqtt"
	"volvobridge/volvo"
)

// ownCommand takes a message to the bridge itself: a login over MQTT.
func (b *Bridge) ownCommand(id string, m mqtt.Received) {
	now := m.At
	b.link.mirror.Empty(m.Topic, now)
	if id != "login_start" && id != "login" {
		b.commands.answerUnknownTopic("bridge", id, command.Refusal{Reason: command.Invalid, Advice: "The bridge has no such command; login_start and login are its own."}, now)
		return
	}
	cmd, no := b.commands.machine.Own(id, command.Message{Payload: m.Payload, Arrived: m.At, Retained: m.Retained}, now)
	if no != nil {
		b.answerOwn(cmd, command.Refused, no)
		return
	}
	chains := b.accounts.chains()
	if len(chains) == 0 {
		b.answerOwn(cmd, command.Refused, &command.Refusal{Reason: command.Invalid, Advice: "The bridge uses volvo.access_token; there is no login with it. Set volvo.client_id and volvo.client_secret instead."})
		return
	}
	b.workers.start(func() {
		var status string
		var no *command.Refusal
		if id == "login_start" {
			status, no = beginLogins(chains)
		} else {
			status, no = finishLogin(chains, cmd.Request.Value)
		}
		deliver(&b.workers, b.workers.tasks, func(now time.Time) {
			b.publishStatus(now) // first: the answer speaks of the address
			b.answerOwn(cmd, status, no)
		})
	})
}

// answerOwn answers. What was pasted is never repeated.
func (b *Bridge) answerOwn(o *command.Command, status string, no *command.Refusal) {
	o.Status.Status, o.Status.UpdatedAt = status, time.Now().UTC()
	if no != nil {
		o.Status.Advice = &no.Advice
		if no.Reason != "" {
			o.Status.Reason = &no.Reason
		}
	}
	b.link.retain(b.link.topic("bridge", o.Entity, "status"), entity.Encode(o.Status))
	yes, unlogged := b.commands.refusals.allows("bridge "+o.Entity+" "+deref(o.Status.Reason), o.Status.UpdatedAt)
	if status == command.Refused && !yes {
		return
	}
	line := b.log.Info().Str("entity", o.Entity)
	if unlogged > 0 {
		line = line.Int("unlogged", unlogged)
	}
	if no != nil {
		line = line.Str("hint", no.Advice)
	}
	line.Msg("command_" + status)
}

func (all accounts) chains() []*login.Chain {
	var chains []*login.Chain
	for _, a := range all {
		if a.chain != nil {
			chains = append(chains, a.chain)
		}
	}
	return chains
}

// beginLogins makes an address for each account that needs a login, or for all
// if none does.
func beginLogins(chains []*login.Chain) (string, *command.Refusal) {
	now := time.Now()
	needed := false
	for _, c := range chains {
		needed = needed || c.State(now).Login
	}
	for _, c := range chains {
		if needed && !c.State(now).Login {
			continue
		}
		if _, err := c.BeginPublished(); err != nil {
			return command.Refused, &command.Refusal{Reason: command.RateLimited, Advice: command.Sentence(err.Error())}
		}
	}
	return command.Succeeded, &command.Refusal{Advice: "Open the address in the attributes of login_url, and paste the one that the browser ends on into login."}
}

// finishLogin ends a login with what was pasted.
func finishLogin(chains []*login.Chain, text string) (string, *command.Refusal) {
	out, err := login.FinishPublished(context.Background(), chains, text)
	switch fault, ok := errors.AsType[*volvo.Error](err); {
	case ok:
		return command.Refused, &command.Refusal{Reason: command.CloudDown, Advice: fault.Advice() + " Then begin again: the code is good once."}
	case err != nil:
		return command.Refused, &command.Refusal{Reason: command.Invalid, Advice: command.Sentence(err.Error())}
	case out.Next != nil:
		return command.Refused, &command.Refusal{Reason: command.Invalid, Advice: "The application has not published every scope. login_url holds a second address, without these: " + strings.Join(out.Lost, "; ") + "."}
	case len(out.Lost) > 0:
		return command.Succeeded, &command.Refusal{Advice: "Logged in, but Volvo did not grant: " + strings.Join(out.Lost, "; ") + "."}
	}
	return command.Succeeded, &command.Refusal{Advice: "Logged in."}
}

// loginEvent takes what a chain tells.
func (b *Bridge) loginEvent(a *account, h login.Event, now time.Time) {
	b.changes.status(now)
	line := b.log.Debug()
	event := map[string]any{"account": a.label}
	switch h.Kind {
	case login.Renewed:
		a.clientFaultLogged = false
	case login.Listed:
		a.count(0, now, false)
		b.files.saveQuota(a, now)
	case login.LoggedIn:
		a.succeeded()
		a.plan.Restart(now)
		line = b.log.Info()
		if lost := entity.Lost(h.Missing); len(lost) > 0 {
			line = b.log.Warn().Strs("missing", lost).Str("hint", "publish these scopes in the developer portal and log in again")
		}
		event["event_type"], event["missing"] = "logged_in", append([]string{}, h.Missing...)
	case login.GrantEnds:
		hint := fmt.Sprintf("Volvo ends the login on %s; log in again before, with login_start or volvobridge login.", h.End.UTC().Format("2006-01-02 15:04 MST"))
		line = b.log.Warn().Str("hint", hint)
		event["event_type"], event["days"], event["ends"], event["advice"] = "grant_warning", h.Days, entity.Stamp(h.End), hint
	case login.Faulted:
		if fault := a.chain.State(now).Fault; fault != nil {
			line = b.log.Debug().Err(fault)
			if fault.Kind == volvo.ErrClient && !a.clientFaultLogged {
				a.clientFaultLogged = true
				line = b.log.Error().Err(fault).Str("hint", fault.Advice())
			}
		}
	}
	line.Str("account", a.label).Msg(loginMessages[h.Kind])
	if event["event_type"] != nil {
		b.link.publishEvent(b.link.topic("bridge", "event"), event)
	}
}

// loginMessages are the texts of the log.
var loginMessages = map[login.EventKind]string{
	login.Renewed: "the access token was refreshed", login.Faulted: "the access token could not be refreshed", login.LoginRequired: "Volvo ended the login", login.StillRefused: "Volvo still does not accept the login",
	login.LoggedIn: "logged in", login.Listed: "the cars of a new login were listed", login.Addressed: "a new address to log in at was made", login.GrantEnds: "the login ends soon",
}

// logins works out what the bridge's entities say of the logins.
func (all accounts) logins(now time.Time) loginEntities {
	e := loginEntities{URL: "none", Addresses: map[string]string{}}
	for _, a := range all {
		e.Required = e.Required || a.status == cloudLogin
		ends := a.ends
		if a.chain != nil {
			s := a.chain.State(now)
			ends = s.Ends
			if s.Address != "" {
				e.URL, e.Until = "ready", s.Until
				e.Addresses[a.label] = s.Address
				e.Address = s.Address
			}
		}
		if !ends.IsZero() && (e.Ends.IsZero() || ends.Before(e.Ends)) {
			e.Ends, e.EndsOf = ends, a.label
		}
	}
	return e
}

// loginEntities are the values of the bridge's login entities.
type loginEntities struct {
	Required     bool
	URL, Address string
	Until        time.Time
	Addresses    map[string]string // by account
	Ends         time.Time
	EndsOf       string
}

// urlAttributes hold the address, gone when it is no longer good.
func (e loginEntities) urlAttributes() map[string]any {
	if e.Address == "" {
		return map[string]any{"url": nil}
	}
	attributes := map[string]any{"url": e.Address, "until": entity.Stamp(e.Until)}
	if len(e.Addresses) > 1 {
		attributes["accounts"] = e.Addresses
	}
	return attributes
}

func (e loginEntities) grantAttributes(now time.Time) map[string]any {
	if e.Ends.IsZero() {
		return map[string]any{"days_left": nil, "account": nil}
	}
	return map[string]any{"days_left": int(e.Ends.Sub(now).Hours() / 24), "account": e.EndsOf}
}
