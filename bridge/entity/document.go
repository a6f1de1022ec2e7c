package entity

import (
	"encoding/json"
	"fmt"
	"slices"
	"time"

	"volvobridge/volvo"
)

// convert makes the value of a row that comes from readings: the first source
// that answers wins. The odd are what could not be understood on the way.
func (c *Car) convert(e *Entity) (value any, odd []string) {
	if e.id == "availability" {
		return c.Availability()
	}
	for _, s := range e.from {
		r := c.Reading(s.resource, s.field)
		if !r.HasValue() || s.when != nil && !s.when(c) || c.Outdated(s.resource) {
			continue
		}
		if e.convert == nil {
			continue
		}
		value, why := e.convert(r)
		if why != "" {
			odd = append(odd, fmt.Sprintf("%s.%s: %s", s.resource, s.field, why))
			continue
		}
		return value, odd
	}
	return nil, odd
}

// Availability is the word and why: the reason wins over the plain word, if it is a known one.
func (c *Car) Availability() (any, []string) {
	known := enum(availabilityWords)
	var odd []string
	status := c.Reading(volvo.CommandAccessibility, "availabilityStatus")
	if reason := c.Reading(volvo.CommandAccessibility, "unavailableReason"); reason.HasValue() && !c.Outdated(volvo.CommandAccessibility) {
		if value, why := known(reason); why == "" {
			return value, nil
		} else {
			odd = append(odd, "command-accessibility.unavailableReason: "+why)
		}
	}
	if !status.HasValue() || c.Outdated(volvo.CommandAccessibility) {
		return nil, odd
	}
	value, why := known(status)
	if why != "" {
		odd = append(odd, "command-accessibility.availabilityStatus: "+why)
	}
	return value, odd
}

// Prove records what the car's answers prove it to have. It reports news.
func (c *Car) Prove(r Rules) (news bool) {
	if a := c.Snapshot[volvo.Commands]; a != nil {
		for _, command := range volvo.Offered(a.Readings) {
			news = news || !c.Offered[command]
			c.Offered[command] = true
		}
	}
	for i := range entities {
		e := &entities[i]
		if !c.Proven[e.id] && c.proof(r, e) {
			c.Proven[e.id] = true
			news = true
		}
	}
	return news
}

func (c *Car) proof(r Rules, e *Entity) bool {
	switch {
	case e.proven != nil:
		return e.proven(r, c)
	case e.platform == "device_tracker":
		return c.Reading(volvo.Position, "latitude").HasValue() && c.Reading(volvo.Position, "longitude").HasValue()
	case len(e.from) == 0:
		return c.offersAnyOf(r, e)
	}
	return slices.ContainsFunc(e.from, func(s source) bool {
		return c.Reading(s.resource, s.field).HasValue() && (s.when == nil || s.when(c))
	})
}

func (c *Car) offersAnyOf(r Rules, e *Entity) bool {
	for _, command := range e.words {
		if c.Offered[command] && r.Allows(command) {
			return true
		}
	}
	return false
}

// Has tells whether an entity is announced: proven, and possible as configured.
func (c *Car) Has(r Rules, e *Entity) bool {
	if !c.Proven[e.id] {
		return false
	}
	switch {
	case e.id == string(volvo.EngineStart) && r.PIN: // a button can't carry one
		return false
	case e.id == "engine_runtime":
		return r.Allows(volvo.EngineStart)
	case len(e.words) > 0:
		return c.offersAnyOf(r, e)
	}
	return true
}

// hasValue: these platforms have nothing in the document.
func hasValue(e *Entity) bool {
	switch e.platform {
	case button, "image", "event", "device_tracker":
		return false
	}
	return true
}

// Document makes the document's values: null is unknown, absent is not there. The
// lock's state is told even where it can't be commanded.
func (c *Car) Document(r Rules, now time.Time) map[string]any {
	document := map[string]any{}
	for i := range entities {
		e := &entities[i]
		if !hasValue(e) || !c.Proven[e.id] || e.id != "lock" && !c.Has(r, e) {
			continue
		}
		if e.derive != nil {
			document[e.id] = e.derive(c, now)
			continue
		}
		document[e.id], _ = c.convert(e)
	}
	if _, ok := document["lock"]; ok {
		if c.Moving != "" {
			document["lock"] = c.Moving
		}
	}
	updated := map[string]any{}
	for resource, a := range c.Snapshot {
		if t := a.Readings.Newest(); !t.IsZero() {
			updated[string(resource)] = t.UTC().Format(time.RFC3339Nano)
		}
	}
	document["updated"] = updated
	return document
}

// Position is the tracker's attributes, {} when the car tells none.
func (c *Car) Position() map[string]any {
	p := map[string]any{}
	values := map[string]any{}
	for _, field := range []string{"latitude", "longitude", "altitude", "heading"} {
		values[field] = nil
		if n, ok := c.Reading(volvo.Position, field).Number(); ok {
			values[field] = n
		}
	}
	latitude, haveLatitude := values["latitude"].(float64)
	longitude, haveLongitude := values["longitude"].(float64)
	nowhere := latitude == 0 && longitude == 0 // what a receiver without a fix says
	if !haveLatitude || !haveLongitude || nowhere || c.Outdated(volvo.Position) || latitude < -90 || latitude > 90 || longitude < -180 || longitude > 180 {
		return p
	}
	values["timestamp"] = nil
	if t := c.Reading(volvo.Position, "latitude").Time; !t.IsZero() {
		values["timestamp"] = t.UTC().Format(time.RFC3339Nano)
	}
	return values
}

// Encode writes JSON; what the bridge makes always marshals.
func Encode(v any) string {
	data, err := json.Marshal(v)
	if err != nil {
		return "" // never published, never saved
	}
	return string(data)
}

// Attributes returns those of each entity that has some.
func (c *Car) Attributes(r Rules) map[string]map[string]any {
	all := map[string]map[string]any{}
	for _, e := range withAttributes {
		if c.Has(r, e) {
			all[e.id] = e.attributes(c)
		}
	}
	return all
}

var withAttributes = func() (rows []*Entity) {
	for i := range entities {
		if entities[i].attributes != nil {
			rows = append(rows, &entities[i])
		}
	}
	return rows
}()

// Value is what an entity is worth by the car's own readings; nil: unknown.
func (c *Car) Value(id string) any {
	e := ByID(id)
	if e == nil {
		return nil
	}
	value, _ := c.convert(e)
	return value
}

// EngineRuns tells whether an answer of the engine's state says so.
func EngineRuns(readings volvo.Readings) bool {
	value, _ := engine(readings["engineStatus"])
	return value == "ON"
}
