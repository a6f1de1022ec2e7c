// Package mqtt keeps the connection to the broker: one paho client after
// another, each for the life of one connection.
//
// paho's own reconnecting is not used. It replays old messages, leaks the
// message ids that were in flight, and reports messages as sent that were lost.
// Here a lost connection loses what was queued, and says so with [Down]: the
// bridge holds the truth and publishes all of it on the next [Up].
package mqtt

import (
	"context"
	"crypto/tls"
	"math/rand/v2"
	"net"
	"net/url"
	"slices"
	"sync"
	"time"

	paho "github.com/eclipse/paho.mqtt.golang"
)

const (
	connectTimeout = 10 * time.Second
	keepAlive      = 10 * time.Second // with pingTimeout: a stalled link is cut after 20 s at most
	pingTimeout    = 5 * time.Second
	writeTimeout   = 5 * time.Second
	maxBackoff     = 5 * time.Second // a broker is next door: do not keep a user waiting
	window         = 64              // publishes in flight
	shortSession   = 10 * time.Second
)

// Message is one publish, QoS 1.
type Message struct {
	Topic   string
	Payload []byte
	Retain  bool
	// Load makes the payload when it is sent, for what is too large to keep.
	Load func() ([]byte, error)
}

// Event is [Up], [Down], [Received], or what was learned of the broker: [Denied],
// [Refused], [Lacks], [Dropped].
type Event any

// Up says that the connection is made and subscribed.
type Up struct{}

// Down says that the connection was lost, or could not be made.
type Down struct {
	Err error
	// WasUp tells that it was lost, Short that it was lost as soon as it was made,
	// Sending that messages were in flight.
	WasUp, Short, Sending bool
}

// Denied says that the broker does not let us subscribe to a filter.
type Denied struct{ Filter string }

// Address is where a broker is, and as whom to connect.
type Address struct{ URL, Username, Password string }

// Options configure a [Conn].
type Options struct {
	Address
	ClientID string
	TLS      *tls.Config
	// Find is asked for the address before each connection, where somebody else knows
	// it; nil: it is Address. Its error says why nobody knows it now.
	Find func(ctx context.Context) (Address, error)
	// Will is published by the broker when the connection is lost.
	Will Message
	// Subscribe lists the topic filters, subscribed at QoS 1. A broker may refuse
	// them: that is told.
	Subscribe []string
	// MaxPayload bounds what is kept of a message that comes in; 0: 64 KiB.
	MaxPayload int
	// Dial opens the connection instead of the network, for tests.
	Dial func() (net.Conn, error)
}

// Conn is a connection that is made again whenever it is lost.
type Conn struct {
	opts   Options
	events chan Event
	wake   chan struct{} // the queue has something
	cancel context.CancelFunc
	done   chan struct{}

	limits limits // of the broker, as far as they are known; for run only

	mu      sync.Mutex
	up      bool
	busy    bool // publishes are in flight
	queue   []Message
	taken   int            // messages that left the queue so far
	places  map[string]int // of retained topics in a long queue, counted from its first message ever
	filters []string       // subscribed at every connection
	newer   []string       // of them, those that this connection lacks
}

// Open starts connecting and returns at once.
func Open(opts Options) *Conn {
	ctx, cancel := context.WithCancel(context.Background())
	c := &Conn{filters: slices.Clone(opts.Subscribe), opts: opts, events: make(chan Event, 256), wake: make(chan struct{}, 1), cancel: cancel, done: make(chan struct{})}
	go c.run(ctx)
	return c
}

// Events delivers what happens, in order.
func (c *Conn) Events() <-chan Event { return c.events }

// Publish queues m for the broker, in order. While there is no connection it is
// dropped and Publish returns false: the next [Up] asks for everything again.
func (c *Conn) Publish(m Message) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	if !c.up {
		return false
	}
	c.enqueue(m)
	c.poke()
	return true
}

const (
	longQueue   = 1000 // from there on only the latest message of a retained topic is kept
	mostInQueue = 20000
)

// enqueue adds a message. Of a retained topic, a long queue keeps the latest: in a
// flood the status of a command must not wait behind a thousand others.
func (c *Conn) enqueue(m Message) {
	switch {
	case len(c.queue) < longQueue:
		c.places = nil
	case !m.Retain && len(c.queue) >= mostInQueue:
		return // an event nobody will miss: the state is retained
	case m.Retain:
		if c.places == nil {
			c.places = map[string]int{}
			for i, q := range c.queue {
				c.place(q, i)
			}
		}
		if i := c.places[m.Topic] - c.taken; c.places[m.Topic] > 0 && i >= 0 {
			c.queue[i] = m
			return
		}
		c.place(m, len(c.queue))
	}
	c.queue = append(c.queue, m)
}

func (c *Conn) place(m Message, at int) {
	if m.Retain && m.Load == nil {
		c.places[m.Topic] = c.taken + at
	}
}

func (c *Conn) poke() {
	select {
	case c.wake <- struct{}{}:
	default:
	}
}

// Subscribe adds topic filters, for this connection and those to come.
func (c *Conn) Subscribe(filters ...string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, f := range filters {
		if !slices.Contains(c.filters, f) {
			c.filters, c.newer = append(c.filters, f), append(c.newer, f)
		}
	}
	c.poke()
}

// takeFilters returns the filters that this connection lacks.
func (c *Conn) takeFilters() []string {
	c.mu.Lock()
	defer c.mu.Unlock()
	newer := c.newer
	c.newer = nil
	return newer
}

// Flush waits until the broker has everything that was published, or until ctx
// ends. It returns at once without a connection.
func (c *Conn) Flush(ctx context.Context) {
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	for {
		c.mu.Lock()
		idle := !c.up || len(c.queue) == 0 && !c.busy
		c.mu.Unlock()
		if idle {
			return
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			return
		}
	}
}

// Close ends the connection cleanly, so that the broker keeps the will to
// itself, and waits for it.
func (c *Conn) Close() {
	c.cancel()
	<-c.done
}

func (c *Conn) run(ctx context.Context) {
	defer close(c.done)
	for attempt := 0; ; attempt++ {
		began := time.Now()
		wasUp, inFlight, err := c.session(ctx)
		if ctx.Err() != nil {
			return
		}
		short := time.Since(began) < shortSession
		if wasUp && !short {
			attempt = 0
		}
		c.emit(ctx, Down{Err: err, WasUp: wasUp, Short: wasUp && short, Sending: len(inFlight) > 0})
		if learned := c.limits.ended(inFlight, time.Since(began)); wasUp && learned != nil {
			c.emit(ctx, learned)
		}
		select {
		case <-time.After(backoff(attempt)):
		case <-ctx.Done():
			return
		}
	}
}

// backoff doubles from a quarter of a second, half of it at random.
func backoff(attempt int) time.Duration {
	d := min(maxBackoff, 250*time.Millisecond<<min(attempt, 10))
	return d/2 + rand.N(d/2)
}

func (c *Conn) emit(ctx context.Context, e Event) {
	select {
	case c.events <- e:
	case <-ctx.Done():
	}
}

// session lives as long as one connection. It returns whether the connection
// was made, what was in flight at its end, and why it ended.
func (c *Conn) session(ctx context.Context) (wasUp bool, inFlight []flight, err error) {
	if c.opts.Address, err = c.opts.address(ctx); err != nil {
		return false, nil, err
	}
	sctx, cancel := context.WithCancel(ctx)
	lost := make(chan error, 1)
	in := newInbox(c.opts.MaxPayload)
	client := paho.NewClient(c.clientOptions(in, lost))
	defer cancel()
	if err := await(ctx, client.Connect(), connectTimeout+writeTimeout); err != nil {
		client.Disconnect(0)
		err = diagnose(c.opts, err)
		c.limits.turnedAway(err)
		return false, nil, err
	}
	defer client.Disconnect(250)
	if learned := c.limits.letIn(); learned != nil {
		c.emit(ctx, learned)
	}
	s := &session{Conn: c, client: client, watch: &in.watch, lost: lost}
	c.mu.Lock()
	filters := slices.Clone(c.filters)
	c.newer = nil
	c.mu.Unlock()
	if err := s.subscribe(ctx, filters); err != nil {
		return false, nil, err
	}
	c.setUp(true)
	defer c.setUp(false)
	c.emit(ctx, Up{})
	in.open()
	var pump sync.WaitGroup
	pump.Go(func() { in.run(sctx, func(e Event) { c.emit(sctx, e) }) })
	defer pump.Wait()
	defer cancel()
	err = s.deliver(ctx)
	return true, s.inFlight, err
}

// address finds out where the broker is now.
func (o Options) address(ctx context.Context) (Address, error) {
	if o.Find == nil {
		return o.Address, nil
	}
	ctx, cancel := context.WithTimeout(ctx, connectTimeout)
	defer cancel()
	return o.Find(ctx)
}

func (c *Conn) setUp(up bool) {
	c.mu.Lock()
	c.up, c.queue, c.places, c.busy, c.taken = up, nil, nil, false, 1
	c.mu.Unlock()
}

func (c *Conn) clientOptions(in *inbox, lost chan<- error) *paho.ClientOptions {
	o := paho.NewClientOptions().AddBroker(withPort(c.opts.URL)).
		SetClientID(c.opts.ClientID).SetUsername(c.opts.Username).SetPassword(c.opts.Password).
		SetProtocolVersion(4). // else every refusal is tried again as MQTT 3.1
		SetCleanSession(true). // nothing sent while we were away may arrive later
		SetAutoReconnect(false).SetConnectRetry(false).
		SetKeepAlive(keepAlive).SetPingTimeout(pingTimeout).
		SetConnectTimeout(connectTimeout).SetWriteTimeout(writeTimeout).
		SetDialer(&net.Dialer{Timeout: connectTimeout}).
		SetOrderMatters(true). // lock and unlock must not swap; the callback only enqueues
		SetDefaultPublishHandler(func(_ paho.Client, m paho.Message) {
			now := time.Now()
			in.put(Received{Topic: m.Topic(), Payload: m.Payload(), Retained: m.Retained(), At: now, Late: in.watch.look(now)})
		}).
		SetConnectionLostHandler(func(_ paho.Client, err error) { lost <- err })
	if c.opts.Will.Topic != "" {
		o.SetBinaryWill(c.opts.Will.Topic, c.opts.Will.Payload, c.limits.qos(), c.opts.Will.Retain && !c.limits.noRetain)
	}
	if c.opts.TLS != nil {
		o.SetTLSConfig(c.opts.TLS)
	}
	if c.opts.Dial != nil {
		o.SetCustomOpenConnectionFn(func(*url.URL, paho.ClientOptions) (net.Conn, error) { return c.opts.Dial() })
	}
	return o
}

// withPort adds the usual port to an address without one, which the library does
// for websockets only.
func withPort(address string) string {
	u, err := url.Parse(address)
	if err != nil || u.Port() != "" {
		return address
	}
	if port := map[string]string{"mqtt": "1883", "mqtts": "8883"}[u.Scheme]; port != "" {
		u.Host = net.JoinHostPort(u.Hostname(), port)
	}
	return u.String()
}

// take returns the next messages, and notes whether any are in flight.
func (c *Conn) take(most int, inFlight bool) []Message {
	c.mu.Lock()
	defer c.mu.Unlock()
	n := max(0, min(most, len(c.queue)))
	batch := c.queue[:n:n]
	c.queue = c.queue[n:]
	c.taken += n
	if len(c.queue) == 0 {
		c.queue = nil
	}
	c.busy = inFlight || n > 0
	return batch
}
