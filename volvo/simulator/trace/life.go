package trace

import (
	"math"
	"slices"
)

// Life is how a car is used and how it reports.
type Life struct {
	Name  string
	Kind  string // bev, phev, petrol
	Cloud Cloud
	plan  func(*car, int) []outing
	doors int  // opened at a departure or an arrival
	plugs bool // at home, after the last outing
	night bool // charges only after 23:00
	kw    float64
	lazy  bool // locks itself a while after it was left
}

// outing is a drive: it begins at a time of the day and takes some seconds.
type outing struct {
	at, seconds, kmh float64
	quick            bool // a stop of a courier: nobody locks the car for long
}

const hour = 3600.0

// Lives are the cars of the benchmark.
func Lives() []Life {
	prompt := Cloud{Standing: [2]float64{2, 8}, Driving: [2]float64{3, 20}, Every: 120, Charging: 180, Use: true}
	fast := Cloud{Standing: [2]float64{1, 5}, Driving: [2]float64{2, 8}, Every: 45, Charging: 120, Use: true}
	slow := Cloud{Standing: [2]float64{15, 45}, Driving: [2]float64{10, 60}, Every: 320, Charging: 300}
	late := Cloud{Standing: [2]float64{5, 120}, Driving: [2]float64{20, 300}, Every: 180, Charging: 300, Use: true}
	silent := Cloud{Standing: [2]float64{2, 10}, Driving: [2]float64{5, 30}, Charging: 240}
	hourly := Cloud{Standing: [2]float64{10, 60}, Driving: [2]float64{10, 60}, Every: 240, Charging: 300, Hourly: true}
	return []Life{
		{Name: "commuter_bev", Kind: "bev", Cloud: prompt, plan: commuter, doors: 1, plugs: true, kw: 11},
		{Name: "weekend_phev", Kind: "phev", Cloud: slow, plan: weekend, doors: 2, plugs: true, kw: 3.6},
		{Name: "family_petrol", Kind: "petrol", Cloud: prompt, plan: family, doors: 4},
		{Name: "airport_week", Kind: "bev", Cloud: fast, plan: airport, doors: 2, plugs: true, kw: 11},
		{Name: "night_charging", Kind: "bev", Cloud: prompt, plan: commuter, doors: 1, plugs: true, night: true, kw: 7.4},
		{Name: "courier", Kind: "bev", Cloud: fast, plan: courier, doors: 1, plugs: true, night: true, kw: 11},
		{Name: "taxi", Kind: "phev", Cloud: prompt, plan: taxi, doors: 2, plugs: true, kw: 3.6},
		{Name: "shift_worker", Kind: "petrol", Cloud: slow, plan: shift, doors: 1, lazy: true},
		{Name: "two_drivers", Kind: "phev", Cloud: prompt, plan: twoDrivers, doors: 2, plugs: true, kw: 3.6},
		{Name: "hourly_old", Kind: "petrol", Cloud: hourly, plan: commuter, doors: 1},
		{Name: "workshop_week", Kind: "phev", Cloud: late, plan: workshop, doors: 1, plugs: true, kw: 3.6},
		{Name: "silent_driver", Kind: "bev", Cloud: silent, plan: commuter, doors: 2, plugs: true, night: true, kw: 11},
	}
}

// Generate makes the trace of a life from a seed.
func Generate(l Life, seed int64, days int) *Trace {
	c := newCar(l.Name, l.Kind, seed, float64(days), l.Cloud)
	now := 60.0
	for day := range days {
		outings := l.plan(c, day)
		slices.SortFunc(outings, func(a, b outing) int { return int(math.Copysign(1, a.at-b.at)) })
		for i, o := range outings {
			at := float64(day)*Day + o.at
			if at < now+120 {
				at = now + 120 + 300*c.rng.Float64()
			}
			now = c.outing(l, o, now, at, i == len(outings)-1)
		}
	}
	c.rest(now, c.trace.End())
	return c.finish()
}

// outing drives once; from is when the one before was over. It returns when the car
// is left alone again.
func (c *car) outing(l Life, o outing, from, at float64, last bool) float64 {
	c.rest(from, at)
	if c.plugged {
		c.plug(at, false)
		at += 20 + 20*c.rng.Float64()
	}
	doors := 1 + c.rng.IntN(l.doors)
	at = c.walk(at, doors, c.truth["doors"]["centralLock"] == "LOCKED", false)
	end := c.drive(at+5+15*c.rng.Float64(), o.seconds, o.kmh)
	wait := 3 + 20*c.rng.Float64()
	if l.lazy {
		wait += 60
	}
	end = c.walk(end+wait, doors, false, !o.quick || c.chance(0.5))
	if c.chance(0.15) && !o.quick {
		end = c.walk(end+40+400*c.rng.Float64(), 1, true, true)
	}
	if !last || !l.plugs || c.battery > 85 && c.chance(0.6) {
		return end
	}
	c.plug(end+20, true)
	begin := end + 40
	if l.night {
		begin = max(begin, (math.Floor(end/Day)*24+23)*hour+900*c.rng.Float64())
	}
	return c.charge(begin, begin+9*hour, l.kw)
}

func (c *car) clock(h, spread float64) float64 { return (h + (c.rng.Float64()*2-1)*spread) * hour }

func commuter(c *car, day int) []outing {
	if day%7 >= 5 {
		if !c.chance(0.7) {
			return nil
		}
		at := c.clock(11, 1.5)
		return []outing{{at: at, seconds: 900, kmh: 45}, {at: at + 5000, seconds: 900, kmh: 45}}
	}
	return []outing{{at: c.clock(7.6, 0.4), seconds: 1500 + 900*c.rng.Float64(), kmh: 45}, {at: c.clock(16.7, 0.7), seconds: 1600 + 1200*c.rng.Float64(), kmh: 40}}
}

func weekend(c *car, day int) []outing {
	if day%7 < 5 {
		if c.chance(0.3) {
			at := c.clock(18, 1)
			return []outing{{at: at, seconds: 700, kmh: 35}, {at: at + 3000, seconds: 700, kmh: 35}}
		}
		return nil
	}
	at := c.clock(10, 1)
	return []outing{{at: at, seconds: 3000 + 2000*c.rng.Float64(), kmh: 65}, {at: at + 5*hour, seconds: 3000 + 2000*c.rng.Float64(), kmh: 60}}
}

func family(c *car, day int) []outing {
	out := []outing{{at: c.clock(7.8, 0.2), seconds: 600, kmh: 30}, {at: c.clock(8.3, 0.1), seconds: 900, kmh: 35}, {at: c.clock(15.5, 0.3), seconds: 900, kmh: 35}, {at: c.clock(16.2, 0.2), seconds: 600, kmh: 30}}
	if day%7 >= 5 {
		out = out[2:]
	}
	if c.chance(0.4) {
		at := c.clock(18, 0.5)
		out = append(out, outing{at: at, seconds: 500, kmh: 30}, outing{at: at + 4500, seconds: 500, kmh: 30})
	}
	return out
}

func airport(c *car, day int) []outing {
	switch day % 10 {
	case 1:
		return []outing{{at: c.clock(6, 1), seconds: 3200, kmh: 85}}
	case 8:
		return []outing{{at: c.clock(20, 2), seconds: 3200, kmh: 85}}
	case 9, 0:
		return commuter(c, 0)
	}
	return nil
}

func courier(c *car, day int) []outing {
	if day%7 == 6 {
		return nil
	}
	var out []outing
	for at := c.clock(8, 0.3); len(out) < 40; at += 560 + 400*c.rng.Float64() {
		out = append(out, outing{at: at, seconds: 200 + 300*c.rng.Float64(), kmh: 25, quick: true})
	}
	return out
}

func taxi(c *car, day int) []outing {
	var out []outing
	for at := c.clock(6, 0.5); at < 22*hour; at += 1500 + 2400*c.rng.Float64() {
		out = append(out, outing{at: at, seconds: 500 + 1000*c.rng.Float64(), kmh: 35, quick: c.chance(0.4)})
	}
	return out
}

func shift(c *car, day int) []outing {
	begin := []float64{5.3, 13.3, 21.3}[(day/7)%3]
	if day%7 >= 5 {
		return nil
	}
	return []outing{{at: c.clock(begin, 0.2), seconds: 1300, kmh: 50}, {at: c.clock(math.Mod(begin+9, 24), 0.3), seconds: 1300, kmh: 50}}
}

func twoDrivers(c *car, day int) []outing {
	out := commuter(c, day)
	if c.chance(0.6) {
		at := c.clock(19, 0.7)
		out = append(out, outing{at: at, seconds: 800, kmh: 35}, outing{at: at + 2*hour, seconds: 800, kmh: 35})
	}
	return out
}

func workshop(c *car, day int) []outing {
	switch {
	case day%14 < 7:
		return commuter(c, day)
	case day%14 == 7, day%14 == 13:
		return []outing{{at: c.clock(8, 0.5), seconds: 1200, kmh: 35}}
	}
	if c.chance(0.7) { // moved about the yard
		return []outing{{at: c.clock(11, 3), seconds: 180, kmh: 12}}
	}
	return nil
}
