package bridge

import (
	"context"
	"time"
	"volvobridge/bridge/schedule"
	"volvobridge/volvo"
)

// result is the end of a read.
type result struct {
	account  *account
	key      schedule.Key
	apiKey   int
	started  time.Time
	readings volvo.Readings
	cars     volvo.VehicleList
	err      error
}

// nextRead returns when dispatch can start a read of the account, if no event
// comes first.
func (a *account) nextRead(now time.Time) time.Time {
	if !a.ready(now) {
		return time.Time{} // the chain tells when it has a token
	}
	urgentOnly := a.inFlight >= maxInFlight || a.outage()
	due, ok := a.plan.Wake(urgentOnly)
	if a.outage() {
		if !ok || a.probe.Before(due) {
			due, ok = a.probe, a.inFlight == 0
		}
	}
	if !ok {
		return time.Time{}
	}
	for _, gate := range []time.Time{a.paused, a.quota.Free(now, urgentOnly), now.Add(a.polls.Wait(now, a.askedShare+a.commandShare(now)))} {
		if gate.After(due) {
			due = gate
		}
	}
	// What was asked for waits for less; look again soon enough for it.
	_, reserve := a.quota.Pick(now, true)
	if urgent, ok := a.plan.Wake(true); ok && reserve && !now.Before(a.paused) && urgent.Before(due) {
		due = urgent.Add(a.calls.Wait(now, a.commandShare(now)))
	}
	if !due.After(now) { // could not be started now: something must change first
		due = now.Add(100 * time.Millisecond)
	}
	return due
}

// perDay is what is wanted of the account's keys, by it and by those that share
// them.
func (a *account) perDay() float64 {
	calls := 0.0
	for _, other := range *a.all {
		if other == a || other.quota.Shares(a.quota) {
			calls += other.plan.PerDay()
		}
	}
	return calls
}

// pick returns a read that is due and allowed, and the API key to make it with.
func (a *account) pick(now time.Time) (key schedule.Key, apiKey int, ok bool) {
	if now.Before(a.paused) || !a.ready(now) {
		return key, apiKey, false
	}
	urgentOnly := a.inFlight >= maxInFlight || a.outage() || a.polls.Wait(now, a.askedShare+a.commandShare(now)) > 0
	apiKey, polling := a.quota.Pick(now, false)
	if !polling {
		if apiKey, polling = a.quota.Pick(now, true); !polling {
			return key, apiKey, false
		}
		urgentOnly = true
	}
	if a.calls.Wait(now, a.commandShare(now)) > 0 {
		return key, apiKey, false
	}
	key, _, ok = a.plan.Next(now, urgentOnly)
	if !ok && a.outage() && a.inFlight == 0 && !now.Before(a.probe) {
		key, ok = a.plan.Probe(now)
	}
	return key, apiKey, ok
}

// read does one GET, in a goroutine of its own.
func (a *account) read(ctx context.Context, apiKey int, key schedule.Key) result {
	r := result{account: a, key: key, apiKey: apiKey, started: time.Now()}
	if key.Resource == schedule.List {
		r.cars, r.err = a.clients[apiKey].Vehicles(ctx)
		return r
	}
	r.readings, r.err = a.clients[apiKey].Read(ctx, key.Car, key.Resource)
	return r
}

// sortFault takes what a failed read says of the account, and returns what it
// says of the resource.
func (a *account) sortFault(r result, fault *volvo.Error, now time.Time) schedule.Outcome {
	switch fault.Kind {
	case volvo.ErrQuota:
		a.quota.Spent(r.apiKey, now, fault.Wait)
		return schedule.Postponed
	case volvo.ErrRateLimited:
		a.pause(fault, now)
		return schedule.Postponed
	case volvo.ErrLogin:
		a.reject(r.key.Resource)
		a.answered()
		return schedule.Unsupported
	case volvo.ErrUnsupported, volvo.ErrScope, volvo.ErrNotYours, volvo.ErrBadRequest:
		a.failures = 0
		return schedule.Unsupported
	}
	a.failed(r.key.Resource, fault, now)
	return schedule.Failed
}

func (a *account) pause(fault *volvo.Error, now time.Time) {
	wait := defaultPause
	if fault.Wait > 0 {
		wait = fault.Wait
	}
	if until := now.Add(wait); until.After(a.paused) {
		a.paused = until
	}
}

func (a *account) reject(r volvo.Resource) {
	if a.chain != nil {
		return // the chain decides
	}
	api := r.API()
	if r == schedule.List {
		api = volvo.ConnectedVehicle
	}
	a.rejected[api] = true
}
