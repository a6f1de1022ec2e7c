package web

import (
	"context"
	"time"

	"volvobridge/bridge/entity"
	"volvobridge/bridge/history"
	"volvobridge/volvo"
)

// Bridge is the running bridge, as far as the page shows and uses it.
type Bridge interface {
	// View returns what there is to show now.
	View(ctx context.Context) (View, error)
	// Changed returns a channel that is closed when something has changed since the call.
	Changed() <-chan struct{}
	// Command does what a message on an entity's /set topic would, and returns its status.
	Command(ctx context.Context, car, entityID string, payload []byte) (entity.Status, error)
	// Picture returns a car's picture and its media type; nil: there is none.
	Picture(ctx context.Context, car, kind string) (data []byte, mediaType string)
	// Ledger returns the last commands and refusals, the oldest first.
	Ledger(ctx context.Context) ([]LedgerEntry, error)
}

// View is all that the pages show, as of a moment.
type View struct {
	Now      time.Time
	Broker   Broker
	Store    string // what is wrong with it; empty: nothing
	Accounts []Account
	Cars     []Car
	Commands map[string]int // by status, since the start
	Refusals map[string]int // by reason, since the start
	Rules    entity.Rules
	// Unknown are fields that Volvo sent and nobody knows.
	Unknown []string
}

// Broker is the connection to it.
type Broker struct {
	Connected bool
	Conflict  bool // another bridge owns the base topic
	None      bool // Home Assistant has none
	Since     time.Time
	// Lines say what is wrong, each with what to do about it.
	Lines []string
}

// Account is a Volvo ID: how its cloud is, and what its keys have spent of the quota day.
type Account struct {
	Label  string
	Status string // a word of the entity cloud_status
	Since  time.Time
	Advice string
	// Login tells whether it logs in; else it has test tokens. Required: it must log in now.
	Login, Required bool
	LoginEnds       time.Time

	Spent    int // calls
	Left     int // before Volvo refuses
	Limit    int // calls for polling
	Forecast int // calls by the time of the refill
	Refill   time.Time
	Price    float64 // of a call: the weighted seconds of wrong values that it must be expected to save
	Days     history.Days
	// Calls counts calls since the start, by resource and outcome.
	Calls map[Call]int
}

// Call is a kind of call and how it ended.
type Call struct{ Resource, Outcome string }

// Car is a car. Its label is never the VIN.
type Car struct {
	Level, Label, Name string
	Online             bool
	Since              time.Time // it became so, or the bridge started
	LastGood           time.Time
	Phase, Reason      string
	Reads              []Read
	Rows               []entity.Row
	Position           map[string]any
	Last               *entity.Status // command
	Pictures           []string       // kinds that there are
	History            history.Values
	Warnings           []string // ids of entities
	// Answers are the last good ones.
	Answers map[string]entity.Answer
}

// Row finds an entity; nil: the car does not have it.
func (c *Car) Row(id string) *entity.Row {
	for i := range c.Rows {
		if c.Rows[i].ID == id {
			return &c.Rows[i]
		}
	}
	return nil
}

// Read is a resource of a car.
type Read struct {
	Resource, Reason string
	Interval         time.Duration // from the last read to the next
	Last, Next       time.Time     // zero: not yet; being read
	// Fault is how the last try failed; empty: it did not.
	Fault   string
	FaultAt time.Time
}

// LedgerEntry is a command that was sent to a car, for people: the car is named
// by its level in topics, or by the end of its VIN.
type LedgerEntry struct {
	Car         string        `json:"car"`
	Entity      string        `json:"entity"`
	Command     volvo.Command `json:"command"`
	Open        bool          `json:"open"`
	ConfirmedAt *time.Time    `json:"confirmedAt"`
	SentAt      *time.Time    `json:"sentAt"`
	AnsweredAt  *time.Time    `json:"answeredAt"`
	entity.Status
}
