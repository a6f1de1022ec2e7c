package bridge

import (
	"errors"
	"time"

	"volvobridge/bridge/schedule"
	"volvobridge/volvo"
)

// readFailed sorts a failure: what it says of the account, and when to try again.
func (b *Bridge) readFailed(r result, now time.Time) {
	a := r.account
	if b.workers.reading.Err() != nil {
		return // we are stopping
	}
	fault, ok := errors.AsType[*volvo.Error](r.err)
	if !ok {
		fault = &volvo.Error{Kind: volvo.ErrOutage, Op: "read " + string(r.key.Resource)}
	}
	var outcome schedule.Outcome
	switch kind := fault.Kind; {
	case fault.NotSent && a.chain != nil || kind == volvo.ErrRenewed: // told by the chain
		outcome = schedule.Postponed
	default:
		outcome = b.sortFault(r, fault, now)
	}
	a.plan.Done(r.key, now, outcome)
	if c := b.fleet.car(r.key.Car); c != nil && outcome == schedule.Unsupported {
		c.denied[r.key.Resource] = true
		if c.deny(r.key.Resource, fault, now) {
			b.self.denied[c.deniedName(r.key.Resource)] = true
			b.log.Warn().Str("car", c.label).Str("resource", string(r.key.Resource)).Err(fault).Str("hint", fault.Advice()+" Its values are unknown a day after the last good read.").Msg("volvo refuses this for good")
		}
		b.touch(c, now)
	}
	if c := b.fleet.car(r.key.Car); c != nil && outcome != schedule.Postponed {
		b.execute(b.machine.ReadDone(c.commands, r.key.Resource, false, r.started, now), now)
	}
	b.logFault(r, fault)
}

// sortFault takes what a failed read says of the account, and returns what it
// says of the resource.
func (b *Bridge) sortFault(r result, fault *volvo.Error, now time.Time) schedule.Outcome {
	a := r.account
	switch fault.Kind {
	case volvo.ErrQuota:
		a.quota.Spent(r.apiKey, now, fault.Wait)
		b.saveQuota(a, now)
		return schedule.Postponed
	case volvo.ErrRateLimited:
		a.pause(fault, now)
		return schedule.Postponed
	case volvo.ErrLogin:
		a.reject(r.key.Resource)
		a.answered()
		return schedule.Unsupported
	case volvo.ErrUnsupported, volvo.ErrScope, volvo.ErrNotYours, volvo.ErrBadRequest:
		a.failures = 0
		return schedule.Unsupported
	}
	a.failed(r.key.Resource, fault, now)
	return schedule.Failed
}

func (a *account) pause(fault *volvo.Error, now time.Time) {
	wait := defaultPause
	if fault.Wait > 0 {
		wait = fault.Wait
	}
	if until := now.Add(wait); until.After(a.paused) {
		a.paused = until
	}
}

func (a *account) reject(r volvo.Resource) {
	if a.chain != nil {
		return // the chain decides
	}
	api := r.API()
	if r == schedule.List {
		api = volvo.ConnectedVehicle
	}
	a.rejected[api] = true
}

// logFault logs a failure at a level that fits: what heals by itself is told by
// the change of the cloud's status, once.
func (b *Bridge) logFault(r result, fault *volvo.Error) {
	label := r.account.label
	if c := b.fleet.car(r.key.Car); c != nil {
		label = c.label
	}
	line := b.log.Debug()
	if fault.APIKey() && !r.account.apiKeyFaultLogged {
		line, r.account.apiKeyFaultLogged = b.log.Warn(), true // at once: whoever mistyped it is still looking
	}
	line.Str("car", label).Str("resource", string(r.key.Resource)).Err(fault).Str("hint", fault.Advice()).Msg("read failed")
}
