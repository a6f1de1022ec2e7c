package link

import (
	"context"
	"fmt"
	"strings"
	"time"

	"volvobridge/bridge/mqtt"
)

const (
	removePatience = 20 * time.Second
	removeQuiet    = time.Second // without a message: all that is retained has come
	removeAfter    = time.Second // Home Assistant lets go of the entities first
)

// RemoveAll removes every topic of the bridge and of cars from a broker, over a connection
// of its own.
func (l *Link) RemoveAll(ctx context.Context, broker mqtt.Options, vins []string) error {
	broker.Subscribe, broker.MaxPayload = []string{l.Topic("#"), l.prefix + "/device/+/config"}, 10<<20
	conn := mqtt.Open(broker)
	defer conn.Close()
	own := map[string]bool{l.OwnDevice(): true}
	for _, vin := range vins {
		own[l.Device(vin)] = true
	}
	var gone, left []string
	quiet := time.NewTimer(removePatience)
	defer quiet.Stop()
	for looking := true; looking; {
		select {
		case e := <-conn.Events():
			switch e := e.(type) {
			case mqtt.Down:
				return fmt.Errorf("no connection to the broker: %w", e.Err)
			case mqtt.Up:
				quiet.Reset(removeQuiet)
			case mqtt.Received:
				quiet.Reset(removeQuiet)
				if own[e.Topic] {
					gone = append(gone, e.Topic)
				} else if e.Retained && strings.HasPrefix(e.Topic, l.Place.Base+"/") {
					left = append(left, e.Topic)
				}
			}
		case <-quiet.C:
			looking = false
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	for _, topics := range [][]string{gone, left} {
		for _, topic := range topics {
			conn.Publish(mqtt.Message{Topic: topic, Retain: true})
		}
		conn.Flush(ctx)
		if len(gone) > 0 && len(left) > 0 {
			time.Sleep(removeAfter)
		}
	}
	return nil
}
