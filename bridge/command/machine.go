package command

import (
	"cmp"
	"time"

	"volvobridge/bridge/entity"
	"volvobridge/volvo"
)

// Options is what the configuration says of commands.
type Options struct {
	Rules      entity.Rules
	MaxAge     time.Duration
	AllowPlain bool
	PIN        string
}

// Machine decides what becomes of commands. All cars share the count of wrong PINs.
type Machine struct {
	opts    Options
	pin     pinGuard
	own     duplicates // of the bridge's own commands
	effects []Effect
}

// New returns a machine that knows of no command yet.
func New(opts Options) *Machine { return &Machine{opts: opts} }

// Car is what is known of the commands of a car.
type Car struct {
	*entity.Car
	duplicates duplicates
	underWay   *Command                    // the POST that is not answered yet
	waiting    []*Command                  // for the end of that
	readBacks  map[volvo.Resource]*Command // whose state is being read back, by what shows it
}

// NewCar returns a car without commands.
func NewCar(c *entity.Car) *Car {
	return &Car{Car: c, readBacks: map[volvo.Resource]*Command{}}
}

// UnderWay tells whether a POST is not answered yet.
func (c *Car) UnderWay() bool { return c.underWay != nil }

// Moving is the lock's word while a command is under way, else empty.
func (c *Car) Moving() string {
	for _, o := range []*Command{c.underWay, c.readBacks[volvo.Doors]} {
		if o == nil || o.reopened {
			continue
		}
		switch o.Command {
		case volvo.Lock, volvo.LockReducedGuard:
			return "LOCKING"
		case volvo.Unlock:
			return "UNLOCKING"
		}
	}
	return ""
}

// Message is what came on a /set topic.
type Message struct {
	Payload  []byte
	Arrived  time.Time
	Retained bool
	Late     bool // it may have lain in a buffer, nobody knows how long
}

// Situation is what a decision depends on beside the message and the car.
type Situation struct {
	Now      time.Time
	Limit    *Refusal // what forbids a POST, such as a spent quota; nil: nothing does
	Conflict bool     // another bridge owns the base topic
	Stopping bool
}

func (m *Machine) emit(e Effect) { m.effects = append(m.effects, e) }

// take returns what was decided since the last take.
func (m *Machine) take() []Effect {
	effects := m.effects
	m.effects = nil
	return effects
}

// Take takes a message to an entity of a car. Every message gets an answer.
func (m *Machine) Take(car *Car, entityID string, message Message, s Situation) []Effect {
	c := begin(car, entityID, message, s.Now)
	switch {
	case message.Retained:
		m.refuse(c, Stored, s.Now)
	case !entity.ByID(entityID).TakesCommands():
		m.refuse(c, Refusal{Invalid, "This entity takes no commands."}, s.Now)
	case s.Stopping:
		m.refuse(c, stopped, s.Now)
	default:
		if no := m.examine(c, message.Payload, s.Now); no != nil {
			m.refuse(c, *no, s.Now)
		} else if c.Command == "" {
			m.emit(Local{c})
		} else {
			m.enqueue(c, s)
		}
	}
	return m.take()
}

// Refuse answers a message without looking at more than its id.
func (m *Machine) Refuse(car *Car, entityID string, message Message, no Refusal, now time.Time) []Effect {
	c := begin(car, entityID, message, now)
	if r, _ := ParseRequest(message.Payload); r.ID != "" {
		c.Status.ID = r.ID
	}
	m.refuse(c, no, now)
	return m.take()
}

// Settle ends a command that makes no POST: it succeeded, or was refused.
func (m *Machine) Settle(c *Command, no *Refusal, advice string, now time.Time) []Effect {
	if no != nil {
		m.refuse(c, *no, now)
		return m.take()
	}
	if advice != "" {
		c.Status.Advice = &advice
	}
	m.change(c, Succeeded, now)
	return m.take()
}

// Begun takes that the record of a command is in the journal, or could not be written; the
// POST leaves now.
func (m *Machine) Begun(c *Command, now time.Time) []Effect {
	m.change(c, Sending, now)
	return m.take()
}

// Next starts the first of the commands that wait, if none is under way.
func (m *Machine) Next(car *Car, s Situation) []Effect {
	for car.underWay == nil && len(car.waiting) > 0 {
		next := car.waiting[0]
		car.waiting = car.waiting[1:]
		if s.Stopping {
			m.refuse(next, stopped, s.Now)
		} else {
			m.execute(next, s)
		}
	}
	return m.take()
}

// Stop refuses all that wait.
func (m *Machine) Stop(car *Car, now time.Time) []Effect {
	waiting := car.waiting
	car.waiting = nil
	for _, c := range waiting {
		m.refuse(c, stopped, now)
	}
	return m.take()
}

// Restore takes up what an earlier process left of a command: nobody can say what
// became of one that was left open, and a read-back may not be done. Nothing is
// repeated; the car is asked. The records come oldest first.
func (m *Machine) Restore(car *Car, r Record, seq int64, open bool, now time.Time) []Effect {
	if window, sent := windowFor(m.opts.MaxAge), cmp.Or(r.Sent, r.Status.RequestedAt); now.Sub(sent) < window { // nor is a message run twice across a restart
		car.duplicates.keep(r.Entity, cmp.Or(r.Identity, r.Status.ID), window, sent, now)
	}
	c := &Command{car: car, Entity: r.Entity, Command: r.Command, Status: r.Status, identity: r.Identity, Times: r.Times, Seq: seq}
	if back := readBackOf(c.Command); back != nil && c.mayHaveActed() { // what came later counts
		delete(car.readBacks, back.resource)
	}
	if open {
		c.Status.Command = new(cmp.Or(Text(r.Status.Command), string(r.Command)))
		c.Status.Advice = new(adviceInterrupted)
		m.change(c, Unknown, now)
		m.emit(Journal{c})
	}
	if open || c.unproven(now) {
		c.reopened = true
		m.readBack(c, now)
	}
	return m.take()
}

// change moves a command on.
func (m *Machine) change(c *Command, status string, now time.Time) {
	c.Status.Status = status
	m.publish(c, "command_"+status, now)
}

func (m *Machine) publish(c *Command, event string, now time.Time) {
	c.Status.UpdatedAt = now.UTC()
	m.emit(Publish{c, c.Status, event})
}

func (m *Machine) refuse(c *Command, no Refusal, now time.Time) {
	c.refuse(no)
	m.change(c, Refused, now)
}
