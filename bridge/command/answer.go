package command

import (
	"errors"
	"fmt"
	"strings"
	"time"

	"volvobridge/volvo"
)

// Outcome is how a POST ended.
type Outcome struct {
	Late   bool // it was not made: the disk took so long that it is not wanted any more
	Answer volvo.Answer
	Err    error // nil: Volvo answered
}

const (
	climateRuns = 30 * time.Minute // how long a car heats or cools after a start
	explainFor  = 30 * time.Minute // older words of the car explain no failure
)

// Answered ends the POST of a command. If it is refused then, no POST was made. The
// next that waits is started by Next.
func (m *Machine) Answered(c *Command, out Outcome, now time.Time) []Effect {
	c.Answered = now.UTC()
	c.car.underWay = nil
	var status string
	switch {
	case out.Late:
		status = Refused
		c.refuse(slowDisk)
	case out.Err != nil:
		status = c.failed(out.Err)
	default:
		status = c.invoked(out.Answer, now)
	}
	if status == Failed || status == Unknown {
		c.explain(now)
	}
	m.assumeClimate(c, status, now)
	if status != Failed && status != Refused {
		m.readBack(c, now)
	} else if before := c.displaced; before != nil { // the car did nothing new: go on with the earlier one
		c.car.readBacks[before.readBack.resource] = before
		m.planRead(before)
	}
	c.displaced = nil
	m.change(c, status, now)
	m.emit(Journal{c})
	return m.take()
}

// invoked takes Volvo's answer.
func (c *Command) invoked(answer volvo.Answer, now time.Time) string {
	c.Status.InvokeStatus, c.Status.Message = new(string(answer.InvokeStatus)), answer.Message
	c.Status.ReadyToUnlock, c.Status.ReadyToUnlockUntil = answer.ReadyToUnlock, answer.ReadyToUnlockUntil
	c.Status.Advice = adviceFor(answer.InvokeStatus)
	if answer.ReadyToUnlock != nil && *answer.ReadyToUnlock {
		text := "Open the tailgate or pull a handle to finish unlocking."
		if window, ok := answer.UnlockWindow(now); ok && window > 0 {
			text = fmt.Sprintf("Open the tailgate or pull a handle within %.0f s to finish unlocking.", window.Seconds())
		}
		c.Status.Advice = &text
	}
	switch answer.InvokeStatus.Outcome() {
	case volvo.Succeeded:
		return Succeeded
	case volvo.Accepted:
		return Accepted
	case volvo.Failed:
		return Failed
	}
	return Unknown
}

// failed takes a POST without a good answer: failed if the car can't have acted,
// else unknown, and refused if no connection was made at all.
func (c *Command) failed(err error) string {
	fault, ok := errors.AsType[*volvo.Error](err)
	if !ok {
		c.Status.Advice = new(adviceUnknown)
		return Unknown
	}
	if text := fault.Text(); text != "" {
		c.Status.Message = &text
	}
	c.Status.Advice = new(fault.Advice())
	if fault.MayHaveActed {
		c.Status.Advice = new(adviceUnknown)
		return Unknown
	}
	if fault.NotSent || fault.Kind == volvo.ErrUnreachable {
		c.Status.Reason = new(reasonUnsent(fault))
		return Refused
	}
	if reason := reasons[fault.Kind]; reason != "" {
		c.Status.Reason = &reason
	}
	return Failed
}

// reasonUnsent is why a POST never left.
func reasonUnsent(fault *volvo.Error) string {
	switch {
	case fault.NotSent && (fault.Kind == volvo.ErrLogin || fault.Kind == volvo.ErrClient):
		return LoginRequired
	case fault.NotSent && fault.Kind == volvo.ErrRateLimited:
		return RateLimited
	}
	return CloudDown
}

// reasons are for what Volvo answers in place of doing it.
var reasons = map[error]string{
	volvo.ErrCarUnavailable: CarUnavailable,
	volvo.ErrLogin:          LoginRequired,
	volvo.ErrQuota:          QuotaSpent,
	volvo.ErrRateLimited:    RateLimited,
	volvo.ErrUnsupported:    Unsupported,
}

// explain adds to a failure what the car last said of its commands. It is tried
// all the same: the car may have woken.
func (c *Command) explain(now time.Time) {
	a := c.car.Snapshot[volvo.CommandAccessibility]
	if a == nil || now.Sub(a.Fetched) > explainFor {
		return
	}
	word, _ := c.car.Availability()
	text, ok := word.(string)
	if why := explanations[text]; ok && why != "" {
		c.Status.Advice = new(strings.TrimSpace(Text(c.Status.Advice) + " " + why))
	}
}

// assumeClimate keeps the timer of the climate switch: Volvo tells nothing.
func (m *Machine) assumeClimate(c *Command, status string, now time.Time) {
	if status != Succeeded && status != Accepted {
		return
	}
	switch c.Command {
	case volvo.ClimatizationStart:
		m.emit(Climate{c.car.VIN, now.Add(climateRuns)})
	case volvo.ClimatizationStop:
		m.emit(Climate{c.car.VIN, time.Time{}})
	}
}
