package schedule

import (
	"time"

	"volvobridge/volvo"
)

// carPlan is a car: its resources, what it is doing, and what was learned of it.
type carPlan struct {
	plan     *Plan
	name     string
	items    []*item
	shortest time.Duration
	state    carState
	until    time.Time // when the situation ends by itself
	follows  [happeningKinds]map[volvo.Resource]*followed
	drive    beat
	charge   beat
	delay    float64 // seconds that the uploads of a parked car are late, at least
}

// late tells of a car whose news of the doors may come when it already drives.
func (c *carPlan) late() bool { return c.delay > 15 }

// followed is what was found in a resource after a happening.
type followed struct{ Times, Weight float32 }

const followTrust = 3 // reads that the assumption counts for

// expects is the weight that a happening lets expect to be wrong in a resource.
func (c *carPlan) expects(h happening, r volvo.Resource) float64 {
	prior := follow[h][r]
	if prior == 0 {
		prior = 0.01
	}
	f := c.follows[h][r]
	if f == nil {
		return prior
	}
	return (prior*followTrust + float64(f.Weight)) / (followTrust + float64(f.Times))
}

func (c *carPlan) learnFollow(h happening, r volvo.Resource, weight float64) {
	if c.follows[h] == nil {
		c.follows[h] = map[volvo.Resource]*followed{}
	}
	f := c.follows[h][r]
	if f == nil {
		f = &followed{}
		c.follows[h][r] = f
	}
	if f.Times > 60 {
		f.Times, f.Weight = f.Times/2, f.Weight/2
	}
	f.Times++
	f.Weight += float32(weight)
}

// rhythm is the beat that the car uploads by now; nil: none.
func (c *carPlan) rhythm() *beat {
	switch c.state.now {
	case drivingBeat, drivingFree:
		return &c.drive
	case chargingBeat, chargingUp:
		return &c.charge
	}
	return nil
}

// beatKind is the happening that an upload on the beat is.
func (c *carPlan) beatKind() happening {
	if c.rhythm() == &c.charge {
		return uploadedCharging
	}
	return uploadedDriving
}

// settle works out the situation, and plans the items anew if it changed.
func (c *carPlan) settle(now time.Time, anew bool) {
	at, until := c.state.look(now, c.drive.known(), c.charge.known())
	c.until = until
	if at == c.state.now && !anew {
		return
	}
	phase := c.state.phase(now)
	if at != c.state.now {
		for _, it := range c.items {
			if it.fixed == 0 && it.readings != nil {
				it.advance(now)
			}
		}
		c.state.now, c.state.since = at, now
	}
	if c.state.phase(now) != phase || c.state.phaseSince.IsZero() {
		c.state.phaseSince = now
	}
	for _, it := range c.items {
		if it.inFlight || it.urgent || it.failures > 0 || it.refused > 0 || !it.settled {
			continue
		}
		it.plan(now)
		c.plan.place(it)
	}
}

// answer takes the answer of an item.
func (c *carPlan) answer(it *item, readings volvo.Readings, started, now time.Time) {
	old, last := it.readings, it.started
	was := c.state.now
	at := readings.Newest()
	seen := later(at, last) // when the upload became visible, at the earliest
	if seen.After(now) {
		seen = now
	}
	beats := c.rhythm()
	carried := beats != nil && beats.known() && beats.carries(it.key.Resource) && at.After(beats.last)
	onBeat := carried && beats.fits(at)
	if it.key.Resource == volvo.Doors && old != nil && at.After(it.newest) {
		c.delay += (max(0, seconds(last.Sub(at))) - c.delay) / 8 // the last look was after it, and did not see it
	}
	changed, moved := it.read(readings, onBeat, started, now)
	if changed > 0 || old == nil {
		c.state.changed = now
	}
	h := c.state.note(it.key.Resource, old, readings, seen)
	if old == nil {
		c.settle(now, false)
		return
	}
	beats = c.rhythm() // the answer may tell of another
	offBeat := was == drivingBeat && moved && carried && !onBeat
	if beats != nil && beats.carries(it.key.Resource) {
		if moved {
			beats.saw(at, last, started)
		} else {
			beats.missed(started)
		}
	}
	if moved || changed > 0 {
		h = h.with(uploadIn(was, offBeat, h.has(driveEnded)))
	}
	if h.has(driveStarted) {
		c.drive.begin(at)
	}
	if h.has(chargeMoved) && c.state.charging {
		c.charge.begin(at)
	}
	c.tell(it, h, at)
	c.settle(now, h != 0 || beats != nil)
}

// uploadIn is the happening that an upload is in a situation.
func uploadIn(s situation, offBeat, ended bool) happening {
	switch s {
	case drivingBeat, drivingFree:
		switch {
		case ended:
			return driveEnded
		case offBeat:
			return uploadedOffBeat
		}
		return uploadedDriving
	case chargingBeat, chargingUp:
		return uploadedCharging
	}
	return uploaded
}

// tell lets the other items of the car expect what usually follows.
func (c *carPlan) tell(it *item, h happenings, at time.Time) {
	for kind := range happeningKinds {
		if !h.has(kind) {
			continue
		}
		for _, other := range c.items {
			if other != it {
				other.tell(kind, at)
			}
		}
	}
}
