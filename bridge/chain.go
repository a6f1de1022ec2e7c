package bridge

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"sync"
	"time"

	"volvobridge/bridge/schedule"
	"volvobridge/bridge/store"
	"volvobridge/volvo"
)

const (
	secondLook  = time.Minute      // between the first two refusals of a refresh token
	laterLooks  = time.Hour        // and between those that follow
	unkeptWait  = 10 * time.Second // after the store could not be written
	firstWait   = time.Second      // after a refresh that failed
	longestWait = 5 * time.Minute
	forcedGap   = 5 * time.Minute // between two refreshes because of a 401 to a token that was never taken
	spareLife   = 30 * time.Second
	forcedTry   = time.Second // between two refreshes that commands ask for
	chainTick   = time.Hour
)

// TokenStore keeps the token of an account; [store.Store] does.
type TokenStore interface {
	LoadToken(account string) (t store.Token, ok bool, notes []string, err error)
	SaveToken(account string, t store.Token) error
}

// ChainOptions configure a [Chain].
type ChainOptions struct {
	// Name is the account's, for people; File names it in the store.
	Name, File string
	OAuth      *volvo.OAuth
	Store      TokenStore
	// Scopes are what a login asks for.
	Scopes []string
	// Ours tells whether a login, by its access token, lists a car that is configured
	// or known; nil: every login is ours.
	Ours func(ctx context.Context, access string) (bool, error)
	// Secret is told what must never be logged.
	Secret func(string)
}

// Chain is the login of an account: a chain of refresh tokens, each good for one
// refresh, whose answer holds the next. It implements [volvo.TokenSource].
//
// One goroutine refreshes, in Run. Before each request to Volvo a mark is on the
// disk, and a new token before it is used. A refused token is never thrown away: it
// is tried again after a minute, then hourly and at each start, while a person is
// asked to log in.
type Chain struct {
	opts ChainOptions
	wake chan struct{}
	end  chan struct{} // Run has ended

	saving sync.Mutex // orders what goes to the disk

	mu       sync.Mutex
	token    store.Token
	known    bool      // there is a login, good or not
	expires  time.Time // of the access token
	renewAt  time.Time
	taken    map[volvo.API]bool // what has accepted the access token
	tries    *schedule.Window   // refreshes that commands asked for
	refusals *schedule.Window   // refreshes because of a 401
	rejected bool               // the API answered 401 to the access token
	forced   time.Time          // when that last led to a refresh
	fault    *volvo.Error       // of the last refresh; nil: it succeeded
	failures int
	failed   time.Time // when
	retryAt  time.Time
	round    chan struct{} // closed at the end of a refresh
	logins   map[string]*login
	// finishing are logins whose code Volvo is asked about; closed: no more of them.
	finishing sync.WaitGroup
	closed    bool
	begun     int // logins
	tell      func(Happening)
	notes     []string
	looked    bool             // the token before was tried in this process
	unkept    bool             // the newest token is not on the disk
	published *schedule.Window // addresses that were made for a topic
	waiting   *candidate       // a login that a person may confirm

	exchanging sync.Mutex // one code at a time
}

// Happening is what a chain tells the loop.
type Happening struct {
	Kind HappeningKind
	// Days and End are a warning's.
	Days int
	End  time.Time
	// Missing are the scopes that a login did not get.
	Missing []string
}

// HappeningKind is the kind of a [Happening].
type HappeningKind int

// The kinds.
const (
	Renewed       HappeningKind = iota // there is a new access token
	Faulted                            // a refresh failed
	LoginRequired                      // Volvo ended the login
	StillRefused                       // and says so again
	LoggedIn                           // a person logged in
	Addressed                          // there is a new address to log in at
	Listed                             // the cars of a new login were listed: a call
	GrantEnds                          // Volvo will end the login soon
)

// OpenChain reads what the store knows of the account's login. It fails if that
// can't be read: then it must not be replaced.
func OpenChain(opts ChainOptions) (*Chain, error) {
	if opts.Secret == nil {
		opts.Secret = func(string) {}
	}
	c := &Chain{opts: opts, wake: make(chan struct{}, 1), end: make(chan struct{}), round: make(chan struct{}),
		taken: map[volvo.API]bool{}, tries: schedule.NewWindow(10, time.Minute), refusals: schedule.NewWindow(3, 3*forcedGap), published: schedule.NewWindow(mostPublished, loginFor), logins: map[string]*login{}, tell: func(Happening) {}}
	var err error
	if c.token, c.known, c.notes, err = opts.Store.LoadToken(opts.File); err != nil {
		return nil, err
	}
	c.keepSecret(c.token)
	now := time.Now()
	if left := max(c.token.Issued.Add(c.token.Life).Sub(now), -time.Hour); c.known && !c.token.Issued.After(now.Add(time.Minute)) {
		c.expires, c.renewAt = now.Add(left), now.Add(left-jittered(c.token.Life))
	} // else the clock is behind the token: nobody knows how old it is
	if !c.token.Started.IsZero() || c.turnedDown() {
		c.renewAt = now // a crash: inside Volvo's grace period the old token still works
	}
	// A process that is started again and again asks no more often for it.
	if next := c.token.Tried.Add(secondLook); c.turnedDown() && next.After(now) && next.Sub(now) <= secondLook {
		c.retryAt = next
	}
	return c, nil
}

// jittered is how much of an access token's life is left when it is replaced.
func jittered(life time.Duration) time.Duration {
	return time.Duration(float64(life) * (0.1 + 0.3*rand.Float64()))
}

func (c *Chain) keepSecret(t store.Token) {
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
func (c *Chain) Run(ctx context.Context, tell func(Happening)) {
	defer close(c.end)
	if tell != nil {
		c.mu.Lock()
		c.tell = tell
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
	return c.known && !now.Before(c.retryAt) && (c.rejected || c.turnedDown() || !now.Before(c.renewAt))
}

// rest is how long there is nothing to do.
func (c *Chain) rest(now time.Time) time.Duration {
	c.mu.Lock()
	defer c.mu.Unlock()
	if !c.known {
		return chainTick
	}
	at := c.renewAt
	if c.rejected || c.turnedDown() {
		at = now
	}
	return min(chainTick, max(at.Sub(now), c.retryAt.Sub(now), 0))
}

// turnedDown: Volvo did not accept the refresh token when it was last asked.
func (c *Chain) turnedDown() bool { return !c.token.Rejected.IsZero() }

// alive: there is a login that Volvo accepts.
func (c *Chain) alive() bool { return c.known && !c.turnedDown() }

// usable: the access token is good for a call. A command's must last longer, if
// there are such tokens at all.
func (c *Chain) usable(now time.Time, command bool) bool {
	spare := min(spareLife, c.token.Life/10)
	if command {
		spare = min(spareLife, c.token.Life/2)
	}
	if c.fault != nil || c.turnedDown() {
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
		if err == nil && !usable && c.renewAt.After(now) && !c.turnedDown() {
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
		now.Sub(c.failed) < max(forcedTry, f.Wait) || c.tries.Wait(now, 0) > 0 {
		return false
	}
	c.tries.Count(now)
	return true
}

// hopeless is why there will be no token soon.
func (c *Chain) hopeless(now time.Time) error {
	switch {
	case !c.alive():
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
	case !c.forced.IsZero() && now.Sub(c.forced) < forcedGap && !c.taken[api], c.refusals.Wait(now, 0) > 0:
		return volvo.ErrOutage
	}
	c.refusals.Count(now)
	c.rejected, c.forced = true, now
	c.poke()
	return volvo.ErrRenewed
}

// renew does one refresh and takes its end.
func (c *Chain) renew(ctx context.Context) {
	whole := context.WithoutCancel(ctx) // never cancelled: Volvo may have replaced the token already
	used, err := c.mark()
	started := time.Now()
	var token volvo.Token
	with := used.Refresh
	if err == nil {
		token, err = c.opts.OAuth.Refresh(whole, with)
	}
	if c.lastChance(used, err) {
		c.looked = true
		if used, err = c.mark(); err == nil { // its own mark: it is a request of its own
			with = used.Previous
			token, err = c.opts.OAuth.Refresh(whole, with)
		}
	}
	if err == nil {
		c.install(successor(token, with, used, started), used.Refresh, started)
		c.endRound(Happening{Kind: Renewed})
		return
	}
	fault, ok := errors.AsType[*volvo.Error](err)
	if !ok {
		fault = &volvo.Error{Kind: volvo.ErrOutage, Op: "refresh the login"}
	}
	if fault.Kind == volvo.ErrGrant {
		c.refuse(used)
		return
	}
	if !c.backOff(fault, used.Refresh) {
		return // a person logged in meanwhile: this was about the login before
	}
	c.endRound(Happening{Kind: Faulted})
}

// lastChance tells whether to ask with the token before: once, when the current one
// was refused for the second time. An answer of Volvo may have got lost.
func (c *Chain) lastChance(t store.Token, err error) bool {
	return errors.Is(err, volvo.ErrGrant) && !t.Rejected.IsZero() && t.Previous != "" && !c.looked
}

// refuse notes that Volvo did not accept the token. It is kept, and tried again.
func (c *Chain) refuse(t store.Token) {
	now := time.Now()
	first := t.Rejected.IsZero()
	if first {
		t.Rejected = now.UTC()
	}
	t.Tried, t.Started = now.UTC(), time.Time{}
	wait := laterLooks
	if first {
		wait = secondLook
	}
	taken := c.replace(t, t.Refresh, func() {
		c.rejected, c.fault, c.failures = false, nil, 0
		c.retryAt = now.Add(wait + rand.N(wait/8))
	})
	if !taken {
		return // a person logged in meanwhile
	}
	if first {
		c.endRound(Happening{Kind: LoginRequired})
	} else {
		c.endRound(Happening{Kind: StillRefused})
	}
}

// mark writes down that a refresh begins: after a crash it is known that Volvo may
// have replaced the token. Without the mark on the disk nothing is asked.
func (c *Chain) mark() (store.Token, error) {
	c.mu.Lock()
	t := c.token
	c.mu.Unlock()
	t.Started = time.Now().UTC()
	c.replace(t, t.Refresh, nil)
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.unkept {
		return c.token, &volvo.Error{Kind: volvo.ErrNotKept, Op: "refresh the login", NotSent: true}
	}
	return c.token, nil
}

// successor is what the store keeps after a refresh with the token used.
func successor(token volvo.Token, used string, old store.Token, started time.Time) store.Token {
	t := old
	if token.Refresh != used {
		t.Previous = used
	}
	t.Refresh, t.Access, t.Issued, t.Life = token.Refresh, token.Access, started.UTC(), token.Life
	if token.Scopes != nil {
		t.Scopes = token.Scopes
	}
	t.Refreshed, t.Started, t.Rejected, t.Tried = started.UTC(), time.Time{}, time.Time{}, time.Time{}
	return t
}

// install writes a token to the disk and then has it used, unless a login took
// the place of the one that it follows. A new token that can't be written is used
// all the same: the one on the disk is worth nothing any more. The store tries again.
func (c *Chain) install(t store.Token, follows string, started time.Time) bool {
	return c.replace(t, follows, func() {
		c.rejected, c.fault, c.failures, c.retryAt = false, nil, 0, time.Time{}
		clear(c.taken)
		c.expires = started.Add(t.Life)
		c.renewAt = c.expires.Add(-jittered(t.Life))
	})
}

func (c *Chain) replace(t store.Token, follows string, then func()) bool {
	c.saving.Lock()
	defer c.saving.Unlock()
	c.mu.Lock()
	stale := c.token.Refresh != follows
	c.mu.Unlock()
	if stale {
		return false
	}
	c.keepSecret(t)
	err := c.opts.Store.SaveToken(c.opts.File, t)
	c.mu.Lock()
	defer c.mu.Unlock()
	c.token, c.known, c.unkept = t, true, err != nil
	if then != nil {
		then()
	}
	return true
}

// backOff plans the next try with a token, if it is still the one.
func (c *Chain) backOff(fault *volvo.Error, used string) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.token.Refresh != used {
		return false
	}
	wait := min(longestWait, firstWait<<min(c.failures, 16))
	switch fault.Kind {
	case volvo.ErrClient:
		wait = longestWait // Volvo blocks applications that ask wrongly too often
	case volvo.ErrNotKept:
		wait = unkeptWait
	}
	c.failures++
	wait = max(firstWait, wait/2+rand.N(wait/2+1), min(fault.Wait, longestWait))
	c.failed = time.Now()
	c.fault, c.retryAt = fault, c.failed.Add(wait)
	return true
}

// Keep writes the newest token if it is not on the disk yet, as at a stop.
func (c *Chain) Keep() error {
	c.saving.Lock()
	defer c.saving.Unlock()
	c.mu.Lock()
	t, unkept := c.token, c.unkept
	c.mu.Unlock()
	if !unkept {
		return nil
	}
	if err := c.opts.Store.SaveToken(c.opts.File, t); err != nil {
		return fmt.Errorf("the newest login can't be kept, so it is lost: %w", err)
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.unkept = false
	return nil
}

// endRound releases those who wait for a token.
func (c *Chain) endRound(h Happening) {
	c.mu.Lock()
	close(c.round)
	c.round = make(chan struct{})
	tell := c.tell
	c.mu.Unlock()
	tell(h)
}
