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

// queue is a heap of what is to be read, the first on top.
type queue []*item

func (q queue) Len() int           { return len(q) }
func (q queue) Less(i, j int) bool { return before(q[i], q[j]) }
func (q queue) Swap(i, j int) {
	q[i], q[j] = q[j], q[i]
	q[i].index, q[j].index = i, j
}

// Push implements [heap.Interface].
func (q *queue) Push(x any) {
	it := x.(*item) // nothing else is in it
	it.index = len(*q)
	*q = append(*q, it)
}

// Pop implements [heap.Interface].
func (q *queue) Pop() any {
	last := len(*q) - 1
	it := (*q)[last]
	(*q)[last] = nil
	*q = (*q)[:last]
	return it
}

// before orders a queue: what waits longest comes first.
func before(a, b *item) bool {
	if !a.wake.Equal(b.wake) {
		return a.wake.Before(b.wake)
	}
	return a.order < b.order
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
