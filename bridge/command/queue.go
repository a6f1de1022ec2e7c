package command

import (
	"fmt"
	"slices"

	"volvobridge/volvo"
)

const mostWaiting = 4 // commands of a car behind the one under way

// enqueue starts a command, or has it wait behind the one under way, in order. A
// newer command for the same entity takes the place of the older. LOCK goes in front
// of all and ends a waiting UNLOCK: whoever wants to lock must find a place.
func (m *Machine) enqueue(c *Command, s Situation) {
	q := c.car
	if q.underWay == nil {
		m.execute(c, s)
		return
	}
	same := slices.IndexFunc(q.waiting, func(w *Command) bool { return w.Entity == c.Entity })
	switch {
	case c.Command == volvo.Lock:
		var out *Command
		if same >= 0 {
			out = q.waiting[same]
			q.waiting = slices.Delete(q.waiting, same, same+1)
		} else if len(q.waiting) == mostWaiting {
			out = q.waiting[mostWaiting-1]
			q.waiting = q.waiting[:mostWaiting-1]
		}
		q.waiting = slices.Insert(q.waiting, 0, c)
		if out != nil {
			m.refuse(out, lockInstead, s.Now)
		}
	case same >= 0:
		out := q.waiting[same]
		q.waiting[same] = c
		m.refuse(out, newerCommand, s.Now)
	case len(q.waiting) < mostWaiting:
		q.waiting = append(q.waiting, c)
	default:
		m.refuse(c, Refusal{Busy, fmt.Sprintf("Another command is under way and %d are waiting; try again when they are done.", mostWaiting)}, s.Now)
	}
}

// execute begins the POST, unless the limits or the age forbid it by now.
func (m *Machine) execute(c *Command, s Situation) {
	if no := m.lateRefusal(c, s); no != nil {
		m.refuse(c, *no, s.Now)
		return
	}
	if c.identity != "" {
		c.car.duplicates.keep(c.Entity, c.identity, windowFor(m.opts.MaxAge), s.Now, s.Now)
	}
	c.car.underWay = c
	if back := readBackOf(c.Command); back != nil { // an earlier one would find what this one does
		c.displaced = c.car.readBacks[back.resource]
		delete(c.car.readBacks, back.resource)
	}
	c.Sent, c.Status.Status, c.Status.UpdatedAt = s.Now.UTC(), Sending, s.Now.UTC()
	m.emit(Post{c})
	m.emit(Changed{c.car.VIN})
}

// lateRefusal goes through the refusals that time brings: they are looked for when
// the POST would leave.
func (m *Machine) lateRefusal(c *Command, s Situation) *Refusal {
	if s.Conflict {
		return &takenOver
	}
	// A LOCK that waited is still wanted.
	if c.Command != volvo.Lock {
		if no := m.tooOld(c, s.Now); no != nil {
			return no
		}
		if waited := elapsed(c.arrived, s.Now); waited > m.opts.MaxAge {
			return &Refusal{Stale, fmt.Sprintf("It waited %s for another command, more than commands.max_age; send it again if it is still wanted.", InWords(waited))}
		}
	}
	return s.Limit
}
