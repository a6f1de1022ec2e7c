package bridge

import (
	"errors"
	"strings"
	"time"

	"github.com/rs/zerolog"

	"volvobridge/bridge/account"
	"volvobridge/bridge/schedule"
	"volvobridge/volvo"
)

// readFailed sorts a failure: what it says of the account, and when to try again.
func (b *Bridge) readFailed(r account.Result, now time.Time) {
	a := r.Account
	if b.workers.reading.Err() != nil {
		return // we are stopping
	}
	fault, ok := errors.AsType[*volvo.Error](r.Err)
	if !ok {
		fault = &volvo.Error{Kind: volvo.ErrOutage, Op: "read " + string(r.Key.Resource)}
	}
	var outcome schedule.Outcome
	switch kind := fault.Kind; {
	case fault.NotSent && a.Chain != nil || kind == volvo.ErrRenewed: // told by the chain
		outcome = schedule.Postponed
	default:
		outcome = a.SortFault(r, fault, now)
		if kind == volvo.ErrQuota {
			b.files.saveQuota(a, now)
		}
	}
	a.Plan.Done(r.Key, now, outcome)
	if outcome != schedule.Postponed {
		a.Tally(r.Key.Resource, fault.Kind.Error())
	}
	label := a.Label
	if c := b.fleet.car(r.Key.Car); c != nil {
		label = c.label
		if outcome == schedule.Unsupported {
			b.denied(c, r.Key.Resource, fault, now)
		}
		if outcome != schedule.Postponed {
			c.faults[r.Key.Resource] = faultOf(fault, now)
			b.commands.execute(b.commands.machine.ReadDone(c.commands, r.Key.Resource, false, r.Started, now), now)
		}
	}
	logFault(b.log, a, label, r.Key.Resource, fault)
}

// faultOf is a failure in words, with what to do about it.
func faultOf(f *volvo.Error, now time.Time) fault {
	return fault{now, strings.TrimSpace(f.Error() + ". " + f.Advice())}
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
func logFault(log zerolog.Logger, a *account.Account, label string, r volvo.Resource, fault *volvo.Error) {
	line := log.Debug()
	if fault.APIKey() && !a.APIKeyFaultLogged {
		line, a.APIKeyFaultLogged = log.Warn(), true // at once: whoever mistyped it is still looking
	}
	line.Str("car", label).Str("resource", string(r)).Err(fault).Str("hint", fault.Advice()).Msg("read failed")
}
