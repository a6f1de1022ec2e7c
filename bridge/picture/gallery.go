package picture

import (
	"context"
	"errors"
	"strings"
	"time"

	"volvobridge/bridge/entity"
	"volvobridge/bridge/link"
	"volvobridge/bridge/mqtt"
	"volvobridge/volvo"
)

// The two pictures of a car.
const (
	exterior = "exterior"
	interior = "interior"
)

// fields name the fields that hold a picture's address; Volvo's own pages disagree on
// the second.
var fields = map[string][]string{
	exterior: {"images.exteriorImageUrl"},
	interior: {"images.internalImageUrl", "images.interiorImageUrl"},
}

const (
	retry       = time.Hour // after a failure
	firstTarget = 200 << 10 // bytes of a picture that was too large for the broker
)

var errNoPicture = errors.New("the store lost the picture")

// Gallery fetches the cars' pictures and publishes them from the store: they are too
// large to keep in memory. One goroutine uses it.
type Gallery struct {
	// Link is where pictures are published.
	Link *link.Link
	// Load and Save are the store's.
	Load func(name string) []byte
	Save func(name string, data []byte)
	// Start runs a function beside the loop, Deliver hands its end over for Keep.
	Start   func(func())
	Deliver func(Fetched)

	busy  map[*entity.Car]map[string]bool      // pictures under way
	again map[*entity.Car]map[string]time.Time // after a failure: when to try again
}

// Fetched is the end of a fetch.
type Fetched struct {
	Car  *entity.Car
	Kind string
	Err  error

	image entity.Image
	data  []byte
}

// Files are the names in the store of a car's pictures.
func Files(vin string) []string { return []string{File(vin, exterior), File(vin, interior)} }

// File is the name in the store of a picture.
func File(vin, kind string) string { return "image_" + strings.ToLower(vin) + "_" + kind }

// begin marks a picture as under way, and reports whether it was not.
func (g *Gallery) begin(c *entity.Car, kind string) bool {
	if g.busy == nil {
		g.busy, g.again = map[*entity.Car]map[string]bool{}, map[*entity.Car]map[string]time.Time{}
	}
	if g.busy[c] == nil {
		g.busy[c], g.again[c] = map[string]bool{}, map[string]time.Time{}
	}
	if g.busy[c][kind] {
		return false
	}
	g.busy[c][kind] = true
	return true
}

// Fetch fetches what is new. It costs no call of the API's quota.
func (g *Gallery) Fetch(ctx context.Context, c *entity.Car, client *volvo.Client, now time.Time) {
	for kind, names := range fields {
		address := ""
		for _, name := range names {
			if r := c.Reading(volvo.Details, name); address == "" && r.HasValue() {
				address = r.Value
			}
		}
		if address == "" || c.Images[kind].URL == address || now.Before(g.again[c][kind]) || !g.begin(c, kind) {
			continue
		}
		g.Start(func() {
			p := Fetched{Car: c, Kind: kind, image: entity.Image{URL: address, At: now}}
			p.data, p.image.Type, p.Err = client.Image(ctx, address)
			g.Deliver(p)
		})
	}
}

// Keep stores a picture that was fetched and publishes it; a failure is tried again
// later.
func (g *Gallery) Keep(p Fetched, now time.Time) {
	delete(g.busy[p.Car], p.Kind)
	if p.Err != nil {
		g.again[p.Car][p.Kind] = now.Add(retry)
		return
	}
	p.Car.Images[p.Kind] = p.image
	g.Save(File(p.Car.VIN, p.Kind), p.data)
	g.send(p.Car, p.Kind)
}

// Forget lets go of a car.
func (g *Gallery) Forget(c *entity.Car) {
	delete(g.busy, c)
	delete(g.again, c)
}

// SendAll publishes a car's pictures.
func (g *Gallery) SendAll(c *entity.Car) {
	for kind := range c.Images {
		g.send(c, kind)
	}
}

func (g *Gallery) send(c *entity.Car, kind string) {
	if !g.Link.Mirror.Connected() {
		return
	}
	name := File(c.VIN, kind)
	g.Link.Conn.Publish(mqtt.Message{Topic: g.Link.Topic(c.Level, "image", kind), Retain: true, Load: func() ([]byte, error) {
		if data := g.Load(name); data != nil {
			return data, nil
		}
		return nil, errNoPicture
	}})
}

// Shrink makes a picture that the broker did not take smaller, and publishes it again.
func (g *Gallery) Shrink(c *entity.Car, kind string, size int) {
	if c.Images[kind].Type == "" || !g.begin(c, kind) {
		return
	}
	p := Fetched{Car: c, Kind: kind, image: c.Images[kind]}
	data := g.Load(File(c.VIN, kind))
	g.Start(func() {
		p.data, p.Err = Smaller(data, min(firstTarget, size/2))
		p.image.Type = "image/jpeg"
		g.Deliver(p)
	})
}
