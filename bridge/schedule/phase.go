package schedule

import (
	"strings"
	"time"

	"volvobridge/volvo"
)

// Phase is what a car is doing, as far as its answers tell.
type Phase string

// The phases of a car.
const (
	Driving     Phase = "driving"
	JustParked  Phase = "just_parked"
	Charging    Phase = "charging"
	PluggedIn   Phase = "plugged_in"
	Parked      Phase = "parked"
	LongParked  Phase = "long_parked"
	Unreachable Phase = "unreachable"
)

// Phases lists them.
var Phases = []Phase{Driving, JustParked, Charging, PluggedIn, Parked, LongParked, Unreachable}

// situation is a phase, split further where what is to be expected differs much: the
// minute after somebody opened a door is not like the hour after.
type situation uint8

const (
	atRest       situation = iota
	longAtRest             // nothing changed for a day
	left                   // at rest, but unlocked or open
	stirring               // somebody did something at the car a moment ago
	stirred                // a few minutes ago
	plugged                // the cable is in
	chargingUp             // charging
	chargingBeat           // charging, and the rhythm of its uploads is known
	drivingFree            // driving
	drivingBeat            // driving, and the rhythm of its uploads is known
	arrived                // the engine stopped a moment ago
	settling               // minutes ago
	outOfReach             // asleep, or without a net
	situations
)

var phaseOf = [situations]Phase{Parked, LongParked, Parked, Parked, Parked, PluggedIn, Charging, Charging, Driving, Driving, JustParked, JustParked, Unreachable}

const (
	stirringFor   = 90 * time.Second
	stirredFor    = 5 * time.Minute
	arrivedFor    = 150 * time.Second
	justParkedFor = 10 * time.Minute
	longAfter     = 24 * time.Hour
)

// carState is what the answers of a car tell of it.
type carState struct {
	running, charging, plugged, open, away bool

	stopped    time.Time // the engine
	stirred    time.Time // somebody was at the car
	changed    time.Time // any value
	since      time.Time // the present situation
	phaseSince time.Time // the present phase
	now        situation
}

// look returns the situation at a time, and when it ends by itself; zero: it doesn't.
func (s *carState) look(now time.Time, drive, charge bool) (situation, time.Time) {
	switch {
	case s.running && drive:
		return drivingBeat, time.Time{}
	case s.running:
		return drivingFree, time.Time{}
	case now.Sub(s.stopped) < arrivedFor:
		return arrived, s.stopped.Add(arrivedFor)
	case now.Sub(s.stirred) < stirringFor:
		return stirring, s.stirred.Add(stirringFor)
	case now.Sub(s.stirred) < stirredFor:
		return stirred, s.stirred.Add(stirredFor)
	case s.charging && charge:
		return chargingBeat, time.Time{}
	case s.charging:
		return chargingUp, time.Time{}
	case now.Sub(s.stopped) < justParkedFor:
		return settling, s.stopped.Add(justParkedFor)
	case s.plugged:
		return plugged, time.Time{}
	case s.away:
		return outOfReach, time.Time{}
	case s.open:
		return left, time.Time{}
	case now.Sub(s.changed) >= longAfter && !s.changed.IsZero():
		return longAtRest, time.Time{}
	}
	return atRest, s.changed.Add(longAfter)
}

// phase is the public phase at a time: what somebody does at a parked car leaves it
// parked, charging or plugged in.
func (s *carState) phase(now time.Time) Phase {
	switch at := s.now; {
	case at != stirring && at != stirred && at != arrived:
		return phaseOf[at]
	case s.charging:
		return Charging
	case now.Sub(s.stopped) < justParkedFor:
		return JustParked
	case s.plugged:
		return PluggedIn
	}
	return Parked
}

// note takes what an answer says of the car. At is when the change became visible at
// the earliest. It returns what happened; a first answer only says how things are.
func (s *carState) note(r volvo.Resource, old, readings volvo.Readings, at time.Time) happenings {
	var h happenings
	switch r {
	case volvo.EngineState:
		h = s.noteEngine(readings, at)
	case volvo.Doors:
		h = s.noteDoors(old, readings)
		if h != 0 && old != nil {
			s.stirred = at
		}
	case volvo.EnergyState:
		h = s.noteEnergy(readings)
		if h.has(plugMoved) && old != nil {
			s.stirred = at
		}
	case volvo.CommandAccessibility:
		s.away = begins(readings, "availabilityStatus", "UNAVAILABLE") && !begins(readings, "availabilityStatus", "UNAVAILABLE/CAR_IN_USE") && !begins(readings, "unavailableReason", "CAR_IN_USE")
		for _, field := range []string{"availabilityStatus", "unavailableReason"} {
			if old[field].Word() != readings[field].Word() {
				h = h.with(useMoved)
			}
		}
	}
	if old == nil {
		return 0
	}
	return h
}

// begins tells whether a field's word begins so: Volvo has more words than one for some.
func begins(readings volvo.Readings, field, word string) bool {
	return strings.HasPrefix(readings[field].Word(), word)
}

func (s *carState) noteEngine(readings volvo.Readings, at time.Time) (h happenings) {
	running := begins(readings, "engineStatus", "RUNNING")
	switch {
	case running && !s.running:
		h = h.with(driveStarted)
		s.stopped = time.Time{}
	case !running && s.running:
		h = h.with(driveEnded)
		s.stopped = at
	}
	s.running = running
	return h
}

func (s *carState) noteDoors(old, readings volvo.Readings) (h happenings) {
	s.open = false
	for field, reading := range readings {
		word := reading.Word()
		s.open = s.open || word == "OPEN" || field == "centralLock" && strings.HasPrefix(word, "UNLOCK")
		switch {
		case old[field].Word() == word:
		case field != "centralLock":
			h = h.with(doorMoved)
		case strings.HasPrefix(word, "UNLOCK"):
			h = h.with(unlocked)
		default:
			h = h.with(locked)
		}
	}
	return h
}

func (s *carState) noteEnergy(readings volvo.Readings) (h happenings) {
	plugged, charging := begins(readings, "chargerConnectionStatus", "CONNECTED"), begins(readings, "chargingStatus", "CHARGING")
	if plugged != s.plugged {
		h = h.with(plugMoved)
	}
	if charging != s.charging {
		h = h.with(chargeMoved)
	}
	s.plugged, s.charging = plugged, charging
	return h
}

// happening is what an answer tells that lets others of the car's resources expect news.
type happening uint8

const (
	driveStarted happening = iota
	driveEnded
	unlocked
	locked
	doorMoved
	plugMoved
	chargeMoved
	useMoved
	uploaded        // at rest: only the time moved, or another value
	uploadedDriving // a beat of the drive
	uploadedCharging
	uploadedOffBeat // in a drive, and not when the beat says: it may have ended
	happeningKinds
)

// happenings is a set of them.
type happenings uint16

func (h happenings) with(x happening) happenings { return h | 1<<x }
func (h happenings) has(x happening) bool        { return h&(1<<x) != 0 }
