package bridge

import (
	"time"

	"volvobridge/bridge/web"
)

// changes are what may have changed since it was published.
type changes struct {
	cars   []*car    // whose document may have, the oldest change first
	bridge bool      // the bridge's own state may have
	at     time.Time // when to look; zero: nothing may have changed
	news   web.News  // for who watches the page
}

// touch has the document of a car looked at soon.
func (ch *changes) touch(c *car, now time.Time) {
	if !c.dirty {
		c.dirty = true
		ch.cars = append(ch.cars, c)
	}
	ch.soon(now)
}

// status has the bridge's own state looked at soon.
func (ch *changes) status(now time.Time) {
	ch.bridge = true
	ch.soon(now)
}

// soon waits a moment: values that arrive together go out together.
func (ch *changes) soon(now time.Time) {
	if ch.at.IsZero() {
		ch.at = now.Add(debounce)
	}
}

// take returns some of the cars, and looks at the others in the next turn: a command
// may wait.
func (ch *changes) take(now time.Time) []*car {
	ch.at = time.Time{}
	n := min(atOnce, len(ch.cars))
	some := ch.cars[:n]
	if ch.cars = ch.cars[n:]; len(ch.cars) > 0 {
		ch.at = now
	} else {
		ch.cars = nil
	}
	return some
}
