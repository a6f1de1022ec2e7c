package bridge

import (
	"cmp"
	"strings"
	"time"

	"volvobridge/discovery"
	"volvobridge/volvo"
)

const (
	settle       = 2 * time.Second // one announcement for what is learned together
	settleSweep  = 5 * time.Second // at most, for the first look at a car
	birthSpread  = 3 * time.Second // not every bridge at once when Home Assistant starts
	manufacturer = "Volvo"
)

// announceCar tells Home Assistant what the car has, if that changed since it
// was last told.
func (b *Bridge) announceCar(c *car) {
	c.announce = time.Time{}
	if !b.opts.HomeAssistant.Discovery {
		return
	}
	b.names.give(c)
	m := b.carMessage(c)
	entomb(m, c.Told)
	payload, err := m.Payload()
	if err != nil || string(payload) == "" {
		return // strings and numbers always marshal
	}
	sum := digest(payload)
	if c.announced == sum {
		return
	}
	if b.send(b.device(c), payload) {
		b.expectDevice(b.device(c))
		c.announced = sum
		if news := c.Base != c.base; remember(m, c.Told) || news {
			c.Base = c.base
			b.saveCar(c)
		}
	}
}

// expectDevice notes that an announcement must come back.
func (b *Bridge) expectDevice(topic string) {
	if !b.broker.denied[topic] {
		b.broker.expect(topic, time.Now())
	}
}

// entomb adds what Home Assistant was told of and is no more: a component with
// nothing but a platform removes the entity. Left out, it would stay for good.
func entomb(m discovery.Message, told map[string]string) {
	for id, platform := range told {
		if _, still := m.Components[id]; !still {
			m.Components[id] = discovery.Component{Platform: platform}
		}
	}
}

// remember keeps what Home Assistant was told, and reports news.
func remember(m discovery.Message, told map[string]string) (news bool) {
	for id, k := range m.Components {
		if told[id] != k.Platform {
			told[id], news = k.Platform, true
		}
	}
	return news
}

func carID(c *car) string       { return "volvobridge_" + strings.ToLower(c.vin) }
func (b *Bridge) ownID() string { return "volvobridge_" + b.opts.MQTT.ClientID }

func (b *Bridge) origin() discovery.Origin {
	return discovery.Origin{Name: "volvobridge", SWVersion: b.opts.Version}
}

// carMessage builds the discovery message of a car.
func (b *Bridge) carMessage(c *car) discovery.Message {
	model := c.model()
	year := brief(c.reading(volvo.Details, "modelYear").Value)
	m := discovery.Message{
		Device: discovery.Device{
			Identifiers: []string{carID(c)}, Name: c.device, Manufacturer: manufacturer,
			Model: cmp.Or(model, "Volvo"), SerialNumber: c.vin, ViaDevice: b.ownID(),
		},
		Origin:           b.origin(),
		Availability:     []discovery.Availability{{Topic: b.topic("bridge", "availability")}, {Topic: b.topic(c.slug, "availability")}},
		AvailabilityMode: "all",
		Components:       map[string]discovery.Component{},
	}
	if year != "" {
		m.Device.ModelID = year // its page shows it in brackets behind the model
	}
	for i := range entities {
		if e := &entities[i]; b.has(c, e) {
			m.Components[e.id] = b.component(c, e)
		}
	}
	return m
}

// component makes one entity of its row.
func (b *Bridge) component(c *car, e *entity) discovery.Component {
	k := discovery.Component{
		Platform: e.platform, UniqueID: strings.ToLower(c.vin) + "_" + e.id, Name: translated(c.entityName(e), b.opts.HomeAssistant.Language), QoS: 1,
		DefaultEntityID: c.entityID(e),
		DeviceClass:     e.class, StateClass: e.stateClass, Unit: e.unit, DisplayPrecision: e.precision,
		EntityCategory: e.category, Icon: e.icon, Options: e.options,
	}
	if hasValue(e) {
		k.StateTopic, k.ValueTemplate = b.topic(c.slug, "state"), discovery.Value(e.id)
	}
	if e.attributes != nil {
		k.JSONAttributesTopic = b.topic(c.slug, e.id, "attributes")
	}
	switch e.platform {
	case button, "lock", "switch", "number":
		k.CommandTopic, k.CommandTemplate = b.topic(c.slug, e.id, "set"), discovery.StampedCommand
	}
	switch e.platform {
	case "lock":
		if b.opts.Commands.PIN != "" {
			k.CodeFormat, k.CommandTemplate = `^(\d{4,8})?$`, discovery.StampedCommandWithPIN
		}
	case "switch":
		k.Optimistic = new(true) // Volvo does not tell: show it as assumed
	case "number":
		k.Min, k.Max, k.Step, k.Mode = new(1.0), new(15.0), new(1.0), "box"
	case "device_tracker":
		k.JSONAttributesTopic, k.SourceType = b.topic(c.slug, "location"), "gps"
	case "image":
		kind := strings.TrimSuffix(e.id, "_image")
		k.ImageTopic, k.ContentType = b.topic(c.slug, "image", kind), c.Images[kind].Type
	case "event":
		k.StateTopic, k.EventTypes = b.topic(c.slug, "event"), eventTypes
	}
	return k
}

// entityName: a car with one range needs no adjective for it.
func (c *car) entityName(e *entity) string {
	switch e.id {
	case "distance_to_empty_battery", "distance_to_empty_tank":
		both := c.Proven["distance_to_empty_battery"] && c.Proven["distance_to_empty_tank"]
		if !both && c.drivetrain() != hybrid {
			return "Range"
		}
	}
	return e.name
}
