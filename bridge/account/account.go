// Package account is a Volvo ID as the bridge uses it: its API keys and their limits,
// what it reads, how its cloud is and what a person can do about that. Answers,
// failures and the time go in; the next read, a refusal or the status comes out.
package account

import (
	"bytes"
	"cmp"
	"encoding/json"
	"errors"
	"slices"
	"time"

	"volvobridge/bridge/entity"
	"volvobridge/bridge/history"
	"volvobridge/bridge/login"
	"volvobridge/bridge/schedule"
	"volvobridge/volvo"
)

// Account is a Volvo ID: its limits, its plan and how its cloud is.
type Account struct {
	Label     string // in logs
	File      string // in file names
	Clients   []*volvo.Client
	Chain     *login.Chain // nil: test tokens
	Ends      time.Time    // of those
	Vehicles  []Vehicle
	All       *All             // this one and the others
	Resources []volvo.Resource // of each car

	Plan  *schedule.Plan
	Quota *schedule.Quota
	calls *schedule.Window // any call of this process
	Polls *schedule.Window // any call, also of the process before: what polling goes by
	Posts *schedule.Window // commands

	perMinute         int                        // calls, by the configuration
	askedShare        int                        // calls of a minute that polling leaves to what is asked for
	commands          int                        // and that any read leaves to commands
	flights           map[schedule.Key]time.Time // reads under way, and when they began
	Paused            time.Time                  // after a 429
	Rejected          map[volvo.API]bool         // test tokens that Volvo answered 401 to
	failures          int
	failing           map[volvo.Resource]bool // resources of the run of failures
	LastFault         *volvo.Error
	probe             time.Time // in an outage: when to try next
	probed            time.Time // and when that was put off last
	Status            Status
	Since             time.Time // when it became so
	ClientFaultLogged bool      // that Volvo refuses the application was logged
	Counted           time.Time // when the count of calls was saved
	Uncounted         time.Time // when it must be again
	Undurable         int       // calls since the count was last safe from a power cut
	Listed            bool      // the list of cars was read at least once
	ListsNone         bool      // and none of our cars was on it
	APIKeyFaultLogged bool      // that Volvo refuses the API key was logged

	Calls map[Call]int // since the start, by how they ended
	Days  history.Days // calls by day
}

const (
	maxInFlight    = 4               // reads at a time
	slowAfter      = 3 * time.Second // then a read gives its place up
	maxSlow        = 40              // of those without a place, of an account
	maxSlowAlike   = 4               // and of one resource: others go on
	failuresToTell = 3
	defaultPause   = time.Minute // after a 429 without Retry-After
	firstProbe     = 4 * time.Second
	maxProbe       = time.Minute
)

// New returns the account of options, with nothing known of its cloud.
func New(a Options, p Polling, commandsPerMinute int, label string, now time.Time) *Account {
	reads := slices.DeleteFunc(volvo.Resources(), func(r volvo.Resource) bool { return slices.Contains(a.Without, r.API()) })
	return &Account{
		Label: label, Resources: reads, File: cmp.Or(a.File, label), Clients: a.Clients, Vehicles: a.Vehicles, Chain: a.Chain, Ends: a.Ends,
		Plan:  schedule.NewPlan(p.Rules),
		Quota: schedule.NewQuota(p.DailyQuota, p.Reserve, a.KeyIDs, now),
		calls: schedule.NewWindow(p.PerMinute, time.Minute), Polls: schedule.NewWindow(p.PerMinute, time.Minute), Posts: schedule.NewWindow(commandsPerMinute, time.Minute),
		perMinute: p.PerMinute, askedShare: p.PerMinute / 9, commands: min(commandsPerMinute, p.PerMinute/2), Rejected: map[volvo.API]bool{}, flights: map[schedule.Key]time.Time{}, failing: map[volvo.Resource]bool{}, Calls: map[Call]int{}, Days: history.Days{}, Status: OK, Since: now,
	}
}

// Count records a call that is about to be made.
func (a *Account) Count(apiKey int, now time.Time, command bool) {
	a.calls.Count(now)
	a.Polls.Count(now)
	a.Quota.Count(apiKey, now, command)
	a.Undurable++
	if command {
		a.Posts.Count(now)
	}
}

// commandShare is how many calls of a minute a read must leave: a command never waits for
// reads.
func (a *Account) commandShare(now time.Time) int { return max(0, a.commands-a.Posts.Used(now)) }

// Undo takes back a command that was never sent: it counts for nothing.
func (a *Account) Undo(apiKey int, at time.Time) {
	a.calls.Undo(at)
	a.Polls.Undo(at)
	a.Posts.Undo(at)
	a.Quota.Undo(apiKey, at, true)
}

// outage tells whether reads fail one after the other.
func (a *Account) outage() bool {
	distinct := min(2, a.Plan.Resources())
	return a.failures >= failuresToTell && len(a.failing) >= distinct
}

// current works out the status; reached tells whether a car of the account still answers.
func (a *Account) current(reached func() bool, now time.Time) Status {
	if a.Chain != nil {
		if status := cloudOf(a.Chain.State(now)); status != OK {
			return status
		}
	}
	switch {
	case len(a.Rejected) > 0:
		return LoginRequired
	case a.Quota.State(now).Spent:
		return QuotaSpent
	case now.Before(a.Paused):
		return RateLimited
	case a.outage() && errors.Is(a.LastFault, volvo.ErrUnreachable):
		return Unreachable
	case a.outage():
		return Outage
	case a.ListsNone && !reached():
		return NoCar
	}
	return OK
}

// cloudOf is the status that follows from a login without a token.
func cloudOf(s login.State) Status {
	switch {
	case s.Login:
		return LoginRequired
	case s.Usable || s.Fault == nil, s.Failures < failuresToTell && s.Fault.Kind != volvo.ErrClient:
		return OK
	case s.Fault.Kind == volvo.ErrUnreachable:
		return Unreachable
	case s.Fault.Kind == volvo.ErrRateLimited:
		return RateLimited
	}
	return Outage
}

// ready tells whether there is a token to read with.
func (a *Account) ready(now time.Time) bool { return a.Chain == nil || a.Chain.Usable(now) }

// Blocked tells whether no call is possible and the cars are not to blame.
func (a *Account) Blocked(now time.Time) bool {
	_, free := a.Quota.Pick(now, false)
	return now.Before(a.Paused) || !free
}

// Advice is the sentence for the status; empty when all is well.
func (a *Account) Advice(now time.Time) string {
	if a.Chain != nil {
		switch s := a.Chain.State(now); {
		case s.Login:
			return "Log in: " + s.Why + ". Press \"New login\" of the device Volvo bridge in Home Assistant, open /login of the bridge's web page, or run volvobridge login; values follow at once."
		case !s.Usable && s.Fault != nil:
			return s.Fault.Advice()
		}
	}
	switch a.Status {
	case OK:
		return ""
	case LoginRequired:
		for _, api := range volvo.APIs() {
			if a.Rejected[api] {
				return "Volvo answered 401 to the access token of " + string(api) + ": put a fresh one into volvo.access_token and restart; the other APIs go on."
			}
		}
	case NoCar:
		return "The account lists none of the cars: log in with the Volvo ID that the car is linked to in the Volvo app, or check vehicles."
	case QuotaSpent:
		return "The daily quota of the API key is spent; reading goes on by itself at " + a.Quota.Free(now, false).UTC().Format("15:04:05") + " UTC."
	case RateLimited:
		return "Volvo asked for a pause; reading goes on by itself at " + a.Paused.UTC().Format("15:04:05") + " UTC."
	}
	if a.LastFault == nil {
		return ""
	}
	return a.LastFault.Advice()
}

// failed counts a failed read; succeeded ends the run. After three the account
// only probes, one call at a time, further and further apart. What was under way
// when the last probe was planned tells nothing new: four reads that a pause of the
// cloud broke are one failure.
func (a *Account) failed(r volvo.Resource, fault *volvo.Error, started, now time.Time) {
	a.LastFault = fault
	if a.outage() && !started.After(a.probed) {
		return
	}
	a.failures++
	a.failing[r] = true
	if a.outage() {
		wait := firstProbe << min(a.failures-failuresToTell, 8)
		a.probe, a.probed = now.Add(min(wait, maxProbe)+schedule.Jitter(now, 900*time.Millisecond)), now
	}
}

// Succeeded reports whether that ended an outage.
func (a *Account) Succeeded() (recovered bool) {
	recovered = a.outage()
	a.Answered()
	return recovered
}

// Answered ends a run of failures: Volvo can be reached.
func (a *Account) Answered() {
	a.failures, a.probe = 0, time.Time{}
	clear(a.failing)
}

// countedCalls is what a restart must know of the limits.
type countedCalls struct {
	Keys  json.RawMessage `json:"keys"`
	Calls []time.Time     `json:"calls"` // of the last minute
	Price json.RawMessage `json:"price,omitempty"`
}

const mostPerMinute = 1000 // a higher limit is none of Volvo's

// Counts are the calls counted, for a restart.
func (a *Account) Counts() []byte {
	counted := countedCalls{Keys: a.Quota.Save(), Price: a.Plan.Prices()}
	if a.perMinute <= mostPerMinute {
		counted.Calls = a.Polls.Times()
	}
	return []byte(entity.Encode(counted))
}

// RestoreCounts takes up what counts returned before a restart.
func (a *Account) RestoreCounts(data []byte, now time.Time) error {
	var saved countedCalls
	err := json.NewDecoder(bytes.NewReader(data)).Decode(&saved) // what stands behind it is of a longer one
	if err == nil {
		err = a.Quota.Load(saved.Keys)
	}
	a.Polls.Restore(saved.Calls, now)
	a.Plan.RecallPrices(saved.Price)
	return err
}

// Call is a resource and how reads of it ended.
type Call struct{ Resource, Outcome string }

// Tally counts the end of a read.
func (a *Account) Tally(r volvo.Resource, outcome string) { a.Calls[Call{string(r), outcome}]++ }

// All are all of them.
type All []*Account
