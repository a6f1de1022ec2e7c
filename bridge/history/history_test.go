package history

import (
	"reflect"
	"testing"
	"time"
)

var start = time.Date(2026, 11, 1, 12, 0, 0, 0, time.UTC)

// TestValuesAreBounded: two years of a value each minute keep a week of it, a point
// each half hour at most.
func TestValuesAreBounded(t *testing.T) {
	v := Values{}
	now := start
	for range 2 * 365 * 24 * 60 {
		now = now.Add(time.Minute)
		v.Note("battery", 50, now)
	}
	points := v["battery"]
	if len(points) < 330 || len(points) > mostPoints {
		t.Errorf("%d points", len(points))
	}
	if age := now.Sub(points[0].At()); age > Span+Step {
		t.Errorf("the oldest is %v old", age)
	}
	if again := LoadValues(v.Save()); !reflect.DeepEqual(again, v) {
		t.Error("a restart changes it")
	}
}

// TestClockSetBack: points of a future that never came make place.
func TestClockSetBack(t *testing.T) {
	v := Values{}
	v.Note("odometer", 1, start.Add(100*time.Hour))
	if !v.Note("odometer", 2, start) || len(v["odometer"]) != 1 || v["odometer"][0].Value != 2 {
		t.Errorf("%v", v)
	}
}

// TestBrokenFile: what can't be read is gone, and nothing fails.
func TestBrokenFile(t *testing.T) {
	for _, text := range []string{"", "null", "{", `{"battery":7}`, `[]`} {
		if v := LoadValues([]byte(text)); v == nil || len(v) != 0 {
			t.Errorf("%q: %v", text, v)
		}
		if d := LoadDays([]byte(text)); d == nil || len(d) != 0 {
			t.Errorf("%q: %v", text, d)
		}
	}
	if d := LoadDays([]byte(`{"yesterday":3,"2026-11-01":4}`)); !reflect.DeepEqual(d, Days{"2026-11-01": 4}) {
		t.Errorf("%v", d)
	}
}

// TestDays: a count only grows in its day, and a month is kept.
func TestDays(t *testing.T) {
	d := Days{}
	for i := range 100 {
		day := start.Add(time.Duration(i) * 24 * time.Hour)
		d.Note(day, 10+i)
		d.Note(day, 3) // after a restart that lost the count
	}
	if len(d) != MostDays || d[start.Add(99*24*time.Hour).Format(time.DateOnly)] != 109 {
		t.Errorf("%d days: %v", len(d), d)
	}
}
