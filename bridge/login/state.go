package login

import (
	"fmt"
	"slices"
	"time"

	"volvobridge/volvo"
)

// warnDays are the days before the end of a grant on which to warn.
var warnDays = []int{14, 3, 1}

const (
	idleCountsAfter = 24 * time.Hour // without a refresh, then the idle limit is what counts
	mostWarn        = 12             // warnings that are remembered
)

// State is how a login is.
type State struct {
	// Usable: calls can be made. Login: a person must log in, Why says why.
	Usable, Login bool
	Why           string
	// Fault is why the last refresh failed; nil: it did not.
	Fault *volvo.Error
	// Failures are the refreshes that failed in a row.
	Failures int
	// LoggedIn, Refreshed and Ends are the grant's times; zero: not known.
	LoggedIn, Refreshed, Ends time.Time
	// Scopes were granted, Missing not, of those that are needed now.
	Scopes, Missing []string
	// Address is where to log in, of those that may be published; empty: none was made.
	Address string
	// Until is the address's end.
	Until time.Time
}

// State returns how the login is.
func (c *Chain) State(now time.Time) State {
	c.mu.Lock()
	defer c.mu.Unlock()
	s := State{Usable: c.usable(now, false), Login: !c.accepted(), Fault: c.fault, Failures: c.failures, Scopes: slices.Clone(c.token.Scopes)}
	if s.Login {
		s.Why, s.Fault = c.whyLogin(), nil
	}
	if c.known {
		s.LoggedIn, s.Refreshed = c.token.LoggedIn, c.token.Refreshed
		s.Missing = lacking(c.opts.Scopes, c.token.Scopes)
	}
	if c.accepted() {
		s.Ends = c.ends(now)
	}
	if l := c.newestLogin(now, true); l != nil {
		s.Address, s.Until = l.address, l.until
	}
	return s
}

// Usable tells whether calls can be made.
func (c *Chain) Usable(now time.Time) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.usable(now, false)
}

// lacking lists what is wanted and not granted. An answer without scopes grants
// what was asked for.
func lacking(wanted, granted []string) []string {
	if len(granted) == 0 {
		return nil
	}
	var missing []string
	for _, scope := range wanted {
		if scope != volvo.ScopeOpenID && !slices.Contains(granted, scope) {
			missing = append(missing, scope)
		}
	}
	return missing
}

// ends is when Volvo will end the grant: half a year after the login, or a week
// after the last refresh while none succeeds. Zero: nobody knows.
func (c *Chain) ends(now time.Time) time.Time {
	const clocksSet = 1990 // an earlier login was made before the clock was set
	if c.token.LoggedIn.Year() < clocksSet {
		return time.Time{}
	}
	end := c.token.LoggedIn.Add(volvo.GrantLife)
	idle := c.token.Refreshed.Add(volvo.GrantIdle)
	if c.fault != nil && now.Sub(c.token.Refreshed) > idleCountsAfter && c.token.Refreshed.Year() >= clocksSet && idle.Before(end) {
		return idle
	}
	return end
}

// warn tells of the end of the grant 14, 3 and 1 days before, each once.
func (c *Chain) warn(now time.Time) {
	c.mu.Lock()
	if !c.accepted() {
		c.mu.Unlock()
		return
	}
	t, end, notify := c.token, c.ends(now), c.notify
	c.mu.Unlock()
	left := end.Sub(now)
	if end.IsZero() || left <= 0 {
		return
	}
	days := 0
	for _, d := range warnDays {
		span := time.Duration(d) * 24 * time.Hour
		if left <= span && (span < volvo.GrantIdle || end.Sub(t.LoggedIn) == volvo.GrantLife) {
			days = d
		}
	}
	mark := fmt.Sprintf("%s/%d", end.UTC().Format(time.DateOnly), days)
	if days == 0 || slices.Contains(t.Warned, mark) {
		return
	}
	t.Warned = append(slices.Clone(t.Warned[max(0, len(t.Warned)-mostWarn):]), mark)
	if c.replace(t, t.Refresh, nil) {
		notify(Event{Kind: GrantEnds, Days: days, End: end})
	}
}
