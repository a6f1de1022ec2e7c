package bridge

import (
	"time"

	"volvobridge/bridge/entity"
)

const (
	settle       = 2 * time.Second // one announcement for what is learned together
	settleSweep  = 5 * time.Second // at most, for the first look at a car
	birthSpread  = 3 * time.Second // not every bridge at once when Home Assistant starts
	manufacturer = "Volvo"
)

// announceCar tells Home Assistant what the car has, if that changed since it
// was last told.
func (b *Bridge) announceCar(c *car) {
	c.announce = time.Time{}
	if !b.opts.HomeAssistant.Discovery {
		return
	}
	b.fleet.names.Give(&c.Car)
	m := c.Message(b.rules, b.link.Place)
	entity.Entomb(m, c.Announced)
	payload, err := m.Payload()
	if err != nil || string(payload) == "" {
		return // strings and numbers always marshal
	}
	sum := digest(payload)
	if c.announced == sum {
		return
	}
	if b.link.Mirror.Send(b.link.Device(c.VIN), payload) {
		b.link.ExpectDevice(b.link.Device(c.VIN))
		c.announced = sum
		if news := c.Base != c.EntityBase; entity.Remember(m, c.Announced) || news {
			c.Base = c.EntityBase
			b.files.saveCar(c)
		}
	}
}
