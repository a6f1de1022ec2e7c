package bridge

import (
	"crypto/tls"
	"net"
	"time"

	"github.com/rs/zerolog"

	"volvobridge/bridge/login"
	"volvobridge/bridge/schedule"
	"volvobridge/bridge/store"
	"volvobridge/volvo"
)

// Options configure a [Bridge].
type Options struct {
	Accounts      []Account
	MQTT          MQTT
	HomeAssistant HomeAssistant
	Polling       Polling
	Commands      Commands
	// Store keeps what must survive a crash. The caller closes it after Run.
	Store *store.Store
	// Log gets one line a change. It must redact: the bridge knows VINs.
	Log zerolog.Logger
	// Secret is told what must never be logged, such as a car's VIN.
	Secret func(string)
	// Host names this machine for whoever finds two bridges on one base topic.
	Host string
	// Version names the program in discovery.
	Version string
}

// Account is one Volvo ID with its API keys.
type Account struct {
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

// MQTT is the broker.
type MQTT struct {
	URL, Username, Password string
	ClientID                string
	Topic                   string
	TLS                     *tls.Config
	// Dial replaces the network in tests.
	Dial func() (net.Conn, error)
}

// HomeAssistant is where and whether cars are announced.
type HomeAssistant struct {
	Discovery   bool
	Prefix      string
	StatusTopic string
	// Language is that of the entities' names; empty: English.
	Language string
}

// Polling bounds the reads.
type Polling struct {
	DailyQuota int
	Reserve    int
	PerMinute  int
	Rules      schedule.Rules
}

// Commands bounds what a message may do.
type Commands struct {
	Allow      []volvo.Command
	PIN        string
	MaxAge     time.Duration
	AllowPlain bool
	PerMinute  int
}
