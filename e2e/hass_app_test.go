package e2e

import (
	"cmp"
	"os"
	"os/exec"
	"strconv"
	"testing"
	"time"

	"volvobridge/volvo/simulator"
)

// TestIngressInCore: a person installs the app, fills in three fields, opens its
// page in a real Home Assistant and pastes the end of the login; the cars are there within
// a minute. The Supervisor alone is not real: it runs on Home Assistant OS only.
func TestIngressInCore(t *testing.T) {
	address, start := os.Getenv("E2E_HASS_SUPERVISOR"), os.Getenv("E2E_HASS_START")
	if address == "" || start == "" {
		t.Skip("no Home Assistant with a Supervisor in front: .ci/hass VERSION Ingress starts one")
	}
	port, err := strconv.Atoi(cmp.Or(os.Getenv("E2E_HASS_MQTT"), "1883"))
	if err != nil {
		t.Fatal(err)
	}
	user, password := os.Getenv("E2E_HASS_USER"), os.Getenv("E2E_HASS_PASSWORD")
	mosquittoOn(t, port, user, password)
	s := newSupervisorOn(t, address)
	s.provides(port, user, password, false)
	cloud := serve(t, simulator.New(simulator.Options{PerMinute: -1, CommandsPerMinute: -1, PerDay: -1}))
	if out, err := exec.Command("sh", "-c", start).CombinedOutput(); err != nil {
		t.Fatalf("Home Assistant does not start: %v\n%s", err, out)
	}
	h := newHass(t)
	s.home = h.url

	began := time.Now()
	p := s.run(appHome(t, threeFields+`,"vehicles":[{"vin":"YV1XZBEV000000001","name":"EX30"}]}`), cloud)
	s.awaits("/", "A login at Volvo is needed.")
	s.logIn()
	eventually(t, time.Minute, "the first car's entities", func() bool {
		states := h.states()
		return states["sensor.ex30_battery"]["state"] != nil && states["sensor.ex30_battery"]["state"] != "unknown" && states["lock.ex30_lock"]["state"] != nil
	})
	took := time.Since(began)
	t.Logf("from the start of the app to the first car: %v", took.Round(100*time.Millisecond))
	if took > time.Minute {
		t.Errorf("it took %v", took)
	}
	if n := s.crawl(cloud); n < 15 {
		t.Errorf("only %d addresses", n)
	}
	if file := os.Getenv("E2E_HASS_PICTURE"); file != "" {
		// The Supervisor tells Home Assistant of a page to be shown in the sidebar.
		if _, err := h.rest("POST", "/api/hassio_push/panel/local_volvobridge", nil); err != nil {
			t.Error(err)
		}
		if out, err := exec.Command("sh", "-c", os.Getenv("E2E_HASS_SCREENSHOT")+" /app/local_volvobridge "+file+" --width 1280 --height 1000").CombinedOutput(); err != nil {
			t.Errorf("%v %s", err, out)
		}
	}
	p.terminate()
}
