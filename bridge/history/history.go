// Package history keeps little numbers over days, for plots: how a value went, and how
// many there were of something each day. What it keeps is bounded, whatever goes in.
//
// It is pure: the time is an argument, and who uses it stores what Save returns.
package history

import (
	"encoding/json"
	"maps"
	"slices"
	"time"
)

const (
	// Span is how far back values are kept.
	Span = 7 * 24 * time.Hour
	// Step is the shortest time between two that are kept.
	Step = 30 * time.Minute
	// MostDays is how many days are counted.
	MostDays = 30

	mostPoints = int(Span/Step) + 1
)

// Point is a value at a moment.
type Point struct {
	Minute int64   `json:"m"` // since 1970, UTC
	Value  float32 `json:"v"`
}

// At is the moment of the point.
func (p Point) At() time.Time { return time.Unix(p.Minute*60, 0) }

// Values are how some values went, by name.
type Values map[string][]Point

// Note adds a value, unless one is kept that is younger than a step. It reports news.
// Points that were handed out before stay as they are.
func (v Values) Note(name string, value float64, now time.Time) bool {
	points, minute := v[name], now.Unix()/60
	if n := len(points); n > 0 && minute >= points[n-1].Minute && minute-points[n-1].Minute < int64(Step/time.Minute) {
		return false
	}
	oldest := minute - int64(Span/time.Minute)
	points = slices.DeleteFunc(slices.Clone(points), func(p Point) bool { return p.Minute < oldest || p.Minute > minute }) // a clock that was set
	v[name] = append(points[max(0, len(points)-mostPoints+1):], Point{minute, float32(value)})
	return true
}

// LoadValues reads what Save wrote; what can't be read is gone, and nothing else.
func LoadValues(data []byte) Values {
	v := Values{}
	if json.Unmarshal(data, &v) != nil || v == nil {
		return Values{}
	}
	for name, points := range v {
		v[name] = points[max(0, len(points)-mostPoints):]
	}
	return v
}

// Save returns what LoadValues reads.
func (v Values) Save() []byte { return encode(v) }

// Days are how many there were of something each day, by the day's date in UTC.
type Days map[string]int

// Note sets the count of the day, which only grows.
func (d Days) Note(day time.Time, count int) {
	d[day.UTC().Format(time.DateOnly)] = max(count, d[day.UTC().Format(time.DateOnly)])
	for _, old := range slices.Sorted(maps.Keys(d))[:max(0, len(d)-MostDays)] {
		delete(d, old)
	}
}

// LoadDays reads what Save wrote; what can't be read is gone.
func LoadDays(data []byte) Days {
	d := Days{}
	if json.Unmarshal(data, &d) != nil || d == nil {
		return Days{}
	}
	for day := range d {
		if _, err := time.Parse(time.DateOnly, day); err != nil {
			delete(d, day)
		}
	}
	return d
}

// Save returns what LoadDays reads.
func (d Days) Save() []byte { return encode(d) }

func encode(v any) []byte {
	data, _ := json.Marshal(v) // numbers and texts always marshal, and no value is infinite
	return data
}
