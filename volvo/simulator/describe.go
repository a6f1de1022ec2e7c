package simulator

import (
	"fmt"
	"strings"
)

// Model returns the name of the car's model.
func (c *Car) Model() string { return c.name }

// Describe tells in words what the car does, and how it is.
func (c *Car) Describe() (what, details string) {
	var words []string
	switch {
	case c.Driving:
		words = append(words, "drives")
	case c.Asleep:
		words = append(words, "sleeps")
	default:
		words = append(words, "parked")
	}
	if !c.Driving {
		words = append(words, map[bool]string{true: "locked", false: "unlocked"}[c.Locked])
	}
	for _, w := range []struct {
		is   bool
		text string
	}{
		{c.Doors != [4]bool{} || c.Tailgate, "a door open"}, {c.Windows != [4]bool{}, "a window open"}, {c.Charging, "charging"},
		{c.Plugged && !c.Charging, "plugged in"}, {c.Engine && !c.Driving, "engine running"}, {c.Climate, "climate on"},
		{c.Tyre, "a tyre is low"}, {c.Washer, "washer fluid low"}, {c.Lamp, "a lamp failed"},
	} {
		if w.is {
			words = append(words, w.text)
		}
	}
	var parts []string
	if c.capacity > 0 {
		parts = append(parts, fmt.Sprintf("battery %.0f %%", 100*c.Battery/c.capacity))
	}
	if c.tank > 0 {
		parts = append(parts, fmt.Sprintf("fuel %.0f l", c.Fuel))
	}
	return strings.Join(words, ", "), strings.Join(append(parts, fmt.Sprintf("odometer %.0f km", c.Odometer)), ", ")
}
