package bridge

import (
	"time"
)

// publishEverything tells the broker all it should hold: it may have lost it.
// Availability comes last, so that nothing stale is shown as fresh.
func (b *Bridge) publishEverything(now time.Time) {
	b.announceBridge()
	b.clearRenamed(now)
	for _, c := range b.fleet.cars {
		c.announced = ""
		if c.announce.IsZero() && c.settled() {
			b.announceCar(c)
		}
	}
	for _, c := range b.fleet.cars {
		b.gallery.SendAll(&c.Car)
	}
	b.link.Mirror.SendAll()
	for _, c := range b.fleet.cars {
		b.publishCar(c, now)
	}
	b.link.Retain(b.link.Topic("bridge", "availability"), "online")
	b.link.Mirror.SendEvents()
	b.checkReady()
}

// publishDirty publishes some documents that changed, the others in the next turn:
// a command may wait.
func (b *Bridge) publishDirty(now time.Time) {
	for _, c := range b.changes.take(now) {
		if c.dirty {
			b.publishCar(c, now)
		}
	}
	b.changes.news.Tell()
	if len(b.changes.cars) > 0 {
		return
	}
	if b.changes.bridge {
		b.publishStatus(now)
	}
	b.checkReady()
}

func (b *Bridge) checkReady() {
	for _, a := range b.accounts {
		if len(a.Vehicles) == 0 && !a.Listed && len(b.fleet.of(a)) == 0 {
			return
		}
	}
	if b.fleet.unpublished > 0 {
		return
	}
	if !b.allPublished && b.link.Mirror.Connected() {
		b.allPublished, b.self.status.publishedAt = true, time.Time{}
		b.publishStatus(time.Now()) // the counters of the first look
	}
	b.health.ready.Store(b.link.Mirror.Connected())
}
