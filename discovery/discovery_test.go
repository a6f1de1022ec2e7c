package discovery_test

import (
	"encoding/json"
	"testing"

	"volvobridge/discovery"
)

func TestPayloadIsStableAndLean(t *testing.T) {
	m := discovery.Message{
		Device:     discovery.Device{Identifiers: []string{"x"}, Name: "X"},
		Origin:     discovery.Origin{Name: "test"},
		Components: map[string]discovery.Component{"b": {Platform: "sensor", UniqueID: "b", QoS: 1}, "a": {Platform: "button"}},
	}
	first, err := m.Payload()
	if err != nil {
		t.Fatal(err)
	}
	const want = `{"device":{"identifiers":["x"],"name":"X"},"origin":{"name":"test"},"components":{"a":{"platform":"button"},"b":{"platform":"sensor","unique_id":"b","qos":1}}}`
	if string(first) != want {
		t.Errorf("%s", first)
	}
	for range 20 {
		if again, _ := m.Payload(); string(again) != want {
			t.Fatalf("another order: %s", again)
		}
	}
	var zero discovery.Component
	if data, _ := json.Marshal(zero); string(data) != `{"platform":""}` {
		t.Errorf("empty options are sent: %s", data)
	}
}

func TestSlug(t *testing.T) {
	for name, want := range map[string]string{
		"Volvo EX30": "volvo_ex30", " Åsa's  Bil! ": "asas_bil", "Straße 5": "strasse_5", "": "", "---": "", "ÆØÅ": "aeoa", "車": "",
	} {
		if got := discovery.Slug(name); got != want {
			t.Errorf("%q: %q, want %q", name, got, want)
		}
	}
	if got := discovery.EntityID("sensor", "Volvo EX30", "battery"); got != "sensor.volvo_ex30_battery" {
		t.Error(got)
	}
	if got := discovery.Topic("homeassistant", "x"); got != "homeassistant/device/x/config" {
		t.Error(got)
	}
}
