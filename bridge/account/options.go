package account

import (
	"time"

	"volvobridge/bridge/login"
	"volvobridge/bridge/schedule"
	"volvobridge/volvo"
)

// Options are one Volvo ID with its API keys.
type Options struct {
	Name string
	// File names the account in the store; it must not change. Empty: the name.
	File string
	// Clients call the API, one for each API key.
	Clients []*volvo.Client
	// KeyIDs tell the keys apart in the store without naming them.
	KeyIDs []string
	// Chain is the login that the clients use; nil: test tokens, which end at Ends
	// (zero: nobody knows).
	Chain *login.Chain
	Ends  time.Time
	// Without are APIs that there is no test token for: they are left alone.
	Without []volvo.API
	// Vehicles to bridge; empty: all of the account.
	Vehicles []Vehicle
}

// Vehicle is a configured car.
type Vehicle struct {
	VIN  string
	Name string
}

// Polling bounds the reads.
type Polling struct {
	DailyQuota int
	Reserve    int
	PerMinute  int
	Rules      schedule.Rules
}
