package bridge

import (
	"context"
	"crypto/rand"
	"encoding/base64"
	"errors"
	"fmt"
	"net/url"
	"slices"
	"strings"
	"time"

	"volvobridge/bridge/store"
	"volvobridge/volvo"
)

// loginFor is how long an address to log in at is good.
const loginFor = 10 * time.Minute

// login is an address that was handed out.
type login struct {
	state, verifier, address string
	scopes                   []string
	number                   int // of the logins that were begun
	until                    time.Time
	// published: the address is on a topic that others can read.
	published bool
	tries     int
}

// Address is where a person logs in.
type Address struct {
	URL    string    `json:"url"`
	Until  time.Time `json:"until"`
	Scopes []string  `json:"scopes"`
	// RedirectURL is where Volvo sends the browser afterwards.
	RedirectURL string `json:"redirectUrl"`
}

// LoginOutcome is what became of a login.
type LoginOutcome struct {
	// Account is the one that was logged in, or is to be.
	Account string `json:"account"`
	// Done: the bridge has a new token.
	Done bool `json:"done"`
	// Lost says, a line a scope, what will not work.
	Lost []string `json:"lost"`
	// Next is the address without the scopes that the application lacks.
	Next *Address `json:"next,omitzero"`
	// Foreign: the login was good, but it knows none of the cars. The one before is
	// kept until a person confirms, which can be done for ten minutes.
	Foreign bool `json:"foreign,omitzero"`
}

// LoginError is a login that failed because of what a person can mend. Its text
// says how.
type LoginError struct {
	text string
	// Spent: the address is used up, the next try needs a new one.
	Spent bool
}

func (e *LoginError) Error() string { return e.text }

func loginErrorf(format string, args ...any) error {
	return &LoginError{text: fmt.Sprintf(format, args...)}
}

// spent tells that the address of the login is used up.
func spent(err error) error {
	if e, ok := errors.AsType[*LoginError](err); ok {
		e.Spent = true
	}
	return err
}

const (
	mostPrivate   = 10 // addresses at a time that nobody else can read
	mostPublished = 5  // addresses on a topic, made within their life
	mostTries     = 5  // codes tried with an address
)

// Begin makes a new address to log in at, good for ten minutes and one login. Only
// who asked for it gets to know it.
func (c *Chain) Begin() Address { return c.begin(c.opts.Scopes, false) }

// BeginPublished makes one that is published for whoever may read it. A few can be
// made within ten minutes: somebody else must not push out the one in use.
func (c *Chain) BeginPublished() (Address, error) {
	c.mu.Lock()
	wait := c.published.Wait(time.Now(), 0)
	if wait <= 0 {
		c.published.Count(time.Now())
	}
	c.mu.Unlock()
	if wait > 0 {
		return Address{}, loginErrorf("%d addresses were made within %d minutes; use the newest, or try again in %s", mostPublished, int(loginFor.Minutes()), inWords(wait))
	}
	return c.begin(c.opts.Scopes, true), nil
}

func (c *Chain) begin(scopes []string, published bool) Address {
	raw := make([]byte, 32)
	_, _ = rand.Read(raw) // never fails
	now := time.Now()
	l := &login{state: base64.RawURLEncoding.EncodeToString(raw), verifier: volvo.Verifier(), scopes: scopes, until: now.Add(loginFor), published: published}
	l.address = c.opts.OAuth.Address(l.state, l.verifier, scopes)
	c.opts.Secret(l.verifier)
	c.mu.Lock()
	c.dropOldLogins(now, published)
	c.begun++
	l.number = c.begun
	c.logins[l.state] = l
	tell := c.tell
	c.mu.Unlock()
	tell(Happening{Kind: Addressed})
	return Address{URL: l.address, Until: l.until, Scopes: scopes, RedirectURL: c.opts.OAuth.RedirectURL()}
}

// DropLogins makes the addresses that were handed out worthless.
func (c *Chain) DropLogins() {
	c.mu.Lock()
	defer c.mu.Unlock()
	clear(c.logins)
}

// dropOldLogins makes place for an address among those of its kind.
func (c *Chain) dropOldLogins(now time.Time, published bool) {
	var same []*login
	for state, l := range c.logins {
		if !now.Before(l.until) {
			delete(c.logins, state)
		} else if l.published == published {
			same = append(same, l)
		}
	}
	most := mostPrivate
	if published {
		most = mostPublished
	}
	slices.SortFunc(same, func(x, y *login) int { return x.number - y.number })
	for len(same) >= most {
		delete(c.logins, same[0].state)
		same = same[1:]
	}
}

// newestLogin is the login that was begun last, of those that were published, or of
// all.
func (c *Chain) newestLogin(now time.Time, publishedOnly bool) *login {
	var newest *login
	for _, l := range c.logins {
		if now.Before(l.until) && (l.published || !publishedOnly) && (newest == nil || l.number > newest.number) {
			newest = l
		}
	}
	return newest
}

// Published tells whether what was pasted, or what Volvo's redirect brought, belongs
// to a login whose address others could read.
func Published(chains []*Chain, text string) bool {
	p, err := parsePasted(text, chains)
	if err != nil {
		return false
	}
	for _, c := range chains {
		c.mu.Lock()
		l := c.logins[p.state]
		c.mu.Unlock()
		if l != nil {
			return l.published
		}
	}
	return false
}

// take removes a login: its state is good once.
func (c *Chain) take(state string) (*login, bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	l, ok := c.logins[state]
	delete(c.logins, state)
	return l, ok && time.Now().Before(l.until)
}

// pasted is what a person pasted: the address that Volvo sent the browser to, or
// the code in it.
type pasted struct{ code, state, problem, host string }

// parsePasted reads an address or a code. It never repeats it: it is a secret.
func parsePasted(text string, chains []*Chain) (pasted, error) {
	text = strings.Trim(strings.TrimSpace(text), `"'<>`)
	switch {
	case text == "":
		return pasted{}, loginErrorf("nothing was pasted; paste the whole address of the page that the browser ended on")
	case strings.ContainsAny(text, " \t\r\n"):
		return pasted{}, loginErrorf("what was pasted has spaces in it; paste the address of the page that the browser ended on, and nothing else")
	case !strings.Contains(text, "://") && !strings.Contains(text, "code=") && !strings.Contains(text, "error="):
		if code, err := url.PathUnescape(text); err == nil { // as in the address bar
			text = code
		}
		return pasted{code: text}, nil
	}
	if !strings.Contains(text, "?") && strings.Contains(text, "code=") { // only the query
		text = "?" + strings.TrimLeft(text, "?&")
	}
	u, err := url.Parse(text)
	if err != nil {
		return pasted{}, loginErrorf("what was pasted is no address; copy it whole from the browser's address bar")
	}
	q := u.Query()
	p := pasted{q.Get("code"), q.Get("state"), q.Get("error"), u.Host}
	switch {
	case (p.code != "" || p.problem != "") && p.state == "":
		return p, loginErrorf("this address has no state in it, so nobody knows which login it belongs to; copy it whole from the browser's address bar")
	case p.code != "" || p.problem != "":
		return p, nil
	}
	for _, c := range chains {
		if volvoPage, err := url.Parse(c.opts.OAuth.AuthURL()); err == nil && u.Host == volvoPage.Host {
			return p, loginErrorf("this is the address of Volvo's own page; log in there, and paste the address that the browser ends on: it begins with %s", c.opts.OAuth.RedirectURL())
		}
	}
	return p, loginErrorf("there is no code in this address; after the login the browser ends on one that begins with %s and has code= in it", chains[0].opts.OAuth.RedirectURL())
}

// FinishLogin ends a login with what a person pasted, or what Volvo's redirect
// brought; the state in it tells the account.
func FinishLogin(ctx context.Context, chains []*Chain, text string) (LoginOutcome, error) {
	return finishLogin(ctx, chains, text, false)
}

// FinishPublished is FinishLogin for what came over MQTT: a code alone is only good
// for an address that was made there.
func FinishPublished(ctx context.Context, chains []*Chain, text string) (LoginOutcome, error) {
	return finishLogin(ctx, chains, text, true)
}

func finishLogin(ctx context.Context, chains []*Chain, text string, publishedOnly bool) (LoginOutcome, error) {
	if len(chains) == 0 {
		return LoginOutcome{}, loginErrorf("no account logs in: volvo.access_token is set; use volvo.client_id and volvo.client_secret instead")
	}
	p, err := parsePasted(text, chains)
	if err != nil {
		return LoginOutcome{}, err
	}
	c, l, err := findLogin(chains, p, publishedOnly)
	if err != nil {
		return LoginOutcome{}, err
	}
	out := LoginOutcome{Account: c.opts.Name}
	if p.problem != "" {
		out, err := c.declined(l, p)
		return out, spent(err)
	}
	out, err = c.exchange(ctx, l, p.code)
	if p.state != "" {
		err = spent(err)
	}
	return out, err
}

func findLogin(chains []*Chain, p pasted, publishedOnly bool) (*Chain, *login, error) {
	if p.state != "" {
		for _, c := range chains {
			if l, ok := c.take(p.state); ok {
				return c, l, nil
			}
		}
		if strange(p.host, chains) {
			return nil, nil, loginErrorf("this is another page's address; the one that the browser ends on after the login begins with %s", chains[0].opts.OAuth.RedirectURL())
		}
		return nil, nil, loginErrorf("this address belongs to no login that was begun here in the last 10 minutes, or was used already; begin again, and use the newest address")
	}
	var chain *Chain
	var newest *login
	for _, c := range chains {
		c.mu.Lock()
		l := c.newestLogin(time.Now(), publishedOnly)
		c.mu.Unlock()
		if l == nil {
			continue
		}
		if newest != nil {
			return nil, nil, loginErrorf("logins of several accounts are under way; paste the whole address instead of the code, it tells which one")
		}
		chain, newest = c, l
	}
	if newest == nil {
		return nil, nil, loginErrorf("no login was begun in the last 10 minutes; make a new address first")
	}
	return chain, newest, nil // a code that Volvo refuses leaves it to the whole address
}

// strange reports whether no account's logins end on a host.
func strange(host string, chains []*Chain) bool {
	for _, c := range chains {
		if u, err := url.Parse(c.opts.OAuth.RedirectURL()); err == nil && (u.Host == host || host == "") {
			return false
		}
	}
	return true
}

// declined takes an error that Volvo's page sent back.
func (c *Chain) declined(l *login, p pasted) (LoginOutcome, error) {
	out := LoginOutcome{Account: c.opts.Name}
	switch p.problem {
	case "invalid_scope":
		var kept, lost []string
		for _, scope := range l.scopes {
			if volvo.Restricted(scope) {
				lost = append(lost, scope)
			} else {
				kept = append(kept, scope)
			}
		}
		if len(lost) == 0 {
			return out, loginErrorf("the application lacks a scope that every application should have; look at its scopes on developer.volvocars.com, or set volvo.scopes")
		}
		out.Lost = Lost(lost)
		out.Next = new(c.begin(kept, l.published))
		return out, nil
	case "access_denied":
		return out, loginErrorf("Volvo says that access was denied; begin again, and agree to everything that the page asks for")
	case "unauthorized_client", "invalid_client":
		return out, loginErrorf("Volvo does not let this application log in; is it published on developer.volvocars.com, and is volvo.client_id its own?")
	case "invalid_request":
		return out, loginErrorf("Volvo did not accept the address; is volvo.redirect_url the one that is registered, letter by letter?")
	}
	return out, loginErrorf("Volvo refused the login (%s); begin again", safeWord(p.problem))
}

// safeWord keeps foreign text out of messages, but for a plain word.
func safeWord(s string) string {
	if len(s) > 60 || strings.ContainsFunc(s, func(r rune) bool { return r != '_' && (r < 'a' || r > 'z') }) {
		return "an unknown reason"
	}
	return s
}

// exchange turns a code into the first token of a chain, one at a time and a few
// for each address: whoever can reach us must not get the application blocked.
func (c *Chain) exchange(ctx context.Context, l *login, code string) (LoginOutcome, error) {
	out := LoginOutcome{Account: c.opts.Name}
	if !c.enter() { // Volvo hands the token out once: a stop waits for it
		return out, loginErrorf("the bridge is stopping; log in when it runs again")
	}
	defer c.finishing.Done()
	if !c.exchanging.TryLock() {
		return out, loginErrorf("another code is being tried right now; try again in a moment")
	}
	defer c.exchanging.Unlock()
	if !c.mayTry(l) {
		return out, spent(loginErrorf("%d codes were tried with this address; make a new one", mostTries))
	}
	c.opts.Secret(code)
	started := time.Now()
	token, err := c.opts.OAuth.Exchange(context.WithoutCancel(ctx), code, l.verifier)
	switch {
	case errors.Is(err, volvo.ErrGrant):
		return out, loginErrorf("Volvo does not accept the code: it is good once, for a short time, and only with the newest address; begin again")
	case errors.Is(err, volvo.ErrClient):
		return out, loginErrorf("Volvo does not accept volvo.client_id or volvo.client_secret; compare them with the application's page on developer.volvocars.com")
	case errors.Is(err, volvo.ErrBadRequest):
		return out, loginErrorf("Volvo did not accept the request; is volvo.redirect_url the registered one, letter by letter?")
	case err != nil:
		return out, err
	}
	granted := token.Scopes
	if granted == nil {
		granted = l.scopes
	}
	p := &candidate{started: started, missing: lacking(c.opts.Scopes, granted), token: store.Token{Refresh: token.Refresh, Access: token.Access, Issued: started.UTC(),
		Life: token.Life, Asked: l.scopes, Scopes: granted, LoggedIn: started.UTC(), Refreshed: started.UTC()}}
	c.keepSecret(p.token)
	out.Lost = Lost(p.missing)
	if why := c.doubtful(ctx, p); why != nil {
		out.Foreign = true
		return out, why
	}
	c.accept(p)
	out.Done = true
	return out, nil
}

// candidate is a login that is good at Volvo, and not yet in use.
type candidate struct {
	token   store.Token
	started time.Time
	missing []string
}

// mayTry counts a code that is tried with an address.
func (c *Chain) mayTry(l *login) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	if l.tries++; l.tries < mostTries {
		return true
	}
	delete(c.logins, l.state)
	return l.tries == mostTries
}

// doubtful returns why a login does not take the place of one that works: it must
// have listed one of our cars, since whoever can write to the broker can send the
// code of an account of his own. It is kept for a while, for a person to confirm.
func (c *Chain) doubtful(ctx context.Context, p *candidate) error {
	c.mu.Lock()
	inUse := c.alive()
	c.mu.Unlock()
	if !inUse || c.opts.Ours == nil {
		return nil
	}
	ours, err := c.opts.Ours(ctx, p.token.Access)
	c.told(Happening{Kind: Listed})
	if err == nil && ours {
		return nil
	}
	c.mu.Lock()
	c.waiting = p
	c.mu.Unlock()
	if err != nil {
		return loginErrorf("Volvo's list of this login's cars can't be read now, so nobody knows whether they are yours; the login before is kept. Log in again later, or confirm this one within ten minutes on the page /login or in the terminal")
	}
	return loginErrorf("this login lists none of your cars; the one before is kept and used. Log in with the Volvo ID that they are linked to; or, if this is meant, confirm it within ten minutes on the page /login or in the terminal")
}

// ConfirmLogin has the last login used that listed none of the cars.
func ConfirmLogin(chains []*Chain, account string) (LoginOutcome, error) {
	for _, c := range chains {
		if c.opts.Name != account {
			continue
		}
		c.mu.Lock()
		p := c.waiting
		c.waiting = nil
		c.mu.Unlock()
		if p == nil || time.Since(p.started) > loginFor {
			break
		}
		c.accept(p)
		return LoginOutcome{Account: account, Done: true, Lost: Lost(p.missing)}, nil
	}
	return LoginOutcome{}, loginErrorf("there is no login to confirm any more; begin again")
}

// Unconfirmed tells whether a login waits to be confirmed.
func (c *Chain) Unconfirmed() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.waiting != nil && time.Since(c.waiting.started) <= loginFor
}

// accept has a login used.
func (c *Chain) accept(p *candidate) {
	c.adopt(p.token, p.started)
	c.told(Happening{Kind: LoggedIn, Missing: p.missing})
	c.poke()
}

func (c *Chain) told(h Happening) {
	c.mu.Lock()
	tell := c.tell
	c.mu.Unlock()
	tell(h)
}

func (c *Chain) enter() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	if !c.closed {
		c.finishing.Add(1)
	}
	return !c.closed
}

// Wait waits for the logins that are being finished, and lets no more begin that.
func (c *Chain) Wait() {
	c.mu.Lock()
	c.closed = true
	c.mu.Unlock()
	c.finishing.Wait()
}

// adopt has a new login take the place of what was there.
func (c *Chain) adopt(t store.Token, started time.Time) {
	for {
		c.mu.Lock()
		follows := c.token.Refresh
		c.mu.Unlock()
		if c.install(t, follows, started) {
			break
		}
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.forced, c.waiting = time.Time{}, nil
	clear(c.logins) // an older address must not take this one's place
	close(c.round)
	c.round = make(chan struct{})
}

// Scopes lists the scopes that the table and the allowed commands need.
func Scopes(allow []volvo.Command) []string {
	scopes := []string{volvo.ScopeOpenID}
	add := func(scope string) {
		if !slices.Contains(scopes, scope) {
			scopes = append(scopes, scope)
		}
	}
	for _, r := range volvo.Resources() {
		for _, scope := range r.Scopes() {
			add(scope)
		}
	}
	for _, command := range allow {
		add(command.Scope())
	}
	slices.Sort(scopes[1:])
	return scopes
}

// Lost says of each scope what does not work without it.
func Lost(scopes []string) []string {
	var lines []string
	for _, scope := range scopes {
		if text, ok := scopeGives[scope]; ok {
			lines = append(lines, scope+": "+text)
			continue
		}
		var what []string
		for _, r := range volvo.Resources() {
			if slices.Contains(r.Scopes(), scope) {
				what = append(what, readingsOf(r))
			}
		}
		for _, command := range volvo.AllCommands() {
			if command.Scope() == scope {
				what = append(what, "the command "+string(command))
			}
		}
		if len(what) > 0 {
			lines = append(lines, scope+": "+strings.Join(what, ", "))
		}
	}
	return lines
}

// scopeGives is for scopes that share a resource with another, and for those that
// no entity shows.
var scopeGives = map[string]string{
	"conve:battery_charge_level": "Battery level of cars that the Energy API does not know",
	"conve:commands":             "which commands the car has",
	"conve:doors_status":         "doors, hood, tailgate, tank lid",
	"conve:lock_status":          "Doors (the lock), and with it the confirmation of commands",
	"energy:capability:read":     "what the Energy API says it knows of the car",
}

// readingsOf names what a resource gives.
func readingsOf(r volvo.Resource) string {
	var names []string
	for _, e := range entities {
		if len(e.from) > 0 && e.from[0].resource == r {
			names = append(names, e.name)
		}
	}
	const most = 3
	switch {
	case len(names) == 0:
		return "the resource " + string(r)
	case len(names) > most:
		return strings.Join(names[:most], ", ") + fmt.Sprintf(" and %d more", len(names)-most)
	}
	return strings.Join(names, ", ")
}
