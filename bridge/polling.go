package bridge

import (
	"encoding/json"
	"fmt"
	"math"
	"time"

	"volvobridge/bridge/entity"
)

// outlookEvery is how often the plan of a car is told anew while its phase stays: each
// read moves the next one.
const (
	outlookEvery = 5 * time.Minute
	outlookSoon  = 10 * time.Second // while the first look goes on
)

// tellPlan puts into the car what the entity `polling` says. It reports whether that
// was due.
func (c *car) tellPlan(now time.Time) bool {
	plan := c.account.Plan
	phase := string(plan.Phase(c.VIN, now))
	every := outlookEvery
	if c.planOpen {
		every = outlookSoon
	}
	if phase == c.Polling.Phase && now.Sub(c.polledAt) < every && !c.polledAt.After(now) {
		return false
	}
	c.polledAt, c.planOpen = now, false
	outlook := plan.Outlook(c.VIN, now)
	resources := map[string]any{}
	for _, l := range outlook.Looks {
		look := map[string]any{"interval": math.Round(l.Interval.Seconds()), "next": nil, "reason": l.Reason}
		if !l.Next.IsZero() {
			look["next"] = entity.Stamp(l.Next)
		}
		resources[string(l.Resource)] = look
		c.planOpen = c.planOpen || l.First
	}
	spent, budget := c.account.Spent(now)
	since := any(nil)
	if !outlook.Since.IsZero() {
		since = entity.Stamp(outlook.Since)
	}
	c.Polling = entity.Polling{Phase: phase, Attributes: map[string]any{
		"reason": fmt.Sprintf("%s; %d of %d calls spent", outlook.InWords(now), spent, budget),
		"since":  since, "resources": json.RawMessage(entity.Encode(resources)),
	}}
	return true
}
