package login

import (
	"context"
	"math/rand/v2"
	"sync"
	"time"

	"volvobridge/volvo"
)

const (
	secondTry   = time.Minute      // between the first two refusals of a refresh token
	laterTries  = time.Hour        // and between those that follow
	unsavedWait = 10 * time.Second // after the store could not be written
	firstWait   = time.Second      // after a refresh that failed
	longestWait = 5 * time.Minute
	forcedGap   = 5 * time.Minute // between two refreshes because of a 401 to a token that was never taken
	spareLife   = 30 * time.Second
	forcedTry   = time.Second // between two refreshes that commands ask for
	chainTick   = time.Hour
)

// Chain is the login of an account: a chain of refresh tokens, each good for one
// refresh, whose answer holds the next. It implements [volvo.TokenSource].
//
// One goroutine refreshes, in Run. Before each request to Volvo a mark is on the
// disk, and a new token before it is used. A refused token is never thrown away: it
// is tried again after a minute, then hourly and at each start, while a person is
// asked to log in.
type Chain struct {
	opts Options
	wake chan struct{}
	end  chan struct{} // Run has ended

	saving sync.Mutex // orders what goes to the disk

	mu       sync.Mutex
	token    Token
	known    bool      // there is a login, good or not
	expires  time.Time // of the access token
	renewAt  time.Time
	taken    map[volvo.API]bool // what has accepted the access token
	tries    *limit             // refreshes that commands asked for
	refusals *limit             // refreshes because of a 401
	rejected bool               // the API answered 401 to the access token
	forced   time.Time          // when that last led to a refresh
	fault    *volvo.Error       // of the last refresh; nil: it succeeded
	failures int
	failed   time.Time // when
	retryAt  time.Time
	round    chan struct{} // closed at the end of a refresh
	logins   map[string]*login
	// finishing are logins whose code Volvo is asked about; closed: no more of them.
	finishing     sync.WaitGroup
	closed        bool
	begun         int // logins
	notify        func(Event)
	notes         []string
	triedPrevious bool       // the token before was tried in this process
	unsaved       bool       // the newest token is not on the disk
	published     *limit     // addresses that were made for a topic
	waiting       *candidate // a login that a person may confirm

	exchanging sync.Mutex // one code at a time
}

// Open reads what the store knows of the account's login. It fails if that
// can't be read: then it must not be replaced.
func Open(opts Options) (*Chain, error) {
	if opts.Secret == nil {
		opts.Secret = func(string) {}
	}
	if opts.Explain == nil {
		opts.Explain = func([]string) []string { return nil }
	}
	c := &Chain{opts: opts, wake: make(chan struct{}, 1), end: make(chan struct{}), round: make(chan struct{}),
		taken: map[volvo.API]bool{}, tries: newLimit(10, time.Minute), refusals: newLimit(3, 3*forcedGap), published: newLimit(mostPublished, loginFor), logins: map[string]*login{}, notify: func(Event) {}}
	var err error
	if c.token, c.known, c.notes, err = load(opts.Store, opts.File); err != nil {
		return nil, err
	}
	c.keepSecret(c.token)
	now := time.Now()
	if left := max(c.token.Issued.Add(c.token.Life).Sub(now), -time.Hour); c.known && !c.token.Issued.After(now.Add(time.Minute)) {
		c.expires, c.renewAt = now.Add(left), now.Add(left-jittered(c.token.Life))
	} // else the clock is behind the token: nobody knows how old it is
	if !c.token.Started.IsZero() || c.refused() {
		c.renewAt = now // a crash: inside Volvo's grace period the old token still works
	}
	// A process that is started again and again asks no more often for it.
	if next := c.token.Tried.Add(secondTry); c.refused() && next.After(now) && next.Sub(now) <= secondTry {
		c.retryAt = next
	}
	return c, nil
}

// jittered is how much of an access token's life is left when it is replaced.
func jittered(life time.Duration) time.Duration {
	return time.Duration(float64(life) * (0.1 + 0.3*rand.Float64()))
}

func (c *Chain) keepSecret(t Token) {
	for _, s := range []string{t.Access, t.Refresh, t.Previous} {
		c.opts.Secret(s)
	}
}

// Name is the account's.
func (c *Chain) Name() string { return c.opts.Name }

// Notes names the files that were broken and set aside.
func (c *Chain) Notes() []string { return c.notes }

// Run refreshes until ctx ends, and waits for a refresh under way. What happens
// is told.
func (c *Chain) Run(ctx context.Context, notify func(Event)) {
	defer close(c.end)
	if notify != nil {
		c.mu.Lock()
		c.notify = notify
		c.mu.Unlock()
	}
	timer := time.NewTimer(0)
	defer timer.Stop()
	for {
		now := time.Now()
		if ctx.Err() != nil {
			return
		}
		if c.due(now) {
			c.renew(ctx)
			continue
		}
		c.warn(now)
		timer.Reset(c.rest(now))
		select {
		case <-ctx.Done():
		case <-c.wake:
		case <-timer.C:
		}
	}
}

func (c *Chain) poke() {
	select {
	case c.wake <- struct{}{}:
	default:
	}
}

// due tells whether to refresh now.
func (c *Chain) due(now time.Time) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.known && !now.Before(c.retryAt) && (c.rejected || c.refused() || !now.Before(c.renewAt))
}

// rest is how long there is nothing to do.
func (c *Chain) rest(now time.Time) time.Duration {
	c.mu.Lock()
	defer c.mu.Unlock()
	if !c.known {
		return chainTick
	}
	at := c.renewAt
	if c.rejected || c.refused() {
		at = now
	}
	return min(chainTick, max(at.Sub(now), c.retryAt.Sub(now), 0))
}

// refused: Volvo did not accept the refresh token when it was last asked.
func (c *Chain) refused() bool { return !c.token.Rejected.IsZero() }

// accepted: there is a login that Volvo accepts.
func (c *Chain) accepted() bool { return c.known && !c.refused() }

// usable: the access token is good for a call. A command's must last longer, if
// there are such tokens at all.
func (c *Chain) usable(now time.Time, command bool) bool {
	spare := min(spareLife, c.token.Life/10)
	if command {
		spare = min(spareLife, c.token.Life/2)
	}
	if c.fault != nil || c.refused() {
		spare = 0 // better than none
	}
	return c.known && !c.rejected && now.Before(c.expires.Add(-spare))
}

// Token implements [volvo.TokenSource]. It waits for a refresh that is needed.
func (c *Chain) Token(ctx context.Context, _ volvo.API, command bool) (string, error) {
	for {
		c.mu.Lock()
		now := time.Now()
		access, usable, round := c.token.Access, c.usable(now, command), c.round
		if command && !usable && c.mayForce(now) {
			c.retryAt = now // what failed a while ago may work by now
		}
		err := c.hopeless(now)
		if err == nil && !usable && c.renewAt.After(now) && !c.refused() {
			c.renewAt = now
		}
		c.mu.Unlock()
		if usable {
			return access, nil
		}
		if err != nil {
			return "", err
		}
		c.poke()
		select {
		case <-round:
		case <-c.end:
			return "", &volvo.Error{Kind: volvo.ErrUnreachable, Op: "refresh the login", Description: "the bridge is stopping"}
		case <-ctx.Done():
			return "", &volvo.Error{Kind: volvo.ErrUnreachable, Op: "refresh the login", Description: "it takes too long"}
		}
	}
}

// mayForce: a command does not wait for the planned try, unless Volvo asked for
// that. Not every second one may ask: Volvo blocks those who do.
func (c *Chain) mayForce(now time.Time) bool {
	f := c.fault
	if f == nil || f.Kind != volvo.ErrUnreachable && f.Kind != volvo.ErrOutage || !now.Before(c.retryAt) ||
		now.Sub(c.failed) < max(forcedTry, f.Wait) || c.tries.wait(now) > 0 {
		return false
	}
	c.tries.count(now)
	return true
}

// hopeless is why there will be no token soon.
func (c *Chain) hopeless(now time.Time) error {
	switch {
	case !c.accepted():
		return &volvo.Error{Kind: volvo.ErrLogin, Op: "use the login", Description: c.whyLogin()}
	case c.fault != nil && now.Before(c.retryAt):
		return c.fault
	}
	return nil
}

// whyLogin says why a person must log in.
func (c *Chain) whyLogin() string {
	if !c.known && len(c.notes) > 0 {
		return "the stored login is broken; it was kept as " + c.notes[0]
	}
	if !c.known {
		return "nobody has logged in yet"
	}
	return "Volvo ended the login, as told at " + c.token.Rejected.UTC().Format(time.DateTime) + " UTC; it is still tried now and then"
}

// Accept implements [volvo.TokenSource].
func (c *Chain) Accept(api volvo.API, access string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if access == c.token.Access {
		c.taken[api] = true
	}
}

// Reject implements [volvo.TokenSource]. All who hold the same token share one
// refresh. A token that is refused though it is fresh and was never taken is not
// the token's fault: Volvo has a problem, and asking for more would not help.
func (c *Chain) Reject(api volvo.API, access string) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	now := time.Now()
	switch {
	case access != c.token.Access || c.rejected:
		return volvo.ErrRenewed
	case !c.forced.IsZero() && now.Sub(c.forced) < forcedGap && !c.taken[api], c.refusals.wait(now) > 0:
		return volvo.ErrOutage
	}
	c.refusals.count(now)
	c.rejected, c.forced = true, now
	c.poke()
	return volvo.ErrRenewed
}
