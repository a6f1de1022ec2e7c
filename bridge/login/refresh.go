package login

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"time"

	"volvobridge/volvo"
)

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
		c.triedPrevious = true
		if used, err = c.mark(); err == nil { // its own mark: it is a request of its own
			with = used.Previous
			token, err = c.opts.OAuth.Refresh(whole, with)
		}
	}
	if err == nil {
		c.install(successor(token, with, used, started), used.Refresh, started)
		c.endRound(Event{Kind: Renewed})
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
	c.endRound(Event{Kind: Faulted})
}

// lastChance tells whether to ask with the token before: once, when the current one
// was refused for the second time. An answer of Volvo may have got lost.
func (c *Chain) lastChance(t Token, err error) bool {
	return errors.Is(err, volvo.ErrGrant) && !t.Rejected.IsZero() && t.Previous != "" && !c.triedPrevious
}

// refuse notes that Volvo did not accept the token. It is kept, and tried again.
func (c *Chain) refuse(t Token) {
	now := time.Now()
	first := t.Rejected.IsZero()
	if first {
		t.Rejected = now.UTC()
	}
	t.Tried, t.Started = now.UTC(), time.Time{}
	wait := laterTries
	if first {
		wait = secondTry
	}
	taken := c.replace(t, t.Refresh, func() {
		c.rejected, c.fault, c.failures = false, nil, 0
		c.retryAt = now.Add(wait + rand.N(wait/8))
	})
	if !taken {
		return // a person logged in meanwhile
	}
	if first {
		c.endRound(Event{Kind: LoginRequired})
	} else {
		c.endRound(Event{Kind: StillRefused})
	}
}

// mark writes down that a refresh begins: after a crash it is known that Volvo may
// have replaced the token. Without the mark on the disk nothing is asked.
func (c *Chain) mark() (Token, error) {
	c.mu.Lock()
	t := c.token
	c.mu.Unlock()
	t.Started = time.Now().UTC()
	c.replace(t, t.Refresh, nil)
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.unsaved {
		return c.token, &volvo.Error{Kind: volvo.ErrNotKept, Op: "refresh the login", NotSent: true}
	}
	return c.token, nil
}

// successor is what the store keeps after a refresh with the token used.
func successor(token volvo.Token, used string, old Token, started time.Time) Token {
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
func (c *Chain) install(t Token, follows string, started time.Time) bool {
	return c.replace(t, follows, func() {
		c.rejected, c.fault, c.failures, c.retryAt = false, nil, 0, time.Time{}
		clear(c.taken)
		c.expires = started.Add(t.Life)
		c.renewAt = c.expires.Add(-jittered(t.Life))
	})
}

func (c *Chain) replace(t Token, follows string, then func()) bool {
	c.saving.Lock()
	defer c.saving.Unlock()
	c.mu.Lock()
	stale := c.token.Refresh != follows
	c.mu.Unlock()
	if stale {
		return false
	}
	c.keepSecret(t)
	c.mu.Lock()
	t.Seq = c.token.Seq + 1
	c.mu.Unlock()
	err := save(c.opts.Store, c.opts.File, t)
	c.mu.Lock()
	defer c.mu.Unlock()
	c.token, c.known, c.unsaved = t, true, err != nil
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
		wait = unsavedWait
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
	t, unsaved := c.token, c.unsaved
	c.mu.Unlock()
	if !unsaved {
		return nil
	}
	t.Seq++
	if err := save(c.opts.Store, c.opts.File, t); err != nil {
		return fmt.Errorf("the newest login can't be kept, so it is lost: %w", err)
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.token.Seq, c.unsaved = t.Seq, false
	return nil
}

// endRound releases those who wait for a token.
func (c *Chain) endRound(h Event) {
	c.mu.Lock()
	close(c.round)
	c.round = make(chan struct{})
	notify := c.notify
	c.mu.Unlock()
	notify(h)
}
