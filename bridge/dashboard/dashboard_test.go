package dashboard

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"volvobridge/bridge/entity"
)

func aView(ids ...string) View {
	v := View{Name: "My EX30", Slug: "my_ex30", Entities: map[string]string{}, Names: map[string]string{}}
	for _, id := range ids {
		v.Entities[id], v.Names[id] = "sensor.my_ex30_"+id, id
	}
	return v
}

// entities lists the entity ids that a card, or what is below it, shows.
func entities(card any) (all []string) {
	switch card := card.(type) {
	case map[string]any:
		if id, ok := card["entity"].(string); ok {
			all = append(all, id)
		}
		for _, below := range card {
			all = append(all, entities(below)...)
		}
	case []any:
		for _, below := range card {
			all = append(all, entities(below)...)
		}
	}
	return all
}

// TestOnlyWhatIsThere: no card shows an entity that the car does not have, and no
// section is empty.
func TestOnlyWhatIsThere(t *testing.T) {
	v := aView("lock", "battery_charge_level", "odometer")
	board := Build([]View{v}, "en")
	shown := entities(board["views"])
	for _, id := range shown {
		if strings.Contains(id, "my_ex30") && !slices.Contains([]string{v.Entities["lock"], v.Entities["battery_charge_level"], v.Entities["odometer"]}, id) {
			t.Errorf("%s is shown", id)
		}
	}
	for _, id := range v.Entities {
		if !slices.Contains(shown, id) {
			t.Errorf("%s is not shown", id)
		}
	}
	view := board["views"].([]any)[0].(fields)
	if view["path"] != "my-ex30" || view["title"] != "My EX30" {
		t.Errorf("%v %v", view["path"], view["title"])
	}
	for _, section := range view["sections"].([]any) {
		if cards := section.(fields)["cards"].([]any); len(cards) < 2 {
			t.Errorf("a section without cards: %v", cards)
		}
	}
}

// TestOneBridge: the bridge's own section is on the first car's view alone.
func TestOneBridge(t *testing.T) {
	first, second := aView("lock"), aView("lock")
	second.Slug, second.Name = "xc40", "XC40"
	for i, view := range Build([]View{first, second}, "en")["views"].([]any) {
		if has := strings.Contains(fmt.Sprint(view), "mdi:bridge"); has != (i == 0) {
			t.Errorf("view %d: the bridge is there: %v", i, has)
		}
	}
}

// TestHeadings: every language has its own, and none is missing.
func TestHeadings(t *testing.T) {
	for title, translated := range headings {
		for i, language := range entity.Languages()[1:] {
			if translated[i] == "" {
				t.Errorf("%s has no heading %q", language, title)
			}
			if got := (builder{language: language}).heading(title, "")["heading"]; got != translated[i] {
				t.Errorf("%s: %v, want %s", language, got, translated[i])
			}
		}
	}
}

// TestFindView: a car is found by its level in topics and by its name, in any letter
// case; a wrong name is answered with those that there are.
func TestFindView(t *testing.T) {
	views := []View{aView("lock"), {Name: "XC40", Slug: "xc40"}}
	for name, want := range map[string]string{"my_ex30": "my_ex30", "My EX30": "my_ex30", "MY ex30": "my_ex30", "xc40": "xc40", "XC40": "xc40"} {
		if found, err := FindView(views, name); err != nil || len(found) != 1 || found[0].Slug != want {
			t.Errorf("%s: %v %v", name, found, err)
		}
	}
	if found, err := FindView(views, ""); err != nil || len(found) != 2 {
		t.Errorf("without a name: %v %v", found, err)
	}
	if _, err := FindView(views, "v60"); err == nil || !strings.Contains(err.Error(), "my_ex30, xc40") {
		t.Errorf("%v", err)
	}
}

// TestSentences: every wish can be said in every language, of a car by its name and
// without one.
func TestSentences(t *testing.T) {
	for what, byLanguage := range sentences {
		for _, language := range entity.Languages() {
			if len(byLanguage[language]) == 0 {
				t.Errorf("%s can't be said in %s", what, language)
			}
		}
	}
	for what, said := range Sentences("Blixten") {
		for _, s := range said {
			if !strings.Contains(s, "Blixten") || strings.Contains(s, "NAME") {
				t.Errorf("%s: %s", what, s)
			}
		}
	}
	for what, said := range Sentences("") {
		if strings.Contains(fmt.Sprint(said), "NAME") {
			t.Errorf("%s: %v", what, said)
		}
	}
}
