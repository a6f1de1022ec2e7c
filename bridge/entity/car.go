package entity

import (
	"encoding/json"
	"maps"
	"slices"
	"strings"
	"time"

	"volvobridge/volvo"
)

// Car is what is known of a vehicle, and what follows from it: which entities it has and
// what they are worth. It is not safe for concurrent use.
type Car struct {
	VIN  string
	Name string // as configured, may be empty
	// Level is the car's in topics.
	Level string
	// Device and EntityBase are the names that [DeviceNames] gave it: of the device, and
	// of the entity ids.
	Device, EntityBase string
	Memory

	// Tried are the resources that were read at least once in this process, well or not.
	Tried map[volvo.Resource]bool
	// Moving is the lock's word while a command is under way; empty: none is.
	Moving string
	// Interval is how often a resource is read; nil: nobody knows.
	Interval func(volvo.Resource) time.Duration
	// Polling is how the car is read by now.
	Polling Polling
}

// Polling is how a car is read, as the schedule tells it: the phase that it takes the
// car to be in, and per resource the interval, in seconds, the next read and the reason.
type Polling struct {
	Phase      string // empty: nobody knows
	Attributes map[string]any
}

// Rules are what a configuration allows, as far as it decides which entities there are.
type Rules struct {
	Allow []volvo.Command
	// PIN tells that one is wanted for unlocking and starting.
	PIN bool
}

// Allows tells whether a command may be run.
func (r Rules) Allows(command volvo.Command) bool { return slices.Contains(r.Allow, command) }

// Memory is the part of a car that survives a restart.
type Memory struct {
	Snapshot      map[volvo.Resource]*Answer `json:"snapshot"`
	Proven        map[string]bool            `json:"proven"`
	Offered       map[volvo.Command]bool     `json:"offered"`
	EngineRuntime int                        `json:"engineRuntime"`
	ClimateUntil  time.Time                  `json:"climateUntil,omitzero"`
	LastCommand   *Status                    `json:"lastCommand,omitzero"`
	Statuses      map[string]Status          `json:"statuses,omitzero"` // of each entity, the last
	Images        map[string]Image           `json:"images,omitzero"`
	LastGood      time.Time                  `json:"lastGood,omitzero"`
	Finish        Finish                     `json:"finish,omitzero"`
	// Slug was the car's level in topics, Told its entities' platforms by id, as Home
	// Assistant was told.
	Slug      string            `json:"slug,omitzero"`
	Announced map[string]string `json:"told,omitzero"`
	// Base is the name that the car was first announced with.
	Base string `json:"base,omitzero"`
	// Doubts are fields that say what cannot be.
	Doubts map[string]Doubt `json:"doubts,omitzero"`
}

// Answer is the last good answer of a resource.
type Answer struct {
	Readings volvo.Readings `json:"readings"`
	Fetched  time.Time      `json:"fetched"`
}

// Finish is the estimated end of charging, kept still between real changes.
type Finish struct {
	At      time.Time `json:"at"`
	Minutes string    `json:"minutes"` // the reading it was made of
	Told    time.Time `json:"told"`
}

const DefaultRuntime = 15 // minutes, what Home Assistant's own integration sends

func NewMemory() Memory {
	return Memory{
		Snapshot: map[volvo.Resource]*Answer{}, Proven: map[string]bool{}, Offered: map[volvo.Command]bool{},
		EngineRuntime: DefaultRuntime, Statuses: map[string]Status{}, Images: map[string]Image{}, Announced: map[string]string{},
	}
}

// LoadMemory reads what was saved; what is missing has its default.
func LoadMemory(data []byte) (Memory, error) {
	m := NewMemory()
	if err := json.Unmarshal(data, &m); err != nil {
		return NewMemory(), err
	}
	fresh := NewMemory()
	if m.Snapshot == nil {
		m.Snapshot = fresh.Snapshot
	}
	maps.DeleteFunc(m.Snapshot, func(_ volvo.Resource, a *Answer) bool { return a == nil })
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
	if m.Announced == nil {
		m.Announced = fresh.Announced
	}
	if m.EngineRuntime < 1 || m.EngineRuntime > 15 {
		m.EngineRuntime = DefaultRuntime
	}
	return m, nil
}

// Image is what is known of a fetched picture; its bytes are in the store.
type Image struct {
	URL  string    `json:"url"`
	Type string    `json:"type"`
	At   time.Time `json:"at"`
}

// Status is what is published of a command on its status topic.
type Status struct {
	ID                 string    `json:"id"`
	Command            *string   `json:"command"`
	Status             string    `json:"status"`
	InvokeStatus       *string   `json:"invokeStatus"`
	Message            *string   `json:"message"`
	Reason             *string   `json:"reason"`
	Advice             *string   `json:"advice"`
	Confirmed          *bool     `json:"confirmed"`
	ReadyToUnlock      *bool     `json:"readyToUnlock"`
	ReadyToUnlockUntil *int64    `json:"readyToUnlockUntil"`
	RequestedAt        time.Time `json:"requestedAt"`
	UpdatedAt          time.Time `json:"updatedAt"`
}

// Reading returns a field; the zero reading when there is none.
func (c *Car) Reading(r volvo.Resource, field string) volvo.Reading {
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

// Drivetrain goes by the fuel type, and by what is in the tank of a car that
// does not tell it.
func (c *Car) Drivetrain() drivetrain {
	word := c.Reading(volvo.Details, "fuelType").Word()
	if d := fuelTypes[word]; d != unknownDrivetrain {
		return d
	}
	if strings.Contains(word, "/ELECTRIC") || strings.Contains(word, "HYBRID") { // a word to come
		return hybrid
	}
	if !c.Tried[volvo.Details] {
		return unknownDrivetrain
	}
	fuel := c.Reading(volvo.Fuel, "fuelAmount").HasValue()
	battery := c.Reading(volvo.Fuel, "batteryChargeLevel").HasValue() || c.Reading(volvo.EnergyState, "batteryChargeLevel").HasValue()
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

func (c *Car) Model() string { return Brief(c.Reading(volvo.Details, "descriptions.model").Value) }

// Newest is the newest time that Volvo put on any reading.
func (c *Car) Newest() time.Time {
	var newest time.Time
	for _, a := range c.Snapshot {
		if t := a.Readings.Newest(); t.After(newest) {
			newest = t
		}
	}
	return newest
}

func (c *Car) Charging() bool {
	return c.Reading(volvo.EnergyState, "chargingStatus").Word() == "CHARGING"
}

// EventTypes are what a car's event entity can tell.
var EventTypes = []string{
	"command_accepted", "command_confirmed", "command_failed", "command_refused",
	"command_sending", "command_succeeded", "command_unconfirmed", "command_unknown",
}

// Restored tells whether anything was read of the car, in this process or before.
func (c *Car) Restored() bool { return len(c.Snapshot) > 0 }
