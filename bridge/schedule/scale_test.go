package schedule_test

import (
	"fmt"
	"strconv"
	"testing"
	"time"

	"volvobridge/bridge/schedule"
	"volvobridge/volvo"
)

// crowd is a plan of many cars of which everything is known.
func crowd(cars int, now time.Time) *schedule.Plan {
	plan := schedule.NewPlan(schedule.Rules{Profile: schedule.Frugal, MinInterval: 10 * time.Second})
	resources := []volvo.Resource{volvo.Doors, volvo.Windows, volvo.EngineState, volvo.EnergyState, volvo.Statistics, volvo.Odometer, volvo.Position, volvo.Tyres, volvo.Warnings, volvo.Diagnostics}
	for i := range cars {
		name := strconv.Itoa(i)
		plan.Add(name, resources, now)
		for _, r := range resources {
			plan.Know(schedule.Key{Car: name, Resource: r}, known(r, now), now)
		}
	}
	plan.Budget(9500*float64(cars), 9500*float64(cars), 24*time.Hour)
	return plan
}

func known(r volvo.Resource, at time.Time) volvo.Readings {
	return volvo.Readings{"centralLock": {Value: "LOCKED", Time: at}, "value": {Value: string(r), Time: at}}
}

// BenchmarkDecision is a read planned: what is next, and what its answer changes. Every
// twentieth answer has news.
func BenchmarkDecision(b *testing.B) {
	for _, cars := range []int{1, 100, 10000} {
		b.Run(fmt.Sprint(cars, "cars"), func(b *testing.B) {
			now := time.Date(2026, 3, 2, 0, 0, 0, 0, time.UTC)
			plan := crowd(cars, now)
			b.ReportAllocs()
			b.ResetTimer()
			reads := 0
			for reads < b.N {
				key, _, ok := plan.Next(now, false)
				if !ok {
					now, _ = plan.Wake(false)
					continue
				}
				at := now.Truncate(time.Hour)
				if reads++; reads%20 == 0 {
					at = now
				}
				plan.Answer(key, known(key.Resource, at), now)
			}
		})
	}
}

// BenchmarkIdleTick is a look at a plan in which nothing is due.
func BenchmarkIdleTick(b *testing.B) {
	for _, cars := range []int{1, 100, 10000} {
		b.Run(fmt.Sprint(cars, "cars"), func(b *testing.B) {
			now := time.Date(2026, 3, 2, 0, 0, 0, 0, time.UTC)
			plan := crowd(cars, now)
			b.ReportAllocs()
			for b.Loop() {
				idle(plan, now)
			}
		})
	}
}

func idle(plan *schedule.Plan, now time.Time) {
	plan.Budget(9500, 9500, time.Hour)
	plan.Wake(false)
	plan.Wake(true)
	plan.Next(now.Add(time.Second), false)
}

// TestAnIdleTickAllocatesNothing: with any number of cars.
func TestAnIdleTickAllocatesNothing(t *testing.T) {
	now := time.Date(2026, 3, 2, 0, 0, 0, 0, time.UTC)
	plan := crowd(1000, now)
	if n := testing.AllocsPerRun(1000, func() { idle(plan, now) }); n != 0 {
		t.Errorf("%v allocations", n)
	}
}
