package command

import (
	"regexp"
	"strings"
	"testing"

	"volvobridge/bridge/entity"
)

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
		r, err := ParseRequest(payload)
		if err != nil {
			return
		}
		if payload[0] != '{' && r.Value != string(payload) {
			t.Fatalf("%q became %q", payload, r.Value)
		}
		if payload[0] == '{' && !exact.Match([]byte(strings.Join(strings.Fields(string(payload)), " "))) {
			t.Fatalf("%q is no object", payload)
		}
		if r.Value == "" || r.Runtime < 0 || r.Runtime > 15 {
			t.Fatalf("%q became %+v", payload, r)
		}
		c := &Command{car: NewCar(&entity.Car{Memory: entity.NewMemory()}), Entity: "lock", Request: r}
		if c.understand() == nil && r.Value != "LOCK" && r.Value != "UNLOCK" {
			t.Fatalf("%q locks or unlocks", payload)
		}
	})
}
