package simulator

import (
	"math"
	"time"
)

// drive is a trip under way.
type drive struct {
	path  []point
	km    []float64 // along the path
	done  float64
	start time.Time
	goal  string // work, shop or home
}

// planDay plans one more day: to work and back, a trip on a free day, sometimes a
// holiday, now and then a mishap.
func (c *Car) planDay() {
	day := c.planned
	c.planned = day.Add(24 * time.Hour)
	clock := func(hour float64, spread float64) time.Time {
		return day.Add(time.Duration((hour + c.jitter(spread)) * float64(time.Hour)))
	}
	if day.Before(c.away) {
		return
	}
	if c.chance(0.04) {
		c.away = day.Add(time.Duration(5+c.rng.IntN(3)) * 24 * time.Hour)
		return
	}
	if weekday := day.Weekday(); weekday == time.Saturday || weekday == time.Sunday {
		if c.chance(0.7) {
			out := clock(11, 1.5)
			c.leave(out, "shop")
			c.leave(out.Add(time.Duration(80+c.rng.IntN(60))*time.Minute), "home")
		}
	} else {
		c.leave(clock(7.9, 0.4), "work")
		c.leave(clock(16.6, 0.6), "home")
		if c.chance(0.25) {
			out := clock(19, 0.3)
			c.leave(out, "shop")
			c.leave(out.Add(time.Duration(50+c.rng.IntN(30))*time.Minute), "home")
		}
	}
	c.mishaps(clock)
}

func (c *Car) chance(p float64) bool { return c.rng.Float64() < p }

// mishaps: a tyre loses air, washer fluid runs low, a lamp fails; each is mended
// some days later.
func (c *Car) mishaps(clock func(float64, float64) time.Time) {
	for _, m := range []struct {
		chance float64
		days   int
		what   *bool
		name   string
		where  string
	}{
		{0.06, 2, &c.Tyre, "tyre_low", "tyres"}, {0.05, 3, &c.Washer, "washer_low", "diagnostics"}, {0.02, 4, &c.Lamp, "lamp_failed", "warnings"},
	} {
		if !c.chance(m.chance) {
			continue
		}
		at := clock(12, 6)
		if at.Before(c.now) {
			continue
		}
		c.at(at, func(c *Car) { *m.what = true; c.tell(m.name, m.where); c.Upload(m.where) })
		c.at(at.Add(time.Duration(m.days)*24*time.Hour), func(c *Car) { *m.what = false; c.tell(m.name+"_mended", m.where); c.Upload(m.where) })
	}
}

// leave plans a departure, with all that a person does before.
func (c *Car) leave(at time.Time, goal string) {
	if at.Before(c.now) {
		return
	}
	c.at(at, func(c *Car) {
		if c.drive != nil || !c.enough(goal) || c.distance(goal) < 0.3 {
			return // under way, too far, or there already
		}
		c.wake()
		c.setLock(false)
		// Somebody loads the car: long enough to be seen at thirty times the speed.
		if c.Plugged {
			c.after(time.Minute, func(c *Car) { c.plug(false) })
		}
		c.after(time.Minute, func(c *Car) { c.setDoor(0, true) })
		c.after(7*time.Minute, func(c *Car) { c.setDoor(0, false); c.setWindow(1, false) })
		c.after(8*time.Minute, func(c *Car) { c.depart(goal) })
	})
}

func (c *Car) goal(name string) point {
	switch name {
	case "work":
		return c.work
	case "shop":
		return c.shop
	}
	return c.home
}

// distance is the way as the crow flies, km.
func (c *Car) distance(goal string) float64 {
	return between(point{c.Latitude, c.Longitude}, c.goal(goal))
}

// enough: nobody leaves who would not arrive. An electric car is plugged in
// instead.
func (c *Car) enough(goal string) bool {
	if c.Kind != BEV || c.Battery > 0.06*c.capacity+2*c.distance(goal)*c.perKmElectric {
		return true
	}
	if !c.Plugged {
		c.plug(true)
	}
	return false
}

func (c *Car) wake() {
	c.idle = c.now
	if c.Asleep {
		c.Asleep = false
		c.tell("awake", "command-accessibility")
		c.Upload("command-accessibility")
	}
}

func (c *Car) setLock(locked bool) {
	if c.Locked == locked {
		return
	}
	c.Locked = locked
	c.tell(map[bool]string{true: "locked", false: "unlocked"}[locked], "doors")
	c.Upload("doors")
}

func (c *Car) setDoor(i int, open bool) {
	if c.drive != nil && open || c.Doors[i] == open {
		return
	}
	c.Doors[i] = open
	c.tell(map[bool]string{true: "door_opened", false: "door_closed"}[open], "doors")
	c.Upload("doors")
}

func (c *Car) setWindow(i int, open bool) {
	if c.Windows[i] == open {
		return
	}
	c.Windows[i] = open
	c.tell(map[bool]string{true: "window_opened", false: "window_closed"}[open], "windows")
	c.Upload("windows")
}

// plug connects or disconnects the cable; charging begins by itself.
func (c *Car) plug(in bool) {
	if c.capacity == 0 || c.Plugged == in || c.drive != nil {
		return
	}
	c.Plugged = in
	c.Charging = in && c.Battery < c.capacity*c.target/100-0.05
	c.Power = 0
	if c.Charging {
		c.Power = c.charger
	}
	c.tell(map[bool]string{true: "plugged_in", false: "unplugged"}[in], "energy")
	c.Upload("energy", "fuel", "statistics")
}

// depart begins the drive. A lock from afar that came in between is undone by
// whoever sits inside.
func (c *Car) depart(goal string) {
	if c.drive != nil {
		return
	}
	c.plug(false)
	c.setLock(false)
	for i := range c.Doors {
		c.setDoor(i, false)
	}
	c.Tailgate, c.TankLid = false, false
	c.Climate, c.engine = false, time.Time{}
	c.drive = c.route(goal)
	c.Driving, c.Engine = true, true
	if c.now.Sub(c.idle) > 4*time.Hour || c.TripKm > 0 && c.chance(0.5) {
		c.TripKm, c.TripHours, c.TripFuel, c.TripEnergy = 0, 0, 0, 0
	}
	c.told = c.now
	c.tell("driving", "engine-status")
	c.Upload("engine-status", "command-accessibility", "doors", "windows", "statistics")
}

// route makes a way that bends as roads do.
func (c *Car) route(goal string) *drive {
	from, to := point{c.Latitude, c.Longitude}, c.goal(goal)
	const legs = 40
	d := &drive{path: []point{from}, km: []float64{0}, start: c.now, goal: goal}
	bend, wave := c.jitter(0.15), c.rng.Float64()*6
	for i := 1; i <= legs; i++ {
		f := float64(i) / legs
		side := math.Sin(math.Pi*f) * (bend + 0.03*math.Sin(12*f+wave))
		p := point{from.lat + (to.lat-from.lat)*f + (to.lon-from.lon)*side/2, from.lon + (to.lon-from.lon)*f - (to.lat-from.lat)*side*2}
		d.km = append(d.km, d.km[i-1]+between(d.path[i-1], p))
		d.path = append(d.path, p)
	}
	return d
}

// between is the distance of two near points, km.
func between(a, b point) float64 {
	const perDegree = 111.2
	return perDegree * math.Hypot(b.lat-a.lat, (b.lon-a.lon)*math.Cos(a.lat*math.Pi/180))
}

// speed, km/h, is lower at both ends of a way.
func (d *drive) speed() float64 {
	total := d.km[len(d.km)-1]
	f := d.done / math.Max(total, 0.1)
	return 28 + 110*f*(1-f) + 6*math.Sin(d.done*3)
}

// roll drives on for a moment.
func (c *Car) roll(hours float64) {
	d := c.drive
	total := d.km[len(d.km)-1]
	km := math.Min(d.speed()*hours, total-d.done)
	d.done += km
	c.Odometer += km
	c.TripKm, c.TripHours = c.TripKm+km, c.TripHours+hours
	c.ManualKm, c.ManualHours = c.ManualKm+km, c.ManualHours+hours
	if electricKm := c.electricKm(km); electricKm > 0 {
		c.use(electricKm * c.perKmElectric)
		c.TripEnergy += electricKm * c.perKmElectric
		c.ManualEnergy += electricKm * c.perKmElectric
		km -= electricKm
	}
	if km > 0 && c.tank > 0 {
		c.burn(km * c.perKmFuel)
		c.TripFuel += km * c.perKmFuel
		c.ManualFuel += km * c.perKmFuel
	}
	i := 1
	for i < len(d.km)-1 && d.km[i] < d.done {
		i++
	}
	a, b := d.path[i-1], d.path[i]
	f := math.Min(1, (d.done-d.km[i-1])/math.Max(1e-9, d.km[i]-d.km[i-1]))
	c.Latitude, c.Longitude = a.lat+(b.lat-a.lat)*f, a.lon+(b.lon-a.lon)*f
	c.Heading = math.Mod(math.Atan2((b.lon-a.lon)*math.Cos(a.lat*math.Pi/180), b.lat-a.lat)*180/math.Pi+360, 360)
	if d.done >= total-1e-9 {
		c.after(0, func(c *Car) { c.arrive() })
	}
}

// electricKm is how much of a way the battery drives.
func (c *Car) electricKm(km float64) float64 {
	switch c.Kind {
	case BEV:
		return km
	case PHEV:
		return math.Min(km, math.Max(0, (c.Battery-0.12*c.capacity)/c.perKmElectric))
	}
	return 0
}

// arrive ends the drive, with all that a person does then.
func (c *Car) arrive() {
	d := c.drive
	if d == nil {
		return
	}
	c.Trips = append(c.Trips, Trip{d.start, c.now, d.done})
	c.drive = nil
	c.Driving, c.Engine, c.idle = false, false, c.now
	c.tell("parked", "engine-status")
	c.Upload(everything...)
	c.after(30*time.Second, func(c *Car) { c.setDoor(0, true) })
	c.after(6*time.Minute, func(c *Car) { c.setDoor(0, false) })
	if c.chance(0.06) {
		c.after(2*time.Minute, func(c *Car) { c.setWindow(1, true) })
	}
	if c.tank > 0 && c.Fuel < 12 {
		c.after(3*time.Minute, func(c *Car) { c.refuel() })
	}
	if !c.chance(0.05) { // forgotten now and then
		c.after(8*time.Minute, func(c *Car) {
			if c.drive == nil {
				c.setLock(true)
			}
		})
	}
	if d.goal == "home" || d.goal == "work" {
		c.after(9*time.Minute, func(c *Car) { c.plug(true) })
	}
}

func (c *Car) refuel() {
	l := c.tank*0.95 - c.Fuel
	if c.drive != nil || l <= 0 {
		return
	}
	c.TankLid = true
	c.Upload("doors")
	c.after(2*time.Minute, func(c *Car) {
		c.Fuel += l
		c.Totals.Fuelled += l
		c.TankLid = false
		c.tell("refuelled", "fuel")
		c.Upload("doors", "fuel", "statistics")
	})
}

// Do runs a command as the car does, at once. It returns false for one that the
// car does not have.
func (c *Car) Do(command string, minutes int) bool {
	switch command {
	case "LOCK", "LOCK_REDUCED_GUARD":
		c.setLock(true)
	case "UNLOCK":
		if !c.twoStep {
			c.setLock(false)
		}
	case "ENGINE_START":
		c.remoteEngine(time.Duration(minutes) * time.Minute)
	case "ENGINE_STOP":
		c.stopEngine()
	case "CLIMATIZATION_START":
		c.Climate = true
		c.climate = c.now.Add(time.Duration(30 * c.stretch * float64(time.Minute)))
		c.at(c.climate, func(c *Car) { c.Climate = c.Climate && c.now.Before(c.climate) })
		c.tell("climate_on", "")
	case "CLIMATIZATION_STOP":
		c.Climate = false
		c.tell("climate_off", "")
	case "HONK", "FLASH", "HONK_AND_FLASH":
		c.tell(command, "")
	default:
		return false
	}
	return true
}

func (c *Car) remoteEngine(d time.Duration) {
	c.Engine = true
	c.engine = c.now.Add(time.Duration(float64(d) * c.stretch))
	c.tell("engine_started", "engine-status")
	c.Upload("engine-status")
	c.at(c.engine, func(c *Car) {
		if c.drive == nil && !c.now.Before(c.engine) {
			c.stopEngine()
		}
	})
}

func (c *Car) stopEngine() {
	if c.drive != nil || !c.Engine {
		return
	}
	c.Engine, c.engine = false, time.Time{}
	c.tell("engine_stopped", "engine-status")
	c.Upload("engine-status", "fuel")
}

// Open opens a door from outside a plan, for tests: a hand on the handle.
func (c *Car) Open(door int, open bool) { c.setDoor(door, open) }
