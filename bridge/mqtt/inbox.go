package mqtt

import (
	"bytes"
	"context"
	"sync"
	"time"
)

const (
	perSecond    = 50   // messages of a topic that are handed on; then only the latest waits
	mostWaiting  = 1024 // then what comes is dropped and counted
	mostTopics   = 4096 // whose pace is remembered
	defaultLimit = 64 << 10
)

// Received is a message from the broker.
type Received struct {
	Topic string
	// Payload is cut behind [Options.MaxPayload] bytes and one more.
	Payload  []byte
	Retained bool
	At       time.Time
	// Late tells that the process, or the machine, slept until a moment ago: nobody
	// knows how long the message lay in a buffer.
	Late bool
	// Passed are the messages of the same topic that this one took the place of
	// while it waited, in a flood; the last of them is kept.
	Passed     int
	LastPassed []byte
}

// Dropped says how many messages could not even wait.
type Dropped struct{ Count int }

// inbox keeps what the broker delivers until somebody takes it. It holds back what
// comes before [Up] is told, as retained messages may: an answer to them would find
// no connection. It never makes the library wait, which would stop its keep-alive.
type inbox struct {
	watch sleepWatch
	limit int // of a payload
	wake  chan struct{}

	mu      sync.Mutex
	up      bool
	waiting []*Received          // to be handed on, the oldest first
	latest  map[string]*Received // by topic, those that wait for their topic's next second
	paces   map[string]Pace
	again   time.Time // when the first of those may go; zero: none waits
	dropped int
}

func newInbox(limit int) *inbox {
	if limit <= 0 {
		limit = defaultLimit
	}
	in := &inbox{limit: limit, wake: make(chan struct{}, 1), latest: map[string]*Received{}, paces: map[string]Pace{}}
	in.watch.look(time.Now())
	return in
}

// put takes a message. What is longer than allowed is cut at once: it must not stay
// in memory.
func (in *inbox) put(m Received) {
	in.mu.Lock()
	defer in.mu.Unlock()
	if len(m.Payload) > in.limit {
		m.Payload = bytes.Clone(m.Payload[:in.limit+1])
	}
	switch {
	case in.latest[m.Topic] != nil:
		before := in.latest[m.Topic]
		m.Passed, m.LastPassed = before.Passed+1, before.Payload
		*before = m
		return // whoever takes messages knows when this one may go
	case len(in.waiting)+len(in.latest) >= mostWaiting:
		in.dropped++
		return
	case in.paced(m.Topic, m.At):
		in.latest[m.Topic] = &m
		if next := in.paces[m.Topic].second.Add(time.Second); in.again.IsZero() || next.Before(in.again) {
			in.again = next
		}
	default:
		in.waiting = append(in.waiting, &m)
	}
	select {
	case in.wake <- struct{}{}:
	default:
	}
}

// paced counts a message of a topic, and reports whether it must wait for the next
// second.
func (in *inbox) paced(topic string, now time.Time) bool {
	p, known := in.paces[topic]
	if !known && len(in.paces) >= mostTopics {
		clear(in.paces)
	}
	over := !p.Allows(perSecond, now)
	in.paces[topic] = p
	return over
}

// release moves on those that waited for their topic's next second.
func (in *inbox) release(now time.Time) {
	if in.again.IsZero() || now.Before(in.again) {
		return
	}
	in.again = time.Time{}
	for topic, m := range in.latest {
		if next := in.paces[topic].second.Add(time.Second); now.Before(next) {
			if in.again.IsZero() || next.Before(in.again) {
				in.again = next
			}
			continue
		}
		delete(in.latest, topic)
		in.paced(topic, now)
		in.waiting = append(in.waiting, m)
	}
}

// take returns the oldest message, how many were dropped since it was last called,
// and when to look again.
func (in *inbox) take(now time.Time) (m *Received, dropped int, again time.Time) {
	in.mu.Lock()
	defer in.mu.Unlock()
	if !in.up {
		return nil, 0, time.Time{}
	}
	in.release(now)
	if len(in.waiting) == 0 {
		return nil, 0, in.again
	}
	m, dropped = in.waiting[0], in.dropped
	in.waiting, in.dropped = in.waiting[1:], 0
	return m, dropped, in.again
}

// open lets messages out.
func (in *inbox) open() {
	in.mu.Lock()
	in.up = true
	in.mu.Unlock()
}

// run hands messages on, one after the other, until ctx ends.
func (in *inbox) run(ctx context.Context, emit func(Event)) {
	timer := time.NewTimer(time.Hour)
	defer timer.Stop()
	for {
		m, dropped, again := in.take(time.Now())
		if dropped > 0 {
			emit(Dropped{dropped})
		}
		if m != nil {
			emit(*m)
			if ctx.Err() != nil {
				return
			}
			continue
		}
		timer.Reset(time.Hour)
		if !again.IsZero() {
			timer.Reset(time.Until(again))
		}
		select {
		case <-in.wake:
		case <-timer.C:
		case <-ctx.Done():
			return
		}
	}
}
