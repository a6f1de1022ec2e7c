package web

import (
	"crypto/sha256"
	"crypto/subtle"
	"fmt"
	"net"
	"net/http"
	"strings"
	"sync"
	"time"

	"golang.org/x/crypto/bcrypt"
)

const (
	freeTries   = 3                      // wrong passwords of an address, then it waits
	firstDelay  = 500 * time.Millisecond // doubled with each further one
	mostDelay   = time.Minute
	forgetAfter = 15 * time.Minute
	mostTries   = 60 // wrong passwords of all addresses in a minute, then each waits
	mostCallers = 1000
	tellEvery   = time.Minute
)

// gate asks for the password. One is compared at a time, since that is made to be
// slow; an address that was wrong waits longer and longer, and one that knows the
// password never does.
type gate struct {
	password string
	warn     func(what, from string, times int)

	comparing sync.Mutex

	mu      sync.Mutex
	good    [sha256.Size]byte // of what was right last: it need not be compared again
	callers map[string]*caller
	minute  time.Time
	wrong   int // in this minute
	told    time.Time
	untold  int

	sessions sessions
}

// caller is an address that was wrong.
type caller struct {
	wrong int
	until time.Time
	last  time.Time
}

func newGate(password string, warn func(what, from string, times int)) *gate {
	if warn == nil {
		warn = func(string, string, int) {}
	}
	return &gate{password: password, warn: warn, callers: map[string]*caller{}}
}

// try compares a password and tells how long its sender must wait before another: zero
// when it was right, or may be tried again at once.
func (g *gate) try(given, from string) (right bool, wait time.Duration) {
	if g.known(given) {
		return true, 0
	}
	if wait := g.wait(from, time.Now()); wait > 0 {
		return false, wait
	}
	if !g.comparing.TryLock() {
		return false, firstDelay
	}
	right = samePassword(g.password, given)
	g.comparing.Unlock()
	if right {
		g.remember(given, from)
		return true, 0
	}
	g.failed(from, time.Now())
	return false, 0
}

func (g *gate) tooMany(w http.ResponseWriter, wait time.Duration) {
	w.Header().Set("Retry-After", fmt.Sprint(int(wait.Seconds())+1))
	http.Error(w, "too many passwords were tried; wait a little", http.StatusTooManyRequests)
}

// known tells whether a password was right before.
func (g *gate) known(given string) bool {
	sum := sha256.Sum256([]byte(given))
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.good != [sha256.Size]byte{} && subtle.ConstantTimeCompare(sum[:], g.good[:]) == 1
}

func (g *gate) remember(given, from string) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.good = sha256.Sum256([]byte(given))
	delete(g.callers, from)
}

// wait is how long an address must wait before its next try.
func (g *gate) wait(from string, now time.Time) time.Duration {
	g.mu.Lock()
	defer g.mu.Unlock()
	if c := g.callers[from]; c != nil && now.Before(c.until) {
		return c.until.Sub(now)
	}
	if now.Sub(g.minute) < time.Minute && g.wrong >= mostTries && g.callers[from] != nil {
		return g.minute.Add(time.Minute).Sub(now)
	}
	return 0
}

// failed counts a wrong password.
func (g *gate) failed(from string, now time.Time) {
	g.mu.Lock()
	defer g.mu.Unlock()
	for name, c := range g.callers {
		if now.Sub(c.last) > forgetAfter || len(g.callers) > mostCallers {
			delete(g.callers, name)
		}
	}
	c := g.callers[from]
	if c == nil {
		c = &caller{}
		g.callers[from] = c
	}
	c.wrong++
	c.last = now
	if over := c.wrong - freeTries; over >= 0 {
		c.until = now.Add(min(mostDelay, firstDelay<<min(over, 10)))
	}
	if now.Sub(g.minute) >= time.Minute {
		g.minute, g.wrong = now, 0
	}
	g.wrong++
	g.untold++
	if now.Sub(g.told) >= tellEvery {
		g.warn("a wrong password for the web page", from, g.untold)
		g.told, g.untold = now, 0
	}
}

// addressOf is the machine that a request comes from: of IPv6 its network, since a
// machine has as many addresses of that as it likes.
func addressOf(r *http.Request) string {
	host, _, err := net.SplitHostPort(r.RemoteAddr)
	if err != nil {
		return r.RemoteAddr
	}
	if ip := net.ParseIP(host); ip != nil && ip.To4() == nil {
		return ip.Mask(net.CIDRMask(64, 128)).String()
	}
	return host
}

// samePassword compares with a bcrypt hash or a plain password.
func samePassword(want, given string) bool {
	if strings.HasPrefix(want, "$2") {
		return bcrypt.CompareHashAndPassword([]byte(want), []byte(given)) == nil
	}
	a, b := sha256.Sum256([]byte(want)), sha256.Sum256([]byte(given))
	return subtle.ConstantTimeCompare(a[:], b[:]) == 1
}
