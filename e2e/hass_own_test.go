package e2e

import (
	"fmt"
	"net"
	"net/http"
	"os"
	"strings"
	"testing"
	"time"
)

// TestOwnIntegration: the same car also in Home Assistant's own integration. Each
// keeps its device and its entities, neither complains, and when the other goes
// ours stays as it is. (.ci/hass 2026.11.0 OwnIntegration)
func TestOwnIntegration(t *testing.T) {
	address := os.Getenv("E2E_OWN_CLOUD")
	if address == "" {
		t.Skip("no Home Assistant whose own integration was shown to the simulated cloud: .ci/hass RELEASE OwnIntegration")
	}
	h := newHass(t)
	w := newWorld(t, h)
	listener, err := net.Listen("tcp", address)
	if err != nil {
		t.Fatal(err)
	}
	server := &http.Server{Handler: w.cloud, ReadHeaderTimeout: 5 * time.Second}
	go func() { _ = server.Serve(listener) }() // ends with the test
	defer server.Close()
	own := func() object {
		for _, e := range h.must(h.rest(http.MethodGet, "/api/config/config_entries/entry?domain=volvo", nil)).([]any) {
			return e.(object)
		}
		return object{}
	}
	w.agree("ours alone", 30*time.Second)
	entry := fmt.Sprint(own()["entry_id"])
	h.problems() // it was started before its cloud
	h.must(h.rest(http.MethodPost, "/api/config/config_entries/entry/"+entry+"/reload", object{}))
	eventually(t, 60*time.Second, "the own integration", func() bool { return own()["state"] == "loaded" })
	w.agree("both", 30*time.Second)
	vin := strings.ToLower(w.vins["xc40"])
	dashboards := map[string]string{} // what somebody's are made of: entity id to state
	devices, entities, shared := w.registered(vin, dashboards)
	t.Logf("entities %v, devices %v", entities, devices)
	if entities["volvo"] < 50 || devices["volvo"] < 1 || shared > 0 {
		t.Errorf("entities %v, devices %v, shared %d", entities, devices, shared)
	}
	h.must(h.rest(http.MethodDelete, "/api/config/config_entries/entry/"+entry, nil))
	w.agree("the own integration was removed", 30*time.Second)
	w.quiet("beside the own integration")
	w.moved(dashboards)
	for _, line := range w.problems() {
		// This Home Assistant knew the car by our other name before, so its recorder
		// has two histories; that of somebody who moves has one.
		if !strings.Contains(line, "Cannot migrate history for entity_id `") {
			t.Errorf("after the move, in Home Assistant's log: %.600s", line)
		}
	}
}

// registered counts devices and entities of both integrations, and devices that both
// claim; it notes the entity ids of the own one with their states.
func (w *world) registered(vin string, dashboards map[string]string) (devices, entities map[string]int, shared int) {
	w.Helper()
	devices, entities = map[string]int{}, map[string]int{}
	for _, e := range w.ask("config/entity_registry/list", nil).([]any) {
		row := e.(object)
		if platform := fmt.Sprint(row["platform"]); platform == "mqtt" || platform == "volvo" {
			entities[platform]++
			if platform == "volvo" {
				id := fmt.Sprint(row["entity_id"])
				dashboards[id] = w.state(id)
			}
			if platform == "volvo" && !strings.HasPrefix(strings.ToLower(fmt.Sprint(row["unique_id"])), vin) {
				w.Errorf("the other one calls an entity %v", row["unique_id"])
			}
		}
	}
	for _, d := range w.ask("config/device_registry/list", nil).([]any) {
		of := map[string]bool{}
		for _, id := range d.(object)["identifiers"].([]any) {
			of[fmt.Sprint(id.([]any)[0])] = true
		}
		for platform := range of {
			devices[platform]++
		}
		if of["mqtt"] && of["volvo"] {
			shared++
		}
	}
	return devices, entities, shared
}

// moved: without a name of its own, the car gets every entity id that the own
// integration had, but of those that never had a value (which that one shows as
// unknown, or as a power of 0).
func (w *world) moved(dashboards map[string]string) {
	w.Helper()
	if out, err := runProgramIn(w.dir, binary, "forget", "xc40"); err != nil {
		w.Fatalf("%v %s", err, out)
	}
	w.stop()
	w.config = strings.Replace(w.config, ", name: XC40}", "}", 1)
	w.vins[w.vins["xc40"]] = w.vins["xc40"]
	delete(w.vins, "xc40")
	w.start()
	w.agree("the car has its old name", 60*time.Second)
	ours := map[string]bool{}
	for _, row := range w.entities() {
		ours[fmt.Sprint(row["entity_id"])] = true
	}
	taken := 0
	for id, state := range dashboards {
		switch {
		case ours[id]:
			taken++
		case state != "unknown" && !strings.HasSuffix(id, "_charging_power"):
			w.Errorf("%s is gone, it was %s", id, state)
		}
	}
	w.Logf("%d of %d entity ids of the own integration", taken, len(dashboards))
}
