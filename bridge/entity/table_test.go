package entity

import (
	"cmp"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"volvobridge/discovery"
	"volvobridge/volvo"
)

var resourceFiles = map[volvo.Resource]string{volvo.EnergyState: "energy-state.json"}

// answers decodes every answer in a folder.
func answers(t *testing.T, dir string) map[volvo.Resource]volvo.Readings {
	t.Helper()
	all := map[volvo.Resource]volvo.Readings{}
	for _, r := range volvo.Resources() {
		file := resourceFiles[r]
		if file == "" {
			file = string(r) + ".json"
		}
		data, err := os.ReadFile(filepath.Join(dir, file))
		if err != nil {
			continue
		}
		readings, err := r.Decode(data)
		if err != nil {
			t.Fatalf("%s: %v", file, err)
		}
		all[r] = readings
	}
	return all
}

// oldNames are the fields that only the reference has.
var oldNames = map[string]bool{"distanceToEmpty": true, "tripMeter1": true, "tripMeter2": true}

func TestEverySourceExistsInAKnownAnswer(t *testing.T) {
	known := answers(t, "../testdata/car")
	for _, e := range entities {
		for _, s := range e.from {
			if _, ok := known[s.resource][s.field]; !ok && !oldNames[s.field] {
				t.Errorf("%s comes from %s.%s, which no known answer has", e.id, s.resource, s.field)
			}
		}
	}
}

func TestEveryKnownFieldIsUsedOrIgnored(t *testing.T) {
	dirs := []string{"../testdata/car"}
	recorded, _ := filepath.Glob(filepath.Join(cmp.Or(os.Getenv("VOLVO_RECORDINGS"), "../../../shared/recordings"), "*"))
	for _, dir := range append(dirs, recorded...) {
		for r, readings := range answers(t, dir) {
			for field := range readings {
				if !knownField(r, field) {
					t.Errorf("%s: %s.%s is neither in the table nor ignored with a reason", dir, r, field)
				}
			}
		}
	}
	for r, fields := range ignored {
		for field, reason := range fields {
			if len(reason) < 10 {
				t.Errorf("%s.%s is ignored without a reason", r, field)
			}
		}
	}
}

func TestIDsAndNamesAreUnique(t *testing.T) {
	ids, names, suffixes := map[string]bool{}, map[string]bool{}, map[string]bool{}
	for _, e := range entities {
		suffix := e.platform + "." + e.id
		if e.suffix != "" {
			suffix = e.platform + "." + e.suffix
		}
		if ids[e.id] || names[e.name] || suffixes[suffix] || e.name == "" {
			t.Errorf("%s %q %s: not unique, or no name", e.id, e.name, suffix)
		}
		ids[e.id], names[e.name], suffixes[suffix] = true, true, true
	}
	if len(sensors) < 29 || len(openings)+len(warningSensors) != 44 {
		t.Errorf("%d sensors and %d binary sensors", len(sensors), len(openings)+len(warningSensors))
	}
}

// units that Home Assistant accepts for a device class, as far as the table uses
// them; state classes that fit it.
var acceptedUnits = map[string][]string{
	"battery": {"%"}, "distance": {"km"}, "volume_storage": {"L"}, "power": {"W"}, "current": {"A"}, "duration": {"min", "h", "d"},
	"energy_distance": {"kWh/100km"}, "speed": {"km/h"}, "energy_storage": {"kWh"}, "timestamp": {""}, "enum": {""}, "problem": {""}, "": nil,
	"door": {""}, "window": {""}, "running": {""}, "connectivity": {""},
}

func TestRowsKeepHomeAssistantsRules(t *testing.T) {
	for _, e := range entities {
		units, known := acceptedUnits[e.class]
		if !known || units != nil && !slices.Contains(units, e.unit) {
			t.Errorf("%s: class %q with unit %q", e.id, e.class, e.unit)
		}
		if (e.class == "enum") != (len(e.options) > 0) || e.class == "enum" && (e.stateClass != "" || e.unit != "") {
			t.Errorf("%s: options go with the class enum, and with nothing else", e.id)
		}
		if !slices.IsSorted(e.options) {
			t.Errorf("%s: options are not sorted", e.id)
		}
		if e.class == "timestamp" && (e.stateClass != "" || e.unit != "") {
			t.Errorf("%s: a timestamp has no unit", e.id)
		}
		if e.category == configured && (e.platform == sensor || e.platform == binarySensor) {
			t.Errorf("%s: Home Assistant refuses config sensors", e.id)
		}
		if (e.class == "distance" || e.class == "current" || e.class == "power") && e.precision == nil {
			t.Errorf("%s: pages would show 312.00", e.id)
		}
		if e.platform == sensor && len(e.from) > 0 && e.convert == nil {
			t.Errorf("%s: has no converter", e.id)
		}
	}
}

// TestEntityIDsAreThoseOfHomeAssistant: who comes from Home Assistant's own
// integration keeps the entity ids.
func TestEntityIDsAreThoseOfHomeAssistant(t *testing.T) {
	data, err := os.ReadFile("../../../shared/reference/home-assistant-entity-ids.tsv")
	if err != nil {
		t.Skip("no list of the entity ids of Home Assistant's own integration beside the checkout: they are not compared")
	}
	checked := 0
	for line := range strings.Lines(string(data)) {
		columns := strings.Split(line, "\t")
		if strings.HasPrefix(line, "#") || len(columns) < 2 {
			continue
		}
		id := strings.TrimPrefix(columns[1], "<vin>_")
		e := ByID(id)
		if e == nil {
			t.Errorf("there is no entity %s", id)
			continue
		}
		suffix := e.suffix
		if suffix == "" {
			suffix = e.id
		}
		want := strings.ReplaceAll(columns[0], "<model>", "ex30")
		if got := discovery.EntityID(e.platform, "Volvo EX30", suffix); got != want {
			t.Errorf("%s: %s, want %s", id, got, want)
		}
		checked++
	}
	if checked < 70 {
		t.Errorf("only %d ids compared", checked)
	}
}

func TestFinishMovesOnlyByMoreThanTwoMinutes(t *testing.T) {
	now := time.Date(2026, 11, 23, 8, 0, 0, 0, time.UTC)
	c := &Car{Memory: NewMemory()}
	say := func(status, minutes string, after time.Duration) time.Time {
		c.Snapshot[volvo.EnergyState] = &Answer{Readings: volvo.Readings{"chargingStatus": {Value: status},
			"estimatedChargingTimeToTargetBatteryChargeLevel": {Value: minutes, Unit: "minutes", Time: now.Add(after)}}}
		c.SettleFinish(now.Add(after))
		return c.Finish.At
	}
	first := say("CHARGING", "60", 0)
	for i, c := range []struct {
		status, minutes string
		after           time.Duration
		want            time.Time
	}{
		{"CHARGING", "55", 5 * time.Minute, first}, {"CHARGING", "52", 9 * time.Minute, first}, {"CHARGING", "60", 10 * time.Minute, now.Add(70 * time.Minute)},
		{"IDLE", "60", 11 * time.Minute, time.Time{}}, {"CHARGING", "-1", 12 * time.Minute, time.Time{}},
	} {
		if got := say(c.status, c.minutes, c.after); !got.Equal(c.want) {
			t.Errorf("%d: %v, want %v", i, got, c.want)
		}
	}
}
