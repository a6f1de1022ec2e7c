package bridge

import (
	"crypto/rand"
	"encoding/hex"
	"encoding/json"

	"volvobridge/bridge/entity"
	"volvobridge/bridge/mqtt"
	"volvobridge/bridge/store"
)

const instanceFile = "instance.json"

// loadInstance reads the id of this bridge, or makes one. It outlives restarts: a
// restart after a crash is no second bridge.
func loadInstance(st *store.Store) string {
	var m mqtt.Marker
	if json.Unmarshal(st.Load(instanceFile), &m) == nil && m.ID != "" {
		return m.ID
	}
	raw := make([]byte, 8)
	_, _ = rand.Read(raw) // never fails
	m.ID = hex.EncodeToString(raw)
	_ = st.Put(instanceFile, []byte(entity.Encode(m))) // told by store_problem
	return m.ID
}
