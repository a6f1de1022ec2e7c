// Package schedule decides what to read next and when, within Volvo's limits.
// It is pure: the time is an argument, nothing is started or waited for.
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
	// Intervals override the table, resource by resource.
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

const (
	firstRetry       = 10 * time.Second
	unsupportedRetry = time.Hour
)

// item is a resource of a car and when it is read next.
type item struct {
	key      Key
	interval time.Duration
	due      time.Time
	started  time.Time
	order    int64
	failures int
	settled  bool // has had its first read
	inFlight bool
	urgent   bool // asked for: neither the interval nor the reserve holds it back
	again    time.Time
	queue    *queue // that it is in; nil: it is being read
	index    int    // in it
}

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

// Plan holds the resources of all cars of an account. The zero value is not
// usable; see [NewPlan].
type Plan struct {
	table   map[volvo.Resource]time.Duration
	min     time.Duration
	stretch float64
	byKey   map[Key]*item
	byCar   map[string]*carItems
	urgent  queue // what was asked for
	planned queue // all else
	perDay  float64
	added   int
}

// carItems are the resources of a car, and the shortest of their intervals.
type carItems struct {
	items    []*item
	shortest time.Duration
}

// NewPlan returns a plan without cars.
func NewPlan(rules Rules) *Plan {
	table := Fixed()
	maps.Copy(table, rules.Intervals)
	for r, d := range table {
		table[r] = max(d, rules.MinInterval)
	}
	return &Plan{table: table, min: rules.MinInterval, stretch: 1, byKey: map[Key]*item{}, byCar: map[string]*carItems{}}
}

// Add plans the resources of a car, all of them due now.
func (p *Plan) Add(car string, resources []volvo.Resource, now time.Time) {
	c := p.byCar[car]
	if c == nil {
		c = &carItems{shortest: math.MaxInt64}
		p.byCar[car] = c
	}
	for i, r := range resources {
		key := Key{car, r}
		if p.byKey[key] != nil {
			continue
		}
		p.added++
		// The first resources of every car come before the last of any.
		it := &item{key: key, interval: p.table[r], due: now, order: int64(i)<<32 + int64(p.added)}
		c.items = append(c.items, it)
		c.shortest = min(c.shortest, it.interval)
		p.byKey[key] = it
		p.perDay += perDay(it)
		p.place(it)
	}
}

func perDay(it *item) float64 { return float64(24*time.Hour) / float64(it.interval) }

// Remove drops the resources of a car.
func (p *Plan) Remove(car string) {
	c := p.byCar[car]
	if c == nil {
		return
	}
	for _, it := range c.items {
		p.take(it)
		p.perDay -= perDay(it)
		delete(p.byKey, it.key)
	}
	delete(p.byCar, car)
}

// place puts an item where it belongs by now.
func (p *Plan) place(it *item) {
	p.take(it)
	if it.inFlight {
		return
	}
	it.queue = &p.planned
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

// PerDay returns the calls a day that the plan wants, before any stretching.
func (p *Plan) PerDay() float64 { return p.perDay }

// Stretch lengthens all intervals evenly, from the next read of each on.
func (p *Plan) Stretch(factor float64) { p.stretch = max(1, factor) }

// Interval returns the interval of a resource as it is now.
func (p *Plan) Interval(key Key) time.Duration {
	it := p.byKey[key]
	if it == nil {
		return 0
	}
	return p.stretched(it)
}

// Shortest returns the shortest interval of a car as it is now.
func (p *Plan) Shortest(car string) time.Duration {
	c := p.byCar[car]
	if c == nil || float64(c.shortest)*p.stretch >= math.MaxInt64 {
		return math.MaxInt64
	}
	return time.Duration(float64(c.shortest) * p.stretch)
}

func (p *Plan) stretched(it *item) time.Duration {
	return time.Duration(float64(it.interval) * p.stretch)
}

// Next returns the resource to read now, if there is one, and marks it as being
// read. With urgentOnly it returns only what was asked for.
func (p *Plan) Next(now time.Time, urgentOnly bool) (key Key, urgent, ok bool) {
	for _, q := range []queue{p.urgent, p.planned} {
		if len(q) > 0 && !q[0].due.After(now) && (q[0].urgent || !urgentOnly) {
			it := q[0]
			p.start(it, now)
			return it.key, it.urgent, true
		}
	}
	return Key{}, false, false
}

// start marks an item as being read.
func (p *Plan) start(it *item, now time.Time) {
	it.inFlight, it.started = true, now
	p.take(it)
}

// before orders a queue: what waits longest comes first.
func before(a, b *item) bool {
	if !a.due.Equal(b.due) {
		return a.due.Before(b.due)
	}
	return a.order < b.order
}

// Wake returns when the next resource is due; false when none is planned. With
// urgentOnly it looks only at what was asked for.
func (p *Plan) Wake(urgentOnly bool) (wake time.Time, found bool) {
	if len(p.urgent) > 0 {
		wake, found = p.urgent[0].due, true
	}
	if !urgentOnly && len(p.planned) > 0 && (!found || p.planned[0].due.Before(wake)) {
		wake, found = p.planned[0].due, true
	}
	return wake, found
}

// Done tells that the read of key ended, and plans the next.
func (p *Plan) Done(key Key, now time.Time, outcome Outcome) {
	it := p.byKey[key]
	if it == nil {
		return
	}
	defer func() { p.place(it) }()
	wished := it.urgent
	it.inFlight, it.urgent = false, false
	interval := p.stretched(it)
	switch outcome {
	case Read:
		it.due = it.started.Add(interval)
		if !it.settled {
			// Spread what began together: the golden ratio never clusters.
			_, phase := math.Modf(float64(it.order&0xffffffff) * 0.6180339887)
			it.due = it.started.Add(max(p.min, time.Duration(float64(interval)*(0.5+phase/2))))
		}
		it.settled, it.failures = true, 0
	case Failed:
		it.failures++
		retry := firstRetry << min(it.failures-1, 12)
		it.due = now.Add(max(p.min, min(interval, retry)))
	case Unsupported:
		it.failures, it.settled = 0, true
		it.due = now.Add(max(interval, unsupportedRetry))
	case Postponed:
		it.due, it.urgent = now, wished
	}
	if !it.again.IsZero() {
		it.due, it.urgent, it.again = it.again, true, time.Time{}
	}
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
		it.due, it.urgent = at, true
		p.place(it)
	}
	return true
}

// Retry makes everything that failed lately due now.
func (p *Plan) Retry(now time.Time) { p.hurry(now, func(it *item) bool { return it.failures > 0 }) }

// Restart makes everything due now, as after a login that may allow more.
func (p *Plan) Restart(now time.Time) { p.hurry(now, func(*item) bool { return true }) }

func (p *Plan) hurry(now time.Time, which func(*item) bool) {
	for _, it := range p.byKey {
		if !it.inFlight && which(it) {
			it.due = earlier(it.due, later(now, it.started.Add(p.min)))
			p.place(it)
		}
	}
}

// Resources counts the resources of all cars.
func (p *Plan) Resources() int { return len(p.byKey) }

// Probe returns the resource that is due first, be it later, and marks it as
// being read: one call that shows whether the cloud is back.
func (p *Plan) Probe(now time.Time) (Key, bool) {
	for _, q := range []queue{p.urgent, p.planned} {
		if len(q) > 0 {
			it := q[0]
			p.start(it, now)
			return it.key, true
		}
	}
	return Key{}, false
}

// Refresh reads key soon, at a user's wish. It keeps the shortest interval and
// takes its turn with the others.
func (p *Plan) Refresh(key Key, now time.Time) {
	it := p.byKey[key]
	if it == nil || it.inFlight {
		return
	}
	at := now
	if !it.started.IsZero() {
		at = later(now, it.started.Add(p.min))
	}
	it.due = earlier(it.due, at)
	p.place(it)
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
