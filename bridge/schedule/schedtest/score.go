// Package schedtest is the benchmark of polling: it replays traces of what the cloud
// would answer through policies, and counts how long what they published was wrong.
// Its numbers are those of the format volvobridge-reads/1, computed as its reference
// scorer does. Only tests and benchmarks import it.
package schedtest

import (
	"cmp"
	"math"
	"slices"
	"sort"

	"volvobridge/volvo/simulator/trace"
)

const day = trace.Day

// weights of a second in which a field is wrong, by field, else by resource, else 1.
var (
	fieldWeights = map[string]float64{"centralLock": 10, "frontLeftDoor": 6, "frontRightDoor": 6, "rearLeftDoor": 6, "rearRightDoor": 6, "hood": 6, "tailgate": 6, "tankLid": 2,
		"engineStatus": 6, "chargerConnectionStatus": 6, "chargingStatus": 6, "batteryChargeLevel": 3, "position": 4, "availabilityStatus": 2,
		"fuelAmount": 2, "distanceToEmptyTank": 2, "distanceToEmptyBattery": 2}
	resourceWeights = map[string]float64{"windows": 4, "energy": 1, "location": 1, "odometer": 1, "statistics": 0.5, "tyres": 3, "warnings": 3, "brakes": 3, "engine": 3, "diagnostics": 1}
)

func weight(resource, field string) float64 {
	if w, ok := fieldWeights[field]; ok {
		return w
	}
	if w, ok := resourceWeights[resource]; ok {
		return w
	}
	return 1
}

// Classes of events that a person waits for.
var Classes = []string{"door", "lock", "engine", "plug"}

var eventClass = map[string]string{"centralLock": "lock", "engineStatus": "engine", "chargerConnectionStatus": "plug",
	"frontLeftDoor": "door", "frontRightDoor": "door", "rearLeftDoor": "door", "rearRightDoor": "door", "hood": "door", "tailgate": "door", "tankLid": "door"}

// change is one field at a moment: which, and the number of its new value.
type change struct{ field, value int }

// history is what a resource answers over the trace.
type history struct {
	name    string
	fields  []string
	weights []float64
	initial []int
	times   []float64
	changes [][]change
	uploads []trace.Upload // all, those of t 0 too
}

type event struct {
	class     string
	resource  int
	at, until float64
	parked    bool
}

// Car is a trace, ready to be replayed and scored.
type Car struct {
	Trace     *trace.Trace
	resources []*history
	events    []event
	spans     []span
}

type span struct {
	from, to float64
	phase    string
	day      int
}

const quiet = 300.0 // without an event; the next is one of a parked car

// NewCar prepares a trace.
func NewCar(t *trace.Trace) *Car {
	c := &Car{Trace: t}
	b := &builder{car: c, byName: map[string]int{}, value: map[[2]int]int{}, known: map[string]int{"\x00": 0}, open: map[[2]int]int{}, last: -1e9, before: -1e9,
		phases: slices.Clone(t.Phases)}
	for i, r := range t.Resources {
		b.byName[r] = i
		c.resources = append(c.resources, &history{name: r})
	}
	if len(b.phases) == 0 {
		b.phases = []trace.Phase{{T: 0, Name: "parked"}}
	}
	for i, p := range b.phases {
		to := t.End()
		if i+1 < len(b.phases) {
			to = b.phases[i+1].T
		}
		c.spans = append(c.spans, span{p.T, to, p.Name, 0})
	}
	for _, u := range t.Uploads {
		b.add(u)
	}
	return c
}

// builder takes the uploads of a trace one after the other.
type builder struct {
	car          *Car
	byName       map[string]int
	value        map[[2]int]int // by resource and field
	known        map[string]int // texts by number
	open         map[[2]int]int // the last event of a field
	last, before float64        // event of any field, and the one before
	phases       []trace.Phase
	phase        int
}

func (b *builder) number(v trace.Value) int {
	text := v.Text
	if v.Null {
		text = "\x00"
	}
	if _, ok := b.known[text]; !ok {
		b.known[text] = len(b.known)
	}
	return b.known[text]
}

func (b *builder) add(u trace.Upload) {
	r, known := b.byName[u.Resource]
	if !known {
		return
	}
	h := b.car.resources[r]
	first := len(h.uploads) == 0
	h.uploads = append(h.uploads, u)
	for b.phase+1 < len(b.phases) && b.phases[b.phase+1].T < u.T {
		b.phase++
	}
	var changed []change
	for _, v := range u.Set {
		x := b.number(v)
		f := slices.Index(h.fields, v.Field)
		if f < 0 {
			f = len(h.fields)
			h.fields, h.weights = append(h.fields, v.Field), append(h.weights, weight(u.Resource, v.Field))
			h.initial = append(h.initial, 0)
			if first {
				h.initial[f] = x
			}
			b.value[[2]int{r, f}] = h.initial[f]
		}
		if b.value[[2]int{r, f}] == x {
			continue
		}
		b.value[[2]int{r, f}] = x
		changed = append(changed, change{f, x})
		if class := eventClass[v.Field]; class != "" {
			b.event(class, r, f, u.T)
		}
	}
	if len(changed) > 0 {
		h.times, h.changes = append(h.times, u.T), append(h.changes, changed)
	}
}

// event notes a change that a person waits for.
func (b *builder) event(class string, r, f int, t float64) {
	c := b.car
	if i, ok := b.open[[2]int{r, f}]; ok {
		c.events[i].until = t
	}
	b.open[[2]int{r, f}] = len(c.events)
	if t > b.last {
		b.before, b.last = b.last, t
	}
	name := b.phases[b.phase].Name
	c.events = append(c.events, event{class, r, t, c.Trace.End(), name != "driving" && name != "just_parked" && t-b.before > quiet})
}

// wrong returns the seconds in which the published fields differ from the cloud's,
// plain and weighted; reads are sorted.
func (h *history) wrong(reads []float64, end float64) (plain, weighted float64) {
	cur, pub := slices.Clone(h.initial), slices.Clone(h.initial)
	since := map[int]float64{}
	for i, j := 0, 0; i < len(h.times); {
		j += sort.SearchFloat64s(reads[j:], h.times[i])
		at := end
		if j < len(reads) {
			at = reads[j]
		}
		for ; i < len(h.times) && h.times[i] <= at; i++ {
			for _, x := range h.changes[i] {
				cur[x.field] = x.value
				if x.value == pub[x.field] {
					if from, ok := since[x.field]; ok {
						plain += h.times[i] - from
						weighted += (h.times[i] - from) * h.weights[x.field]
						delete(since, x.field)
					}
				} else if _, ok := since[x.field]; !ok {
					since[x.field] = h.times[i]
				}
			}
		}
		for f, from := range since {
			plain += at - from
			weighted += (at - from) * h.weights[f]
			pub[f] = cur[f]
		}
		clear(since)
	}
	return plain, weighted
}

// Read is one call.
type Read struct {
	T        float64
	Car      string
	Resource string
	Key      int
}

// Limits are Volvo's.
type Limits struct {
	Quota, PerMinute int
	Reset            float64 // of the quota, seconds after the start
}

// Volvo are the published limits.
var Volvo = Limits{Quota: 10000, PerMinute: 100}

// Quantiles are the median and the 95th percentile of a class of events, in seconds.
type Quantiles struct {
	P50, P95 float64
	N        int
}

func quantiles(all []float64) Quantiles {
	if len(all) == 0 {
		return Quantiles{}
	}
	slices.Sort(all)
	at := func(q float64) float64 { return all[min(len(all)-1, int(q*float64(len(all))))] }
	return Quantiles{at(.5), at(.95), len(all)}
}

// Row is how a policy did in a run.
type Row struct {
	Run, Policy     string
	Cars            int
	Calls           float64 // a day
	MostCalls       int     // on a day
	Refused403      int
	Refused429      int
	MinutesOver     float64 // share of minutes with a 429
	Wrong, Weighted float64 // seconds a day
	Missed          float64 // share of events that were over before they were read
	Latency         map[string]Quantiles
	DoorLock        Quantiles
	Parts           map[string]float64 // wrong seconds a day by resource
}

// answered drops what Volvo would refuse, and counts it in the row.
func (row *Row) answered(reads []Read, l Limits, days float64) []Read {
	used, perDay, bad := map[[2]int]int{}, map[int]int{}, map[int]bool{}
	var window []float64
	var got []Read
	for _, x := range reads {
		of := int(math.Floor((x.T - l.Reset) / day))
		perDay[int(x.T/day)]++
		for len(window) > 0 && window[0] <= x.T-60 {
			window = window[1:]
		}
		if len(window) >= l.PerMinute {
			row.Refused429++
			bad[int(x.T/60)] = true
			continue
		}
		window = append(window, x.T)
		if used[[2]int{x.Key, of}] >= l.Quota {
			row.Refused403++
			continue
		}
		used[[2]int{x.Key, of}]++
		got = append(got, x)
	}
	for _, n := range perDay {
		row.MostCalls = max(row.MostCalls, n)
	}
	row.Calls = float64(len(reads)) / days
	row.MinutesOver = float64(len(bad)) / (days * 1440)
	return got
}

// Score computes the numbers of reads; cars by their names in the run.
func Score(run, policy string, cars map[string]*Car, reads []Read, l Limits) Row {
	days := 0.0
	for _, c := range cars {
		days = max(days, c.Trace.Days)
	}
	reads = slices.DeleteFunc(slices.Clone(reads), func(x Read) bool { return x.T < 0 || x.T >= days*day })
	slices.SortStableFunc(reads, func(a, b Read) int {
		return cmp.Or(cmp.Compare(a.T, b.T), cmp.Compare(a.Car, b.Car), cmp.Compare(a.Resource, b.Resource), cmp.Compare(a.Key, b.Key))
	})
	row := Row{Run: run, Policy: policy, Cars: len(cars), Latency: map[string]Quantiles{}, Parts: map[string]float64{}}
	by := map[string]map[string][]float64{}
	for _, x := range row.answered(reads, l, days) {
		if by[x.Car] == nil {
			by[x.Car] = map[string][]float64{}
		}
		by[x.Car][x.Resource] = append(by[x.Car][x.Resource], x.T)
	}
	late := map[string][]float64{}
	missed, n := 0, 0
	for name, c := range cars {
		for _, h := range c.resources {
			plain, weighted := h.wrong(by[name][h.name], c.Trace.End())
			row.Wrong += plain / days
			row.Weighted += weighted / days
			row.Parts[h.name] += plain / days
		}
		for _, e := range c.events {
			at := c.Trace.End()
			if r := by[name][c.resources[e.resource].name]; len(r) > 0 {
				if j := sort.SearchFloat64s(r, e.at); j < len(r) {
					at = r[j]
				}
			}
			late[e.class] = append(late[e.class], at-e.at)
			n++
			if at >= e.until {
				missed++
			}
		}
	}
	row.Missed = float64(missed) / float64(max(1, n))
	for _, class := range Classes {
		row.Latency[class] = quantiles(late[class])
	}
	row.DoorLock = quantiles(append(slices.Clone(late["door"]), late["lock"]...))
	return row
}
