package main

import (
	"fmt"
	"net"

	"github.com/rs/zerolog"

	"volvobridge/cmd/volvobridge/internal/broker"
	"volvobridge/cmd/volvobridge/internal/config"
)

// embed starts the embedded broker if the configuration asks for it, and points the
// bridge at it; nil: it does not.
func embed(m *config.MQTT, log zerolog.Logger) (*broker.Broker, error) {
	if m.URL != config.Embedded {
		return nil, nil
	}
	l, err := net.Listen("tcp", m.Listen)
	if err != nil {
		return nil, fmt.Errorf("mqtt.listen: %w; choose another address", err)
	}
	b, err := broker.Start(l, m.Username, m.Password, func(what string, err error) {
		log.Warn().Err(err).Str("hint", "see who connects to mqtt.listen, and how many files the process may open").Msg("embedded broker: " + what)
	})
	if err != nil {
		l.Close()
		return nil, err
	}
	m.URL = "mqtt://" + reachable(l.Addr())
	return b, nil
}

// reachable is the address of a listener as this machine reaches it.
func reachable(a net.Addr) string {
	host, port, err := net.SplitHostPort(a.String())
	if ip := net.ParseIP(host); err == nil && ip != nil && ip.IsUnspecified() {
		return net.JoinHostPort("127.0.0.1", port)
	}
	return a.String()
}
