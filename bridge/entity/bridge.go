package entity

import (
	"volvobridge/discovery"
)

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
	{id: "cloud_status", platform: sensor, name: "Cloud status", class: "enum", category: diagnostic, icon: "mdi:cloud-check-outline", options: CloudWords, attributes: true},
	{id: "login_required", platform: binarySensor, name: "Login required", class: problem},
	{id: "login_start", platform: button, name: "New login", category: configured, icon: "mdi:login"},
	{id: "login_url", platform: sensor, name: "Login address", class: "enum", category: diagnostic, icon: "mdi:link-variant", options: []string{"none", "ready"}, attributes: true},
	{id: "login", platform: "text", name: "Login", category: configured, icon: "mdi:form-textbox-password"},
	{id: "grant_expires", platform: sensor, name: "Login ends", class: "timestamp", category: diagnostic, icon: "mdi:calendar-clock", attributes: true},
	{id: "store_problem", platform: binarySensor, name: "Store", class: problem, category: diagnostic, icon: "mdi:harddisk"},
	{id: "broker_problem", platform: binarySensor, name: "Broker", class: problem, category: diagnostic, icon: "mdi:server-network", attributes: true},
	{id: "calls_today", platform: sensor, name: "Calls today", stateClass: increasing, category: diagnostic, icon: "mdi:counter"},
	{id: "calls_left", platform: sensor, name: "Calls left", stateClass: measurement, category: diagnostic, icon: "mdi:gauge"},
	{id: "forecast_midnight", platform: sensor, name: "Calls by midnight", stateClass: measurement, category: diagnostic, icon: "mdi:crystal-ball"},
	{id: "quota_resets", platform: sensor, name: "Quota resets", class: "timestamp", category: diagnostic},
	{id: "commands_today", platform: sensor, name: "Commands today", stateClass: increasing, category: diagnostic, icon: "mdi:counter"},
	{id: "unknown_fields", platform: sensor, name: "Unknown fields", stateClass: measurement, category: diagnostic, icon: "mdi:help-circle-outline", attributes: true},
	{id: "event", platform: "event", name: "Event", icon: "mdi:cloud-alert-outline"},
}

var bridgeEventTypes = []string{"grant_warning", "logged_in", "login_required", "outage", "quota_refilled", "quota_spent", "recovered"}

// CloudWords are what the entity cloud_status says.
var CloudWords = []string{"login_required", "no_car", "ok", "outage", "quota_spent", "rate_limited", "unreachable"}

const bridgeName = "Volvo bridge"

// BridgeMessage builds the discovery message of the bridge itself.
func BridgeMessage(p Place) discovery.Message {
	m := discovery.Message{
		Device: discovery.Device{Identifiers: []string{p.BridgeID()}, Name: bridgeName, Manufacturer: "volvobridge",
			Model: "MQTT bridge", SWVersion: p.Version, ConfigurationURL: p.Page},
		Origin: p.origin(), Components: map[string]discovery.Component{},
	}
	for _, e := range bridgeEntities {
		m.Components[e.id] = e.component(p)
	}
	return m
}

func (e bridgeEntity) component(p Place) discovery.Component {
	k := discovery.Component{
		Platform: e.platform, UniqueID: p.BridgeID() + "_" + e.id, DefaultEntityID: discovery.EntityID(e.platform, bridgeName, e.id),
		Name: Translated(e.name, p.Language), QoS: 1, DeviceClass: e.class, Unit: e.unit, StateClass: e.stateClass, EntityCategory: e.category, Icon: e.icon,
		Options: e.options, StateTopic: p.Topic("bridge", "state"), ValueTemplate: discovery.Value(e.id),
		Availability: []discovery.Availability{{Topic: p.Topic("bridge", "availability")}},
	}
	if e.attributes {
		k.JSONAttributesTopic = p.Topic("bridge", e.id, "attributes")
	}
	switch e.id {
	case "connection": // shows off when the bridge is gone, where others are unavailable
		k.StateTopic, k.ValueTemplate, k.Availability = p.Topic("bridge", "availability"), "", nil
		k.PayloadOn, k.PayloadOff = "online", "offline"
	case "event":
		k.StateTopic, k.ValueTemplate, k.EventTypes = p.Topic("bridge", "event"), "", bridgeEventTypes
	case "login_start":
		k.StateTopic, k.ValueTemplate = "", ""
		k.CommandTopic, k.CommandTemplate = p.Topic("bridge", e.id, "set"), discovery.StampedCommand
	case "login":
		// Nothing is ever published there: what is typed is a secret and must not stay.
		k.StateTopic, k.ValueTemplate, k.Max = p.Topic("bridge", "login"), "", new(255.0)
		k.CommandTopic, k.CommandTemplate = p.Topic("bridge", e.id, "set"), discovery.StampedCommand
	}
	return k
}

// BridgeEntity is what others need to know of an entity of the bridge.
type BridgeEntity struct {
	ID, Name string
	// EntityID is the one that Home Assistant is asked to use.
	EntityID string
}

// BridgeEntities lists the bridge's own entities.
func BridgeEntities() []BridgeEntity {
	var all []BridgeEntity
	for _, e := range bridgeEntities {
		all = append(all, BridgeEntity{e.id, e.name, discovery.EntityID(e.platform, bridgeName, e.id)})
	}
	return all
}
