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
		"": "", "---": "", "🚗": "", // Home Assistant says "unknown"
		// As Home Assistant 2026.11.0 and 2025.10.4 make them.
		"Вольво": "volvo", "ボルボ": "horuho", "沃尔沃": "wo_er_wo", "Annas Kombi": "annas_kombi", "Anna's Kombi": "anna_s_kombi", "Anna’s XC40": "annas_xc40",
		"Übermut": "ubermut", "U\u0308bermut": "ubermut", "Åke Ödla": "ake_odla", "Ærlig Ø": "aerlig_o", "Straße": "strasse", "🚗 Blue": "blue", "Łódź": "lodz",
		"Çığ": "cig", "Ελλάδα": "ellada", "سيارة": "syr", "XC40 1,000": "xc40_1000", "a__b--c": "a_b_c", "Þór": "thor", "naïve café": "naive_cafe", "ﬁat": "fiat",
		"①": "1", "½": "1_2", "mein Auto!": "mein_auto", "Volvo EX30": "volvo_ex30", "  spaces  ": "spaces", "e\u0301te\u0301": "ete", "日本 車": "ri_ben_che",
		"Ñandú": "nandu", "İstanbul": "istanbul", "ĳs": "ijs", "50% off": "50_off", "A&B": "a_b", "ｆｕｌｌ": "full",
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
