// Package mqtttest is a broker for tests: MQTT 3.1.1 over [net.Pipe], so that
// the real client can run inside a testing/synctest bubble.
package mqtttest

import (
	"errors"
	"net"
	"strings"
	"sync"

	"github.com/eclipse/paho.mqtt.golang/packets"
)

// Message is what somebody published.
type Message struct {
	Topic   string
	Payload string
	Retain  bool
}

// Broker keeps retained messages, delivers to subscribers and records all that
// its clients publish. The zero value is a broker that is down.
type Broker struct {
	// Eager has retained messages sent before the subscription is acknowledged,
	// as MQTT allows. Set it before the first connection.
	Eager bool
	// MaxPacket ends the connection over a larger payload, as brokers do; 0: never.
	MaxPacket int
	// NoRetain and NoQoS end it over a retained message, and over one of QoS 1, also
	// over such a will.
	NoRetain, NoQoS bool
	// MayWrite and MaySubscribe say no as a broker's access rules do: what must not be
	// written is acknowledged and dropped. Nil: everything is allowed.
	MayWrite, MaySubscribe func(topic string) bool

	mu       sync.Mutex
	up       bool
	retained map[string]Message
	sessions map[*session]bool
	log      []Message
	will     Message
	clean    int // disconnects that were said
}

type session struct {
	conn    net.Conn
	filters []string
	write   sync.Mutex
	will    *Message
}

// New returns a running broker.
func New() *Broker {
	return &Broker{up: true, retained: map[string]Message{}, sessions: map[*session]bool{}}
}

// Dial is what a client uses as its connection.
func (b *Broker) Dial() (net.Conn, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if !b.up {
		return nil, errors.New("connection refused")
	}
	client, server := net.Pipe()
	s := &session{conn: server}
	b.sessions[s] = true
	go b.serve(s)
	return client, nil
}

// Stop cuts every connection and refuses new ones. With forget it loses what
// was retained.
func (b *Broker) Stop(forget bool) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.up = false
	if forget {
		b.retained = map[string]Message{}
	}
	for s := range b.sessions {
		s.conn.Close()
	}
}

// Start accepts connections again.
func (b *Broker) Start() {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.up = true
}

// Retained returns the retained payload of a topic.
func (b *Broker) Retained(topic string) (string, bool) {
	b.mu.Lock()
	defer b.mu.Unlock()
	m, ok := b.retained[topic]
	return m.Payload, ok
}

// RetainedAll returns all retained payloads by topic.
func (b *Broker) RetainedAll() map[string]string {
	b.mu.Lock()
	defer b.mu.Unlock()
	all := map[string]string{}
	for t, m := range b.retained {
		all[t] = m.Payload
	}
	return all
}

// Log returns what clients published since the last call of Reset.
func (b *Broker) Log() []Message {
	b.mu.Lock()
	defer b.mu.Unlock()
	return append([]Message(nil), b.log...)
}

// Last returns the last payload that a client published on a topic, retained or
// not; empty: none.
func (b *Broker) Last(topic string) (last string) {
	for _, m := range b.Log() {
		if m.Topic == topic {
			last = m.Payload
		}
	}
	return last
}

// Reset empties the log.
func (b *Broker) Reset() {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.log = nil
}

// Will returns the will of the last client that connected.
func (b *Broker) Will() Message {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.will
}

// CleanDisconnects counts the clients that said goodbye.
func (b *Broker) CleanDisconnects() int {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.clean
}

// Publish is a message from another client.
func (b *Broker) Publish(topic, payload string, retain bool) {
	b.publish(Message{topic, payload, retain}, false)
}

func (b *Broker) publish(m Message, record bool) {
	b.mu.Lock()
	if record {
		b.log = append(b.log, m)
	}
	if m.Retain {
		b.retained[m.Topic] = m
		if m.Payload == "" {
			delete(b.retained, m.Topic)
		}
	}
	var to []*session
	for s := range b.sessions {
		if s.wants(m.Topic) {
			to = append(to, s)
		}
	}
	b.mu.Unlock()
	for _, s := range to {
		s.deliver(m, false)
	}
}

func (s *session) wants(topic string) bool {
	for _, f := range s.filters {
		if Match(f, topic) {
			return true
		}
	}
	return false
}

// Match reports whether a topic filter takes a topic.
func Match(filter, topic string) bool {
	f, t := strings.Split(filter, "/"), strings.Split(topic, "/")
	for i, level := range f {
		if level == "#" {
			return true
		}
		if i >= len(t) || level != "+" && level != t[i] {
			return false
		}
	}
	return len(f) == len(t)
}

func (s *session) send(p packets.ControlPacket) {
	s.write.Lock()
	defer s.write.Unlock()
	_ = p.Write(s.conn) // a closed connection is noticed by the reader
}

func (s *session) deliver(m Message, retained bool) {
	p := packets.NewControlPacket(packets.Publish).(*packets.PublishPacket)
	p.TopicName, p.Payload, p.Retain = m.Topic, []byte(m.Payload), retained
	s.send(p)
}

func (b *Broker) serve(s *session) {
	defer b.end(s)
	for {
		packet, err := packets.ReadPacket(s.conn)
		if err != nil {
			return
		}
		switch p := packet.(type) {
		case *packets.ConnectPacket:
			if p.WillFlag && (b.NoRetain && p.WillRetain || b.NoQoS && p.WillQos > 0) {
				return
			}
			b.connect(s, p)
		case *packets.SubscribePacket:
			b.subscribe(s, p)
		case *packets.PublishPacket:
			if b.MaxPacket > 0 && len(p.Payload) > b.MaxPacket || b.NoRetain && p.Retain || b.NoQoS && p.Qos > 0 {
				return
			}
			if p.Qos == 1 {
				ack := packets.NewControlPacket(packets.Puback).(*packets.PubackPacket)
				ack.MessageID = p.MessageID
				s.send(ack)
			}
			if b.MayWrite == nil || b.MayWrite(p.TopicName) {
				b.publish(Message{p.TopicName, string(p.Payload), p.Retain}, true)
			}
		case *packets.PingreqPacket:
			s.send(packets.NewControlPacket(packets.Pingresp))
		case *packets.DisconnectPacket:
			b.mu.Lock()
			b.clean++
			s.will = nil
			b.mu.Unlock()
			return
		}
	}
}

func (b *Broker) connect(s *session, p *packets.ConnectPacket) {
	b.mu.Lock()
	if p.WillFlag {
		b.will = Message{p.WillTopic, string(p.WillMessage), p.WillRetain}
		s.will = new(b.will)
	}
	b.mu.Unlock()
	s.send(packets.NewControlPacket(packets.Connack))
}

func (b *Broker) subscribe(s *session, p *packets.SubscribePacket) {
	ack := packets.NewControlPacket(packets.Suback).(*packets.SubackPacket)
	ack.MessageID = p.MessageID
	b.mu.Lock() // first the filters: who has the answer may rely on them
	var replay []Message
	for i, filter := range p.Topics {
		if b.MaySubscribe != nil && !b.MaySubscribe(filter) {
			ack.ReturnCodes = append(ack.ReturnCodes, 0x80)
			continue
		}
		ack.ReturnCodes = append(ack.ReturnCodes, p.Qoss[i])
		s.filters = append(s.filters, filter)
		for _, m := range b.retained {
			if Match(filter, m.Topic) {
				replay = append(replay, m)
			}
		}
	}
	b.mu.Unlock()
	if !b.Eager {
		s.send(ack)
	}
	for _, m := range replay {
		s.deliver(m, true)
	}
	if b.Eager {
		s.send(ack)
	}
}

func (b *Broker) end(s *session) {
	s.conn.Close()
	b.mu.Lock()
	delete(b.sessions, s)
	will, up := s.will, b.up
	b.mu.Unlock()
	if will != nil && up {
		b.publish(*will, false)
	}
}
