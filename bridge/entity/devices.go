package entity

import (
	"cmp"
	"strings"

	"volvobridge/discovery"
)

// ownName is the configured name, else "Volvo" and the model.
func (c *Car) ownName() string {
	if c.Name != "" {
		return c.Name
	}
	return strings.TrimSpace("Volvo " + c.Model())
}

// DisplayName is how people call the car: the name of its device, as far as it has one.
func (c *Car) DisplayName() string { return cmp.Or(c.Device, c.ownName()) }

// shortestEnd is how many characters of a VIN tell cars of the same name apart.
const shortestEnd = 4

// apart returns a name that differs, as Home Assistant spells it, from those taken:
// the same with the end of the VIN. One that can't be spelt at all is Volvo's.
func (c *Car) apart(name string, taken func(slug string) bool) string {
	if discovery.Slug(name) == "" {
		name = strings.TrimSpace("Volvo " + c.Model() + " " + c.VIN[max(0, len(c.VIN)-shortestEnd):])
	}
	unique := name
	for n := shortestEnd; taken(discovery.Slug(unique)) && n <= len(c.VIN); n++ {
		unique = name + " " + c.VIN[len(c.VIN)-n:]
	}
	return unique
}

// DeviceNames are those that devices and bases of entity ids have, as Home Assistant spells
// them, with the VIN of the car: whoever comes first keeps a name.
type DeviceNames struct{ devices, bases map[string]string }

func NewDeviceNames() DeviceNames { return DeviceNames{map[string]string{}, map[string]string{}} }

// Give gives a car the name of its device and, as long as it was never announced, the
// base of its entity ids.
func (n DeviceNames) Give(c *Car) {
	n.Release(c)
	want := c.ownName()
	if c.Base == want || strings.HasPrefix(c.Base, want+" ") { // as it was told apart before
		want = c.Base
	}
	c.Device = c.apart(want, func(slug string) bool { return n.devices[slug] != "" })
	n.devices[discovery.Slug(c.Device)] = c.VIN
	if c.EntityBase = c.Base; c.EntityBase == "" {
		c.EntityBase = c.apart(c.Device, func(slug string) bool { return n.bases[slug] != "" })
	}
	n.bases[discovery.Slug(c.EntityBase)] = c.VIN
}

// Release gives up the names of a car.
func (n DeviceNames) Release(c *Car) {
	if slug := discovery.Slug(c.Device); n.devices[slug] == c.VIN {
		delete(n.devices, slug)
	}
	if slug := discovery.Slug(c.EntityBase); n.bases[slug] == c.VIN {
		delete(n.bases, slug)
	}
}

// Reserve keeps for a car what it was announced with before, and the name that it was
// given: another that is called so by default comes later.
func (n DeviceNames) Reserve(c *Car) {
	keep := func(in map[string]string, name string) bool {
		slug := discovery.Slug(name)
		if slug == "" || in[slug] != "" {
			return false
		}
		in[slug] = c.VIN
		return true
	}
	if keep(n.bases, cmp.Or(c.Base, c.Name)) {
		c.EntityBase = cmp.Or(c.Base, c.Name)
	}
	if keep(n.devices, c.Name) {
		c.Device = c.Name
	}
}

// EntityID is the entity's in Home Assistant, as far as we are asked: it goes by the
// first name that the car was announced with, since Home Assistant keeps that.
func (c *Car) EntityID(e *Entity) string {
	return discovery.EntityID(e.platform, c.EntityBase, cmp.Or(e.suffix, e.id))
}
