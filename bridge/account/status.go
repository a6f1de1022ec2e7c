package account

import (
	"slices"
	"time"

	"volvobridge/bridge/entity"
	"volvobridge/bridge/schedule"
)

// Status is what a person wants to know of the cloud.
type Status string

const (
	OK            Status = "ok"
	LoginRequired Status = "login_required"
	NoCar         Status = "no_car"
	QuotaSpent    Status = "quota_spent"
	RateLimited   Status = "rate_limited"
	Outage        Status = "outage"
	Unreachable   Status = "unreachable"
)

// severity orders the statuses for a bridge with several accounts.
var severity = []Status{OK, RateLimited, QuotaSpent, NoCar, Unreachable, Outage, LoginRequired}

// View is the status of the cloud for people.
type View struct {
	Status Status
	Since  time.Time
	Advice any // nil: none
}

// EventOf is the event that a change of the status is told as; empty: none.
func EventOf(old, status Status) string {
	down := old == Outage || old == Unreachable
	switch status {
	case LoginRequired:
		return "login_required"
	case QuotaSpent:
		return "quota_spent"
	case Outage, Unreachable:
		if !down {
			return "outage"
		}
	case OK, RateLimited:
		if old == QuotaSpent {
			return "quota_refilled"
		}
		if down {
			return "recovered"
		}
	}
	return ""
}

// Counters add up the keys of all accounts.
func (all All) Counters(now time.Time) map[string]any {
	var quotas []*schedule.Quota
	for _, a := range all {
		quotas = append(quotas, a.Quota)
	}
	s := schedule.Together(quotas...).State(now)
	forecast := float64(s.Calls)
	for _, a := range all {
		forecast += float64(a.Forecast(now) - a.Quota.State(now).Calls)
	}
	forecast = min(forecast, float64(s.Calls+s.Left))
	return map[string]any{"forecast_midnight": int(forecast), "calls_today": s.Calls, "calls_left": s.Left, "commands_today": s.Commands, "quota_resets": entity.Stamp(s.Resets)}
}

// Spent is how many calls of the day were made with the account's keys, and how many
// polling may make.
func (a *Account) Spent(now time.Time) (calls, budget int) {
	perDay, _, _ := a.Quota.Budget(now)
	return a.Quota.State(now).Calls, int(perDay)
}

// Forecast is how many calls will have been made with the account's keys when they are
// refilled.
func (a *Account) Forecast(now time.Time) int {
	s := a.Quota.State(now)
	return min(s.Calls+int(a.Plan.Forecast(s.Resets.Sub(now))), s.Calls+s.Left)
}

// Update works out the status anew, and reports whether it changed; reached tells
// whether a car of the account still answers.
func (a *Account) Update(reached func() bool, now time.Time) bool {
	status := a.current(reached, now)
	if status == a.Status {
		return false
	}
	a.Status, a.Since = status, now
	return true
}

// Worst is the status of the account that is worst off.
func (all All) Worst(now time.Time) View {
	worst := View{Status: OK}
	for _, a := range all {
		if slices.Index(severity, a.Status) > slices.Index(severity, worst.Status) || worst.Since.IsZero() {
			worst = View{Status: a.Status, Since: a.Since}
			if advice := a.Advice(now); advice != "" {
				worst.Advice = advice
			}
		}
	}
	return worst
}
