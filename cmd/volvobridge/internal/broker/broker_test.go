package broker

import (
	"errors"
	"io"
	"net"
	"runtime"
	"sync"
	"syscall"
	"testing"
	"time"

	paho "github.com/eclipse/paho.mqtt.golang"
)

func start(t *testing.T, l net.Listener) *Broker {
	t.Helper()
	b, err := Start(l, "", "", func(string, error) {})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(b.Stop)
	return b
}

func listen(t *testing.T) net.Listener {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	return l
}

func connects(t *testing.T, l net.Listener) bool {
	t.Helper()
	c := paho.NewClient(paho.NewClientOptions().AddBroker("tcp://" + l.Addr().String()).SetProtocolVersion(4).SetConnectTimeout(5 * time.Second))
	token := c.Connect()
	ok := token.WaitTimeout(6*time.Second) && token.Error() == nil
	c.Disconnect(0)
	return ok
}

// ended tells whether the other side ends a connection without an answer.
func ended(conn net.Conn, within time.Duration) bool {
	_ = conn.SetReadDeadline(time.Now().Add(within))
	n, err := conn.Read(make([]byte, 1))
	var timeout net.Error
	return n == 0 && !(errors.As(err, &timeout) && timeout.Timeout())
}

// TestClaimsOfLength: what claims to be long costs nothing before it is known whose
// it is.
func TestClaimsOfLength(t *testing.T) {
	l := listen(t)
	start(t, l)
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	for _, first := range []string{
		"\x10\xff\xff\xff\x7f", "\x30\xff\xff\xff\x7f", "\x10\xff\xff\xff\xff\x7f", "\x10\x81\x20", "\x00", "GET / HTTP/1.1\r\n\r\n", "\x16\x03\x01\x02\x00",
	} {
		conn, err := net.Dial("tcp", l.Addr().String())
		if err != nil {
			t.Fatal(err)
		}
		if _, err := io.WriteString(conn, first); err != nil {
			t.Fatal(err)
		}
		if !ended(conn, 3*time.Second) {
			t.Errorf("%q was not ended", first)
		}
		conn.Close()
	}
	runtime.ReadMemStats(&after)
	if used := after.TotalAlloc - before.TotalAlloc; used > 20<<20 {
		t.Errorf("%d bytes were allocated", used)
	}
	if !connects(t, l) {
		t.Error("nobody can connect afterwards")
	}
}

// TestManyConnections: more than it can serve are turned away, and it goes on.
func TestManyConnections(t *testing.T) {
	l := listen(t)
	b := start(t, l)
	var all []net.Conn
	for range maxConnections + 50 {
		conn, err := net.Dial("tcp", l.Addr().String())
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, conn)
	}
	turned := 0
	for _, conn := range all[maxConnections:] {
		if ended(conn, time.Second) {
			turned++
		}
	}
	if turned < 40 {
		t.Errorf("%d of 50 were turned away", turned)
	}
	for _, conn := range all {
		conn.Close()
	}
	for range 100 {
		if connects(t, l) {
			break
		}
		time.Sleep(20 * time.Millisecond)
	}
	if !connects(t, l) || b.Healthy() != nil {
		t.Error("nobody can connect afterwards")
	}
}

// sick is a listener whose accepts fail for a while.
type sick struct {
	net.Listener
	mu   sync.Mutex
	left int
}

func (s *sick) Accept() (net.Conn, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.left > 0 {
		s.left--
		return nil, syscall.EMFILE
	}
	return s.Listener.Accept()
}

// TestNoDescriptors: an accept that fails is not the last one.
func TestNoDescriptors(t *testing.T) {
	s := &sick{Listener: listen(t), left: 5}
	start(t, s)
	if !connects(t, s) {
		t.Error("after failed accepts nobody can connect")
	}
}

// TestSilence: who connects and says nothing does not stay.
func TestSilence(t *testing.T) {
	l := newListener(listen(t), func(string, error) {})
	defer l.Close()
	accepted := make(chan net.Conn, 1)
	go func() {
		if c, err := l.Accept(); err == nil {
			accepted <- c
		}
	}()
	conn, err := net.Dial("tcp", l.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	g := (<-accepted).(*guarded)
	g.mu.Lock()
	g.by = time.Now().Add(50 * time.Millisecond)
	g.mu.Unlock()
	if err := g.SetDeadline(time.Now().Add(time.Hour)); err != nil { // as the library does
		t.Fatal(err)
	}
	if _, err := g.Read(make([]byte, 10)); err == nil {
		t.Error("something was read")
	}
}

// TestStopWhileConnecting: the end may come while connections are being let in. The
// race detector sees a connection that the library counts only after it began to wait.
func TestStopWhileConnecting(t *testing.T) {
	for range 20 {
		l := listen(t)
		b, err := Start(l, "", "", func(string, error) {})
		if err != nil {
			t.Fatal(err)
		}
		for range 20 {
			conn, err := net.Dial("tcp", l.Addr().String())
			if err != nil {
				t.Fatal(err)
			}
			defer conn.Close()
		}
		b.Stop()
	}
}
