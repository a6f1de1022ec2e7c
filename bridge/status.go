package bridge

import (
	"encoding/json"
	"maps"
	"slices"
	"time"

	"volvobridge/bridge/schedule"
	"volvobridge/bridge/store"
	"volvobridge/discovery"
)

const (
	countersEvery = 5 * time.Minute
	bridgeName    = "Volvo bridge"
	toldFile      = "told.json" // the bridge's entities that Home Assistant knows
)

// bridgeStatus is what was last published of the bridge itself.
type bridgeStatus struct {
	core     string // the part that goes out at once
	counters string // the part that waits
	told     time.Time
	store    bool
	look     bool // something in it may have changed
}

// bridgeEntity is a row of the bridge's own table.
type bridgeEntity struct {
	id, platform, name                      string
	class, unit, stateClass, category, icon string
	options                                 []string
	attributes                              bool
}

// bridgeEntities is the table of the bridge's own entities.
var bridgeEntities = []bridgeEntity{
	{id: "connection", platform: binarySensor, name: "Connection", class: "connectivity", category: diagnostic},
	{id: "cloud_status", platform: sensor, name: "Cloud status", class: "enum", category: diagnostic, icon: "mdi:cloud-check-outline", options: cloudWords, attributes: true},
	{id: "login_required", platform: binarySensor, name: "Login required", class: problem},
	{id: "login_start", platform: button, name: "New login", category: configured, icon: "mdi:login"},
	{id: "login_url", platform: sensor, name: "Login address", class: "enum", category: diagnostic, icon: "mdi:link-variant", options: []string{"none", "ready"}, attributes: true},
	{id: "login", platform: "text", name: "Login", category: configured, icon: "mdi:form-textbox-password"},
	{id: "grant_expires", platform: sensor, name: "Login ends", class: "timestamp", category: diagnostic, icon: "mdi:calendar-clock", attributes: true},
	{id: "store_problem", platform: binarySensor, name: "Store", class: problem, category: diagnostic, icon: "mdi:harddisk"},
	{id: "broker_problem", platform: binarySensor, name: "Broker", class: problem, category: diagnostic, icon: "mdi:server-network", attributes: true},
	{id: "calls_today", platform: sensor, name: "Calls today", stateClass: increasing, category: diagnostic, icon: "mdi:counter"},
	{id: "calls_left", platform: sensor, name: "Calls left", stateClass: measurement, category: diagnostic, icon: "mdi:gauge"},
	{id: "quota_resets", platform: sensor, name: "Quota resets", class: "timestamp", category: diagnostic},
	{id: "commands_today", platform: sensor, name: "Commands today", stateClass: increasing, category: diagnostic, icon: "mdi:counter"},
	{id: "unknown_fields", platform: sensor, name: "Unknown fields", stateClass: measurement, category: diagnostic, icon: "mdi:help-circle-outline", attributes: true},
	{id: "event", platform: "event", name: "Event", icon: "mdi:cloud-alert-outline"},
}

var bridgeEventTypes = []string{"grant_warning", "logged_in", "login_required", "outage", "quota_refilled", "quota_spent", "recovered"}

// publishStatusSoon has the bridge's own state looked at with the next documents.
func (b *Bridge) publishStatusSoon(now time.Time) {
	b.status.look = true
	if b.publishAt.IsZero() {
		b.publishAt = now.Add(debounce)
	}
}

// publishStatus publishes the bridge's own state: what matters at once, the
// counters every five minutes.
func (b *Bridge) publishStatus(now time.Time) {
	b.status.look = false
	cloud := b.cloud(now)
	problem := b.opts.Store.Problem() != nil
	if problem != b.status.store {
		b.status.store = problem
		if problem {
			b.log.Error().Err(b.opts.Store.Problem()).Str("hint", "make the store's disk writable or free some space; it is tried again every 10 s").Msg("the store can't be written")
		} else {
			b.log.Info().Msg("the store can be written again")
		}
	}
	logins := b.logins(now)
	core := map[string]any{"connection": "ON", "cloud_status": cloud.status, "store_problem": onOff(problem), "broker_problem": onOff(b.broker.problem()), "unknown_fields": len(b.strange),
		"login_required": onOff(logins.Required), "login_url": logins.URL, "grant_expires": nil}
	if !logins.Ends.IsZero() {
		core["grant_expires"] = stamp(logins.Ends)
	}
	// Attributes first: who is told of a change can read them.
	b.retain(b.topic("bridge", "cloud_status", "attributes"), encode(map[string]any{"advice": cloud.advice, "since": stamp(cloud.since), "denied": append([]string{}, slices.Sorted(maps.Keys(b.denied))...)}))
	b.retain(b.topic("bridge", "broker_problem", "attributes"), encode(b.broker.attributes()))
	b.retain(b.topic("bridge", "login_url", "attributes"), encode(logins.urlAttributes()))
	b.retain(b.topic("bridge", "grant_expires", "attributes"), encode(logins.grantAttributes(now)))
	counters := b.counters(now)
	same, sameCounters := encode(core), encode(counters)
	due := now.Sub(b.status.told) >= countersEvery || b.status.told.IsZero() || b.status.told.After(now)
	if same == b.status.core && (sameCounters == b.status.counters || !due) {
		return
	}
	b.status.core, b.status.counters, b.status.told = same, sameCounters, now
	maps.Copy(core, counters)
	b.retain(b.topic("bridge", "unknown_fields", "attributes"), encode(map[string]any{"fields": append([]string{}, slices.Sorted(maps.Keys(b.strange))...)}))
	b.retain(b.topic("bridge", "state"), encode(core))
}

func onOff(on bool) string {
	if on {
		return "ON"
	}
	return "OFF"
}

// counters add up the keys of all accounts.
func (b *Bridge) counters(now time.Time) map[string]any {
	var quotas []*schedule.Quota
	for _, a := range b.accounts {
		quotas = append(quotas, a.quota)
	}
	s := schedule.Together(quotas...).State(now)
	return map[string]any{"calls_today": s.Calls, "calls_left": s.Left, "commands_today": s.Commands, "quota_resets": stamp(s.Resets)}
}

// severity orders the statuses for a bridge with several accounts.
var severity = []cloudStatus{cloudOK, cloudRateLimited, cloudQuota, cloudNoCar, cloudUnreachable, cloudOutage, cloudLogin}

// cloudView is the status of the cloud for people.
type cloudView struct {
	status cloudStatus
	since  time.Time
	advice any // nil: none
}

// cloud works out the status of every account, tells what changed, and returns
// the worst.
func (b *Bridge) cloud(now time.Time) cloudView {
	worst := cloudView{status: cloudOK}
	for _, a := range b.accounts {
		if status := a.current(now); status != a.status {
			old := a.status
			a.status, a.since = status, now
			b.cloudChanged(a, old, now)
		}
		if slices.Index(severity, a.status) > slices.Index(severity, worst.status) || worst.since.IsZero() {
			worst = cloudView{status: a.status, since: a.since}
			if advice := a.advice(now); advice != "" {
				worst.advice = advice
			}
		}
	}
	return worst
}

// cloudChanged logs a change, once, and tells it as an event.
func (b *Bridge) cloudChanged(a *account, old cloudStatus, now time.Time) {
	var event string
	switch a.status {
	case cloudLogin:
		event = "login_required"
	case cloudQuota:
		event = "quota_spent"
	case cloudOutage, cloudUnreachable:
		if old != cloudOutage && old != cloudUnreachable {
			event = "outage"
		}
	case cloudOK, cloudRateLimited:
		switch old {
		case cloudQuota:
			event = "quota_refilled"
		case cloudOutage, cloudUnreachable:
			event = "recovered"
		}
	}
	line := b.log.Info()
	switch a.status {
	case cloudLogin:
		line = b.log.Error()
	case cloudOK:
	default:
		line = b.log.Warn()
	}
	if fault := a.lastFault; fault != nil && (a.status == cloudOutage || a.status == cloudUnreachable) {
		line = line.Err(fault)
	}
	if hint := a.advice(now); hint != "" {
		line = line.Str("hint", hint)
	}
	line.Str("account", a.label).Msg("cloud status: " + string(a.status))
	if event != "" {
		b.tellOwn(map[string]any{"event_type": event, "account": a.label, "advice": a.advice(now)})
	}
}

// announceBridge tells Home Assistant of the bridge itself.
func (b *Bridge) announceBridge() {
	if !b.opts.HomeAssistant.Discovery {
		return
	}
	m := discovery.Message{
		Device: discovery.Device{Identifiers: []string{b.ownID()}, Name: bridgeName, Manufacturer: "volvobridge",
			Model: "MQTT bridge", SWVersion: b.opts.Version},
		Origin: b.origin(), Components: map[string]discovery.Component{},
	}
	for _, e := range bridgeEntities {
		k := discovery.Component{
			Platform: e.platform, UniqueID: b.ownID() + "_" + e.id, DefaultEntityID: discovery.EntityID(e.platform, bridgeName, e.id),
			Name: translated(e.name, b.opts.HomeAssistant.Language), QoS: 1, DeviceClass: e.class, Unit: e.unit, StateClass: e.stateClass, EntityCategory: e.category, Icon: e.icon,
			Options: e.options, StateTopic: b.topic("bridge", "state"), ValueTemplate: discovery.Value(e.id),
			Availability: []discovery.Availability{{Topic: b.topic("bridge", "availability")}},
		}
		if e.attributes {
			k.JSONAttributesTopic = b.topic("bridge", e.id, "attributes")
		}
		b.loginComponent(e.id, &k)
		switch e.id {
		case "connection": // shows off when the bridge is gone, where others are unavailable
			k.StateTopic, k.ValueTemplate, k.Availability = b.topic("bridge", "availability"), "", nil
			k.PayloadOn, k.PayloadOff = "online", "offline"
		case "event":
			k.StateTopic, k.ValueTemplate, k.EventTypes = b.topic("bridge", "event"), "", bridgeEventTypes
		}
		m.Components[e.id] = k
	}
	if b.told == nil {
		b.told = map[string]string{}
		_ = json.Unmarshal(b.opts.Store.Load(toldFile), &b.told) // nothing to remove, if it is lost
	}
	entomb(m, b.told)
	if payload, err := m.Payload(); err == nil && b.send(b.ownDevice(), payload) {
		b.expectDevice(b.ownDevice())
		if remember(m, b.told) {
			b.opts.Store.Save(toldFile, []byte(encode(b.told)), store.Whole)
		}
	}
}
