package command

import (
	"encoding/json"
	"fmt"
	"time"

	"volvobridge/bridge/entity"
	"volvobridge/volvo"
)

// Command is a message on a /set topic on its way to becoming a POST, and after.
type Command struct {
	Entity  string
	Request Request
	Command volvo.Command // of the POST, empty: it makes none
	Runtime int           // minutes for which the engine runs
	Status  entity.Status
	Seq     int64 // in the journal
	Times

	car      *Car   // nil: it is for the bridge itself
	identity string // what a repetition of the message is recognised by
	arrived  time.Time
	late     bool // it may have lain in a buffer, nobody knows how long
	// reopened: it is of an earlier process; nothing is under way.
	reopened  bool
	readBack  *readBack // set when its state is read back
	displaced *Command  // whose read-back this one took the place of
}

// Times are when a command was sent to Volvo, answered, and confirmed by the car.
type Times struct {
	Sent      time.Time `json:"sentAt,omitzero"`
	Answered  time.Time `json:"answeredAt,omitzero"`
	Confirmed time.Time `json:"confirmedAt,omitzero"`
}

// Record is what the journal keeps of a command.
type Record struct {
	VIN     string        `json:"vin"`
	Entity  string        `json:"entity"`
	Command volvo.Command `json:"command"`
	Status  entity.Status `json:"status"`
	// Identity is what a repetition of the message is recognised by.
	Identity string `json:"identity,omitzero"`
	Times
}

// Record returns what the journal must keep of the command now.
func (c *Command) Record() json.RawMessage {
	return json.RawMessage(entity.Encode(Record{c.car.VIN, c.Entity, c.Command, c.Status, c.identity, c.Times}))
}

// VIN names the car that the command is for.
func (c *Command) VIN() string { return c.car.VIN }

// TooLate tells whether a command became too old to be sent while the journal of a
// slow disk was written.
func (c *Command) TooLate(maxAge time.Duration, now time.Time) bool {
	return c.Command != volvo.Lock && elapsed(c.arrived, now) > maxAge
}

// begin makes a command of a message; without an id of the sender's it has one of
// its own, of the time it came.
func begin(car *Car, entityID string, m Message, now time.Time) *Command {
	return &Command{car: car, Entity: entityID, arrived: m.Arrived, late: m.Late,
		Status: entity.Status{ID: fmt.Sprintf("vb-%d", now.UnixNano()), RequestedAt: now.UTC()}}
}

func (c *Command) name(command string) { c.Status.Command = &command }

// refuse sets why no POST is made.
func (c *Command) refuse(no Refusal) {
	c.Status.Reason, c.Status.Advice = &no.Reason, &no.Advice
}

// elapsed is the time between two moments by whichever clock saw more of it: the
// monotonic one stands still while a machine sleeps, the wall's may be set.
func elapsed(from, to time.Time) time.Duration {
	return max(to.Sub(from), to.Round(0).Sub(from.Round(0)))
}
