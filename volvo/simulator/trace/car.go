package trace

import (
	"math"
	"math/rand/v2"
	"slices"
	"sort"
	"strconv"
	"time"
)

// start is a Monday at midnight.
var start = time.Date(2026, 3, 2, 0, 0, 0, 0, time.UTC)

// Cloud is how a car reports: seconds that uploads take and seconds between them.
type Cloud struct {
	Standing [2]float64 // from an event to its being visible, standing
	Driving  [2]float64 // the same while driving
	Every    float64    // between uploads while driving; 0: silent until the end
	Charging float64    // between uploads while charging
	Hourly   bool       // an old platform: standing, it uploads once an hour only
	Use      bool       // command-accessibility tells that the car is in use
}

// car writes the uploads of one car while its days are told to it.
type car struct {
	trace *Trace
	rng   *rand.Rand
	cloud Cloud
	truth map[string]map[string]string // what the car knows, by resource
	sent  map[string]map[string]string // what it uploaded
	units map[string][]string          // the order of the fields

	odometer, trip, service float64
	battery, fuel           float64 // %, l
	speed, consumption      float64
	plugged                 bool
	x, y                    float64
	changed                 float64 // the last event, for long_parked
	phase                   string
}

func (c *car) between(span [2]float64) float64 {
	return span[0] + c.rng.Float64()*(span[1]-span[0])
}

func (c *car) chance(p float64) bool { return c.rng.Float64() < p }

// set notes what the car knows.
func (c *car) set(resource, field, text string) {
	if c.truth[resource] == nil {
		c.truth[resource] = map[string]string{}
	}
	if _, known := c.truth[resource][field]; !known {
		c.units[resource] = append(c.units[resource], field)
	}
	c.truth[resource][field] = text
}

func (c *car) number(resource, field string, x, step float64) {
	c.set(resource, field, strconv.FormatFloat(math.Round(x/step)*step, 'f', decimals(step), 64))
}

func decimals(step float64) int {
	if step < 1 {
		return 1
	}
	return 0
}

// upload makes what the car knows of resources visible a while after at.
func (c *car) upload(at, delay float64, resources ...string) {
	if at >= c.trace.End() {
		return
	}
	for _, r := range resources {
		if !slices.Contains(c.trace.Resources, r) {
			continue
		}
		u := Upload{T: math.Round((at+delay)*10) / 10, At: math.Floor(at), Resource: r}
		if c.sent[r] == nil {
			c.sent[r] = map[string]string{}
		}
		for _, f := range c.units[r] {
			if text := c.truth[r][f]; text != c.sent[r][f] || at == 0 {
				u.Set = append(u.Set, Value{Field: f, Text: text})
				c.sent[r][f] = text
			}
		}
		c.trace.Uploads = append(c.trace.Uploads, u)
	}
}

// event is an upload of one resource at a moment that a person made.
func (c *car) event(at float64, resource string) {
	c.changed = at
	if c.cloud.Hourly {
		return // the next hourly upload tells it
	}
	c.upload(at, c.between(c.cloud.Standing), resource)
}

func (c *car) everything(at, delay float64) {
	c.upload(at, delay, slices.DeleteFunc(slices.Clone(c.trace.Resources), func(r string) bool { return r == "location" })...)
}

func (c *car) enter(at float64, phase string) {
	if phase != c.phase {
		c.phase = phase
		c.trace.Phases = append(c.trace.Phases, Phase{at, phase})
	}
}

// rest is time that passes without anybody: hourly uploads, a battery that cools,
// and the phases that follow from waiting.
func (c *car) rest(from, to float64) {
	if c.phase == "just_parked" && from+600 < to {
		c.enter(from+600, "parked")
	}
	if at := max(c.changed+Day, from+600); at < to && c.phase == "parked" {
		c.enter(at, "long_parked")
	}
	for at := from + 3600*(0.5+c.rng.Float64()); c.cloud.Hourly && at < to; at += 3600 {
		c.everything(at, c.between(c.cloud.Standing))
	}
	for at := from + 3600*(2+8*c.rng.Float64()); !c.cloud.Hourly && at < to; at += 3600 * (3 + 20*c.rng.Float64()) {
		if c.trace.Kind != "petrol" && c.chance(0.3) {
			c.energy(-0.7)
		}
		c.upload(at, c.between(c.cloud.Standing), "energy", "statistics")
	}
}

// energy adds per cent to the battery, and what follows from it.
func (c *car) energy(add float64) {
	if c.trace.Kind == "petrol" {
		return
	}
	c.battery = min(100, max(5, c.battery+add))
	c.number("energy", "batteryChargeLevel", c.battery, 1)
	c.number("energy", "electricRange", c.battery*3.7, 1)
	c.number("statistics", "distanceToEmptyBattery", c.battery*3.7, 1)
}

// walk is somebody at the car: unlocked, so many doors opened and closed, locked again.
// It returns when that is done.
func (c *car) walk(at float64, doors int, unlock, lock bool) float64 {
	names := []string{"frontLeftDoor", "rearLeftDoor", "frontRightDoor", "tailgate", "rearRightDoor"}
	if unlock {
		c.set("doors", "centralLock", "UNLOCKED")
		c.event(at, "doors")
		at += 3 + 12*c.rng.Float64()
	}
	for i := range doors {
		name := names[i%len(names)]
		c.set("doors", name, "OPEN")
		c.event(at, "doors")
		open := 8 + 25*c.rng.Float64()
		if c.chance(0.1) {
			open += 120 * c.rng.Float64()
		}
		at += open
		c.set("doors", name, "CLOSED")
		c.event(at, "doors")
		at += 4 + 14*c.rng.Float64()
	}
	if lock {
		c.set("doors", "centralLock", "LOCKED")
		c.event(at, "doors")
		at += 2
	}
	return at
}

// drive is a trip of so many seconds that begins at a time; it returns its end.
func (c *car) drive(at, seconds, kmh float64) float64 {
	end := at + seconds
	c.changed = at
	c.trip, c.speed = 0, kmh*0.3
	c.set("engine-status", "engineStatus", "RUNNING")
	if c.cloud.Use {
		c.set("command-accessibility", "availabilityStatus", "UNAVAILABLE/CAR_IN_USE")
	}
	c.move(20, kmh*0.3)
	delay := c.between(c.cloud.Driving)
	c.everything(at, delay)
	c.enter(at+delay, "driving")
	last := at
	for next := at + c.cloud.Every*(0.97+0.06*c.rng.Float64()); c.cloud.Every > 0 && next < end-20; next += c.cloud.Every * (0.97 + 0.06*c.rng.Float64()) {
		c.move(next-last, kmh*(0.8+0.4*c.rng.Float64()))
		last = next
		c.upload(next, c.between(c.cloud.Driving), "odometer", "statistics", "energy", "fuel", "engine-status")
		if c.chance(0.12) {
			c.number("diagnostics", "distanceToService", c.service-c.odometer, 10)
			c.upload(next, c.between(c.cloud.Driving), "diagnostics")
		}
	}
	c.move(end-last, kmh)
	c.set("engine-status", "engineStatus", "STOPPED")
	c.set("command-accessibility", "availabilityStatus", "AVAILABLE")
	c.number("diagnostics", "distanceToService", c.service-c.odometer, 10)
	if c.chance(0.02) {
		c.set("tyres", "rearLeft", pick(c.chance(0.5), "LOW_PRESSURE", "NO_WARNING"))
	}
	if c.chance(0.02) {
		c.set("diagnostics", "washerFluidLevelWarning", pick(c.chance(0.5), "TOO_LOW", "NO_WARNING"))
	}
	delay = c.between(c.cloud.Driving)
	c.changed = end
	c.everything(end, delay)
	c.enter(end+delay, "just_parked")
	c.set("location", "position", strconv.FormatFloat(57+c.x/100, 'f', 5, 64)+","+strconv.FormatFloat(12+c.y/100, 'f', 5, 64))
	c.number("location", "heading", float64(c.rng.IntN(360)), 1)
	c.upload(end+5+20*c.rng.Float64(), delay, "location")
	return end
}

func pick(first bool, a, b string) string {
	if first {
		return a
	}
	return b
}

// move is some seconds of driving.
func (c *car) move(seconds, kmh float64) {
	km := kmh * seconds / 3600
	c.odometer, c.trip = c.odometer+km, c.trip+km
	c.x, c.y = c.x+km*(c.rng.Float64()-0.5), c.y+km*(c.rng.Float64()-0.5)
	c.speed += (kmh - c.speed) * min(1, seconds/600)
	c.number("odometer", "odometer", c.odometer, 1)
	c.number("statistics", "averageSpeedAutomatic", c.speed, 1)
	c.number("statistics", "tripMeterManual", math.Mod(c.odometer, 1000), 0.1)
	c.number("statistics", "tripMeterAutomatic", c.trip, 0.1)
	c.consumption += (c.rng.Float64() - 0.5) * 0.3
	if c.trace.Kind != "bev" {
		burn := km * 0.07
		if c.trace.Kind == "phev" && c.battery > 10 {
			burn /= 12
		}
		c.fuel -= burn
		if c.fuel < 8 {
			c.fuel = 60
		}
		c.number("fuel", "fuelAmount", c.fuel, 0.1)
		c.number("statistics", "distanceToEmptyTank", c.fuel*13, 1)
		c.number("statistics", "averageFuelConsumptionAutomatic", 7+c.consumption, 0.1)
	}
	if c.trace.Kind != "petrol" {
		c.number("statistics", "averageEnergyConsumptionAutomatic", 17+c.consumption, 0.1)
		c.energy(-km * map[string]float64{"bev": 0.27, "phev": 1.1}[c.trace.Kind])
	}
}

// plug puts the cable in or takes it out.
func (c *car) plug(at float64, in bool) {
	c.plugged = in
	c.set("energy", "chargerConnectionStatus", pick(in, "CONNECTED", "DISCONNECTED"))
	if !in {
		c.set("energy", "chargingStatus", "IDLE")
		c.set("energy", "chargerPowerStatus", "NO_POWER_AVAILABLE")
	}
	c.event(at, "energy")
	if in {
		c.enter(at+c.cloud.Standing[1], "plugged_in")
	} else {
		c.enter(at+c.cloud.Standing[1], "parked")
	}
}

// charge charges until the car is full or somebody comes; it returns the end.
func (c *car) charge(at, until, kw float64) float64 {
	perHour := kw / map[string]float64{"bev": 0.75, "phev": 0.18}[c.trace.Kind]
	c.set("energy", "chargingStatus", "CHARGING")
	c.set("energy", "chargerPowerStatus", "PROVIDING_POWER")
	c.set("energy", "chargingType", "AC")
	c.number("energy", "chargingPower", kw*1000, 100)
	c.event(at, "energy")
	c.enter(at+c.cloud.Standing[1], "charging")
	end := min(until, at+3600*(90-c.battery)/perHour)
	for last, next := at, at; ; last = next {
		next = min(end, last+c.cloud.Charging*(0.98+0.04*c.rng.Float64()))
		c.energy(perHour * (next - last) / 3600)
		c.number("energy", "estimatedChargingTimeToTargetBatteryChargeLevel", max(0, (90-c.battery)/perHour*60), 1)
		if next >= end {
			break
		}
		if !c.cloud.Hourly {
			c.upload(next, c.between(c.cloud.Standing), "energy", "statistics")
		}
	}
	c.set("energy", "chargingStatus", pick(c.battery >= 89.5, "DONE", "IDLE"))
	c.set("energy", "chargerPowerStatus", "NO_POWER_AVAILABLE")
	c.event(end, "energy")
	c.enter(end+c.cloud.Standing[1], "plugged_in")
	return end
}

// newCar returns a car whose first answers are written.
func newCar(name, kind string, seed int64, days float64, cloud Cloud) *car {
	resources := []string{"doors", "windows", "engine-status", "engine", "fuel", "odometer", "diagnostics", "brakes", "tyres", "warnings", "statistics", "command-accessibility", "energy", "location"}
	resources = slices.DeleteFunc(resources, func(r string) bool { return kind == "bev" && r == "fuel" || kind == "petrol" && r == "energy" })
	c := &car{
		trace: &Trace{Header: Header{Format: format, Name: name, Kind: kind, Seed: seed, Days: days, Start: start, Resources: resources, Cloud: cloud.words()}},
		rng:   rand.New(rand.NewPCG(uint64(seed), 12)), cloud: cloud, truth: map[string]map[string]string{}, sent: map[string]map[string]string{}, units: map[string][]string{},
		odometer: 20000, service: 30000, battery: 70, fuel: 40, speed: 30,
	}
	for _, f := range []string{"frontLeftDoor", "frontRightDoor", "rearLeftDoor", "rearRightDoor", "hood", "tailgate", "tankLid"} {
		c.set("doors", f, "CLOSED")
	}
	c.set("doors", "centralLock", "LOCKED")
	for _, f := range []string{"frontLeftWindow", "frontRightWindow", "rearLeftWindow", "rearRightWindow", "sunroof"} {
		c.set("windows", f, "CLOSED")
	}
	for _, f := range []string{"frontLeft", "frontRight", "rearLeft", "rearRight"} {
		c.set("tyres", f, "NO_WARNING")
	}
	for r, fields := range map[string][]string{"engine": {"oilLevelWarning", "engineCoolantLevelWarning"}, "brakes": {"brakeFluidLevelWarning"}, "diagnostics": {"serviceWarning", "washerFluidLevelWarning"}, "warnings": {"lowBeamLeftWarning", "lowBeamRightWarning"}} {
		for _, f := range fields {
			c.set(r, f, "NO_WARNING")
		}
	}
	c.set("engine-status", "engineStatus", "STOPPED")
	c.set("command-accessibility", "availabilityStatus", "AVAILABLE")
	c.set("location", "position", "57.70000,12.00000")
	c.set("location", "heading", "90")
	c.number("diagnostics", "distanceToService", c.service-c.odometer, 10)
	if kind != "petrol" {
		for f, v := range map[string]string{"chargerConnectionStatus": "DISCONNECTED", "chargingStatus": "IDLE", "chargingType": "NONE", "chargerPowerStatus": "NO_POWER_AVAILABLE", "chargingPower": "0", "estimatedChargingTimeToTargetBatteryChargeLevel": "0"} {
			c.set("energy", f, v)
		}
	}
	c.move(0.001, 30)
	c.upload(0, 0, resources...)
	c.enter(0, "parked")
	return c
}

func (c Cloud) words() string {
	n := func(x float64) string { return strconv.FormatFloat(x, 'f', -1, 64) }
	text := "standing " + n(c.Standing[0]) + "-" + n(c.Standing[1]) + " s, driving " + n(c.Driving[0]) + "-" + n(c.Driving[1]) + " s; every " + n(c.Every) + " s driving, " + n(c.Charging) + " s charging"
	if c.Hourly {
		text += "; hourly standing"
	}
	if c.Every == 0 {
		text += "; silent while driving"
	}
	return text
}

// finish sorts the uploads: a late one never goes back behind a newer one.
func (c *car) finish() *Trace {
	t := c.trace
	newest := map[string]float64{}
	for i := range t.Uploads {
		u := &t.Uploads[i]
		u.T = max(u.T, newest[u.Resource])
		newest[u.Resource] = u.T
	}
	sort.SliceStable(t.Uploads, func(i, j int) bool { return t.Uploads[i].T < t.Uploads[j].T })
	t.Uploads = slices.DeleteFunc(t.Uploads, func(u Upload) bool { return u.T >= t.End() })
	sort.SliceStable(t.Phases, func(i, j int) bool { return t.Phases[i].T < t.Phases[j].T })
	t.Phases = slices.DeleteFunc(t.Phases, func(p Phase) bool { return p.T >= t.End() })
	return t
}
