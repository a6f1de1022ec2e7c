package schedule

import (
	"math"
	"time"

	"volvobridge/volvo"
)

// Profile says what the plan spends.
type Profile string

// The profiles.
const (
	Frugal     Profile = "frugal" // at most half of what Home Assistant's integration spends
	Fresh      Profile = "fresh"  // what the quota allows, as far as it makes values fresher
	FixedTable Profile = "fixed"  // the table
)

// price is the price of a call: the seconds of wrong values, times their weight, that
// a read must be expected to save. It rises when more was spent than planned, and falls
// when less was.
type price struct {
	profile Profile
	now     float64
	usual   float64 // what it settled at
	perDay  float64 // calls that may be spent
	queue   float64 // calls spent beyond the plan
	at      time.Time
	core    float64 // calls a day that Home Assistant's integration would spend
	rate    float64 // calls a second, lately
	scarce  float64 // by how much today's ledger makes it dearer
}

// What the prices are tuned to: see docs/polling.md.
const (
	frugalShare = 0.485 // of the calls of Home Assistant's integration
	frugalPrice = 12.0
	freshPrice  = 1.2
	freshFloor  = 0.5
	usualDays   = 3.0
	lately      = 1800.0
	landing     = 0.985 // share of the budget that is planned
)

// coreIntervals is the table of Home Assistant's integration, seconds: the measure of
// frugality.
var coreIntervals = map[volvo.Resource]float64{
	volvo.Doors: 60, volvo.Windows: 60, volvo.EngineState: 120, volvo.Statistics: 120, volvo.EnergyState: 120, volvo.Fuel: 120, volvo.Brakes: 900, volvo.EngineWarnings: 900,
	volvo.Odometer: 900, volvo.Position: 900, volvo.CommandAccessibility: 1800, volvo.Diagnostics: 1800, volvo.Tyres: 1800, volvo.Warnings: 1800,
}

func newPrice(profile Profile) price {
	p := price{profile: profile, usual: frugalPrice, scarce: 1}
	if profile == Fresh {
		p.usual = freshPrice
	}
	p.now = p.usual
	return p
}

// begin guesses the price of a first start: with many cars on a key calls are dear from
// the first hour on.
func (p *price) begin() {
	if !p.at.IsZero() || p.perDay <= 0 || p.style() != Frugal {
		return
	}
	crowd := max(1, p.core*frugalShare/p.perDay)
	p.usual = max(p.usual, frugalPrice*crowd*crowd)
	p.now = p.usual
}

// spend counts a call.
func (p *price) spend() {
	p.queue++
	p.rate += 1 / lately
	if p.perDay > 0 { // what calls were bought at settles the usual price
		p.usual *= math.Pow(p.now/p.usual, 1/(usualDays*p.perDay))
	}
}

// pass moves the price on.
func (p *price) pass(now time.Time) {
	if p.at.IsZero() || now.Before(p.at) {
		p.at = now
	}
	passed := seconds(now.Sub(p.at))
	if passed < 1 || p.perDay <= 0 {
		return
	}
	p.at = now
	p.queue = max(p.queue-p.perDay*passed/86400, -p.perDay*p.thrift())
	p.rate *= math.Exp(-passed / lately)
	p.now = p.usual * math.Exp(min(6, p.queue/(p.elastic()*p.perDay)))
	p.now *= p.scarce
	if p.style() == Fresh {
		p.now = max(p.now, freshFloor)
	}
}

// elastic is the share of a day's calls that changes the price by e.
func (p *price) elastic() float64 {
	if p.style() == Fresh {
		return 0.25
	}
	return 0.35
}

// thrift is how much of a day's calls may be saved up.
func (p *price) thrift() float64 {
	if p.style() == Fresh {
		return 0.15
	}
	return 0.5
}

// ledger takes what is left of today: when it would not last, calls get dearer.
func (p *price) ledger(left float64, rest time.Duration) {
	const soon = 6 * 3600.0
	whole := seconds(rest)
	near := min(whole, soon)
	need := p.rate*near + p.perDay*(whole-near)/86400
	p.scarce = max(1, min(1000, math.Pow(need/max(left, 1), 2)))
}

// gaps are the longest waits for what people wait for, in seconds, by what the car does.
// They hold at usual prices; dearer calls lengthen them.
type gaps struct{ rest, plugged, active, driving float64 }

var longestGaps = map[Profile]map[volvo.Resource]gaps{
	Frugal: {volvo.Doors: {rest: 56, plugged: 56, active: 36}, volvo.EngineState: {driving: 80}, volvo.EnergyState: {plugged: 150, active: 52}},
	Fresh:  {volvo.Doors: {rest: 15, plugged: 15, active: 10, driving: 40}, volvo.EngineState: {rest: 110, plugged: 110, active: 30, driving: 30}, volvo.EnergyState: {rest: 42, plugged: 36, active: 30}},
}

// dear is the price from which on the gaps of a profile get longer.
var dear = map[Profile]float64{Frugal: 60, Fresh: 6}

// gap is the longest wait for a resource in a situation, 0 when there is none: it is
// looked at then even when a read is not expected to pay.
func (p *price) gap(r volvo.Resource, s situation) time.Duration {
	gap := p.gapOf(p.style(), r, s)
	if p.style() == Fresh { // no longer than the frugal profile's
		if frugal := p.gapOf(Frugal, r, s); frugal > 0 {
			gap = min(gap, frugal)
		}
	}
	return duration(gap)
}

// style is the profile that fits: where a key has so many cars that the budget is hardly
// more than the frugal profile's, fresh gaps would eat it up.
func (p *price) style() Profile {
	if p.profile == Fresh && p.core*frugalShare > 0.75*p.perDay {
		return Frugal
	}
	return p.profile
}

func (p *price) gapOf(profile Profile, r volvo.Resource, s situation) float64 {
	g := longestGaps[profile][r]
	over := max(1, p.now/dear[profile])
	switch s {
	case drivingBeat, drivingFree:
		return g.driving * over
	case left:
		return g.rest * math.Sqrt(over)
	case plugged, chargingUp, chargingBeat:
		if r == volvo.EnergyState {
			return g.plugged * math.Sqrt(over)
		}
		return g.plugged * over
	case stirring, stirred, arrived, settling:
		return g.active * math.Sqrt(max(1, over/3))
	}
	return g.rest * over
}
