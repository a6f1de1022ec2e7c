package entity

import (
	"strings"
	"time"

	"volvobridge/volvo"
)

// Row is an entity of a car as a person reads it: the row of the table, with what the
// car has there now.
type Row struct {
	ID, Platform, Name, Unit, Class string
	// Precision is how many decimals are worth showing; nil: nobody knows.
	Precision *int
	// HasValue tells whether the state document has it; a Value of nil is unknown then.
	HasValue bool
	Value    any
	// Words are what the entity can say; they are translated for people.
	Words []string
	// Orders are the commands that it can give this car now; Announced tells whether Home
	// Assistant has it.
	Orders    []Order
	Announced bool
	// Topic is where the value is published, Set where commands are taken; empty: nowhere.
	Topic, Set string
	// UniqueID and EntityID are those in Home Assistant.
	UniqueID, EntityID string
	// Resource and Field are where the value comes from; empty: the bridge makes it.
	Resource volvo.Resource
	Field    string
	// At is the time that Volvo put on it, Fetched when it was read; zero: none.
	At, Fetched time.Time
}

// Order is a word on an entity's /set topic, and the command that it stands for.
type Order struct {
	Word    string
	Command volvo.Command
}

// Rows lists the entities that the car has, in the order of the table, as Document
// and Message tell them.
func (c *Car) Rows(r Rules, p Place, now time.Time) []Row {
	var rows []Row
	document := c.Document(r, now)
	for i := range entities {
		e := &entities[i]
		value, inDocument := document[e.id]
		orders := c.ordersOf(r, e)
		if !inDocument && !c.Has(r, e) && len(orders) == 0 {
			continue
		}
		row := Row{ID: e.id, Platform: e.platform, Name: c.EntityName(e), Unit: e.unit, Class: e.class, Precision: e.precision, Words: e.options,
			HasValue: inDocument, Value: value, UniqueID: strings.ToLower(c.VIN) + "_" + e.id, EntityID: c.EntityID(e), Topic: c.topicOf(p, e), Orders: orders, Announced: c.Has(r, e)}
		if e.TakesCommands() && (row.Announced || len(orders) > 0) {
			row.Set = p.Topic(c.Level, e.id, "set")
		}
		if s, ok := c.sourceOf(e); ok {
			row.Resource, row.Field = s.resource, s.field
			row.At = c.Reading(s.resource, s.field).Time
			if a := c.Snapshot[s.resource]; a != nil {
				row.Fetched = a.Fetched
			}
		}
		rows = append(rows, row)
	}
	return rows
}

// ordersOf are the commands of an entity that the car offers and the configuration
// allows, in the order of their words. A wanted PIN, which no button can carry, is no
// hindrance to who can type one.
func (c *Car) ordersOf(r Rules, e *Entity) []Order {
	var orders []Order
	for _, word := range e.Words() {
		if command := e.words[word]; c.Offered[command] && r.Allows(command) {
			orders = append(orders, Order{word, command})
		}
	}
	return orders
}

// topicOf is where the value of an entity is published; empty: it has none.
func (c *Car) topicOf(p Place, e *Entity) string {
	switch e.platform {
	case "device_tracker":
		return p.Topic(c.Level, "location")
	case "image":
		return p.Topic(c.Level, "image", strings.TrimSuffix(e.id, "_image"))
	case "event":
		return p.Topic(c.Level, "event")
	case button:
		return ""
	}
	return p.Topic(c.Level, "state")
}

// sourceOf is the source that the value of an entity comes from now: the first that
// answers, else the first of all.
func (c *Car) sourceOf(e *Entity) (source, bool) {
	for _, s := range e.from {
		if c.Reading(s.resource, s.field).HasValue() && (s.when == nil || s.when(c)) {
			return s, true
		}
	}
	if len(e.from) > 0 {
		return e.from[0], true
	}
	return source{}, false
}

// Number is the value of an entity that is a number and known.
func (c *Car) Number(id string) (float64, bool) {
	e := ByID(id)
	if e == nil || e.derive != nil || !c.Proven[id] {
		return 0, false
	}
	value, _ := c.convert(e)
	n, ok := value.(float64)
	return n, ok
}
