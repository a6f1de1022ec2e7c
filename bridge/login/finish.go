package login

import (
	"context"
	"errors"
	"time"

	"volvobridge/volvo"
)

// Outcome is what became of a login.
type Outcome struct {
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

// Finish ends a login with what a person pasted, or what Volvo's redirect
// brought; the state in it tells the account.
func Finish(ctx context.Context, chains []*Chain, text string) (Outcome, error) {
	return finish(ctx, chains, text, false)
}

// FinishPublished is Finish for what came over MQTT: a code alone is only good
// for an address that was made there.
func FinishPublished(ctx context.Context, chains []*Chain, text string) (Outcome, error) {
	return finish(ctx, chains, text, true)
}

func finish(ctx context.Context, chains []*Chain, text string, publishedOnly bool) (Outcome, error) {
	if len(chains) == 0 {
		return Outcome{}, errorf("no account logs in: volvo.access_token is set; use volvo.client_id and volvo.client_secret instead")
	}
	p, err := parsePasted(text, chains)
	if err != nil {
		return Outcome{}, err
	}
	c, l, err := findLogin(chains, p, publishedOnly)
	if err != nil {
		return Outcome{}, err
	}
	if p.problem != "" {
		out, err := c.declined(l, p)
		return out, spent(err)
	}
	out, err := c.exchange(ctx, l, p.code)
	if p.state != "" {
		err = spent(err)
	}
	return out, err
}

// declined takes an error that Volvo's page sent back.
func (c *Chain) declined(l *login, p pasted) (Outcome, error) {
	out := Outcome{Account: c.opts.Name}
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
			return out, errorf("the application lacks a scope that every application should have; look at its scopes on developer.volvocars.com, or set volvo.scopes")
		}
		out.Lost = c.opts.Explain(lost)
		out.Next = new(c.begin(kept, l.published))
		return out, nil
	case "access_denied":
		return out, errorf("Volvo says that access was denied; begin again, and agree to everything that the page asks for")
	case "unauthorized_client", "invalid_client":
		return out, errorf("Volvo does not let this application log in; is it published on developer.volvocars.com, and is volvo.client_id its own?")
	case "invalid_request":
		return out, errorf("Volvo did not accept the address; is volvo.redirect_url the one that is registered, letter by letter?")
	}
	return out, errorf("Volvo refused the login (%s); begin again", safeWord(p.problem))
}

// exchange turns a code into the first token of a chain, one at a time and a few
// for each address: whoever can reach us must not get the application blocked.
func (c *Chain) exchange(ctx context.Context, l *login, code string) (Outcome, error) {
	out := Outcome{Account: c.opts.Name}
	if !c.enter() { // Volvo hands the token out once: a stop waits for it
		return out, errorf("the bridge is stopping; log in when it runs again")
	}
	defer c.finishing.Done()
	if !c.exchanging.TryLock() {
		return out, errorf("another code is being tried right now; try again in a moment")
	}
	defer c.exchanging.Unlock()
	if !c.mayTry(l) {
		return out, spent(errorf("%d codes were tried with this address; make a new one", mostTries))
	}
	c.opts.Secret(code)
	started := time.Now()
	token, err := c.opts.OAuth.Exchange(context.WithoutCancel(ctx), code, l.verifier)
	switch {
	case errors.Is(err, volvo.ErrGrant):
		return out, errorf("Volvo does not accept the code: it is good once, for a short time, and only with the newest address; begin again")
	case errors.Is(err, volvo.ErrClient):
		return out, errorf("Volvo does not accept volvo.client_id or volvo.client_secret; compare them with the application's page on developer.volvocars.com")
	case errors.Is(err, volvo.ErrBadRequest):
		return out, errorf("Volvo did not accept the request; is volvo.redirect_url the registered one, letter by letter?")
	case err != nil:
		return out, err
	}
	granted := token.Scopes
	if granted == nil {
		granted = l.scopes
	}
	p := &candidate{started: started, missing: lacking(c.opts.Scopes, granted), token: Token{Refresh: token.Refresh, Access: token.Access, Issued: started.UTC(),
		Life: token.Life, Asked: l.scopes, Scopes: granted, LoggedIn: started.UTC(), Refreshed: started.UTC()}}
	c.keepSecret(p.token)
	out.Lost = c.opts.Explain(p.missing)
	if why := c.unlikely(ctx, p); why != nil {
		out.Foreign = true
		return out, why
	}
	c.accept(p)
	out.Done = true
	return out, nil
}

// candidate is a login that is good at Volvo, and not yet in use.
type candidate struct {
	token   Token
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

// unlikely returns why a login does not take the place of one that works: it must
// have listed one of our cars, since whoever can write to the broker can send the
// code of an account of his own. It is kept for a while, for a person to confirm.
func (c *Chain) unlikely(ctx context.Context, p *candidate) error {
	c.mu.Lock()
	inUse := c.accepted()
	c.mu.Unlock()
	if !inUse || c.opts.OwnsCar == nil {
		return nil
	}
	ours, err := c.opts.OwnsCar(ctx, p.token.Access)
	c.emit(Event{Kind: Listed})
	if err == nil && ours {
		return nil
	}
	c.mu.Lock()
	c.waiting = p
	c.mu.Unlock()
	if err != nil {
		return errorf("Volvo's list of this login's cars can't be read now, so nobody knows whether they are yours; the login before is kept. Log in again later, or confirm this one within ten minutes on the page /login or in the terminal")
	}
	return errorf("this login lists none of your cars; the one before is kept and used. Log in with the Volvo ID that they are linked to; or, if this is meant, confirm it within ten minutes on the page /login or in the terminal")
}

// Confirm has the last login used that listed none of the cars.
func Confirm(chains []*Chain, account string) (Outcome, error) {
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
		return Outcome{Account: account, Done: true, Lost: c.opts.Explain(p.missing)}, nil
	}
	return Outcome{}, errorf("there is no login to confirm any more; begin again")
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
	c.emit(Event{Kind: LoggedIn, Missing: p.missing})
	c.poke()
}

func (c *Chain) emit(h Event) {
	c.mu.Lock()
	notify := c.notify
	c.mu.Unlock()
	notify(h)
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
func (c *Chain) adopt(t Token, started time.Time) {
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
