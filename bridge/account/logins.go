package account

import (
	"context"
	"errors"
	"strings"
	"time"

	"volvobridge/bridge/command"
	"volvobridge/bridge/entity"
	"volvobridge/bridge/login"
	"volvobridge/volvo"
)

// Chains are the logins of those that have one.
func (all All) Chains() []*login.Chain {
	var chains []*login.Chain
	for _, a := range all {
		if a.Chain != nil {
			chains = append(chains, a.Chain)
		}
	}
	return chains
}

// BeginLogins makes an address for each account that needs a login, or for all
// if none does.
func BeginLogins(chains []*login.Chain) (string, *command.Refusal) {
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

// FinishLogin ends a login with what was pasted.
func FinishLogin(chains []*login.Chain, text string) (string, *command.Refusal) {
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

// Logins works out what the bridge's entities say of the logins.
func (all All) Logins(now time.Time) Logins {
	e := Logins{URL: "none", Addresses: map[string]string{}}
	for _, a := range all {
		e.Required = e.Required || a.Status == LoginRequired
		ends := a.Ends
		if a.Chain != nil {
			s := a.Chain.State(now)
			ends = s.Ends
			if s.Address != "" {
				e.URL, e.Until = "ready", s.Until
				e.Addresses[a.Label] = s.Address
				e.Address = s.Address
			}
		}
		if !ends.IsZero() && (e.Ends.IsZero() || ends.Before(e.Ends)) {
			e.Ends, e.EndsOf = ends, a.Label
		}
	}
	return e
}

// Logins are the values of the bridge's login entities.
type Logins struct {
	Required     bool
	URL, Address string
	Until        time.Time
	Addresses    map[string]string // by account
	Ends         time.Time
	EndsOf       string
}

// URLAttributes hold the address, gone when it is no longer good.
func (e Logins) URLAttributes() map[string]any {
	if e.Address == "" {
		return map[string]any{"url": nil}
	}
	attributes := map[string]any{"url": e.Address, "until": entity.Stamp(e.Until)}
	if len(e.Addresses) > 1 {
		attributes["accounts"] = e.Addresses
	}
	return attributes
}

// GrantAttributes tell whose login ends when.
func (e Logins) GrantAttributes(now time.Time) map[string]any {
	if e.Ends.IsZero() {
		return map[string]any{"days_left": nil, "account": nil}
	}
	return map[string]any{"days_left": int(e.Ends.Sub(now).Hours() / 24), "account": e.EndsOf}
}
