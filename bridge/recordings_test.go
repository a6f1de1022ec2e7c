package bridge_test

import (
	"encoding/json"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"volvobridge/bridge/account"
	"volvobridge/volvo/simulator"
)

// The walker below is a second opinion: it reads recordings without any code of
// package volvo, and knows the entities by its own list.

// ids are the entities by file and field, as the contract names them. Fields of a
// kind are given by rule in idOf.
var ids = map[string]string{
	"energy-state/batteryChargeLevel": "battery_charge_level", "energy-state/electricRange": "electric_range",
	"energy-state/chargerConnectionStatus": "charger_connection_status", "energy-state/chargingStatus": "charging_status",
	"energy-state/chargingType": "charging_type", "energy-state/chargerPowerStatus": "charging_power_status",
	"energy-state/estimatedChargingTimeToTargetBatteryChargeLevel": "estimated_charging_time",
	"energy-state/chargingCurrentLimit":                            "charging_current_limit",
	"energy-state/targetBatteryChargeLevel":                        "target_battery_charge_level",
	"energy-state/chargingPower":                                   "charging_power",
	"doors/centralLock":                                            "lock",
	"doors/hood":                                                   "hood", "doors/tailgate": "tailgate", "doors/tankLid": "tank_lid",
	"windows/sunroof": "sunroof", "engine-status/engineStatus": "engine_status",
	"engine/oilLevelWarning": "oil_level_warning", "engine/engineCoolantLevelWarning": "coolant_level_warning",
	"fuel/fuelAmount": "fuel_amount", "odometer/odometer": "odometer",
	"diagnostics/serviceWarning": "service_warning", "diagnostics/serviceTrigger": "service_trigger",
	"diagnostics/engineHoursToService": "engine_time_to_service", "diagnostics/distanceToService": "distance_to_service",
	"diagnostics/timeToService": "time_to_service", "diagnostics/washerFluidLevelWarning": "washer_fluid_level_warning",
	"brakes/brakeFluidLevelWarning":                  "brake_fluid_level_warning",
	"statistics/averageEnergyConsumptionSinceCharge": "average_energy_consumption_charge",
	"command-accessibility/availabilityStatus":       "availability",
	"vehicle/batteryCapacityKWH":                     "battery_capacity",
	"vehicle/descriptions.model":                     "model",
	"location/heading":                               "direction",
}

// elsewhere are values that are published, but not in the document, or on purpose
// not at all.
var elsewhere = map[string]string{
	"vehicle/vin": "names the car", "vehicle/modelYear": "attribute", "vehicle/gearbox": "attribute", "vehicle/fuelType": "attribute",
	"vehicle/externalColour": "attribute", "vehicle/descriptions.upholstery": "attribute", "vehicle/descriptions.steering": "attribute",
	"vehicle/images.exteriorImageUrl": "picture", "vehicle/images.internalImageUrl": "picture",
	"location/latitude": "location topic", "location/longitude": "location topic", "location/altitude": "location topic",
	"command-accessibility/unavailableReason": "wins over availabilityStatus",
}

func snake(camel string) string {
	var b strings.Builder
	for i, c := range camel {
		if c >= 'A' && c <= 'Z' && i > 0 {
			b.WriteByte('_')
		}
		b.WriteString(strings.ToLower(string(c)))
	}
	return b.String()
}

func idOf(file, field string) string {
	if id, ok := ids[file+"/"+field]; ok {
		return id
	}
	words := strings.Split(snake(field), "_")
	switch file {
	case "doors", "windows": // frontLeftDoor: door_front_left
		return words[2] + "_" + words[0] + "_" + words[1]
	case "tyres":
		return "tire_" + snake(field)
	}
	return snake(field)
}

// item is a recorded value as the walker sees it.
type item struct {
	file, field, unit string
	value             any // nil: none
	at                string
}

// walk lists all values of a recorded file.
func walk(t *testing.T, file, body string) []item {
	t.Helper()
	var top map[string]any
	decoder := json.NewDecoder(strings.NewReader(body))
	decoder.UseNumber()
	if err := decoder.Decode(&top); err != nil {
		t.Fatalf("%s: %v", file, err)
	}
	if data, ok := top["data"].(map[string]any); ok {
		top = data
	}
	var items []item
	switch file {
	case "vehicles", "commands", "energy-capabilities":
		return nil
	case "location":
		p := top["properties"].(map[string]any)
		at, _ := p["timestamp"].(string)
		for i, v := range top["geometry"].(map[string]any)["coordinates"].([]any) {
			items = append(items, item{file, []string{"longitude", "latitude", "altitude"}[i], "", v, at})
		}
		return append(items, item{file, "heading", "", p["heading"], at})
	}
	for field, v := range top {
		m, ok := v.(map[string]any)
		switch {
		case !ok:
			items = append(items, item{file: file, field: field, value: v})
		case file == "vehicle":
			for inner, v := range m {
				items = append(items, item{file: file, field: field + "." + inner, value: v})
			}
		default:
			at, _ := m["timestamp"].(string)
			if at == "" {
				at, _ = m["updatedAt"].(string)
			}
			unit, _ := m["unit"].(string)
			items = append(items, item{file, field, unit, m["value"], at})
			if reason, ok := m["unavailableReason"]; ok {
				items = append(items, item{file, "unavailableReason", "", reason, at})
			}
		}
	}
	return items
}

// expect is what the document must say of a recorded value.
func expect(i item) any {
	if n, ok := i.value.(json.Number); ok {
		f, _ := n.Float64()
		switch {
		case i.unit == "mi" || i.unit == "miles":
			f *= 1.609344
		case i.unit == "months":
			f *= 30
		}
		return f
	}
	text, _ := i.value.(string)
	if f, err := strconv.ParseFloat(text, 64); err == nil {
		return f
	}
	switch text {
	case "CLOSED", "NO_WARNING", "STOPPED":
		if i.field == "serviceWarning" {
			return "no_warning"
		}
		return "OFF"
	case "OPEN", "AJAR", "TOO_LOW", "TOO_HIGH", "FAILURE", "RUNNING", "LOW_PRESSURE":
		return "ON"
	case "UNSPECIFIED":
		return nil
	}
	if i.field == "centralLock" || i.file == "vehicle" {
		return text
	}
	return strings.ToLower(text)
}

// carFolder is a folder of a recorded car and how it is configured.
type carFolder struct {
	name     string
	vehicles []account.Vehicle
}

func TestRecordedCars(t *testing.T) {
	dir := recordings(t)
	for _, c := range []carFolder{
		{name: "xc40_electric_2024"}, {name: "xc60_phev_2020"}, {name: "s90_diesel_2018"},
		{"bev_2026-08", []account.Vehicle{{VIN: strings.ToLower(vin)}}},
	} {
		t.Run(c.name, func(t *testing.T) {
			cloud := replay(t, os.DirFS(filepath.Join(dir, c.name)))
			checkCar(t, cloud, filepath.Join(dir, c.name), c.vehicles, vin)
		})
	}
}

func TestOwnCar(t *testing.T) {
	checkCar(t, ownCar(t), "testdata/car", nil, ownVIN)
}

const ownVIN = "YV4TESTCAR0000001"

// checkCar compares the published document with what the walker reads.
func checkCar(t *testing.T, cloud *simulator.Replay, dir string, vehicles []account.Vehicle, vin string) {
	files, err := filepath.Glob(filepath.Join(dir, "*.json"))
	if err != nil || len(files) == 0 {
		t.Fatalf("no files in %s", dir)
	}
	run(t, cloud, func(r *rig) {
		document := r.document(vin + "/state")
		position := r.document2(vin + "/location")
		var fromFuel bool
		for _, file := range files {
			name := strings.TrimSuffix(filepath.Base(file), ".json")
			var newest time.Time
			for _, i := range walk(r.T, name, cloud.Body(filepath.Base(file))) {
				if at, err := time.Parse(time.RFC3339Nano, i.at); err == nil && at.After(newest) {
					newest = at
				}
				if _, ok := elsewhere[name+"/"+i.field]; ok {
					if want, ok := expect(i).(float64); ok && name == "location" && position[i.field] != want {
						r.Errorf("location %s is %v, want %v", i.field, position[i.field], want)
					}
					continue
				}
				if i.field == "availabilityStatus" && strings.Contains(cloud.Body(filepath.Base(file)), "CAR_IN_USE") {
					i.value = "CAR_IN_USE" // the reason wins
				}
				if name == "fuel" && i.field == "batteryChargeLevel" {
					fromFuel = true // the energy API comes first
					continue
				}
				r.compare(document, idOf(name, i.field), i)
			}
			r.checkUpdated(document, resourceOf(name), newest)
		}
		if _, ok := document["battery_charge_level"]; fromFuel && !ok {
			r.Error("the battery level of the fuel resource is missing")
		}
		if w := r.warnings(); w != "" {
			r.Errorf("warnings:\n%s", w)
		}
		if n := r.document("bridge/state")["unknown_fields"]; n != 0.0 {
			r.Errorf("%v unknown fields: %v", n, r.document("bridge/unknown_fields/attributes"))
		}
	}, vehicles...)
}

func (r *rig) document2(topic string) map[string]any {
	if _, ok := r.broker.Retained(base + "/" + topic); !ok {
		return nil
	}
	return r.document(topic)
}

func resourceOf(file string) string {
	if file == "energy-state" {
		return "energy"
	}
	return file
}

func (r *rig) checkUpdated(document map[string]any, resource string, newest time.Time) {
	r.Helper()
	told, _ := document["updated"].(map[string]any)[resource].(string)
	at, _ := time.Parse(time.RFC3339Nano, told)
	if !at.Equal(newest) {
		r.Errorf("updated.%s is %q, want %v", resource, told, newest)
	}
	if _, ok := document["fetched"].(map[string]any)[resource]; !ok && resource != "vehicles" {
		r.Errorf("fetched.%s is missing", resource)
	}
}

func (r *rig) compare(document map[string]any, id string, i item) {
	r.Helper()
	got, there := document[id]
	want := expect(i)
	if i.value == nil && id == "battery_charge_level" {
		return // the fuel resource stands in
	}
	if i.value == nil || want == nil {
		if got != nil {
			r.Errorf("%s is %v, but %s/%s says nothing", id, got, i.file, i.field)
		}
		return
	}
	if !there {
		r.Errorf("%s is missing; %s/%s is %v", id, i.file, i.field, i.value)
		return
	}
	if g, ok := got.(float64); ok {
		if w, ok := want.(float64); ok && math.Abs(g-w) < 1e-4 {
			return
		}
	}
	if got != want {
		r.Errorf("%s is %v (%T), want %v (%T)", id, got, got, want, want)
	}
}

// TestReferenceForm: the same car as the published reference prints it gives the
// same document.
func TestReferenceForm(t *testing.T) {
	folders := map[string]string{"testdata/car": ownVIN}
	if dir := os.Getenv("VOLVO_RECORDINGS"); dir != "" || exists("../../shared/recordings") {
		for _, name := range []string{"xc40_electric_2024", "xc60_phev_2020", "s90_diesel_2018"} {
			folders[filepath.Join(recordings(t), name)] = vin
		}
	}
	for dir, vin := range folders {
		t.Run(filepath.Base(dir), func(t *testing.T) {
			documents := make([]map[string]any, 2)
			for form := range 2 {
				cloud := replay(t, os.DirFS(dir))
				if form == 1 {
					asReference(t, cloud)
				}
				run(t, cloud, func(r *rig) {
					documents[form] = r.document(vin + "/state")
					if n := r.document("bridge/state")["unknown_fields"]; n != 0.0 {
						r.Errorf("unknown: %v", r.document("bridge/unknown_fields/attributes"))
					}
				})
			}
			for id, want := range documents[0] {
				if got := documents[1][id]; !equal(got, want) {
					t.Errorf("%s is %v, want %v", id, got, want)
				}
			}
			for id := range documents[1] {
				if _, ok := documents[0][id]; !ok {
					t.Errorf("%s is only there in the reference's form", id)
				}
			}
		})
	}
}

func exists(path string) bool { _, err := os.Stat(path); return err == nil }

func equal(a, b any) bool {
	x, _ := json.Marshal(a)
	y, _ := json.Marshal(b)
	return string(x) == string(y)
}

// asReference rewrites a recording as the reference prints answers: most bodies
// bare, units in words, texts for numbers in statistics, old names where they are
// not ambiguous, the reason beside the status.
func asReference(t *testing.T, cloud *simulator.Replay) {
	t.Helper()
	for _, file := range []string{"vehicle", "doors", "windows", "engine-status", "engine", "fuel", "odometer", "diagnostics", "brakes",
		"tyres", "warnings", "statistics", "commands", "command-accessibility", "vehicles"} {
		body := cloud.Body(file + ".json")
		if body == "" {
			continue
		}
		body = strings.NewReplacer(`"km"`, `"kilometers"`, `"l"`, `"liters"`).Replace(body)
		var wrapped struct{ Data any }
		decoder := json.NewDecoder(strings.NewReader(body))
		decoder.UseNumber()
		if err := decoder.Decode(&wrapped); err != nil {
			t.Fatal(err)
		}
		out := wrapped.Data
		switch file {
		case "vehicles":
			out = wrapped.Data.([]any)[0]
		case "statistics":
			out = map[string]any{"status": 0, "operationId": "string", "data": oldStatistics(wrapped.Data.(map[string]any))}
		case "tyres", "commands":
			out = map[string]any{"status": 0, "operationId": "string", "data": wrapped.Data}
		case "command-accessibility":
			m := wrapped.Data.(map[string]any)
			status := m["availabilityStatus"].(map[string]any)
			if reason, ok := status["unavailableReason"]; ok {
				delete(status, "unavailableReason")
				m["unavailableReason"] = map[string]any{"value": reason, "unit": "", "timestamp": status["timestamp"]}
			}
		}
		data, err := json.Marshal(out)
		if err != nil {
			t.Fatal(err)
		}
		cloud.SetBody(file+".json", string(data))
	}
}

func oldStatistics(m map[string]any) map[string]any {
	old := map[string]any{}
	names := map[string]string{"tripMeterManual": "tripMeter1", "tripMeterAutomatic": "tripMeter2"}
	_, tank := m["distanceToEmptyTank"]
	_, battery := m["distanceToEmptyBattery"]
	if tank != battery {
		names["distanceToEmptyTank"], names["distanceToEmptyBattery"] = "distanceToEmpty", "distanceToEmpty"
	}
	for name, v := range m {
		if n, ok := v.(map[string]any)["value"].(json.Number); ok {
			v.(map[string]any)["value"] = n.String()
		}
		if short, ok := names[name]; ok {
			name = short
		}
		old[name] = v
	}
	return old
}

// TestNothingSpeaksOfAbsentThings: null, UNSPECIFIED and NOT_SUPPORTED make no
// entity; a value that goes away later becomes null and stays.
func TestWhatACarHas(t *testing.T) {
	cloud := ownCar(t)
	cloud.SetBody("fuel.json", `{"data":{"fuelAmount":null,"batteryChargeLevel":{"value":5,"unit":"%"}}}`)
	cloud.SetBody("energy-state.json", `{"chargingPower":{"status":"ERROR","code":"NOT_SUPPORTED"},"chargingType":{"status":"OK","value":"WIRELESS"},
		"batteryChargeLevel":{"status":"ERROR","code":"PROPERTY_NOT_SUPPORTED"},"electricRange":{"status":"OK","value":9,"unit":"furlongs"},"brandNew":{"status":"OK","value":1}}`)
	run(t, cloud, func(r *rig) {
		d := r.document(ownVIN + "/state")
		for _, id := range []string{"fuel_amount", "charging_power", "tire_rear_right", "sunroof"} {
			if v, there := d[id]; there {
				r.Errorf("%s is %v: nothing proved it", id, v)
			}
		}
		for _, id := range []string{"charging_type", "electric_range"} {
			if v, there := d[id]; !there || v != nil {
				r.Errorf("%s is %v (there: %v), want null: the car has it, the word is unknown", id, v, there)
			}
		}
		if d["battery_charge_level"] != 5.0 {
			r.Errorf("battery is %v, want the fuel resource's 5", d["battery_charge_level"])
		}
		odd := r.document("bridge/unknown_fields/attributes")["fields"].([]any)
		for _, want := range []string{`energy: field "brandNew"`, `energy.chargingType: word "WIRELESS"`, `energy.electricRange: unit "furlongs"`} {
			if !slices.Contains(odd, any(want)) {
				r.Errorf("%s is not among the unknown: %v", want, odd)
			}
		}
		if n := r.document("bridge/state")["unknown_fields"]; n != 3.0 {
			r.Errorf("%v unknown fields, want 3", n)
		}
		cloud.SetBody("odometer.json", `{"data":{"odometer":null}}`)
		cloud.SetBody("windows.json", `{"data":{}}`)
		time.Sleep(2 * time.Hour)
		d = r.document(ownVIN + "/state")
		for _, id := range []string{"odometer", "window_front_left"} {
			if v, there := d[id]; !there || v != nil {
				r.Errorf("%s is %v (there: %v), want null", id, v, there)
			}
		}
	})
}
