package mqtt

import (
	"encoding/json"
	"math/rand/v2"
	"time"
)

const (
	renewEvery   = 30 * time.Second // of our marker
	ownedFor     = 75 * time.Second // since another's was last renewed
	claimSpread  = 5 * time.Second  // so that two that wait do not claim at once
	echoPatience = 2 * time.Second  // for what we publish to come back
)

// Marker says which bridge owns the base topic.
type Marker struct {
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

// Ownership decides whether this bridge may publish and run commands below its base
// topic: two that do would send each command twice. It is pure: messages and the
// time go in, what to publish comes out.
type Ownership struct {
	self  Marker
	state claim
	until time.Time // of asking and claiming: how long to wait; of foreign: how long it is another's
	renew time.Time // when our marker is due
	other Marker    // the owner, if it is another
	heard bool      // what was published last came back
	deaf  bool      // it did not
	once  bool      // the topic was ours before in this process
}

// NewOwnership returns that of a bridge that is not connected.
func NewOwnership(self Marker) Ownership { return Ownership{self: self} }

// Connected takes a new connection. It returns the question to publish.
func (o *Ownership) Connected(now time.Time) Marker {
	o.state, o.until, o.heard = asking, now.Add(echoPatience), false
	return Marker{ID: o.self.ID, Since: o.self.Since}
}

// Lost takes the end of the connection.
func (o *Ownership) Lost() { o.state = disconnected }

// Received takes a message on the marker's topic.
func (o *Ownership) Received(payload []byte, retained bool, now time.Time) {
	var m Marker
	switch {
	case len(payload) == 0:
		if o.state == foreign && !retained { // the owner stopped
			o.until = now.Add(rand.N(claimSpread / 5))
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
		o.until = now.Add(ownedFor + rand.N(claimSpread))
		if age := now.Sub(m.Renewed); retained && age > 0 {
			o.until = o.until.Add(-age)
		}
	}
}

// Wake is when Step has something to do.
func (o *Ownership) Wake() time.Time {
	switch o.state {
	case disconnected:
		return time.Time{}
	case owned:
		return o.renew
	}
	return o.until
}

// Step moves on. It returns the marker to publish, if one is due, and whether the
// topic has just become ours.
func (o *Ownership) Step(now time.Time) (publish *Marker, ours bool) {
	if at := o.Wake(); at.IsZero() || now.Before(at) {
		return nil, false
	}
	switch o.state {
	case asking, foreign:
		o.deaf = o.deaf || o.state == asking && !o.heard
		o.state, o.until, o.heard = claiming, now.Add(echoPatience), false
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

// Conflict tells whether another bridge owns the topic.
func (o *Ownership) Conflict() bool { return o.state == foreign }

// Owned tells whether the topic is ours.
func (o *Ownership) Owned() bool { return o.state == owned }

// Before tells whether it was ours before in this process.
func (o *Ownership) Before() bool { return o.once }

// Deaf tells whether what we publish on the marker's topic does not come back.
func (o *Ownership) Deaf() bool { return o.deaf }

// Other is the bridge that owns the topic, if another does.
func (o *Ownership) Other() Marker { return o.other }
