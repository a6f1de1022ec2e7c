package bridge

import (
	"errors"
	"strings"
	"time"

	"github.com/rs/zerolog"

	"volvobridge/bridge/entity"
	"volvobridge/bridge/link"
	"volvobridge/bridge/mqtt"
	smaller "volvobridge/bridge/picture"
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

// gallery fetches the cars' pictures and publishes them from the store.
type gallery struct {
	fleet   *fleet
	link    *link.Link
	files   *files
	workers *workers
	log     zerolog.Logger
}

// fetch fetches what is new. It costs no call of the API's quota.
func (g *gallery) fetch(c *car, now time.Time) {
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
		client := c.account.Clients[0]
		g.workers.start(func() {
			p := picture{car: c, kind: kind, image: entity.Image{URL: address, At: now}}
			p.data, p.image.Type, p.err = client.Image(g.workers.reading, address)
			deliver(g.workers, g.workers.pictures, p)
		})
	}
}

// keep stores a fetched picture and publishes it, and reports whether there is one.
func (g *gallery) keep(p picture, now time.Time) bool {
	c := p.car
	delete(c.fetching, p.kind)
	if g.fleet.car(c.VIN) != c {
		return false // forgotten meanwhile
	}
	if p.err != nil {
		c.pictureAgain[p.kind] = now.Add(pictureRetry)
		g.log.Debug().Str("car", c.label).Str("picture", p.kind).Err(p.err).Msg("no picture")
		return false
	}
	c.Images[p.kind] = p.image
	g.files.store.Save(imageFile(c, p.kind), p.data, store.Durable)
	g.files.saveCar(c)
	g.send(c, p.kind)
	return true
}

func (g *gallery) sendAll(c *car) {
	for kind := range c.Images {
		g.send(c, kind)
	}
}

var errNoPicture = errors.New("the store lost the picture")

// send publishes a picture from the store; it is too large to keep.
func (g *gallery) send(c *car, kind string) {
	if !g.link.Mirror.Connected() {
		return
	}
	file := imageFile(c, kind)
	g.link.Conn.Publish(mqtt.Message{Topic: g.link.Topic(c.Level, "image", kind), Retain: true, Load: func() ([]byte, error) {
		if data := g.files.store.Load(file); data != nil {
			return data, nil
		}
		return nil, errNoPicture
	}})
}

const firstTarget = 200 << 10 // bytes of a picture that was too large for the broker

// shrink makes a picture that the broker did not take smaller, and publishes
// it again.
func (g *gallery) shrink(topic string, size int) {
	rest, ours := strings.CutPrefix(topic, g.link.Place.Base+"/")
	slug, kind, _ := strings.Cut(rest, "/image/")
	c := g.fleet.bySlug[slug]
	if !ours || c == nil || c.Images[kind].Type == "" || c.fetching[kind] {
		return
	}
	c.fetching[kind] = true
	p := picture{car: c, kind: kind, image: c.Images[kind]}
	data := g.files.store.Load(imageFile(c, kind))
	g.workers.start(func() {
		p.data, p.err = smaller.Smaller(data, min(firstTarget, size/2))
		p.image.Type = "image/jpeg"
		deliver(g.workers, g.workers.pictures, p)
	})
}
