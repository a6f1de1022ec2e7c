package bridge

import (
	"context"
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

// result is the end of a read.
type result struct {
	account  *account
	key      schedule.Key
	apiKey   int
	started  time.Time
	readings volvo.Readings
	cars     volvo.VehicleList
	err      error
}

// nextRead returns when dispatch can start a read of the account, if no event
// comes first.
func (a *account) nextRead(now time.Time) time.Time {
	if !a.ready(now) {
		return time.Time{} // the chain tells when it has a token
	}
	urgentOnly := a.inFlight >= maxInFlight || a.outage()
	due, ok := a.plan.Wake(urgentOnly)
	if a.outage() {
		if !ok || a.probe.Before(due) {
			due, ok = a.probe, a.inFlight == 0
		}
	}
	if !ok {
		return time.Time{}
	}
	for _, gate := range []time.Time{a.paused, a.quota.Free(now, urgentOnly), now.Add(a.polls.Wait(now, a.askedShare+a.commandShare(now)))} {
		if gate.After(due) {
			due = gate
		}
	}
	// What was asked for waits for less; look again soon enough for it.
	_, reserve := a.quota.Pick(now, true)
	if urgent, ok := a.plan.Wake(true); ok && reserve && !now.Before(a.paused) && urgent.Before(due) {
		due = urgent.Add(a.calls.Wait(now, a.commandShare(now)))
	}
	if !due.After(now) { // could not be started now: something must change first
		due = now.Add(100 * time.Millisecond)
	}
	return due
}

// dispatch starts every read that is due and allowed.
func (b *Bridge) dispatch(now time.Time) {
	for _, a := range b.accounts {
		a.plan.Stretch(a.quota.Stretch(a.perDay(), now))
		for b.dispatchOne(a, now) {
		}
	}
}

// perDay is what is wanted of the account's keys, by it and by those that share
// them.
func (a *account) perDay() float64 {
	calls := 0.0
	for _, other := range *a.all {
		if other == a || other.quota.Shares(a.quota) {
			calls += other.plan.PerDay()
		}
	}
	return calls
}

func (b *Bridge) dispatchOne(a *account, now time.Time) bool {
	if now.Before(a.paused) || !a.ready(now) {
		return false
	}
	urgentOnly := a.inFlight >= maxInFlight || a.outage() || a.polls.Wait(now, a.askedShare+a.commandShare(now)) > 0
	apiKey, polling := a.quota.Pick(now, false)
	if !polling {
		if apiKey, polling = a.quota.Pick(now, true); !polling {
			return false
		}
		urgentOnly = true
	}
	if a.calls.Wait(now, a.commandShare(now)) > 0 {
		return false
	}
	key, _, ok := a.plan.Next(now, urgentOnly)
	if !ok && a.outage() && a.inFlight == 0 && !now.Before(a.probe) {
		key, ok = a.plan.Probe(now)
	}
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

// read does one GET, in a goroutine of its own.
func (a *account) read(ctx context.Context, apiKey int, key schedule.Key) result {
	r := result{account: a, key: key, apiKey: apiKey, started: time.Now()}
	if key.Resource == schedule.List {
		r.cars, r.err = a.clients[apiKey].Vehicles(ctx)
		return r
	}
	r.readings, r.err = a.clients[apiKey].Read(ctx, key.Car, key.Resource)
	return r
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
