package entity

import (
	"fmt"
	"maps"
	"slices"
	"time"

	"volvobridge/volvo"
)

const (
	futureAllowed  = 5 * time.Minute // that Volvo's times may be ahead of this machine's clock
	believeUploads = 3               // of what cannot be, and
	believeAfter   = time.Hour       // since the first: then it is the new truth
	uploadGap      = 10 * time.Minute
	clockSetSince  = 2024 // a machine whose clock shows an earlier year does not know the time
	mostUnknown    = 100  // fields of an answer that the table does not know
)

// Doubt is a field that says what cannot be, since it first did.
type Doubt struct {
	Since time.Time `json:"since"`
	// Uploads are those that said so, Last is the time of the newest.
	Uploads int       `json:"uploads"`
	Last    time.Time `json:"last"`
}

// grown counts one more reading and reports whether it must be believed by now.
func (d Doubt) grown(upload, now time.Time) (Doubt, bool) {
	if d.Since.IsZero() || d.Since.After(now) {
		d = Doubt{Since: now}
	}
	if upload.IsZero() { // Volvo put no time on it: count by ours
		upload = d.Last
		if now.Sub(d.Last) >= uploadGap {
			upload = now
		}
	}
	if !upload.Equal(d.Last) {
		d.Uploads, d.Last = d.Uploads+1, upload
	}
	return d, d.Uploads >= believeUploads && now.Sub(d.Since) >= believeAfter
}

// Examine returns the readings of an answer as far as they can be true, and a line
// for each that can't. What can't be is left out: a number outside its range is
// unknown, one that fell stays what it was, a time in the future is none. If it goes
// on, it is believed.
func (c *Car) Examine(r volvo.Resource, readings volvo.Readings, now time.Time) (volvo.Readings, []string) {
	var odd []string
	kept := bounded(r, readings, &odd)
	for name, reading := range kept {
		field := string(r) + "." + name
		if reading.HasValue() {
			if why := c.impossible(r, name, reading); why != "" && !c.believe(field, reading.Time, now) {
				odd = append(odd, field+": "+why)
				reading = c.insteadOf(r, name)
			} else if why == "" {
				delete(c.Doubts, field)
			}
		}
		if clock := field + " time"; now.Year() >= clockSetSince && reading.Time.Sub(now) > futureAllowed {
			if !c.believe(clock, reading.Time, now) {
				odd = append(odd, field+": a time in the future")
				reading.Time = time.Time{}
			}
		} else {
			delete(c.Doubts, clock)
		}
		kept[name] = reading
	}
	slices.Sort(odd)
	return kept, odd
}

// believe notes one more reading that says what cannot be.
func (c *Car) believe(field string, upload, now time.Time) bool {
	if c.Doubts == nil {
		c.Doubts = map[string]Doubt{}
	}
	d, yes := c.Doubts[field].grown(upload, now)
	c.Doubts[field] = d
	return yes
}

// impossible says why a reading can't be true; empty: it can.
func (c *Car) impossible(r volvo.Resource, field string, reading volvo.Reading) string {
	e := rowOf[fieldOf{r, field}]
	if e == nil || e.within == (span{}) {
		return ""
	}
	value, _ := e.convert(reading)
	n, ok := value.(float64)
	if !ok {
		return ""
	}
	if n < e.within.from || n > e.within.to {
		return "a number that can't be"
	}
	if before, _ := e.convert(c.Reading(r, field)); e.rises {
		if old, ok := before.(float64); ok && n < old-roundedAway {
			return "it fell, and it never does"
		}
	}
	return ""
}

const roundedAway = 1 // by another unit, or another precision

// insteadOf is what counts in place of a reading that can't be true.
func (c *Car) insteadOf(r volvo.Resource, field string) volvo.Reading {
	if e := rowOf[fieldOf{r, field}]; e != nil && e.rises {
		return c.Reading(r, field)
	}
	return volvo.Reading{}
}

// bounded keeps what the table knows of an answer, and so much of the rest that it
// can be told.
func bounded(r volvo.Resource, readings volvo.Readings, odd *[]string) volvo.Readings {
	kept := maps.Clone(readings)
	if kept == nil {
		kept = volvo.Readings{}
	}
	if len(readings) <= mostUnknown {
		return kept
	}
	unknown := 0
	for _, name := range slices.Sorted(maps.Keys(readings)) {
		if rowOf[fieldOf{r, name}] != nil || ignored[r][name] != "" || r == volvo.Commands && volvo.KnownCommandWord(name) {
			continue
		}
		if unknown++; unknown > mostUnknown {
			delete(kept, name)
		}
	}
	if unknown > mostUnknown {
		*odd = append(*odd, fmt.Sprintf("%s: %d fields that nobody knows; all but %d are left out", r, unknown, mostUnknown))
	}
	return kept
}

// rowOf finds the row that a field is a source of.
var rowOf = func() map[fieldOf]*Entity {
	rows := map[fieldOf]*Entity{}
	for i := range entities {
		for _, s := range entities[i].from {
			if f := (fieldOf{s.resource, s.field}); rows[f] == nil || entities[i].within != (span{}) {
				rows[f] = &entities[i]
			}
		}
	}
	return rows
}()

const oldAfter = 24 * time.Hour // without a good read of the resource, while others of the car are read

// Outdated tells that Volvo has not let a resource be read for so long, while it
// answered for the car otherwise, that its values are no longer shown. What
// describes the car does not age.
func (c *Car) Outdated(r volvo.Resource) bool {
	a := c.Snapshot[r]
	if a == nil || r == volvo.Details || r == volvo.Commands {
		return false
	}
	limit := oldAfter
	if c.Interval != nil {
		limit = max(limit, 3*c.Interval(r))
	}
	return c.LastGood.Sub(a.Fetched) > limit
}
