package link

import (
	"crypto/rand"
	"encoding/hex"
	"encoding/json"

	"volvobridge/bridge/entity"
	"volvobridge/bridge/mqtt"
)

const instanceFile = "instance.json"

// Store keeps the id of this bridge.
type Store interface {
	Load(name string) []byte
	Put(name string, data []byte) error
}

// LoadInstance reads the id of this bridge, or makes one. It outlives restarts: a
// restart after a crash is no second bridge.
func LoadInstance(st Store) string {
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
