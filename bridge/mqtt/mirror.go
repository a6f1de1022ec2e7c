package mqtt

import (
	"cmp"
	"slices"
	"strings"
	"time"
)

const (
	mostPendingEvents = 200
	emptyEvery        = time.Second // between two removals of what may be stored on a topic
	mostEmptied       = 1000        // topics whose last removal is remembered
)

// Mirror is what the broker should hold: the latest value of each topic, what has to
// be sent again when it is back, and what has to be removed from it. The bridge
// holds the truth; a broker that lost everything gets it from here.
//
// One goroutine uses it.
type Mirror struct {
	publish   func(Message) bool
	onSend    func(topic string, payload []byte)
	connected bool

	latest        map[string]string // of each topic, its retained payload
	pendingEvents []Message         // that wait for a connection

	clearing []string  // topics to empty
	clearAt  time.Time // when

	// Topics on which something may be stored that must not be there.
	emptied  map[string]time.Time // when they were emptied last
	emptying map[string]bool      // those that wait for their turn
	emptyAt  time.Time            // when that is
}

// NewMirror returns an empty one. It tells onSend of what it sends.
func NewMirror(onSend func(topic string, payload []byte)) *Mirror {
	return &Mirror{onSend: onSend, latest: map[string]string{}, emptied: map[string]time.Time{}, emptying: map[string]bool{}}
}

// Bind sets how messages are published. It must be called before Connected is set.
func (m *Mirror) Bind(publish func(Message) bool) { m.publish = publish }

// SetConnected tells whether there is a connection and the topics are ours.
func (m *Mirror) SetConnected(yes bool) { m.connected = yes }

// Connected returns what SetConnected was told.
func (m *Mirror) Connected() bool { return m.connected }

// Retain publishes a retained message, unless the broker holds it already.
func (m *Mirror) Retain(topic, payload string) {
	if old, ok := m.latest[topic]; payload == "" || ok && old == payload {
		return
	}
	m.latest[topic] = payload
	m.Send(topic, []byte(payload))
}

// Forget has the next Retain of a topic sent, whatever the broker holds; without
// one, the topic is not sent again.
func (m *Mirror) Forget(topic string) { delete(m.latest, topic) }

// Send publishes a retained message that is not remembered. Without a connection it
// is not sent.
func (m *Mirror) Send(topic string, payload []byte) bool {
	if !m.connected {
		return false
	}
	m.onSend(topic, payload)
	return m.publish(Message{Topic: topic, Payload: payload, Retain: true})
}

// Event publishes what nobody keeps. Without a connection it waits for the next, as
// does what a crash left to tell: an event comes once.
func (m *Mirror) Event(topic string, payload []byte) {
	event := Message{Topic: topic, Payload: payload}
	if m.connected && m.publish(event) {
		return
	}
	m.pendingEvents = append(m.pendingEvents, event)
	m.pendingEvents = m.pendingEvents[max(0, len(m.pendingEvents)-mostPendingEvents):]
}

// SendAll sends the latest value of every topic: the broker may have lost them.
func (m *Mirror) SendAll() {
	topics := make([]string, 0, len(m.latest))
	for t := range m.latest {
		topics = append(topics, t)
	}
	slices.SortFunc(topics, func(x, y string) int { return cmp.Or(turnOf(x)-turnOf(y), strings.Compare(x, y)) })
	for _, t := range topics {
		m.Send(t, []byte(m.latest[t]))
	}
}

// turnOf orders topics that are published together: what belongs to a state before
// the state, and availability last, so that nothing stale is shown as fresh.
func turnOf(topic string) int {
	switch topic[strings.LastIndexByte(topic, '/')+1:] {
	case "state":
		return 1
	case "availability":
		return 2
	}
	return 0
}

// SendEvents sends the events that waited for a connection.
func (m *Mirror) SendEvents() {
	m.pendingEvents = slices.DeleteFunc(m.pendingEvents, m.publish)
}

// ClearLater has topics emptied at a time, unless something is retained there again.
func (m *Mirror) ClearLater(topics []string, at time.Time) {
	m.clearing, m.clearAt = append(m.clearing, topics...), at
}

// ClearNow empties the topics that nobody needs any more.
func (m *Mirror) ClearNow() {
	for _, topic := range m.clearing {
		if _, again := m.latest[topic]; !again {
			m.Send(topic, nil)
		}
	}
	m.clearing, m.clearAt = nil, time.Time{}
}

// Empty removes a message that may be stored on a topic where none belongs: whoever
// published it may have had it retained, which a live message does not tell, and it
// would come again at every connection. A flood on a topic makes no flood of
// removals.
func (m *Mirror) Empty(topic string, now time.Time) {
	if len(m.emptied) > mostEmptied {
		clear(m.emptied)
	}
	if last := m.emptied[topic]; now.Sub(last) >= emptyEvery || last.After(now) {
		m.emptied[topic] = now
		m.Send(topic, nil)
		return
	}
	if m.emptying[topic] = true; m.emptyAt.IsZero() {
		m.emptyAt = now.Add(emptyEvery)
	}
}

// Next returns when Due has something to do; zero: nothing is planned.
func (m *Mirror) Next() time.Time {
	if !m.connected || m.clearAt.IsZero() {
		return m.emptyAt
	}
	if m.emptyAt.IsZero() || m.clearAt.Before(m.emptyAt) {
		return m.clearAt
	}
	return m.emptyAt
}

// Due removes what is to be removed by now.
func (m *Mirror) Due(now time.Time) {
	if m.connected && !m.clearAt.IsZero() && !now.Before(m.clearAt) {
		m.ClearNow()
	}
	if m.emptyAt.IsZero() || now.Before(m.emptyAt) {
		return
	}
	for topic := range m.emptying {
		m.emptied[topic] = now
		m.Send(topic, nil)
	}
	clear(m.emptying)
	m.emptyAt = time.Time{}
}
