// Package doctor examines logins, quotas, lists of cars and every resource of every
// car, and tells what it found and what a person can do about it. In come the
// accounts, as the running bridge or a program without one knows them; out come
// findings, which hold no secret and no value of the owner's.
package doctor

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"regexp"
	"strings"
	"time"

	"volvobridge/bridge/entity"
	"volvobridge/bridge/login"
	"volvobridge/bridge/schedule"
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

// Recently is how old an answer may be that is not asked for again.
const Recently = 10 * time.Minute

// Account is one that is examined. Its functions may be called from anywhere; they
// fail when the bridge stops.
type Account struct {
	Name      string
	Chain     *login.Chain // nil: test tokens, which end at Ends if that is known
	Ends      time.Time
	Resources []volvo.Resource // that are read of a car
	Vehicles  []Vehicle        // that are configured; none: all of the account
	// Quota tells what is left of it.
	Quota func(context.Context) (schedule.State, error)
	// Begin counts a call and returns who makes it; a client only when there is
	// nothing to wait for, and neither when no call is left.
	Begin func(context.Context) (*volvo.Client, time.Duration, error)
	// Recent returns an answer that the bridge got lately, and its age. Nil: there is
	// no bridge.
	Recent func(ctx context.Context, vin string, r volvo.Resource) (volvo.Readings, time.Duration, bool)
}

// Vehicle is a configured car.
type Vehicle struct{ VIN, Name string }

// examination is a doctor's round. It makes its calls within the limits.
type examination struct {
	secret   func(string)
	findings []Finding
}

// Examine looks at the accounts. What must never be logged, such as a VIN, is told
// to secret.
func Examine(ctx context.Context, accounts []Account, secret func(string)) ([]Finding, error) {
	x := &examination{secret: secret}
	for _, a := range accounts {
		good := x.login(ctx, a)
		x.quota(ctx, a)
		if !good {
			x.add(Finding{Area: a.Name, What: "cars", Result: ResultSkipped, Found: "nothing can be read without a login"})
		} else if err := x.cars(ctx, a); err != nil {
			return x.findings, err
		}
	}
	return x.findings, nil
}

func (x *examination) add(f Finding) { x.findings = append(x.findings, f) }

// login looks at the login, and reports whether calls can be made.
func (x *examination) login(ctx context.Context, a Account) bool {
	f := Finding{Area: a.Name, What: "login", Result: ResultOK}
	defer func() { x.add(f) }()
	if a.Chain == nil {
		f.Found, f.Advice = "test tokens, which end after about an hour", "For a login that lasts, set client_id and client_secret and remove access_token."
		f.Result = ResultWarning
		if !a.Ends.IsZero() {
			f.Found = "test tokens, which end at " + a.Ends.UTC().Format(time.DateTime) + " UTC"
			if time.Now().After(a.Ends) {
				f.Result, f.Advice = ResultProblem, "Get fresh test tokens from the developer portal, or log in with client_id and client_secret."
			}
		}
		return true
	}
	s := a.Chain.State(time.Now())
	for end := time.Now().Add(tokenPatience); !s.Usable && !s.Login && s.Fault == nil && time.Now().Before(end) && ctx.Err() == nil; s = a.Chain.State(time.Now()) {
		time.Sleep(tokenLook)
	}
	for _, line := range entity.Lost(s.Missing) {
		x.add(Finding{Area: a.Name, What: "scope", Result: ResultWarning, Found: "not granted: " + line,
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

func (x *examination) quota(ctx context.Context, a Account) {
	s, err := a.Quota(ctx)
	if err != nil {
		return // a bridge that stops has no quota to tell
	}
	f := Finding{Area: a.Name, What: "quota", Result: ResultOK, Found: fmt.Sprintf("%d calls today, %d left, refilled at %s UTC", s.Calls, s.Left, s.Resets.UTC().Format(time.DateTime))}
	if s.Spent {
		f.Result, f.Advice = ResultProblem, "Wait for the refill, poll less (polling.intervals), or add a second key to api_keys."
	}
	x.add(f)
}

// call makes one call within the limits, and counts it.
func (x *examination) call(ctx context.Context, a Account, do func(*volvo.Client) error) error {
	for {
		client, wait, err := a.Begin(ctx)
		switch {
		case err != nil:
			return err
		case client != nil:
			return do(client)
		case wait <= 0:
			return &volvo.Error{Kind: volvo.ErrQuota, Op: "doctor", Description: "our own count, or Volvo, says that none is left"}
		}
		select {
		case <-time.After(min(wait, clockLook)):
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

func (x *examination) cars(ctx context.Context, a Account) error {
	var list volvo.VehicleList
	err := x.call(ctx, a, func(c *volvo.Client) (err error) {
		list, err = c.Vehicles(ctx)
		return err
	})
	if err != nil {
		x.add(failure(Finding{Area: a.Name, What: "list of cars"}, err))
		return ctx.Err()
	}
	listed := list.VINs
	for _, vin := range listed {
		x.secret(vin)
	}
	cars := a.Vehicles
	if len(cars) == 0 {
		for _, vin := range listed {
			cars = append(cars, Vehicle{VIN: vin})
		}
	}
	f := Finding{Area: a.Name, What: "list of cars", Result: ResultOK, Found: fmt.Sprintf("in the account %d, to bridge %d", len(listed), len(cars))}
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
func (x *examination) car(ctx context.Context, a Account, area, vin string) error {
	for _, r := range a.Resources {
		if x.known(ctx, a, area, vin, r) {
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
func (x *examination) known(ctx context.Context, a Account, area, vin string, r volvo.Resource) bool {
	if a.Recent == nil {
		return false
	}
	readings, age, ok := a.Recent(ctx, vin, r)
	if ok {
		x.add(Finding{Area: area, What: string(r), Result: ResultOK, Found: fmt.Sprintf("%d fields, read %s ago", len(readings), age.Round(time.Second)), Fields: shapes(r, readings)})
	}
	return ok
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
