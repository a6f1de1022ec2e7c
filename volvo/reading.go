package volvo

import (
	"math"
	"strconv"
	"strings"
	"time"
)

// Reading is one field of a resource as Volvo sent it: the text of the value,
// whatever its JSON type was, its unit and the time Volvo put on it.
type Reading struct {
	// Value is the value's text: "CLOSED", "47.3", "true". Empty: no value.
	Value string `json:"value,omitzero"`
	// Unit is the unit's text as sent, empty when there was none.
	Unit string `json:"unit,omitzero"`
	// Time is when the car uploaded the value, zero when Volvo did not say.
	Time time.Time `json:"time,omitzero"`
	// Code is the Energy API's reason for having no value, such as NOT_SUPPORTED.
	Code string `json:"code,omitzero"`
}

// Readings are the fields of one resource by Volvo's own names.
type Readings map[string]Reading

// noValue are words that Volvo writes in place of a value.
var noValue = map[string]bool{
	"": true, "UNSPECIFIED": true, "NOT_SUPPORTED": true, "PROPERTY_NOT_SUPPORTED": true,
	"PROPERTY_NOT_FOUND": true, "ERROR_READING_PROPERTY": true, "NULL": true,
}

// HasValue reports whether Volvo sent a value, be it one that nobody knows yet.
func (r Reading) HasValue() bool { return !noValue[r.Word()] }

// Word returns the value as an upper-case word.
func (r Reading) Word() string { return strings.ToUpper(strings.TrimSpace(r.Value)) }

// Number returns the value as a finite number.
func (r Reading) Number() (float64, bool) { return number(r.Value) }

func number(text string) (float64, bool) {
	text = strings.TrimSpace(text)
	if strings.ContainsAny(text, "xX_pP") { // Go's own notations, not JSON's
		return 0, false
	}
	n, err := strconv.ParseFloat(text, 64)
	if err != nil || math.IsNaN(n) || math.IsInf(n, 0) {
		return 0, false
	}
	return n, true
}

// Newest returns the newest time that Volvo put on any of the readings.
func (r Readings) Newest() time.Time {
	var newest time.Time
	for _, reading := range r {
		if reading.Time.After(newest) {
			newest = reading.Time
		}
	}
	return newest
}

// timeLayouts are the forms in which Volvo writes an instant. The second lacks
// the zone; Volvo's times are UTC.
var timeLayouts = []string{time.RFC3339Nano, "2006-01-02T15:04:05.999999999"}

func instant(text string) time.Time {
	for _, layout := range timeLayouts {
		if t, err := time.Parse(layout, strings.TrimSpace(text)); err == nil && t.UTC().Year() >= 1970 && t.UTC().Year() <= 9999 {
			return t.UTC()
		}
	}
	return time.Time{}
}
