package bridge

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync/atomic"
	"time"

	"volvobridge/bridge/account"
	"volvobridge/bridge/doctor"
	"volvobridge/bridge/entity"
	"volvobridge/bridge/link"
	"volvobridge/bridge/mqtt"
	"volvobridge/bridge/schedule"
	"volvobridge/bridge/store"
	"volvobridge/volvo"
)

// Examine looks at every account, its login, its quota, and every resource of
// every car, while the bridge runs.
func (b *Bridge) Examine(ctx context.Context) ([]doctor.Finding, error) {
	var accounts []doctor.Account
	var found []doctor.Finding
	err := b.workers.within(ctx, func(time.Time) {
		for _, a := range b.accounts {
			p := patient(a, b.files, b.workers.within)
			p.Recent = func(ctx context.Context, vin string, r volvo.Resource) (readings volvo.Readings, age time.Duration, ok bool) {
				_ = b.workers.within(ctx, func(now time.Time) { readings, age, ok = b.fleet.recent(vin, r, now) }) // a bridge that stops knows nothing
				return readings, age, ok
			}
			accounts = append(accounts, p)
		}
		found = findings(b.link)
	})
	if err != nil {
		return nil, err
	}
	more, err := doctor.Examine(ctx, accounts, b.opts.Secret)
	return append(found, more...), err
}

// patient is an account as the doctor sees it; with runs a function where the
// account may be touched.
func patient(a *account.Account, f *files, with func(context.Context, func(time.Time)) error) doctor.Account {
	p := doctor.Account{Name: a.Label, Chain: a.Chain, Ends: a.Ends, Resources: a.Resources}
	for _, v := range a.Vehicles {
		p.Vehicles = append(p.Vehicles, doctor.Vehicle(v))
	}
	p.Quota = func(ctx context.Context) (s schedule.State, err error) {
		err = with(ctx, func(now time.Time) { s = a.Quota.State(now) })
		return s, err
	}
	p.Begin = func(ctx context.Context) (client *volvo.Client, wait time.Duration, err error) {
		err = with(ctx, func(now time.Time) {
			key, free := a.Quota.Pick(now, true)
			if !free {
				return
			}
			if wait = max(a.Polls.Wait(now, 0), a.Paused.Sub(now)); wait <= 0 {
				client = a.Clients[key]
				a.Count(key, now, false)
				f.saveQuota(a, now)
			}
		})
		return client, wait, err
	}
	return p
}

// recent returns an answer that is young enough not to be asked for again.
func (f *fleet) recent(vin string, r volvo.Resource, now time.Time) (volvo.Readings, time.Duration, bool) {
	c := f.car(vin)
	if c == nil || c.Snapshot[r] == nil || now.Sub(c.Snapshot[r].Fetched) > doctor.Recently || c.Snapshot[r].Fetched.After(now) {
		return nil, 0, false
	}
	return c.Snapshot[r].Readings, now.Sub(c.Snapshot[r].Fetched), true
}

// findings are what the bridge learned of the broker while it ran.
func findings(l *link.Link) []doctor.Finding {
	var all []doctor.Finding
	if l.Own.Conflict() {
		all = append(all, occupied(l.Own.Other()))
	}
	for _, line := range l.Broker.Lines() {
		found, advice, _ := strings.Cut(line, ": ")
		all = append(all, doctor.Finding{Area: "broker", What: "rules", Result: doctor.ResultProblem, Found: found, Advice: strings.ToUpper(advice[:1]) + advice[1:]})
	}
	return all
}

func occupied(other mqtt.Marker) doctor.Finding {
	return doctor.Finding{Area: "broker", What: "instance", Result: doctor.ResultProblem, Advice: "Stop one of the two, or give each its own mqtt.topic.",
		Found: fmt.Sprintf("another bridge owns mqtt.topic: client id %s on %s", entity.Brief(other.ClientID), entity.Brief(other.Host))}
}

// Occupied looks at the marker on the base topic, as a bridge would that starts with
// a store.
func Occupied(st *store.Store, payload []byte, now time.Time) []doctor.Finding {
	own := mqtt.NewOwnership(mqtt.Marker{ID: link.LoadInstance(st)})
	own.Received(payload, true, now)
	if !own.Conflict() {
		return nil
	}
	return []doctor.Finding{occupied(own.Other())}
}

// within has the loop run f, and waits for it.
func (w *workers) within(ctx context.Context, f func(now time.Time)) error {
	done := make(chan struct{})
	var taken atomic.Bool // by the loop, or given up
	run := func(now time.Time) {
		if taken.CompareAndSwap(false, true) {
			f(now)
			close(done)
		}
	}
	select {
	case w.tasks <- run:
	case <-w.quit:
		return errors.New("the bridge is stopping")
	case <-ctx.Done():
		return ctx.Err()
	}
	select {
	case <-done:
		return nil
	case <-w.quit:
		return errors.New("the bridge is stopping")
	case <-ctx.Done():
		if taken.CompareAndSwap(false, true) {
			return ctx.Err()
		}
		<-done // it has begun: the caller's variables are in use
		return nil
	}
}

// ExamineAlone is Examine without a running bridge: it refreshes the logins
// itself.
func ExamineAlone(ctx context.Context, opts Options) ([]doctor.Finding, error) {
	b := New(opts)
	alone := func(_ context.Context, f func(time.Time)) error { f(time.Now()); return nil }
	var accounts []doctor.Account
	for _, o := range opts.Accounts {
		a := account.New(o, opts.Polling, opts.Commands.PerMinute, o.Name, time.Now())
		for _, other := range b.accounts {
			a.Quota.Share(other.Quota)
		}
		b.files.loadQuota(a)
		a.All = &b.accounts
		b.accounts = append(b.accounts, a)
		accounts = append(accounts, patient(a, b.files, alone))
	}
	stop := b.runChains()
	defer func() {
		stop()
		close(b.workers.quit)
		b.workers.wg.Wait()
	}()
	findings, err := doctor.Examine(ctx, accounts, b.opts.Secret)
	for _, a := range b.accounts {
		a.Counted = time.Time{}
		b.files.saveQuota(a, time.Now())
	}
	return findings, err
}
