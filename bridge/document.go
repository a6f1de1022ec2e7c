package bridge

import (
	"time"

	"volvobridge/bridge/entity"
)

const heartbeat = 59 * time.Minute // a document goes out at least once an hour

// publishCar publishes what changed of a car: attributes, position, document.
func (b *Bridge) publishCar(c *car, now time.Time) {
	c.dirty = false
	if !c.Restored() && len(c.denied) < len(c.account.Resources) {
		return // nothing is known yet; what the broker holds may be good
	}
	c.tellPlan(now)
	// First what belongs to the document: who is told of a change can read it.
	for id, attributes := range c.Attributes(b.rules) {
		b.link.Retain(b.link.Topic(c.Level, id, "attributes"), entity.Encode(attributes))
	}
	if c.Proven["location"] {
		b.link.Retain(b.link.Topic(c.Level, "location"), entity.Encode(c.Position()))
	}
	c.Moving = c.commands.Moving()
	document := c.Document(b.rules, now)
	same := entity.Encode(document)
	if c.document == "" {
		b.fleet.unpublished--
	}
	if same != c.document || len(c.Snapshot) != c.resources || now.Sub(c.documentAt) >= heartbeat {
		c.document, c.resources, c.documentAt = same, len(c.Snapshot), now
		fetched := map[string]any{}
		for r, a := range c.Snapshot {
			fetched[string(r)] = entity.Stamp(a.Fetched)
		}
		document["fetched"] = fetched
		topic := b.link.Topic(c.Level, "state")
		b.link.Mirror.Forget(topic) // also once an hour without news: readers look for life
		b.link.Retain(topic, entity.Encode(document))
	}
}
