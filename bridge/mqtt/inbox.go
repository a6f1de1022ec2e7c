package mqtt

import (
	"bytes"
	"context"
	"sync"
	"time"
)

const (
	crowd        = 64   // messages waiting, from which on only the latest of a topic waits
	mostWaiting  = 1024 // then what comes is dropped and counted
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
	waiting []*Received
	latest  map[string]*Received // by topic, of those that wait
	dropped int
}

func newInbox(limit int) *inbox {
	if limit <= 0 {
		limit = defaultLimit
	}
	in := &inbox{limit: limit, wake: make(chan struct{}, 1), latest: map[string]*Received{}}
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
	before := in.latest[m.Topic]
	switch {
	case before != nil && len(in.waiting) >= crowd && before.Retained == m.Retained:
		m.Passed, m.LastPassed = before.Passed+1, before.Payload
		*before = m
	case len(in.waiting) >= mostWaiting:
		in.dropped++
	default:
		in.waiting = append(in.waiting, &m)
		in.latest[m.Topic] = &m
	}
	select {
	case in.wake <- struct{}{}:
	default:
	}
}

// take returns the oldest message, and how many were dropped since it was last
// called.
func (in *inbox) take() (m *Received, dropped int) {
	in.mu.Lock()
	defer in.mu.Unlock()
	if !in.up || len(in.waiting) == 0 {
		return nil, 0
	}
	m, dropped = in.waiting[0], in.dropped
	in.waiting, in.dropped = in.waiting[1:], 0
	if in.latest[m.Topic] == m {
		delete(in.latest, m.Topic)
	}
	return m, dropped
}

// open lets messages out.
func (in *inbox) open() {
	in.mu.Lock()
	in.up = true
	in.mu.Unlock()
}

// run hands messages on, one after the other, until ctx ends.
func (in *inbox) run(ctx context.Context, emit func(Event)) {
	for {
		m, dropped := in.take()
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
		select {
		case <-in.wake:
		case <-ctx.Done():
			return
		}
	}
}
