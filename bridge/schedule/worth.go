package schedule

import (
	"math"
	"slices"
	"time"

	"volvobridge/volvo"
)

// weights say how much a second counts in which a field is wrong, by field, else by
// resource, else 1: a lock counts more than a trip meter.
var (
	fieldWeights = map[string]float64{
		"centralLock": 20, "frontLeftDoor": 12, "frontRightDoor": 12, "rearLeftDoor": 12, "rearRightDoor": 12, "hood": 12, "tailgate": 12, "tankLid": 2,
		"engineStatus": 10, "chargerConnectionStatus": 6, "chargingStatus": 6, "batteryChargeLevel": 3, "availabilityStatus": 2,
		"fuelAmount": 2, "distanceToEmptyTank": 2, "distanceToEmptyBattery": 2, "heading": 1, "latitude": 4, "longitude": 0.5,
	}
	resourceWeights = map[volvo.Resource]float64{volvo.Windows: 4, volvo.Position: 4, volvo.Statistics: 0.5, volvo.Tyres: 3, volvo.Warnings: 3, volvo.Brakes: 3, volvo.EngineWarnings: 3}
)

// softened: people look at the plain age of values too, so weights count by their root.
const softened = 0.75

func weightOf(r volvo.Resource, field string) float32 {
	w, ok := fieldWeights[field]
	if !ok {
		w, ok = resourceWeights[r]
	}
	if !ok {
		w = 1
	}
	return float32(math.Pow(w, softened))
}

// fields are the names of a resource's fields, shared by all cars: learned numbers are
// kept by their index.
type fields struct {
	names   []string
	index   map[string]int
	weights []float32
}

func (f *fields) of(r volvo.Resource, name string) int {
	if i, ok := f.index[name]; ok {
		return i
	}
	if f.index == nil {
		f.index = map[string]int{}
	}
	f.index[name] = len(f.names)
	f.names, f.weights = append(f.names, name), append(f.weights, weightOf(r, name))
	return len(f.names) - 1
}

// learned is how often the fields of a resource change in a situation: the changes
// counted and the seconds in which they could be seen.
type learned struct {
	seconds float32
	counts  []float32
}

const (
	forgetAfter = 40 * 24 * 3600 // seconds watched; then all counts half
	leastGap    = 10.0
)

func (l *learned) watch(seconds float64) {
	if l.seconds += float32(seconds); l.seconds < forgetAfter {
		return
	}
	l.seconds /= 2
	for i := range l.counts {
		l.counts[i] /= 2
	}
}

func (l *learned) count(field int) {
	if field >= len(l.counts) {
		l.counts = append(l.counts, make([]float32, field+1-len(l.counts))...)
	}
	l.counts[field]++
}

// model is how a resource goes stale in a situation: what was learned and what is
// assumed before that.
type model struct {
	learned *learned
	weights []float32
	prior   float64 // changes a second before anything is learned
	weight  float64 // of such a change
	trust   float64 // seconds that the assumption counts for
}

// stale is the weight expected to be wrong s seconds after a read, and its integral.
func (m *model) stale(s float64) (d, integral float64) {
	seconds := m.trust
	if m.learned != nil {
		seconds += float64(m.learned.seconds)
	}
	add := func(w, rate float64) {
		x := rate * s
		if x < 1e-4 {
			d += w * x
			integral += w * x * s / 2
			return
		}
		e := 1 - math.Exp(-x)
		d += w * e
		integral += w * (s - e/rate)
	}
	add(m.weight, m.prior*m.trust/seconds)
	if m.learned != nil {
		for i, n := range m.learned.counts {
			if n > 0 {
				add(float64(m.weights[i]), float64(n)/seconds)
			}
		}
	}
	return d, integral
}

const forever = 1e7 // seconds: no read pays

// pays returns how long after a read the next one pays at a price: the s with
// s D(s) - integral of D = price, the optimum of freshness.
func (m *model) pays(price float64) float64 {
	if d, i := m.stale(forever); forever*d-i < price {
		return forever
	}
	lo, hi := 1.0, forever
	for hi > lo*1.02 {
		mid := math.Sqrt(lo * hi)
		if d, i := m.stale(mid); mid*d-i < price {
			lo = mid
		} else {
			hi = mid
		}
	}
	return hi
}

// age returns after how many seconds so much is expected to be wrong.
func (m *model) age(d float64) float64 {
	if d <= 0 {
		return 0
	}
	if most, _ := m.stale(forever); most <= d {
		return forever
	}
	lo, hi := 0.01, forever
	for hi > lo*1.02 {
		mid := math.Sqrt(lo * hi)
		if x, _ := m.stale(mid); x < d {
			lo = mid
		} else {
			hi = mid
		}
	}
	return hi
}

// changedFields returns the indexes of the fields that differ, and their weight.
func (f *fields) changed(r volvo.Resource, old, readings volvo.Readings) (which []int, weight float64) {
	for name, reading := range readings {
		if was, ok := old[name]; !ok || was.Value != reading.Value || was.Code != reading.Code {
			i := f.of(r, name)
			which = append(which, i)
			weight += float64(f.weights[i])
		}
	}
	slices.Sort(which)
	return which, weight
}

func seconds(d time.Duration) float64 { return d.Seconds() }

func duration(s float64) time.Duration { return time.Duration(min(s, forever) * float64(time.Second)) }
