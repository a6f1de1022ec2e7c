package bridge_test

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"volvobridge/bridge"
	"volvobridge/bridge/account"
	"volvobridge/bridge/store"
	"volvobridge/volvo"
)

// leftovers are the retained topics that a forgotten car still has.
func leftovers(r *rig, slug, vin string) []string {
	var left []string
	for topic := range r.broker.RetainedAll() {
		if strings.HasPrefix(topic, base+"/"+slug+"/") || strings.Contains(topic, strings.ToLower(vin)) {
			left = append(left, topic)
		}
	}
	return left
}

func TestForget(t *testing.T) {
	cloud := ownCar(t)
	run(t, cloud, func(r *rig) {
		vin := ownVIN
		r.command(vin+"/lock", "LOCK")
		time.Sleep(time.Minute)
		if _, err := r.bridge.Forget(r.Context(), "nobody"); err == nil || !strings.Contains(err.Error(), "known are "+vin) {
			r.Errorf("%v", err)
		}
		f, err := r.bridge.Forget(r.Context(), strings.ToLower(vin))
		if err != nil || f.Car != vin || !f.Back {
			r.Fatalf("%+v %v", f, err)
		}
		time.Sleep(5 * time.Minute)
		if left := leftovers(r, vin, vin); len(left) > 0 {
			r.Errorf("left: %v", left)
		}
		if files, _ := filepath.Glob(filepath.Join(r.dir, "*"+strings.ToLower(vin)+"*")); len(files) > 0 {
			r.Errorf("left: %v", files)
		}
		if r.document("bridge/state")["cloud_status"] != "ok" {
			r.Error("the bridge suffers")
		}
	})
}

// TestForgetAlone: a car that is no longer configured, without a running bridge.
func TestForgetAlone(t *testing.T) {
	cloud := ownCar(t)
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, cloud)
		r.start()
		time.Sleep(time.Minute)
		vin := ownVIN
		r.stop()
		st, err := store.Open(r.dir)
		if err != nil {
			t.Fatal(err)
		}
		r.opts.Store = st
		f, err := bridge.ForgetAlone(t.Context(), r.opts, vin)
		if err != nil || f.Back || f.Car != vin {
			t.Errorf("%+v %v", f, err)
		}
		if err := st.Close(); err != nil {
			t.Fatal(err)
		}
		if left := leftovers(r, vin, vin); len(left) > 0 {
			t.Errorf("left: %v", left)
		}
		r.broker.Stop(false)
		if st, err = store.Open(r.dir); err != nil {
			t.Fatal(err)
		}
		defer st.Close()
		r.opts.Store = st
		if _, err := bridge.ForgetAlone(t.Context(), r.opts, vin); err == nil || !strings.Contains(err.Error(), "nothing was removed") {
			t.Errorf("without a broker: %v", err)
		}
	})
}

func components(r *rig, topic string) map[string]map[string]any {
	r.Helper()
	text, ok := r.broker.Retained(topic)
	var m struct {
		Components map[string]map[string]any `json:"components"`
	}
	if !ok || json.Unmarshal([]byte(text), &m) != nil {
		r.Fatalf("%s: %q", topic, text)
	}
	return m.Components
}

// TestTombstones: what is no longer there is removed, and stays removed.
func TestTombstones(t *testing.T) {
	cloud := ownCar(t)
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, cloud)
		r.start()
		time.Sleep(time.Minute)
		topic := "homeassistant/device/volvobridge_" + strings.ToLower(ownVIN) + "/config"
		if k := components(r, topic)["honk"]; k["unique_id"] == nil {
			t.Fatalf("honk: %v", k)
		}
		r.stop()
		r.opts.Commands.Allow = []volvo.Command{volvo.Lock}
		for range 2 {
			r.start()
			time.Sleep(time.Minute)
			if k := components(r, topic)["honk"]; len(k) != 1 || k["platform"] != "button" {
				t.Errorf("not removed: %v", k)
			}
			r.stop()
		}
		// An entity of an earlier release.
		files, _ := filepath.Glob(filepath.Join(r.dir, "car_*.json"))
		data, err := os.ReadFile(files[0])
		if err != nil {
			t.Fatal(err)
		}
		old := strings.Replace(string(data), `"told":{`, `"told":{"old_sensor":"sensor",`, 1)
		if err := os.WriteFile(files[0], []byte(old), 0o600); err != nil {
			t.Fatal(err)
		}
		r.start()
		defer func() { r.stop() }()
		time.Sleep(time.Minute)
		if k := components(r, topic)["old_sensor"]; len(k) != 1 || k["platform"] != "sensor" {
			t.Errorf("the entity of an earlier release: %v", k)
		}
	})
}

// TestDeletedDevice: one that a user deletes comes back, once.
func TestDeletedDevice(t *testing.T) {
	cloud := ownCar(t)
	run(t, cloud, func(r *rig) {
		time.Sleep(time.Minute)
		for _, topic := range []string{"homeassistant/device/volvobridge_" + strings.ToLower(ownVIN) + "/config", "homeassistant/device/volvobridge_test/config"} {
			before, _ := r.broker.Retained(topic)
			r.broker.Reset()
			for range 60 { // one for each entity
				r.broker.Publish(topic, "", true)
			}
			time.Sleep(time.Minute)
			announced := 0
			for _, m := range r.broker.Log() {
				if m.Topic == topic {
					announced++
				}
			}
			if after, _ := r.broker.Retained(topic); after != before || announced != 1 {
				t.Errorf("%s: announced %d times, the same: %v", topic, announced, after == before)
			}
		}
	})
}

// TestRename: the old topics go, the unique ids and the entity ids stay.
func TestRename(t *testing.T) {
	cloud := ownCar(t)
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, cloud)
		r.start()
		time.Sleep(time.Minute)
		vin := ownVIN
		topic := "homeassistant/device/volvobridge_" + strings.ToLower(vin) + "/config"
		id := components(r, topic)["lock"]["unique_id"]
		r.stop()
		r.opts.Accounts[0].Vehicles = []account.Vehicle{{VIN: vin, Name: "Family Car"}}
		r.start()
		defer func() { r.stop() }()
		time.Sleep(time.Minute)
		for topic := range r.broker.RetainedAll() {
			if strings.HasPrefix(topic, base+"/"+vin+"/") {
				t.Errorf("left: %s", topic)
			}
		}
		k := components(r, topic)["lock"]
		if k["unique_id"] != id || k["state_topic"] != base+"/family_car/state" || k["default_entity_id"] != "lock.volvo_v60_lock" { // Home Assistant keeps its own, too
			t.Errorf("%v", k)
		}
	})
}

// locks are the entity ids of the cars' locks as announced, and the names of the devices.
func (r *rig) locks(cars []account.Vehicle) (ids []string, names map[string]bool) {
	r.Helper()
	names = map[string]bool{}
	for _, v := range cars {
		message, _ := r.broker.Retained("homeassistant/device/volvobridge_" + strings.ToLower(v.VIN) + "/config")
		var m struct {
			Device     struct{ Name string }
			Components map[string]struct {
				ID string `json:"default_entity_id"`
			}
		}
		if err := json.Unmarshal([]byte(message), &m); err != nil {
			r.Fatal(err)
		}
		ids = append(ids, m.Components["lock"].ID)
		names[m.Device.Name] = true
	}
	return ids, names
}

// TestCarsOfOneName: two of a model, one called as the other by default, a name in
// decomposed Unicode: each has ids and a device name of its own, for good.
func TestCarsOfOneName(t *testing.T) {
	for _, c := range []struct {
		name string
		cars []account.Vehicle
		want []string
	}{
		{"two without names", []account.Vehicle{{VIN: "YV1AA000000001111"}, {VIN: "YV1AA000000002222"}}, []string{"lock.volvo_v60_lock", "lock.volvo_v60_2222_lock"}},
		{"the same end", []account.Vehicle{{VIN: "YV1AA000000012222"}, {VIN: "YV1AA000000022222"}, {VIN: "YV1AA000000032222"}}, []string{"lock.volvo_v60_lock", "lock.volvo_v60_2222_lock", "lock.volvo_v60_32222_lock"}},
		{"named as the other's default", []account.Vehicle{{VIN: "YV1AA000000001111", Name: "Volvo V60"}, {VIN: "YV1AA000000002222"}}, []string{"lock.volvo_v60_lock", "lock.volvo_v60_2222_lock"}},
		{"decomposed", []account.Vehicle{{VIN: "YV1AA000000001111", Name: "U\u0308bermut"}}, []string{"lock.ubermut_lock"}},
		{"nothing to spell", []account.Vehicle{{VIN: "YV1AA000000001111", Name: "🚗"}, {VIN: "YV1AA000000002222", Name: "🚙"}}, []string{"lock.volvo_v60_1111_lock", "lock.volvo_v60_2222_lock"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				r := newRig(t, ownCar(t), c.cars...)
				r.start()
				defer func() { r.stop() }()
				before := ""
				for range 2 { // also after a restart
					time.Sleep(time.Minute)
					got, names := r.locks(c.cars)
					views, err := r.bridge.Views(t.Context())
					if err != nil || len(views) != len(got) || views[len(views)-1].Entities["lock"] != got[len(got)-1] {
						t.Errorf("views: %v", err)
					}
					if len(names) != len(c.cars) || before != "" && before != fmt.Sprint(got) {
						t.Errorf("names %v; %v, before the restart %s", names, got, before)
					}
					before = fmt.Sprint(got)
					// Of cars without names whoever answers first keeps the plain one.
					want := slices.Clone(c.want)
					if c.cars[0].Name == "" {
						slices.Sort(got)
						slices.Sort(want)
						for i := range got {
							got[i], want[i] = got[i][:len("lock.volvo_v60_")], want[i][:len("lock.volvo_v60_")]
						}
					}
					if fmt.Sprint(got) != fmt.Sprint(want) {
						t.Errorf("%v, want %v", got, want)
					}
					r.stop()
					r.start()
				}
			})
		})
	}
}
