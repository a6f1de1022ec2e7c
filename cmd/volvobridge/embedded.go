package main

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

// embedded is the value of mqtt.url for a broker of our own.
const embedded = "embedded"

// The library builds the packets of its own tests at every start: 0.4 MB that
// nothing else lets go.
func init() { packets.TPacketData = nil }

// startBroker runs an MQTT 3.1.1 and 5 broker on a listener. Without a username
// everybody may come: the configuration allows that on loopback only.
func startBroker(l net.Listener, username, password string) (*broker, error) {
	server := mochi.New(&mochi.Options{Logger: slog.New(slog.DiscardHandler)})
	if err := server.AddHook(&login{username: username, password: password}, nil); err != nil {
		return nil, fmt.Errorf("embedded broker: %w", err)
	}
	if err := server.AddListener(listeners.NewNet("mqtt", l)); err != nil {
		return nil, fmt.Errorf("embedded broker: %w", err)
	}
	if err := server.Serve(); err != nil {
		return nil, fmt.Errorf("embedded broker: %w", err)
	}
	return &broker{server, l}, nil
}

// broker is the embedded one.
type broker struct {
	server   *mochi.Server
	listener net.Listener
}

// stop ends the connections and the broker; nothing is kept that could be lost.
// Nobody may come any more before those who are there are cut: the library waits
// for every connection, also for one that came meanwhile. Clients of MQTT 3.1.1
// know no packet that says goodbye, and the library sends it to them too.
func (b *broker) stop() {
	_ = b.listener.Close() // the server closes it again
	for _, client := range b.server.Clients.GetAll() {
		if client.Properties.ProtocolVersion < mqtt5 {
			client.Stop(packets.ErrServerShuttingDown)
		}
	}
	closed := make(chan struct{})
	go func() {
		defer close(closed)
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

// embed starts the embedded broker if the configuration asks for it, points the
// bridge at it, and returns how to stop it.
func embed(m *MQTTConfig) (func(), error) {
	if m.URL != embedded {
		return func() {}, nil
	}
	l, err := net.Listen("tcp", m.Listen)
	if err != nil {
		return nil, fmt.Errorf("mqtt.listen: %w; choose another address", err)
	}
	server, err := startBroker(l, m.Username, m.Password)
	if err != nil {
		l.Close()
		return nil, err
	}
	m.URL = "mqtt://" + reachable(l.Addr())
	return server.stop, nil
}

// reachable is the address of a listener as this machine reaches it.
func reachable(a net.Addr) string {
	host, port, err := net.SplitHostPort(a.String())
	if ip := net.ParseIP(host); err == nil && ip != nil && ip.IsUnspecified() {
		return net.JoinHostPort("127.0.0.1", port)
	}
	return a.String()
}
