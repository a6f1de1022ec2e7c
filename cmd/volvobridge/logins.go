package main

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"volvobridge/bridge/login"
	"volvobridge/bridge/web"
)

// loginState is an account on the screen and on the control socket.
type loginState struct {
	Name     string    `json:"name"`
	Required bool      `json:"required"`
	Why      string    `json:"why"`
	LoggedIn time.Time `json:"loggedIn"`
	Ends     time.Time `json:"ends"`
	Missing  []string  `json:"missing"`
	// Unconfirmed: a login that listed none of the cars waits.
	Unconfirmed bool `json:"unconfirmed"`
}

func (s loginState) String() string {
	switch {
	case s.Required:
		return "not logged in: " + s.Why
	case s.Ends.IsZero():
		return "logged in"
	}
	return "logged in, until " + s.Ends.Local().Format("2 January 2006")
}

// logins are the accounts' logins: of this process, or of a running bridge.
type logins interface {
	accounts(ctx context.Context) ([]loginState, error)
	begin(ctx context.Context, account string) (login.Address, error)
	finish(ctx context.Context, pasted string) (login.Outcome, error)
	// confirm uses the login that listed none of the cars.
	confirm(ctx context.Context, account string) (login.Outcome, error)
}

// localLogins are those of this process. It implements [web.Login] too.
type localLogins struct{ chains []*login.Chain }

func (l localLogins) open() []*login.Chain {
	return slices.DeleteFunc(slices.Clone(l.chains), func(c *login.Chain) bool { return c == nil })
}

// wait waits for the logins that are being finished.
func (l localLogins) wait() {
	for _, c := range l.chains {
		if c != nil {
			c.Wait()
		}
	}
}

func (l localLogins) accounts(context.Context) ([]loginState, error) {
	states := []loginState{}
	for _, c := range l.open() {
		s := c.State(time.Now())
		states = append(states, loginState{Name: c.Name(), Required: s.Login, Why: s.Why, LoggedIn: s.LoggedIn, Ends: s.Ends, Missing: s.Missing, Unconfirmed: c.Unconfirmed()})
	}
	return states, nil
}

func (l localLogins) begin(_ context.Context, account string) (login.Address, error) {
	var known []string
	for _, c := range l.open() {
		if c.Name() == account {
			return c.Begin(), nil
		}
		known = append(known, c.Name())
	}
	if len(known) == 0 {
		return login.Address{}, fmt.Errorf("volvo.access_token is set: there is nothing to log in to; set client_id and client_secret instead")
	}
	return login.Address{}, fmt.Errorf("there is no account %q; known are %s", account, strings.Join(known, ", "))
}

func (l localLogins) finish(ctx context.Context, pasted string) (login.Outcome, error) {
	return login.Finish(ctx, l.open(), pasted)
}

func (l localLogins) confirm(_ context.Context, account string) (login.Outcome, error) {
	return login.Confirm(l.open(), account)
}

// Confirm implements [web.Login].
func (l localLogins) Confirm(ctx context.Context, account string) (web.LoginOutcome, error) {
	out, err := l.confirm(ctx, account)
	return web.LoginOutcome{Account: out.Account, Lost: out.Lost}, err
}

// Published implements [web.Login].
func (l localLogins) Published(pasted string) bool { return login.Published(l.open(), pasted) }

// Accounts implements [web.Login].
func (l localLogins) Accounts() []web.LoginAccount {
	var all []web.LoginAccount
	states, _ := l.accounts(context.Background()) // never fails here
	for _, s := range states {
		all = append(all, web.LoginAccount{Name: s.Name, State: s.String(), Required: s.Required, Unconfirmed: s.Unconfirmed})
	}
	return all
}

// Begin implements [web.Login].
func (l localLogins) Begin(ctx context.Context, account string) (string, error) {
	address, err := l.begin(ctx, account)
	return address.URL, err
}

// Finish implements [web.Login].
func (l localLogins) Finish(ctx context.Context, pasted string) (web.LoginOutcome, error) {
	out, err := l.finish(ctx, pasted)
	shown := web.LoginOutcome{Account: out.Account, Lost: out.Lost}
	if out.Next != nil {
		shown.Next = out.Next.URL
	}
	return shown, err
}
