package entity

import (
	"slices"
	"testing"

	"volvobridge/discovery"
)

// TestEveryNameIsTranslated: all of both tables, none too many, and no two of a
// device the same.
func TestEveryNameIsTranslated(t *testing.T) {
	used := map[string]bool{"Range": true}
	cars, own := []string{}, []string{}
	for i := range entities {
		cars = append(cars, entities[i].name)
		used[entities[i].name] = true
	}
	for _, e := range bridgeEntities {
		own = append(own, e.name)
		used[e.name] = true
	}
	for name, row := range names {
		if !used[name] {
			t.Errorf("%q is no entity's name", name)
		}
		if slices.Contains(row[:], "") {
			t.Errorf("%q lacks a translation", name)
		}
	}
	for name := range used {
		if _, ok := names[name]; !ok {
			t.Errorf("%q is not translated", name)
		}
	}
	for _, device := range [][]string{cars, own} {
		for _, language := range Languages() {
			seen := map[string]string{}
			for _, name := range device {
				slug := discovery.Slug(Translated(name, language))
				if other, twice := seen[slug]; twice {
					t.Errorf("%s: %q and %q have the same name", language, other, name)
				}
				seen[slug] = name
			}
		}
	}
}
