package bridge_test

import (
	"errors"
	"fmt"
	"net/http"
	"net/http/httptrace"
	"path/filepath"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"volvobridge/bridge/login/logintest"
	"volvobridge/volvo"
	"volvobridge/volvo/simulator"
)

const car = ownVIN

func TestTenCommandsAndTheirBodies(t *testing.T) {
	cloud := ownCar(t)
	run(t, cloud, func(r *rig) {
		for _, c := range []struct{ entity, payload, path, body, command string }{
			{"lock", "LOCK", "lock", "", "lock"},
			{"lock", "UNLOCK", "unlock", "", "unlock"},
			{"lock_reduced_guard", "PRESS", "lock-reduced-guard", "", "lock_reduced_guard"},
			{"honk", "PRESS", "honk", "", "honk"},
			{"flash", "PRESS", "flash", "", "flash"},
			{"honk_flash", "PRESS", "honk-flash", "", "honk_flash"},
			{"engine_start", "PRESS", "engine-start", `{"runtimeMinutes":15}`, "engine_start"},
			{"engine_start", `{"value":"PRESS","runtimeMinutes":3}`, "engine-start", `{"runtimeMinutes":3}`, "engine_start"},
			{"engine_stop", "PRESS", "engine-stop", "", "engine_stop"},
			{"climatization_start", "PRESS", "climatization-start", "", "climatization_start"},
			{"climatization_stop", "PRESS", "climatization-stop", "", "climatization_stop"},
			{"climatization", "ON", "climatization-start", "", "climatization_start"},
			{"climatization", "OFF", "climatization-stop", "", "climatization_stop"},
		} {
			before := len(cloud.Calls(http.MethodPost))
			status := r.command(car+"/"+c.entity, c.payload)
			posts := cloud.Calls(http.MethodPost)[before:]
			if len(posts) != 1 || posts[0].Path != "/connected-vehicle/v2/vehicles/"+car+"/commands/"+c.path || posts[0].Body != c.body {
				r.Errorf("%s %s made %+v", c.entity, c.payload, posts)
			}
			if status["status"] != "succeeded" || status["invokeStatus"] != "COMPLETED" || status["command"] != c.command {
				r.Errorf("%s %s: %v", c.entity, c.payload, status)
			}
			time.Sleep(40 * time.Second) // the limit of commands, and the read-back
			synctest.Wait()
		}
	})
}

func TestLockIsConfirmedByTheCar(t *testing.T) {
	cloud := ownCar(t)
	run(t, cloud, func(r *rig) {
		if got := r.document(car + "/state")["lock"]; got != "UNLOCKED" {
			r.Fatalf("lock is %v", got)
		}
		status := r.command(car+"/lock", `{"value":"LOCK","id":"mine"}`)
		if status["id"] != "mine" || status["confirmed"] != nil {
			r.Errorf("after a second: %v", status)
		}
		if got := r.document(car + "/state")["lock"]; got != "LOCKING" {
			r.Errorf("under way the lock is %v", got)
		}
		time.Sleep(2 * time.Second)
		synctest.Wait()
		if status = r.document(car + "/lock/status"); status["confirmed"] != true || status["status"] != "succeeded" {
			r.Errorf("after the read-back: %v", status)
		}
		if got := r.document(car + "/state")["lock"]; got != "LOCKED" {
			r.Errorf("confirmed, the lock is %v", got)
		}
		if n := len(cloud.Calls(http.MethodPost)); n != 1 {
			r.Errorf("%d POSTs", n)
		}
		var events []string
		for _, m := range r.broker.Log() {
			if m.Topic == base+"/"+car+"/event" {
				_, after, _ := strings.Cut(m.Payload, `"event_type":"`)
				kind, _, _ := strings.Cut(after, `"`)
				events = append(events, kind)
				if m.Retain {
					r.Error("an event was retained")
				}
			}
		}
		if got := fmt.Sprint(events); got != "[command_sending command_succeeded command_confirmed]" {
			r.Errorf("events %v", got)
		}
	})
}

func TestLockThatDoesNotShowIsUnconfirmed(t *testing.T) {
	cloud := ownCar(t)
	cloud.Command = func(simulator.Call) simulator.Answer {
		return simulator.Answer{Status: 200, Body: `{"vin":"x","invokeStatus":"DELIVERED","message":"on its way"}`}
	}
	run(t, cloud, func(r *rig) {
		status := r.command(car+"/lock", "LOCK")
		if status["status"] != "accepted" || status["message"] != "on its way" {
			r.Errorf("%v", status)
		}
		time.Sleep(31 * time.Second)
		synctest.Wait()
		status = r.document(car + "/lock/status")
		if status["status"] != "accepted" || status["confirmed"] != false {
			r.Errorf("after 31 s: %v", status)
		}
		if got := r.document(car + "/state")["lock"]; got != "UNLOCKED" {
			r.Errorf("the lock shows %v, the car says UNLOCKED", got)
		}
	})
}

// TestEveryInvokeStatus holds the contract's classes for the 22 words and others.
func TestEveryInvokeStatus(t *testing.T) {
	classes := map[string]string{
		"COMPLETED": "succeeded", "SUCCESS": "succeeded", "completed": "succeeded",
		"WAITING": "accepted", "RUNNING": "accepted", "SENT": "accepted", "DELIVERED": "accepted",
		"TIMEOUT": "unknown", "CAR_TIMEOUT": "unknown", "UNKNOWN": "unknown", "NEVER_HEARD_OF": "unknown",
		"REJECTED": "failed", "DELIVERY_TIMEOUT": "failed", "EXPIRED": "failed", "CONNECTION_FAILURE": "failed",
		"VEHICLE_IN_SLEEP": "failed", "CAR_IN_SLEEP_MODE": "failed", "CAR_ERROR": "failed", "NOT_SUPPORTED": "failed",
		"NOT_ALLOWED_PRIVACY_ENABLED": "failed", "NOT_ALLOWED_WRONG_USAGE_MODE": "failed", "UNLOCK_TIME_FRAME_PASSED": "failed",
		"UNABLE_TO_LOCK_DOOR_OPEN": "failed", "INVOCATION_SPECIFIC_ERROR": "failed",
	}
	for _, s := range volvo.InvokeStatuses() {
		if classes[string(s)] == "" {
			t.Errorf("%s is not in this table", s)
		}
	}
	cloud := ownCar(t)
	word := ""
	cloud.Command = func(simulator.Call) simulator.Answer {
		return simulator.Answer{Status: 200, Body: fmt.Sprintf(`{"data":{"vin":"x","invokeStatus":%q,"message":"text"}}`, word)}
	}
	run(t, cloud, func(r *rig) {
		for w, want := range classes {
			word = w
			status := r.command(car+"/honk", "PRESS")
			if status["status"] != want || status["invokeStatus"] != strings.ToUpper(w) || status["message"] != "text" {
				r.Errorf("%s: %v", w, status)
			}
			if want != "succeeded" && want != "accepted" && status["advice"] == nil {
				r.Errorf("%s: no advice", w)
			}
			d := r.document(car + "/state")
			if d["last_command"] != "honk" || d["last_invoke_status"] != strings.ToUpper(w) || d["last_command_status"] != want {
				r.Errorf("%s: last command %v, %v, status %v", w, d["last_command"], d["last_command_status"], d["last_invoke_status"])
			}
			if a := r.document(car + "/last_command_status/attributes"); a["command"] != "honk" || a["message"] != "text" || a["advice"] != status["advice"] {
				r.Errorf("%s: its attributes: %v", w, a)
			}
			time.Sleep(10 * time.Second)
		}
	})
}

func TestEveryHTTPErrorOfACommand(t *testing.T) {
	cases := []struct {
		name           string
		answer         simulator.Answer
		status, reason string
	}{
		{"400", simulator.Answer{Status: 400, Body: `{"error":{"message":"BAD_REQUEST","description":"no"}}`}, "failed", ""},
		{"401 key", simulator.Answer{Status: 401, Body: `{"status":401,"error":{"message":"Access denied due to invalid VCC-API-KEY."}}`}, "failed", ""},
		{"403", simulator.Answer{Status: 403, Body: `{"error":{"message":"FORBIDDEN","description":"Access is denied"}}`}, "failed", ""},
		{"404", simulator.Answer{Status: 404, Body: `{"error":{"message":"NOT_FOUND","description":"honk is not supported by this vehicle"}}`}, "failed", "unsupported"},
		{"409", simulator.Answer{Status: 409, Body: `{}`}, "failed", "car_unavailable"},
		{"422", simulator.Answer{Status: 422, Body: `{"error":{"message":"UNPROCESSABLE","description":"can't"}}`}, "failed", "unsupported"},
		{"500 car", simulator.Answer{Status: 500, Body: `{"error":{"message":"INTERNAL_SERVER_ERROR","description":"Error returned from car"}}`}, "unknown", ""},
		{"500", simulator.Answer{Status: 500, Body: `oops`}, "unknown", ""},
		{"502", simulator.Answer{Status: 502}, "unknown", ""},
		{"503 asleep", simulator.Answer{Status: 503, Body: `{"error":{"message":"SERVICE_UNAVAILABLE","description":"Not allowed, car is in use or asleep"}}`}, "failed", "car_unavailable"},
		{"503", simulator.Answer{Status: 503, Body: `down`}, "unknown", ""},
		{"504", simulator.Answer{Status: 504}, "unknown", ""},
		{"302", simulator.Answer{Status: 302, Header: map[string]string{"Location": "https://elsewhere/"}}, "unknown", ""},
		{"200 html", simulator.Answer{Status: 200, Body: `<html>`}, "unknown", ""},
		{"200 nothing", simulator.Answer{Status: 200}, "unknown", ""},
		{"200 no word", simulator.Answer{Status: 200, Body: `{"data":{}}`}, "unknown", ""},
		{"429", simulator.Answer{Status: 429, Header: map[string]string{"Retry-After": "7"}}, "failed", "rate_limited"},
		{"403 quota", simulator.Answer{Status: 403, Body: `{"statusCode":403,"message":"Out of call volume quota. Quota will be replenished in 00:00:05."}`}, "failed", "quota"},
		{"401", simulator.Answer{Status: 401, Body: `{"error":{"message":"UNAUTHORIZED","description":"expired"}}`}, "failed", "login_required"},
	}
	cloud := ownCar(t)
	var answer simulator.Answer
	cloud.Command = func(simulator.Call) simulator.Answer { return answer }
	run(t, cloud, func(r *rig) {
		for _, c := range cases {
			answer = c.answer
			before := len(cloud.Calls(http.MethodPost))
			status := r.command(car+"/honk", "PRESS")
			if status["status"] != c.status || (c.reason != "") != (status["reason"] != nil) || c.reason != "" && status["reason"] != c.reason {
				r.Errorf("%s: %v", c.name, status)
			}
			if status["advice"] == nil {
				r.Errorf("%s: no advice", c.name)
			}
			if n := len(cloud.Calls(http.MethodPost)) - before; n != 1 {
				r.Errorf("%s: %d POSTs", c.name, n)
			}
			if c.name == "404" && status["message"] != "NOT_FOUND: honk is not supported by this vehicle" {
				r.Errorf("Volvo's own words became %v", status["message"])
			}
			time.Sleep(20 * time.Second)
		}
		// After the 401 the token is known to be bad.
		if status := r.command(car+"/honk", "PRESS"); status["status"] != "refused" || status["reason"] != "login_required" {
			r.Errorf("with a rejected token: %v", status)
		}
	})
}

func TestRefusals(t *testing.T) {
	cloud := ownCar(t)
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, cloud)
		r.opts.Commands.Allow = []volvo.Command{volvo.Lock, volvo.Unlock, volvo.Honk, volvo.EngineStart}
		r.opts.Commands.AllowPlain = false
		r.start()
		defer r.stop()
		time.Sleep(10 * time.Second)
		now := func(d time.Duration) int64 { return time.Now().Add(d).Unix() }
		for _, c := range []struct{ entity, payload, reason string }{
			{"lock", "lock", "invalid"}, {"lock", "LOCK ", "invalid"}, {"lock", "OPEN", "invalid"}, {"lock", `"LOCK"`, "invalid"},
			{"lock", `{"value":"LOCK"`, "invalid"}, {"lock", `{"value":"LOCK"} x`, "invalid"}, {"lock", `{}`, "invalid"},
			{"lock", `{"Value":"LOCK"}`, "invalid"}, {"lock", `{"value":"LOCK","value":"UNLOCK"}`, "invalid"},
			{"lock", `{"value":"LOCK","id":5}`, "invalid"}, {"lock", `{"value":"LOCK","at":"yesterday"}`, "invalid"},
			{"lock", `{"value":"LOCK","extra":1}`, "invalid"}, {"lock", `{"value":["LOCK"]}`, "invalid"},
			{"lock", `{"value":"LOCK","runtimeMinutes":5}`, "invalid"},
			{"honk", "ON", "invalid"}, {"odometer", "PRESS", "invalid"}, {"nonsense", "PRESS", "invalid"},
			{"engine_start", `{"value":"PRESS","runtimeMinutes":0}`, "invalid"}, {"engine_start", `{"value":"PRESS","runtimeMinutes":16}`, "invalid"},
			{"engine_start", `{"value":"PRESS","runtimeMinutes":7.4}`, "invalid"}, {"engine_start", `{"value":"PRESS","runtimeMinutes":"5"}`, "invalid"},
			{"engine_runtime", "0", "invalid"}, {"engine_runtime", "7.4", "invalid"}, {"engine_runtime", "0x5", "invalid"}, {"refresh", "doors,nonsense", "invalid"},
			{"lock", strings.Repeat("L", 5000), "invalid"},
			{"lock", fmt.Sprintf(`{"value":"LOCK","at":%d}`, now(-32*time.Second)), "stale"},
			{"lock", fmt.Sprintf(`{"value":"LOCK","at":%d}`, now(time.Hour)), "stale"},
			{"lock", `{"value":"LOCK","at":"1999-01-01T00:00:00Z"}`, "stale"},
			{"lock", "UNLOCK", "stale"}, {"engine_start", "PRESS", "stale"}, // without the time they were sent
			{"flash", "PRESS", "not_allowed"}, {"climatization", "ON", "not_allowed"},
		} {
			if status := r.command(car+"/"+c.entity, c.payload); status["status"] != "refused" || status["reason"] != c.reason || status["advice"] == nil {
				r.Errorf("%s %.60q: %v", c.entity, c.payload, status)
			}
		}
		for _, d := range []time.Duration{-32 * time.Second, 8 * time.Second} {
			if status := r.command(car+"/lock", fmt.Sprintf(`{"value":"LOCK","at":%d}`, now(d))); status["reason"] != "stale" {
				r.Errorf("sent %v from now: %v", d, status)
			}
		}
		if n := len(cloud.Calls(http.MethodPost)); n != 0 {
			r.Fatalf("%d POSTs for refused messages", n)
		}
		if status := r.command(car+"/lock", fmt.Sprintf(`{"value":"UNLOCK","at":%d,"id":"a"}`, now(0))); status["status"] != "succeeded" {
			r.Errorf("stamped unlock: %v", status)
		}
		if status := r.command(car+"/lock", fmt.Sprintf(`{"value":"UNLOCK","at":%d,"id":"a"}`, now(0))); status["reason"] != "duplicate" {
			r.Errorf("the same id: %v", status)
		}
		time.Sleep(11 * time.Minute)
		if status := r.command(car+"/lock", fmt.Sprintf(`{"value":"UNLOCK","at":%d,"id":"a"}`, now(0))); status["status"] != "succeeded" {
			r.Errorf("the same id after 10 minutes: %v", status)
		}
	})
}

func TestRetainedCommandsAreRefusedAndRemoved(t *testing.T) {
	cloud := ownCar(t)
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, cloud)
		r.start()
		time.Sleep(10 * time.Second)
		r.stop()
		r.broker.Publish(base+"/"+car+"/lock/set", "UNLOCK", true)
		r.start()
		defer func() { r.stop() }()
		time.Sleep(10 * time.Second)
		synctest.Wait()
		if status := r.document(car + "/lock/status"); status["reason"] != "retained" {
			r.Errorf("%v", status)
		}
		if _, still := r.broker.Retained(base + "/" + car + "/lock/set"); still {
			r.Error("the stored command is still there")
		}
		if n := len(cloud.Calls(http.MethodPost)); n != 0 {
			r.Errorf("%d POSTs", n)
		}
	})
}

func TestPlainRepeatsAndAlternations(t *testing.T) {
	cloud := ownCar(t)
	run(t, cloud, func(r *rig) {
		for i, c := range []struct{ payload, want string }{
			{"LOCK", "succeeded"}, {"LOCK", "refused"}, {"UNLOCK", "succeeded"}, {"LOCK", "succeeded"},
		} {
			if status := r.command(car+"/lock", c.payload); status["status"] != c.want {
				r.Errorf("message %d: %v", i+1, status)
			}
		}
		time.Sleep(6 * time.Second)
		if status := r.command(car+"/lock", "LOCK"); status["status"] != "succeeded" {
			r.Errorf("after 6 s: %v", status)
		}
		if n := len(cloud.Calls(http.MethodPost)); n != 4 {
			r.Errorf("%d POSTs, want 4", n)
		}
	})
}

func TestTenCommandsAMinute(t *testing.T) {
	cloud := ownCar(t)
	run(t, cloud, func(r *rig) {
		for i := range 12 {
			entity := []string{"honk", "flash"}[i%2]
			status := r.command(car+"/"+entity, fmt.Sprintf(`{"value":"PRESS","id":"%d"}`, i))
			if want := i < 10; (status["status"] == "succeeded") != want || !want && status["reason"] != "rate_limited" {
				r.Errorf("command %d: %v", i+1, status)
			}
		}
		time.Sleep(time.Minute)
		if status := r.command(car+"/honk", "PRESS"); status["status"] != "succeeded" {
			r.Errorf("a minute later: %v", status)
		}
	})
}

func TestCloudDownRefusesAndStopMakesUnknown(t *testing.T) {
	cloud := ownCar(t)
	cloud.Command = func(c simulator.Call) simulator.Answer {
		time.Sleep(time.Minute)
		return simulator.Answer{Status: 200, Body: `{"data":{"invokeStatus":"COMPLETED"}}`}
	}
	run(t, cloud, func(r *rig) {
		r.broker.Publish(base+"/"+car+"/lock/set", "UNLOCK", false)
		time.Sleep(time.Second)
		started := time.Now()
		r.stop()
		if took := time.Since(started); took > 60*time.Second {
			r.Errorf("the stop took %v", took)
		}
		if s := r.document(car + "/lock/status"); s["status"] != "unknown" {
			r.Errorf("a POST cut by the stop: %v", s)
		}
		if got, _ := r.broker.Retained(base + "/bridge/availability"); got != "offline" {
			r.Errorf("availability after the stop: %q", got)
		}
	})
}

// TestCrashLeavesUnknown: a command that was open when the process died is told
// as unknown, never repeated, and the car is asked.
func TestCrashLeavesUnknown(t *testing.T) {
	cloud := ownCar(t)
	cloud.Command = func(c simulator.Call) simulator.Answer {
		time.Sleep(100 * time.Second)
		return simulator.Answer{Status: 200, Body: `{"data":{"invokeStatus":"COMPLETED"}}`}
	}
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, cloud)
		r.start()
		time.Sleep(10 * time.Second)
		r.broker.Publish(base+"/"+car+"/lock/set", `{"value":"LOCK","id":"open"}`, false)
		time.Sleep(time.Second)
		synctest.Wait()
		restart := r.crash()
		posts := len(cloud.Calls(http.MethodPost))
		cloud.SetBody("doors.json", `{"data":{"centralLock":{"value":"LOCKED"}}}`)
		restart()
		defer func() { r.stop() }()
		if s := r.document(car + "/lock/status"); s["status"] != "unknown" || s["id"] != "open" {
			r.Errorf("after the crash: %v", s)
		}
		time.Sleep(5 * time.Second)
		synctest.Wait()
		if s := r.document(car + "/lock/status"); s["status"] != "unknown" || s["confirmed"] != true {
			r.Errorf("after reading the car: %v", s)
		}
		if n := len(cloud.Calls(http.MethodPost)); n != posts {
			r.Error("the command was repeated")
		}
	})
}

func TestLocalCommands(t *testing.T) {
	cloud := ownCar(t)
	run(t, cloud, func(r *rig) {
		if s := r.command(car+"/engine_runtime", `{"value":7}`); s["status"] != "succeeded" {
			r.Errorf("%v", s)
		}
		if got := r.document(car + "/state")["engine_runtime"]; got != 7.0 {
			r.Errorf("runtime %v", got)
		}
		time.Sleep(time.Minute)
		before := len(cloud.Calls(http.MethodGet))
		if s := r.command(car+"/refresh", "tyres,brakes"); s["status"] != "succeeded" {
			r.Errorf("%v", s)
		}
		paths := map[string]bool{}
		for _, c := range cloud.Calls(http.MethodGet)[before:] {
			paths[filepath.Base(c.Path)] = true
		}
		if !paths["tyres"] || !paths["brakes"] {
			r.Errorf("read %v", paths)
		}
		r.stop()
		r.start()
		time.Sleep(10 * time.Second)
		if got := r.document(car + "/state")["engine_runtime"]; got != 7.0 {
			r.Errorf("after a restart the runtime is %v", got)
		}
	})
}

func TestClimateIsAssumed(t *testing.T) {
	cloud := ownCar(t)
	run(t, cloud, func(r *rig) {
		state := func() any { return r.document(car + "/state")["climatization"] }
		r.command(car+"/climatization", "ON")
		time.Sleep(time.Second)
		if state() != "ON" {
			r.Errorf("after the start: %v", state())
		}
		r.stop()
		r.start()
		time.Sleep(20 * time.Minute)
		if state() != "ON" {
			r.Errorf("after a restart: %v", state())
		}
		time.Sleep(11 * time.Minute)
		if state() != "OFF" {
			r.Errorf("after 31 minutes: %v", state())
		}
		r.command(car+"/climatization_start", "PRESS")
		time.Sleep(time.Second)
		cloud.SetBody("engine-status.json", `{"data":{"engineStatus":{"value":"RUNNING"}}}`)
		time.Sleep(3 * time.Minute)
		if state() != "OFF" {
			r.Errorf("while driving: %v", state())
		}
	})
}

func TestPIN(t *testing.T) {
	cloud := ownCar(t)
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, cloud)
		r.opts.Commands.PIN = "4711"
		r.start()
		defer r.stop()
		time.Sleep(10 * time.Second)
		n := 0
		try := func(pin string) map[string]any {
			n++
			return r.command(car+"/lock", fmt.Sprintf(`{"value":"UNLOCK","id":"%d","pin":%q}`, n, pin))
		}
		for range 9 { // no guess
			if s := r.command(car+"/lock", `{"value":"UNLOCK"}`); s["reason"] != "pin" {
				r.Errorf("without a PIN: %v", s)
			}
			time.Sleep(6 * time.Second)
		}
		for range 5 {
			if s := try("0000"); s["reason"] != "pin" {
				r.Errorf("a wrong PIN: %v", s)
			}
		}
		if s := try("4711"); s["reason"] != "pin" {
			r.Errorf("the right PIN after five wrong: %v", s)
		}
		if s := r.command(car+"/lock", "LOCK"); s["status"] != "succeeded" {
			r.Errorf("locking needs no PIN: %v", s)
		}
		time.Sleep(6 * time.Minute)
		if s := try("4711"); s["status"] != "succeeded" {
			r.Errorf("the right PIN: %v", s)
		}
		config, _ := r.broker.Retained("homeassistant/device/volvobridge_" + strings.ToLower(car) + "/config")
		if strings.Contains(config, `"engine_start":`) || !strings.Contains(config, `"code_format":"^(\\d{4,8})?$"`) {
			r.Error("with a PIN: no engine start button, a lock with a code")
		}
		if strings.Contains(r.log.String(), "4711") {
			r.Error("the PIN is in the log")
		}
	})
}

// TestReadBackThroughARefresh: a refresh in between neither proves nor disproves.
func TestReadBackThroughARefresh(t *testing.T) {
	cloud := ownCar(t)
	acted := false
	cloud.Command = func(simulator.Call) simulator.Answer {
		go func() {
			time.Sleep(4 * time.Second)
			cloud.SetBody("doors.json", `{"data":{"centralLock":{"value":"LOCKED"}}}`)
			acted = true
		}()
		return simulator.Answer{Status: 200, Body: `{"data":{"invokeStatus":"COMPLETED"}}`}
	}
	run(t, cloud, func(r *rig) {
		time.Sleep(30 * time.Second)
		r.broker.Publish(base+"/"+car+"/lock/set", "LOCK", false)
		time.Sleep(500 * time.Millisecond)
		r.broker.Publish(base+"/"+car+"/refresh/set", "doors", false)
		time.Sleep(7 * time.Second)
		synctest.Wait()
		if s := r.document(car + "/lock/status"); s["confirmed"] != true || !acted {
			r.Errorf("%v", s)
		}
	})
}

// TestUnreadableCarIsNotUnconfirmed: if doors can't be read, nobody knows.
func TestUnreadableCarIsNotUnconfirmed(t *testing.T) {
	cloud := ownCar(t)
	run(t, cloud, func(r *rig) {
		cloud.Set("GET /connected-vehicle/v2/vehicles/*/doors", simulator.Answer{Status: 500})
		r.command(car+"/lock", "LOCK")
		time.Sleep(2 * time.Minute)
		synctest.Wait()
		if s := r.document(car + "/lock/status"); s["confirmed"] != nil {
			r.Errorf("%v", s)
		}
		if got := r.document(car + "/state")["lock"]; got != "UNLOCKED" {
			r.Errorf("the lock shows %v", got)
		}
	})
}

// TestRefusalsDoNotCount: a POST that could not be made uses up nothing.
func TestRefusalsDoNotCount(t *testing.T) {
	cloud := ownCar(t)
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, cloud)
		r.opts.Accounts[0].Clients[0] = volvo.New(volvo.Options{URL: "https://api", Key: apiKey, CommandTimeout: time.Minute, UserAgent: "test",
			Transport: noConnection{logintest.Through{Handler: cloud}}, Tokens: volvo.NewStaticTokens(map[volvo.API]string{volvo.ConnectedVehicle: token, volvo.Energy: token, volvo.Location: token})})
		r.start()
		defer r.stop()
		time.Sleep(10 * time.Second)
		for i := range 15 {
			if s := r.command(car+"/honk", fmt.Sprintf(`{"value":"PRESS","id":"%d"}`, i)); s["status"] != "refused" || s["reason"] != "cloud_down" {
				r.Fatalf("command %d: %v", i, s)
			}
		}
		time.Sleep(6 * time.Minute)
		if got := r.document("bridge/state")["commands_today"]; got != 0.0 {
			r.Errorf("%v commands today", got)
		}
	})
}

// noConnection fails POSTs before a connection is made, as a dead network does.
type noConnection struct{ next http.RoundTripper }

func (n noConnection) RoundTrip(r *http.Request) (*http.Response, error) {
	if r.Method != http.MethodPost {
		return n.next.RoundTrip(r)
	}
	if trace := httptrace.ContextClientTrace(r.Context()); trace != nil {
		trace.GetConn("api:443")
	}
	return nil, errors.New("connection refused")
}

func TestTheSameIDAcrossARestart(t *testing.T) {
	cloud := ownCar(t)
	run(t, cloud, func(r *rig) {
		r.command(car+"/honk", `{"value":"PRESS","id":"once"}`)
		r.stop()
		r.start()
		time.Sleep(10 * time.Second)
		if s := r.command(car+"/honk", `{"value":"PRESS","id":"once"}`); s["reason"] != "duplicate" {
			r.Errorf("%v", s)
		}
		if n := len(cloud.Calls(http.MethodPost)); n != 1 {
			r.Errorf("%d POSTs", n)
		}
	})
}

// TestAnswersRepeatNothing: what was sent may hold a PIN.
func TestAnswersRepeatNothing(t *testing.T) {
	run(t, ownCar(t), func(r *rig) {
		for _, payload := range []string{` {"value":"UNLOCK","pin":"4711"}`, `[{"pin":"4711"}]`, `{"value":"UNLOCK 4711"}`, `{"value":"LOCK","4711":1}`, `4711`,
			`{"value":"LOCK","pin":4711}`, `{"value":"LOCK","id":"kept","runtimeMinutes":4711}`} {
			s := r.command(car+"/lock", payload)
			if s["reason"] != "invalid" || strings.Contains(fmt.Sprint(s), "4711") {
				r.Errorf("%s: %v", payload, s)
			}
			if strings.Contains(payload, "kept") && s["id"] != "kept" {
				r.Errorf("the id of an invalid message was lost: %v", s)
			}
		}
		for _, m := range r.broker.Log() {
			if strings.Contains(m.Payload, "4711") {
				r.Errorf("%s holds it", m.Topic)
			}
		}
	})
}

func TestStrangersLeaveNothingBehind(t *testing.T) {
	run(t, ownCar(t), func(r *rig) {
		for _, topic := range []string{"nocar/lock", car + "/nonsense"} {
			if s := r.command(topic, "PRESS"); s["reason"] != "invalid" {
				r.Errorf("%s: %v", topic, s)
			}
			if _, ok := r.broker.Retained(base + "/" + topic + "/status"); ok {
				r.Errorf("%s was retained", topic)
			}
		}
	})
}

func TestNothingStartsWhileStopping(t *testing.T) {
	cloud := ownCar(t)
	cloud.Command = func(simulator.Call) simulator.Answer {
		time.Sleep(3 * time.Second)
		return simulator.Answer{Status: 200, Body: `{"data":{"invokeStatus":"COMPLETED"}}`}
	}
	run(t, cloud, func(r *rig) {
		r.broker.Publish(base+"/"+car+"/honk/set", "PRESS", false)
		time.Sleep(time.Second)
		go func() {
			time.Sleep(time.Second)
			r.broker.Publish(base+"/"+car+"/lock/set", "UNLOCK", false)
		}()
		r.stop()
		if n := len(cloud.Calls(http.MethodPost)); n != 1 {
			r.Errorf("%d POSTs", n)
		}
		if s := r.document(car + "/honk/status"); s["status"] != "succeeded" {
			r.Errorf("the one under way: %v", s)
		}
	})
}

// TestFailuresAreExplainedByTheCar: tried all the same, explained when it fails.
func TestFailuresAreExplainedByTheCar(t *testing.T) {
	cloud := ownCar(t) // it says CAR_IN_USE
	run(t, cloud, func(r *rig) {
		if s := r.command(car+"/honk", "PRESS"); s["status"] != "succeeded" || s["advice"] != nil {
			r.Errorf("%v", s)
		}
		cloud.Command = func(simulator.Call) simulator.Answer {
			return simulator.Answer{Status: 503, Body: `{"error":{"message":"SERVICE_UNAVAILABLE","description":"Not allowed, car is in use or asleep"}}`}
		}
		if s := r.command(car+"/flash", "PRESS"); s["reason"] != "car_unavailable" || !strings.Contains(fmt.Sprint(s["advice"]), "said lately that it is in use") {
			r.Errorf("%v", s)
		}
	})
}

func TestUnsupportedByTheCar(t *testing.T) {
	cloud := ownCar(t)
	cloud.SetBody("commands.json", `{"data":[{"command":"LOCK"},{"command":"FLY"},{"command":"SEND_NAVI_POI"}]}`)
	run(t, cloud, func(r *rig) {
		for entity, payload := range map[string]string{"honk": "PRESS", "engine_start": "PRESS", "climatization": "ON", "engine_runtime": "5"} {
			if s := r.command(car+"/"+entity, payload); s["reason"] != "unsupported" {
				r.Errorf("%s: %v", entity, s)
			}
		}
		if s := r.command(car+"/lock", "LOCK"); s["status"] != "succeeded" {
			r.Errorf("%v", s)
		}
		config, _ := r.broker.Retained("homeassistant/device/volvobridge_" + strings.ToLower(car) + "/config")
		for _, id := range []string{`"honk":`, `"engine_start":`, `"climatization":`, `"engine_runtime":`} {
			if strings.Contains(config, id) {
				r.Errorf("%s is announced", id)
			}
		}
		if got := fmt.Sprint(r.document("bridge/unknown_fields/attributes")["fields"]); got != `[commands: word "FLY"]` {
			r.Errorf("unknown: %s", got)
		}
	})
}

// TestReadBackSurvivesAFailedCommand: a second LOCK that the car refuses does not
// take the confirmation of the first away.
func TestReadBackSurvivesAFailedCommand(t *testing.T) {
	cloud := ownCar(t)
	posts := 0
	cloud.Command = func(simulator.Call) simulator.Answer {
		if posts++; posts > 1 {
			return simulator.Answer{Status: 503, Body: `{"error":{"message":"SERVICE_UNAVAILABLE","description":"Not allowed, car is in use or asleep"}}`}
		}
		return simulator.Answer{Status: 200, Body: `{"data":{"invokeStatus":"COMPLETED"}}`}
	}
	run(t, cloud, func(r *rig) {
		r.command(car+"/lock", `{"value":"LOCK","id":"one"}`)
		time.Sleep(2 * time.Second)
		r.command(car+"/lock", `{"value":"LOCK","id":"two"}`)
		cloud.SetBody("doors.json", `{"data":{"centralLock":{"value":"LOCKED"}}}`)
		time.Sleep(10 * time.Second)
		synctest.Wait()
		if s := r.document(car + "/lock/status"); s["id"] != "one" || s["confirmed"] != true {
			r.Errorf("%v", s)
		}
	})
}

// TestStatusesOfBeforeComeBack: a broker that forgot gets also what an earlier
// process told.
func TestStatusesOfBeforeComeBack(t *testing.T) {
	run(t, ownCar(t), func(r *rig) {
		r.command(car+"/honk", `{"value":"PRESS","id":"before"}`)
		r.stop()
		r.broker.Stop(true)
		r.broker.Start()
		r.start()
		time.Sleep(5 * time.Second)
		synctest.Wait()
		if s := r.document(car + "/honk/status"); s["id"] != "before" || s["status"] != "succeeded" {
			r.Errorf("%v", s)
		}
	})
}

// TestGarbageBetweenTwoCommands: a repeat is of the message before, whatever it was.
func TestGarbageBetweenTwoCommands(t *testing.T) {
	cloud := ownCar(t)
	run(t, cloud, func(r *rig) {
		if s := r.command(car+"/honk", "PRESS"); s["status"] != "succeeded" {
			r.Errorf("%v", s)
		}
		r.command(car+"/honk", "garbage")
		if s := r.command(car+"/honk", "PRESS"); s["status"] != "succeeded" {
			r.Errorf("%v", s)
		}
	})
}
