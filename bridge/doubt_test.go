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

// toThisYear lets a bubble's clock, which begins in 2000, show a year in which a
// machine knows the time.
func toThisYear() { time.Sleep(time.Until(time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC))) }

// read has the bridge read a resource now.
func (r *rig) read(resource string) {
	time.Sleep(15 * time.Second) // the least interval of a resource
	r.broker.Publish(base+"/"+car+"/refresh/set", resource, false)
	time.Sleep(2 * time.Second)
	synctest.Wait()
}

// doubtRig runs f with a car whose answers it changes, in a year that knows the time.
func doubtRig(t *testing.T, f func(r *rig, cloud *simulator.Replay)) {
	cloud := ownCar(t)
	synctest.Test(t, func(t *testing.T) {
		toThisYear()
		r := newRig(t, cloud)
		r.start()
		defer func() { r.stop() }()
		time.Sleep(10 * time.Second)
		synctest.Wait()
		f(r, cloud)
	})
}

func odometerOf(km int) string {
	return fmt.Sprintf(`{"data":{"odometer":{"value":%d,"unit":"km","timestamp":%q}}}`, km, time.Now().UTC().Format(time.RFC3339))
}

// TestOdometerThatFalls: Home Assistant would count the whole of it again.
func TestOdometerThatFalls(t *testing.T) {
	doubtRig(t, func(r *rig, cloud *simulator.Replay) {
		for _, step := range []struct {
			sent int
			want float64
		}{{22345, 22345}, {0, 22345}, {22347, 22347}, {22346, 22346}, {9_000_000, 22346}, {22348, 22348}} {
			cloud.SetBody("odometer.json", odometerOf(step.sent))
			r.read("odometer")
			if got := r.document(car + "/state")["odometer"]; got != step.want {
				r.Errorf("sent %d: %v, want %v", step.sent, got, step.want)
			}
		}
		if n := r.document("bridge/state")["unknown_fields"]; n == 0.0 {
			r.Error("nothing was counted")
		}
		// A new instrument: the lower number persists, also across a restart.
		for i := range 4 {
			cloud.SetBody("odometer.json", odometerOf(100+i))
			r.read("odometer")
			if got := r.document(car + "/state")["odometer"]; got != 22348.0 {
				r.Errorf("upload %d: %v", i, got)
			}
			if i == 1 {
				r.stop()
				r.start()
				time.Sleep(5 * time.Second)
			}
		}
		time.Sleep(time.Hour)
		cloud.SetBody("odometer.json", odometerOf(110))
		r.read("odometer")
		if got := r.document(car + "/state")["odometer"]; got != 110.0 {
			r.Errorf("after an hour: %v", got)
		}
		cloud.SetBody("odometer.json", odometerOf(111))
		r.read("odometer")
		if got := r.document(car + "/state")["odometer"]; got != 111.0 {
			r.Errorf("then: %v", got)
		}
	})
}

// TestNumbersThatCannotBe are unknown, for every row with a range.
func TestNumbersThatCannotBe(t *testing.T) {
	doubtRig(t, func(r *rig, cloud *simulator.Replay) {
		at := time.Now().UTC().Format(time.RFC3339)
		cloud.SetBody("energy-state.json", fmt.Sprintf(`{"batteryChargeLevel":{"status":"OK","value":655.35,"unit":"percentage","updatedAt":%[1]q},"electricRange":{"status":"OK","value":-1,"unit":"km","updatedAt":%[1]q},`+
			`"chargingPower":{"status":"OK","value":7000,"unit":"watts","updatedAt":%[1]q}}`, at))
		cloud.SetBody("fuel.json", `{"data":{}}`)
		r.read("energy,fuel")
		d := r.document(car + "/state")
		if d["battery_charge_level"] != nil || d["electric_range"] != nil {
			r.Errorf("battery %v, range %v", d["battery_charge_level"], d["electric_range"])
		}
	})
}

// TestTimesToCome: a reading dated 2099 does not make last_update 2099; if Volvo
// goes on with it, it is this machine's clock that is wrong.
func TestTimesToCome(t *testing.T) {
	doubtRig(t, func(r *rig, cloud *simulator.Replay) {
		doors := func(day int) string {
			return fmt.Sprintf(`{"data":{"centralLock":{"value":"LOCKED","timestamp":"2099-01-%02dT00:00:00Z"},"hood":{"value":"OPEN","timestamp":"2099-01-01T00:00:00Z"}}}`, day)
		}
		cloud.SetBody("doors.json", doors(1))
		r.read("doors")
		d := r.document(car + "/state")
		if last, _ := d["last_update"].(string); strings.HasPrefix(last, "2099") || d["lock"] != "LOCKED" || d["hood"] != "ON" {
			r.Errorf("last_update %v, lock %v", last, d["lock"])
		}
		if updated, _ := d["updated"].(map[string]any)["doors"].(string); strings.HasPrefix(updated, "2099") {
			r.Errorf("updated %v", updated)
		}
		for day := range 4 {
			cloud.SetBody("doors.json", doors(day+2))
			r.read("doors")
			time.Sleep(30 * time.Minute)
		}
		if last, _ := r.document(car + "/state")["last_update"].(string); !strings.HasPrefix(last, "2099") {
			r.Errorf("it went on for hours: %v", last)
		}
	})
}

// fields are members of an answer that nobody knows.
func fields(n int) string {
	var b strings.Builder
	for i := range n {
		fmt.Fprintf(&b, `"aaa%d":{"value":"%032d"},`, i, i)
	}
	return b.String()
}

// saved are the car's files in the store.
func (r *rig) saved() (size int) {
	found, _ := filepath.Glob(filepath.Join(r.dir, "car_*"))
	for _, file := range found {
		data, err := os.ReadFile(file)
		if err != nil {
			r.Fatal(err)
		}
		size += len(data)
	}
	return size
}

// TestAFloodOfFields: what nobody knows is bounded, and what is known stays.
func TestAFloodOfFields(t *testing.T) {
	doubtRig(t, func(r *rig, cloud *simulator.Replay) {
		cloud.SetBody("doors.json", `{"data":{`+fields(15_000)+`"centralLock":{"value":"LOCKED"}}}`)
		r.read("doors")
		if d := r.document(car + "/state"); d["lock"] != "LOCKED" {
			r.Errorf("lock %v", d["lock"])
		}
		r.stop()
		if size := r.saved(); size > 200_000 {
			r.Errorf("the store's file has %d bytes", size)
		}
		if !strings.Contains(r.log.String(), "left out") {
			r.Error("nothing says so")
		}
		r.start()
	})
}

// TestLongForeignTexts: a model's name can't fill Home Assistant or hide something.
func TestLongForeignTexts(t *testing.T) {
	doubtRig(t, func(r *rig, cloud *simulator.Replay) {
		cloud.SetBody("vehicle.json", `{"data":{"modelYear":2024,"fuelType":"ELECTRIC","descriptions":{"model":"EX\u0000\n\u202e`+strings.Repeat("x", 300_000)+`"}}}`)
		r.read("vehicle")
		time.Sleep(10 * time.Second)
		message, _ := r.broker.Retained("homeassistant/device/volvobridge_" + strings.ToLower(car) + "/config")
		if len(message) > 100_000 || strings.Contains(message, `\u0000`) || strings.Contains(message, "\u202e") {
			r.Errorf("a message of %d bytes", len(message))
		}
	})
}

// TestErrorsWith200: an answer without data costs no value.
func TestErrorsWith200(t *testing.T) {
	for _, body := range []string{``, `{"error":{"message":"x"}}`, `null`} {
		doubtRig(t, func(r *rig, cloud *simulator.Replay) {
			before := r.document(car + "/state")
			for _, file := range []string{"doors.json", "vehicle.json", "energy-state.json", "location.json"} {
				cloud.SetBody(file, body)
			}
			r.read("doors,vehicle,energy,location")
			after := r.document(car + "/state")
			for _, id := range []string{"lock", "door_front_left", "model", "battery_charge_level"} {
				if before[id] == nil || after[id] != before[id] {
					r.Errorf("%q: %s was %v, is %v", body, id, before[id], after[id])
				}
			}
		})
	}
}

// TestAnAccountWithoutCars says so once, in the cloud's status and in the log.
func TestAnAccountWithoutCars(t *testing.T) {
	cloud := ownCar(t)
	cloud.SetBody("vehicles.json", `{"data":[]}`)
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, cloud)
		r.start()
		defer func() { r.stop() }()
		time.Sleep(3 * time.Hour)
		synctest.Wait()
		if s := r.document("bridge/state"); s["cloud_status"] != "no_car" {
			r.Errorf("%v", s)
		}
		attributes := r.document("bridge/cloud_status/attributes")
		if advice, _ := attributes["advice"].(string); !strings.Contains(advice, "Volvo ID") || attributes["since"] == nil {
			r.Errorf("%v", attributes)
		}
		if n := strings.Count(r.warnings(), "no_car"); n != 1 {
			r.Errorf("told %d times:\n%s", n, r.warnings())
		}
		cloud.SetBody("vehicles.json", `{"data":[{"vin":"`+car+`"}]}`)
		time.Sleep(2 * time.Hour)
		synctest.Wait()
		if s := r.document("bridge/state"); s["cloud_status"] != "ok" {
			r.Errorf("a car joined: %v", s)
		}
	})
}

// TestRefusedForWeeks: an API that Volvo refuses for good is named, once, and its
// old values are not shown for ever.
func TestRefusedForWeeks(t *testing.T) {
	doubtRig(t, func(r *rig, cloud *simulator.Replay) {
		if r.document(car + "/state")["battery_charge_level"] == nil || r.document(car + "/location")["latitude"] == nil {
			r.Fatal("nothing to grow old")
		}
		for _, path := range []string{"GET /energy/v2/vehicles/*/state", "GET /location/v1/vehicles/*/location", "GET /connected-vehicle/v2/vehicles/*/fuel"} {
			cloud.Set(path, simulator.Answer{Status: http.StatusForbidden, Body: `{"error":{"message":"FORBIDDEN","description":"Client not allowed"}}`})
		}
		time.Sleep(12 * time.Hour)
		if r.document(car + "/state")["battery_charge_level"] == nil {
			r.Error("half a day is not for good")
		}
		time.Sleep(60 * time.Hour)
		synctest.Wait()
		d := r.document(car + "/state")
		if value, there := d["battery_charge_level"]; value != nil || !there || d["lock"] == nil || d["model"] == nil {
			r.Errorf("battery %v, lock %v, model %v", value, d["lock"], d["model"])
		}
		if at := r.document(car + "/location"); at["latitude"] != nil {
			r.Error("a position of days ago")
		}
		denied := fmt.Sprint(r.document("bridge/cloud_status/attributes")["denied"])
		if !strings.Contains(denied, "energy") || !strings.Contains(denied, "location") {
			r.Errorf("denied: %s", denied)
		}
		if n := strings.Count(r.warnings(), "for good"); n != 3 {
			r.Errorf("%d warnings:\n%s", n, r.warnings())
		}
		if got, _ := r.broker.Retained(base + "/" + car + "/availability"); got != "online" {
			r.Error("the car is offline")
		}
	})
}

// TestHomeAssistantStartsAllTheTime: whoever writes to its status topic can't have
// everything published all the time.
func TestHomeAssistantStartsAllTheTime(t *testing.T) {
	run(t, ownCar(t), func(r *rig) {
		for range 2000 {
			r.broker.Publish("homeassistant/status", "online", false)
			time.Sleep(10 * time.Millisecond)
		}
		synctest.Wait()
		if n := strings.Count(r.log.String(), "home assistant started"); n < 1 || n > 2 {
			r.Errorf("published everything %d times in 20 s", n)
		}
	})
}
