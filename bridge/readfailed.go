package bridge

import (
	"errors"
	"time"

	"volvobridge/bridge/schedule"
	"volvobridge/volvo"

	"github.com/rs/zerolog"
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
		outcome = a.sortFault(r, fault, now)
		if kind == volvo.ErrQuota {
			b.files.saveQuota(a, now)
		}
	}
	a.plan.Done(r.key, now, outcome)
	label := a.label
	if c := b.fleet.car(r.key.Car); c != nil {
		label = c.label
		if outcome == schedule.Unsupported {
			b.denied(c, r.key.Resource, fault, now)
		}
		if outcome != schedule.Postponed {
			b.commands.execute(b.commands.machine.ReadDone(c.commands, r.key.Resource, false, r.started, now), now)
		}
	}
	a.logFault(b.log, label, r.key.Resource, fault)
}

// denied takes it that Volvo refuses a car's resource.
func (b *Bridge) denied(c *car, r volvo.Resource, fault *volvo.Error, now time.Time) {
	c.denied[r] = true
	if c.deny(r, fault, now) {
		b.self.denied[c.deniedName(r)] = true
		b.log.Warn().Str("car", c.label).Str("resource", string(r)).Err(fault).Str("hint", fault.Advice()+" Its values are unknown a day after the last good read.").Msg("volvo refuses this for good")
	}
	b.changes.touch(c, now)
}

// logFault logs a failure at a level that fits: what heals by itself is told by
// the change of the cloud's status, once.
func (a *account) logFault(log zerolog.Logger, label string, r volvo.Resource, fault *volvo.Error) {
	line := log.Debug()
	if fault.APIKey() && !a.apiKeyFaultLogged {
		line, a.apiKeyFaultLogged = log.Warn(), true // at once: whoever mistyped it is still looking
	}
	line.Str("car", label).Str("resource", string(r)).Err(fault).Str("hint", fault.Advice()).Msg("read failed")
}
