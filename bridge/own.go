package bridge

import (
	"fmt"
	"time"

	"volvobridge/bridge/account"
	"volvobridge/bridge/command"
	"volvobridge/bridge/entity"
	"volvobridge/bridge/login"
	"volvobridge/bridge/mqtt"
	"volvobridge/volvo"
)

// ownCommand takes a message to the bridge itself: a login over MQTT.
func (b *Bridge) ownCommand(id string, m mqtt.Received) {
	now := m.At
	b.link.Mirror.Empty(m.Topic, now)
	if id != "login_start" && id != "login" {
		b.commands.answerUnknownTopic("bridge", id, command.Refusal{Reason: command.Invalid, Advice: "The bridge has no such command; login_start and login are its own."}, now)
		return
	}
	cmd, no := b.commands.machine.Own(id, command.Message{Payload: m.Payload, Arrived: m.At, Retained: m.Retained}, now)
	if no != nil {
		b.answerOwn(cmd, command.Refused, no)
		return
	}
	chains := b.accounts.Chains()
	if len(chains) == 0 {
		b.answerOwn(cmd, command.Refused, &command.Refusal{Reason: command.Invalid, Advice: "The bridge uses volvo.access_token; there is no login with it. Set volvo.client_id and volvo.client_secret instead."})
		return
	}
	b.workers.start(func() {
		var status string
		var no *command.Refusal
		if id == "login_start" {
			status, no = account.BeginLogins(chains)
		} else {
			status, no = account.FinishLogin(chains, cmd.Request.Value)
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
	b.link.Retain(b.link.Topic("bridge", o.Entity, "status"), entity.Encode(o.Status))
	yes, unlogged := b.commands.refusals.allows("bridge "+o.Entity+" "+command.Text(o.Status.Reason), o.Status.UpdatedAt)
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

// loginEvent takes what a chain tells.
func (b *Bridge) loginEvent(a *account.Account, h login.Event, now time.Time) {
	b.changes.status(now)
	line := b.log.Debug()
	event := map[string]any{"account": a.Label}
	switch h.Kind {
	case login.Renewed:
		a.ClientFaultLogged = false
	case login.Listed:
		a.Count(0, now, false)
		b.files.saveQuota(a, now)
	case login.LoggedIn:
		a.Succeeded()
		a.Plan.Restart(now)
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
		if fault := a.Chain.State(now).Fault; fault != nil {
			line = b.log.Debug().Err(fault)
			if fault.Kind == volvo.ErrClient && !a.ClientFaultLogged {
				a.ClientFaultLogged = true
				line = b.log.Error().Err(fault).Str("hint", fault.Advice())
			}
		}
	}
	line.Str("account", a.Label).Msg(loginMessages[h.Kind])
	if event["event_type"] != nil {
		b.link.Event(b.link.Topic("bridge", "event"), event)
	}
}

// loginMessages are the texts of the log.
var loginMessages = map[login.EventKind]string{
	login.Renewed: "the access token was refreshed", login.Faulted: "the access token could not be refreshed", login.LoginRequired: "Volvo ended the login", login.StillRefused: "Volvo still does not accept the login",
	login.LoggedIn: "logged in", login.Listed: "the cars of a new login were listed", login.Addressed: "a new address to log in at was made", login.GrantEnds: "the login ends soon",
}
