package bridge

import (
	"crypto/rand"
	"encoding/hex"
	"encoding/json"
	mathrand "math/rand/v2"
	"time"

	"volvobridge/bridge/entity"
	"volvobridge/bridge/store"
)

const (
	renewEvery   = 30 * time.Second // of our marker
	ownedFor     = 75 * time.Second // since another's was last renewed
	claimSpread  = 5 * time.Second  // so that two that wait do not claim at once
	askPatience  = 2 * time.Second  // for what we publish to come back
	instanceFile = "instance.json"
	mostHeld     = 256 // messages that wait until it is clear whose topic it is
)

// marker says which bridge owns the base topic.
type marker struct {
	ID       string    `json:"id"`
	ClientID string    `json:"client_id,omitzero"`
	Host     string    `json:"host,omitzero"`
	Since    time.Time `json:"since,omitzero"`
	// Renewed is missing in the question that a bridge asks before it claims the
	// topic: it only finds out whether everything stored has been delivered.
	Renewed time.Time `json:"renewed,omitzero"`
}

// claim is how far a bridge is on its way to owning its base topic.
type claim int

const (
	disconnected claim = iota
	asking             // whether another's marker is stored
	claiming           // our marker is on its way
	owned              // by us: it came back
	foreign            // by another
)

// ownership decides whether this bridge may publish and run commands below its base
// topic: two that do would send each command twice. It is pure: messages and the
// time go in, what to publish comes out.
type ownership struct {
	self  marker
	state claim
	until time.Time // of asking and claiming: how long to wait; of foreign: how long it is another's
	renew time.Time // when our marker is due
	other marker    // the owner, if it is another
	heard bool      // what was published last came back
	deaf  bool      // it did not
	once  bool      // the topic was ours before in this process
}

// loadInstance reads the id of this bridge, or makes one. It outlives restarts: a
// restart after a crash is no second bridge.
func loadInstance(st *store.Store) string {
	var m marker
	if json.Unmarshal(st.Load(instanceFile), &m) == nil && m.ID != "" {
		return m.ID
	}
	raw := make([]byte, 8)
	_, _ = rand.Read(raw) // never fails
	m.ID = hex.EncodeToString(raw)
	_ = st.Put(instanceFile, []byte(entity.Encode(m))) // told by store_problem
	return m.ID
}

// connected takes a new connection. It returns the question to publish.
func (o *ownership) connected(now time.Time) marker {
	o.state, o.until, o.heard = asking, now.Add(askPatience), false
	return marker{ID: o.self.ID, Since: o.self.Since}
}

func (o *ownership) lost() { o.state = disconnected }

// received takes a message on the marker's topic.
func (o *ownership) received(payload []byte, retained bool, now time.Time) {
	var m marker
	switch {
	case len(payload) == 0:
		if o.state == foreign && !retained { // the owner stopped
			o.until = now.Add(mathrand.N(claimSpread / 5))
		} else if o.state == owned {
			o.renew = now
		}
		return
	case json.Unmarshal(payload, &m) != nil || m.ID == "":
		return
	}
	ours := m.ID == o.self.ID && (retained || m.Since.Equal(o.self.Since))
	switch {
	case ours && !retained:
		if question := m.Renewed.IsZero(); o.state == asking && question || o.state == claiming && !question {
			o.heard, o.deaf, o.until = true, false, now
		}
	case ours, m.Renewed.IsZero(): // of an earlier process, or only a question
	case retained && now.Sub(m.Renewed) > ownedFor: // of one that is gone
	default:
		o.other, o.state = m, foreign
		o.until = now.Add(ownedFor + mathrand.N(claimSpread))
		if age := now.Sub(m.Renewed); retained && age > 0 {
			o.until = o.until.Add(-age)
		}
	}
}

// wake is when step has something to do.
func (o *ownership) wake() time.Time {
	switch o.state {
	case disconnected:
		return time.Time{}
	case owned:
		return o.renew
	}
	return o.until
}

// step moves on. It returns the marker to publish, if one is due, and whether the
// topic has just become ours.
func (o *ownership) step(now time.Time) (publish *marker, ours bool) {
	if at := o.wake(); at.IsZero() || now.Before(at) {
		return nil, false
	}
	switch o.state {
	case asking, foreign:
		o.deaf = o.deaf || o.state == asking && !o.heard
		o.state, o.until, o.heard = claiming, now.Add(askPatience), false
	case claiming:
		o.deaf = o.deaf || !o.heard
		o.state, o.once = owned, true
		o.renew = now.Add(renewEvery)
		return nil, true
	case owned:
		o.renew = now.Add(renewEvery)
	}
	m := o.self
	m.Renewed = now.UTC()
	return &m, false
}

// conflict tells whether another bridge owns the topic.
func (o *ownership) conflict() bool { return o.state == foreign }
