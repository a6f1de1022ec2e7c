package schedtest

import (
	"maps"
	"slices"
	"time"

	"volvobridge/bridge/schedule"
	"volvobridge/volvo"
)

// Replay runs our policy over cars that share a key, as the account does: the quota, the
// limit of a minute and the plan decide.
func Replay(cars map[string]*Car, profile schedule.Profile) []Read {
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
	var reads []Read
	for now := start; now.Before(end); {
		plan.Budget(quota.Budget(now))
		wait := window.Wait(now, 0)
		_, free := quota.Pick(now, false)
		if wait == 0 && free {
			if key, _, ok := plan.Next(now, false); ok {
				window.Count(now)
				quota.Count(0, now, false)
				t := now.Sub(start).Seconds()
				if key.Resource == schedule.List {
					reads = append(reads, Read{T: t, Car: names[0], Resource: string(key.Resource)})
					plan.Done(key, now, schedule.Read)
					continue
				}
				reads = append(reads, Read{T: t, Car: key.Car, Resource: string(key.Resource)})
				plan.Answer(key, clouds[key.Car].Read(string(key.Resource), t), now)
				continue
			}
		}
		next, ok := plan.Wake(false)
		if !ok {
			break
		}
		if !free {
			next = later(next, quota.Free(now, false))
		}
		next = later(next, now.Add(wait))
		now = later(next, now.Add(time.Millisecond))
	}
	return reads
}

func later(a, b time.Time) time.Time {
	if b.After(a) {
		return b
	}
	return a
}
