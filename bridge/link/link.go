// Package link is what the bridge publishes through: the topics, the connection to the
// broker with the mirror of what it should hold, whose the base topic is, and what the
// broker does not take. What it learns it logs, once.
package link

import (
	"errors"
	"slices"
	"strings"
	"time"

	"github.com/rs/zerolog"

	"volvobridge/bridge/entity"
	"volvobridge/bridge/mqtt"
	"volvobridge/discovery"
)

// Link is the connection to the broker, and where things are published.
type Link struct {
	Place  entity.Place
	Conn   *mqtt.Conn
	Mirror *mqtt.Mirror   // what the broker should hold
	Own    mqtt.Ownership // of the base topic
	Broker mqtt.Rules     // what the broker does not take or allow

	// Since is when the connection came or went, Why why it is away and what to do; empty: it
	// is there.
	Since time.Time
	Why   string
	// None tells that there is no broker to connect to.
	None bool

	prefix           string // of Home Assistant's discovery topics
	log              zerolog.Logger
	held             []mqtt.Received // commands that wait until it is clear whose topic it is
	toldDown         string          // the reason that was logged last
	downLogged       bool            // that the broker is away was logged
	upAt             time.Time
	sessionTakeovers int // connections in a row that ended at once
}

const (
	takeoversToLog = 3
	takeoversOver  = 15 * time.Second // connected for so long, there are no more
	mostHeld       = 256              // messages that wait until it is clear whose topic it is
)

// New returns one that is not connected. Prefix is that of Home Assistant's discovery
// topics.
func New(place entity.Place, prefix string, log zerolog.Logger) *Link {
	l := &Link{Place: place, prefix: prefix, log: log, Broker: mqtt.NewRules()}
	l.Mirror = mqtt.NewMirror(l.sent)
	return l
}

// Topic joins the levels below the base topic.
func (l *Link) Topic(levels ...string) string {
	return l.Place.Topic(levels...)
}

// Retain publishes a retained message, unless the broker holds it already.
func (l *Link) Retain(topic, payload string) { l.Mirror.Retain(topic, payload) }

// sent notes what goes to the broker: an availability comes back, which shows that it
// was taken.
func (l *Link) sent(topic string, payload []byte) {
	if len(payload) > 0 && strings.HasSuffix(topic, "/availability") {
		l.Broker.Expect(topic, l.Topic("+", "availability"), time.Now())
	}
}

// Event publishes what happened, which nobody keeps.
func (l *Link) Event(topic string, payload map[string]any) {
	l.Mirror.Event(topic, []byte(entity.Encode(payload)))
}

// OwnDevice is the topic on which the bridge is announced.
func (l *Link) OwnDevice() string {
	return discovery.Topic(l.prefix, l.Place.BridgeID())
}

// Device is the topic on which a car is announced.
func (l *Link) Device(vin string) string {
	return discovery.Topic(l.prefix, entity.DeviceID(vin))
}

// publishMarker publishes on the topic that tells whose the base topic is.
func (l *Link) publishMarker(m mqtt.Marker, retain bool) {
	l.Conn.Publish(mqtt.Message{Topic: l.Topic("bridge", "instance"), Payload: []byte(entity.Encode(m)), Retain: retain})
}

// logDown logs that the broker is away, once. A broker that ends one connection
// after the other does so because another client has the same id.
func (l *Link) logDown(e mqtt.Down, hint string) {
	switch {
	case e.WasUp && e.Sending:
		hint = "the broker ended it while something was sent to it, or the network; trying again, and finding out which message it was"
	case e.WasUp:
		hint = "the broker ended it, or the network; trying again by itself"
	}
	if !e.Short || e.Sending {
		l.sessionTakeovers = 0
	} else if l.sessionTakeovers++; l.sessionTakeovers == takeoversToLog {
		hint = "another client probably uses the same mqtt.client_id " + l.Place.ClientID + ": give each its own"
	}
	_, unfound := errors.AsType[*mqtt.Unfound](e.Err)
	news := unfound && l.toldDown != e.Err.Error() // while nobody knows the broker, each new reason
	if (!l.downLogged || news) && l.sessionTakeovers <= takeoversToLog {
		l.toldDown = e.Err.Error()
		l.log.Warn().Err(e.Err).Str("hint", hint).Msg("no connection to the broker")
	}
}

// ExpectDevice notes that an announcement must come back.
func (l *Link) ExpectDevice(topic string) { l.Broker.Expect(topic, topic, time.Now()) }

// TopicsOf lists every topic that is retained of a car.
func (l *Link) TopicsOf(slug string) []string {
	topics := []string{l.Topic(slug, "availability"), l.Topic(slug, "state"), l.Topic(slug, "location"),
		l.Topic(slug, "image", "exterior"), l.Topic(slug, "image", "interior")}
	for _, e := range entity.All() {
		topics = append(topics, l.Topic(slug, e.ID(), "status"))
		if e.HasAttributes() {
			topics = append(topics, l.Topic(slug, e.ID(), "attributes"))
		}
	}
	return topics
}

// Learned takes what the connection found out about the broker, and logs what is new.
func (l *Link) Learned(e mqtt.Event) {
	before := l.Broker.Lines()
	l.Broker.Learn(e)
	l.logBroker(before)
}

// Overdue looks for what did not come back, and reports whether that is news.
func (l *Link) Overdue(now time.Time) bool {
	before := l.Broker.Lines()
	if len(l.Broker.Overdue(now)) == 0 {
		return false
	}
	l.logBroker(before)
	return true
}

// logBroker logs what is new of the broker's problems, each once.
func (l *Link) logBroker(before []string) {
	for _, line := range l.Broker.Lines() {
		if !slices.Contains(before, line) {
			l.log.Warn().Str("hint", line).Msg("the broker does not take or allow something")
		}
	}
}

// Echo takes a message that we published ourselves, and reports whether it was one.
func (l *Link) Echo(m mqtt.Received) bool {
	base, ours := strings.CutSuffix(m.Topic, "/availability")
	if !ours || !strings.HasPrefix(m.Topic, l.Place.Base+"/") {
		return false
	}
	if !m.Retained {
		l.Broker.Came(m.Topic)
	}
	// The will of another connection, as of a bridge that was here by mistake.
	if l.Mirror.Connected() && base == l.Topic("bridge") && string(m.Payload) != "online" && !m.Retained {
		l.Mirror.Forget(m.Topic)
		l.Retain(m.Topic, "online")
	}
	return true
}

// Subscriptions are the topics that the bridge listens to. A broker may forbid any:
// then it does without, and says so. What it publishes itself comes back on some of
// them, which shows that it was taken.
func (l *Link) Subscriptions(announces bool, statusTopic string, vins []string) []string {
	filters := []string{l.Topic("+", "+", "set"), l.Topic("bridge", "instance"), l.Topic("+", "availability")}
	if !announces {
		return filters
	}
	if statusTopic != "" {
		filters = append(filters, statusTopic)
	}
	filters = append(filters, l.OwnDevice())
	for _, vin := range vins {
		filters = append(filters, l.Device(vin))
	}
	return filters
}

// Up takes a new connection: it asks whose the base topic is.
func (l *Link) Up(now time.Time) {
	if l.sessionTakeovers < takeoversToLog {
		l.log.Info().Msg("connected to the broker")
	}
	l.downLogged, l.upAt = false, now
	l.Since, l.Why, l.None = now, "", false
	l.publishMarker(l.Own.Connected(now), false)
}

// Down takes the end of a connection, or an attempt that failed.
func (l *Link) Down(e mqtt.Down) {
	found, advice := mqtt.Explain(e.Err)
	l.logDown(e, advice)
	if l.Why == "" || e.WasUp {
		l.Since = time.Now()
	}
	l.Why = found + ". " + advice
	unfound, ok := errors.AsType[*mqtt.Unfound](e.Err)
	l.None = ok && unfound.None
	l.Own.Lost()
	l.Mirror.SetConnected(false)
	l.downLogged, l.held = true, nil
	l.Broker.Lost()
}

// Settle forgets that connections ended one after the other, when this one lasts.
func (l *Link) Settle(now time.Time) {
	if l.Mirror.Connected() && l.sessionTakeovers >= takeoversToLog && now.Sub(l.upAt) >= takeoversOver {
		l.sessionTakeovers = 0
		l.log.Info().Msg("connected to the broker")
	}
}

// Hold keeps a command until it is clear whose topic it is.
func (l *Link) Hold(m mqtt.Received) {
	if len(l.held) < mostHeld {
		l.held = append(l.held, m)
	}
}

// Instance takes a message on the topic that tells whose the base topic is. When it
// turns out to be another's, it returns the commands that waited: they are refused.
func (l *Link) Instance(m mqtt.Received) (lost bool, held []mqtt.Received) {
	before := l.Own.Conflict()
	l.Own.Received(m.Payload, m.Retained, m.At)
	if !l.Own.Conflict() || before {
		return false, nil
	}
	l.Mirror.SetConnected(false)
	l.log.Error().Str("other", l.Own.Other().ClientID).Str("host", l.Own.Other().Host).Str("topic", l.Place.Base).
		Str("hint", "stop one of the two, or give each its own mqtt.topic; until then this one publishes nothing and refuses commands").Msg("another bridge owns the base topic")
	return true, l.Held()
}

// Claim moves on the question whose the base topic is, and reports whether it has just
// become ours.
func (l *Link) Claim(now time.Time) bool {
	before := l.Own.Conflict()
	m, ours := l.Own.Step(now)
	if m != nil {
		l.publishMarker(*m, true)
	}
	if before && !l.Own.Conflict() {
		l.log.Info().Msg("no other bridge owns the base topic any more")
	}
	if !ours {
		return false
	}
	l.Mirror.SetConnected(true)
	if instance := l.Topic("bridge", "instance"); l.Own.Deaf() {
		lines := l.Broker.Lines()
		l.Broker.Miss(instance)
		l.logBroker(lines)
	} else {
		l.Broker.Came(instance)
	}
	return true
}

// Held hands over the commands that wait.
func (l *Link) Held() []mqtt.Received {
	held := l.held
	l.held = nil
	return held
}

// Picture takes the topic of a car's picture apart.
func (l *Link) Picture(topic string) (level, kind string, ok bool) {
	rest, ours := strings.CutPrefix(topic, l.Place.Base+"/")
	level, kind, ok = strings.Cut(rest, "/image/")
	return level, kind, ours && ok
}
