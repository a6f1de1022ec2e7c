package entity

import (
	"fmt"
	"slices"

	"volvobridge/volvo"
)

// Unknown lists what an answer holds that the table does not know: fields, words
// and units.
func (c *Car) Unknown(r volvo.Resource) []string {
	a := c.Snapshot[r]
	if a == nil {
		return nil
	}
	var odd []string
	for field := range a.Readings {
		switch {
		case r == volvo.Commands && !volvo.KnownCommandWord(field):
			odd = append(odd, fmt.Sprintf("commands: word %q", Brief(field)))
		case !knownField(r, field):
			odd = append(odd, fmt.Sprintf("%s: field %q", r, Brief(field)))
		}
	}
	if fuelType := a.Readings["fuelType"]; r == volvo.Details && fuelType.HasValue() && fuelTypes[fuelType.Word()] == unknownDrivetrain {
		odd = append(odd, fmt.Sprintf("vehicle: fuelType word %q", Brief(fuelType.Value)))
	}
	for _, e := range rowsFrom[r] {
		_, why := c.convert(e)
		odd = append(odd, why...)
	}
	slices.Sort(odd)
	return odd
}

// knownField: in the table, or on the ignore list with a reason.
func knownField(r volvo.Resource, field string) bool {
	return ignored[r]["*"] != "" || ignored[r][field] != "" || sources[fieldOf{r, field}]
}

type fieldOf struct {
	resource volvo.Resource
	field    string
}

// sources are all fields that the table uses.
var sources = func() map[fieldOf]bool {
	all := map[fieldOf]bool{}
	for i := range entities {
		for _, s := range entities[i].from {
			all[fieldOf{s.resource, s.field}] = true
		}
	}
	return all
}()

// rowsFrom are the rows that a resource is a source of.
var rowsFrom = func() map[volvo.Resource][]*Entity {
	rows := map[volvo.Resource][]*Entity{}
	for i := range entities {
		e := &entities[i]
		for _, s := range e.from {
			if !slices.Contains(rows[s.resource], e) {
				rows[s.resource] = append(rows[s.resource], e)
			}
		}
	}
	return rows
}()
