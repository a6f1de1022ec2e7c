package login

import (
	"context"
	"time"

	"volvobridge/volvo"
)

// Store keeps the token of an account, as bytes that mean nothing to it.
type Store interface {
	// LoadToken returns the newest token that was saved. What is broken is set aside, and
	// named.
	LoadToken(account string) (token []byte, found bool, setAside []string, err error)
	// SaveToken makes a token durable before it returns nil. A settled one has no
	// request to Volvo under way.
	SaveToken(account string, token []byte, settled bool) error
}

// Options configure a [Chain].
type Options struct {
	// Name is the account's, for people; File names it in the store.
	Name, File string
	OAuth      *volvo.OAuth
	Store      Store
	// Scopes are what a login asks for.
	Scopes []string
	// OwnsCar tells whether a login, by its access token, lists a car that is configured
	// or known; nil: every login is ours.
	OwnsCar func(ctx context.Context, access string) (bool, error)
	// Explain says of scopes, a line each, what does not work without them; nil: nothing
	// is said.
	Explain func(scopes []string) []string
	// Secret is told what must never be logged.
	Secret func(string)
}

// Event is what a chain tells the loop.
type Event struct {
	Kind EventKind
	// Days and End are a warning's.
	Days int
	End  time.Time
	// Missing are the scopes that a login did not get.
	Missing []string
}

// EventKind is the kind of a [Event].
type EventKind int

// The kinds.
const (
	Renewed       EventKind = iota // there is a new access token
	Faulted                        // a refresh failed
	LoginRequired                  // Volvo ended the login
	StillRefused                   // and says so again
	LoggedIn                       // a person logged in
	Addressed                      // there is a new address to log in at
	Listed                         // the cars of a new login were listed: a call
	GrantEnds                      // Volvo will end the login soon
)
