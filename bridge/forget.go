package bridge

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"volvobridge/bridge/entity"
	"volvobridge/bridge/mqtt"
	"volvobridge/discovery"
	"volvobridge/volvo"
)

// Forgotten is a car that was removed from the broker and the store.
type Forgotten struct {
	// Car is its level in topics.
	Car string `json:"car"`
	// Back: it is in the configuration or the account, and comes back.
	Back bool `json:"back"`
}

// known is a car by what the store has of it.
type known struct{ vin, slug string }

// topicsOf lists every topic that is retained of a car.
func (b *Bridge) topicsOf(slug string) []string {
	topics := []string{b.topic(slug, "availability"), b.topic(slug, "state"), b.topic(slug, "location"),
		b.topic(slug, "image", exterior), b.topic(slug, "image", interior)}
	for _, e := range entity.All() {
		topics = append(topics, b.topic(slug, e.ID(), "status"))
		if e.HasAttributes() {
			topics = append(topics, b.topic(slug, e.ID(), "attributes"))
		}
	}
	return topics
}

// Forget removes a car, named by its topic, name or VIN, while the bridge runs.
func (b *Bridge) Forget(ctx context.Context, name string) (Forgotten, error) {
	var forgotten Forgotten
	var err error
	if loop := b.within(ctx, func(time.Time) { forgotten, err = b.forget(name) }); loop != nil {
		return forgotten, loop
	}
	return forgotten, err
}

func (b *Bridge) forget(name string) (Forgotten, error) {
	k, err := b.findKnown(name)
	if err != nil {
		return Forgotten{}, err
	}
	if !b.link.mirror.Connected() {
		return Forgotten{}, errors.New("there is no connection to the broker, so its topics can't be removed; try again when there is one")
	}
	f := Forgotten{Car: k.slug}
	if c := b.fleet.car(k.vin); c != nil {
		if c.commands.UnderWay() {
			return f, errors.New("a command of this car is under way; try again when it has ended")
		}
		f.Back = true
		b.dropCar(c)
	}
	topics := b.topicsOf(k.slug)
	for _, topic := range topics {
		b.link.mirror.Forget(topic)
	}
	b.link.mirror.Send(b.deviceTopic(k), nil)
	b.link.mirror.ClearLater(topics, time.Now().Add(clearAfter))
	b.removeFiles(k.vin)
	b.log.Info().Msg("a car was forgotten")
	return f, nil
}

func (b *Bridge) deviceTopic(k known) string {
	return discovery.Topic(b.opts.HomeAssistant.Prefix, "volvobridge_"+strings.ToLower(k.vin))
}

// clearAfter is how long Home Assistant is given to let go of topics: an entity
// that still listens takes an empty message for a broken value.
const clearAfter = 5 * time.Second

func (b *Bridge) dropCar(c *car) {
	b.fleet.remove(c)
	c.account.cars = slices.DeleteFunc(c.account.cars, func(x *car) bool { return x == c })
	c.account.plan.Remove(c.VIN)
	b.rememberCars(c.account)
}

func (b *Bridge) removeFiles(vin string) {
	for _, name := range []string{carFile(vin), imagePrefix + strings.ToLower(vin) + "_" + exterior, imagePrefix + strings.ToLower(vin) + "_" + interior} {
		b.opts.Store.Remove(name)
	}
}

// findKnown finds a car among those that run and those that the store knows.
func (b *Bridge) findKnown(name string) (known, error) {
	var all []known
	for _, c := range b.fleet.cars {
		all = append(all, known{c.VIN, c.Level})
	}
	for _, file := range b.opts.Store.Names(carPrefix) {
		vin := strings.ToUpper(strings.TrimSuffix(strings.TrimPrefix(file, carPrefix), ".json"))
		m, err := entity.LoadMemory(b.opts.Store.Load(file))
		if !volvo.ValidVIN(vin) || err != nil || slices.ContainsFunc(all, func(k known) bool { return k.vin == vin }) {
			continue
		}
		if m.Slug == "" {
			m.Slug = vin
		}
		all = append(all, known{vin, m.Slug})
	}
	var slugs []string
	for _, k := range all {
		if strings.EqualFold(k.vin, name) || k.slug == name || k.slug == discovery.Slug(name) {
			return k, nil
		}
		slugs = append(slugs, k.slug)
	}
	switch {
	case len(name) == wholeVIN && volvo.ValidVIN(name): // only the broker may know it
		return known{strings.ToUpper(name), strings.ToUpper(name)}, nil
	case len(slugs) == 0:
		return known{}, errors.New("no car is known; name it by its VIN")
	}
	return known{}, fmt.Errorf("there is no car %q; known are %s", name, strings.Join(slugs, ", "))
}

const (
	forgetPatience = 20 * time.Second
	wholeVIN       = 17
)

// ForgetAlone is Forget without a running bridge.
func ForgetAlone(ctx context.Context, opts Options, name string) (Forgotten, error) {
	b := New(opts)
	k, err := b.findKnown(name)
	if err != nil {
		return Forgotten{}, err
	}
	conn := mqtt.Open(mqtt.Options{URL: opts.MQTT.URL, ClientID: opts.MQTT.ClientID, Username: opts.MQTT.Username, Password: opts.MQTT.Password, TLS: opts.MQTT.TLS, Dial: opts.MQTT.Dial})
	defer conn.Close()
	ctx, cancel := context.WithTimeout(ctx, forgetPatience)
	defer cancel()
	select {
	case e := <-conn.Events():
		if down, ok := e.(mqtt.Down); ok {
			return Forgotten{}, fmt.Errorf("no connection to the broker, nothing was removed: %w", down.Err)
		}
	case <-ctx.Done():
		return Forgotten{}, errors.New("no connection to the broker, nothing was removed")
	}
	conn.Publish(mqtt.Message{Topic: b.deviceTopic(k), Retain: true})
	conn.Flush(ctx)
	time.Sleep(clearAfter)
	for _, topic := range b.topicsOf(k.slug) {
		conn.Publish(mqtt.Message{Topic: topic, Retain: true})
	}
	conn.Flush(ctx)
	b.removeFiles(k.vin)
	f := Forgotten{Car: k.slug}
	for _, a := range opts.Accounts {
		f.Back = f.Back || slices.ContainsFunc(a.Vehicles, func(v Vehicle) bool { return strings.EqualFold(v.VIN, k.vin) })
	}
	return f, nil
}

// clearRenamed removes the topics that a car had under an earlier name.
func (b *Bridge) clearRenamed(now time.Time) {
	for _, slug := range b.fleet.renamed {
		if b.fleet.bySlug[slug] == nil { // else another car has that name now
			b.link.mirror.ClearLater(b.topicsOf(slug), now.Add(clearAfter))
		}
	}
	b.fleet.renamed = nil
}

// deleted takes an empty message on a device's discovery topic: somebody deleted
// the device in Home Assistant, or one entity of it, which empties the topic once
// for each. What the car has is announced again, once.
func (b *Bridge) deleted(topic string, now time.Time) {
	id := strings.TrimSuffix(strings.TrimPrefix(topic, b.opts.HomeAssistant.Prefix+"/device/"), "/config")
	if c := b.fleet.car(strings.TrimPrefix(id, "volvobridge_")); c != nil {
		if c.announced != "" {
			c.announced = ""
			b.announceAt(c, now.Add(settle))
			b.log.Info().Str("car", c.label).Msg("the device was deleted in home assistant: announcing it again")
		}
	}
	if topic == b.ownDevice() && b.self.ownAgain.IsZero() {
		b.self.ownAgain = now.Add(settle)
	}
}
