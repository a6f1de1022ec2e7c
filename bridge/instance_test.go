package bridge_test

import (
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

const instanceTopic = base + "/bridge/instance"

// stranger is the marker of another bridge, renewed some time ago.
func stranger(ago time.Duration) string {
	at := time.Now().Add(-ago).UTC().Format(time.RFC3339)
	return fmt.Sprintf(`{"id":"stranger","client_id":"other","host":"attic","since":%[1]q,"renewed":%[1]q}`, at)
}

// lastAnswer is the last answer on a status topic, retained or not.
func (r *rig) lastAnswer(entity string) (s map[string]any, retained bool) {
	for _, m := range r.broker.Log() {
		if m.Topic == base+"/"+car+"/"+entity+"/status" {
			s, retained = nil, m.Retain
			if err := json.Unmarshal([]byte(m.Payload), &s); err != nil {
				r.Fatal(err)
			}
		}
	}
	return s, retained
}

// TestTwoBridgesOneTopic: the second refuses commands and publishes nothing that
// stays, until the first stops; one POST is made of each message.
func TestTwoBridgesOneTopic(t *testing.T) {
	cloud := ownCar(t)
	synctest.Test(t, func(t *testing.T) {
		first := newRig(t, cloud)
		first.start()
		defer func() { first.stop() }()
		time.Sleep(10 * time.Second)
		second := newRig(t, cloud)
		second.broker, second.opts.MQTT.Dial, second.opts.MQTT.ClientID = first.broker, first.broker.Dial, "another"
		retained := func() int {
			all := first.broker.RetainedAll()
			delete(all, base+"/"+car+"/polling/attributes") // the first bridge's plan goes on
			return len(fmt.Sprint(all))
		}
		before := retained()
		second.start()
		defer func() { second.stop() }()
		time.Sleep(10 * time.Second)
		synctest.Wait()
		for topic := range first.broker.RetainedAll() {
			if strings.Contains(topic, "another") {
				t.Errorf("the second published %s", topic)
			}
		}
		if retained() != before {
			t.Errorf("the second changed what is retained")
		}
		for i := range 3 {
			first.send("honk", fmt.Sprintf(`{"value":"PRESS","id":"%d"}`, i))
		}
		if n := len(cloud.Calls(http.MethodPost)); n != 3 {
			t.Errorf("%d POSTs of three messages", n)
		}
		if w := second.warnings(); strings.Count(w, "another bridge owns the base topic") != 1 || !strings.Contains(w, `"other":"test"`) {
			t.Errorf("the second's log:\n%s", w)
		}
		if err := second.bridge.Ready(); err == nil {
			t.Error("the second calls itself ready")
		}
		first.stop() // it empties its marker
		time.Sleep(5 * time.Second)
		first.send("honk", `{"value":"PRESS","id":"x"}`)
		if n := len(cloud.Calls(http.MethodPost)); n != 4 {
			t.Errorf("%d POSTs after the first stopped", n)
		}
		if got, _ := first.broker.Retained(base + "/bridge/availability"); got != "online" {
			t.Errorf("availability %s", got)
		}
	})
}

// TestBothStartAtOnce: never two POSTs of a message, and one of the two goes on.
func TestBothStartAtOnce(t *testing.T) {
	cloud := ownCar(t)
	synctest.Test(t, func(t *testing.T) {
		first, second := newRig(t, cloud), newRig(t, cloud)
		second.broker, second.opts.MQTT.Dial, second.opts.MQTT.ClientID = first.broker, first.broker.Dial, "another"
		first.start()
		second.start()
		defer func() { first.stop(); second.stop() }()
		for i := range 400 {
			posts := len(cloud.Calls(http.MethodPost))
			first.send("honk", fmt.Sprintf(`{"value":"PRESS","id":"%d"}`, i))
			if n := len(cloud.Calls(http.MethodPost)) - posts; n > 1 {
				t.Fatalf("%d POSTs of message %d", n, i)
			}
			time.Sleep(400 * time.Millisecond)
		}
		time.Sleep(time.Minute)
		posts := len(cloud.Calls(http.MethodPost))
		first.send("honk", `{"value":"PRESS","id":"last"}`)
		if n := len(cloud.Calls(http.MethodPost)) - posts; n != 1 {
			t.Errorf("%d POSTs after some minutes: none of them owns the topic", n)
		}
	})
}

// TestMarkers: which markers of others lock us out, and for how long.
func TestMarkers(t *testing.T) {
	for _, c := range []struct {
		name     string
		marker   func() string
		conflict bool
	}{
		{"fresh", func() string { return stranger(0) }, true},
		{"renewed a minute ago", func() string { return stranger(time.Minute) }, true},
		{"dead for two minutes", func() string { return stranger(2 * time.Minute) }, false},
		{"dead for a year", func() string { return stranger(365 * 24 * time.Hour) }, false},
		{"of a clock that is ahead", func() string { return stranger(-time.Hour) }, true},
		{"garbage", func() string { return `{"id":7}` }, false},
		{"without an id", func() string { return `{"renewed":"2026-01-01T00:00:00Z"}` }, false},
	} {
		t.Run(c.name, func(t *testing.T) {
			cloud := ownCar(t)
			synctest.Test(t, func(t *testing.T) {
				toThisYear()
				r := newRig(t, cloud)
				r.broker.Publish(instanceTopic, c.marker(), true)
				r.start()
				defer func() { r.stop() }()
				time.Sleep(5 * time.Second)
				r.send("honk", `{"value":"PRESS","id":"1"}`)
				s, retained := r.lastAnswer("honk")
				if got := s["reason"] == "conflict"; got != c.conflict || got && retained {
					t.Errorf("%v, retained %v", s, retained)
				}
				if _, published := r.broker.Retained(base + "/" + car + "/state"); published == c.conflict {
					t.Errorf("state published: %v", published)
				}
				time.Sleep(90 * time.Second)
				r.send("honk", `{"value":"PRESS","id":"2"}`)
				if s, _ := r.lastAnswer("honk"); s["status"] != "succeeded" {
					t.Errorf("a minute or so later: %v", s)
				}
			})
		})
	}
}

// TestALivingStranger: one that goes on renewing, be it by a clock that is far
// behind, locks us out as long as it lives, also when it comes later.
func TestALivingStranger(t *testing.T) {
	cloud := ownCar(t)
	run(t, cloud, func(r *rig) {
		for range 6 {
			r.broker.Publish(instanceTopic, stranger(24*time.Hour), true)
			time.Sleep(30 * time.Second)
			r.send("lock", `{"value":"UNLOCK","id":"1"}`)
			if s, retained := r.lastAnswer("lock"); s["reason"] != "conflict" || retained {
				t.Fatalf("%v, retained %v", s, retained)
			}
		}
		r.broker.Publish(instanceTopic, "", true)
		time.Sleep(3 * time.Second)
		r.send("flash", `{"value":"PRESS","id":"2"}`)
		if s, _ := r.lastAnswer("flash"); s["status"] != "succeeded" {
			t.Errorf("after it stopped: %v", s)
		}
		if got := posted(cloud); got != "flash" {
			t.Errorf("POSTs %q", got)
		}
	})
}

// TestOwnRestart: neither a restart nor a crash is another bridge.
func TestOwnRestart(t *testing.T) {
	cloud := ownCar(t)
	run(t, cloud, func(r *rig) {
		r.crash()()
		r.send("honk", `{"value":"PRESS","id":"1"}`)
		if s, _ := r.lastAnswer("honk"); s["status"] != "succeeded" {
			t.Errorf("after a crash: %v", s)
		}
		r.stop()
		if _, left := r.broker.Retained(instanceTopic); left {
			t.Error("a clean stop leaves its marker")
		}
		r.start()
		time.Sleep(time.Second)
		r.send("honk", `{"value":"PRESS","id":"2"}`)
		if s, _ := r.lastAnswer("honk"); s["status"] != "succeeded" {
			t.Errorf("after a restart: %v", s)
		}
		r.broker.Stop(false)
		time.Sleep(time.Minute)
		r.broker.Start()
		time.Sleep(10 * time.Second)
		r.send("honk", `{"value":"PRESS","id":"3"}`)
		if s, _ := r.lastAnswer("honk"); s["status"] != "succeeded" {
			t.Errorf("after the broker's restart: %v", s)
		}
		if w := r.warnings(); strings.Contains(w, "another bridge") {
			t.Errorf("%s", w)
		}
	})
}

// TestACopiedStore: a second machine with a copy of the folder is another bridge.
func TestACopiedStore(t *testing.T) {
	cloud := ownCar(t)
	run(t, cloud, func(r *rig) {
		text, _ := r.broker.Retained(instanceTopic)
		var m map[string]any
		if err := json.Unmarshal([]byte(text), &m); err != nil {
			t.Fatal(err)
		}
		m["since"] = time.Now().UTC().Format(time.RFC3339Nano)
		copied, _ := json.Marshal(m)
		r.broker.Publish(instanceTopic, string(copied), true)
		r.send("honk", "PRESS")
		if s, _ := r.lastAnswer("honk"); s["reason"] != "conflict" {
			t.Errorf("%v", s)
		}
	})
}

// TestWaitingCommandsMeetAStranger: what waits when another takes the topic is not
// run any more.
func TestWaitingCommandsMeetAStranger(t *testing.T) {
	cloud := ownCar(t)
	slowCommands(cloud, 5*time.Second)
	run(t, cloud, func(r *rig) {
		r.send("honk", "PRESS")
		r.send("lock", "UNLOCK")
		r.broker.Publish(instanceTopic, stranger(0), true)
		time.Sleep(20 * time.Second)
		synctest.Wait()
		if got := posted(cloud); got != "honk" {
			t.Errorf("POSTs %q", got)
		}
	})
}

// TestAStrangersWill: the will of a bridge that was here by mistake does not make
// us look gone.
func TestAStrangersWill(t *testing.T) {
	run(t, ownCar(t), func(r *rig) {
		r.broker.Publish(base+"/bridge/availability", "offline", true)
		time.Sleep(time.Second)
		if got, _ := r.broker.Retained(base + "/bridge/availability"); got != "online" {
			t.Error(got)
		}
	})
}
