package account

import (
	"context"
	"time"

	"volvobridge/bridge/schedule"
	"volvobridge/volvo"
)

// Result is the end of a read.
type Result struct {
	Account  *Account
	Key      schedule.Key
	APIKey   int
	Started  time.Time
	Readings volvo.Readings
	Cars     volvo.VehicleList
	Err      error
}

// NextRead returns when dispatch can start a read of the account, if no event
// comes first.
func (a *Account) NextRead(now time.Time) time.Time {
	if !a.ready(now) {
		return time.Time{} // the chain tells when it has a token
	}
	full, free := a.full(now)
	urgentOnly := full || a.outage()
	due, ok := a.Plan.Wake(urgentOnly)
	if a.outage() {
		if !ok || a.probe.Before(due) {
			due, ok = a.probe, len(a.flights) == 0
		}
	}
	if full && !a.outage() {
		if next, any := a.Plan.Wake(false); any && (!ok || later(next, free).Before(due)) {
			due, ok = later(next, free), true
		}
	}
	if !ok {
		return time.Time{}
	}
	for _, gate := range []time.Time{a.Paused, a.Quota.Free(now, urgentOnly), now.Add(a.Polls.Wait(now, a.askedShare+a.commandShare(now)))} {
		if gate.After(due) {
			due = gate
		}
	}
	// What was asked for waits for less; look again soon enough for it.
	_, reserve := a.Quota.Pick(now, true)
	if urgent, ok := a.Plan.Wake(true); ok && reserve && !now.Before(a.Paused) && urgent.Before(due) {
		due = urgent.Add(a.calls.Wait(now, a.commandShare(now)))
	}
	if !due.After(now) { // could not be started now: something must change first
		due = now.Add(100 * time.Millisecond)
	}
	return due
}

// PerDay is what is wanted of the account's keys, by it and by those that share
// them.
func (a *Account) PerDay() float64 {
	calls := 0.0
	for _, other := range *a.All {
		if other == a || other.Quota.Shares(a.Quota) {
			calls += other.Plan.PerDay()
		}
	}
	return calls
}

// Pick returns a read that is due and allowed, and the API key to make it with.
func (a *Account) Pick(now time.Time) (key schedule.Key, apiKey int, ok bool) {
	if now.Before(a.Paused) || !a.ready(now) {
		return key, apiKey, false
	}
	full, _ := a.full(now)
	urgentOnly := full || a.outage() || a.Polls.Wait(now, a.askedShare+a.commandShare(now)) > 0
	apiKey, polling := a.Quota.Pick(now, false)
	if !polling {
		if apiKey, polling = a.Quota.Pick(now, true); !polling {
			return key, apiKey, false
		}
		urgentOnly = true
	}
	if a.calls.Wait(now, a.commandShare(now)) > 0 || a.Quota.Unproven(apiKey) && len(a.flights) > 0 {
		return key, apiKey, false
	}
	for {
		key, _, ok = a.Plan.Next(now, urgentOnly)
		if !ok || !a.crowded(key.Resource, now) {
			break
		}
		a.Plan.Delay(key, now.Add(slowAfter))
	}
	if !ok && a.outage() && len(a.flights) == 0 && !now.Before(a.probe) {
		key, ok = a.Plan.Probe(now)
	}
	return key, apiKey, ok
}

// Depart and Arrive are the begin and the end of a read.
func (a *Account) Depart(key schedule.Key, now time.Time) { a.flights[key] = now }

// Arrive is the end of a read that Depart began.
func (a *Account) Arrive(key schedule.Key) { delete(a.flights, key) }

// full tells whether no read may start now, and when a place is free at the latest: a
// read that takes long gives its place up.
func (a *Account) full(now time.Time) (bool, time.Time) {
	if len(a.flights) < maxInFlight {
		return false, now
	}
	quick, free := 0, time.Time{}
	for _, began := range a.flights {
		if slow := began.Add(slowAfter); slow.After(now) {
			quick++
			if free.IsZero() || slow.Before(free) {
				free = slow
			}
		}
	}
	if len(a.flights) >= maxSlow { // until one arrives
		return true, now.Add(slowAfter)
	}
	return quick >= maxInFlight, later(free, now)
}

// crowded tells whether too many reads of a resource hang already.
func (a *Account) crowded(r volvo.Resource, now time.Time) bool {
	slow := 0
	if len(a.flights) < maxSlowAlike {
		return false
	}
	for key, began := range a.flights {
		if key.Resource == r && now.Sub(began) >= slowAfter {
			slow++
		}
	}
	return slow >= maxSlowAlike
}

func later(a, b time.Time) time.Time {
	if b.After(a) {
		return b
	}
	return a
}

// Landed tells that Volvo answered with a key, whatever it had said of its quota.
func (a *Account) Landed(apiKey int) { a.Quota.Proven(apiKey) }

// Budget gives the plan what it may spend: of keys that accounts share, a share by the
// number of their cars.
func (a *Account) Budget(now time.Time) {
	a.Plan.Stretch(a.Quota.Stretch(a.PerDay(), now))
	perDay, left, rest := a.Quota.Budget(now)
	mine, all := 1+a.Plan.Resources(), 0
	for _, other := range *a.All {
		if other == a || other.Quota.Shares(a.Quota) {
			all += 1 + other.Plan.Resources()
		}
	}
	share := float64(mine) / float64(max(mine, all))
	a.Plan.Budget(perDay*share, left*share, rest)
}

// Read does one GET, in a goroutine of its own.
func (a *Account) Read(ctx context.Context, apiKey int, key schedule.Key) Result {
	r := Result{Account: a, Key: key, APIKey: apiKey, Started: time.Now()}
	if key.Resource == schedule.List {
		r.Cars, r.Err = a.Clients[apiKey].Vehicles(ctx)
		return r
	}
	r.Readings, r.Err = a.Clients[apiKey].Read(ctx, key.Car, key.Resource)
	return r
}

// SortFault takes what a failed read says of the account, and returns what it
// says of the resource.
func (a *Account) SortFault(r Result, fault *volvo.Error, now time.Time) schedule.Outcome {
	switch fault.Kind {
	case volvo.ErrQuota:
		a.Quota.Spent(r.APIKey, now, fault.Wait)
		return schedule.Postponed
	case volvo.ErrRateLimited:
		a.pause(fault, now)
		return schedule.Postponed
	case volvo.ErrLogin:
		a.reject(r.Key.Resource)
		a.Answered()
		return schedule.Unsupported
	case volvo.ErrUnsupported, volvo.ErrScope, volvo.ErrNotYours, volvo.ErrBadRequest:
		a.failures = 0
		return schedule.Unsupported
	}
	a.failed(r.Key.Resource, fault, r.Started, now)
	return schedule.Failed
}

func (a *Account) pause(fault *volvo.Error, now time.Time) {
	wait := defaultPause
	if fault.Wait > 0 {
		wait = fault.Wait
	}
	if until := now.Add(wait + schedule.Jitter(now, 3*time.Second)); until.After(a.Paused) {
		a.Paused = until
	}
}

func (a *Account) reject(r volvo.Resource) {
	if a.Chain != nil {
		return // the chain decides
	}
	api := r.API()
	if r == schedule.List {
		api = volvo.ConnectedVehicle
	}
	a.Rejected[api] = true
}
