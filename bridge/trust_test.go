package bridge_test

import (
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"volvobridge/volvo/simulator"
)

// crash starts the bridge again from the store as it was at some moment.
func (r *rig) crash() (restart func()) {
	r.Helper()
	crashed := filepath.Join(r.TempDir(), "crashed")
	if err := os.CopyFS(crashed, os.DirFS(r.dir)); err != nil {
		r.Fatal(err)
	}
	if err := os.Chmod(crashed, 0o700); err != nil {
		r.Fatal(err)
	}
	return func() {
		r.stop()
		r.dir = crashed
		r.start()
		time.Sleep(time.Second)
		synctest.Wait()
	}
}

// events are the types told on the car's event topic.
func (r *rig) events() string {
	var types []string
	for _, m := range r.broker.Log() {
		if m.Topic == base+"/"+car+"/event" {
			_, rest, _ := strings.Cut(m.Payload, `"event_type":"`)
			word, _, _ := strings.Cut(rest, `"`)
			types = append(types, word)
		}
	}
	return strings.Join(types, " ")
}

// TestTheMinuteOutlivesARestart: a crash loop sends no more than ten commands.
func TestTheMinuteOutlivesARestart(t *testing.T) {
	cloud := ownCar(t)
	run(t, cloud, func(r *rig) {
		for n := range 30 {
			r.broker.Publish(base+"/"+car+"/flash/set", fmt.Sprintf(`{"value":"PRESS","id":"%d"}`, n), false)
			time.Sleep(100 * time.Millisecond)
			synctest.Wait()
			if n%10 == 9 {
				r.crash()()
			}
		}
		if n := len(cloud.Calls(http.MethodPost)); n != 10 {
			r.Errorf("%d POSTs in a minute with three restarts", n)
		}
	})
}

// TestAFloodPushesNoCommandOut: an id that became a POST stays known.
func TestAFloodPushesNoCommandOut(t *testing.T) {
	cloud := ownCar(t)
	run(t, cloud, func(r *rig) {
		same := `{"value":"PRESS","id":"same"}`
		if s := r.command(car+"/honk", same); s["status"] != "succeeded" {
			r.Errorf("%v", s)
		}
		for n := range 10050 {
			r.broker.Publish(base+"/"+car+"/engine_runtime/set", fmt.Sprintf(`{"value":5,"id":"%d"}`, n), false)
			if n%100 == 0 {
				synctest.Wait()
			}
		}
		for range 2 {
			if s := r.command(car+"/honk", same); s["reason"] != "duplicate" {
				r.Errorf("%v", s)
			}
		}
		if s := r.command(car+"/flash", `{"value":"PRESS","id":"other"}`); s["status"] != "succeeded" {
			r.Errorf("%v", s)
		}
		if s := r.command(car+"/flash", `{"value":"PRESS","id":"other"}`); s["reason"] != "duplicate" {
			r.Errorf("%v", s)
		}
	})
}

// TestStampsOfAnyTime: whatever stands in "at" is a time, and an old one is old.
func TestStampsOfAnyTime(t *testing.T) {
	cloud := ownCar(t)
	run(t, cloud, func(r *rig) {
		now := time.Now()
		for at, want := range map[string]any{
			`"0001-01-01T00:00:00Z"`: "stale", `0`: "stale", `-5`: "stale", fmt.Sprint(now.UnixMilli()): "stale", `1e300`: "stale", `-1e300`: "stale",
			`"0001-01-02T00:00:00Z"`: "stale", `"` + strings.ToLower(now.UTC().Add(20*time.Second).Format(time.RFC3339)) + `"`: nil,
			`"yesterday"`: "invalid", `null`: "invalid", `true`: "invalid", `"12"`: "invalid",
		} {
			posts := len(cloud.Calls(http.MethodPost))
			s := r.command(car+"/lock", fmt.Sprintf(`{"value":"UNLOCK","id":"x%s","at":%s}`, strings.Trim(at, `"`), at))
			if s["reason"] != want && !(want == nil && s["reason"] == "stale") { // as the clock of the map's order goes
				r.Errorf("at %s: %v", at, s)
			}
			if n := len(cloud.Calls(http.MethodPost)) - posts; want != nil && n > 0 {
				r.Errorf("at %s: sent", at)
			}
			time.Sleep(time.Minute)
		}
	})
}

// TestReadsLeaveRoomForCommands: read-backs and polling of many cars never make a
// command wait.
func TestReadsLeaveRoomForCommands(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		cars := []simulator.Kind{}
		for range 6 {
			cars = append(cars, simulator.BEV)
		}
		cloud := simulator.New(simulator.Options{Cars: cars, PerDay: -1})
		r := newRig(t, cloud)
		r.start()
		defer func() { r.stop() }()
		time.Sleep(2 * time.Second)
		for n := range 10 {
			vin := cloud.VINs()[n%6]
			if s := r.command(vin+"/flash", fmt.Sprintf(`{"value":"PRESS","id":"%d"}`, n)); s["status"] == "refused" {
				t.Errorf("command %d: %v", n, s)
			}
			r.broker.Publish(base+"/"+vin+"/refresh/set", fmt.Sprintf(`{"value":"PRESS","id":"r%d"}`, n), false)
			time.Sleep(2 * time.Second)
		}
		if s := r.document("bridge/state"); s["cloud_status"] != "ok" {
			t.Errorf("%v", s)
		}
	})
}

// TestACrashIsTold: what a crash made unknown is told as an event too, and a
// read-back that it interrupted goes on.
func TestACrashIsTold(t *testing.T) {
	cloud := ownCar(t)
	cloud.Command = func(simulator.Call) simulator.Answer {
		time.Sleep(3 * time.Second)
		return simulator.Answer{Status: 200, Body: `{"data":{"invokeStatus":"COMPLETED","message":"  as  it\ncame "}}`}
	}
	run(t, cloud, func(r *rig) {
		r.broker.Publish(base+"/"+car+"/lock/set", `{"value":"LOCK","id":"open"}`, false)
		time.Sleep(time.Second)
		synctest.Wait()
		before := len(r.events())
		r.crash()()
		if told := r.events()[before:]; !strings.Contains(told, "command_unknown") {
			r.Errorf("after the crash: %q", told)
		}
		cloud.SetBody("doors.json", `{"data":{"centralLock":{"value":"UNLOCKED"}}}`)
		time.Sleep(time.Minute)
		r.command(car+"/lock", `{"value":"UNLOCK","id":"next"}`)
		time.Sleep(3 * time.Second)
		synctest.Wait()
		if s := r.document(car + "/lock/status"); s["status"] != "succeeded" || s["confirmed"] != nil || s["message"] != "  as  it\ncame " {
			r.Errorf("before the second crash: %v", s)
		}
		r.crash()()
		time.Sleep(10 * time.Second)
		synctest.Wait()
		if s := r.document(car + "/lock/status"); s["status"] != "succeeded" || s["confirmed"] != true || s["id"] != "next" {
			r.Errorf("after the second crash: %v", s)
		}
	})
}

// TestALateRestartAsksNothing: minutes later the car's state is its own, and says
// nothing of the command.
func TestALateRestartAsksNothing(t *testing.T) {
	cloud := ownCar(t)
	run(t, cloud, func(r *rig) {
		cloud.SetBody("doors.json", `{"data":{"centralLock":{"value":"UNLOCKED"}}}`)
		r.command(car+"/lock", `{"value":"LOCK","id":"one"}`)
		r.stop()
		time.Sleep(8 * time.Minute)
		before := len(r.events())
		r.start()
		for range 40 {
			time.Sleep(time.Second)
			synctest.Wait()
			if got := r.document(car + "/state")["lock"]; got == "LOCKING" {
				r.Fatal("nothing is under way")
			}
		}
		if s := r.document(car + "/lock/status"); s["status"] != "succeeded" || s["confirmed"] != nil || len(r.events()) != before {
			r.Errorf("%v, %s", s, r.events()[before:])
		}
	})
}

// TestEventsOutliveABirth: Home Assistant starts while the broker goes away.
func TestEventsOutliveABirth(t *testing.T) {
	cloud := ownCar(t)
	cloud.Command = func(simulator.Call) simulator.Answer {
		time.Sleep(10 * time.Second)
		return simulator.Answer{Status: 200, Body: `{"data":{"invokeStatus":"COMPLETED"}}`}
	}
	run(t, cloud, func(r *rig) {
		r.broker.Publish(base+"/"+car+"/flash/set", `{"value":"PRESS","id":"one"}`, false)
		r.broker.Publish("homeassistant/status", "online", false)
		synctest.Wait()
		r.broker.Stop(false)
		time.Sleep(30 * time.Second)
		r.broker.Start()
		time.Sleep(30 * time.Second)
		synctest.Wait()
		if told := r.events(); !strings.HasSuffix(told, "command_succeeded") {
			r.Errorf("%q", told)
		}
	})
}

// TestForgottenAnswers: what was answered to a message that made no sense goes with
// the car too.
func TestForgottenAnswers(t *testing.T) {
	run(t, ownCar(t), func(r *rig) {
		if s := r.command(car+"/odometer", "7"); s["reason"] != "invalid" {
			r.Errorf("%v", s)
		}
		if _, err := r.bridge.Forget(r.Context(), car); err != nil {
			r.Fatal(err)
		}
		time.Sleep(10 * time.Second)
		synctest.Wait()
		for topic := range r.broker.RetainedAll() {
			if strings.Contains(topic, car) && strings.HasSuffix(topic, "/status") {
				r.Errorf("left behind: %s", topic)
			}
		}
	})
}

// TestARestartTellsNothingOlder: the last answer stays the last, a refusal too.
func TestARestartTellsNothingOlder(t *testing.T) {
	run(t, ownCar(t), func(r *rig) {
		r.command(car+"/flash", `{"value":"PRESS","id":"one"}`)
		r.command(car+"/flash", `{"value":"PRESS","id":"two","at":5}`)
		r.stop()
		r.start()
		time.Sleep(5 * time.Second)
		synctest.Wait()
		if s := r.document(car + "/flash/status"); s["id"] != "two" || s["reason"] != "stale" {
			r.Errorf("%v", s)
		}
	})
}
