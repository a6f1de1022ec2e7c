package bridge

import (
	"errors"
	"fmt"
	"maps"
	"math"
	"slices"
	"strings"
	"time"

	"volvobridge/bridge/command"
	"volvobridge/bridge/entity"
	"volvobridge/bridge/schedule"
	"volvobridge/discovery"
	"volvobridge/volvo"
)

const (
	patience   = time.Hour // without a good read, then a car is offline
	missingFor = time.Hour // between the two looks that find a car gone
	maxStrange = 100
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

// start loads what is known, makes the configured cars and plans the reads.
func (b *Bridge) start(now time.Time) {
	for i, o := range b.opts.Accounts {
		label := o.Name
		if label == "" {
			label = fmt.Sprint("account", i+1)
		}
		a := newAccount(o, b.opts.Polling, b.opts.Commands.PerMinute, label, now)
		for _, other := range b.accounts {
			a.quota.Share(other.quota)
		}
		b.accounts = append(b.accounts, a)
		if a.chain == nil && a.ends.IsZero() {
			b.log.Info().Str("account", a.label).Str("hint", "they end about an hour after they were made; for a login that lasts, set client_id and client_secret").Msg("test tokens are used")
		}
		if !a.ends.IsZero() {
			b.log.Warn().Str("account", a.label).Str("ends", a.ends.UTC().Format(time.DateTime)+" UTC").Str("hint", "for a login that lasts, set client_id and client_secret").Msg("test tokens are used")
		}
		b.loadQuota(a)
		b.logLostScopes(a, now)
		for _, v := range a.vehicles {
			b.addCar(a, strings.ToUpper(v.VIN), v.Name, now)
		}
		if len(a.vehicles) == 0 {
			for _, vin := range b.knownCars(a) {
				b.addCar(a, vin, "", now)
			}
		}
		a.plan.AddList(now)
	}
	b.reopenCommands(now)
	b.ticked, b.saved = now, now
	b.publishStatus(now)
}

// logLostScopes names what a login does not cover, as after a change of commands.allow.
func (b *Bridge) logLostScopes(a *account, now time.Time) {
	if a.chain == nil || a.chain.State(now).Login {
		return
	}
	for _, what := range entity.Lost(a.chain.State(now).Missing) {
		b.log.Warn().Str("account", a.label).Str("lost", what).Str("hint", "log in again, with the scope published with the application; or do without").Msg("the login does not cover this")
	}
}

// addCar makes a car, with what was known of it before.
func (b *Bridge) addCar(a *account, vin, name string, now time.Time) *car {
	b.opts.Secret(vin)
	c := &car{Car: entity.Car{VIN: vin, Name: name, Level: b.slug(name, vin), Memory: entity.NewMemory(), Tried: map[volvo.Resource]bool{}}, account: a,
		denied: map[volvo.Resource]bool{}, denials: map[volvo.Resource]*denial{}, fetching: map[string]bool{}, pictureAgain: map[string]time.Time{}, reachedAt: now}
	c.commands = command.NewCar(&c.Car)
	c.Interval = func(r volvo.Resource) time.Duration { return c.account.plan.Interval(c.key(r)) }
	c.label = fmt.Sprint("car ", len(b.cars)+1)
	if name != "" {
		c.label = c.Level
	}
	b.loadCar(c)
	if c.Slug != "" && c.Slug != c.Level {
		b.renamed = append(b.renamed, c.Slug)
	}
	c.Slug = c.Level
	b.names.Reserve(&c.Car)
	b.cars = append(b.cars, c)
	b.byVIN[strings.ToUpper(vin)] = c
	b.unpublished++
	a.cars = append(a.cars, c)
	b.bySlug[c.Level] = c
	a.plan.Add(vin, a.reads, now)
	if b.conn != nil && b.opts.HomeAssistant.Discovery {
		b.conn.Subscribe(b.device(c))
	}
	c.online = "offline"
	if now.Sub(c.LastGood) < patience && !c.LastGood.After(now) {
		c.online, c.reachedAt = "online", c.LastGood
	}
	b.retain(b.topic(c.Level, "availability"), c.online)
	for id, status := range c.Statuses { // a broker may have lost what an earlier process told
		b.retain(b.topic(c.Level, id, "status"), entity.Encode(status))
	}
	if c.Restored() {
		for resource := range c.Snapshot {
			b.noteUnknown(c, resource)
		}
		c.Prove(b.rules)
		b.publishCar(c, now)
	}
	b.climateUntil(c, c.ClimateUntil)
	b.log.Info().Str("car", c.label).Msg("car found")
	return c
}

// slug is the car's level in topics: its name's, else the VIN.
func (b *Bridge) slug(name, vin string) string {
	slug := discovery.Slug(name)
	if slug == "" || slug == "bridge" {
		return vin
	}
	if _, taken := b.bySlug[slug]; taken {
		return slug + "_" + strings.ToLower(vin)
	}
	return slug
}

// nextRead returns when dispatch can start a read of the account, if no event
// comes first.
func (b *Bridge) nextRead(a *account, now time.Time) time.Time {
	if !a.ready(now) {
		return time.Time{} // the chain tells when it has a token
	}
	urgentOnly := a.inFlight >= maxFlying || a.outage()
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
		a.plan.Stretch(a.quota.Stretch(b.perDay(a), now))
		for b.dispatchOne(a, now) {
		}
	}
}

// perDay is what is wanted of an account's keys, by it and by those that share
// them.
func (b *Bridge) perDay(a *account) float64 {
	calls := 0.0
	for _, other := range b.accounts {
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
	urgentOnly := a.inFlight >= maxFlying || a.outage() || a.polls.Wait(now, a.askedShare+a.commandShare(now)) > 0
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
		if c := b.car(key.Car); c != nil {
			c.denied[key.Resource] = true
			b.touch(c, now)
		}
		a.plan.Done(key, now, schedule.Unsupported)
		a.answered() // a probe of it would come out again and again
		return true
	}
	a.count(apiKey, now, false)
	b.saveQuota(a, now)
	a.inFlight++
	b.background(func() { deliver(b, b.results, b.read(a, apiKey, key)) })
	return true
}

// read does one GET, in a goroutine of its own.
func (b *Bridge) read(a *account, apiKey int, key schedule.Key) result {
	r := result{account: a, key: key, apiKey: apiKey, started: time.Now()}
	if key.Resource == schedule.List {
		r.cars, r.err = a.clients[apiKey].Vehicles(b.reading)
		return r
	}
	r.readings, r.err = a.clients[apiKey].Read(b.reading, key.Car, key.Resource)
	return r
}

// apply takes the end of a read.
func (b *Bridge) apply(r result, now time.Time) {
	a := r.account
	a.inFlight--
	b.tryDone(a, r.key)
	if r.err != nil {
		b.readFailed(r, now)
		b.publishStatusSoon(now)
		return
	}
	if a.succeeded() {
		a.plan.Retry(now)
	}
	if a.status != cloudOK || r.key.Resource == schedule.List {
		b.publishStatusSoon(now)
	}
	a.plan.Done(r.key, now, schedule.Read)
	if r.key.Resource == schedule.List {
		b.listCars(a, r.cars, now)
	} else if c := b.car(r.key.Car); c != nil {
		b.keep(c, r.key.Resource, r.readings, r.started, now)
	}
}

// keep puts an answer into the car's snapshot.
func (b *Bridge) keep(c *car, resource volvo.Resource, readings volvo.Readings, started, now time.Time) {
	c.LastGood, c.reachedAt = now, now
	if d := c.denials[resource]; d != nil {
		delete(c.denials, resource)
		delete(b.denied, c.deniedName(resource))
	}
	readings, odd := c.Examine(resource, readings, now)
	b.note(c, odd)
	b.endClimate(c, resource, readings, now)
	if old := c.Snapshot[resource]; old != nil && maps.Equal(old.Readings, readings) {
		old.Fetched = now.Truncate(time.Millisecond)
		b.execute(b.machine.ReadDone(c.commands, resource, true, started, now), now)
		b.checkAvailability(c, now)
		return
	}
	c.Snapshot[resource] = &entity.Answer{Readings: readings, Fetched: now.Truncate(time.Millisecond)}
	switch resource {
	case volvo.EnergyState:
		c.SettleFinish(now)
	case volvo.Details:
		b.fetchPictures(c, now)
	}
	b.noteUnknown(c, resource)
	if c.Prove(b.rules) || resource == volvo.Details {
		b.announceSoon(c, now)
	}
	b.execute(b.machine.ReadDone(c.commands, resource, true, started, now), now)
	b.checkAvailability(c, now)
	b.touch(c, now)
}

// endClimate: a running engine ends the timer of the climate switch.
func (b *Bridge) endClimate(c *car, resource volvo.Resource, readings volvo.Readings, now time.Time) {
	if resource != volvo.EngineState || c.ClimateUntil.IsZero() {
		return
	}
	if entity.EngineRuns(readings) {
		b.climateUntil(c, time.Time{})
		b.saveCar(c)
		b.touch(c, now)
	}
}

// announceSoon plans the announcement: when the first look at the car is
// complete, or a moment after news.
func (b *Bridge) announceSoon(c *car, now time.Time) {
	wait := settle
	if !b.settled(c) {
		wait = settleSweep
	}
	if c.announce.IsZero() {
		b.announceAt(c, now.Add(wait))
	}
}

// tryDone marks a resource as tried; after the last one of a new car there is no
// reason to wait with the announcement.
func (b *Bridge) tryDone(a *account, key schedule.Key) {
	c := b.car(key.Car)
	if c == nil || c.Tried[key.Resource] {
		return
	}
	c.Tried[key.Resource] = true
	if len(c.Tried) >= len(a.reads) && c.announced == "" && len(c.Proven) > 0 {
		b.announceAt(c, time.Now().Add(2*debounce))
	}
}

// readFailed sorts a failure: what it says of the account, and when to try again.
func (b *Bridge) readFailed(r result, now time.Time) {
	a := r.account
	if b.reading.Err() != nil {
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
	if c := b.car(r.key.Car); c != nil && outcome == schedule.Unsupported {
		c.denied[r.key.Resource] = true
		if c.deny(r.key.Resource, fault, now) {
			b.denied[c.deniedName(r.key.Resource)] = true
			b.log.Warn().Str("car", c.label).Str("resource", string(r.key.Resource)).Err(fault).Str("hint", fault.Advice()+" Its values are unknown a day after the last good read.").Msg("volvo refuses this for good")
		}
		b.touch(c, now)
	}
	if c := b.car(r.key.Car); c != nil && outcome != schedule.Postponed {
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
	if c := b.car(r.key.Car); c != nil {
		label = c.label
	}
	line := b.log.Debug()
	if fault.APIKey() && !r.account.keyTold {
		line, r.account.keyTold = b.log.Warn(), true // at once: whoever mistyped it is still looking
	}
	line.Str("car", label).Str("resource", string(r.key.Resource)).Err(fault).Str("hint", fault.Advice()).Msg("read failed")
}

// listCars takes the list of the account's cars: new ones join, and one that is
// not listed twice, an hour apart, is gone.
func (b *Bridge) listCars(a *account, cars volvo.VehicleList, now time.Time) {
	a.listed, a.listsNone = true, cars.Whole || len(cars.VINs) == 0
	listed := map[string]bool{}
	for _, vin := range cars.VINs {
		listed[strings.ToUpper(vin)] = true
		if len(a.vehicles) > 0 {
			continue
		}
		if c := b.car(vin); c == nil {
			b.addCar(a, vin, "", now)
		} else if c.account != a && len(c.account.vehicles) == 0 && !c.unlistedSince.IsZero() {
			b.moveCar(c, a, now)
		}
	}
	for _, c := range a.cars {
		switch {
		case listed[strings.ToUpper(c.VIN)]:
			a.listsNone = false
			c.unlistedSince, c.unlisted = time.Time{}, false
		case !cars.Whole: // says nothing of the others
		case c.unlistedSince.IsZero():
			c.unlistedSince = now
			b.log.Warn().Str("car", c.label).Str("hint", "check the VIN, and that the car is linked to this Volvo ID").Msg("the account does not list this car")
		case now.Sub(c.unlistedSince) >= missingFor-time.Minute:
			c.unlisted = true
		}
		b.checkAvailability(c, now)
	}
	b.rememberCars(a)
}

// moveCar gives a car that its account no longer lists to the one that does.
func (b *Bridge) moveCar(c *car, to *account, now time.Time) {
	from := c.account
	from.cars = slices.DeleteFunc(from.cars, func(x *car) bool { return x == c })
	from.plan.Remove(c.VIN)
	b.rememberCars(from)
	c.account, c.unlistedSince, c.unlisted = to, time.Time{}, false
	to.cars = append(to.cars, c)
	to.plan.Add(c.VIN, to.reads, now)
}

func (b *Bridge) car(vin string) *car { return b.byVIN[strings.ToUpper(vin)] }

// checkAvailability publishes whether the car is online: from its first good
// read, until none was good for an hour or three planned gaps. While Volvo lets
// us read nothing, that is not held against the car.
func (b *Bridge) checkAvailability(c *car, now time.Time) {
	if c.online == "online" && c.account.blocked(now) && !c.availabilityAt.IsZero() {
		c.reachedAt = c.reachedAt.Add(now.Sub(c.availabilityAt))
	}
	if c.reachedAt.After(now) {
		c.reachedAt = now
	}
	c.availabilityAt = now
	limit := patience
	if gap := c.account.plan.Shortest(c.VIN); gap < math.MaxInt64/3 {
		limit = max(limit, 3*gap)
	}
	online := "offline"
	if !c.unlisted && !c.LastGood.IsZero() && now.Sub(c.reachedAt) < limit {
		online = "online"
	}
	if online != c.online {
		c.online = online
		b.log.Info().Str("car", c.label).Msg("car is " + online)
	}
	b.retain(b.topic(c.Level, "availability"), c.online)
}

// noteUnknown counts what the table does not know.
func (b *Bridge) noteUnknown(c *car, resource volvo.Resource) { b.note(c, c.Unknown(resource)) }

// note counts and tells what is odd in Volvo's answers, each kind once.
func (b *Bridge) note(c *car, odd []string) {
	for _, what := range odd {
		if b.unknownFields[what] || len(b.unknownFields) >= maxStrange {
			continue
		}
		b.unknownFields[what] = true
		b.status.due = true
		b.log.Info().Str("car", c.label).Str("what", what).Msg("volvo sent something unknown")
	}
}
