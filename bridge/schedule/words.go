package schedule

import (
	"fmt"
	"strings"
	"time"

	"volvobridge/volvo"
)

// Look is when a resource is read next, and why.
type Look struct {
	Resource volvo.Resource
	// Interval is the time from the last read to the next.
	Interval time.Duration
	// Next is the next read; zero when it is being read.
	Next   time.Time
	Reason string
	First  bool // it was not read yet
}

// Outlook is what a plan says of a car.
type Outlook struct {
	Phase Phase
	Since time.Time // of the phase; zero: from the start on
	Looks []Look
}

// inWords are the reasons for people.
var inWords = map[reason]string{
	byTable:    "fixed interval",
	byWorth:    "by then enough is expected to have changed",
	byGap:      "nobody should wait longer to hear of it",
	byNews:     "another answer told that there is news",
	byBeat:     "the car uploads then",
	byWish:     "asked for",
	byFailure:  "again after a failure",
	byNothing:  "hardly anything changes now",
	firstLook:  "first look",
	byRefusals: "Volvo refuses it",
}

// Phase is what a car is doing.
func (p *Plan) Phase(car string, now time.Time) Phase {
	c := p.byCar[car]
	if c == nil {
		return Parked
	}
	c.settle(now, false)
	return c.state.phase(now)
}

// Outlook tells what is planned for a car.
func (p *Plan) Outlook(car string, now time.Time) Outlook {
	c := p.byCar[car]
	if c == nil {
		return Outlook{Phase: Parked}
	}
	o := Outlook{Phase: p.Phase(car, now), Since: c.state.phaseSince}
	for _, it := range c.items {
		l := Look{Resource: it.key.Resource, Reason: inWords[it.reason], First: it.reason == firstLook}
		if !it.inFlight {
			l.Next = it.due
		}
		if !it.started.IsZero() {
			l.Interval = max(0, it.due.Sub(it.started))
		}
		o.Looks = append(o.Looks, l)
	}
	return o
}

// InWords says what a car is doing, and since when.
func (o Outlook) InWords(now time.Time) string {
	text := strings.ReplaceAll(string(o.Phase), "_", " ")
	if o.Since.IsZero() {
		return text
	}
	return text + " since " + roughly(now.Sub(o.Since))
}

func roughly(d time.Duration) string {
	switch {
	case d < time.Minute:
		return "a moment"
	case d < time.Hour:
		return fmt.Sprintf("%d min", int(d.Minutes()))
	case d < 48*time.Hour:
		return fmt.Sprintf("%d h", int(d.Hours()))
	}
	return fmt.Sprintf("%d d", int(d.Hours()/24))
}

// Forecast is how many more calls the plan will make in a time.
func (p *Plan) Forecast(rest time.Duration) float64 {
	if p.planned() {
		return p.price.perDay * rest.Hours() / 24
	}
	return p.perDay / p.stretch * rest.Hours() / 24
}
