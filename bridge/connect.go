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
		b.link.Up(time.Now())
		b.opts.Tried()
	case mqtt.Down:
		b.link.Down(e)
		b.health.ready.Store(false)
		b.opts.Tried()
	case mqtt.Refused:
		b.link.Learned(e)
		if level, kind, ok := b.link.Picture(e.Topic); ok && b.fleet.bySlug[level] != nil {
			b.gallery.Shrink(&b.fleet.bySlug[level].Car, kind, e.Size)
		}
		b.changes.status(time.Now())
	case mqtt.Denied, mqtt.Lacks:
		b.link.Learned(e)
		b.changes.status(time.Now())
	case mqtt.Dropped:
		b.log.Debug().Int("messages", e.Count).Msg("messages came in faster than they could wait")
	case mqtt.Received:
		b.receive(e)
	}
}

// instance takes a message on the topic that tells whose the base topic is.
func (b *Bridge) instance(m mqtt.Received) {
	lost, held := b.link.Instance(m)
	if !lost {
		return
	}
	b.health.ready.Store(false)
	for _, m := range held {
		b.commands.refuseConflict(m)
	}
}

// claim publishes everything once the base topic is ours, and runs what waited for that.
func (b *Bridge) claim(now time.Time) {
	again := b.link.Own.Before()
	if !b.link.Claim(now) {
		return
	}
	b.publishEverything(now)
	for _, m := range b.link.Held() {
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
	case m.Topic == b.link.Topic("bridge", "instance"):
		b.instance(m)
	case strings.HasPrefix(m.Topic, b.opts.HomeAssistant.Prefix+"/device/"):
		if len(m.Payload) == 0 {
			b.deleted(m.Topic, m.At)
		} else if !m.Retained {
			b.link.Broker.Came(m.Topic)
		}
	case m.Topic == b.opts.HomeAssistant.StatusTopic:
		if string(m.Payload) == "online" && !m.Retained && b.times.reannounce.IsZero() {
			b.times.reannounce = later(m.At, b.times.announcedAt.Add(birthGap)).Add(rand.N(birthSpread))
		}
	case b.link.Echo(m), len(m.Payload) == 0:
	case b.link.Own.Conflict() && !m.Retained:
		b.commands.refuseConflict(m)
	case !b.link.Own.Owned():
		b.link.Hold(m)
	default:
		b.command(m)
	}
}
