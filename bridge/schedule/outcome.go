package schedule

import (
	"math"
	"time"

	"volvobridge/volvo"
)

// Outcome is how a read ended, as far as the next one depends on it.
type Outcome int

// The outcomes of a read.
const (
	Read        Outcome = iota // answered
	Failed                     // try again soon
	Unsupported                // try again, but not soon
	Postponed                  // not the resource's fault: try again at once when calls are possible
)

const firstRetry = 10 * time.Second

// unsupportedRetries are the waits after refusals in a row: one may be a mishap.
var unsupportedRetries = []time.Duration{time.Minute, 10 * time.Minute, time.Hour}

// Answer tells what a read of key returned, and plans the next.
func (p *Plan) Answer(key Key, readings volvo.Readings, now time.Time) {
	it := p.byKey[key]
	if it == nil {
		return
	}
	it.settled, it.failures, it.refused = true, 0, 0
	it.car.answer(it, readings, it.tried, now)
	p.Done(key, now, Read)
}

// Know takes what was known of a resource before a restart.
func (p *Plan) Know(key Key, readings volvo.Readings, fetched time.Time) {
	it := p.byKey[key]
	if it == nil || it.readings != nil || readings == nil {
		return
	}
	it.car.state.note(it.key.Resource, nil, readings, fetched)
	it.readings, it.newest, it.started, it.at, it.settled = readings, readings.Newest(), fetched, fetched, true
	if it.fixed == 0 {
		it.car.settle(fetched, false)
		it.plan(fetched)
		p.place(it)
	}
}

// Done tells that the read of key ended, and plans the next.
func (p *Plan) Done(key Key, now time.Time, outcome Outcome) {
	it := p.byKey[key]
	if it == nil {
		return
	}
	wished := it.urgent
	it.inFlight, it.urgent = false, false
	delete(p.failing, it)
	switch outcome {
	case Read:
		first := !it.spread
		it.spread = true
		it.settled, it.failures, it.refused, it.started = true, 0, 0, it.tried
		it.plan(now)
		if first && it.fixed > 0 {
			// Spread what began together: the golden ratio never clusters.
			_, phase := math.Modf(float64(it.order&0xffffffff) * 0.6180339887)
			it.due = it.started.Add(max(p.min, time.Duration(float64(p.stretched(it.fixed))*(0.5+phase/2))))
			it.wake = it.due
		}
	case Failed:
		it.failures++
		p.failing[it] = true
		retry := firstRetry << min(it.failures-1, 12)
		it.due, it.reason = now.Add(max(p.min, min(p.stretched(it.usual()), retry))), byFailure
		it.wake = it.due
	case Unsupported:
		it.failures, it.settled = 0, true
		wait := unsupportedRetries[min(it.refused, len(unsupportedRetries)-1)]
		it.refused++
		if it.refused >= len(unsupportedRetries) {
			wait = max(wait, p.stretched(it.fixed))
		}
		it.due, it.reason = now.Add(wait), byRefusals
		it.wake = it.due
	case Postponed:
		it.due, it.wake, it.urgent = now, now, wished
	}
	if !it.again.IsZero() {
		it.due, it.wake, it.urgent, it.reason, it.again = it.again, it.again, true, byWish, time.Time{}
	}
	p.place(it)
}

// Ask plans an extra read of key at a time, whatever its interval.
func (p *Plan) Ask(key Key, at time.Time) bool {
	it := p.byKey[key]
	if it == nil {
		return false
	}
	switch {
	case it.inFlight: // what is on its way may have left before the reason to ask
		if it.again.IsZero() || at.Before(it.again) {
			it.again = at
		}
	case !it.urgent || at.Before(it.due): // an earlier wish stays
		it.urgent = true
		p.at(it, at, byWish)
	}
	return true
}

// Delay puts off a read that Next returned and that was not made.
func (p *Plan) Delay(key Key, until time.Time) {
	it := p.byKey[key]
	if it == nil {
		return
	}
	it.inFlight = false
	p.price.queue--
	p.at(it, until, it.reason)
}

// Retry makes everything that failed lately due now.
func (p *Plan) Retry(now time.Time) {
	for it := range p.failing {
		p.hurry(it, now)
	}
}

// Restart makes everything due now, as after a login that may allow more.
func (p *Plan) Restart(now time.Time) {
	for _, it := range p.byKey {
		p.hurry(it, now)
	}
}

func (p *Plan) hurry(it *item, now time.Time) {
	if !it.inFlight {
		p.at(it, earlier(it.due, later(now, it.tried.Add(p.min))), it.reason)
	}
}

// Resources counts the resources of all cars.
func (p *Plan) Resources() int { return len(p.byKey) }

// Probe returns the resource that is due first, be it later, and marks it as
// being read: one call that shows whether the cloud is back.
func (p *Plan) Probe(now time.Time) (Key, bool) {
	for _, q := range []queue{p.urgent, p.waiting} {
		if len(q) > 0 {
			it := q[0]
			p.start(it, now)
			return it.key, true
		}
	}
	return Key{}, false
}

// Refresh reads key soon, at a user's wish. It keeps the shortest interval and
// takes its turn with the others. It tells whether a read is under way already.
func (p *Plan) Refresh(key Key, now time.Time) (underWay bool) {
	it := p.byKey[key]
	if it == nil || it.inFlight {
		return it != nil
	}
	at := now
	if !it.tried.IsZero() {
		at = later(now, it.tried.Add(p.min))
	}
	if at.Before(it.due) {
		p.at(it, at, byWish)
	}
	return false
}
