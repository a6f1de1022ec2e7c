package bridge

import (
	"encoding/json"
	"fmt"
	"slices"
	"time"

	"volvobridge/volvo"
)

const heartbeat = 59 * time.Minute // a document goes out at least once an hour

// convert makes the value of a row that comes from readings: the first source
// that answers wins. The odd are what could not be understood on the way.
func (c *car) convert(e *entity) (value any, odd []string) {
	if e.id == "availability" {
		return c.availabilityWord()
	}
	for _, s := range e.from {
		r := c.reading(s.resource, s.field)
		if !r.HasValue() || s.when != nil && !s.when(c) || c.outdated(s.resource) {
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

// availabilityWord: the reason wins over the plain word, if it is a known one.
func (c *car) availabilityWord() (any, []string) {
	known := enum(availabilityWords)
	var odd []string
	status := c.reading(volvo.CommandAccessibility, "availabilityStatus")
	if reason := c.reading(volvo.CommandAccessibility, "unavailableReason"); reason.HasValue() && !c.outdated(volvo.CommandAccessibility) {
		if value, why := known(reason); why == "" {
			return value, nil
		} else {
			odd = append(odd, "command-accessibility.unavailableReason: "+why)
		}
	}
	if !status.HasValue() || c.outdated(volvo.CommandAccessibility) {
		return nil, odd
	}
	value, why := known(status)
	if why != "" {
		odd = append(odd, "command-accessibility.availabilityStatus: "+why)
	}
	return value, odd
}

// prove records what the car's answers prove it to have. It reports news.
func (b *Bridge) prove(c *car) (news bool) {
	if a := c.Snapshot[volvo.Commands]; a != nil {
		for _, command := range volvo.Offered(a.Readings) {
			news = news || !c.Offered[command]
			c.Offered[command] = true
		}
	}
	for i := range entities {
		e := &entities[i]
		if !c.Proven[e.id] && b.proof(c, e) {
			c.Proven[e.id] = true
			news = true
		}
	}
	return news
}

func (b *Bridge) proof(c *car, e *entity) bool {
	switch {
	case e.proven != nil:
		return e.proven(b, c)
	case e.platform == "device_tracker":
		return c.reading(volvo.Position, "latitude").HasValue() && c.reading(volvo.Position, "longitude").HasValue()
	case len(e.from) == 0:
		return b.offersAnyOf(c, e)
	}
	return slices.ContainsFunc(e.from, func(s source) bool {
		return c.reading(s.resource, s.field).HasValue() && (s.when == nil || s.when(c))
	})
}

func (b *Bridge) offersAnyOf(c *car, e *entity) bool {
	for _, command := range e.words {
		if c.Offered[command] && b.allowed(command) {
			return true
		}
	}
	return false
}

// has tells whether an entity is announced: proven, and possible as configured.
func (b *Bridge) has(c *car, e *entity) bool {
	if !c.Proven[e.id] {
		return false
	}
	switch {
	case e.id == string(volvo.EngineStart) && b.opts.Commands.PIN != "": // a button can't carry one
		return false
	case e.id == "engine_runtime":
		return b.allowed(volvo.EngineStart)
	case len(e.words) > 0:
		return b.offersAnyOf(c, e)
	}
	return true
}

// hasValue: these platforms have nothing in the document.
func hasValue(e *entity) bool {
	switch e.platform {
	case button, "image", "event", "device_tracker":
		return false
	}
	return true
}

// values makes the document's values: null is unknown, absent is not there. The
// lock's state is told even where it can't be commanded.
func (b *Bridge) values(c *car, now time.Time) map[string]any {
	document := map[string]any{}
	for i := range entities {
		e := &entities[i]
		if !hasValue(e) || !c.Proven[e.id] || e.id != "lock" && !b.has(c, e) {
			continue
		}
		if e.derive != nil {
			document[e.id] = e.derive(c, now)
			continue
		}
		document[e.id], _ = c.convert(e)
	}
	if _, ok := document["lock"]; ok {
		if moving := c.commands.moving(); moving != "" {
			document["lock"] = moving
		}
	}
	updated := map[string]any{}
	for r, a := range c.Snapshot {
		if t := a.Readings.Newest(); !t.IsZero() {
			updated[string(r)] = t.UTC().Format(time.RFC3339Nano)
		}
	}
	document["updated"] = updated
	return document
}

// publishCar publishes what changed of a car: attributes, position, document.
func (b *Bridge) publishCar(c *car, now time.Time) {
	c.dirty = false
	if !c.restored() && len(c.denied) < len(c.account.reads) {
		return // nothing is known yet; what the broker holds may be good
	}
	// First what belongs to the document: who is told of a change can read it.
	for i := range entities {
		if e := &entities[i]; e.attributes != nil && b.has(c, e) {
			b.retain(b.topic(c.slug, e.id, "attributes"), encode(e.attributes(c)))
		}
	}
	if c.Proven["location"] {
		b.retain(b.topic(c.slug, "location"), encode(position(c)))
	}
	document := b.values(c, now)
	same := encode(document)
	if c.document == "" {
		b.unheard--
	}
	if same != c.document || len(c.Snapshot) != c.resources || now.Sub(c.sent) >= heartbeat {
		c.document, c.resources, c.sent = same, len(c.Snapshot), now
		fetched := map[string]any{}
		for r, a := range c.Snapshot {
			fetched[string(r)] = stamp(a.Fetched)
		}
		document["fetched"] = fetched
		topic := b.topic(c.slug, "state")
		delete(b.latest, topic) // also once an hour without news: readers look for life
		b.retain(topic, encode(document))
	}
}

// position is the tracker's attributes, {} when the car tells none.
func position(c *car) map[string]any {
	p := map[string]any{}
	values := map[string]any{}
	for _, field := range []string{"latitude", "longitude", "altitude", "heading"} {
		values[field] = nil
		if n, ok := c.reading(volvo.Position, field).Number(); ok {
			values[field] = n
		}
	}
	latitude, haveLatitude := values["latitude"].(float64)
	longitude, haveLongitude := values["longitude"].(float64)
	nowhere := latitude == 0 && longitude == 0 // what a receiver without a fix says
	if !haveLatitude || !haveLongitude || nowhere || c.outdated(volvo.Position) || latitude < -90 || latitude > 90 || longitude < -180 || longitude > 180 {
		return p
	}
	values["timestamp"] = nil
	if t := c.reading(volvo.Position, "latitude").Time; !t.IsZero() {
		values["timestamp"] = t.UTC().Format(time.RFC3339Nano)
	}
	return values
}

// encode writes JSON; what the bridge makes always marshals.
func encode(v any) string {
	data, err := json.Marshal(v)
	if err != nil {
		return "" // never published, never saved
	}
	return string(data)
}

// strange lists what an answer holds that the table does not know: fields, words
// and units.
func (c *car) strange(r volvo.Resource) []string {
	a := c.Snapshot[r]
	if a == nil {
		return nil
	}
	var odd []string
	for field := range a.Readings {
		switch {
		case r == volvo.Commands && !volvo.KnownCommandWord(field):
			odd = append(odd, fmt.Sprintf("commands: word %q", brief(field)))
		case !knownField(r, field):
			odd = append(odd, fmt.Sprintf("%s: field %q", r, brief(field)))
		}
	}
	if fuelType := a.Readings["fuelType"]; r == volvo.Details && fuelType.HasValue() && fuelTypes[fuelType.Word()] == unknownDrivetrain {
		odd = append(odd, fmt.Sprintf("vehicle: fuelType word %q", brief(fuelType.Value)))
	}
	for _, e := range rowsFrom[r] {
		_, why := c.convert(e)
		odd = append(odd, why...)
	}
	slices.Sort(odd)
	return odd
}

// knownField: in the table, or on the ignore list with a reason.
func knownField(r volvo.Resource, field string) bool {
	return ignored[r]["*"] != "" || ignored[r][field] != "" || sources[fieldOf{r, field}]
}

type fieldOf struct {
	resource volvo.Resource
	field    string
}

// sources are all fields that the table uses.
var sources = func() map[fieldOf]bool {
	all := map[fieldOf]bool{}
	for i := range entities {
		for _, s := range entities[i].from {
			all[fieldOf{s.resource, s.field}] = true
		}
	}
	return all
}()

// rowsFrom are the rows that a resource is a source of.
var rowsFrom = func() map[volvo.Resource][]*entity {
	rows := map[volvo.Resource][]*entity{}
	for i := range entities {
		e := &entities[i]
		for _, s := range e.from {
			if !slices.Contains(rows[s.resource], e) {
				rows[s.resource] = append(rows[s.resource], e)
			}
		}
	}
	return rows
}()
