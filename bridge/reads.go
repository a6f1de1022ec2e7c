package bridge

import (
	"maps"
	"time"

	"volvobridge/bridge/account"
	"volvobridge/bridge/entity"
	"volvobridge/bridge/picture"
	"volvobridge/bridge/schedule"
	"volvobridge/volvo"
)

const (
	patience         = time.Hour // without a good read, then a car is offline
	missingFor       = time.Hour // between the two looks that find a car gone
	maxUnknownFields = 100
	snapshotServes   = 24 * time.Hour // after a restart; what is older is read at once
)

// dispatch starts every read that is due and allowed.
func (b *Bridge) dispatch(now time.Time) {
	for _, a := range b.accounts {
		a.Budget(now)
		for b.dispatchOne(a, now) {
		}
	}
}

func (b *Bridge) dispatchOne(a *account.Account, now time.Time) bool {
	key, apiKey, ok := a.Pick(now)
	if !ok {
		return false
	}
	if key.Resource.Known() && a.Rejected[key.Resource.API()] {
		if c := b.fleet.car(key.Car); c != nil {
			b.agenda.tried(c, key.Resource, now)
			c.denied[key.Resource] = true
			b.changes.touch(c, now)
		}
		a.Plan.Done(key, now, schedule.Unsupported)
		a.Answered() // a probe of it would come out again and again
		return true
	}
	a.Count(apiKey, now, false)
	b.files.saveQuota(a, now)
	a.Depart(key, now)
	b.workers.start(func() { deliver(&b.workers, b.workers.results, a.Read(b.workers.reading, apiKey, key)) })
	return true
}

// apply takes the end of a read.
func (b *Bridge) apply(r account.Result, now time.Time) {
	a := r.Account
	a.Arrive(r.Key)
	if c := b.fleet.car(r.Key.Car); c != nil {
		b.agenda.tried(c, r.Key.Resource, now)
	}
	if r.Err != nil {
		b.readFailed(r, now)
		b.changes.status(now)
		return
	}
	if a.Succeeded() {
		a.Plan.Retry(now)
	}
	if a.Status != account.OK || r.Key.Resource == schedule.List {
		b.changes.status(now)
	}
	a.Landed(r.APIKey)
	a.Tally(r.Key.Resource, "ok")
	if r.Key.Resource == schedule.List {
		a.Plan.Done(r.Key, now, schedule.Read)
		b.listCars(a, r.Cars, now)
		return
	}
	c := b.fleet.car(r.Key.Car)
	if c == nil {
		a.Plan.Answer(r.Key, r.Readings, now)
		return
	}
	b.keep(c, r.Key.Resource, r.Readings, r.Started, now)
	a.Plan.Answer(r.Key, c.Snapshot[r.Key.Resource].Readings, now) // the plan needs no copy of its own
}

// keep puts an answer into the car's snapshot.
func (b *Bridge) keep(c *car, resource volvo.Resource, readings volvo.Readings, started, now time.Time) {
	c.LastGood, c.reachedAt = now, now
	delete(c.faults, resource)
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
		b.gallery.Fetch(b.workers.reading, &c.Car, c.account.Clients[0], now)
	}
	b.note(c, c.Unknown(resource))
	if c.Prove(b.rules) || resource == volvo.Details {
		b.agenda.announceSoon(c, now)
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

// keepPicture takes the end of a fetch, and announces what is new.
func (b *Bridge) keepPicture(p picture.Fetched, now time.Time) {
	c := b.fleet.car(p.Car.VIN)
	if c == nil || &c.Car != p.Car {
		return // forgotten meanwhile
	}
	b.gallery.Keep(p, now)
	if p.Err != nil {
		b.log.Debug().Str("car", c.label).Str("picture", p.Kind).Err(p.Err).Msg("no picture")
		return
	}
	b.files.saveCar(c)
	c.Prove(b.rules)
	b.agenda.announceSoon(c, now)
}
