package schedule

import (
	"math"
	"time"

	"volvobridge/volvo"
)

// item is a resource of a car: what is known of it and when it is read next.
type item struct {
	key   Key
	car   *carPlan
	fixed time.Duration // the interval that the configuration or the table says; 0: planned

	// What it answered last.
	readings volvo.Readings
	newest   time.Time // that Volvo put on it
	started  time.Time // of the last good read

	// What is expected to be wrong by now: by its age, and by what others told.
	situation situation
	at        time.Time // when this was worked out
	age       float64   // seconds after a read that this much would be expected
	told      float64   // weight that happenings let expect
	because   happening // the one that let expect most
	expecting bool
	disturbed bool // the situation changed, or others told something, since the last read
	learned   [situations]*learned

	// The plan.
	due      time.Time
	wake     time.Time // when to look again: due, or earlier when the situation ends before
	reason   reason
	order    int64
	failures int
	refused  int  // times in a row that Volvo does not know it
	settled  bool // has had its first read
	spread   bool // and what began together was spread
	inFlight bool
	urgent   bool // asked for: neither the interval nor the reserve holds it back
	again    time.Time
	tried    time.Time // the last start, good or not
	queue    *queue    // that it is in; nil: it is being read
	index    int       // in it
}

// reason says why a resource is read when it is.
type reason uint8

const (
	byTable    reason = iota // its interval is fixed
	byWorth                  // by then enough is expected to be wrong
	byGap                    // nobody should wait longer to hear of a door
	byNews                   // another answer tells that it has news
	byBeat                   // the car uploads then
	byWish                   // somebody asked
	byFailure                // after a failure
	byNothing                // no read pays in this situation
	firstLook                // was not read yet
	byRefusals               // Volvo refuses it
)

// model is how the item goes stale in a situation.
func (it *item) model(s situation) model {
	m := assume(it.key.Resource, s)
	m.learned = it.learned[s]
	m.weights = it.car.plan.fields[it.key.Resource].weights
	return m
}

// advance brings what is expected to be wrong up to now, and into the present
// situation.
func (it *item) advance(now time.Time) {
	it.age += max(0, seconds(now.Sub(it.at)))
	it.at = now
	to := it.car.state.now
	if it.situation == to {
		return
	}
	before := it.model(it.situation)
	d, _ := before.stale(it.age)
	after := it.model(to)
	it.age = after.age(d)
	it.situation = to
	it.disturbed = true
}

// plan works out when the item is read next.
func (it *item) plan(now time.Time) {
	p := it.car.plan
	if it.fixed > 0 {
		it.due, it.wake, it.reason = it.started.Add(p.stretched(it.fixed)), time.Time{}, byTable
		it.wake = it.due
		return
	}
	it.advance(now)
	price := p.price.now
	m := it.model(it.situation)
	interval := m.pays(price)
	threshold := math.Inf(1)
	if interval < forever {
		threshold, _ = m.stale(interval)
	}
	last := lasts[it.situation]
	if worth := price / last; interval >= forever || threshold < worth {
		threshold = worth
	}
	wait := forever
	switch missing := threshold - it.told; {
	case missing <= 0:
		wait = 0
	default:
		if age := m.age(missing); age < forever {
			wait = max(0, age-it.age)
		}
	}
	it.reason = byWorth
	if it.told > 0 && wait == 0 {
		it.reason = byNews
	}
	if wait >= forever {
		it.reason = byNothing
	}
	it.due = now.Add(duration(wait))
	it.cap()
	it.onBeat(now, price)
	it.due = earlier(it.due, it.started.Add(longestGap))
	it.due = later(it.due, it.started.Add(p.min))
	it.wake = it.due
	// Prices and situations change: look again before a long wait is over.
	it.wake = earlier(it.wake, now.Add(reviewEvery))
	if end := it.car.until; !end.IsZero() && end.After(now) {
		it.wake = earlier(it.wake, end)
	}
}

const (
	reviewEvery = 20 * time.Minute
	longestGap  = 8 * time.Hour // whatever a read is worth: what nobody expected is found the same day
)

// cap bounds the wait for what people wait for: a look at the doors of a parked car
// finds what nothing foretells.
func (it *item) cap() {
	s := it.situation
	if driving := s == drivingBeat || s == drivingFree; driving && it.key.Resource == volvo.Doors && it.car.late() && it.at.Sub(it.car.state.stirred) < stirredFor {
		s = stirred // what was done before the drive is still to come
	}
	gap := it.car.plan.price.gap(it.key.Resource, s)
	if gap <= 0 {
		return
	}
	if at := it.started.Add(gap); at.Before(it.due) {
		it.due, it.reason = at, byGap
	}
}

// read takes an answer: it teaches how often the resource changes, and what
// happenings tell of it. What the car's beat brought is told by the beat, and teaches
// nothing of the rest.
func (it *item) read(readings volvo.Readings, onBeat bool, started, now time.Time) (changed float64, moved bool) {
	p := it.car.plan
	it.advance(now)
	f := p.fields[it.key.Resource]
	first := it.readings == nil
	var which []int
	if !first {
		which, changed = f.changed(it.key.Resource, it.readings, readings)
	}
	newest := readings.Newest()
	moved = !first && newest.After(it.newest)
	switch {
	case first:
	case it.expecting:
		it.car.learnFollow(it.because, it.key.Resource, changed)
	case !it.disturbed:
		l := it.learned[it.situation]
		if l == nil {
			l = &learned{}
			it.learned[it.situation] = l
		}
		l.watch(seconds(started.Sub(it.started)))
		if onBeat {
			which = nil
			it.car.learnFollow(it.car.beatKind(), it.key.Resource, changed)
		}
		for _, i := range which {
			l.count(i)
		}
	}
	if changed > 0 || !newest.Equal(it.newest) || first { // else the old one serves, which others hold too
		it.readings = readings
	}
	it.started = started
	if newest.After(it.newest) {
		it.newest = newest
	}
	it.age, it.told, it.expecting, it.disturbed = 0, 0, false, false
	it.at = now
	return changed, moved
}

// tell lets the item expect news.
func (it *item) tell(h happening, at time.Time) {
	if it.fixed > 0 || it.readings == nil || !it.newest.Before(at.Add(-time.Second)) {
		return // its last answer is of that upload, or of a later one
	}
	mass := it.car.expects(h, it.key.Resource)
	if mass <= 0 {
		return
	}
	it.disturbed = true
	if !it.expecting || mass > it.told {
		it.because = h
	}
	it.expecting = true
	if h == uploadedDriving || h == uploadedCharging {
		it.told += mass // each beat brings more
		return
	}
	it.told = max(it.told, mass)
}
