package command

import (
	"time"

	"volvobridge/bridge/entity"
	"volvobridge/volvo"
)

// Effect is something that somebody else has to do, in the order in which it came.
type Effect interface{ effect() }

// Publish tells that a command moved on. Its status belongs on its topic, and the event is
// told.
type Publish struct {
	Command *Command
	Status  entity.Status
	Event   string // such as command_accepted
}

// Post makes the command's POST, but writes its record to the journal first, so that
// a crash can't hide it.
type Post struct{ Command *Command }

// Journal writes what became of a command that was sent.
type Journal struct{ Command *Command }

// Read reads a resource of the car at a time, to see what a command did.
type Read struct {
	VIN      string
	Resource volvo.Resource
	At       time.Time
}

// Climate tells that, by what is known, the car heats or cools until a time, or not any more if
// that is zero. Volvo tells nothing of it.
type Climate struct {
	VIN   string
	Until time.Time
}

// Local does what a command asks of the bridge itself, which then is told by Settle.
type Local struct{ Command *Command }

// Changed tells that the car's document may have changed.
type Changed struct{ VIN string }

func (Publish) effect() {}
func (Post) effect()    {}
func (Journal) effect() {}
func (Read) effect()    {}
func (Climate) effect() {}
func (Local) effect()   {}
func (Changed) effect() {}
