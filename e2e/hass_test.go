package e2e

import (
	"cmp"
	"encoding/json"
	"fmt"
	"maps"
	"math"
	"os"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	paho "github.com/eclipse/paho.mqtt.golang"

	"volvobridge/volvo"
	"volvobridge/volvo/simulator"
)

// The cars of the suite.
var hassCars = map[simulator.Kind]string{simulator.BEV: "XC40", simulator.PHEV: "XC60", simulator.Petrol: "XC90"}

// world is a Home Assistant with a broker, a bridge and a cloud.
type world struct {
	*hass
	root   testing.TB // of all steps
	broker *mosquitto
	cloud  *simulator.Cloud
	url    string
	o      *observer
	bridge *process
	dir    string
	config string
	vins   map[string]string // by slug
	took   map[string]time.Duration
}

const commandsOfAll = `commands: {allow: [lock, lock_reduced_guard, honk, flash, honk_flash, climatization_start, climatization_stop, unlock, engine_start, engine_stop], per_minute: 1000}
`

// newWorld starts everything and logs in.
func newWorld(t *testing.T, h *hass) *world {
	w := &world{hass: h, root: t, dir: t.TempDir(), vins: map[string]string{}, took: map[string]time.Duration{}}
	port, err := strconv.Atoi(cmp.Or(os.Getenv("E2E_HASS_MQTT"), "1883"))
	if err != nil {
		t.Fatal(err)
	}
	user, password := os.Getenv("E2E_HASS_USER"), os.Getenv("E2E_HASS_PASSWORD")
	w.broker = mosquittoOn(t, port, user, password)
	w.cloud = simulator.New(simulator.Options{PerMinute: -1, PerDay: -1, CommandsPerMinute: -1, Answer: 200 * time.Millisecond, Effect: 500 * time.Millisecond})
	w.url = serve(t, w.cloud)
	w.o = observe(t, w.broker.url(), func(o *paho.ClientOptions) { o.SetUsername(user).SetPassword(password) })
	w.config = oauthConfig(w.url, w.broker.url(), "https://example.com/volvo", "", commandsOfAll)
	w.config = strings.Replace(w.config, "http:\n", fmt.Sprintf("  username: %q\n  password: %q\nhttp:\n", user, password), 1)
	w.config = strings.Replace(w.config, "level: trace", "level: info", 1)
	var vehicles []string
	for i, vin := range w.cloud.VINs() {
		name := hassCars[[]simulator.Kind{simulator.BEV, simulator.PHEV, simulator.Petrol}[i]]
		w.vins[strings.ToLower(name)] = vin
		vehicles = append(vehicles, fmt.Sprintf("{vin: %s, name: %s}", vin, name))
	}
	w.config = strings.Replace(w.config, "  api_url:", "  vehicles: ["+strings.Join(vehicles, ", ")+"]\n  api_url:", 1)
	intervals := []string{}
	for _, r := range volvo.Resources() {
		intervals = append(intervals, string(r)+": 2s")
	}
	w.config += "polling: {daily_quota: 1000000000, per_minute: 1000000, min_interval: 1s, intervals: {" + strings.Join(intervals, ", ") + "}}\n"
	write(t, w.dir, w.config)
	logInOnce(t, w.dir)
	w.start()
	return w
}

// mosquittoOn starts a broker on a port, with a password if there is one.
func mosquittoOn(t testing.TB, port int, user, password string, more ...string) *mosquitto {
	t.Helper()
	lines := more
	if user != "" {
		lines = append(lines, "allow_anonymous false", "password_file "+mosquittoUsers(t, map[string]string{user: password}))
	}
	return startMosquittoOn(t, port, lines...)
}

func (w *world) start() {
	w.Helper()
	w.bridge = startBridge(w.root, w.dir, w.config) // it outlives the step that starts it
	w.bridge.TB = w.TB
}

func (w *world) stop() {
	w.Helper()
	if code, _ := w.bridge.terminate(); code != 0 {
		w.Fatalf("the bridge ended with %d:\n%s", code, w.bridge.out)
	}
}

func (w *world) document(slug string) object { return w.o.document("volvo/" + slug + "/state") }

// device is a discovery message.
type device struct {
	Device     struct{ Name string }
	Components map[string]object
}

func (w *world) announced(id string) device {
	var d device
	_ = json.Unmarshal([]byte(w.o.get("homeassistant/device/volvobridge_"+id+"/config")), &d) // empty until there is one
	maps.DeleteFunc(d.Components, func(_ string, k object) bool { return k["unique_id"] == nil })
	return d
}

// all are the ids in discovery of the cars, and the bridge's.
func (w *world) all() []string {
	ids := []string{"volvobridge"}
	for _, vin := range w.vins {
		ids = append(ids, strings.ToLower(vin))
	}
	slices.Sort(ids)
	return ids
}

// differences compares what was announced and published with what Home Assistant
// has. It returns what differs, and how many entities it looked at.
func (w *world) differences() ([]string, int) {
	rows, states, devices := w.entities(), w.states(), w.devices()
	var wrong []string
	bad := func(format string, args ...any) { wrong = append(wrong, fmt.Sprintf(format, args...)) }
	looked := 0
	expected := map[string]bool{}
	for _, id := range w.all() {
		d := w.announced(id)
		if len(d.Components) == 0 {
			bad("%s was not announced", id)
			continue
		}
		slug := ""
		for s, vin := range w.vins {
			if strings.EqualFold(vin, id) {
				slug = s
			}
		}
		document := w.o.document("volvo/" + cmp.Or(slug, "bridge") + "/state")
		hassDevice := devices["volvobridge_"+id]
		if hassDevice == nil {
			bad("there is no device %s", id)
			continue
		}
		if slug != "" && hassDevice["via_device_id"] != devices["volvobridge_volvobridge"]["id"] {
			bad("%s does not hang on the bridge", slug)
		}
		for key, k := range d.Components {
			looked++
			unique := k["unique_id"].(string)
			expected[unique] = true
			row := rows[unique]
			if row == nil {
				bad("%s %s is missing", id, key)
				continue
			}
			entity := row["entity_id"].(string)
			if entity != k["default_entity_id"] || row["device_id"] != hassDevice["id"] || fmt.Sprint(row["entity_category"]) != fmt.Sprint(k["entity_category"]) {
				bad("%s: %v, %v of %v", entity, k["default_entity_id"], row["entity_category"], k["entity_category"])
			}
			if state := states[entity]; state == nil {
				bad("%s has no state", entity)
			} else if why := w.differs(slug, key, k, state, document, d.Device.Name); why != "" {
				bad("%s: %s", entity, why)
			}
		}
	}
	for unique, row := range rows {
		if !expected[unique] {
			bad("%v is there and was not announced", row["entity_id"])
		}
	}
	slices.Sort(wrong)
	return wrong, looked
}

// differs compares one entity.
func (w *world) differs(slug, key string, k, state, document object, device string) string {
	attributes := state["attributes"].(object)
	for ours, theirs := range map[string]string{"unit_of_measurement": "", "device_class": "", "state_class": "", "options": "", "icon": "", "event_types": "", "code_format": "", "min": "", "max": "", "step": "", "mode": ""} {
		theirs = cmp.Or(theirs, ours)
		want, has := k[ours]
		if !has && (ours == "device_class" || ours == "icon" || ours == "unit_of_measurement" || ours == "state_class" || ours == "options") && attributes[theirs] != nil {
			return fmt.Sprintf("%s is %v, nobody said so", theirs, attributes[theirs])
		}
		if has && fmt.Sprint(attributes[theirs]) != fmt.Sprint(want) {
			return fmt.Sprintf("%s is %v, not %v", theirs, attributes[theirs], want)
		}
	}
	if name := device + " " + k["name"].(string); attributes["friendly_name"] != name {
		return fmt.Sprintf("its name is %v, not %s", attributes["friendly_name"], name)
	}
	is := state["state"].(string)
	switch k["platform"] {
	case "button", "image", "event": // the time of the last press, picture, event
		if is == "unavailable" {
			return "it is unavailable"
		}
		return ""
	case "text":
		if is != "unknown" && is != "" {
			return "it shows " + is
		}
		return ""
	case "device_tracker":
		spot := w.o.document("volvo/" + slug + "/location")
		if attributes["latitude"] != spot["latitude"] || attributes["longitude"] != spot["longitude"] {
			return "it is somewhere else"
		}
		return ""
	}
	if key == "connection" {
		return sameState("ON", is)
	}
	value, has := document[key]
	if !has {
		return "it is not in the document"
	}
	return sameState(value, is)
}

// sameState compares a value of the document with a state; empty: the same.
func sameState(value any, is string) string {
	no := fmt.Sprintf("its state is %s, the document says %v", is, value)
	switch v := value.(type) {
	case nil:
		if is == "unknown" {
			return ""
		}
	case float64:
		if f, err := strconv.ParseFloat(is, 64); err == nil && math.Abs(f-v) < 1e-6 {
			return ""
		}
	case string:
		want, wantErr := time.Parse(time.RFC3339, v)
		got, gotErr := time.Parse(time.RFC3339, is)
		if v == is || strings.ToLower(v) == is || wantErr == nil && gotErr == nil && want.Equal(got) {
			return ""
		}
	}
	return no
}

// agree waits until Home Assistant has all of what the bridge says.
func (w *world) agree(when string, limit time.Duration) {
	w.Helper()
	started := time.Now()
	var wrong []string
	var looked int
	for time.Since(started) < limit {
		if wrong, looked = w.differences(); len(wrong) == 0 {
			w.took[when] = time.Since(started)
			counted.entities = max(counted.entities, looked)
			w.Logf("%s: %d entities as they should be after %v", when, looked, w.took[when].Round(100*time.Millisecond))
			return
		}
		time.Sleep(100 * time.Millisecond)
	}
	w.Errorf("%s: not within %v:\n%s", when, limit, strings.Join(wrong[:min(len(wrong), 25)], "\n"))
}

// TestHomeAssistant is the whole life with a real Home Assistant.
func TestHomeAssistant(t *testing.T) {
	h := newHass(t)
	started := time.Now()
	w := newWorld(t, h)
	only := regexp.MustCompile(os.Getenv("E2E_HASS_STEPS"))
	step := func(name string, f func(t *testing.T)) {
		if !only.MatchString(name) && name != "first discovery" {
			return
		}
		ok := t.Run(name, func(t *testing.T) {
			w.TB, h.TB, w.o.TB, w.bridge.TB, w.broker.TB = t, t, t, t, t
			f(t)
			w.quiet(name)
		})
		w.TB, h.TB, w.o.TB, w.bridge.TB, w.broker.TB = t, t, t, t, t
		if !ok && os.Getenv("E2E_HASS_STOP") != "" {
			t.FailNow()
		}
	}
	step("first discovery", w.firstDiscovery)
	step("every value changes", w.valuesChange)
	step("trouble", w.trouble)
	step("restarts", w.restarts)
	step("commands", w.commands)
	step("assist", w.assist)
	step("voice", w.voice)
	step("blueprints", w.blueprints)
	step("dashboard", w.dashboard)
	step("statistics", w.statistics)
	step("life cycle", w.lifeCycle)
	step("links", w.links)
	t.Logf("%s: %d entities checked, %d sentences answered, %d lines in the log, %v",
		os.Getenv("E2E_HASS_VERSION"), counted.entities, counted.sentences, counted.lines, time.Since(started).Round(time.Second))
}

var tableRow = regexp.MustCompile("(?m)^\\| `([a-z_]+)` \\| ([a-z_]+) \\| ([^|]+?) \\|")

// firstDiscovery: all there, and every row of the README's table on some car.
func (w *world) firstDiscovery(t *testing.T) {
	w.agree("first discovery", 60*time.Second)
}

// everyRow: every row of the README's table is an entity of some car by now.
func (w *world) everyRow(t *testing.T) {
	readme, err := os.ReadFile("../docs/entities.md")
	if err != nil {
		t.Fatal(err)
	}
	_, table, _ := strings.Cut(string(readme), "<!-- entities -->")
	table, _, _ = strings.Cut(table, "<!-- end -->")
	have := map[string]bool{}
	for _, vin := range w.vins {
		for key, k := range w.announced(strings.ToLower(vin)).Components {
			have[key+" "+k["platform"].(string)] = true
		}
	}
	rows := tableRow.FindAllStringSubmatch(table, -1)
	for _, row := range rows {
		if !have[row[1]+" "+row[2]] {
			t.Errorf("no car has %s", row[1])
		}
	}
	if len(rows) < 90 {
		t.Errorf("only %d rows in the table", len(rows))
	}
}

// everyCar changes all of them.
func (w *world) everyCar(change func(c *simulator.Car)) {
	for _, vin := range w.vins {
		w.cloud.Car(vin, change)
	}
}

func (w *world) settle() { time.Sleep(5 * time.Second) }

// valuesChange: null everywhere, words that nobody knows, and back.
func (w *world) valuesChange(t *testing.T) {
	for _, kind := range []string{"null", "strange"} {
		if err := w.cloud.Switch(simulator.Fault{Match: "GET", Kind: kind}); err != nil {
			t.Fatal(err)
		}
		eventually(t, 20*time.Second, kind+" arrives", func() bool { return w.document("xc40")["lock"] == nil && w.document("xc40")["tailgate"] == nil })
		w.settle()
		w.agree(kind+" everywhere", 20*time.Second)
		w.cloud.Mend()
		eventually(t, 20*time.Second, "values again", func() bool { return w.document("xc40")["lock"] != nil && w.document("xc40")["odometer"] != nil })
	}
	w.warningsOn(t)
	w.everyCar(func(c *simulator.Car) { c.Asleep = true })
	w.settle()
	w.agree("asleep", 20*time.Second)
	w.everyCar(func(c *simulator.Car) { c.Asleep = false })
	w.everyRow(t)
}

// warningsOn: every lamp and fluid.
func (w *world) warningsOn(t *testing.T) {
	for path, body := range warningBodies {
		if path == "/statistics" || path == "/state" { // what only a hybrid has all of
			path += " " + w.vins["xc60"]
		}
		if err := w.cloud.Switch(simulator.Fault{Match: "GET " + path, Status: 200, Body: body}); err != nil {
			t.Fatal(err)
		}
	}
	eventually(t, 20*time.Second, "warnings", func() bool {
		d := w.document("xc40")
		return d["any_warning"] == "ON" && d["hazard_lights_warning"] == "ON" && d["tire_front_left"] == "ON" && d["brake_fluid_level_warning"] == "ON" &&
			w.document("xc60")["charging_power"] != nil && w.document("xc60")["average_speed_automatic"] != nil
	})
	w.agree("all warnings on", 20*time.Second)
	if list, ok := w.attribute("binary_sensor.xc40_any_warning", "warnings").([]any); !ok || len(list) < 30 {
		t.Errorf("any_warning lists %v", list)
	}
	w.cloud.Mend()
	eventually(t, 20*time.Second, "no warnings", func() bool { return w.document("xc40")["any_warning"] == "OFF" })
}

// warningBodies are the answers of a car that has everything.
var warningBodies = func() map[string]string {
	item := func(word string, names ...string) string {
		fields := map[string]any{}
		for _, n := range names {
			fields[n] = map[string]any{"value": word, "timestamp": "2026-11-23T10:00:00Z"}
		}
		data, err := json.Marshal(map[string]any{"data": fields})
		if err != nil {
			panic(err)
		}
		return string(data)
	}
	var lamps []string
	for _, l := range strings.Fields("brakeLightCenter brakeLightLeft brakeLightRight daytimeRunningLightLeft daytimeRunningLightRight fogLightFront fogLightRear hazardLights highBeamLeft highBeamRight lowBeamLeft lowBeamRight positionLightFrontLeft positionLightFrontRight positionLightRearLeft positionLightRearRight registrationPlateLight reverseLights sideMarkLights turnIndicationFrontLeft turnIndicationFrontRight turnIndicationRearLeft turnIndicationRearRight") {
		lamps = append(lamps, l+"Warning")
	}
	number := func(value float64, unit string) map[string]any {
		return map[string]any{"value": value, "unit": unit, "timestamp": "2026-11-23T10:00:00Z"}
	}
	statistics, err := json.Marshal(map[string]any{"data": map[string]any{
		"averageEnergyConsumption": number(18.2, "kWh/100km"), "averageEnergyConsumptionAutomatic": number(17.1, "kWh/100km"),
		"averageEnergyConsumptionSinceCharge": number(16.5, "kWh/100km"), "averageFuelConsumption": number(6.1, "l/100km"),
		"averageFuelConsumptionAutomatic": number(5.9, "l/100km"), "averageSpeed": number(45, "km/h"), "averageSpeedAutomatic": number(51, "km/h"),
		"tripMeterManual": number(812.4, "km"), "tripMeterAutomatic": number(12.4, "km"), "distanceToEmptyTank": number(420, "km"), "distanceToEmptyBattery": number(38, "km")}})
	if err != nil {
		panic(err)
	}
	return map[string]string{
		"/statistics": string(statistics),
		"/diagnostics": `{"data":{"serviceWarning":{"value":"DISTANCE_DRIVEN_OVERDUE_FOR_SERVICE","timestamp":"2026-11-23T10:00:00Z"},"serviceTrigger":{"value":"DISTANCE","timestamp":"2026-11-23T10:00:00Z"},
			"washerFluidLevelWarning":{"value":"TOO_LOW","timestamp":"2026-11-23T10:00:00Z"},"distanceToService":{"value":0,"unit":"km","timestamp":"2026-11-23T10:00:00Z"},
			"timeToService":{"value":1,"unit":"months","timestamp":"2026-11-23T10:00:00Z"},"engineHoursToService":{"value":7,"unit":"h","timestamp":"2026-11-23T10:00:00Z"}}}`,
		"/state": `{"batteryChargeLevel":{"status":"OK","value":61,"unit":"percentage","updatedAt":"2026-11-23T10:00:00Z"},"electricRange":{"status":"OK","value":35,"unit":"km","updatedAt":"2026-11-23T10:00:00Z"},
			"chargerConnectionStatus":{"status":"OK","value":"CONNECTED","updatedAt":"2026-11-23T10:00:00Z"},"chargingStatus":{"status":"OK","value":"CHARGING","updatedAt":"2026-11-23T10:00:00Z"},
			"chargingType":{"status":"OK","value":"AC","updatedAt":"2026-11-23T10:00:00Z"},"chargerPowerStatus":{"status":"OK","value":"PROVIDING_POWER","updatedAt":"2026-11-23T10:00:00Z"},
			"estimatedChargingTimeToTargetBatteryChargeLevel":{"status":"OK","value":95,"unit":"minutes","updatedAt":"2026-11-23T10:00:00Z"},"chargingCurrentLimit":{"status":"OK","value":16,"unit":"ampere","updatedAt":"2026-11-23T10:00:00Z"},
			"targetBatteryChargeLevel":{"status":"OK","value":90,"unit":"percentage","updatedAt":"2026-11-23T10:00:00Z"},"chargingPower":{"status":"OK","value":3600,"unit":"watts","updatedAt":"2026-11-23T10:00:00Z"}}`,
		"/warnings": item("FAILURE", lamps...),
		"/brakes":   item("TOO_LOW", "brakeFluidLevelWarning"),
		"/tyres":    item("VERY_LOW_PRESSURE", "frontLeft", "frontRight", "rearLeft", "rearRight"),
		"/engine":   item("TOO_LOW", "oilLevelWarning", "engineCoolantLevelWarning"),
	}
}()

// trouble: an outage, and a login that Volvo ends.
func (w *world) trouble(t *testing.T) {
	if err := w.cloud.Switch(simulator.Fault{Match: "GET", Status: 500}); err != nil {
		t.Fatal(err)
	}
	eventually(t, 30*time.Second, "an outage", func() bool { return w.state("sensor.volvo_bridge_cloud_status") == "outage" })
	w.agree("outage", 20*time.Second)
	if w.attribute("sensor.volvo_bridge_cloud_status", "advice") == nil {
		t.Error("no advice")
	}
	w.cloud.Mend()
	eventually(t, 90*time.Second, "recovered", func() bool { return w.state("sensor.volvo_bridge_cloud_status") == "ok" })
	w.cloud.Revoke()
	if err := w.cloud.Switch(simulator.Fault{Match: "GET", Status: 401, Body: `{"status":401,"error":{"message":"UNAUTHORIZED"}}`}); err != nil {
		t.Fatal(err)
	}
	eventually(t, 40*time.Second, "login required", func() bool { return w.state("binary_sensor.volvo_bridge_login_required") == "on" })
	w.cloud.Mend()
	w.agree("login lost", 20*time.Second)
	// Logged in again as a person does in Home Assistant.
	if err := w.call("button.press", "button.volvo_bridge_login_start", nil); err != nil {
		t.Fatal(err)
	}
	eventually(t, 10*time.Second, "an address", func() bool { return w.state("sensor.volvo_bridge_login_url") == "ready" })
	address, _ := w.attribute("sensor.volvo_bridge_login_url", "url").(string)
	if err := w.call("text.set_value", "text.volvo_bridge_login", object{"value": browse(t, address)}); err != nil {
		t.Fatal(err)
	}
	eventually(t, 20*time.Second, "logged in", func() bool {
		return w.state("binary_sensor.volvo_bridge_login_required") == "off" && w.state("sensor.volvo_bridge_cloud_status") == "ok"
	})
	w.agree("logged in again", 20*time.Second)
	if s := w.state("text.volvo_bridge_login"); s != "unknown" && s != "" {
		t.Errorf("what was pasted stays as state: %q", s)
	}
}

// restarts of each alone, and of all at once.
func (w *world) restarts(t *testing.T) {
	w.hass.restart()
	w.agree("Home Assistant restarted", 30*time.Second)
	w.broker.restart()
	w.agree("broker restarted", 30*time.Second)
	w.stop()
	eventually(t, 10*time.Second, "unavailable", func() bool { return w.state("lock.xc40_lock") == "unavailable" })
	w.start()
	w.agree("bridge restarted", 30*time.Second)
	w.stop()
	w.broker.stop()
	w.o.forget()
	w.broker.start("mosquitto")
	w.start()
	w.hass.restart()
	w.agree("all restarted", 30*time.Second)
}
