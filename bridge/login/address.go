package login

import (
	"crypto/rand"
	"encoding/base64"
	"slices"
	"time"

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
	wait := c.published.wait(time.Now())
	if wait <= 0 {
		c.published.count(time.Now())
	}
	c.mu.Unlock()
	if wait > 0 {
		return Address{}, errorf("%d addresses were made within %d minutes; use the newest, or try again in %s", mostPublished, int(loginFor.Minutes()), wait.Round(time.Second))
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
	notify := c.notify
	c.mu.Unlock()
	notify(Event{Kind: Addressed})
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
