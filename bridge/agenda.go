package bridge

import (
	"container/heap"
	"time"
	"volvobridge/volvo"
)

// agenda is when which car needs something, the earliest first: an announcement, or
// the end of its climate's timer. It is only a reminder: the car says what is due.
type agenda []reminder

type reminder struct {
	at  time.Time
	car *car
}

// Len implements [heap.Interface].
func (a agenda) Len() int { return len(a) }

// Less implements [heap.Interface].
func (a agenda) Less(i, j int) bool { return a[i].at.Before(a[j].at) }

// Swap implements [heap.Interface].
func (a agenda) Swap(i, j int) { a[i], a[j] = a[j], a[i] }

// Push implements [heap.Interface].
func (a *agenda) Push(x any) { *a = append(*a, x.(reminder)) }

// Pop implements [heap.Interface].
func (a *agenda) Pop() any {
	last := len(*a) - 1
	r := (*a)[last]
	(*a)[last] = reminder{}
	*a = (*a)[:last]
	return r
}

// remind notes that a car needs something at a time.
func (a *agenda) remind(c *car, at time.Time) { heap.Push(a, reminder{at, c}) }

// next is when the first car needs something; zero: none does.
func (a agenda) next() time.Time {
	if len(a) == 0 {
		return time.Time{}
	}
	return a[0].at
}

// due takes the next car whose time has come; nil: none.
func (a *agenda) due(now time.Time) *car {
	if len(*a) == 0 || now.Before((*a)[0].at) {
		return nil
	}
	return heap.Pop(a).(reminder).car
}

// announceAt plans the announcement of a car.
func (a *agenda) announceAt(c *car, at time.Time) {
	c.announce = at
	a.remind(c, at)
}

// announceSoon plans the announcement: when the first look at the car is
// complete, or a moment after news.
func (a *agenda) announceSoon(c *car, now time.Time) {
	wait := settle
	if !c.settled() {
		wait = settleSweep
	}
	if c.announce.IsZero() {
		a.announceAt(c, now.Add(wait))
	}
}

// tried marks a resource as tried; after the last one of a new car there is no reason
// to wait with the announcement.
func (a *agenda) tried(c *car, r volvo.Resource, now time.Time) {
	if c.Tried[r] {
		return
	}
	c.Tried[r] = true
	if len(c.Tried) >= len(c.account.Resources) && c.announced == "" && len(c.Proven) > 0 {
		a.announceAt(c, now.Add(2*debounce))
	}
}

// climateUntil sets the end of the climate's timer; zero: it is over.
func (a *agenda) climateUntil(c *car, at time.Time) {
	c.ClimateUntil = at
	if !at.IsZero() {
		a.remind(c, at)
	}
}

// keepAgenda does what is due of the cars.
func (b *Bridge) keepAgenda(now time.Time) {
	for c := b.agenda.due(now); c != nil; c = b.agenda.due(now) {
		if b.fleet.car(c.VIN) != c {
			continue // forgotten meanwhile
		}
		if !c.ClimateUntil.IsZero() && !now.Before(c.ClimateUntil) {
			c.ClimateUntil = time.Time{}
			b.changes.touch(c, now)
		}
		if !c.announce.IsZero() && !now.Before(c.announce) {
			b.announceCar(c)
		}
	}
}
