package bridge

import (
	"slices"
	"strings"
	"time"

	"github.com/rs/zerolog"

	"volvobridge/bridge/entity"
	"volvobridge/bridge/mqtt"
	"volvobridge/discovery"
)

// link is the connection to the broker, where things are published, and whose the base
// topic is.
type link struct {
	opts   MQTT
	prefix string       // of Home Assistant's discovery topics
	place  entity.Place // where everything is published
	log    zerolog.Logger

	conn             *mqtt.Conn
	mirror           *mqtt.Mirror    // what the broker should hold
	own              mqtt.Ownership  // of the base topic
	heldCommands     []mqtt.Received // commands that wait until it is clear whose topic it is
	broker           mqtt.Rules      // what the broker does not take or allow
	downLogged       bool            // that the broker is away was logged
	upAt             time.Time
	sessionTakeovers int // connections in a row that ended at once
}

func newLink(opts Options) *link {
	l := &link{opts: opts.MQTT, prefix: opts.HomeAssistant.Prefix, log: opts.Log, broker: mqtt.NewRules(),
		place: entity.Place{Base: opts.MQTT.Topic, ClientID: opts.MQTT.ClientID, Version: opts.Version, Language: opts.HomeAssistant.Language}}
	l.mirror = mqtt.NewMirror(l.sent)
	return l
}

// topic joins the levels below the base topic.
func (l *link) topic(levels ...string) string {
	return l.place.Topic(levels...)
}

// retain publishes a retained message, unless the broker holds it already.
func (l *link) retain(topic, payload string) { l.mirror.Retain(topic, payload) }

// sent notes what goes to the broker: an availability comes back, which shows that it
// was taken.
func (l *link) sent(topic string, payload []byte) {
	if len(payload) > 0 && strings.HasSuffix(topic, "/availability") {
		l.broker.Expect(topic, l.topic("+", "availability"), time.Now())
	}
}

// publishEvent publishes what happened, which nobody keeps.
func (l *link) publishEvent(topic string, payload map[string]any) {
	l.mirror.Event(topic, []byte(entity.Encode(payload)))
}

// ownDevice and device are the topics on which the bridge and a car are announced.
func (l *link) ownDevice() string {
	return discovery.Topic(l.prefix, l.place.BridgeID())
}

func (l *link) device(c *car) string {
	return discovery.Topic(l.prefix, c.DeviceID())
}

// publishMarker publishes on the topic that tells whose the base topic is.
func (l *link) publishMarker(m mqtt.Marker, retain bool) {
	l.conn.Publish(mqtt.Message{Topic: l.topic("bridge", "instance"), Payload: []byte(entity.Encode(m)), Retain: retain})
}

// logDown logs that the broker is away, once. A broker that ends one connection
// after the other does so because another client has the same id.
func (l *link) logDown(e mqtt.Down) {
	_, hint := mqtt.Explain(e.Err)
	switch {
	case e.WasUp && e.Sending:
		hint = "the broker ended it while something was sent to it, or the network; trying again, and finding out which message it was"
	case e.WasUp:
		hint = "the broker ended it, or the network; trying again by itself"
	}
	if !e.Short || e.Sending {
		l.sessionTakeovers = 0
	} else if l.sessionTakeovers++; l.sessionTakeovers == takeoversToLog {
		hint = "another client probably uses the same mqtt.client_id " + l.opts.ClientID + ": give each its own"
	}
	if !l.downLogged && l.sessionTakeovers <= takeoversToLog {
		l.log.Warn().Err(e.Err).Str("hint", hint).Msg("no connection to the broker")
	}
}

// expectDevice notes that an announcement must come back.
func (l *link) expectDevice(topic string) { l.broker.Expect(topic, topic, time.Now()) }

// topicsOf lists every topic that is retained of a car.
func (l *link) topicsOf(slug string) []string {
	topics := []string{l.topic(slug, "availability"), l.topic(slug, "state"), l.topic(slug, "location"),
		l.topic(slug, "image", exterior), l.topic(slug, "image", interior)}
	for _, e := range entity.All() {
		topics = append(topics, l.topic(slug, e.ID(), "status"))
		if e.HasAttributes() {
			topics = append(topics, l.topic(slug, e.ID(), "attributes"))
		}
	}
	return topics
}

func (l *link) deviceTopic(k known) string {
	return discovery.Topic(l.prefix, "volvobridge_"+strings.ToLower(k.vin))
}

// learned takes what the connection found out about the broker, and logs what is new.
func (l *link) learned(e mqtt.Event) {
	before := l.broker.Lines()
	l.broker.Learn(e)
	l.logBroker(before)
}

// overdue looks for what did not come back, and reports whether that is news.
func (l *link) overdue(now time.Time) bool {
	before := l.broker.Lines()
	if len(l.broker.Overdue(now)) == 0 {
		return false
	}
	l.logBroker(before)
	return true
}

// logBroker logs what is new of the broker's problems, each once.
func (l *link) logBroker(before []string) {
	for _, line := range l.broker.Lines() {
		if !slices.Contains(before, line) {
			l.log.Warn().Str("hint", line).Msg("the broker does not take or allow something")
		}
	}
}

// echo takes a message that we published ourselves, and reports whether it was one.
func (l *link) echo(m mqtt.Received) bool {
	base, ours := strings.CutSuffix(m.Topic, "/availability")
	if !ours || !strings.HasPrefix(m.Topic, l.opts.Topic+"/") {
		return false
	}
	if !m.Retained {
		l.broker.Came(m.Topic)
	}
	// The will of another connection, as of a bridge that was here by mistake.
	if l.mirror.Connected() && base == l.topic("bridge") && string(m.Payload) != "online" && !m.Retained {
		l.mirror.Forget(m.Topic)
		l.retain(m.Topic, "online")
	}
	return true
}

// subscriptions are the topics that the bridge listens to. A broker may forbid any:
// then it does without, and says so. What it publishes itself comes back on some of
// them, which shows that it was taken.
func (l *link) subscriptions(ha HomeAssistant, cars []*car) []string {
	filters := []string{l.topic("+", "+", "set"), l.topic("bridge", "instance"), l.topic("+", "availability")}
	if !ha.Discovery {
		return filters
	}
	if ha.StatusTopic != "" {
		filters = append(filters, ha.StatusTopic)
	}
	filters = append(filters, l.ownDevice())
	for _, c := range cars {
		filters = append(filters, l.device(c))
	}
	return filters
}
