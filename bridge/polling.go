package bridge

import (
	"context"
	"encoding/json"
	"fmt"
	"math"
	"time"

	"volvobridge/bridge/entity"
	"volvobridge/bridge/web"
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

// Plans tells how the cars are read, for the page and the metrics.
func (b *Bridge) Plans(ctx context.Context) (plans web.Plans, err error) {
	err = b.workers.within(ctx, func(now time.Time) {
		for _, a := range b.accounts {
			spent, budget := a.Spent(now)
			plans.Budgets = append(plans.Budgets, web.Budget{Account: a.Label, Spent: spent, Limit: budget, Forecast: a.Forecast(now), Refill: a.Quota.State(now).Resets, Price: a.Plan.Price()})
		}
		for _, c := range b.fleet.cars {
			plans.Cars = append(plans.Cars, c.planView(now))
		}
	})
	return plans, err
}

func (c *car) planView(now time.Time) web.CarPlan {
	outlook := c.account.Plan.Outlook(c.VIN, now)
	view := web.CarPlan{Label: c.label, Phase: string(outlook.Phase), Reason: outlook.InWords(now)}
	for _, l := range outlook.Looks {
		r := web.PlannedRead{Resource: string(l.Resource), Reason: l.Reason, Interval: l.Interval, Next: l.Next}
		if a := c.Snapshot[l.Resource]; a != nil {
			r.Last = a.Fetched
		}
		view.Reads = append(view.Reads, r)
	}
	return view
}
