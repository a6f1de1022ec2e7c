package bridge

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"volvobridge/bridge/account"
	"volvobridge/bridge/mqtt"
)

// Forgotten is a car that was removed from the broker and the store.
type Forgotten struct {
	// Car is its level in topics.
	Car string `json:"car"`
	// Back: it is in the configuration or the account, and comes back.
	Back bool `json:"back"`
}

// Forget removes a car, named by its topic, name or VIN, while the bridge runs.
func (b *Bridge) Forget(ctx context.Context, name string) (Forgotten, error) {
	var forgotten Forgotten
	var err error
	if loop := b.workers.within(ctx, func(time.Time) { forgotten, err = b.forget(name) }); loop != nil {
		return forgotten, loop
	}
	return forgotten, err
}

func (b *Bridge) forget(name string) (Forgotten, error) {
	k, err := b.files.findKnown(b.fleet.cars, name)
	if err != nil {
		return Forgotten{}, err
	}
	if !b.link.Mirror.Connected() {
		return Forgotten{}, errors.New("there is no connection to the broker, so its topics can't be removed; try again when there is one")
	}
	f := Forgotten{Car: k.slug}
	if c := b.fleet.car(k.vin); c != nil {
		if c.commands.UnderWay() {
			return f, errors.New("a command of this car is under way; try again when it has ended")
		}
		f.Back = true
		b.fleet.remove(c)
		b.gallery.Forget(&c.Car)
		c.account.Plan.Remove(c.VIN)
		b.files.rememberCars(c.account, b.fleet.of(c.account))
	}
	topics := b.link.TopicsOf(k.slug)
	for _, topic := range topics {
		b.link.Mirror.Forget(topic)
	}
	b.link.Mirror.Send(b.link.Device(k.vin), nil)
	b.link.Mirror.ClearLater(topics, time.Now().Add(clearAfter))
	b.files.removeFiles(k.vin)
	b.log.Info().Msg("a car was forgotten")
	return f, nil
}

// clearAfter is how long Home Assistant is given to let go of topics: an entity
// that still listens takes an empty message for a broken value.
const clearAfter = 5 * time.Second

const (
	forgetPatience = 20 * time.Second
	wholeVIN       = 17
)

// ForgetAlone is Forget without a running bridge.
func ForgetAlone(ctx context.Context, opts Options, name string) (Forgotten, error) {
	b := New(opts)
	k, err := b.files.findKnown(b.fleet.cars, name)
	if err != nil {
		return Forgotten{}, err
	}
	conn := mqtt.Open(opts.MQTT.options())
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
	conn.Publish(mqtt.Message{Topic: b.link.Device(k.vin), Retain: true})
	conn.Flush(ctx)
	time.Sleep(clearAfter)
	for _, topic := range b.link.TopicsOf(k.slug) {
		conn.Publish(mqtt.Message{Topic: topic, Retain: true})
	}
	conn.Flush(ctx)
	b.files.removeFiles(k.vin)
	f := Forgotten{Car: k.slug}
	for _, a := range opts.Accounts {
		f.Back = f.Back || slices.ContainsFunc(a.Vehicles, func(v account.Vehicle) bool { return strings.EqualFold(v.VIN, k.vin) })
	}
	return f, nil
}

// RemoveAll removes everything that a bridge of these options left on the broker, its cars
// and itself. The bridge must have ended.
func RemoveAll(ctx context.Context, opts Options) error {
	var vins []string
	for _, a := range opts.Accounts {
		for _, v := range a.Vehicles {
			vins = append(vins, v.VIN)
		}
	}
	return New(opts).link.RemoveAll(ctx, opts.MQTT.options(), vins)
}

// clearRenamed removes the topics that a car had under an earlier name.
func (b *Bridge) clearRenamed(now time.Time) {
	for _, slug := range b.fleet.renamed {
		if b.fleet.bySlug[slug] == nil { // else another car has that name now
			b.link.Mirror.ClearLater(b.link.TopicsOf(slug), now.Add(clearAfter))
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
			b.agenda.announceAt(c, now.Add(settle))
			b.log.Info().Str("car", c.label).Msg("the device was deleted in home assistant: announcing it again")
		}
	}
	if topic == b.link.OwnDevice() && b.self.ownAgain.IsZero() {
		b.self.ownAgain = now.Add(settle)
	}
}
