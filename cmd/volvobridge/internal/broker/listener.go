package broker

import (
	"errors"
	"fmt"
	"maps"
	"net"
	"slices"
	"sync"
	"time"
)

const (
	maxConnections = 2 * maxClients // those that have not said who they are too
	maxConnect     = 4 << 10        // bytes of a CONNECT
	connectWithin  = 10 * time.Second
	firstRest      = 20 * time.Millisecond // after an accept that failed, doubled
	longestRest    = time.Second
	sickAfter      = time.Minute
	tellEvery      = time.Minute
	connectPacket  = 0x10
)

// listener accepts connections as long as it is open. It goes on when the machine has
// no descriptors left for a while, and turns away more than it can serve.
type listener struct {
	net.Listener
	warn func(what string, err error)

	// unread counts the connections that the library has not begun to read.
	unread sync.WaitGroup

	mu      sync.Mutex
	open    map[*guarded]struct{}
	closed  bool
	failing time.Time // since when no connection could be accepted; zero: it can
	told    time.Time
	refused int // since told
}

func newListener(l net.Listener, warn func(string, error)) *listener {
	return &listener{Listener: l, warn: warn, open: make(map[*guarded]struct{})}
}

// Accept implements [net.Listener]. It fails only when the listener is closed: the
// library would never ask again.
func (l *listener) Accept() (net.Conn, error) {
	rest := firstRest
	for {
		conn, err := l.Listener.Accept()
		if err == nil {
			if g := l.admit(conn); g != nil {
				return g, nil
			}
			rest = firstRest
			continue
		}
		if l.failed(err) {
			return nil, err
		}
		time.Sleep(rest)
		rest = min(2*rest, longestRest)
	}
}

// admit takes a connection, or ends it when there are too many.
func (l *listener) admit(conn net.Conn) net.Conn {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.failing = time.Time{}
	if l.closed {
		conn.Close()
		return nil
	}
	if len(l.open) >= maxConnections {
		conn.Close()
		l.refused++
		l.tell(fmt.Sprintf("%d connections are open, and %d more were turned away", len(l.open), l.refused), nil)
		return nil
	}
	l.unread.Add(1)
	g := &guarded{Conn: conn, l: l, by: time.Now().Add(connectWithin), header: true}
	l.open[g] = struct{}{}
	_ = conn.SetReadDeadline(g.by) // a fresh connection always takes one
	return g
}

// failed notes an accept that failed, and reports whether the listener is closed.
func (l *listener) failed(err error) (closed bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.closed || errors.Is(err, net.ErrClosed) {
		return true
	}
	if l.failing.IsZero() {
		l.failing = time.Now()
	}
	l.tell("a connection can't be accepted; it is tried again", err)
	return false
}

func (l *listener) tell(what string, err error) {
	if time.Since(l.told) >= tellEvery {
		l.told, l.refused = time.Now(), 0
		go l.warn(what, err) // it may take locks of its own
	}
}

// Close implements [net.Listener]. Who has not said who it is is not waited for.
func (l *listener) Close() error {
	l.mu.Lock()
	l.closed = true
	open := slices.Collect(maps.Keys(l.open))
	l.mu.Unlock()
	for _, g := range open {
		g.hurry()
	}
	return l.Listener.Close()
}

func (l *listener) healthy() error {
	l.mu.Lock()
	defer l.mu.Unlock()
	if !l.failing.IsZero() && time.Since(l.failing) > sickAfter {
		return errors.New("the embedded broker can't accept connections")
	}
	return nil
}

func (l *listener) left(g *guarded) {
	l.mu.Lock()
	defer l.mu.Unlock()
	delete(l.open, g)
}

var errNoConnect = errors.New("the first packet is no CONNECT of at most 4 kB")

// guarded is a connection whose first packet must be a CONNECT, small and soon: the
// library would make room for whatever length it claims.
type guarded struct {
	net.Conn
	l     *listener
	begun sync.Once // the library has begun to read it, or ended it

	mu     sync.Mutex
	by     time.Time // until then the CONNECT must be there; zero: it is
	header bool      // its header is being read
	bytes  int       // of the header so far
	length int       // of what follows
	shift  int
}

// Read implements [net.Conn].
func (g *guarded) Read(p []byte) (int, error) {
	g.begun.Do(g.l.unread.Done)
	g.mu.Lock()
	limit := len(p)
	switch {
	case g.by.IsZero():
	case g.header:
		limit = min(limit, 1)
	default:
		limit = min(limit, g.length)
	}
	g.mu.Unlock()
	n, err := g.Conn.Read(p[:limit])
	if n > 0 {
		if bad := g.look(p[:n]); bad != nil {
			return 0, bad
		}
	}
	return n, err
}

// look follows the first packet.
func (g *guarded) look(p []byte) error {
	g.mu.Lock()
	defer g.mu.Unlock()
	switch {
	case g.by.IsZero():
		return nil
	case !g.header:
		g.length -= len(p)
	case g.bytes == 0:
		if p[0] != connectPacket {
			return errNoConnect
		}
		g.bytes++
		return nil
	default:
		g.length |= int(p[0]&0x7f) << g.shift
		g.shift += 7
		g.bytes++
		if g.length > maxConnect || g.bytes > 5 {
			return errNoConnect
		}
		if p[0]&0x80 != 0 {
			return nil
		}
		g.header = false
	}
	if g.length <= 0 {
		g.by = time.Time{}
		return g.Conn.SetReadDeadline(time.Time{}) // from here on the library sets it
	}
	return nil
}

// hurry ends the time for the CONNECT.
func (g *guarded) hurry() {
	g.mu.Lock()
	defer g.mu.Unlock()
	if !g.by.IsZero() {
		g.by = time.Now()
		_ = g.Conn.SetReadDeadline(g.by) // it is closed already, or takes one
	}
}

// SetDeadline and SetReadDeadline implement [net.Conn]; nothing prolongs the time for
// the CONNECT.
func (g *guarded) SetDeadline(t time.Time) error {
	if err := g.Conn.SetWriteDeadline(t); err != nil {
		return err
	}
	return g.SetReadDeadline(t)
}

// SetReadDeadline implements [net.Conn].
func (g *guarded) SetReadDeadline(t time.Time) error {
	g.mu.Lock()
	defer g.mu.Unlock()
	if !g.by.IsZero() && (t.IsZero() || t.After(g.by)) {
		t = g.by
	}
	return g.Conn.SetReadDeadline(t)
}

// Close implements [net.Conn].
func (g *guarded) Close() error {
	g.begun.Do(g.l.unread.Done)
	g.l.left(g)
	return g.Conn.Close()
}
