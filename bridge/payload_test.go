package bridge

import (
	"regexp"
	"strings"
	"testing"

	"volvobridge/bridge/entity"
)

func TestTopicsForNames(t *testing.T) {
	b := New(Options{})
	for _, c := range []struct{ name, want string }{
		{"", "VIN"}, {"XC40", "xc40"}, {"Åsas röda Volvo", "asas_roda_volvo"}, {"bridge", "VIN"}, {"日本", "ri_ben"}, {"🚗", "VIN"}, {"U\u0308bermut", "ubermut"}, {"Вольво", "volvo"}, {"a/b#+c", "a_b_c"},
	} {
		if got := b.slug(c.name, "VIN"); got != c.want {
			t.Errorf("%q: %s, want %s", c.name, got, c.want)
		}
	}
}

// FuzzPayload: whatever comes on a /set topic, only exact commands are run.
func FuzzPayload(f *testing.F) {
	for _, s := range []string{"LOCK", `{"value":"LOCK"}`, `{"value":"UNLOCK","id":"a","at":1790000000.5,"pin":"1234"}`, `{"value":7}`, `{"value":"PRESS","runtimeMinutes":5}`, "{", `{"value":"LOCK"}{`} {
		f.Add([]byte(s))
	}
	exact := regexp.MustCompile(`^\s*\{.*\}\s*$`)
	f.Fuzz(func(t *testing.T, payload []byte) {
		if len(payload) == 0 {
			return
		}
		r, err := parseRequest(payload)
		if err != nil {
			return
		}
		if payload[0] != '{' && r.value != string(payload) {
			t.Fatalf("%q became %q", payload, r.value)
		}
		if payload[0] == '{' && !exact.Match([]byte(strings.Join(strings.Fields(string(payload)), " "))) {
			t.Fatalf("%q is no object", payload)
		}
		if r.value == "" || r.runtime < 0 || r.runtime > 15 {
			t.Fatalf("%q became %+v", payload, r)
		}
		b := &Bridge{}
		o := &order{car: &car{Car: entity.Car{Memory: entity.NewMemory()}}, entity: "lock", request: r}
		if b.understand(o) == nil && r.value != "LOCK" && r.value != "UNLOCK" {
			t.Fatalf("%q locks or unlocks", payload)
		}
	})
}
