package volvo_test

import (
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"volvobridge/volvo"
)

func decode(t *testing.T, r volvo.Resource, body string) volvo.Readings {
	t.Helper()
	readings, err := r.Decode([]byte(body))
	if err != nil {
		t.Fatalf("%s %s: %v", r, body, err)
	}
	return readings
}

func TestItemsInEveryForm(t *testing.T) {
	at := time.Date(2026, 8, 21, 11, 13, 6, 438573000, time.UTC)
	for body, want := range map[string]volvo.Reading{
		`{"data":{"x":{"value":5,"unit":"km","timestamp":"2026-08-21T11:13:06.438573Z"}}}`:       {Value: "5", Unit: "km", Time: at},
		`{"x":{"value":"5","unit":"kilometers","timestamp":"2026-08-21T13:13:06.438573+02:00"}}`: {Value: "5", Unit: "kilometers", Time: at},
		`{"status":200,"operationId":"o","data":{"x":{"value":5.0,"timestamp":""}}}`:             {Value: "5.0"},
		`{"data":{"x":{"value":"OPEN","unit":null}}}`:                                            {Value: "OPEN"},
		`{"data":{"x":null}}`:                       {},
		`{"data":{"x":{"value":null,"unit":"km"}}}`: {Unit: "km"},
		`{"data":{"x":{"value":{"deep":1}}}}`:       {},
		`{"data":{"x":[1,2]}}`:                      {},
		`{"data":{"x":7}}`:                          {Value: "7"},
		`{"data":{"x":true}}`:                       {Value: "true"},
		`{"x":{"status":"OK","value":88.0,"unit":"percentage","updatedAt":"2026-08-21T11:13:06.438573Z"}}`: {Value: "88.0", Unit: "percentage", Time: at},
		`{"x":{"status":"ERROR","code":"NOT_SUPPORTED","value":3}}`:                                        {Code: "NOT_SUPPORTED"},
		`{"data":{"x":{"value":5,"timestamp":"2026-08-21T11:13:06.438573"}}}`:                              {Value: "5", Time: at},
		`{"data":{"x":{"value":5,"timestamp":"yesterday"}}}`:                                               {Value: "5"},
		`{"data":{"x":{"value":5,"timestamp":1787310786}}}`:                                                {Value: "5"},
	} {
		if got := decode(t, volvo.Odometer, body)["x"]; got != want {
			t.Errorf("%s: %+v, want %+v", body, got, want)
		}
	}
}

func TestOneBadFieldCostsNoNeighbour(t *testing.T) {
	r := decode(t, volvo.Doors, `{"data":{"bad":{"value":[{}],"timestamp":{}},"worse":"\ud800","good":{"value":"OPEN"}}}`)
	if r["good"].Value != "OPEN" {
		t.Errorf("%+v", r)
	}
}

func TestEmptyAndWrongBodies(t *testing.T) {
	for _, body := range []string{`{}`, `{"data":{}}`} {
		if r := decode(t, volvo.Doors, body); len(r) != 0 {
			t.Errorf("%q: %v", body, r)
		}
	}
	for _, body := range []string{
		`<html>`, `{"data":`, `[]`, `"x"`, `{"data":[1]}`, `7`,
		// What holds no data is no answer: a car must not lose its values by it.
		``, ` `, `null`, `{"data":null}`, `{"error":{"message":"x"}}`, `{"data":null,"error":{"message":"x"}}`, `{"data":{},"error":"x"}`, `{"error":"invalid"}`,
		`{"data":{"error":{"message":"x","description":"y"}}}`, `{"statusCode":200,"message":"x"}`, `{"status":500,"operationId":"x"}`,
		`{"timestamp":"2026-01-01T00:00:00Z","status":500,"error":"Internal","path":"/x"}`, `{"errors":[{"message":"x"}]}`, `{"code":"X","message":"y"}`,
	} {
		for _, r := range volvo.Resources() {
			if body == `[]` || body == `{"data":[1]}` { // a list of commands can be that
				r = volvo.Doors
			}
			if readings, err := r.Decode([]byte(body)); err == nil {
				t.Errorf("%s: %q was taken as %v", r, body, readings)
			}
		}
	}
	// An error beside data, and fields whose names errors have too, cost nothing.
	for _, body := range []string{`{"data":{"hood":{"value":"OPEN"}},"error":{"message":"x"}}`, `{"hood":{"value":"OPEN"},"message":"x"}`} {
		if r := decode(t, volvo.Doors, body); r["hood"].Value != "OPEN" {
			t.Errorf("%s: %v", body, r)
		}
	}
}

func TestForeignTextsAreBounded(t *testing.T) {
	long := strings.Repeat("x", 300_000)
	r := decode(t, volvo.Details, `{"externalColour":"`+long+`","descriptions":{"model":"XC\u000040\n\u202eevil\u200f\u2066"},"`+long+`":1}`)
	if got := r["descriptions.model"].Value; got != "XC40 evil" {
		t.Errorf("%q", got)
	}
	for name, reading := range r {
		if len(name) > 200 || len(reading.Value) > 3000 {
			t.Errorf("a field of %d bytes with a value of %d", len(name), len(reading.Value))
		}
	}
}

func TestReasonInsideAndBeside(t *testing.T) {
	for _, body := range []string{
		`{"data":{"availabilityStatus":{"value":"UNAVAILABLE","unavailableReason":"CAR_IN_USE","timestamp":"2026-01-01T00:00:00Z"}}}`,
		`{"availabilityStatus":{"value":"UNAVAILABLE"},"unavailableReason":{"value":"CAR_IN_USE","timestamp":"2026-01-01T00:00:00Z"}}`,
	} {
		r := decode(t, volvo.CommandAccessibility, body)
		if r["availabilityStatus"].Value != "UNAVAILABLE" || r["unavailableReason"].Value != "CAR_IN_USE" || r["unavailableReason"].Time.IsZero() {
			t.Errorf("%s: %+v", body, r)
		}
	}
}

func TestDetailsLocationCapabilitiesCommands(t *testing.T) {
	r := decode(t, volvo.Details, `{"vin":"V","modelYear":2024,"batteryCapacityKWH":81.608,"externalColour":null,"images":null,"descriptions":{"model":"XC40"}}`)
	if r["modelYear"].Value != "2024" || r["descriptions.model"].Value != "XC40" || r["externalColour"].HasValue() || r["images"].HasValue() {
		t.Errorf("details %+v", r)
	}
	r = decode(t, volvo.Position, `{"data":{"type":"Feature","properties":{"timestamp":"2024-12-30T15:00:00.000Z","heading":"90"},"geometry":{"type":"Point","coordinates":[11.8,57.7,0.0]}}}`)
	if r["longitude"].Value != "11.8" || r["latitude"].Value != "57.7" || r["altitude"].Value != "0.0" || r["heading"].Value != "90" || r["latitude"].Time.IsZero() {
		t.Errorf("location %+v", r)
	}
	for _, body := range []string{`{"data":{}}`, `{"data":{"geometry":{"coordinates":"no"}}}`, `{"data":{"geometry":null,"properties":7}}`} {
		if r := decode(t, volvo.Position, body); r["latitude"].HasValue() {
			t.Errorf("%s: %+v", body, r)
		}
	}
	r = decode(t, volvo.EnergyCapabilities, `{"getEnergyState":{"isSupported":true,"chargingPower":{"isSupported":false}}}`)
	if r["isSupported"].Value != "true" || r["chargingPower"].Value != "false" {
		t.Errorf("capabilities %+v", r)
	}
	r = decode(t, volvo.Commands, `{"data":[{"command":"LOCK","href":"https://x/v2/vehicles/V/commands/lock"},{"command":"HONK_AND_FLASH"},"FLASH",{"href":"a/unlock"},{"command":"SEND_NAVI_POI"},{"command":"FLY"},7,null]}`)
	if got := fmt.Sprint(volvo.Offered(r)); got != "[lock unlock flash honk_flash]" {
		t.Errorf("offered %s of %+v", got, slices.Sorted(maps.Keys(r)))
	}
	if volvo.KnownCommandWord("FLY") || !volvo.KnownCommandWord("SEND_NAVI_POI") {
		t.Error("SEND_NAVI_POI is known, FLY is not")
	}
}

func TestNumbers(t *testing.T) {
	for text, want := range map[string]float64{"5": 5, "47.30": 47.3, " 6 ": 6, "-1e2": -100} {
		if got, ok := (volvo.Reading{Value: text}).Number(); !ok || got != want {
			t.Errorf("%q: %v %v", text, got, ok)
		}
	}
	for _, text := range []string{"", "NaN", "Inf", "0x10", "1_0", "1e999", "five", "1p3"} {
		if got, ok := (volvo.Reading{Value: text}).Number(); ok {
			t.Errorf("%q: %v", text, got)
		}
	}
}

func TestUnlockAnswer(t *testing.T) {
	now := time.Unix(1_790_000_000, 0)
	for body, want := range map[string]time.Duration{
		`{"data":{"invokeStatus":"COMPLETED","readyToUnlock":true,"readyToUnlockUntil":120}}`:   2 * time.Minute,
		`{"invokeStatus":"completed","readyToUnlock":true,"readyToUnlockUntil":1790000090000}`:  90 * time.Second,
		`{"invokeStatus":"COMPLETED","readyToUnlock":"true","readyToUnlockUntil":"1790000060"}`: time.Minute,
	} {
		a, err := volvo.DecodeAnswer([]byte(body))
		if err != nil || a.InvokeStatus != "COMPLETED" || a.ReadyToUnlock == nil || !*a.ReadyToUnlock {
			t.Fatalf("%s: %+v %v", body, a, err)
		}
		if got, ok := a.UnlockWindow(now); !ok || got != want {
			t.Errorf("%s: %v %v", body, got, ok)
		}
	}
	a, err := volvo.DecodeAnswer([]byte(`{"data":{"vin":"x","invokeStatus":"WAITING","message":null}}`))
	if _, ok := a.UnlockWindow(now); err != nil || ok || a.ReadyToUnlock != nil || a.Message != nil {
		t.Errorf("%+v %v", a, err)
	}
	for _, body := range []string{``, `{}`, `[]`, `{"data":{"invokeStatus":null}}`, `<html>`} {
		if _, err := volvo.DecodeAnswer([]byte(body)); err == nil {
			t.Errorf("%q is an answer?", body)
		}
	}
}

// seeds are recorded and hand-written bodies for the fuzzers.
func seeds(f *testing.F, file string) {
	f.Helper()
	for _, pattern := range []string{"../bridge/testdata/car/" + file, "../../shared/recordings/*/" + file} {
		matches, _ := filepath.Glob(pattern)
		for _, m := range matches {
			if data, err := os.ReadFile(m); err == nil {
				f.Add(data)
			}
		}
	}
	for _, body := range []string{`{"data":{"x":{"value":1}}}`, `{"data":[{"command":"LOCK"}]}`, `null`, `{"x":null}`, `[`} {
		f.Add([]byte(body))
	}
}

func fuzz(f *testing.F, r volvo.Resource, file string) {
	seeds(f, file)
	f.Fuzz(func(t *testing.T, body []byte) {
		readings, err := r.Decode(body)
		if (err == nil) == (readings == nil) {
			t.Fatalf("%v and %v", readings, err)
		}
		for name, reading := range readings {
			reading.Number()
			if reading.HasValue() && strings.TrimSpace(reading.Value) == "" {
				t.Fatalf("%s has a value that is empty", name)
			}
		}
		readings.Newest()
		volvo.Offered(readings)
	})
}

func FuzzItems(f *testing.F)        { fuzz(f, volvo.Doors, "doors.json") }
func FuzzEnergy(f *testing.F)       { fuzz(f, volvo.EnergyState, "energy-state.json") }
func FuzzDetails(f *testing.F)      { fuzz(f, volvo.Details, "vehicle.json") }
func FuzzCommands(f *testing.F)     { fuzz(f, volvo.Commands, "commands.json") }
func FuzzCapabilities(f *testing.F) { fuzz(f, volvo.EnergyCapabilities, "energy-capabilities.json") }
func FuzzLocation(f *testing.F)     { fuzz(f, volvo.Position, "location.json") }

func FuzzVehicles(f *testing.F) {
	seeds(f, "vehicles.json")
	f.Fuzz(func(t *testing.T, body []byte) {
		cars, err := volvo.DecodeVehicles(body)
		for _, vin := range cars.VINs {
			if err != nil || !volvo.ValidVIN(vin) {
				t.Fatalf("%q %v", vin, err)
			}
		}
	})
}

func FuzzAnswer(f *testing.F) {
	seeds(f, "command_completed.json")
	f.Add([]byte(`{"data":{"invokeStatus":"COMPLETED","readyToUnlockUntil":1e18}}`))
	f.Fuzz(func(t *testing.T, body []byte) {
		a, err := volvo.DecodeAnswer(body)
		if err == nil && a.InvokeStatus == "" {
			t.Fatal("an answer without a word")
		}
		a.UnlockWindow(time.Now())
		a.InvokeStatus.Outcome()
	})
}
