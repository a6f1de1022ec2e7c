package bridge

import (
	"encoding/json"
	"maps"
	"slices"
	"time"

	"volvobridge/bridge/account"
	"volvobridge/bridge/entity"
	"volvobridge/bridge/store"
)

const (
	countersEvery = 5 * time.Minute
	bridgeName    = "Volvo bridge"
	announcedFile = "told.json" // the bridge's entities that Home Assistant knows
)

// bridgeStatus is what was last published of the bridge itself.
type bridgeStatus struct {
	core        string // the part that goes out at once
	counters    string // the part that waits
	publishedAt time.Time
	store       bool
}

// publishStatus publishes the bridge's own state: what matters at once, the
// counters every five minutes.
func (b *Bridge) publishStatus(now time.Time) {
	b.changes.bridge = false
	cloud := b.cloud(now)
	problem := b.opts.Store.Problem() != nil
	if problem != b.self.status.store {
		b.self.status.store = problem
		if problem {
			b.log.Error().Err(b.opts.Store.Problem()).Str("hint", "make the store's disk writable or free some space; it is tried again every 10 s").Msg("the store can't be written")
		} else {
			b.log.Info().Msg("the store can be written again")
		}
	}
	logins := b.accounts.Logins(now)
	core := map[string]any{"connection": "ON", "cloud_status": cloud.Status, "store_problem": onOff(problem), "broker_problem": onOff(b.link.Broker.Problem()), "unknown_fields": len(b.self.unknownFields),
		"login_required": onOff(logins.Required), "login_url": logins.URL, "grant_expires": nil}
	if !logins.Ends.IsZero() {
		core["grant_expires"] = entity.Stamp(logins.Ends)
	}
	// Attributes first: who is told of a change can read them.
	b.link.Retain(b.link.Topic("bridge", "cloud_status", "attributes"), entity.Encode(map[string]any{"advice": cloud.Advice, "since": entity.Stamp(cloud.Since), "denied": append([]string{}, slices.Sorted(maps.Keys(b.self.denied))...)}))
	b.link.Retain(b.link.Topic("bridge", "broker_problem", "attributes"), entity.Encode(b.link.Broker.Attributes()))
	b.link.Retain(b.link.Topic("bridge", "login_url", "attributes"), entity.Encode(logins.URLAttributes()))
	b.link.Retain(b.link.Topic("bridge", "grant_expires", "attributes"), entity.Encode(logins.GrantAttributes(now)))
	counters := b.accounts.Counters(now)
	same, sameCounters := entity.Encode(core), entity.Encode(counters)
	due := now.Sub(b.self.status.publishedAt) >= countersEvery || b.self.status.publishedAt.IsZero() || b.self.status.publishedAt.After(now)
	if same == b.self.status.core && (sameCounters == b.self.status.counters || !due) {
		return
	}
	b.self.status.core, b.self.status.counters, b.self.status.publishedAt = same, sameCounters, now
	maps.Copy(core, counters)
	b.link.Retain(b.link.Topic("bridge", "unknown_fields", "attributes"), entity.Encode(map[string]any{"fields": append([]string{}, slices.Sorted(maps.Keys(b.self.unknownFields))...)}))
	b.link.Retain(b.link.Topic("bridge", "state"), entity.Encode(core))
}

func onOff(on bool) string {
	if on {
		return "ON"
	}
	return "OFF"
}

// cloud works out the status of every account, tells what changed, and returns
// the worst.
func (b *Bridge) cloud(now time.Time) account.View {
	for _, a := range b.accounts {
		old := a.Status
		if a.Update(func() bool { return b.fleet.reached(a, now) }, now) {
			b.cloudChanged(a, old, now)
		}
	}
	return b.accounts.Worst(now)
}

// cloudChanged logs a change, once, and tells it as an event.
func (b *Bridge) cloudChanged(a *account.Account, old account.Status, now time.Time) {
	event := account.EventOf(old, a.Status)
	line := b.log.Info()
	switch a.Status {
	case account.LoginRequired:
		line = b.log.Error()
	case account.OK:
	default:
		line = b.log.Warn()
	}
	if fault := a.LastFault; fault != nil && (a.Status == account.Outage || a.Status == account.Unreachable) {
		line = line.Err(fault)
	}
	if hint := a.Advice(now); hint != "" {
		line = line.Str("hint", hint)
	}
	line.Str("account", a.Label).Msg("cloud status: " + string(a.Status))
	if event != "" {
		b.link.Event(b.link.Topic("bridge", "event"), map[string]any{"event_type": event, "account": a.Label, "advice": a.Advice(now)})
	}
}

// announceBridge tells Home Assistant of the bridge itself.
func (b *Bridge) announceBridge() {
	if !b.opts.HomeAssistant.Discovery {
		return
	}
	m := entity.BridgeMessage(b.link.Place)
	if b.self.announcedEntities == nil {
		b.self.announcedEntities = map[string]string{}
		_ = json.Unmarshal(b.opts.Store.Load(announcedFile), &b.self.announcedEntities) // nothing to remove, if it is lost
	}
	entity.Entomb(m, b.self.announcedEntities)
	if payload, err := m.Payload(); err == nil && b.link.Mirror.Send(b.link.OwnDevice(), payload) {
		b.link.ExpectDevice(b.link.OwnDevice())
		if entity.Remember(m, b.self.announcedEntities) {
			b.opts.Store.Save(announcedFile, []byte(entity.Encode(b.self.announcedEntities)), store.Whole)
		}
	}
}
