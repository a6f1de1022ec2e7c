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
	"errors"
	"fmt"
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

// Event is [Up], [Down] or [Received].
type Event any

// Up says that the connection is made and subscribed.
type Up struct{}

// Down says that the connection was lost, or could not be made.
type Down struct {
	Err error
	// WasUp tells that it was lost, Short that it was lost as soon as it was made.
	WasUp, Short bool
}

// Received is a message from the broker.
type Received struct {
	Topic    string
	Payload  []byte
	Retained bool
	At       time.Time
	// Late tells that the process, or the machine, slept until a moment ago: nobody
	// knows how long the message lay in a buffer.
	Late bool
}

// Options configure a [Conn].
type Options struct {
	URL      string
	ClientID string
	Username string
	Password string
	TLS      *tls.Config
	// Will is published by the broker when the connection is lost.
	Will Message
	// Subscribe lists the topic filters, subscribed at QoS 1.
	Subscribe []string
	// Optional lists filters that the broker may refuse.
	Optional []string
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

	mu    sync.Mutex
	up    bool
	busy  bool // publishes are in flight
	queue []Message
}

// Open starts connecting and returns at once.
func Open(opts Options) *Conn {
	ctx, cancel := context.WithCancel(context.Background())
	c := &Conn{opts: opts, events: make(chan Event, 256), wake: make(chan struct{}, 1), cancel: cancel, done: make(chan struct{})}
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
	c.queue = append(c.queue, m)
	select {
	case c.wake <- struct{}{}:
	default:
	}
	return true
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
		wasUp, err := c.session(ctx)
		if ctx.Err() != nil {
			return
		}
		short := time.Since(began) < shortSession
		if wasUp && !short {
			attempt = 0
		}
		c.emit(ctx, Down{Err: err, WasUp: wasUp, Short: wasUp && short})
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
// was made, and why it ended.
func (c *Conn) session(ctx context.Context) (bool, error) {
	sctx, cancel := context.WithCancel(ctx)
	defer cancel()
	lost := make(chan error, 1)
	in := &inbox{emit: func(e Event) { c.emit(sctx, e) }}
	in.watch.look(time.Now())
	client := paho.NewClient(c.clientOptions(in, lost))
	if err := await(ctx, client.Connect(), connectTimeout+writeTimeout); err != nil {
		client.Disconnect(0)
		return false, err
	}
	defer client.Disconnect(250)
	if err := c.subscribe(ctx, client); err != nil {
		return false, err
	}
	c.setUp(true)
	defer c.setUp(false)
	in.open()
	return true, c.deliver(ctx, client, &in.watch, lost)
}

// inbox holds back what a broker delivers before [Up] is told, as it may with
// retained messages: an answer to them would find no connection.
type inbox struct {
	emit  func(Event)
	watch sleepWatch
	mu    sync.Mutex
	up    bool
	held  []Event
}

func (i *inbox) take(e Received) {
	i.mu.Lock()
	defer i.mu.Unlock()
	if !i.up {
		i.held = append(i.held, e)
		return
	}
	i.emit(e)
}

func (i *inbox) open() {
	i.mu.Lock()
	defer i.mu.Unlock()
	i.emit(Up{})
	for _, e := range i.held {
		i.emit(e)
	}
	i.up, i.held = true, nil
}

func (c *Conn) setUp(up bool) {
	c.mu.Lock()
	c.up, c.queue, c.busy = up, nil, false
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
			in.take(Received{Topic: m.Topic(), Payload: m.Payload(), Retained: m.Retained(), At: now, Late: in.watch.look(now)})
		}).
		SetConnectionLostHandler(func(_ paho.Client, err error) { lost <- err })
	if c.opts.Will.Topic != "" {
		o.SetBinaryWill(c.opts.Will.Topic, c.opts.Will.Payload, 1, c.opts.Will.Retain)
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

func (c *Conn) subscribe(ctx context.Context, client paho.Client) error {
	filters := map[string]byte{}
	for _, f := range slices.Concat(c.opts.Subscribe, c.opts.Optional) {
		filters[f] = 1
	}
	if len(filters) == 0 {
		return nil
	}
	token := client.SubscribeMultiple(filters, nil)
	if err := await(ctx, token, connectTimeout); err != nil {
		return fmt.Errorf("subscribe: %w", err)
	}
	if sub, ok := token.(*paho.SubscribeToken); ok {
		for filter, granted := range sub.Result() {
			if granted > 2 && !slices.Contains(c.opts.Optional, filter) {
				return fmt.Errorf("the broker does not let us subscribe to %s", filter)
			}
		}
	}
	return nil
}

var errTimeout = errors.New("the broker did not answer in time")

func await(ctx context.Context, token paho.Token, limit time.Duration) error {
	timer := time.NewTimer(limit)
	defer timer.Stop()
	select {
	case <-token.Done():
		return token.Error()
	case <-timer.C:
		return errTimeout
	case <-ctx.Done():
		return ctx.Err()
	}
}

// deliver sends the queue until the connection is lost or ctx ends.
func (c *Conn) deliver(ctx context.Context, client paho.Client, watch *sleepWatch, lost <-chan error) error {
	look := time.NewTicker(lookEvery)
	defer look.Stop()
	var flying []paho.Token
	for {
		watch.look(time.Now())
		batch := c.take(len(flying) > 0)
		for _, m := range batch {
			if len(flying) == window {
				if err := await(ctx, flying[0], connectTimeout); err != nil {
					return err
				}
				flying = flying[1:]
			}
			if token := send(client, m); token != nil {
				flying = append(flying, token)
			}
		}
		if len(batch) > 0 {
			continue
		}
		var acked <-chan struct{}
		if len(flying) > 0 {
			acked = flying[0].Done()
		}
		select {
		case <-acked:
			if err := flying[0].Error(); err != nil {
				return err
			}
			flying = flying[1:]
		case <-c.wake:
		case <-look.C:
		case err := <-lost:
			return err
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// take returns the queue and empties it.
func (c *Conn) take(flying bool) []Message {
	c.mu.Lock()
	defer c.mu.Unlock()
	batch := c.queue
	c.queue = nil
	c.busy = flying || len(batch) > 0
	return batch
}

func send(client paho.Client, m Message) paho.Token {
	payload := m.Payload
	if m.Load != nil {
		var err error
		if payload, err = m.Load(); err != nil {
			return nil // whoever loads reports it
		}
	}
	return client.Publish(m.Topic, 1, m.Retain, payload)
}
