package mqtt

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	paho "github.com/eclipse/paho.mqtt.golang"
)

// session is one connection, from its subscriptions to its end.
type session struct {
	*Conn
	client   paho.Client
	watch    *sleepWatch
	lost     <-chan error
	tokens   []paho.Token // of what is in flight
	inFlight []flight
	last     time.Time // when something was sent
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

const subscribeAtOnce = 100 // filters in a packet

// subscribe asks for the filters, and tells which the broker refuses: the bridge
// does without them.
func (s *session) subscribe(ctx context.Context, filters []string) error {
	for chunk := range slices.Chunk(filters, subscribeAtOnce) {
		wanted := map[string]byte{}
		for _, f := range chunk {
			wanted[f] = 1
		}
		token := s.client.SubscribeMultiple(wanted, nil)
		if err := await(ctx, token, connectTimeout); err != nil {
			return fmt.Errorf("subscribe: %w", err)
		}
		sub, ok := token.(*paho.SubscribeToken)
		if !ok {
			continue
		}
		for filter, granted := range sub.Result() {
			if granted > 2 {
				s.emit(ctx, Denied{Filter: filter})
			}
		}
	}
	return nil
}

// deliver sends the queue until the connection is lost or ctx ends.
func (s *session) deliver(ctx context.Context) error {
	look := time.NewTicker(lookEvery)
	defer look.Stop()
	began := time.Now()
	for {
		s.watch.look(time.Now())
		if filters := s.takeFilters(); len(filters) > 0 {
			if err := s.subscribe(ctx, filters); err != nil {
				return err
			}
		}
		batch := s.take(s.limits.window()-len(s.tokens), len(s.tokens) > 0)
		for _, m := range batch {
			if err := s.send(ctx, m); err != nil {
				return err
			}
		}
		if len(batch) > 0 && len(s.tokens) < s.limits.window() {
			continue
		}
		var acked <-chan struct{}
		if len(s.tokens) > 0 {
			acked = s.tokens[0].Done()
		}
		wake := s.wake
		if len(s.tokens) >= s.limits.window() {
			wake = nil
		}
		select {
		case <-acked:
			if err := s.tokens[0].Error(); err != nil {
				return err
			}
			s.tokens, s.inFlight = s.tokens[1:], s.inFlight[1:]
		case <-wake:
		case <-look.C:
			if len(s.tokens) == 0 && time.Since(began) >= settledAfter && time.Since(s.last) >= settledAfter {
				s.limits.settled()
			}
		case err := <-s.lost:
			return err
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// send sends a message, as far as the broker takes it.
func (s *session) send(ctx context.Context, m Message) error {
	payload := m.Payload
	if m.Load != nil {
		var err error
		if payload, err = m.Load(); err != nil {
			return nil // whoever loads reports it
		}
	}
	f := flight{topic: m.Topic, size: len(payload), retain: m.Retain}
	if s.limits.refuses(f) {
		s.emit(ctx, Refused{Topic: f.topic, Size: f.size})
		return nil
	}
	qos := s.limits.qos()
	s.last = time.Now()
	token := s.client.Publish(m.Topic, qos, m.Retain && !s.limits.noRetain, payload)
	if qos == 1 {
		s.tokens, s.inFlight = append(s.tokens, token), append(s.inFlight, f)
		return nil
	}
	if !s.limits.careful {
		return nil
	}
	// Nothing acknowledges it: wait whether the broker ends the connection over it.
	timer := time.NewTimer(lookAtEach)
	defer timer.Stop()
	select {
	case err := <-s.lost:
		s.inFlight = []flight{f}
		return err
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}
