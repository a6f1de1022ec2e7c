package command

import (
	"crypto/sha256"
	"encoding/hex"
	"maps"
	"time"
)

const (
	idWindow    = 10 * time.Minute // at least, in which the same id is a duplicate
	plainWindow = 5 * time.Second  // in which a repeated message without id and time is one
	mostIDs     = 10000            // a flood must not fill the memory
)

// duplicates remembers which messages came on the /set topics of a car, so that none
// becomes a second POST.
type duplicates struct {
	ids   map[string]time.Time // entity and id: when it came
	order []string             // of ids, oldest first
	sent  map[string]time.Time // those that became a POST: a flood of others pushes none of them out
	last  map[string]plainSeen // entity: its last message
}

// plainSeen is a message by its digest: what came may be large.
type plainSeen struct {
	payload [sha256.Size]byte
	at      time.Time
}

// windowFor is how long an id is remembered: as long as a stamped message with it
// is young enough to be run.
func windowFor(maxAge time.Duration) time.Duration { return max(idWindow, maxAge+maxFuture) }

func idKey(entity, id string) string { return entity + "\x00" + id }

// identity is what a message is recognised by: its id, or, if it says when it was
// sent, its payload. Empty: the message has neither.
func identity(r Request, payload []byte) string {
	switch {
	case r.ID != "":
		return r.ID
	case r.Stamped:
		sum := sha256.Sum256(payload)
		return "\x00" + hex.EncodeToString(sum[:])
	}
	return ""
}

// again notes a message and reports whether it is the same as the one before it on
// the topic, a moment ago.
func (d *duplicates) again(entity string, payload []byte, now time.Time) bool {
	if d.last == nil {
		d.last = map[string]plainSeen{}
	}
	previous, this := d.last[entity], plainSeen{sha256.Sum256(payload), now}
	d.last[entity] = this
	return previous.payload == this.payload && now.Sub(previous.at) < plainWindow
}

// seen reports whether a message with the identity came before on the topic, and
// remembers it.
func (d *duplicates) seen(entity, identity string, window time.Duration, now time.Time) bool {
	for len(d.order) > 0 && now.Sub(d.ids[d.order[0]]) >= window {
		delete(d.ids, d.order[0])
		d.order = d.order[1:]
	}
	key := idKey(entity, identity)
	for _, at := range []time.Time{d.ids[key], d.sent[key]} {
		if !at.IsZero() && now.Sub(at) < window {
			return true
		}
	}
	d.remember(key, now)
	return false
}

// remember notes an id that was seen at a time.
func (d *duplicates) remember(key string, at time.Time) {
	if d.ids == nil {
		d.ids = map[string]time.Time{}
	}
	if _, known := d.ids[key]; !known {
		d.order = append(d.order, key)
	}
	d.ids[key] = at
	for len(d.order) > mostIDs {
		delete(d.ids, d.order[0])
		d.order = d.order[1:]
	}
}

// keep notes that the message with an identity became a POST at a time.
func (d *duplicates) keep(entity, identity string, window time.Duration, at, now time.Time) {
	if d.sent == nil {
		d.sent = map[string]time.Time{}
	}
	maps.DeleteFunc(d.sent, func(_ string, old time.Time) bool { return now.Sub(old) >= window })
	d.sent[idKey(entity, identity)] = at
}
