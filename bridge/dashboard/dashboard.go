package dashboard

import (
	"fmt"
	"slices"
	"strings"

	"volvobridge/bridge/entity"
	"volvobridge/discovery"
)

// View is what Home Assistant has of a car.
type View struct {
	// Name is the device's, Slug the level in topics.
	Name string `json:"name"`
	Slug string `json:"slug"`
	// Entities are the entity ids in Home Assistant by our own ids, Names their
	// English names on this car.
	Entities map[string]string `json:"entities"`
	Names    map[string]string `json:"names"`
}

// fields is a mapping of the dashboard's YAML.
type fields = map[string]any

// builder builds one for a language.
type builder struct {
	language string
	names    map[string]string // of the car's entities
}

// Build returns a Home Assistant dashboard of built-in cards, a view a car,
// with just the entities that the cars have.
func Build(cars []View, language string) map[string]any {
	d := builder{language: language}
	var views []any
	for _, c := range cars {
		d.names = c.Names
		sections := []any{d.overview(c), d.energy(c), d.body(c), d.tyres(c), d.warnings(c), d.place(c), d.history(c), d.commands(c), d.service(c)}
		if c.Slug == cars[0].Slug {
			sections = append(sections, d.bridge())
		}
		sections = slices.DeleteFunc(sections, func(s any) bool { return s == nil })
		views = append(views, fields{"title": c.Name, "path": strings.ReplaceAll(discovery.Slug(c.Name), "_", "-"), "icon": "mdi:car",
			"type": "sections", "max_columns": 4, "sections": sections})
	}
	return fields{"title": "Volvo", "views": views}
}

// headings are the titles of the sections in German, Swedish, Dutch, Norwegian.
var headings = map[string][4]string{
	"Car":               {"Auto", "Bil", "Auto", "Bil"},
	"Battery":           {"Batterie", "Batteri", "Batterij", "Batteri"},
	"Fuel":              {"Kraftstoff", "Bränsle", "Brandstof", "Drivstoff"},
	"Battery and fuel":  {"Batterie und Kraftstoff", "Batteri och bränsle", "Batterij en brandstof", "Batteri og drivstoff"},
	"Doors and windows": {"Türen und Fenster", "Dörrar och fönster", "Portieren en ramen", "Dører og vinduer"},
	"Tyres":             {"Reifen", "Däck", "Banden", "Dekk"},
	"Warnings":          {"Warnungen", "Varningar", "Waarschuwingen", "Varsler"},
	"Location":          {"Standort", "Plats", "Locatie", "Posisjon"},
	"History":           {"Verlauf", "Historik", "Geschiedenis", "Historikk"},
	"Commands":          {"Befehle", "Kommandon", "Opdrachten", "Kommandoer"},
	"Service and trips": {"Wartung und Fahrten", "Service och resor", "Onderhoud en ritten", "Service og turer"},
	"Bridge":            {"Brücke", "Brygga", "Brug", "Bro"},
}

func (d builder) heading(title, icon string) fields {
	if i := slices.Index(entity.Languages(), d.language); i > 0 {
		title = headings[title][i-1]
	}
	return fields{"type": "heading", "heading": title, "icon": icon}
}

// section is a heading with the cards that there are; nil without any.
func (d builder) section(title, icon string, cards ...any) any {
	cards = slices.DeleteFunc(cards, func(c any) bool { return c == nil })
	if len(cards) == 0 {
		return nil
	}
	return fields{"type": "grid", "cards": append([]any{d.heading(title, icon)}, cards...)}
}

func (d builder) name(id string) string {
	if name, ok := d.names[id]; ok {
		return entity.Translated(name, d.language)
	}
	for _, e := range entity.BridgeEntities() {
		if e.ID == id {
			return entity.Translated(e.Name, d.language)
		}
	}
	return id
}

// tile is a card of one entity; nil if the car has none.
func (d builder) tile(c View, id string, more fields) any {
	entity, ok := c.Entities[id]
	if !ok {
		return nil
	}
	card := fields{"type": "tile", "entity": entity, "name": d.name(id)}
	for k, v := range more {
		card[k] = v
	}
	return card
}

func (d builder) tiles(c View, ids ...string) []any {
	var cards []any
	for _, id := range ids {
		cards = append(cards, d.tile(c, id, nil))
	}
	return cards
}

// list is a card of several entities, of those that the car has.
func (d builder) list(entities map[string]string, ids ...string) any {
	var rows []any
	for _, id := range ids {
		if entity, ok := entities[id]; ok {
			rows = append(rows, fields{"entity": entity, "name": d.name(id)})
		}
	}
	if len(rows) == 0 {
		return nil
	}
	return fields{"type": "entities", "entities": rows, "grid_options": fields{"columns": "full"}}
}

// with lists the ids with one of the prefixes that a car has.
func (c View) with(prefixes ...string) []string {
	var ids []string
	for _, e := range entity.All() {
		if _, ok := c.Entities[e.ID()]; ok && slices.ContainsFunc(prefixes, func(p string) bool { return strings.HasPrefix(e.ID(), p) }) {
			ids = append(ids, e.ID())
		}
	}
	return ids
}

func (d builder) overview(c View) any {
	var picture any
	if image, ok := c.Entities["exterior_image"]; ok {
		picture = fields{"type": "picture-entity", "entity": image, "show_name": false, "show_state": false, "aspect_ratio": "16x9",
			"grid_options": fields{"columns": "full"}}
	}
	full := fields{"grid_options": fields{"columns": "full"}}
	lock := d.tile(c, "lock", fields{"features": []any{fields{"type": "lock-commands"}}, "grid_options": fields{"columns": "full"}})
	climate := d.tile(c, "climatization", fields{"features": []any{fields{"type": "toggle"}}, "grid_options": fields{"columns": "full"}})
	cards := []any{picture, lock, climate, d.tile(c, "any_warning", full)}
	return d.section("Car", "mdi:car", append(cards, d.tiles(c, "availability", "last_update")...)...)
}

func (d builder) energy(c View) any {
	battery, fuel := c.Entities["battery_charge_level"], c.Entities["fuel_amount"]
	title, icon := "Battery and fuel", "mdi:gauge"
	switch {
	case fuel == "":
		title, icon = "Battery", "mdi:battery"
	case battery == "":
		title, icon = "Fuel", "mdi:fuel"
	}
	var cards []any
	if battery != "" {
		cards = append(cards, fields{"type": "gauge", "entity": battery, "name": d.name("battery_charge_level"), "min": 0, "max": 100,
			"severity": fields{"green": 40, "yellow": 20, "red": 0}, "grid_options": fields{"columns": 6}})
	}
	if fuel != "" {
		const tank = 75 // litres: Volvo does not tell the size, the largest has 71
		cards = append(cards, fields{"type": "gauge", "entity": fuel, "name": d.name("fuel_amount"), "min": 0, "max": tank, "needle": true,
			"grid_options": fields{"columns": 6}})
	}
	cards = append(cards, d.tiles(c, "distance_to_empty_battery", "distance_to_empty_tank", "electric_range", "charging_status",
		"charger_connection_status", "charging_power", "charging_type", "target_battery_charge_level", "estimated_charging_finish")...)
	return d.section(title, icon, cards...)
}

func (d builder) body(c View) any {
	ids := append([]string{"lock"}, c.with("door_", "hood", "tailgate", "tank_lid", "window_", "sunroof")...)
	return d.section("Doors and windows", "mdi:car-door", d.list(c.Entities, ids...))
}

func (d builder) tyres(c View) any {
	return d.section("Tyres", "mdi:tire", d.tiles(c, c.with("tire_")...)...)
}

// warnings shows only those that are on.
func (d builder) warnings(c View) any {
	var rows []any
	for _, id := range entity.Warnings() {
		if entity, ok := c.Entities[id]; ok {
			rows = append(rows, fields{"entity": entity, "name": d.name(id)})
		}
	}
	if len(rows) == 0 {
		return nil
	}
	filter := fields{"type": "entity-filter", "entities": rows, "conditions": []any{fields{"condition": "state", "state": "on"}},
		"show_empty": false, "card": fields{"type": "entities"}, "grid_options": fields{"columns": "full"}}
	return d.section("Warnings", "mdi:alert", d.tile(c, "any_warning", nil), d.tile(c, "service_warning", nil), filter)
}

func (d builder) place(c View) any {
	tracker, ok := c.Entities["location"]
	if !ok {
		return nil
	}
	return d.section("Location", "mdi:map-marker", fields{"type": "map", "entities": []any{fields{"entity": tracker}}, "default_zoom": 14, "hours_to_show": 24,
		"grid_options": fields{"columns": "full", "rows": 6}})
}

func (d builder) history(c View) any {
	var graphs []any
	for _, id := range []string{"battery_charge_level", "fuel_amount", "charging_power", "odometer"} {
		if entity, ok := c.Entities[id]; ok {
			graphs = append(graphs, fields{"type": "history-graph", "entities": []any{fields{"entity": entity, "name": d.name(id)}}, "hours_to_show": 48,
				"grid_options": fields{"columns": "full"}})
		}
	}
	return d.section("History", "mdi:chart-line", graphs...)
}

func (d builder) commands(c View) any {
	cards := d.tiles(c, "last_command", "last_command_status")
	if last, ok := c.Entities["last_command"]; ok {
		text := "{% set c = '" + last + "' %}{{ [state_attr(c, 'status'), state_attr(c, 'message'), state_attr(c, 'advice')] | select | join(' ') }}"
		cards = append(cards, fields{"type": "markdown", "content": text, "show_empty": false, "grid_options": fields{"columns": "full"}})
	}
	press := fields{"tap_action": fields{"action": "toggle"}, "hide_state": true}
	for _, id := range []string{"flash", "honk", "honk_flash", "lock_reduced_guard", "climatization_start", "climatization_stop", "engine_start", "engine_stop", "engine_runtime", "refresh"} {
		if id == "engine_runtime" {
			cards = append(cards, d.tile(c, id, nil))
			continue
		}
		cards = append(cards, d.tile(c, id, press))
	}
	return d.section("Commands", "mdi:gesture-tap-button", cards...)
}

func (d builder) service(c View) any {
	return d.section("Service and trips", "mdi:wrench-clock", d.list(c.Entities, append([]string{"odometer", "service_warning", "distance_to_service", "time_to_service",
		"engine_time_to_service"}, c.with("trip_meter", "average_")...)...))
}

func (d builder) bridge() any {
	ids := map[string]string{}
	for _, e := range entity.BridgeEntities() {
		ids[e.ID] = e.EntityID
	}
	return d.section("Bridge", "mdi:bridge", d.list(ids, "connection", "cloud_status", "login_required", "login_start", "login_url", "login", "grant_expires",
		"calls_today", "calls_left", "quota_resets", "commands_today", "store_problem", "unknown_fields"))
}

// FindView picks the cars that a name means; empty: all.
func FindView(views []View, name string) ([]View, error) {
	if name == "" {
		return views, nil
	}
	var slugs []string
	for _, v := range views {
		if v.Slug == name || strings.EqualFold(v.Slug, name) || v.Slug == discovery.Slug(name) || strings.EqualFold(v.Name, name) {
			return []View{v}, nil
		}
		slugs = append(slugs, v.Slug)
	}
	return nil, fmt.Errorf("there is no car %q; known are %s", name, strings.Join(slugs, ", "))
}

// ViewOf makes the view of a car.
func ViewOf(c *entity.Car, r entity.Rules) View {
	v := View{Name: c.Device, Slug: c.Level, Entities: map[string]string{}, Names: map[string]string{}}
	for _, e := range entity.All() {
		if c.Has(r, e) {
			v.Entities[e.ID()], v.Names[e.ID()] = c.EntityID(e), c.EntityName(e)
		}
	}
	return v
}
