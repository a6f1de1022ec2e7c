package bridge

import (
	"bytes"
	"cmp"
	"encoding/json"
	"errors"
	"slices"
	"time"

	"volvobridge/bridge/entity"
	"volvobridge/bridge/login"
	"volvobridge/bridge/schedule"
	"volvobridge/volvo"
)

// account is a Volvo ID: its limits, its plan and how its cloud is.
type account struct {
	label    string // in logs
	file     string // in file names
	clients  []*volvo.Client
	chain    *login.Chain // nil: test tokens
	ends     time.Time    // of those
	vehicles []Vehicle
	all      *accounts        // this one and the others
	reads    []volvo.Resource // of each car

	plan  *schedule.Plan
	quota *schedule.Quota
	calls *schedule.Window // any call of this process
	polls *schedule.Window // any call, also of the process before: what polling goes by
	posts *schedule.Window // commands

	perMinute         int // calls, by the configuration
	askedShare        int // calls of a minute that polling leaves to what is asked for
	commands          int // and that any read leaves to commands
	inFlight          int
	paused            time.Time          // after a 429
	rejected          map[volvo.API]bool // test tokens that Volvo answered 401 to
	failures          int
	failing           map[volvo.Resource]bool // resources of the run of failures
	lastFault         *volvo.Error
	probe             time.Time // in an outage: when to try next
	status            cloudStatus
	since             time.Time // when it became so
	clientFaultLogged bool      // that Volvo refuses the application was logged
	counted           time.Time // when the count of calls was saved
	uncounted         time.Time // when it must be again
	listed            bool      // the list of cars was read at least once
	listsNone         bool      // and none of our cars was on it
	apiKeyFaultLogged bool      // that Volvo refuses the API key was logged
}

// cloudStatus is what a person wants to know of the cloud.
type cloudStatus string

const (
	cloudOK          cloudStatus = "ok"
	cloudLogin       cloudStatus = "login_required"
	cloudNoCar       cloudStatus = "no_car"
	cloudQuota       cloudStatus = "quota_spent"
	cloudRateLimited cloudStatus = "rate_limited"
	cloudOutage      cloudStatus = "outage"
	cloudUnreachable cloudStatus = "unreachable"
)

const (
	maxInFlight    = 4 // reads at a time
	failuresToTell = 3
	defaultPause   = time.Minute // after a 429 without Retry-After
	firstProbe     = 5 * time.Second
	maxProbe       = time.Minute
)

func newAccount(a Account, p Polling, commandsPerMinute int, label string, now time.Time) *account {
	reads := slices.DeleteFunc(volvo.Resources(), func(r volvo.Resource) bool { return slices.Contains(a.Without, r.API()) })
	return &account{
		label: label, reads: reads, file: cmp.Or(a.File, label), clients: a.Clients, vehicles: a.Vehicles, chain: a.Chain, ends: a.Ends,
		plan:  schedule.NewPlan(p.Rules),
		quota: schedule.NewQuota(p.DailyQuota, p.Reserve, a.KeyIDs, now),
		calls: schedule.NewWindow(p.PerMinute, time.Minute), polls: schedule.NewWindow(p.PerMinute, time.Minute), posts: schedule.NewWindow(commandsPerMinute, time.Minute),
		perMinute: p.PerMinute, askedShare: p.PerMinute / 9, commands: min(commandsPerMinute, p.PerMinute/2), rejected: map[volvo.API]bool{}, failing: map[volvo.Resource]bool{}, status: cloudOK, since: now,
	}
}

// count records a call that is about to be made.
func (a *account) count(apiKey int, now time.Time, command bool) {
	a.calls.Count(now)
	a.polls.Count(now)
	a.quota.Count(apiKey, now, command)
	if command {
		a.posts.Count(now)
	}
}

// commandShare is how many calls of a minute a read must leave: a command never waits for
// reads.
func (a *account) commandShare(now time.Time) int { return max(0, a.commands-a.posts.Used(now)) }

// undo takes back a command that was never sent: it counts for nothing.
func (a *account) undo(apiKey int, at time.Time) {
	a.calls.Undo(at)
	a.polls.Undo(at)
	a.posts.Undo(at)
	a.quota.Undo(apiKey, at, true)
}

// outage tells whether reads fail one after the other.
func (a *account) outage() bool {
	distinct := min(2, a.plan.Resources())
	return a.failures >= failuresToTell && len(a.failing) >= distinct
}

// current works out the status; reached tells whether a car of the account still answers.
func (a *account) current(reached func() bool, now time.Time) cloudStatus {
	if a.chain != nil {
		if status := cloudOf(a.chain.State(now)); status != cloudOK {
			return status
		}
	}
	switch {
	case len(a.rejected) > 0:
		return cloudLogin
	case a.quota.State(now).Spent:
		return cloudQuota
	case now.Before(a.paused):
		return cloudRateLimited
	case a.outage() && errors.Is(a.lastFault, volvo.ErrUnreachable):
		return cloudUnreachable
	case a.outage():
		return cloudOutage
	case a.listsNone && !reached():
		return cloudNoCar
	}
	return cloudOK
}

// cloudOf is the status that follows from a login without a token.
func cloudOf(s login.State) cloudStatus {
	switch {
	case s.Login:
		return cloudLogin
	case s.Usable || s.Fault == nil, s.Failures < failuresToTell && s.Fault.Kind != volvo.ErrClient:
		return cloudOK
	case s.Fault.Kind == volvo.ErrUnreachable:
		return cloudUnreachable
	case s.Fault.Kind == volvo.ErrRateLimited:
		return cloudRateLimited
	}
	return cloudOutage
}

// ready tells whether there is a token to read with.
func (a *account) ready(now time.Time) bool { return a.chain == nil || a.chain.Usable(now) }

// blocked tells whether no call is possible and the cars are not to blame.
func (a *account) blocked(now time.Time) bool {
	_, free := a.quota.Pick(now, false)
	return now.Before(a.paused) || !free
}

// advice is the sentence for the status; empty when all is well.
func (a *account) advice(now time.Time) string {
	if a.chain != nil {
		switch s := a.chain.State(now); {
		case s.Login:
			return "Log in: " + s.Why + ". Press \"New login\" of the device Volvo bridge in Home Assistant, open /login of the bridge's web page, or run volvobridge login; values follow at once."
		case !s.Usable && s.Fault != nil:
			return s.Fault.Advice()
		}
	}
	switch a.status {
	case cloudOK:
		return ""
	case cloudLogin:
		for _, api := range volvo.APIs() {
			if a.rejected[api] {
				return "Volvo answered 401 to the access token of " + string(api) + ": put a fresh one into volvo.access_token and restart; the other APIs go on."
			}
		}
	case cloudNoCar:
		return "The account lists none of the cars: log in with the Volvo ID that the car is linked to in the Volvo app, or check vehicles."
	case cloudQuota:
		return "The daily quota of the API key is spent; reading goes on by itself at " + a.quota.Free(now, false).UTC().Format("15:04:05") + " UTC."
	case cloudRateLimited:
		return "Volvo asked for a pause; reading goes on by itself at " + a.paused.UTC().Format("15:04:05") + " UTC."
	}
	if a.lastFault == nil {
		return ""
	}
	return a.lastFault.Advice()
}

// failed counts a failed read; succeeded ends the run. After three the account
// only probes, one call at a time, further and further apart.
func (a *account) failed(r volvo.Resource, fault *volvo.Error, now time.Time) {
	a.failures++
	a.failing[r] = true
	a.lastFault = fault
	if a.outage() {
		wait := firstProbe << min(a.failures-failuresToTell, 8)
		a.probe = now.Add(min(wait, maxProbe))
	}
}

// succeeded reports whether that ended an outage.
func (a *account) succeeded() (recovered bool) {
	recovered = a.outage()
	a.answered()
	return recovered
}

// answered ends a run of failures: Volvo can be reached.
func (a *account) answered() {
	a.failures, a.probe = 0, time.Time{}
	clear(a.failing)
}

// countedCalls is what a restart must know of the limits.
type countedCalls struct {
	Keys  json.RawMessage `json:"keys"`
	Calls []time.Time     `json:"calls"` // of the last minute
}

const mostPerMinute = 1000 // a higher limit is none of Volvo's

// counts are the calls counted, for a restart.
func (a *account) counts() []byte {
	counted := countedCalls{Keys: a.quota.Save()}
	if a.perMinute <= mostPerMinute {
		counted.Calls = a.polls.Times()
	}
	return []byte(entity.Encode(counted))
}

// restoreCounts takes up what counts returned before a restart.
func (a *account) restoreCounts(data []byte, now time.Time) error {
	var saved countedCalls
	err := json.NewDecoder(bytes.NewReader(data)).Decode(&saved) // what stands behind it is of a longer one
	if err == nil {
		err = a.quota.Load(saved.Keys)
	}
	a.polls.Restore(saved.Calls, now)
	return err
}

// accounts are all of them.
type accounts []*account
