package simulator

import (
	"math"
	"testing"
	"time"
)

// addsUp: odometer, battery and tank are where the trips, the charging and the fuelling
// since they were km, fuel and battery have brought them.
func addsUp(t *testing.T, seed int, c *Car, km, fuel, battery float64) {
	t.Helper()
	for _, trip := range c.Trips {
		km += trip.Km
	}
	if c.drive != nil {
		km += c.drive.done
	}
	if math.Abs(km-c.Odometer) > 1e-6 {
		t.Errorf("seed %d: the trips make %v, the odometer says %v", seed, km, c.Odometer)
	}
	if d := battery + c.Totals.Charged - c.Totals.Used - c.Battery; math.Abs(d) > 1e-6 {
		t.Errorf("seed %d: %v kWh are unaccounted for", seed, d)
	}
	if d := fuel + c.Totals.Fuelled - c.Totals.Burned - c.Fuel; math.Abs(d) > 1e-6 {
		t.Errorf("seed %d: %v l are unaccounted for", seed, d)
	}
}

// TestAWeekIsConsistent lives a week with each kind of car from many seeds.
func TestAWeekIsConsistent(t *testing.T) {
	start := time.Date(2026, 11, 23, 6, 30, 0, 0, time.UTC)
	seeds := 100
	if testing.Short() {
		seeds = 10
	}
	trips, mishaps, nights := 0, 0, 0
	for seed := range seeds {
		for _, kind := range []Kind{BEV, PHEV, Petrol} {
			c := NewCar(kind, "YV1TEST", uint64(seed), start)
			km, fuel, battery := c.Odometer, c.Fuel, c.Battery
			last := map[string]time.Time{}
			var order time.Time
			c.Watch(func(e Event) {
				if e.At.Before(order) {
					t.Fatalf("seed %d: %s at %v, after %v", seed, e.What, e.At, order)
				}
				order = e.At
				switch e.What {
				case "door_opened":
					if c.Driving {
						t.Fatalf("seed %d: a door opened while driving", seed)
					}
				case "tyre_low", "washer_low", "lamp_failed", "window_opened":
					mishaps++
				case "asleep":
					nights++
				}
			})
			for now := start; now.Before(start.Add(7 * 24 * time.Hour)); now = now.Add(5 * time.Minute) {
				c.Advance(now)
				for r, u := range c.uploads {
					if u.at.Before(last[r]) || u.at.After(now) {
						t.Fatalf("seed %d: %s was uploaded at %v, after %v, now %v", seed, r, u.at, last[r], now)
					}
					last[r] = u.at
				}
				if c.Driving && (c.Plugged || c.Charging || c.Locked || c.Doors != [4]bool{}) {
					t.Fatalf("seed %d: driving with %+v", seed, c.State)
				}
				if c.Battery < -1e-6 || c.Battery > c.capacity+1e-6 || c.Fuel < -1e-6 || c.Fuel > c.tank+1e-6 {
					t.Fatalf("seed %d: battery %v of %v, fuel %v of %v", seed, c.Battery, c.capacity, c.Fuel, c.tank)
				}
			}
			trips += len(c.Trips)
			addsUp(t, seed, c, km, fuel, battery)
		}
	}
	if trips < seeds*15 || mishaps < seeds || nights == 0 {
		t.Errorf("%d trips, %d mishaps, %d times asleep: that is no life", trips, mishaps, nights)
	}
}

func TestTheSameSeedIsTheSameLife(t *testing.T) {
	start := time.Date(2026, 11, 23, 6, 30, 0, 0, time.UTC)
	a, b := NewCar(PHEV, "A", 7, start), NewCar(PHEV, "A", 7, start)
	a.Advance(start.Add(50 * time.Hour))
	for now := start; !now.After(start.Add(50 * time.Hour)); now = now.Add(10 * time.Second) {
		b.Advance(now)
	}
	if a.State != b.State {
		t.Errorf("two lives:\n%+v\n%+v", a.State, b.State)
	}
}

func TestAwakeParkedAndUnlockedFirst(t *testing.T) {
	start := time.Date(2026, 11, 23, 6, 30, 0, 0, time.UTC)
	for seed := range uint64(50) {
		for _, kind := range []Kind{BEV, PHEV, Petrol} {
			c := NewCar(kind, "A", seed, start)
			c.Advance(start.Add(59 * time.Minute))
			if c.Asleep || c.Driving || c.Locked || len(c.Trips) > 0 {
				t.Fatalf("seed %d kind %d: %+v", seed, kind, c.State)
			}
		}
	}
}
