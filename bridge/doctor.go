package bridge

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"regexp"
	"strings"
	"sync/atomic"
	"time"

	"volvobridge/bridge/entity"
	"volvobridge/bridge/store"
	"volvobridge/volvo"
)

// Finding is one thing that a doctor looked at.
type Finding struct {
	// Area is what it belongs to: an account, a car.
	Area string `json:"area"`
	// What was looked at, such as a resource.
	What string `json:"what"`
	// Result is `ok`, `warning`, `problem` or `skipped`.
	Result string `json:"result"`
	// Found is what there is, Advice what a person can do about it.
	Found  string `json:"found"`
	Advice string `json:"advice,omitempty"`
	// Fields are a resource's, with the words and the kinds of values; never a
	// number, a position or a name.
	Fields map[string]string `json:"fields,omitempty"`
}

// The results of a [Finding].
const (
	ResultOK      = "ok"
	ResultWarning = "warning"
	ResultProblem = "problem"
	ResultSkipped = "skipped"
)

const (
	tokenPatience = 50 * time.Second // for a refresh and its repetitions
	tokenLook     = 100 * time.Millisecond
	clockLook     = time.Second
	warnBefore    = 14 * 24 * time.Hour
)

// examination is a doctor's round. It makes its calls within the limits.
type examination struct {
	accounts []*account
	secret   func(string)
	// with runs f where the accounts may be touched.
	with     func(ctx context.Context, f func(now time.Time)) error
	save     func(a *account, now time.Time)
	findings []Finding
	// recent returns an answer that the bridge got lately, and its age.
	recent func(vin string, r volvo.Resource, now time.Time) (volvo.Readings, time.Duration, bool)
}

// recently: an answer that young is not asked for again.
const recently = 10 * time.Minute

// Examine looks at every account, its login, its quota, and every resource of
// every car, while the bridge runs.
func (b *Bridge) Examine(ctx context.Context) ([]Finding, error) {
	x := &examination{secret: b.opts.Secret, save: b.saveQuota, with: b.within}
	x.recent = func(vin string, r volvo.Resource, now time.Time) (volvo.Readings, time.Duration, bool) {
		c := b.car(vin)
		if c == nil || c.Snapshot[r] == nil || now.Sub(c.Snapshot[r].Fetched) > recently || c.Snapshot[r].Fetched.After(now) {
			return nil, 0, false
		}
		return c.Snapshot[r].Readings, now.Sub(c.Snapshot[r].Fetched), true
	}
	if err := b.within(ctx, func(time.Time) {
		x.accounts = b.accounts
		x.findings = b.brokerFindings()
	}); err != nil {
		return nil, err
	}
	err := x.round(ctx)
	return x.findings, err
}

// brokerFindings are what the bridge learned of the broker while it ran.
func (b *Bridge) brokerFindings() []Finding {
	var all []Finding
	if b.own.conflict() {
		all = append(all, occupied(b.own.other))
	}
	for _, line := range b.broker.lines() {
		found, advice, _ := strings.Cut(line, ": ")
		all = append(all, Finding{Area: "broker", What: "rules", Result: ResultProblem, Found: found, Advice: strings.ToUpper(advice[:1]) + advice[1:]})
	}
	return all
}

func occupied(other marker) Finding {
	return Finding{Area: "broker", What: "instance", Result: ResultProblem, Advice: "Stop one of the two, or give each its own mqtt.topic.",
		Found: fmt.Sprintf("another bridge owns mqtt.topic: client id %s on %s", entity.Brief(other.ClientID), entity.Brief(other.Host))}
}

// Occupied looks at the marker on the base topic, as a bridge would that starts with
// a store.
func Occupied(st *store.Store, payload []byte, now time.Time) []Finding {
	own := ownership{self: marker{ID: loadInstance(st)}}
	own.received(payload, true, now)
	if !own.conflict() {
		return nil
	}
	return []Finding{occupied(own.other)}
}

// within has the loop run f, and waits for it.
func (b *Bridge) within(ctx context.Context, f func(now time.Time)) error {
	done := make(chan struct{})
	var taken atomic.Bool // by the loop, or given up
	run := func(now time.Time) {
		if taken.CompareAndSwap(false, true) {
			f(now)
			close(done)
		}
	}
	select {
	case b.asked <- run:
	case <-b.quit:
		return errors.New("the bridge is stopping")
	case <-ctx.Done():
		return ctx.Err()
	}
	select {
	case <-done:
		return nil
	case <-b.quit:
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
func ExamineAlone(ctx context.Context, opts Options) ([]Finding, error) {
	b := New(opts)
	x := &examination{secret: b.opts.Secret, save: b.saveQuota}
	x.with = func(_ context.Context, f func(time.Time)) error { f(time.Now()); return nil }
	for _, o := range opts.Accounts {
		a := newAccount(o, opts.Polling, opts.Commands.PerMinute, o.Name, time.Now())
		for _, other := range x.accounts {
			a.quota.Share(other.quota)
		}
		b.loadQuota(a)
		x.accounts = append(x.accounts, a)
	}
	b.accounts = x.accounts
	stop := b.runChains()
	defer func() {
		stop()
		close(b.quit)
		b.wg.Wait()
	}()
	err := x.round(ctx)
	for _, a := range x.accounts {
		a.counted = time.Time{}
		b.saveQuota(a, time.Now())
	}
	return x.findings, err
}

func (x *examination) add(f Finding) { x.findings = append(x.findings, f) }

func (x *examination) round(ctx context.Context) error {
	for _, a := range x.accounts {
		good := x.login(ctx, a)
		x.quota(ctx, a)
		if !good {
			x.add(Finding{Area: a.label, What: "cars", Result: ResultSkipped, Found: "nothing can be read without a login"})
		} else if err := x.cars(ctx, a); err != nil {
			return err
		}
	}
	return nil
}

// login looks at the login, and reports whether calls can be made.
func (x *examination) login(ctx context.Context, a *account) bool {
	f := Finding{Area: a.label, What: "login", Result: ResultOK}
	defer func() { x.add(f) }()
	if a.chain == nil {
		f.Found, f.Advice = "test tokens, which end after about an hour", "For a login that lasts, set client_id and client_secret and remove access_token."
		f.Result = ResultWarning
		if !a.ends.IsZero() {
			f.Found = "test tokens, which end at " + a.ends.UTC().Format(time.DateTime) + " UTC"
			if time.Now().After(a.ends) {
				f.Result, f.Advice = ResultProblem, "Get fresh test tokens from the developer portal, or log in with client_id and client_secret."
			}
		}
		return true
	}
	s := a.chain.State(time.Now())
	for end := time.Now().Add(tokenPatience); !s.Usable && !s.Login && s.Fault == nil && time.Now().Before(end) && ctx.Err() == nil; s = a.chain.State(time.Now()) {
		time.Sleep(tokenLook)
	}
	for _, line := range entity.Lost(s.Missing) {
		x.add(Finding{Area: a.label, What: "scope", Result: ResultWarning, Found: "not granted: " + line,
			Advice: "Publish the scope with the application on developer.volvocars.com, then log in again; or do without."})
	}
	now := time.Now()
	switch {
	case s.Login:
		f.Result, f.Found, f.Advice = ResultProblem, "a login is needed: "+s.Why, "Run volvobridge login, or press \"New login\" of the device Volvo bridge in Home Assistant."
	case !s.Usable && s.Fault != nil:
		f.Result, f.Found, f.Advice = ResultProblem, s.Fault.Error(), s.Fault.Advice()
	case !s.Usable:
		f.Result, f.Found, f.Advice = ResultProblem, "Volvo gave no token in time", "Wait a little and try again."
	case !s.Ends.IsZero() && s.Ends.Sub(now) < warnBefore:
		f.Result, f.Found, f.Advice = ResultWarning, "ends at "+s.Ends.UTC().Format(time.DateOnly), "Log in again before then: run volvobridge login."
	default:
		f.Found = fmt.Sprintf("logged in on %s, refreshed %s ago, %d scopes", s.LoggedIn.UTC().Format(time.DateOnly), now.Sub(s.Refreshed).Round(time.Second), len(s.Scopes))
		if !s.Ends.IsZero() {
			f.Found += ", ends on " + s.Ends.UTC().Format(time.DateOnly)
		}
	}
	return s.Usable
}

func (x *examination) quota(ctx context.Context, a *account) {
	_ = x.with(ctx, func(now time.Time) { // a bridge that stops has no quota to tell
		s := a.quota.State(now)
		f := Finding{Area: a.label, What: "quota", Result: ResultOK, Found: fmt.Sprintf("%d calls today, %d left, refilled at %s UTC", s.Calls, s.Left, s.Resets.UTC().Format(time.DateTime))}
		if s.Spent {
			f.Result, f.Advice = ResultProblem, "Wait for the refill, poll less (polling.intervals), or add a second key to api_keys."
		}
		x.add(f)
	})
}

// call makes one call within the limits, and counts it.
func (x *examination) call(ctx context.Context, a *account, do func(*volvo.Client) error) error {
	for {
		key, free, wait := 0, false, time.Duration(0)
		err := x.with(ctx, func(now time.Time) {
			if key, free = a.quota.Pick(now, true); !free {
				return
			}
			if wait = max(a.polls.Wait(now, 0), a.paused.Sub(now)); wait <= 0 {
				a.count(key, now, false)
				x.save(a, now)
			}
		})
		switch {
		case err != nil:
			return err
		case !free:
			return &volvo.Error{Kind: volvo.ErrQuota, Op: "doctor", Description: "our own count, or Volvo, says that none is left"}
		case wait <= 0:
			return do(a.clients[key])
		}
		select {
		case <-time.After(min(wait, clockLook)):
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

func (x *examination) cars(ctx context.Context, a *account) error {
	var list volvo.VehicleList
	err := x.call(ctx, a, func(c *volvo.Client) (err error) {
		list, err = c.Vehicles(ctx)
		return err
	})
	if err != nil {
		x.add(failure(Finding{Area: a.label, What: "list of cars"}, err))
		return ctx.Err()
	}
	listed := list.VINs
	for _, vin := range listed {
		x.secret(vin)
	}
	cars := a.wanted
	if len(cars) == 0 {
		for _, vin := range listed {
			cars = append(cars, Vehicle{VIN: vin})
		}
	}
	f := Finding{Area: a.label, What: "list of cars", Result: ResultOK, Found: fmt.Sprintf("in the account %d, to bridge %d", len(listed), len(cars))}
	if len(listed) == 0 {
		f.Result, f.Advice = ResultProblem, "Log in with the Volvo ID that the car is linked to in the Volvo app."
	}
	x.add(f)
	for i, v := range cars {
		area := v.Name
		if area == "" {
			area = fmt.Sprint("car ", i+1)
		}
		if list.Whole && !containsFold(listed, v.VIN) {
			x.add(Finding{Area: area, What: "vin", Result: ResultProblem, Found: "the account does not list this car", Advice: "Check the VIN in vehicles, and that the car is linked to this Volvo ID in the Volvo app."})
			continue
		}
		if err := x.car(ctx, a, area, strings.ToUpper(v.VIN)); err != nil {
			return err
		}
	}
	return nil
}

func containsFold(list []string, s string) bool {
	for _, item := range list {
		if strings.EqualFold(item, s) {
			return true
		}
	}
	return false
}

// car reads every resource of a car.
func (x *examination) car(ctx context.Context, a *account, area, vin string) error {
	for _, r := range a.reads {
		if x.known(ctx, area, vin, r) {
			continue
		}
		var readings volvo.Readings
		err := x.call(ctx, a, func(c *volvo.Client) (err error) {
			readings, err = c.Read(ctx, vin, r)
			return err
		})
		f := Finding{Area: area, What: string(r), Result: ResultOK, Found: fmt.Sprintf("%d fields", len(readings)), Fields: shapes(r, readings)}
		if err != nil {
			f = failure(Finding{Area: area, What: string(r)}, err)
		}
		x.add(f)
		if ctx.Err() != nil {
			return ctx.Err()
		}
	}
	return nil
}

// known finds a resource that the running bridge has read lately.
func (x *examination) known(ctx context.Context, area, vin string, r volvo.Resource) (found bool) {
	if x.recent == nil {
		return false
	}
	_ = x.with(ctx, func(now time.Time) { // a bridge that stops knows nothing
		readings, age, ok := x.recent(vin, r, now)
		if found = ok; ok {
			x.add(Finding{Area: area, What: string(r), Result: ResultOK, Found: fmt.Sprintf("%d fields, read %s ago", len(readings), age.Round(time.Second)), Fields: shapes(r, readings)})
		}
	})
	return found
}

// failure sorts a call that failed: what the car does not offer is no problem.
func failure(f Finding, err error) Finding {
	f.Result, f.Found = ResultProblem, err.Error()
	fault, ok := errors.AsType[*volvo.Error](err)
	if !ok {
		f.Advice = "Try again."
		return f
	}
	f.Found, f.Advice = strings.TrimPrefix(fault.Error(), fault.Op+": "), fault.Advice()
	if fault.Kind == volvo.ErrOutage && fault.Status == http.StatusUnauthorized {
		f.Found = "401: " + fault.Text()
	}
	switch fault.Kind {
	case volvo.ErrUnsupported:
		f.Result, f.Found, f.Advice = ResultOK, "not offered for this car", ""
	case volvo.ErrRateLimited:
		f.Result = ResultWarning
	}
	return f
}

var plainWord = regexp.MustCompile(`^[A-Z][A-Z_]+$`)

// shapes tells what an answer looked like without what it said of the owner.
func shapes(r volvo.Resource, readings volvo.Readings) map[string]string {
	fields := map[string]string{}
	for name, reading := range readings {
		switch {
		case r == volvo.Details || r == volvo.Position:
			fields[name] = "a value"
		case plainWord.MatchString(reading.Value):
			fields[name] = reading.Value
		default:
			fields[name] = strings.TrimSpace("a value " + reading.Unit)
		}
	}
	return fields
}
