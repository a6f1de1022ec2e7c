package entity

import (
	"cmp"
	"strings"

	"volvobridge/discovery"
	"volvobridge/volvo"
)

// Place is where everything is published, and how it is called.
type Place struct {
	// Base is the first level of every topic.
	Base string
	// ClientID and Version are the bridge's.
	ClientID, Version string
	Language          string
	// Page is the address of the web page; empty: there is none.
	Page string
}

// Topic joins the levels below the base.
func (p Place) Topic(levels ...string) string { return p.Base + "/" + strings.Join(levels, "/") }

// BridgeID identifies the bridge in discovery.
func (p Place) BridgeID() string { return "volvobridge_" + p.ClientID }

func (p Place) origin() discovery.Origin {
	return discovery.Origin{Name: "volvobridge", SWVersion: p.Version}
}

// Entomb adds what Home Assistant was told of and is no more: a component with
// nothing but a platform removes the entity. Left out, it would stay for good.
func Entomb(m discovery.Message, told map[string]string) {
	for id, platform := range told {
		if _, still := m.Components[id]; !still {
			m.Components[id] = discovery.Component{Platform: platform}
		}
	}
}

// Remember keeps what Home Assistant was told, and reports news.
func Remember(m discovery.Message, told map[string]string) (news bool) {
	for id, k := range m.Components {
		if told[id] != k.Platform {
			told[id], news = k.Platform, true
		}
	}
	return news
}

// DeviceID identifies the car in discovery.
func (c *Car) DeviceID() string { return DeviceID(c.VIN) }

// DeviceID is the same by VIN.
func DeviceID(vin string) string { return "volvobridge_" + strings.ToLower(vin) }

// Message builds the discovery message of a car.
func (c *Car) Message(r Rules, p Place) discovery.Message {
	model := c.Model()
	year := Brief(c.Reading(volvo.Details, "modelYear").Value)
	m := discovery.Message{
		Device: discovery.Device{
			Identifiers: []string{c.DeviceID()}, Name: c.Device, Manufacturer: "Volvo",
			Model: cmp.Or(model, "Volvo"), SerialNumber: c.VIN, ViaDevice: p.BridgeID(), ConfigurationURL: p.Page,
		},
		Origin:           p.origin(),
		Availability:     []discovery.Availability{{Topic: p.Topic("bridge", "availability")}, {Topic: p.Topic(c.Level, "availability")}},
		AvailabilityMode: "all",
		Components:       map[string]discovery.Component{},
	}
	if year != "" {
		m.Device.ModelID = year // its page shows it in brackets behind the model
	}
	for i := range entities {
		if e := &entities[i]; c.Has(r, e) {
			m.Components[e.id] = c.component(r, p, e)
		}
	}
	return m
}

// component makes one entity of its row.
func (c *Car) component(r Rules, p Place, e *Entity) discovery.Component {
	k := discovery.Component{
		Platform: e.platform, UniqueID: strings.ToLower(c.VIN) + "_" + e.id, Name: Translated(c.EntityName(e), p.Language), QoS: 1,
		DefaultEntityID: c.EntityID(e),
		DeviceClass:     e.class, StateClass: e.stateClass, Unit: e.unit, DisplayPrecision: e.precision,
		EntityCategory: e.category, Icon: e.icon, Options: e.options,
	}
	if hasValue(e) {
		k.StateTopic, k.ValueTemplate = p.Topic(c.Level, "state"), discovery.Value(e.id)
	}
	if e.attributes != nil {
		k.JSONAttributesTopic = p.Topic(c.Level, e.id, "attributes")
	}
	switch e.platform {
	case button, "lock", "switch", "number":
		k.CommandTopic, k.CommandTemplate = p.Topic(c.Level, e.id, "set"), discovery.StampedCommand
	}
	switch e.platform {
	case "lock":
		if r.PIN {
			k.CodeFormat, k.CommandTemplate = `^(\d{4,8})?$`, discovery.StampedCommandWithPIN
		}
	case "switch":
		k.Optimistic = new(true) // Volvo does not tell: show it as assumed
	case "number":
		k.Min, k.Max, k.Step, k.Mode = new(1.0), new(15.0), new(1.0), "box"
	case "device_tracker":
		k.JSONAttributesTopic, k.SourceType = p.Topic(c.Level, "location"), "gps"
	case "image":
		kind := strings.TrimSuffix(e.id, "_image")
		k.ImageTopic, k.ContentType = p.Topic(c.Level, "image", kind), c.Images[kind].Type
	case "event":
		k.StateTopic, k.EventTypes = p.Topic(c.Level, "event"), EventTypes
	}
	return k
}

// EntityName is the name of an entity: a car with one range needs no adjective for it.
func (c *Car) EntityName(e *Entity) string {
	switch e.id {
	case "distance_to_empty_battery", "distance_to_empty_tank":
		both := c.Proven["distance_to_empty_battery"] && c.Proven["distance_to_empty_tank"]
		if !both && c.Drivetrain() != hybrid {
			return "Range"
		}
	}
	return e.name
}
