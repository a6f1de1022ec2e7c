package schedtest

import (
	"maps"
	"math"
	"slices"
	"sort"
)

// rates are a resource's weights, and its changes a second by phase and field.
type rates struct {
	weights []float64
	byPhase map[string][]float64
}

// job is a resource of a car that the oracle reads.
type job struct {
	car, resource string
	rates         rates
	mean          map[string]float64 // length of a phase
	spans         []span
	levels        map[levelKey]level
}

type levelKey struct {
	phase string
	price float64
}

// level is from where on a read pays, and how long after a read that is.
type level struct{ stale, interval float64 }

// trueRates counts changes by the phase before them.
func (c *Car) trueRates(weighted bool) (map[string]rates, map[string]float64) {
	time, count := map[string]float64{}, map[string]float64{}
	starts := make([]float64, len(c.spans))
	for i, s := range c.spans {
		starts[i] = s.from
		time[s.phase] += s.to - s.from
		count[s.phase]++
	}
	out := map[string]rates{}
	for _, h := range c.resources {
		counts, changed := map[string][]float64{}, make([]bool, len(h.fields))
		for i, at := range h.times {
			phase := c.spans[max(0, sort.SearchFloat64s(starts, at)-1)].phase
			if counts[phase] == nil {
				counts[phase] = make([]float64, len(h.fields))
			}
			for _, x := range h.changes[i] {
				counts[phase][x.field]++
				changed[x.field] = true
			}
		}
		r := rates{byPhase: map[string][]float64{}}
		for f := range h.fields {
			if !changed[f] {
				continue
			}
			w := 1.0
			if weighted {
				w = h.weights[f]
			}
			r.weights = append(r.weights, w)
			for phase := range time {
				x := 0.0
				if counts[phase] != nil {
					x = counts[phase][f] / time[phase]
				}
				r.byPhase[phase] = append(r.byPhase[phase], x)
			}
		}
		if len(r.weights) > 0 {
			out[h.name] = r
		}
	}
	mean := map[string]float64{}
	for phase := range time {
		mean[phase] = time[phase] / count[phase]
	}
	return out, mean
}

// stale returns the weight expected to be wrong s seconds after a read, and its integral.
func stale(w, lambda []float64, s float64) (d, integral float64) {
	for i, l := range lambda {
		x := l * s
		if x < 1e-5 {
			d += w[i] * x
			integral += w[i] * x * s / 2
			continue
		}
		e := 1 - math.Exp(-x)
		d += w[i] * e
		integral += w[i] * (s - e/l)
	}
	return d, integral
}

func solve(w, lambda []float64, mean, price, least float64) level {
	worth, all := 0.0, 0.0
	for i, l := range lambda {
		if l > 0 {
			worth += w[i] / l
			all += w[i]
		}
	}
	if worth == 0 {
		return level{price / mean, math.Inf(1)}
	}
	if worth <= price { // changes too fast to be worth a call
		return level{math.Inf(1), math.Inf(1)}
	}
	lo, hi := least, 1e8
	for range 50 {
		mid := math.Sqrt(lo * hi)
		if d, i := stale(w, lambda, mid); mid*d-i < price {
			lo = mid
		} else {
			hi = mid
		}
	}
	d, _ := stale(w, lambda, hi)
	g := max(d, price/mean)
	if g >= all {
		return level{g, math.Inf(1)}
	}
	if d < g-1e-12 {
		lo, hi = hi, 1e9
		for range 50 {
			mid := math.Sqrt(lo * hi)
			if d, _ := stale(w, lambda, mid); d < g {
				lo = mid
			} else {
				hi = mid
			}
		}
	}
	return level{g, max(least, hi)}
}

// plan makes the reads of a job at prices by day.
func (j *job) plan(price []float64, least float64, read func(t float64, day, n int, every float64)) {
	w := j.rates.weights
	old := make([]float64, len(w)) // what added up since the last read
	last := -1e9
	expected := func(lambda []float64, s float64) (sum float64) {
		for i, x := range old {
			sum += w[i] * (1 - math.Exp(-x-lambda[i]*s))
		}
		return sum
	}
	for _, s := range j.spans {
		lambda, key := j.rates.byPhase[s.phase], levelKey{s.phase, price[s.day]}
		at, ok := j.levels[key]
		if !ok {
			at = solve(w, lambda, j.mean[s.phase], key.price, least)
			j.levels[key] = at
		}
		t, any := math.Inf(1), slices.ContainsFunc(old, func(x float64) bool { return x > 0 })
		switch {
		case !math.IsInf(at.stale, 1) && any:
			if expected(lambda, 0) >= at.stale {
				t = max(s.from, last+least)
			} else if slices.ContainsFunc(lambda, func(l float64) bool { return l > 0 }) && expected(lambda, s.to-s.from) >= at.stale {
				lo, hi := 0.0, s.to-s.from
				for range 24 {
					if mid := (lo + hi) / 2; expected(lambda, mid) < at.stale {
						lo = mid
					} else {
						hi = mid
					}
				}
				t = max(s.from+hi, last+least)
			}
		case !math.IsInf(at.interval, 1):
			t = s.from + at.interval
		}
		if t >= s.to {
			for i, l := range lambda {
				old[i] += l * (s.to - s.from)
			}
			continue
		}
		n := 1
		if !math.IsInf(at.interval, 1) {
			n = 1 + int((s.to-t-1e-9)/at.interval)
		}
		read(t, s.day, n, at.interval)
		last = t
		if n > 1 {
			last = t + float64(n-1)*at.interval
		}
		for i, l := range lambda {
			old[i] = l * (s.to - last)
		}
	}
}

// leastGap is the shortest time between two reads of the oracle.
const leastGap = 10.0

// jobsOf are the resources of cars that ever change, and the days of the longest trace.
func jobsOf(cars map[string]*Car, weighted bool) (jobs []*job, days int) {
	for _, name := range slices.Sorted(maps.Keys(cars)) {
		c := cars[name]
		days = max(days, int(c.Trace.Days))
		var spans []span
		for _, s := range c.spans {
			for s.from < s.to {
				end := min(s.to, (math.Floor(s.from/day)+1)*day)
				spans = append(spans, span{s.from, end, s.phase, int(s.from / day)})
				s.from = end
			}
		}
		all, mean := c.trueRates(weighted)
		for _, r := range slices.Sorted(maps.Keys(all)) {
			jobs = append(jobs, &job{name, r, all[r], mean, spans, map[levelKey]level{}})
		}
	}
	return jobs, days
}

// prices solves the price of a call by day: so many calls a day in the mean, never more
// than the quota.
func prices(jobs []*job, days int, calls float64) []float64 {
	price, dearer := make([]float64, days+1), make([]float64, days+1)
	for i := range price {
		price[i], dearer[i] = 100, 1
	}
	product := func() []float64 {
		out := make([]float64, len(price))
		for i := range out {
			out[i] = price[i] * dearer[i]
		}
		return out
	}
	top, target := .97*float64(Volvo.Quota), calls*float64(days)
	for range 14 {
		n := make([]float64, days+1)
		for _, j := range jobs {
			clear(j.levels)
			j.plan(product(), leastGap, func(_ float64, day, m int, _ float64) { n[day] += float64(m) })
		}
		sum, over := 0.0, false
		for d := range days {
			over = over || n[d] > top
			if n[d] > top || dearer[d] > 1 {
				dearer[d] = max(1, dearer[d]*math.Pow(n[d]/top, 1.8))
			}
			sum += n[d]
		}
		off := (sum + n[days]) / target
		if !over && math.Abs(off-1) < .004 {
			break
		}
		for d := range price {
			price[d] *= math.Pow(max(.02, off), 1.7)
		}
		if price[0] < 1e-4 {
			break // everything is read as often as pays
		}
	}
	return product()
}

// Oracle returns the reads of a policy that knows the true phase at every moment and
// the true rates: so many calls a day in the mean, never more than the quota.
func Oracle(cars map[string]*Car, calls float64, weighted bool) []Read {
	jobs, days := jobsOf(cars, weighted)
	price := prices(jobs, days, calls)
	var out []Read
	for _, j := range jobs {
		clear(j.levels)
		j.plan(price, leastGap, func(t float64, _, n int, every float64) {
			for i := range n {
				at := t
				if i > 0 {
					at += float64(i) * every
				}
				out = append(out, Read{T: at, Car: j.car, Resource: j.resource})
			}
		})
	}
	return out
}

// OracleRow scores the oracle at so many calls: each column against its own optimum.
func OracleRow(run string, cars map[string]*Car, calls float64) Row {
	row := Score(run, "oracle", cars, Oracle(cars, calls, false), Volvo)
	row.Weighted = Score(run, "", cars, Oracle(cars, calls, true), Volvo).Weighted
	return row
}
