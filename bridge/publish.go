package bridge

import (
	"strings"
	"time"

	"volvobridge/bridge/entity"
)

// publishEverything tells the broker all it should hold: it may have lost it.
// Availability comes last, so that nothing stale is shown as fresh.
func (b *Bridge) publishEverything(now time.Time) {
	b.announceBridge()
	b.clearRenamed(now)
	for _, c := range b.fleet.cars {
		c.announced = ""
		if c.announce.IsZero() && b.settled(c) {
			b.announceCar(c)
		}
	}
	for _, c := range b.fleet.cars {
		b.sendPictures(c)
	}
	b.link.mirror.SendAll()
	for _, c := range b.fleet.cars {
		b.publishCar(c, now)
	}
	b.retain(b.topic("bridge", "availability"), "online")
	b.link.mirror.SendEvents()
	b.checkReady()
}

// publishDirty publishes some documents that changed, the others in the next turn:
// a command may wait.
func (b *Bridge) publishDirty(now time.Time) {
	b.times.publishAt = time.Time{}
	n := min(atOnce, len(b.fleet.dirty))
	for _, c := range b.fleet.dirty[:n] {
		if c.dirty {
			b.publishCar(c, now)
		}
	}
	if b.fleet.dirty = b.fleet.dirty[n:]; len(b.fleet.dirty) > 0 {
		b.times.publishAt = now
		return
	}
	b.fleet.dirty = nil
	if b.self.status.due {
		b.publishStatus(now)
	}
	b.checkReady()
}

// touch has the document of a car looked at soon.
func (b *Bridge) touch(c *car, now time.Time) {
	if !c.dirty {
		c.dirty = true
		b.fleet.dirty = append(b.fleet.dirty, c)
	}
	if b.times.publishAt.IsZero() {
		b.times.publishAt = now.Add(debounce)
	}
}

func (b *Bridge) checkReady() {
	for _, a := range b.accounts {
		if len(a.vehicles) == 0 && !a.listed && len(a.cars) == 0 {
			return
		}
	}
	if b.fleet.unpublished > 0 {
		return
	}
	if !b.allPublished && b.link.mirror.Connected() {
		b.allPublished, b.self.status.publishedAt = true, time.Time{}
		b.publishStatus(time.Now()) // the counters of the first look
	}
	b.health.ready.Store(b.link.mirror.Connected())
}

// topic joins the levels below the base topic.
func (b *Bridge) topic(levels ...string) string {
	return b.place.Topic(levels...)
}

// retain publishes a retained message, unless the broker holds it already.
func (b *Bridge) retain(topic, payload string) { b.link.mirror.Retain(topic, payload) }

// sent notes what goes to the broker: an availability comes back, which shows that it
// was taken.
func (b *Bridge) sent(topic string, payload []byte) {
	if len(payload) > 0 && strings.HasSuffix(topic, "/availability") && !b.link.broker.denied[b.topic("+", "availability")] {
		b.link.broker.expect(topic, time.Now())
	}
}

// publishEvent publishes what happened, which nobody keeps.
func (b *Bridge) publishEvent(topic string, payload map[string]any) {
	b.link.mirror.Event(topic, []byte(entity.Encode(payload)))
}

// settled tells whether enough is known of a car to announce it: what was known
// before a restart, or every resource tried once.
func (b *Bridge) settled(c *car) bool {
	return c.announced != "" || len(c.Proven) > 0 && c.Model() != "" && c.Restored() || len(c.Tried) >= len(c.account.reads)
}
