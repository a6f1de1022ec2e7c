package mqtt

import (
	"errors"
	"io"
	"syscall"
	"time"
)

const (
	large        = 8 << 10 // a message that is refused for its size is at least that large
	proofs       = 2       // connections that must end with the same message in flight
	learnedFor   = time.Hour
	settledAfter = 5 * time.Second // without a new end: sending is no longer careful
	lookAtEach   = 200 * time.Millisecond
)

// Refused says that the broker ends the connection when it is sent a message.
type Refused struct {
	Topic string
	Size  int
}

// Lacks says what the broker can't do: the bridge does without it.
type Lacks struct {
	// Retain: it keeps no messages. QoS: it acknowledges none.
	Retain, QoS bool
}

// limits are what a broker was found not to take. A broker of MQTT 3.1.1 says
// nothing: it ends the connection. So after a connection that ended with messages in
// flight the next one sends them one by one, and the message on which two in a row
// end is the one.
type limits struct {
	careful  bool
	suspect  string // topic
	seen     int
	size     int            // of the smallest message that was too large; 0: none
	topics   map[string]int // that were refused, with their sizes
	noRetain bool
	noQoS    bool
	away     int // connections in a row that ended before they were made, without a word
}

// flight is a message on its way.
type flight struct {
	topic  string
	size   int
	retain bool
}

// refuses tells whether a message is known not to be taken.
func (l *limits) refuses(f flight) bool {
	before := l.topics[f.topic]
	return l.size > 0 && f.size >= l.size || before > 0 && (before < large || f.size >= before)
}

// ended takes the end of a connection that lived for some time, with what was in
// flight, and returns an event when something was learned.
func (l *limits) ended(inFlight []flight, lived time.Duration) Event {
	if lived > learnedFor { // the broker may have been set up anew
		*l = limits{}
	}
	switch {
	case len(inFlight) == 0:
		l.suspect, l.seen = "", 0
		return nil
	case !l.careful || len(inFlight) > 1:
		l.careful = true
		return nil
	}
	f := inFlight[0]
	if f.topic != l.suspect {
		l.suspect, l.seen = f.topic, 0
	}
	if l.seen++; l.seen < proofs {
		return nil
	}
	l.suspect, l.seen = "", 0
	return l.learn(f)
}

// learn does without what the broker does not take: first without large messages,
// then without what small ones may need.
func (l *limits) learn(f flight) Event {
	switch {
	case f.size < large && f.retain && !l.noRetain:
		l.noRetain = true
		return Lacks{Retain: true}
	case f.size < large && !l.noQoS:
		l.noQoS = true
		return Lacks{QoS: true}
	}
	if f.size >= large && (l.size == 0 || f.size < l.size) {
		l.size = f.size
	}
	if l.topics == nil {
		l.topics = map[string]int{}
	}
	l.topics[f.topic] = f.size
	return Refused{Topic: f.topic, Size: f.size}
}

// turnedAway takes a connection that was not made. A broker that keeps nothing, or
// acknowledges nothing, may end it because of the will: other wills are tried.
func (l *limits) turnedAway(err error) {
	if errors.Is(err, ErrSpeaksTLS) || errors.Is(err, ErrNoTLS) || !is(io.EOF, io.ErrUnexpectedEOF, syscall.ECONNRESET)(err) {
		if l.away > 0 {
			l.away, l.noRetain, l.noQoS = 0, false, false
		}
		return
	}
	l.away++
	tries := l.away / proofs % 4
	l.noRetain, l.noQoS = tries&1 == 1, tries&2 == 2
}

// letIn takes a connection that was made, and returns what other wills than ours
// were refused for.
func (l *limits) letIn() Event {
	if l.away == 0 {
		return nil
	}
	l.away = 0
	if l.noRetain || l.noQoS {
		return Lacks{Retain: l.noRetain, QoS: l.noQoS}
	}
	return nil
}

// settled tells that a connection has lasted: what was sent was taken.
func (l *limits) settled() { l.careful, l.suspect, l.seen = false, "", 0 }

func (l *limits) qos() byte {
	if l.noQoS {
		return 0
	}
	return 1
}

// window is how many messages may be in flight.
func (l *limits) window() int {
	if l.careful {
		return 1
	}
	return window
}
