// Package schedule decides what to read next and when, within Volvo's limits.
// Answers, failures and the time go in; the next read, and why, comes out. It is pure:
// the time is an argument, nothing is started or waited for.
//
// One price of a call rules all resources and cars of a plan: a resource is read when
// the seconds of wrong values that a read is expected to save, times their weight, reach
// it. See docs/polling.md.
package schedule

import (
	"container/heap"
	"maps"
	"math"
	"time"

	"volvobridge/volvo"
)

// fixed is the interval of each resource in the profile `fixed`; what is not
// listed is read hourly.
var fixed = map[volvo.Resource]time.Duration{
	volvo.Doors: time.Minute, volvo.Windows: time.Minute,
	volvo.EngineState: 2 * time.Minute, volvo.EnergyState: 2 * time.Minute,
	volvo.CommandAccessibility: 15 * time.Minute, volvo.Fuel: 15 * time.Minute,
	volvo.Position: 15 * time.Minute, volvo.Statistics: 15 * time.Minute,
	volvo.Details: 24 * time.Hour, volvo.Commands: 24 * time.Hour, volvo.EnergyCapabilities: 24 * time.Hour,
}

// Fixed returns the table of the profile `fixed`.
func Fixed() map[volvo.Resource]time.Duration {
	table := map[volvo.Resource]time.Duration{}
	for _, r := range volvo.Resources() {
		table[r] = time.Hour
	}
	maps.Copy(table, fixed)
	return table
}

// Rules are the user's wishes.
type Rules struct {
	// Profile says what is spent; empty: fixed.
	Profile Profile
	// Intervals override the profile, resource by resource.
	Intervals map[volvo.Resource]time.Duration
	// MinInterval is the shortest interval of any resource.
	MinInterval time.Duration
}

// Key names one resource of one car.
type Key struct {
	Car      string
	Resource volvo.Resource
}

// Plan holds the resources of all cars of an account. The zero value is not
// usable; see [NewPlan].
type Plan struct {
	profile Profile
	table   map[volvo.Resource]time.Duration // of those with a fixed interval
	min     time.Duration
	stretch float64
	byKey   map[Key]*item
	byCar   map[string]*carPlan
	failing map[*item]bool
	urgent  queue // what was asked for
	waiting queue // all else
	perDay  float64
	added   int
	fields  map[volvo.Resource]*fields
	price   price
}

// NewPlan returns a plan without cars.
func NewPlan(rules Rules) *Plan {
	p := &Plan{profile: rules.Profile, table: map[volvo.Resource]time.Duration{}, min: rules.MinInterval, stretch: 1,
		byKey: map[Key]*item{}, byCar: map[string]*carPlan{}, failing: map[*item]bool{}, fields: map[volvo.Resource]*fields{}, price: newPrice(rules.Profile)}
	for r, d := range Fixed() {
		if p.planned() && d < 24*time.Hour {
			continue
		}
		p.table[r] = d
	}
	maps.Copy(p.table, rules.Intervals)
	for r, d := range p.table {
		p.table[r] = max(d, rules.MinInterval)
	}
	return p
}

// planned tells whether the plan decides, and not a table.
func (p *Plan) planned() bool { return p.profile == Frugal || p.profile == Fresh }

// Add plans the resources of a car, all of them due now.
func (p *Plan) Add(car string, resources []volvo.Resource, now time.Time) {
	c := p.byCar[car]
	if c == nil {
		c = &carPlan{plan: p, name: car, shortest: math.MaxInt64}
		p.byCar[car] = c
	}
	for i, r := range resources {
		key := Key{car, r}
		if p.byKey[key] != nil {
			continue
		}
		p.added++
		if p.fields[r] == nil {
			p.fields[r] = &fields{}
		}
		// The first resources of every car come before the last of any.
		it := &item{key: key, car: c, fixed: p.table[r], due: now, wake: now, at: now, order: int64(i)<<32 + int64(p.added), reason: firstLook}
		c.items = append(c.items, it)
		c.shortest = min(c.shortest, it.usual())
		p.byKey[key] = it
		p.perDay += perDay(it)
		p.price.core += core(it)
		p.place(it)
	}
}

// usual is the interval of an item, for those who must know how long a silence of it is
// to be expected.
func (it *item) usual() time.Duration {
	if it.fixed > 0 {
		return it.fixed
	}
	return time.Hour
}

// perDay is what an item wants of a day that is planned by a table.
func perDay(it *item) float64 { return float64(24*time.Hour) / float64(it.usual()) }

// core is what Home Assistant's integration would spend on an item in a day.
func core(it *item) float64 {
	if interval := coreIntervals[it.key.Resource]; interval > 0 {
		return 86400 / interval
	}
	return 0
}

// Budget says what may be spent: calls a day, and what is left of them in the rest of
// the quota day.
func (p *Plan) Budget(perDay, left float64, rest time.Duration) {
	p.price.perDay = perDay * landing
	if p.profile == Frugal {
		p.price.perDay = min(p.price.perDay, p.price.core*frugalShare)
	}
	p.price.begin()
	p.price.ledger(left, rest)
}

// Price is the price of a call by now.
func (p *Plan) Price() float64 { return p.price.now }

// Remove drops the resources of a car.
func (p *Plan) Remove(car string) {
	c := p.byCar[car]
	if c == nil {
		return
	}
	for _, it := range c.items {
		p.take(it)
		p.perDay -= perDay(it)
		p.price.core -= core(it)
		delete(p.byKey, it.key)
		delete(p.failing, it)
	}
	delete(p.byCar, car)
}

// place puts an item where it belongs by now.
func (p *Plan) place(it *item) {
	p.take(it)
	if it.inFlight {
		return
	}
	it.queue = &p.waiting
	if it.urgent {
		it.queue = &p.urgent
	}
	heap.Push(it.queue, it)
}

// take takes an item out of the queue that it is in.
func (p *Plan) take(it *item) {
	if it.queue != nil {
		heap.Remove(it.queue, it.index)
		it.queue = nil
	}
}

// at sets when an item is read.
func (p *Plan) at(it *item, due time.Time, why reason) {
	it.due, it.wake, it.reason = due, due, why
	p.place(it)
}

// PerDay returns the calls a day that a table wants, before any stretching.
func (p *Plan) PerDay() float64 { return p.perDay }

// Stretch lengthens all fixed intervals evenly, from the next read of each on.
func (p *Plan) Stretch(factor float64) { p.stretch = max(1, factor) }

// Interval returns the interval of a resource as it is now.
func (p *Plan) Interval(key Key) time.Duration {
	it := p.byKey[key]
	if it == nil {
		return 0
	}
	if it.fixed > 0 {
		return p.stretched(it.fixed)
	}
	return max(0, it.due.Sub(it.started))
}

// Shortest returns the shortest interval of a car as it is now.
func (p *Plan) Shortest(car string) time.Duration {
	c := p.byCar[car]
	switch {
	case c == nil:
		return math.MaxInt64
	case p.planned():
		return min(c.shortest, max(time.Minute, p.price.gap(volvo.Doors, atRest)))
	case float64(c.shortest)*p.stretch >= math.MaxInt64:
		return math.MaxInt64
	}
	return p.stretched(c.shortest)
}

func (p *Plan) stretched(d time.Duration) time.Duration {
	return time.Duration(float64(d) * p.stretch)
}

// Next returns the resource to read now, if there is one, and marks it as being
// read. With urgentOnly it returns only what was asked for.
func (p *Plan) Next(now time.Time, urgentOnly bool) (key Key, urgent, ok bool) {
	p.price.pass(now)
	if len(p.urgent) > 0 && !p.urgent[0].wake.After(now) {
		it := p.urgent[0]
		p.start(it, now)
		return it.key, true, true
	}
	for !urgentOnly && len(p.waiting) > 0 && !p.waiting[0].wake.After(now) {
		it := p.waiting[0]
		if it.due.After(now) { // only to be looked at again
			p.review(it, now)
			continue
		}
		p.start(it, now)
		return it.key, false, true
	}
	return Key{}, false, false
}

// review plans an item anew whose situation may have ended by itself.
func (p *Plan) review(it *item, now time.Time) {
	it.car.settle(now, false)
	if it.wake.After(now) {
		return // planned with the others of its car
	}
	it.plan(now)
	if it.due.After(now) && !it.wake.After(now) {
		it.wake = it.due
	}
	p.place(it)
}

// start marks an item as being read.
func (p *Plan) start(it *item, now time.Time) {
	it.inFlight, it.tried = true, now
	p.take(it)
	p.price.spend()
}

// Wake returns when the next resource is due; false when none is planned. With
// urgentOnly it looks only at what was asked for.
func (p *Plan) Wake(urgentOnly bool) (wake time.Time, found bool) {
	if len(p.urgent) > 0 {
		wake, found = p.urgent[0].wake, true
	}
	if !urgentOnly && len(p.waiting) > 0 && (!found || p.waiting[0].wake.Before(wake)) {
		wake, found = p.waiting[0].wake, true
	}
	return wake, found
}

func earlier(a, b time.Time) time.Time {
	if b.Before(a) {
		return b
	}
	return a
}

func later(a, b time.Time) time.Time {
	if b.After(a) {
		return b
	}
	return a
}

// List is the pseudo-resource of an account's list of cars; its Key has no car.
const List volvo.Resource = "vehicles"

const listInterval = time.Hour

// AddList plans the list of cars.
func (p *Plan) AddList(now time.Time) {
	p.table[List] = listInterval
	p.Add("", []volvo.Resource{List}, now)
}
