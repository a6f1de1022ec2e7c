package schedtest

import (
	"maps"
	"slices"
	"time"

	"volvobridge/bridge/schedule"
	"volvobridge/volvo"
)

// Replay runs our policy over cars that share a key, as the account does: the quota, the
// limit of a minute and the plan decide. Latency is how long an answer takes; nil: no time.
func Replay(cars map[string]*Car, profile schedule.Profile, latency func(resource string) time.Duration) []Read {
	names := slices.Sorted(maps.Keys(cars))
	first := cars[names[0]].Trace
	start, end := first.Start, first.Start
	plan := schedule.NewPlan(schedule.Rules{Profile: profile, MinInterval: 10 * time.Second})
	quota := schedule.NewQuota(10000, 500, []string{"key"}, start)
	window := schedule.NewWindow(90, time.Minute)
	clouds := map[string]*Cloud{}
	for _, name := range names {
		t := cars[name].Trace
		clouds[name] = NewCloud(cars[name])
		end = later(end, start.Add(time.Duration(t.Days*24)*time.Hour))
		var resources []volvo.Resource
		for _, r := range t.Resources {
			resources = append(resources, volvo.Resource(r))
		}
		plan.Add(name, append(resources, volvo.Details, volvo.Commands, volvo.EnergyCapabilities), start) // as the bridge, which reads these daily
		for _, r := range resources {
			plan.Know(schedule.Key{Car: name, Resource: r}, clouds[name].Read(string(r), 0), start)
		}
	}
	plan.AddList(start)
	r := &replay{start: start, plan: plan, quota: quota, window: window, clouds: clouds, latency: latency, list: names[0]}
	for now := start; now.Before(end); {
		r.land(now)
		plan.Budget(quota.Budget(now))
		for r.depart(now) {
		}
		now = later(r.next(now), now.Add(time.Millisecond))
	}
	return r.reads
}

// replay is a run under way.
type replay struct {
	start   time.Time
	plan    *schedule.Plan
	quota   *schedule.Quota
	window  *schedule.Window
	clouds  map[string]*Cloud
	latency func(resource string) time.Duration
	list    string // the car that the list of cars is counted with
	flights []flight
	reads   []Read
}

// flight is a read under way.
type flight struct {
	key    schedule.Key
	answer volvo.Readings
	at     time.Time // of its answer
}

const places = 4 // reads at a time, as in the account

// depart starts a read, if one is due and allowed.
func (r *replay) depart(now time.Time) bool {
	if _, free := r.quota.Pick(now, false); !free || len(r.flights) >= places || r.window.Wait(now, 0) > 0 {
		return false
	}
	key, _, ok := r.plan.Next(now, false)
	if !ok {
		return false
	}
	r.window.Count(now)
	r.quota.Count(0, now, false)
	t := now.Sub(r.start).Seconds()
	if key.Resource == schedule.List {
		r.reads = append(r.reads, Read{T: t, Car: r.list, Resource: string(key.Resource)})
		r.plan.Done(key, now, schedule.Read)
		return true
	}
	r.reads = append(r.reads, Read{T: t, Car: key.Car, Resource: string(key.Resource)})
	f := flight{key, r.clouds[key.Car].Read(string(key.Resource), t), now}
	if r.latency == nil {
		r.plan.Answer(key, f.answer, now)
		return true
	}
	f.at = now.Add(r.latency(string(key.Resource)))
	i, _ := slices.BinarySearchFunc(r.flights, f, func(a, b flight) int { return a.at.Compare(b.at) })
	r.flights = slices.Insert(r.flights, i, f)
	return true
}

// land takes the answers that are there.
func (r *replay) land(now time.Time) {
	for len(r.flights) > 0 && !r.flights[0].at.After(now) {
		f := r.flights[0]
		r.flights = r.flights[1:]
		r.plan.Answer(f.key, f.answer, now)
	}
}

// next is when something happens.
func (r *replay) next(now time.Time) time.Time {
	next, ok := r.plan.Wake(false)
	if _, free := r.quota.Pick(now, false); !free {
		next = later(next, r.quota.Free(now, false))
	}
	next = later(next, now.Add(r.window.Wait(now, 0)))
	if !ok || len(r.flights) >= places || len(r.flights) > 0 && r.flights[0].at.Before(next) {
		if len(r.flights) == 0 {
			return now.Add(time.Hour)
		}
		next = r.flights[0].at
	}
	return next
}

func later(a, b time.Time) time.Time {
	if b.After(a) {
		return b
	}
	return a
}
