package bridge

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"volvobridge/bridge/mqtt"
)

// comesBack is how long what we publish may take to come back.
const comesBack = 10 * time.Second

// brokerState is what the broker does not take or allow. A broker of MQTT 3.1.1 does
// not say so: what is published is looked for on the way back.
type brokerState struct {
	denied   map[string]bool      // filters that we may not subscribe to
	refused  map[string]int       // topics, with the size of what was not taken
	lacks    mqtt.Lacks           // what it can't do
	expected map[string]time.Time // topics that must come back, since when
	missing  map[string]bool      // those that did not
	dropped  int                  // messages that came in faster than they could wait
}

func newBrokerState() brokerState {
	return brokerState{denied: map[string]bool{}, refused: map[string]int{}, expected: map[string]time.Time{}, missing: map[string]bool{}}
}

// expect notes that a message was published that must come back.
func (s *brokerState) expect(topic string, now time.Time) {
	if _, waiting := s.expected[topic]; !waiting {
		s.expected[topic] = now
	}
}

// came takes what came back.
func (s *brokerState) came(topic string) {
	delete(s.expected, topic)
	delete(s.missing, topic)
}

// overdue moves on what did not come back in time, and returns it.
func (s *brokerState) overdue(now time.Time) []string {
	var late []string
	for topic, since := range s.expected {
		if now.Sub(since) < comesBack {
			continue
		}
		delete(s.expected, topic)
		if !s.missing[topic] {
			s.missing[topic] = true
			late = append(late, topic)
		}
	}
	slices.Sort(late)
	return late
}

// lines name each problem of the broker, with what to do about it.
func (s *brokerState) lines() []string {
	var all []string
	for _, filter := range slices.Sorted(maps.Keys(s.denied)) {
		all = append(all, "It does not let us subscribe to "+filter+": give the user of mqtt.username the right to read it.")
	}
	for _, topic := range slices.Sorted(maps.Keys(s.missing)) {
		all = append(all, "What we publish on "+topic+" does not come back: give the user of mqtt.username the right to write and to read it, or raise the broker's limit of a message.")
	}
	for _, topic := range slices.Sorted(maps.Keys(s.refused)) {
		all = append(all, fmt.Sprintf("It ends the connection over the message on %s (%d bytes), which is left out: raise its limit of a packet.", topic, s.refused[topic]))
	}
	if s.lacks.Retain {
		all = append(all, "It keeps no retained messages, so Home Assistant knows nothing after a restart until the bridge publishes again: allow them in the broker.")
	}
	if s.lacks.QoS {
		all = append(all, "It takes no messages of QoS 1, so some may get lost: allow them in the broker.")
	}
	return all
}

// topics are those that a problem is about.
func (s *brokerState) topics() []string {
	all := slices.Concat(slices.Collect(maps.Keys(s.denied)), slices.Collect(maps.Keys(s.missing)), slices.Collect(maps.Keys(s.refused)))
	slices.Sort(all)
	return append([]string{}, all...)
}

func (s *brokerState) attributes() map[string]any {
	attributes := map[string]any{"advice": nil, "topics": s.topics()}
	if lines := s.lines(); len(lines) > 0 {
		attributes["advice"] = strings.Join(lines, " ")
	}
	return attributes
}

// problem tells whether there is any.
func (s *brokerState) problem() bool {
	return len(s.denied)+len(s.missing)+len(s.refused) > 0 || s.lacks != (mqtt.Lacks{})
}

// learned takes what the connection found out about the broker.
func (b *Bridge) learned(e mqtt.Event, now time.Time) {
	before := b.link.broker.lines()
	switch e := e.(type) {
	case mqtt.Denied:
		b.link.broker.denied[e.Filter] = true
	case mqtt.Refused:
		b.link.broker.refused[e.Topic] = e.Size
		b.shrinkPicture(e.Topic, e.Size)
	case mqtt.Lacks:
		b.link.broker.lacks.Retain, b.link.broker.lacks.QoS = b.link.broker.lacks.Retain || e.Retain, b.link.broker.lacks.QoS || e.QoS
	case mqtt.Dropped:
		b.link.broker.dropped += e.Count
	}
	b.logBroker(before)
	b.publishStatusSoon(now)
}

// logBroker logs what is new of the broker's problems, each once.
func (b *Bridge) logBroker(before []string) {
	for _, line := range b.link.broker.lines() {
		if !slices.Contains(before, line) {
			b.log.Warn().Str("hint", line).Msg("the broker does not take or allow something")
		}
	}
}

// checkBroker looks for what did not come back.
func (b *Bridge) checkBroker(now time.Time) {
	before := b.link.broker.lines()
	if len(b.link.broker.overdue(now)) > 0 {
		b.logBroker(before)
		b.publishStatusSoon(now)
	}
}

// echo takes a message that we published ourselves, and reports whether it was one.
func (b *Bridge) echo(m mqtt.Received) bool {
	base, ours := strings.CutSuffix(m.Topic, "/availability")
	if !ours || !strings.HasPrefix(m.Topic, b.opts.MQTT.Topic+"/") {
		return false
	}
	if !m.Retained {
		b.link.broker.came(m.Topic)
	}
	// The will of another connection, as of a bridge that was here by mistake.
	if b.link.mirror.Connected() && base == b.topic("bridge") && string(m.Payload) != "online" && !m.Retained {
		b.link.mirror.Forget(m.Topic)
		b.retain(m.Topic, "online")
	}
	return true
}
