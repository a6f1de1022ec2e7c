package bridge

import (
	"math/rand/v2"
	"strings"
	"time"

	"volvobridge/bridge/entity"
	"volvobridge/bridge/mqtt"
	"volvobridge/discovery"
)

// logSetAside names the logins' files that were broken.
func (b *Bridge) logSetAside() {
	for _, a := range b.opts.Accounts {
		if a.Chain == nil {
			continue
		}
		for _, name := range a.Chain.Notes() {
			b.log.Warn().Str("account", a.Name).Str("file", name).Str("hint", "its copy is used if it is whole; else log in again").Msg("a broken file was set aside")
		}
	}
}

// subscriptions are the topics that the bridge listens to. A broker may forbid any:
// then it does without, and says so. What it publishes itself comes back on some of
// them, which shows that it was taken.
func (b *Bridge) subscriptions() []string {
	filters := []string{b.topic("+", "+", "set"), b.topic("bridge", "instance"), b.topic("+", "availability")}
	if !b.opts.HomeAssistant.Discovery {
		return filters
	}
	if b.opts.HomeAssistant.StatusTopic != "" {
		filters = append(filters, b.opts.HomeAssistant.StatusTopic)
	}
	filters = append(filters, b.ownDevice())
	for _, c := range b.fleet.cars {
		filters = append(filters, b.device(c))
	}
	return filters
}

// ownDevice and device are the topics on which the bridge and a car are announced.
func (b *Bridge) ownDevice() string {
	return discovery.Topic(b.opts.HomeAssistant.Prefix, b.place.BridgeID())
}

func (b *Bridge) device(c *car) string {
	return discovery.Topic(b.opts.HomeAssistant.Prefix, c.DeviceID())
}

// event takes what the connection to the broker tells.
func (b *Bridge) event(e mqtt.Event) {
	switch e := e.(type) {
	case mqtt.Up:
		if b.link.sessionTakeovers < takeoversToLog {
			b.log.Info().Msg("connected to the broker")
		}
		b.link.downLogged, b.link.upAt = false, time.Now()
		b.publishMarker(b.link.own.connected(time.Now()), false)
	case mqtt.Down:
		b.logDown(e)
		b.link.own.lost()
		b.link.mirror.SetConnected(false)
		b.link.downLogged, b.link.heldCommands = true, nil
		clear(b.link.broker.expected)
		clear(b.link.broker.denied)
		b.health.ready.Store(false)
	case mqtt.Denied, mqtt.Refused, mqtt.Lacks, mqtt.Dropped:
		b.learned(e, time.Now())
	case mqtt.Received:
		b.receive(e)
	}
}

const takeoversToLog = 3

// logDown logs that the broker is away, once. A broker that ends one connection
// after the other does so because another client has the same id.
func (b *Bridge) logDown(e mqtt.Down) {
	_, hint := mqtt.Explain(e.Err)
	switch {
	case e.WasUp && e.Sending:
		hint = "the broker ended it while something was sent to it, or the network; trying again, and finding out which message it was"
	case e.WasUp:
		hint = "the broker ended it, or the network; trying again by itself"
	}
	if !e.Short || e.Sending {
		b.link.sessionTakeovers = 0
	} else if b.link.sessionTakeovers++; b.link.sessionTakeovers == takeoversToLog {
		hint = "another client probably uses the same mqtt.client_id " + b.opts.MQTT.ClientID + ": give each its own"
	}
	if !b.link.downLogged && b.link.sessionTakeovers <= takeoversToLog {
		b.log.Warn().Err(e.Err).Str("hint", hint).Msg("no connection to the broker")
	}
}

// publishMarker publishes on the topic that tells whose the base topic is.
func (b *Bridge) publishMarker(m marker, retain bool) {
	b.link.conn.Publish(mqtt.Message{Topic: b.topic("bridge", "instance"), Payload: []byte(entity.Encode(m)), Retain: retain})
}

// instance takes a message on that topic.
func (b *Bridge) instance(m mqtt.Received) {
	before := b.link.own.conflict()
	b.link.own.received(m.Payload, m.Retained, m.At)
	if !b.link.own.conflict() || before {
		return
	}
	b.link.mirror.SetConnected(false)
	b.health.ready.Store(false)
	held := b.link.heldCommands
	b.link.heldCommands = nil
	for _, m := range held {
		b.refuseConflict(m)
	}
	b.log.Error().Str("other", b.link.own.other.ClientID).Str("host", b.link.own.other.Host).Str("topic", b.opts.MQTT.Topic).
		Str("hint", "stop one of the two, or give each its own mqtt.topic; until then this one publishes nothing and refuses commands").Msg("another bridge owns the base topic")
}

// claim moves on the question whose the base topic is.
func (b *Bridge) claim(now time.Time) {
	before, again := b.link.own.conflict(), b.link.own.once
	m, ours := b.link.own.step(now)
	if m != nil {
		b.publishMarker(*m, true)
	}
	if before && !b.link.own.conflict() {
		b.log.Info().Msg("no other bridge owns the base topic any more")
	}
	if !ours {
		return
	}
	b.link.mirror.SetConnected(true)
	if instance := b.topic("bridge", "instance"); b.link.own.deaf {
		lines := b.link.broker.lines()
		b.link.broker.missing[instance] = true
		b.logBroker(lines)
	} else {
		b.link.broker.came(instance)
	}
	b.publishEverything(now)
	held := b.link.heldCommands
	b.link.heldCommands = nil
	for _, m := range held {
		if again || m.Retained {
			b.command(m)
		} else {
			b.refuseConflict(m)
		}
	}
}

// birthGap is the least time between two announcements of everything: whoever can
// write to Home Assistant's status topic could ask for them all the time.
const birthGap = 20 * time.Second

func later(a, b time.Time) time.Time {
	if b.After(a) {
		return b
	}
	return a
}

// receive takes a message: Home Assistant's birth, or a command.
func (b *Bridge) receive(m mqtt.Received) {
	switch {
	case m.Topic == b.topic("bridge", "instance"):
		b.instance(m)
	case strings.HasPrefix(m.Topic, b.opts.HomeAssistant.Prefix+"/device/"):
		if len(m.Payload) == 0 {
			b.deleted(m.Topic, m.At)
		} else if !m.Retained {
			b.link.broker.came(m.Topic)
		}
	case m.Topic == b.opts.HomeAssistant.StatusTopic:
		if string(m.Payload) == "online" && !m.Retained && b.times.reannounce.IsZero() {
			b.times.reannounce = later(m.At, b.times.announcedAt.Add(birthGap)).Add(rand.N(birthSpread))
		}
	case b.echo(m), len(m.Payload) == 0:
	case b.link.own.conflict() && !m.Retained:
		b.refuseConflict(m)
	case b.link.own.state != owned:
		if len(b.link.heldCommands) < mostHeld {
			b.link.heldCommands = append(b.link.heldCommands, m)
		}
	default:
		b.command(m)
	}
}
