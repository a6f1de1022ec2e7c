package simulator

import "time"

// play has something happen to the car in its first half hour, for who has just begun
// to look: one is plugged in and charges, one is unlocked and drives off, one is
// loaded.
func (c *Car) play() {
	minutes := func(n float64, what func(*Car)) { c.after(time.Duration(n*float64(time.Minute)), what) }
	switch c.Kind {
	case BEV:
		minutes(4, func(c *Car) { c.plug(true) })
	case PHEV:
		c.Locked = true
		c.Upload("doors")
		minutes(5, func(c *Car) { c.setLock(false) })
		minutes(7, func(c *Car) { c.setDoor(0, true) })
		minutes(11, func(c *Car) { c.setDoor(0, false); c.depart("work") })
	case Petrol:
		minutes(14, func(c *Car) { c.setDoor(2, true) })
		minutes(18, func(c *Car) { c.setWindow(0, true) })
		minutes(24, func(c *Car) { c.setDoor(2, false) })
	}
}
