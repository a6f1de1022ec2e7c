package command

import (
	"time"

	"volvobridge/volvo"
)

// readBack is how a command is proven: by a resource that must show a word.
type readBack struct {
	resource volvo.Resource
	entity   string // that shows it
	want     any
	from     time.Time // of the answer
	next     int       // index of the next read
	ready    time.Time // a read that began earlier proves nothing
	seen     bool      // the car's state was read at least once
}

// readBackAfter are the times of the reads after the answer.
var readBackAfter = []time.Duration{2 * time.Second, 5 * time.Second, 10 * time.Second, 20 * time.Second, 30 * time.Second}

// readBackPatience is how long the last of the reads may take.
const readBackPatience = 15 * time.Second

func readBackOf(command volvo.Command) *readBack {
	switch command {
	case volvo.Lock, volvo.LockReducedGuard:
		return &readBack{resource: volvo.Doors, entity: "lock", want: "LOCKED"}
	case volvo.Unlock:
		return &readBack{resource: volvo.Doors, entity: "lock", want: "UNLOCKED"}
	case volvo.EngineStart:
		return &readBack{resource: volvo.EngineState, entity: "engine_status", want: "ON"}
	case volvo.EngineStop:
		return &readBack{resource: volvo.EngineState, entity: "engine_status", want: "OFF"}
	}
	return nil
}

// readBack begins to look for what the command should have changed.
func (m *Machine) readBack(c *Command, now time.Time) {
	if c.readBack = readBackOf(c.Command); c.readBack == nil {
		return
	}
	c.readBack.from = now
	c.car.readBacks[c.readBack.resource] = c
	m.planRead(c)
}

// planRead plans the next read of a read-back.
func (m *Machine) planRead(c *Command) {
	back := c.readBack
	back.ready = back.from.Add(readBackAfter[back.next])
	m.emit(Read{c.car.VIN, back.resource, back.ready})
}

// ReadDone looks at the end of a read that may prove a command; a read that failed
// shows nothing.
func (m *Machine) ReadDone(car *Car, resource volvo.Resource, good bool, began, now time.Time) []Effect {
	c := car.readBacks[resource]
	if c == nil {
		return nil
	}
	back := c.readBack
	if began.Before(back.ready) { // it may show the state of before
		m.emit(Read{car.VIN, resource, back.ready})
		return m.take()
	}
	back.seen = back.seen || good
	if good && car.Value(back.entity) == back.want {
		m.confirm(c, true, now)
	} else if back.next++; back.next < len(readBackAfter) {
		m.planRead(c)
	} else {
		m.unconfirmed(c, now)
	}
	return m.take()
}

// Tick ends read-backs whose reads can't be made, as in a rate limit.
func (m *Machine) Tick(car *Car, now time.Time) []Effect {
	for _, c := range car.readBacks {
		if now.Sub(c.readBack.from) >= readBackAfter[len(readBackAfter)-1]+readBackPatience {
			m.unconfirmed(c, now)
		}
	}
	return m.take()
}

// unconfirmed ends a read-back that did not show the state. If the car could not
// be read at all, nobody knows.
func (m *Machine) unconfirmed(c *Command, now time.Time) {
	if c.readBack.seen {
		m.confirm(c, false, now)
		return
	}
	delete(c.car.readBacks, c.readBack.resource)
	m.emit(Changed{c.car.VIN})
}

func (m *Machine) confirm(c *Command, yes bool, now time.Time) {
	delete(c.car.readBacks, c.readBack.resource)
	c.Status.Confirmed, c.Confirmed = &yes, now.UTC()
	event := "command_confirmed"
	if !yes {
		event = "command_unconfirmed"
	}
	m.publish(c, event, now)
	m.emit(Journal{c})
}

// mayHaveActed: the car was asked.
func (c *Command) mayHaveActed() bool {
	return c.Status.Status != Failed && c.Status.Status != Refused
}

// unproven: the car may have done it, and the time to see it is not over.
func (c *Command) unproven(now time.Time) bool {
	return c.Status.Confirmed == nil && c.mayHaveActed() && now.Sub(c.Answered) < readBackAfter[len(readBackAfter)-1]+readBackPatience
}
