package bridge

import (
	"context"
	"crypto/tls"
	"net"
	"time"

	"github.com/rs/zerolog"

	"volvobridge/bridge/account"
	"volvobridge/bridge/mqtt"
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
	// Tried is called whenever the first publish was tried or could not be, for want of a
	// connection; nil: nobody wants to know.
	Tried func()
	// Version names the program in discovery.
	Version string
}

// MQTT is the broker.
type MQTT struct {
	mqtt.Address
	ClientID string
	Topic    string
	TLS      *tls.Config
	// Find is asked for the address before each connection; nil: it is Address.
	Find func(ctx context.Context) (mqtt.Address, error)
	// Dial replaces the network in tests.
	Dial func() (net.Conn, error)
}

func (m MQTT) options() mqtt.Options {
	return mqtt.Options{Address: m.Address, Find: m.Find, ClientID: m.ClientID, TLS: m.TLS, Dial: m.Dial}
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
