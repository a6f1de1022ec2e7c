package bridge

import (
	"errors"
	"strings"
	"time"

	"volvobridge/bridge/entity"
	"volvobridge/bridge/mqtt"
	shrink "volvobridge/bridge/picture"
	"volvobridge/bridge/store"
	"volvobridge/volvo"
)

// The two pictures of a car.
const (
	exterior = "exterior"
	interior = "interior"
)

// pictureFields name the fields that hold a picture's address; Volvo's own pages
// disagree on the second.
var pictureFields = map[string][]string{
	exterior: {"images.exteriorImageUrl"},
	interior: {"images.internalImageUrl", "images.interiorImageUrl"},
}

// picture is the end of a fetch.
type picture struct {
	car   *car
	kind  string
	image entity.Image
	data  []byte
	err   error
}

const pictureRetry = time.Hour

func imageFile(c *car, kind string) string { return imagePrefix + strings.ToLower(c.VIN) + "_" + kind }

// fetchPictures fetches what is new. It costs no call of the API's quota.
func (b *Bridge) fetchPictures(c *car, now time.Time) {
	for kind, fields := range pictureFields {
		address := ""
		for _, f := range fields {
			if r := c.Reading(volvo.Details, f); address == "" && r.HasValue() {
				address = r.Value
			}
		}
		if address == "" || c.Images[kind].URL == address || c.fetching[kind] || now.Before(c.pictureAgain[kind]) {
			continue
		}
		c.fetching[kind] = true
		client := c.account.clients[0]
		b.workers.start(func() {
			p := picture{car: c, kind: kind, image: entity.Image{URL: address, At: now}}
			p.data, p.image.Type, p.err = client.Image(b.workers.reading, address)
			deliver(&b.workers, b.workers.pictures, p)
		})
	}
}

// keepPicture stores a fetched picture, publishes it and announces it.
func (b *Bridge) keepPicture(p picture, now time.Time) {
	c := p.car
	delete(c.fetching, p.kind)
	if b.fleet.car(c.VIN) != c {
		return // forgotten meanwhile
	}
	if p.err != nil {
		c.pictureAgain[p.kind] = now.Add(pictureRetry)
		b.log.Debug().Str("car", c.label).Str("picture", p.kind).Err(p.err).Msg("no picture")
		return
	}
	c.Images[p.kind] = p.image
	b.opts.Store.Save(imageFile(c, p.kind), p.data, store.Durable)
	b.saveCar(c)
	b.sendPicture(c, p.kind)
	c.Prove(b.rules)
	b.announceSoon(c, now)
}

func (b *Bridge) sendPictures(c *car) {
	for kind := range c.Images {
		b.sendPicture(c, kind)
	}
}

var errNoPicture = errors.New("the store lost the picture")

// sendPicture publishes a picture from the store; it is too large to keep.
func (b *Bridge) sendPicture(c *car, kind string) {
	if !b.link.mirror.Connected() {
		return
	}
	file := imageFile(c, kind)
	b.link.conn.Publish(mqtt.Message{Topic: b.topic(c.Level, "image", kind), Retain: true, Load: func() ([]byte, error) {
		if data := b.opts.Store.Load(file); data != nil {
			return data, nil
		}
		return nil, errNoPicture
	}})
}

const firstTarget = 200 << 10 // bytes of a picture that was too large for the broker

// shrinkPicture makes a picture that the broker did not take smaller, and publishes
// it again.
func (b *Bridge) shrinkPicture(topic string, size int) {
	rest, ours := strings.CutPrefix(topic, b.opts.MQTT.Topic+"/")
	slug, kind, _ := strings.Cut(rest, "/image/")
	c := b.fleet.bySlug[slug]
	if !ours || c == nil || c.Images[kind].Type == "" || c.fetching[kind] {
		return
	}
	c.fetching[kind] = true
	p := picture{car: c, kind: kind, image: c.Images[kind]}
	data := b.opts.Store.Load(imageFile(c, kind))
	b.workers.start(func() {
		p.data, p.err = shrink.Smaller(data, min(firstTarget, size/2))
		p.image.Type = "image/jpeg"
		deliver(&b.workers, b.workers.pictures, p)
	})
}
