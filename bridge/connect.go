package bridge

import (
	"math/rand/v2"
	"strings"
	"time"

	"github.com/rs/zerolog"

	"volvobridge/bridge/account"
	"volvobridge/bridge/mqtt"
)

// logSetAside names the logins' files that were broken.
func logSetAside(all []account.Options, log zerolog.Logger) {
	for _, a := range all {
		if a.Chain == nil {
			continue
		}
		for _, name := range a.Chain.Notes() {
			log.Warn().Str("account", a.Name).Str("file", name).Str("hint", "its copy is used if it is whole; else log in again").Msg("a broken file was set aside")
		}
	}
}

// event takes what the connection to the broker tells.
func (b *Bridge) event(e mqtt.Event) {
	switch e := e.(type) {
	case mqtt.Up:
		if b.link.sessionTakeovers < takeoversToLog {
			b.log.Info().Msg("connected to the broker")
		}
		b.link.downLogged, b.link.upAt = false, time.Now()
		b.link.publishMarker(b.link.own.Connected(time.Now()), false)
	case mqtt.Down:
		b.link.logDown(e)
		b.link.own.Lost()
		b.link.mirror.SetConnected(false)
		b.link.downLogged, b.link.heldCommands = true, nil
		b.link.broker.Lost()
		b.health.ready.Store(false)
	case mqtt.Refused:
		b.link.learned(e)
		b.gallery.shrink(e.Topic, e.Size)
		b.changes.status(time.Now())
	case mqtt.Denied, mqtt.Lacks:
		b.link.learned(e)
		b.changes.status(time.Now())
	case mqtt.Dropped:
		b.log.Debug().Int("messages", e.Count).Msg("messages came in faster than they could wait")
	case mqtt.Received:
		b.receive(e)
	}
}

const (
	takeoversToLog = 3
	mostHeld       = 256 // messages that wait until it is clear whose topic it is
)

// instance takes a message on that topic.
func (b *Bridge) instance(m mqtt.Received) {
	before := b.link.own.Conflict()
	b.link.own.Received(m.Payload, m.Retained, m.At)
	if !b.link.own.Conflict() || before {
		return
	}
	b.link.mirror.SetConnected(false)
	b.health.ready.Store(false)
	held := b.link.heldCommands
	b.link.heldCommands = nil
	for _, m := range held {
		b.commands.refuseConflict(m)
	}
	b.log.Error().Str("other", b.link.own.Other().ClientID).Str("host", b.link.own.Other().Host).Str("topic", b.opts.MQTT.Topic).
		Str("hint", "stop one of the two, or give each its own mqtt.topic; until then this one publishes nothing and refuses commands").Msg("another bridge owns the base topic")
}

// claim moves on the question whose the base topic is.
func (b *Bridge) claim(now time.Time) {
	before, again := b.link.own.Conflict(), b.link.own.Before()
	m, ours := b.link.own.Step(now)
	if m != nil {
		b.link.publishMarker(*m, true)
	}
	if before && !b.link.own.Conflict() {
		b.log.Info().Msg("no other bridge owns the base topic any more")
	}
	if !ours {
		return
	}
	b.link.mirror.SetConnected(true)
	if instance := b.link.topic("bridge", "instance"); b.link.own.Deaf() {
		lines := b.link.broker.Lines()
		b.link.broker.Miss(instance)
		b.link.logBroker(lines)
	} else {
		b.link.broker.Came(instance)
	}
	b.publishEverything(now)
	held := b.link.heldCommands
	b.link.heldCommands = nil
	for _, m := range held {
		if again || m.Retained {
			b.command(m)
		} else {
			b.commands.refuseConflict(m)
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

// command takes a message on a /set topic.
func (b *Bridge) command(m mqtt.Received) {
	levels := strings.Split(strings.TrimPrefix(m.Topic, b.opts.MQTT.Topic+"/"), "/")
	switch {
	case len(levels) != 3:
	case levels[0] == "bridge":
		b.ownCommand(levels[1], m)
	default:
		b.commands.take(levels[0], levels[1], m)
	}
}

// receive takes a message: Home Assistant's birth, or a command.
func (b *Bridge) receive(m mqtt.Received) {
	switch {
	case m.Topic == b.link.topic("bridge", "instance"):
		b.instance(m)
	case strings.HasPrefix(m.Topic, b.opts.HomeAssistant.Prefix+"/device/"):
		if len(m.Payload) == 0 {
			b.deleted(m.Topic, m.At)
		} else if !m.Retained {
			b.link.broker.Came(m.Topic)
		}
	case m.Topic == b.opts.HomeAssistant.StatusTopic:
		if string(m.Payload) == "online" && !m.Retained && b.times.reannounce.IsZero() {
			b.times.reannounce = later(m.At, b.times.announcedAt.Add(birthGap)).Add(rand.N(birthSpread))
		}
	case b.link.echo(m), len(m.Payload) == 0:
	case b.link.own.Conflict() && !m.Retained:
		b.commands.refuseConflict(m)
	case !b.link.own.Owned():
		if len(b.link.heldCommands) < mostHeld {
			b.link.heldCommands = append(b.link.heldCommands, m)
		}
	default:
		b.command(m)
	}
}
