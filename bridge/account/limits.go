package account

import (
	"fmt"
	"time"

	"volvobridge/bridge/command"
	"volvobridge/volvo"
)

// refused is the refusal by the limits and the cloud, nil when a call is possible.
func (a *Account) refused(now time.Time) *command.Refusal {
	if wait := max(a.Paused.Sub(now), a.calls.Wait(now, 0)); wait > 0 { // reads leave room, if polling.per_minute has any
		return &command.Refusal{Reason: command.RateLimited, Advice: fmt.Sprintf("Volvo's limit of calls a minute is reached; try again in %s.", command.InWords(wait))}
	}
	if _, ok := a.Quota.Pick(now, true); !ok {
		return &command.Refusal{Reason: command.QuotaSpent, Advice: fmt.Sprintf("The daily quota of the API key is spent; try again in %s.", command.InWords(a.Quota.Free(now, true).Sub(now)))}
	}
	if a.Rejected[volvo.ConnectedVehicle] || a.Chain != nil && a.Chain.State(now).Login {
		return &command.Refusal{Reason: command.LoginRequired, Advice: "Log in again: Volvo no longer accepts the access token."}
	}
	return nil
}

// RefusedReads is the same for a refresh, which has no share in the reserve.
func (a *Account) RefusedReads(now time.Time) *command.Refusal {
	if wait := a.calls.Wait(now, a.commandShare(now)); wait > 0 {
		return &command.Refusal{Reason: command.RateLimited, Advice: fmt.Sprintf("The limit of calls a minute is reached; try again in %s.", command.InWords(wait))}
	}
	if _, ok := a.Quota.Pick(now, false); !ok {
		return &command.Refusal{Reason: command.QuotaSpent, Advice: "What is left of the daily quota is kept for commands."}
	}
	return a.refused(now)
}

// RefusedCommand is the refusal of a command by the limits, nil when it may go.
func (a *Account) RefusedCommand(now time.Time) *command.Refusal {
	if wait := a.Posts.Wait(now, 0); wait > 0 {
		return &command.Refusal{Reason: command.RateLimited, Advice: fmt.Sprintf("The limit of commands a minute is reached; try again in %s.", command.InWords(wait))}
	}
	return a.refused(now)
}

// LearnFromPost notes what the failure of a POST says of the account, and reports
// whether the quota is spent.
func (a *Account) LearnFromPost(apiKey int, fault *volvo.Error, now time.Time) (spent bool) {
	switch {
	case fault.MayHaveActed:
	case fault.Kind == volvo.ErrLogin, fault.NotSent && fault.Kind == volvo.ErrClient:
		a.reject(volvo.Commands)
	case fault.NotSent:
	case fault.Kind == volvo.ErrQuota:
		a.Quota.Spent(apiKey, now, fault.Wait)
		return true
	case fault.Kind == volvo.ErrRateLimited:
		a.pause(fault, now)
	}
	return false
}
