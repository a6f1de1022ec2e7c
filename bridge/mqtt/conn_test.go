package mqtt_test

import (
	"context"
	"strconv"
	"testing"
	"testing/synctest"
	"time"

	"volvobridge/bridge/mqtt"
	"volvobridge/bridge/mqtt/mqtttest"
)

func open(b *mqtttest.Broker) *mqtt.Conn {
	return mqtt.Open(mqtt.Options{
		Address: mqtt.Address{URL: "mqtt://broker"}, ClientID: "test", Subscribe: []string{"base/+/+/set"}, Dial: b.Dial,
		Will: mqtt.Message{Topic: "base/availability", Payload: []byte("offline"), Retain: true},
	})
}

func next[E any](t *testing.T, c *mqtt.Conn) E {
	t.Helper()
	select {
	case e := <-c.Events():
		got, ok := e.(E)
		if !ok {
			t.Fatalf("event %T %v, want %T", e, e, got)
		}
		return got
	case <-time.After(time.Minute):
		t.Fatal("no event")
	}
	panic("unreachable")
}

func TestPublishSubscribeAndStop(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := mqtttest.New()
		c := open(b)
		next[mqtt.Up](t, c)
		for i := range 500 {
			if !c.Publish(mqtt.Message{Topic: "base/n", Payload: []byte(strconv.Itoa(i)), Retain: true}) {
				t.Fatal("not accepted")
			}
		}
		c.Publish(mqtt.Message{Topic: "base/l", Retain: true, Load: func() ([]byte, error) { return []byte("late"), nil }})
		b.Publish("base/car/lock/set", "LOCK", false)
		got := next[mqtt.Received](t, c)
		if got.Topic != "base/car/lock/set" || string(got.Payload) != "LOCK" || got.Retained {
			t.Fatalf("received %+v", got)
		}
		c.Flush(t.Context())
		log := b.Log()
		if len(log) != 501 || log[499].Payload != "499" || log[500].Payload != "late" {
			t.Fatalf("%d messages, last %+v", len(log), log[len(log)-1])
		}
		c.Close()
		synctest.Wait()
		if _, ok := b.Retained("base/availability"); ok || b.CleanDisconnects() != 1 {
			t.Fatal("a clean stop must keep the will back")
		}
	})
}

func TestLostConnectionDropsTheQueueAndComesBack(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := mqtttest.New()
		c := open(b)
		defer c.Close()
		next[mqtt.Up](t, c)
		b.Stop(false)
		next[mqtt.Down](t, c)
		if c.Publish(mqtt.Message{Topic: "base/old", Payload: []byte("1")}) {
			t.Fatal("a message was taken without a connection")
		}
		started := time.Now()
		go func() {
			time.Sleep(time.Hour)
			b.Start()
		}()
		for {
			e := <-c.Events()
			if _, ok := e.(mqtt.Up); ok {
				break
			}
		}
		if late := time.Since(started) - time.Hour; late > 6*time.Second {
			t.Fatalf("back %v after the broker", late)
		}
		c.Flush(t.Context())
		for _, m := range b.Log() {
			if m.Topic == "base/old" {
				t.Fatal("an old message was replayed")
			}
		}
	})
}

func TestRetainedIsFlagged(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := mqtttest.New()
		b.Publish("base/car/lock/set", "UNLOCK", true)
		c := open(b)
		defer c.Close()
		for {
			if got, ok := (<-c.Events()).(mqtt.Received); ok {
				if !got.Retained {
					t.Fatal("a stored message came as a live one")
				}
				return
			}
		}
	})
}

func TestNoTokenWaitsForEver(t *testing.T) {
	// 2,000 reconnects with publishes in flight: message ids must not run out.
	synctest.Test(t, func(t *testing.T) {
		b := mqtttest.New()
		c := open(b)
		defer c.Close()
		for range 200 {
			for {
				if _, ok := (<-c.Events()).(mqtt.Up); ok {
					break
				}
			}
			for range 100 {
				c.Publish(mqtt.Message{Topic: "base/n", Payload: []byte("x")})
			}
			b.Stop(false)
			b.Start()
		}
		for {
			if _, ok := (<-c.Events()).(mqtt.Up); ok {
				break
			}
		}
		b.Reset()
		c.Publish(mqtt.Message{Topic: "base/last", Payload: []byte("x")})
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		c.Flush(ctx)
		if len(b.Log()) != 1 {
			t.Fatal("the message after 200 reconnects was lost")
		}
	})
}

func TestUpComesBeforeAnyMessage(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := mqtttest.New()
		b.Eager = true
		b.Publish("base/car/lock/set", "LOCK", true)
		c := open(b)
		defer c.Close()
		next[mqtt.Up](t, c)
		if got := next[mqtt.Received](t, c); !got.Retained || string(got.Payload) != "LOCK" {
			t.Fatalf("received %+v", got)
		}
	})
}
