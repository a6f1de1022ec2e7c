package bridge_test

import (
	"fmt"
	"net/http"
	"path/filepath"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"volvobridge/volvo/simulator"
)

// slowCommands answers every command after some time.
func slowCommands(cloud *simulator.Replay, took time.Duration) {
	cloud.Command = func(simulator.Call) simulator.Answer {
		time.Sleep(took)
		return simulator.Answer{Status: 200, Body: `{"data":{"invokeStatus":"COMPLETED"}}`}
	}
}

// posted are the commands that reached the cloud, in order.
func posted(cloud *simulator.Replay) string {
	var names []string
	for _, c := range cloud.Calls(http.MethodPost) {
		names = append(names, filepath.Base(c.Path))
	}
	return strings.Join(names, " ")
}

// send publishes a command and waits for nothing but the bridge.
func (r *rig) send(entity, payload string) {
	r.broker.Publish(base+"/"+car+"/"+entity+"/set", payload, false)
	time.Sleep(100 * time.Millisecond)
	synctest.Wait()
}

// reason is why the last command of an entity was refused.
func (r *rig) reason(entity string) any { return r.document(car + "/" + entity + "/status")["reason"] }

// TestFourWait: one POST at a time, four commands behind it in order; LOCK goes in
// front and ends a waiting UNLOCK; a newer command takes the place of an older one
// of its entity.
func TestFourWait(t *testing.T) {
	cloud := ownCar(t)
	slowCommands(cloud, 4*time.Second)
	run(t, cloud, func(r *rig) {
		r.send("honk_flash", "PRESS")
		r.send("honk", "PRESS")
		r.send("lock", "UNLOCK")
		r.send("flash", "PRESS")
		r.send("climatization", "ON")
		r.send("engine_stop", "PRESS")
		if got := r.reason("engine_stop"); got != "busy" {
			r.Errorf("the sixth: %v", got)
		}
		r.send("climatization", "OFF")
		if s := r.document(car + "/climatization/status"); s["reason"] != "replaced" || s["command"] != "climatization_start" {
			r.Errorf("the older one of the entity: %v", s)
		}
		r.send("lock", "LOCK")
		if s := r.document(car + "/lock/status"); s["reason"] != "replaced" || s["command"] != "unlock" {
			r.Errorf("the waiting unlock: %v", s)
		}
		time.Sleep(30 * time.Second)
		synctest.Wait()
		if got := posted(cloud); got != "honk-flash lock honk flash climatization-stop" {
			r.Errorf("POSTs %v", got)
		}
	})
}

// TestLockFindsAPlace: behind four others that wait, the last gives way.
func TestLockFindsAPlace(t *testing.T) {
	cloud := ownCar(t)
	slowCommands(cloud, 4*time.Second)
	run(t, cloud, func(r *rig) {
		for _, entity := range []string{"honk_flash", "honk", "flash", "engine_stop", "climatization_stop"} {
			r.send(entity, "PRESS")
		}
		r.send("lock", "LOCK")
		if got := r.reason("climatization_stop"); got != "replaced" {
			r.Errorf("the last that waited: %v", got)
		}
		time.Sleep(30 * time.Second)
		synctest.Wait()
		if got := posted(cloud); got != "honk-flash lock honk flash engine-stop" {
			r.Errorf("POSTs %v", got)
		}
	})
}

// TestWaitedTooLong: what waited longer than max_age since it arrived is stale,
// stamped or not; LOCK alone is still wanted.
func TestWaitedTooLong(t *testing.T) {
	for _, c := range []struct{ name, entity, payload, want string }{
		{"plain unlock", "lock", "UNLOCK", "flash"},
		{"plain engine start", "engine_start", "PRESS", "flash"},
		{"plain honk", "honk", "PRESS", "flash"},
		{"reduced guard", "lock_reduced_guard", "PRESS", "flash"},
		{"with an id", "lock", `{"value":"UNLOCK","id":"1"}`, "flash"},
		{"stamped with a time to come", "lock", `{"value":"UNLOCK","at":"NOW"}`, "flash"},
		{"lock", "lock", "LOCK", "flash lock"},
	} {
		t.Run(c.name, func(t *testing.T) {
			cloud := ownCar(t)
			slowCommands(cloud, 75*time.Second)
			run(t, cloud, func(r *rig) {
				r.send("flash", "PRESS")
				r.send(c.entity, strings.ReplaceAll(c.payload, "NOW", time.Now().Add(4*time.Second).UTC().Format(time.RFC3339)))
				time.Sleep(4 * time.Minute)
				synctest.Wait()
				if got := posted(cloud); got != c.want {
					r.Errorf("POSTs %q", got)
				}
				if c.entity != "lock" || c.payload != "LOCK" {
					if got := r.reason(c.entity); got != "stale" {
						r.Errorf("%v", got)
					}
				}
			})
		})
	}
}

// TestStampedWithoutID: the same bytes never run twice, whatever came between
// them, as long as they are young enough to be run; also across a restart.
func TestStampedWithoutID(t *testing.T) {
	for _, maxAge := range []time.Duration{30 * time.Second, time.Hour} {
		t.Run(maxAge.String(), func(t *testing.T) {
			cloud := ownCar(t)
			synctest.Test(t, func(t *testing.T) {
				r := newRig(t, cloud)
				r.opts.Commands.MaxAge = maxAge
				r.start()
				defer func() { r.stop() }()
				time.Sleep(10 * time.Second)
				unlock := fmt.Sprintf(`{"value":"UNLOCK","at":%d}`, time.Now().Unix())
				if s := r.command(car+"/lock", unlock); s["status"] != "succeeded" {
					r.Errorf("the first: %v", s)
				}
				time.Sleep(6 * time.Second)
				if s := r.command(car+"/lock", unlock); s["reason"] != "duplicate" {
					r.Errorf("at 7 s: %v", s)
				}
				r.command(car+"/lock", "LOCK")
				if s := r.command(car+"/lock", unlock); s["reason"] != "duplicate" {
					r.Errorf("after a LOCK: %v", s)
				}
				r.crash()()
				if s := r.command(car+"/lock", unlock); s["reason"] != "duplicate" {
					r.Errorf("after a crash: %v", s)
				}
				time.Sleep(maxAge / 2)
				if s := r.command(car+"/lock", unlock); s["status"] != "refused" {
					r.Errorf("later: %v", s)
				}
				// Another moment is another command.
				if s := r.command(car+"/lock", fmt.Sprintf(`{"value":"UNLOCK","at":%d}`, time.Now().Unix())); s["status"] != "succeeded" {
					r.Errorf("another: %v", s)
				}
				if got := posted(cloud); got != "unlock lock unlock" {
					r.Errorf("POSTs %q", got)
				}
			})
		})
	}
}

// TestAnIDOutlivesMaxAge: an id is remembered as long as its message could be run.
func TestAnIDOutlivesMaxAge(t *testing.T) {
	cloud := ownCar(t)
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, cloud)
		r.opts.Commands.MaxAge = time.Hour
		r.start()
		defer func() { r.stop() }()
		time.Sleep(10 * time.Second)
		honk := fmt.Sprintf(`{"value":"PRESS","id":"x","at":%d}`, time.Now().Unix())
		r.command(car+"/honk", honk)
		time.Sleep(40 * time.Minute)
		if s := r.command(car+"/honk", honk); s["reason"] != "duplicate" {
			r.Errorf("%v", s)
		}
	})
}

// TestOddPayloads: what is not exactly a command is refused, and the answer says
// what is wrong with it.
func TestOddPayloads(t *testing.T) {
	cloud := ownCar(t)
	run(t, cloud, func(r *rig) {
		for payload, says := range map[string]string{
			"{\"value\":\"LOCK\",\"id\":\"\xff\"}": "UTF-8", "LOCK\xff": "UTF-8", `{"value":"LOCK","id":"\ud800"}`: "id",
			"LOCK\n": "invisible", "LOCK\r\n": "invisible", " LOCK": "invisible", "LOCK\u200b": "invisible", "\ufeffLOCK": "invisible", "LOCK\x00": "invisible",
			`{"value":"LOCK\n"}`: "invisible", strings.Repeat("x", 10<<20): "longer than",
		} {
			s := r.command(car+"/lock", payload)
			if advice, _ := s["advice"].(string); s["reason"] != "invalid" || !strings.Contains(advice, says) {
				r.Errorf("%.40q: %v", payload, s)
			}
			time.Sleep(6 * time.Second)
		}
		if got := posted(cloud); got != "" {
			r.Errorf("POSTs %q", got)
		}
		// As Home Assistant's {{ now() }} prints it.
		at := time.Now().In(time.FixedZone("", 7200)).Format("2006-01-02 15:04:05.000000-07:00")
		if s := r.command(car+"/lock", `{"value":"UNLOCK","at":"`+at+`"}`); s["status"] != "succeeded" {
			r.Errorf("%s: %v", at, s)
		}
	})
}
