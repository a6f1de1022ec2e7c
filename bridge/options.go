package bridge

import (
	"crypto/tls"
	"net"
	"time"

	"github.com/rs/zerolog"

	"volvobridge/bridge/account"
	"volvobridge/bridge/store"
	"volvobridge/volvo"
)

// Options configure a [Bridge].
type Options struct {
	Accounts      []account.Options
	MQTT          MQTT
	HomeAssistant HomeAssistant
	Polling       account.Polling
	Commands      Commands
	// Store keeps what must survive a crash. The caller closes it after Run.
	Store *store.Store
	// Log gets one line a change. It must redact: the bridge knows VINs.
	Log zerolog.Logger
	// Secret is told what must never be logged, such as a car's VIN.
	Secret func(string)
	// Host names this machine for whoever finds two bridges on one base topic.
	Host string
	// Page is the address of the web page, for the devices in Home Assistant; empty: none.
	Page string
	// Version names the program in discovery.
	Version string
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

// Commands bounds what a message may do.
type Commands struct {
	Allow      []volvo.Command
	PIN        string
	MaxAge     time.Duration
	AllowPlain bool
	PerMinute  int
}
