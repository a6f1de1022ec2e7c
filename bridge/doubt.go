package bridge

import (
	"time"

	"volvobridge/volvo"
)

// refusal of a resource by Volvo, as long as it lasts.
type denial struct {
	since  time.Time
	count  int
	logged bool
}

const denialLoggedAfter = time.Hour

// deny notes that Volvo refused a resource, and reports whether it is time to say
// so: once, when it lasts. What a car never had is no news.
func (c *car) deny(r volvo.Resource, fault *volvo.Error, now time.Time) (tell bool) {
	d := c.denials[r]
	if d == nil {
		d = &denial{since: now}
		c.denials[r] = d
	}
	d.count++
	if fault.Kind == volvo.ErrUnsupported && c.Snapshot[r] == nil {
		return false
	}
	tell = !d.logged && d.count > 1 && now.Sub(d.since) >= denialLoggedAfter-time.Minute
	d.logged = d.logged || tell
	return tell
}

// deniedName is a resource of a car for people.
func (c *car) deniedName(r volvo.Resource) string { return c.label + " " + string(r) }
