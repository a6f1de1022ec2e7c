package login

import (
	"errors"
	"fmt"
	"net/url"
	"strings"
	"time"
)

// Error is a login that failed because of what a person can mend. Its text
// says how.
type Error struct {
	text string
	// Spent: the address is used up, the next try needs a new one.
	Spent bool
}

func (e *Error) Error() string { return e.text }

func errorf(format string, args ...any) error {
	return &Error{text: fmt.Sprintf(format, args...)}
}

// spent tells that the address of the login is used up.
func spent(err error) error {
	if e, ok := errors.AsType[*Error](err); ok {
		e.Spent = true
	}
	return err
}

// pasted is what a person pasted: the address that Volvo sent the browser to, or
// the code in it.
type pasted struct{ code, state, problem, host string }

// parsePasted reads an address or a code. It never repeats it: it is a secret.
func parsePasted(text string, chains []*Chain) (pasted, error) {
	text = strings.Trim(strings.TrimSpace(text), `"'<>`)
	switch {
	case text == "":
		return pasted{}, errorf("nothing was pasted; paste the whole address of the page that the browser ended on")
	case strings.ContainsAny(text, " \t\r\n"):
		return pasted{}, errorf("what was pasted has spaces in it; paste the address of the page that the browser ended on, and nothing else")
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
		return pasted{}, errorf("what was pasted is no address; copy it whole from the browser's address bar")
	}
	q := u.Query()
	p := pasted{q.Get("code"), q.Get("state"), q.Get("error"), u.Host}
	switch {
	case (p.code != "" || p.problem != "") && p.state == "":
		return p, errorf("this address has no state in it, so nobody knows which login it belongs to; copy it whole from the browser's address bar")
	case p.code != "" || p.problem != "":
		return p, nil
	}
	for _, c := range chains {
		if volvoPage, err := url.Parse(c.opts.OAuth.AuthURL()); err == nil && u.Host == volvoPage.Host {
			return p, errorf("this is the address of Volvo's own page; log in there, and paste the address that the browser ends on: it begins with %s", c.opts.OAuth.RedirectURL())
		}
	}
	return p, errorf("there is no code in this address; after the login the browser ends on one that begins with %s and has code= in it", chains[0].opts.OAuth.RedirectURL())
}

func findLogin(chains []*Chain, p pasted, publishedOnly bool) (*Chain, *login, error) {
	if p.state != "" {
		for _, c := range chains {
			if l, ok := c.take(p.state); ok {
				return c, l, nil
			}
		}
		if foreignHost(p.host, chains) {
			return nil, nil, errorf("this is another page's address; the one that the browser ends on after the login begins with %s", chains[0].opts.OAuth.RedirectURL())
		}
		return nil, nil, errorf("this address belongs to no login that was begun here in the last 10 minutes, or was used already; begin again, and use the newest address")
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
			return nil, nil, errorf("logins of several accounts are under way; paste the whole address instead of the code, it tells which one")
		}
		chain, newest = c, l
	}
	if newest == nil {
		return nil, nil, errorf("no login was begun in the last 10 minutes; make a new address first")
	}
	return chain, newest, nil // a code that Volvo refuses leaves it to the whole address
}

// foreignHost reports whether no account's logins end on a host.
func foreignHost(host string, chains []*Chain) bool {
	for _, c := range chains {
		if u, err := url.Parse(c.opts.OAuth.RedirectURL()); err == nil && (u.Host == host || host == "") {
			return false
		}
	}
	return true
}

// safeWord keeps foreign text out of messages, but for a plain word.
func safeWord(s string) string {
	if len(s) > 60 || strings.ContainsFunc(s, func(r rune) bool { return r != '_' && (r < 'a' || r > 'z') }) {
		return "an unknown reason"
	}
	return s
}
