// Package broker is an MQTT 3.1.1 and 5 broker inside the program, for those who have
// none. It bounds what a connection can cost before it is known whose it is.
package broker

import (
	"bytes"
	"crypto/subtle"
	"fmt"
	"log/slog"
	"net"
	"time"

	mochi "github.com/mochi-mqtt/server/v2"
	"github.com/mochi-mqtt/server/v2/listeners"
	"github.com/mochi-mqtt/server/v2/packets"
)

// The library builds the packets of its own tests at every start: 0.4 MB that
// nothing else lets go.
func init() { packets.TPacketData = nil }

const (
	maxPacket  = 6 << 20 // what a picture needs
	maxClients = 64
)

// Start runs a broker on a listener. Without a username everybody may come: the
// configuration allows that on loopback only. Warn is told what the listener suffers.
func Start(l net.Listener, username, password string, warn func(what string, err error)) (*Broker, error) {
	capabilities := mochi.NewDefaultServerCapabilities()
	capabilities.MaximumPacketSize, capabilities.MaximumClients = maxPacket, maxClients
	server := mochi.New(&mochi.Options{Logger: slog.New(slog.DiscardHandler), Capabilities: capabilities})
	limited := newListener(l, warn)
	if err := server.AddHook(&login{username: username, password: password}, nil); err != nil {
		return nil, fmt.Errorf("embedded broker: %w", err)
	}
	if err := server.AddListener(listeners.NewNet("mqtt", limited)); err != nil {
		return nil, fmt.Errorf("embedded broker: %w", err)
	}
	if err := server.Serve(); err != nil {
		return nil, fmt.Errorf("embedded broker: %w", err)
	}
	return &Broker{server, limited}, nil
}

// Broker is a running broker.
type Broker struct {
	server   *mochi.Server
	listener *listener
}

// Healthy returns an error when nobody can connect any more.
func (b *Broker) Healthy() error { return b.listener.healthy() }

// Stop ends the connections and the broker; nothing is kept that could be lost.
// Nobody may come any more before those who are there are cut: the library waits
// for every connection, but counts one only when it begins to read it, and a count
// that begins during the wait is a data race. Clients of MQTT 3.1.1 know no packet
// that says goodbye, and the library sends it to them too.
func (b *Broker) Stop() {
	_ = b.listener.Close() // the server closes it again
	for _, client := range b.server.Clients.GetAll() {
		if client.Properties.ProtocolVersion < mqtt5 {
			client.Stop(packets.ErrServerShuttingDown)
		}
	}
	closed := make(chan struct{})
	go func() {
		defer close(closed)
		b.listener.unread.Wait()
		_ = b.server.Close() // never fails
	}()
	select {
	case <-closed:
	case <-time.After(brokerGrace): // one that was just being let in ends with the program
	}
}

const (
	mqtt5       = 5
	brokerGrace = 2 * time.Second
)

// login lets in who knows the username and the password.
type login struct {
	mochi.HookBase
	username, password string
}

// ID implements [mochi.Hook].
func (l *login) ID() string { return "login" }

// Provides implements [mochi.Hook].
func (l *login) Provides(b byte) bool {
	return bytes.Contains([]byte{mochi.OnConnectAuthenticate, mochi.OnACLCheck}, []byte{b})
}

// OnConnectAuthenticate implements [mochi.Hook].
func (l *login) OnConnectAuthenticate(_ *mochi.Client, p packets.Packet) bool {
	if l.username == "" {
		return true
	}
	name := subtle.ConstantTimeCompare(p.Connect.Username, []byte(l.username))
	return name&subtle.ConstantTimeCompare(p.Connect.Password, []byte(l.password)) == 1
}

// OnACLCheck implements [mochi.Hook]: who is in may do all but write $-topics.
func (l *login) OnACLCheck(_ *mochi.Client, topic string, write bool) bool {
	return !write || len(topic) > 0 && topic[0] != '$'
}
