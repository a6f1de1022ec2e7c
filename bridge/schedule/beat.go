package schedule

import (
	"math"
	"time"

	"volvobridge/volvo"
)

// beat is the rhythm of a car's uploads while it drives or charges: how long from one
// to the next, and how long until the cloud shows it.
type beat struct {
	Period float64 // seconds; 0: not known
	Sure   float64 // how often it fitted, up to 10
	Lag    float64 // seconds from the car's clock to the cloud's answer
	Spread float64 // of the lag
	Lags   float64 // how many of them were measured, up to 20

	last   time.Time // the newest upload
	vain   time.Time // the last look that did not see a newer one
	silent bool      // several expected uploads did not come
}

const (
	shortestBeat = 20.0
	longestBeat  = 900.0
)

// known tells whether uploads can be foretold.
func (b *beat) known() bool {
	return b.Period > 0 && b.Sure >= 2 && !b.silent && b.Spread < 0.2*b.Period
}

// begin notes the upload that a drive or a charge begins with.
func (b *beat) begin(at time.Time) { b.last, b.vain, b.silent = at, time.Time{}, false }

// carries tells whether a resource comes with the beat.
func (b *beat) carries(r volvo.Resource) bool {
	switch r {
	case volvo.Statistics, volvo.EnergyState, volvo.Odometer, volvo.Fuel, volvo.EngineState:
		return true
	}
	return false
}

// fits tells whether an upload came when the beat says.
func (b *beat) fits(at time.Time) bool {
	gap := seconds(at.Sub(b.last))
	n := max(1, math.Round(gap/b.Period))
	return math.Abs(gap-n*b.Period) < max(6, 0.08*b.Period*math.Sqrt(n))
}

// saw notes an upload that was not there at the look before.
func (b *beat) saw(at, looked, now time.Time) {
	if !at.After(b.last) {
		return
	}
	gap := seconds(at.Sub(b.last))
	if !b.last.IsZero() {
		b.measure(gap)
	}
	b.silent = false
	// Between the last look in vain and this one it became visible.
	from := later(later(b.vain, looked), at)
	if width := seconds(now.Sub(from)); width >= 0 && width < 45 {
		lag := seconds(now.Sub(at)) - width/2
		rate := 1 / (b.Lags + 1)
		b.Lags = min(20, b.Lags+1)
		if b.Lags == 1 {
			b.Spread = max(4, width/2)
		}
		off := lag - b.Lag
		b.Lag += rate * off
		b.Spread += rate * (math.Abs(off) + width/6 - b.Spread)
	}
	b.last, b.vain = at, time.Time{}
}

func (b *beat) measure(gap float64) {
	if gap < shortestBeat || gap > 4*longestBeat {
		return
	}
	if b.Period == 0 {
		b.Period, b.Sure = min(gap, longestBeat), 1
		return
	}
	n := math.Round(gap / b.Period)
	if n >= 1 && n <= 5 && math.Abs(gap/n-b.Period) < max(8, 0.12*b.Period) {
		b.Period += (gap/n - b.Period) / 6
		b.Sure = min(10, b.Sure+1)
		return
	}
	if b.Sure--; b.Sure < 0 {
		b.Period, b.Sure = min(gap, longestBeat), 1
	}
}

// missed notes a look that saw nothing new.
func (b *beat) missed(at time.Time) {
	b.vain = at
	if b.Period > 0 && seconds(at.Sub(b.last)) > 4*b.Period+b.Lag+60 {
		b.silent = true
	}
}

// next is when the next upload should be visible, most likely.
func (b *beat) next(now time.Time) time.Time {
	after := b.Lag
	n := 1.0
	if since := seconds(now.Sub(b.last)) - after - 0.4*b.Period; since > b.Period {
		n = math.Ceil(since / b.Period)
	}
	return b.last.Add(duration(n*b.Period + after))
}

// onBeat has the item read just after the next upload, if that pays: one item looks
// whether it came, and the others follow when it did.
func (it *item) onBeat(now time.Time, price float64) {
	c := it.car
	b := c.rhythm()
	if b == nil || !b.known() || !b.carries(it.key.Resource) {
		return
	}
	kind := c.beatKind()
	if it.told > 0 && it.told*b.Period >= price {
		it.due, it.reason = now, byNews
		return
	}
	pilot, all := c.pilot(kind, price/b.Period)
	if pilot != it {
		return
	}
	at := b.next(now)
	// Several beats go by unread when one is not worth a call.
	if worth := all * b.Period; worth < price {
		at = at.Add(duration(b.Period * (math.Ceil(math.Sqrt(2*price/worth)) - 1)))
	}
	if !b.vain.IsZero() && b.vain.After(at.Add(-duration(b.Spread))) {
		at = later(at, b.vain.Add(duration(b.retry(all, price))))
	}
	if at.Before(it.due) {
		it.due, it.reason = at, byBeat
	}
}

// retry is how long to wait after a look in vain, by the price of a look and what an
// upload brings.
func (b *beat) retry(weight, price float64) float64 {
	return max(leastGap/2, min(b.Period/3, math.Sqrt(price*max(2*b.Spread, 6)/max(weight, 0.1))))
}

// pilot is the item that looks whether an upload came: of those that bring most the
// one that may be read first. All is what an upload brings altogether.
func (c *carPlan) pilot(kind happening, least float64) (first *item, all float64) {
	best := 0.0
	for _, it := range c.items {
		if it.fixed > 0 || !c.rhythm().carries(it.key.Resource) || it.failures > 0 || it.refused > 0 || it.readings == nil {
			continue
		}
		mass := c.expects(kind, it.key.Resource)
		if mass >= least {
			all += mass
		}
		if mass > best {
			best, first = mass, it
		}
	}
	return first, max(all, best)
}
