package bridge

import (
	"maps"
	"time"

	"volvobridge/bridge/entity"
	"volvobridge/bridge/schedule"
	"volvobridge/volvo"
)

const (
	patience         = time.Hour // without a good read, then a car is offline
	missingFor       = time.Hour // between the two looks that find a car gone
	maxUnknownFields = 100
)

// dispatch starts every read that is due and allowed.
func (b *Bridge) dispatch(now time.Time) {
	for _, a := range b.accounts {
		a.plan.Stretch(a.quota.Stretch(a.perDay(), now))
		for b.dispatchOne(a, now) {
		}
	}
}

func (b *Bridge) dispatchOne(a *account, now time.Time) bool {
	key, apiKey, ok := a.pick(now)
	if !ok {
		return false
	}
	if key.Resource.Known() && a.rejected[key.Resource.API()] {
		b.tryDone(a, key)
		if c := b.fleet.car(key.Car); c != nil {
			c.denied[key.Resource] = true
			b.changes.touch(c, now)
		}
		a.plan.Done(key, now, schedule.Unsupported)
		a.answered() // a probe of it would come out again and again
		return true
	}
	a.count(apiKey, now, false)
	b.files.saveQuota(a, now)
	a.inFlight++
	b.workers.start(func() { deliver(&b.workers, b.workers.results, a.read(b.workers.reading, apiKey, key)) })
	return true
}

// apply takes the end of a read.
func (b *Bridge) apply(r result, now time.Time) {
	a := r.account
	a.inFlight--
	b.tryDone(a, r.key)
	if r.err != nil {
		b.readFailed(r, now)
		b.changes.status(now)
		return
	}
	if a.succeeded() {
		a.plan.Retry(now)
	}
	if a.status != cloudOK || r.key.Resource == schedule.List {
		b.changes.status(now)
	}
	a.plan.Done(r.key, now, schedule.Read)
	if r.key.Resource == schedule.List {
		b.listCars(a, r.cars, now)
	} else if c := b.fleet.car(r.key.Car); c != nil {
		b.keep(c, r.key.Resource, r.readings, r.started, now)
	}
}

// keep puts an answer into the car's snapshot.
func (b *Bridge) keep(c *car, resource volvo.Resource, readings volvo.Readings, started, now time.Time) {
	c.LastGood, c.reachedAt = now, now
	if d := c.denials[resource]; d != nil {
		delete(c.denials, resource)
		delete(b.self.denied, c.deniedName(resource))
	}
	readings, odd := c.Examine(resource, readings, now)
	b.note(c, odd)
	b.endClimate(c, resource, readings, now)
	if old := c.Snapshot[resource]; old != nil && maps.Equal(old.Readings, readings) {
		old.Fetched = now.Truncate(time.Millisecond)
		b.commands.execute(b.commands.machine.ReadDone(c.commands, resource, true, started, now), now)
		b.checkAvailability(c, now)
		return
	}
	c.Snapshot[resource] = &entity.Answer{Readings: readings, Fetched: now.Truncate(time.Millisecond)}
	switch resource {
	case volvo.EnergyState:
		c.SettleFinish(now)
	case volvo.Details:
		b.gallery.fetch(c, now)
	}
	b.note(c, c.Unknown(resource))
	if c.Prove(b.rules) || resource == volvo.Details {
		b.announceSoon(c, now)
	}
	b.commands.execute(b.commands.machine.ReadDone(c.commands, resource, true, started, now), now)
	b.checkAvailability(c, now)
	b.changes.touch(c, now)
}

// endClimate: a running engine ends the timer of the climate switch.
func (b *Bridge) endClimate(c *car, resource volvo.Resource, readings volvo.Readings, now time.Time) {
	if resource != volvo.EngineState || c.ClimateUntil.IsZero() {
		return
	}
	if entity.EngineRuns(readings) {
		b.agenda.climateUntil(c, time.Time{})
		b.files.saveCar(c)
		b.changes.touch(c, now)
	}
}

// announceSoon plans the announcement: when the first look at the car is
// complete, or a moment after news.
func (b *Bridge) announceSoon(c *car, now time.Time) {
	wait := settle
	if !c.settled() {
		wait = settleSweep
	}
	if c.announce.IsZero() {
		b.agenda.announceAt(c, now.Add(wait))
	}
}

// tryDone marks a resource as tried; after the last one of a new car there is no
// reason to wait with the announcement.
func (b *Bridge) tryDone(a *account, key schedule.Key) {
	c := b.fleet.car(key.Car)
	if c == nil || c.Tried[key.Resource] {
		return
	}
	c.Tried[key.Resource] = true
	if len(c.Tried) >= len(a.reads) && c.announced == "" && len(c.Proven) > 0 {
		b.agenda.announceAt(c, time.Now().Add(2*debounce))
	}
}

// keepPicture takes the end of a fetch, and announces what is new.
func (b *Bridge) keepPicture(p picture, now time.Time) {
	if b.gallery.keep(p, now) {
		p.car.Prove(b.rules)
		b.announceSoon(p.car, now)
	}
}
