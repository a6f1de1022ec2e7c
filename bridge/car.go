package bridge

import (
	"time"

	"volvobridge/bridge/account"
	"volvobridge/bridge/command"
	"volvobridge/bridge/entity"
	"volvobridge/bridge/history"
	"volvobridge/bridge/schedule"
	"volvobridge/volvo"
)

// car is a vehicle and all that is known of it. Only the loop touches it.
type car struct {
	entity.Car
	label   string // in logs: never the VIN
	account *account.Account

	online         string                  // what availability says
	onlineSince    time.Time               // in this process
	reachedAt      time.Time               // when last known to be reachable, or not to blame
	availabilityAt time.Time               // at its availability
	denied         map[volvo.Resource]bool // Volvo said no to it
	denials        map[volvo.Resource]*denial
	unlistedSince  time.Time // since when the account does not list it
	unlisted       bool      // missing twice, an hour apart
	dirty          bool      // the document may have changed
	document       string    // the last one published, without "fetched"
	resources      int       // how many that one was made of
	documentAt     time.Time // when
	polledAt       time.Time // when the plan of its reads was told
	planOpen       bool      // and some of it was not planned yet
	announced      string    // what Home Assistant was told last
	announce       time.Time // when to tell it again, zero: nothing new
	commands       *command.Car
	saved          string // what the store has of it
	faults         map[volvo.Resource]fault
	history        history.Values // of what is drawn
}

// fault is how the last read of a resource failed.
type fault struct {
	at   time.Time
	text string
}

// drawn are the entities whose way is drawn.
var drawn = []string{"battery_charge_level", "fuel_amount", "odometer"}

// remember keeps what is drawn.
func (c *car) remember(now time.Time) {
	for _, id := range drawn {
		if n, known := c.Number(id); known && !c.LastGood.IsZero() && now.Sub(c.LastGood) < patience {
			c.history.Note(id, n, now)
		}
	}
}

func (c *car) key(r volvo.Resource) schedule.Key { return schedule.Key{Car: c.VIN, Resource: r} }

// settled tells whether enough is known of a car to announce it: what was known
// before a restart, or every resource tried once.
func (c *car) settled() bool {
	return c.announced != "" || len(c.Proven) > 0 && c.Model() != "" && c.Restored() || len(c.Tried) >= len(c.account.Resources)
}
