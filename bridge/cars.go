package bridge

import (
	"fmt"
	"math"
	"strings"
	"time"

	"github.com/rs/zerolog"

	"volvobridge/bridge/account"
	"volvobridge/bridge/command"
	"volvobridge/bridge/entity"
	"volvobridge/bridge/history"
	"volvobridge/volvo"
)

// start loads what is known, makes the configured cars and plans the reads.
func (b *Bridge) start(now time.Time) {
	for i, o := range b.opts.Accounts {
		label := o.Name
		if label == "" {
			label = fmt.Sprint("account", i+1)
		}
		a := account.New(o, b.opts.Polling, b.opts.Commands.PerMinute, label, now)
		for _, other := range b.accounts {
			a.Quota.Share(other.Quota)
		}
		a.All = &b.accounts
		b.accounts = append(b.accounts, a)
		if a.Chain == nil && a.Ends.IsZero() {
			b.log.Info().Str("account", a.Label).Str("hint", "they end about an hour after they were made; for a login that lasts, set client_id and client_secret").Msg("test tokens are used")
		}
		if !a.Ends.IsZero() {
			b.log.Warn().Str("account", a.Label).Str("ends", a.Ends.UTC().Format(time.DateTime)+" UTC").Str("hint", "for a login that lasts, set client_id and client_secret").Msg("test tokens are used")
		}
		b.files.loadQuota(a)
		a.Days = history.LoadDays(b.files.store.Load(daysFile(a)))
		logLostScopes(a, b.log, now)
		for _, v := range a.Vehicles {
			b.addCar(a, strings.ToUpper(v.VIN), v.Name, now)
		}
		a.Plan.AddList(now)
	}
	b.addKnownCars(now)
	b.commands.reopenCommands(now)
	b.times.ticked, b.times.saved = now, now
	b.publishStatus(now)
}

// addKnownCars adds what accounts without a list of vehicles had before. A car that is
// configured for another account by now is that one's.
func (b *Bridge) addKnownCars(now time.Time) {
	for _, a := range b.accounts {
		if len(a.Vehicles) > 0 {
			continue
		}
		for _, vin := range b.files.knownCars(a) {
			if b.fleet.car(vin) == nil {
				b.addCar(a, vin, "", now)
			}
		}
	}
}

// logLostScopes names what a login does not cover, as after a change of commands.allow.
func logLostScopes(a *account.Account, log zerolog.Logger, now time.Time) {
	if a.Chain == nil || a.Chain.State(now).Login {
		return
	}
	for _, what := range entity.Lost(a.Chain.State(now).Missing) {
		log.Warn().Str("account", a.Label).Str("lost", what).Str("hint", "log in again, with the scope published with the application; or do without").Msg("the login does not cover this")
	}
}

// addCar makes a car, with what was known of it before.
func (b *Bridge) addCar(a *account.Account, vin, name string, now time.Time) *car {
	b.opts.Secret(vin)
	c := &car{Car: entity.Car{VIN: vin, Name: name, Level: b.fleet.slug(name, vin), Memory: entity.NewMemory(), Tried: map[volvo.Resource]bool{}}, account: a,
		denied: map[volvo.Resource]bool{}, denials: map[volvo.Resource]*denial{}, faults: map[volvo.Resource]fault{}, reachedAt: now}
	c.commands = command.NewCar(&c.Car)
	c.Interval = func(r volvo.Resource) time.Duration { return c.account.Plan.Interval(c.key(r)) }
	c.label = fmt.Sprint("car ", len(b.fleet.cars)+1)
	if name != "" {
		c.label = c.Level
	}
	b.files.loadCar(c)
	c.history = history.LoadValues(b.files.store.Load(historyFile(c.VIN)))
	if c.Slug != "" && c.Slug != c.Level {
		b.fleet.renamed = append(b.fleet.renamed, c.Slug)
	}
	c.Slug = c.Level
	b.fleet.names.Reserve(&c.Car)
	b.fleet.cars = append(b.fleet.cars, c)
	b.fleet.byVIN[strings.ToUpper(vin)] = c
	b.fleet.unpublished++
	b.fleet.bySlug[c.Level] = c
	c.plan(b.files.loadLearned(c), now)
	if b.link.Conn != nil && b.opts.HomeAssistant.Discovery {
		b.link.Conn.Subscribe(b.link.Device(c.VIN))
	}
	c.online = "offline"
	if now.Sub(c.LastGood) < patience && !c.LastGood.After(now) {
		c.online, c.reachedAt = "online", c.LastGood
	}
	b.link.Retain(b.link.Topic(c.Level, "availability"), c.online)
	for id, status := range c.Statuses { // a broker may have lost what an earlier process told
		b.link.Retain(b.link.Topic(c.Level, id, "status"), entity.Encode(status))
	}
	if c.Restored() {
		for resource := range c.Snapshot {
			b.note(c, c.Unknown(resource))
		}
		c.Prove(b.rules)
		b.publishCar(c, now)
	}
	b.agenda.climateUntil(c, c.ClimateUntil)
	b.log.Info().Str("car", c.label).Msg("car found")
	return c
}

// listCars takes the list of the account's cars: new ones join, and one that is
// not listed twice, an hour apart, is gone.
func (b *Bridge) listCars(a *account.Account, cars volvo.VehicleList, now time.Time) {
	a.Listed, a.ListsNone = true, cars.Whole || len(cars.VINs) == 0
	listed := map[string]bool{}
	for _, vin := range cars.VINs {
		listed[strings.ToUpper(vin)] = true
		if len(a.Vehicles) > 0 {
			continue
		}
		if c := b.fleet.car(vin); c == nil {
			b.addCar(a, vin, "", now)
		} else if c.account != a && len(c.account.Vehicles) == 0 && !c.unlistedSince.IsZero() {
			from := c.account
			c.moveTo(a, now)
			b.files.rememberCars(from, b.fleet.of(from))
		}
	}
	for _, c := range b.fleet.of(a) {
		switch {
		case listed[strings.ToUpper(c.VIN)]:
			a.ListsNone = false
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
	b.files.rememberCars(a, b.fleet.of(a))
}

// moveTo gives a car that its account no longer lists to the one that does.
func (c *car) moveTo(to *account.Account, now time.Time) {
	learned := c.account.Plan.Learned(c.VIN)
	c.account.Plan.Remove(c.VIN)
	c.account, c.unlistedSince, c.unlisted = to, time.Time{}, false
	c.plan(learned, now)
}

// plan plans the reads of a car, by what is known of it.
func (c *car) plan(learned []byte, now time.Time) {
	plan := c.account.Plan
	plan.Add(c.VIN, c.account.Resources, now)
	if len(learned) > 0 && plan.Recall(c.VIN, learned) != nil {
		return // it learns anew
	}
	for r, a := range c.Snapshot {
		if age := now.Sub(a.Fetched); age >= 0 && age < snapshotServes {
			plan.Know(c.key(r), a.Readings, a.Fetched)
		}
	}
}

// checkAvailability publishes whether the car is online.
func (b *Bridge) checkAvailability(c *car, now time.Time) {
	if c.checkOnline(now) {
		b.log.Info().Str("car", c.label).Msg("car is " + c.online)
	}
	b.link.Retain(b.link.Topic(c.Level, "availability"), c.online)
}

// checkOnline works out whether the car is online, and reports a change: from its first good
// read, until none was good for an hour or three planned gaps. While Volvo lets
// us read nothing, that is not held against the car.
func (c *car) checkOnline(now time.Time) (changed bool) {
	if c.online == "online" && c.account.Blocked(now) && !c.availabilityAt.IsZero() {
		c.reachedAt = c.reachedAt.Add(now.Sub(c.availabilityAt))
	}
	if c.reachedAt.After(now) {
		c.reachedAt = now
	}
	c.availabilityAt = now
	limit := patience
	if gap := c.account.Plan.Shortest(c.VIN); gap < math.MaxInt64/3 {
		limit = max(limit, 3*gap)
	}
	online := "offline"
	if !c.unlisted && !c.LastGood.IsZero() && now.Sub(c.reachedAt) < limit {
		online = "online"
	}
	changed = online != c.online
	c.online = online
	if changed || c.onlineSince.IsZero() {
		c.onlineSince = now
	}
	return changed
}

// note counts and tells what is odd in Volvo's answers, each kind once.
func (b *Bridge) note(c *car, odd []string) {
	for _, what := range odd {
		if b.self.unknownFields[what] || len(b.self.unknownFields) >= maxUnknownFields {
			continue
		}
		b.self.unknownFields[what] = true
		b.changes.bridge = true
		b.log.Info().Str("car", c.label).Str("what", what).Msg("volvo sent something unknown")
	}
}
