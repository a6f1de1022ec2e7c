package mqtt

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"
)

// comesBack is how long what we publish may take to come back.
const comesBack = 10 * time.Second

// Rules are what the broker does not take or allow. A broker of MQTT 3.1.1 does
// not say so: what is published is looked for on the way back.
type Rules struct {
	denied   map[string]bool      // filters that we may not subscribe to
	refused  map[string]int       // topics, with the size of what was not taken
	lacks    Lacks                // what it can't do
	expected map[string]time.Time // topics that must come back, since when
	missing  map[string]bool      // those that did not
}

// NewRules returns those of a broker that nothing is known of.
func NewRules() Rules {
	return Rules{denied: map[string]bool{}, refused: map[string]int{}, expected: map[string]time.Time{}, missing: map[string]bool{}}
}

// Learn takes what the connection found out.
func (s *Rules) Learn(e Event) {
	switch e := e.(type) {
	case Denied:
		s.denied[e.Filter] = true
	case Refused:
		s.refused[e.Topic] = e.Size
	case Lacks:
		s.lacks.Retain, s.lacks.QoS = s.lacks.Retain || e.Retain, s.lacks.QoS || e.QoS
	}
}

// Lost takes the end of the connection: the next one may be let do more.
func (s *Rules) Lost() {
	clear(s.expected)
	clear(s.denied)
}

// Expect notes that a message was published that must come back.
// It comes by a subscription to filter; without that one it can't.
func (s *Rules) Expect(topic, filter string, now time.Time) {
	if _, waiting := s.expected[topic]; !waiting && !s.denied[filter] {
		s.expected[topic] = now
	}
}

// Came takes what came back.
func (s *Rules) Came(topic string) {
	delete(s.expected, topic)
	delete(s.missing, topic)
}

// Miss notes that what was published on a topic did not come back.
func (s *Rules) Miss(topic string) { s.missing[topic] = true }

// Overdue moves on what did not come back in time, and returns it.
func (s *Rules) Overdue(now time.Time) []string {
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

// Lines name each problem of the broker, with what to do about it.
func (s *Rules) Lines() []string {
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

// Topics are those that a problem is about.
func (s *Rules) Topics() []string {
	all := slices.Concat(slices.Collect(maps.Keys(s.denied)), slices.Collect(maps.Keys(s.missing)), slices.Collect(maps.Keys(s.refused)))
	slices.Sort(all)
	return append([]string{}, all...)
}

// Attributes are those of the entity that tells of it.
func (s *Rules) Attributes() map[string]any {
	attributes := map[string]any{"advice": nil, "topics": s.Topics()}
	if lines := s.Lines(); len(lines) > 0 {
		attributes["advice"] = strings.Join(lines, " ")
	}
	return attributes
}

// Problem tells whether there is any.
func (s *Rules) Problem() bool {
	return len(s.denied)+len(s.missing)+len(s.refused) > 0 || s.lacks != (Lacks{})
}
