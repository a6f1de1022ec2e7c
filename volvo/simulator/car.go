package simulator

import (
	"math"
	"math/rand/v2"
	"slices"
	"time"
)

// Kind is a drivetrain.
type Kind int

// The three kinds of car.
const (
	BEV Kind = iota
	PHEV
	Petrol
)

// model is what does not change about a car.
type model struct {
	name, fuelType, colour string
	year                   int
	capacity               float64 // kWh
	perKmElectric          float64 // kWh
	perKmFuel              float64 // l
	tank                   float64 // l
	charger                float64 // kW
	limit                  int     // A
	target                 float64 // % to charge to
	rangeUnit              string  // of the energy API
	commands               []string
}

var common = []string{"LOCK_REDUCED_GUARD", "LOCK", "UNLOCK", "HONK", "HONK_AND_FLASH", "FLASH", "CLIMATIZATION_START", "CLIMATIZATION_STOP"}

var models = map[Kind]model{
	BEV: {name: "EX30", fuelType: "NONE", colour: "Moss Yellow", year: 2025, capacity: 66, perKmElectric: 0.175,
		charger: 11, limit: 16, target: 90, rangeUnit: "km", commands: common},
	PHEV: {name: "XC60", fuelType: "PETROL/ELECTRIC", colour: "Crystal White", year: 2023, capacity: 18.819, perKmElectric: 0.21,
		perKmFuel: 0.066, tank: 71, charger: 3.6, limit: 16, target: 100, rangeUnit: "miles", commands: common},
	Petrol: {name: "XC90", fuelType: "PETROL", colour: "Onyx Black", year: 2019, perKmFuel: 0.089, tank: 71,
		commands: slices.Concat(common, []string{"ENGINE_START", "ENGINE_STOP"})},
}

// State is all that is true of a car at a moment.
type State struct {
	Locked                        bool
	Doors, Windows                [4]bool // open: front left, front right, rear left, rear right
	Hood, Tailgate, TankLid, Roof bool
	Driving                       bool
	Engine                        bool // running, by the driver or by remote start
	Odometer                      float64
	Fuel, Battery                 float64 // l, kWh
	Plugged                       bool
	Charging                      bool
	Power                         float64 // kW into the battery
	Latitude, Longitude, Heading  float64
	Tyre, Lamp, Washer            bool // something is wrong
	Asleep                        bool
	Climate                       bool
	TripKm, TripHours             float64 // automatic trip meter
	TripFuel, TripEnergy          float64
	ManualKm, ManualHours         float64
	ManualFuel, ManualEnergy      float64
}

// Trip is a drive that ended.
type Trip struct {
	Start, End time.Time
	Km         float64
}

// Totals are what went in and out since the beginning.
type Totals struct {
	Charged, Used   float64 // kWh
	Fuelled, Burned float64 // l
}

// Event is something that happened to a car, for those who need no cloud.
type Event struct {
	At       time.Time
	What     string // unlocked, door_opened, driving, parked, ...
	Resource string // of the API, where it shows
}

// upload is what the cloud knows of a resource.
type upload struct {
	state State
	at    time.Time
}

// Car is a car that lives: from a seed, on its own clock, the same each time.
type Car struct {
	VIN  string
	Kind Kind
	model
	State

	Trips  []Trip
	Totals Totals

	rng     *rand.Rand
	now     time.Time
	planned time.Time // days are planned up to here
	queue   []event
	drive   *drive
	idle    time.Time // last used
	away    time.Time // on holiday until
	uploads map[string]upload
	told    time.Time // last upload of what moves
	home    point
	work    point
	shop    point
	engine  time.Time // remote start ends
	climate time.Time
	stretch float64 // car time per second of a person's, for what a person set
	twoStep bool
	watch   func(Event)
}

type event struct {
	at   time.Time
	what func(*Car)
}

type point struct{ lat, lon float64 }

// NewCar returns a car that stands at home, unlocked, at the given time.
func NewCar(kind Kind, vin string, seed uint64, now time.Time) *Car {
	c := &Car{VIN: vin, Kind: kind, model: models[kind], rng: rand.New(rand.NewPCG(seed, uint64(kind)+1)), now: now, idle: now,
		planned: now.Truncate(24 * time.Hour), uploads: map[string]upload{}, stretch: 1}
	c.home = point{57.7089 + c.jitter(0.04), 11.9746 + c.jitter(0.08)}
	c.work = point{c.home.lat + c.jitter(0.12), c.home.lon + 0.05 + c.jitter(0.1)}
	c.shop = point{c.home.lat + c.jitter(0.05), c.home.lon + c.jitter(0.06)}
	c.Odometer = math.Round(5000 + 60000*c.rng.Float64())
	c.Fuel, c.Battery = c.tank*(0.4+0.5*c.rng.Float64()), c.capacity*(0.45+0.25*c.rng.Float64())
	c.Latitude, c.Longitude = c.home.lat, c.home.lon
	c.ManualKm, c.ManualHours = 812.4, 19
	c.ManualFuel, c.ManualEnergy = 812.4*c.perKmFuel, 812.4*c.perKmElectric
	if c.Kind == PHEV {
		c.ManualFuel /= 2
	}
	c.Upload(everything...)
	return c
}

func (c *Car) jitter(most float64) float64 { return (c.rng.Float64()*2 - 1) * most }

// Now returns the car's own time.
func (c *Car) Now() time.Time { return c.now }

// Watch has f called with every event.
func (c *Car) Watch(f func(Event)) { c.watch = f }

func (c *Car) tell(what, resource string) {
	if c.watch != nil {
		c.watch(Event{c.now, what, resource})
	}
}

// after plans something.
func (c *Car) after(d time.Duration, what func(*Car)) { c.at(c.now.Add(d), what) }

func (c *Car) at(t time.Time, what func(*Car)) {
	i := len(c.queue)
	for i > 0 && c.queue[i-1].at.After(t) {
		i--
	}
	c.queue = slices.Insert(c.queue, i, event{t, what})
}

const step = 10 * time.Second // of a car that moves or charges

// Advance lets the car live until a time; an earlier one changes nothing. A car
// that moves or charges does so in whole steps, so that its life does not depend
// on when somebody looked.
func (c *Car) Advance(to time.Time) {
	for c.now.Before(to) {
		for c.planned.Before(c.now.Add(24 * time.Hour)) {
			c.planDay()
		}
		next := c.planned.Add(-24 * time.Hour) // to plan the next day
		if !next.After(c.now) {
			next = c.now.Add(24 * time.Hour)
		}
		if c.busy() {
			next = c.now.Truncate(step).Add(step)
			if next.After(to) {
				return
			}
		}
		if len(c.queue) > 0 && c.queue[0].at.Before(next) {
			next = c.queue[0].at
		}
		if next.After(to) {
			next = to
		}
		if next.After(c.now) {
			c.flow(next.Sub(c.now))
			c.now = next
		}
		for len(c.queue) > 0 && !c.queue[0].at.After(c.now) {
			what := c.queue[0].what
			c.queue = c.queue[1:]
			what(c)
		}
		c.report()
	}
}

// busy tells whether something flows.
func (c *Car) busy() bool { return c.drive != nil || c.Charging || c.Engine || c.Climate }

// flow moves what moves, for a moment.
func (c *Car) flow(d time.Duration) {
	hours := d.Hours()
	if c.drive != nil {
		c.roll(hours)
	}
	if c.Charging {
		c.charge(hours)
	}
	if c.drive == nil && c.Engine {
		c.burn(0.8 * hours / c.stretch) // idling
	}
	if c.Climate && c.capacity > 0 {
		c.use(math.Min(1.2*hours/c.stretch, math.Max(0, c.Battery-0.1*c.capacity)))
	}
}

func (c *Car) use(kWh float64) { c.Battery -= kWh; c.Totals.Used += kWh }
func (c *Car) burn(l float64) {
	l = math.Min(l, c.Fuel)
	c.Fuel -= l
	c.Totals.Burned += l
}

// charge follows the usual curve: full power to 80 %, then less and less.
func (c *Car) charge(hours float64) {
	level := c.Battery / c.capacity
	c.Power = c.charger
	if level > 0.8 {
		c.Power *= 1 - 0.7*(level-0.8)/0.2
	}
	goal := c.capacity * c.target / 100
	kWh := math.Min(c.Power*hours, goal-c.Battery)
	c.Battery += kWh
	c.Totals.Charged += kWh
	if c.Battery >= goal-1e-9 {
		c.Charging, c.Power = false, 0
		c.tell("charged", "energy")
		c.Upload("energy", "fuel", "statistics")
	}
}

// report uploads what moves, every few minutes, and falls asleep after days.
func (c *Car) report() {
	if c.busy() && c.now.Sub(c.told) >= 4*time.Minute {
		c.told = c.now
		c.Upload("odometer", "fuel", "statistics", "energy", "engine-status", "command-accessibility")
	}
	if !c.Asleep && c.drive == nil && !c.Charging && c.now.Sub(c.idle) > 84*time.Hour {
		c.Asleep = true
		c.tell("asleep", "command-accessibility")
		c.Upload("command-accessibility")
	}
}

var everything = []string{"doors", "windows", "engine-status", "engine", "fuel", "odometer", "diagnostics", "brakes", "tyres", "warnings",
	"statistics", "command-accessibility", "energy", "location"}

// Upload tells the cloud how some resources are now.
func (c *Car) Upload(resources ...string) {
	for _, r := range resources {
		c.uploads[r] = upload{c.State, c.now}
	}
}
