package bridge

import (
	"cmp"
	"encoding/json"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"

	"volvobridge/bridge/schedule"
	"volvobridge/discovery"
	"volvobridge/volvo"
)

// car is a vehicle and all that is known of it. Only the loop touches it.
type car struct {
	vin     string
	slug    string // in topics
	name    string // as configured, may be empty
	device  string // the name of the device, as [deviceNames] gave it
	base    string // of the entity ids, likewise
	label   string // in logs: never the VIN
	account *account
	memory

	tried     map[volvo.Resource]bool // read at least once in this life, well or not
	online    string                  // what availability says
	alive     time.Time               // when last known to be reachable, or not to blame
	looked    time.Time               // at its availability
	denied    map[volvo.Resource]bool // Volvo said no to it
	denials   map[volvo.Resource]*denial
	missing   time.Time // since when the account does not list it
	gone      bool      // missing twice, an hour apart
	dirty     bool      // the document may have changed
	document  string    // the last one published, without "fetched"
	resources int       // how many that one was made of
	sent      time.Time // when
	announced string    // what Home Assistant was told last
	announce  time.Time // when to tell it again, zero: nothing new
	dedupe    dedupe
	commands  commandQueue
	fetching  map[string]bool // pictures under way
	saved     string          // what the store has of it

	pictureAgain map[string]time.Time // after a failure: when to try again
}

// memory is the part of a car that survives a restart.
type memory struct {
	Snapshot      map[volvo.Resource]*answer `json:"snapshot"`
	Proven        map[string]bool            `json:"proven"`
	Offered       map[volvo.Command]bool     `json:"offered"`
	EngineRuntime int                        `json:"engineRuntime"`
	ClimateUntil  time.Time                  `json:"climateUntil,omitzero"`
	LastCommand   *Status                    `json:"lastCommand,omitzero"`
	Statuses      map[string]Status          `json:"statuses,omitzero"` // of each entity, the last
	Images        map[string]imageInfo       `json:"images,omitzero"`
	LastGood      time.Time                  `json:"lastGood,omitzero"`
	Finish        finish                     `json:"finish,omitzero"`
	// Slug was the car's level in topics, Told its entities' platforms by id, as Home
	// Assistant was told.
	Slug string            `json:"slug,omitzero"`
	Told map[string]string `json:"told,omitzero"`
	// Base is the name that the car was first announced with.
	Base string `json:"base,omitzero"`
	// Doubts are fields that say what cannot be.
	Doubts map[string]doubt `json:"doubts,omitzero"`
}

// answer is the last good answer of a resource.
type answer struct {
	Readings volvo.Readings `json:"readings"`
	Fetched  time.Time      `json:"fetched"`
}

// finish is the estimated end of charging, kept still between real changes.
type finish struct {
	At      time.Time `json:"at"`
	Minutes string    `json:"minutes"` // the reading it was made of
	Told    time.Time `json:"told"`
}

const defaultRuntime = 15 // minutes, what Home Assistant's own integration sends

func newMemory() memory {
	return memory{
		Snapshot: map[volvo.Resource]*answer{}, Proven: map[string]bool{}, Offered: map[volvo.Command]bool{},
		EngineRuntime: defaultRuntime, Statuses: map[string]Status{}, Images: map[string]imageInfo{}, Told: map[string]string{},
	}
}

// loadMemory reads what was saved; what is missing has its default.
func loadMemory(data []byte) (memory, error) {
	m := newMemory()
	if err := json.Unmarshal(data, &m); err != nil {
		return newMemory(), err
	}
	fresh := newMemory()
	if m.Snapshot == nil {
		m.Snapshot = fresh.Snapshot
	}
	maps.DeleteFunc(m.Snapshot, func(_ volvo.Resource, a *answer) bool { return a == nil })
	if m.Proven == nil {
		m.Proven = fresh.Proven
	}
	if m.Offered == nil {
		m.Offered = fresh.Offered
	}
	if m.Statuses == nil {
		m.Statuses = fresh.Statuses
	}
	if m.Images == nil {
		m.Images = fresh.Images
	}
	if m.Told == nil {
		m.Told = fresh.Told
	}
	if m.EngineRuntime < 1 || m.EngineRuntime > 15 {
		m.EngineRuntime = defaultRuntime
	}
	return m, nil
}

func (c *car) key(r volvo.Resource) schedule.Key { return schedule.Key{Car: c.vin, Resource: r} }

// reading returns a field; the zero reading when there is none.
func (c *car) reading(r volvo.Resource, field string) volvo.Reading {
	if a := c.Snapshot[r]; a != nil {
		return a.Readings[field]
	}
	return volvo.Reading{}
}

type drivetrain int

const (
	unknownDrivetrain drivetrain = iota
	electric
	combustion
	hybrid
)

// fuelTypes are Volvo's words. The EX30 says NONE.
var fuelTypes = map[string]drivetrain{
	"PETROL": combustion, "DIESEL": combustion, "ELECTRIC": electric, "NONE": electric,
	"PETROL/ELECTRIC": hybrid, "DIESEL/ELECTRIC": hybrid,
}

// drivetrain goes by the fuel type, and by what is in the tank of a car that
// does not tell it.
func (c *car) drivetrain() drivetrain {
	word := c.reading(volvo.Details, "fuelType").Word()
	if d := fuelTypes[word]; d != unknownDrivetrain {
		return d
	}
	if strings.Contains(word, "/ELECTRIC") || strings.Contains(word, "HYBRID") { // a word to come
		return hybrid
	}
	if !c.tried[volvo.Details] {
		return unknownDrivetrain
	}
	fuel := c.reading(volvo.Fuel, "fuelAmount").HasValue()
	battery := c.reading(volvo.Fuel, "batteryChargeLevel").HasValue() || c.reading(volvo.EnergyState, "batteryChargeLevel").HasValue()
	switch {
	case fuel && battery:
		return hybrid
	case fuel:
		return combustion
	case battery:
		return electric
	}
	return unknownDrivetrain
}

// ownName is the configured name, else "Volvo" and the model.
func (c *car) ownName() string {
	if c.name != "" {
		return c.name
	}
	return strings.TrimSpace("Volvo " + c.model())
}

// shortestEnd is how many characters of a VIN tell cars of the same name apart.
const shortestEnd = 4

// apart returns a name that differs, as Home Assistant spells it, from those taken:
// the same with the end of the VIN. One that can't be spelt at all is Volvo's.
func (c *car) apart(name string, taken func(slug string) bool) string {
	if discovery.Slug(name) == "" {
		name = strings.TrimSpace("Volvo " + c.model() + " " + c.vin[max(0, len(c.vin)-shortestEnd):])
	}
	unique := name
	for n := shortestEnd; taken(discovery.Slug(unique)) && n <= len(c.vin); n++ {
		unique = name + " " + c.vin[len(c.vin)-n:]
	}
	return unique
}

// deviceNames are those that devices and bases of entity ids have, as Home Assistant spells
// them, with the VIN of the car: whoever comes first keeps a name.
type deviceNames struct{ devices, bases map[string]string }

func newNames() deviceNames { return deviceNames{map[string]string{}, map[string]string{}} }

// give gives a car the name of its device and, as long as it was never announced, the
// base of its entity ids.
func (n deviceNames) give(c *car) {
	n.release(c)
	want := c.ownName()
	if c.Base == want || strings.HasPrefix(c.Base, want+" ") { // as it was told apart before
		want = c.Base
	}
	c.device = c.apart(want, func(slug string) bool { return n.devices[slug] != "" })
	n.devices[discovery.Slug(c.device)] = c.vin
	if c.base = c.Base; c.base == "" {
		c.base = c.apart(c.device, func(slug string) bool { return n.bases[slug] != "" })
	}
	n.bases[discovery.Slug(c.base)] = c.vin
}

// release gives up the names of a car.
func (n deviceNames) release(c *car) {
	if slug := discovery.Slug(c.device); n.devices[slug] == c.vin {
		delete(n.devices, slug)
	}
	if slug := discovery.Slug(c.base); n.bases[slug] == c.vin {
		delete(n.bases, slug)
	}
}

// reserve keeps for a car what it was announced with before, and the name that it was
// given: another that is called so by default comes later.
func (n deviceNames) reserve(c *car) {
	keep := func(in map[string]string, name string) bool {
		slug := discovery.Slug(name)
		if slug == "" || in[slug] != "" {
			return false
		}
		in[slug] = c.vin
		return true
	}
	if keep(n.bases, cmp.Or(c.Base, c.name)) {
		c.base = cmp.Or(c.Base, c.name)
	}
	if keep(n.devices, c.name) {
		c.device = c.name
	}
}

// entityID is the entity's in Home Assistant, as far as we are asked: it goes by the
// first name that the car was announced with, since Home Assistant keeps that.
func (c *car) entityID(e *entity) string {
	return discovery.EntityID(e.platform, c.base, cmp.Or(e.suffix, e.id))
}

func (c *car) model() string { return brief(c.reading(volvo.Details, "descriptions.model").Value) }

// newest is the newest time that Volvo put on any reading.
func (c *car) newest() time.Time {
	var newest time.Time
	for _, a := range c.Snapshot {
		if t := a.Readings.Newest(); t.After(newest) {
			newest = t
		}
	}
	return newest
}

func (c *car) charging() bool {
	return c.reading(volvo.EnergyState, "chargingStatus").Word() == "CHARGING"
}

// settleFinish moves the end of charging only when Volvo said something new, and
// by more than two minutes: a graph of it should be a line, not a saw.
func (c *car) settleFinish(now time.Time) {
	r := c.reading(volvo.EnergyState, "estimatedChargingTimeToTargetBatteryChargeLevel")
	value, _ := number(minutes)(r)
	left, ok := value.(float64)
	if !ok || !c.charging() || left < 0 || left > 7*24*60 {
		c.Finish = finish{}
		return
	}
	if c.Finish.Minutes == r.Value && c.Finish.Told.Equal(r.Time) {
		return
	}
	c.Finish.Minutes, c.Finish.Told = r.Value, r.Time
	end := now.Add(time.Duration(left * float64(time.Minute))).Truncate(time.Minute)
	if c.Finish.At.IsZero() || end.Sub(c.Finish.At).Abs() > 2*time.Minute {
		c.Finish.At = end
	}
}

func chargingFinish(c *car, _ time.Time) any { return stamp(c.Finish.At) }
func lastUpdate(c *car, _ time.Time) any     { return stamp(c.newest()) }

// stamp is an instant as the document writes it; nil for none.
func stamp(t time.Time) any {
	if t.IsZero() {
		return nil
	}
	return t.UTC().Format(time.RFC3339)
}

func lastCommand(c *car, _ time.Time) any {
	if c.LastCommand == nil || c.LastCommand.Command == nil {
		return nil
	}
	return *c.LastCommand.Command
}

func lastInvokeStatus(c *car, _ time.Time) any {
	if c.LastCommand == nil || c.LastCommand.InvokeStatus == nil {
		return nil
	}
	return *c.LastCommand.InvokeStatus
}

func lastCommandAttributes(c *car) map[string]any {
	if c.LastCommand == nil {
		return map[string]any{}
	}
	s := c.LastCommand
	return map[string]any{
		"id": s.ID, "status": s.Status, "reason": s.Reason, "message": s.Message, "advice": s.Advice,
		"confirmed": s.Confirmed, "requestedAt": s.RequestedAt, "updatedAt": s.UpdatedAt,
	}
}

func engineRuntime(c *car, _ time.Time) any { return c.EngineRuntime }

func climatization(c *car, now time.Time) any {
	if now.Before(c.ClimateUntil) {
		return "ON"
	}
	return "OFF"
}

// warnings are the ids of the warning entities that are on. known tells whether
// the car said anything about any.
func (c *car) warnings() (on []string, known bool) {
	on = []string{}
	if value, _ := c.convert(&serviceWarning); value != nil {
		known = true
		if value != "no_warning" {
			on = append(on, serviceWarning.id)
		}
	}
	for i := range warningSensors {
		value, _ := c.convert(&warningSensors[i])
		known = known || value != nil
		if value == "ON" {
			on = append(on, warningSensors[i].id)
		}
	}
	slices.Sort(on)
	return on, known
}

func anyWarning(c *car, _ time.Time) any {
	switch on, known := c.warnings(); {
	case len(on) > 0:
		return "ON"
	case known:
		return "OFF"
	}
	return nil
}

func hasWarnings(_ *Bridge, c *car) bool {
	_, known := c.warnings()
	return known
}

func warningAttributes(c *car) map[string]any {
	on, _ := c.warnings()
	return map[string]any{"warnings": on}
}

func modelAttributes(c *car) map[string]any {
	attributes := map[string]any{}
	for key, field := range map[string]string{
		"gearbox": "gearbox", "fuel_type": "fuelType", "external_colour": "externalColour",
		"upholstery": "descriptions.upholstery", "steering": "descriptions.steering",
	} {
		if r := c.reading(volvo.Details, field); r.HasValue() {
			attributes[key] = brief(r.Value)
		} else {
			attributes[key] = nil
		}
	}
	attributes["model_year"] = nil
	if year, err := strconv.Atoi(c.reading(volvo.Details, "modelYear").Value); err == nil {
		attributes["model_year"] = year
	}
	return attributes
}

// proves, offers, always and the like are the proofs of derived entities.

func always(*Bridge, *car) bool { return true }

func proves(id string) func(*Bridge, *car) bool {
	return func(_ *Bridge, c *car) bool { return c.Proven[id] }
}

func offers(command volvo.Command) func(*Bridge, *car) bool {
	return func(_ *Bridge, c *car) bool { return c.Offered[command] }
}

func offersAny(b *Bridge, c *car) bool {
	return slices.ContainsFunc(b.opts.Commands.Allow, func(command volvo.Command) bool { return c.Offered[command] })
}
