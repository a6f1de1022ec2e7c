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
// the earliest. It returns what happened.
func (s *carState) note(r volvo.Resource, old, readings volvo.Readings, at time.Time) happenings {
	var h happenings
	is := func(field string, words ...string) bool {
		word := readings[field].Word()
		for _, w := range words {
			if strings.HasPrefix(word, w) {
				return true
			}
		}
		return false
	}
	first := old == nil
	switch r {
	case volvo.EngineState:
		running := is("engineStatus", "RUNNING")
		switch {
		case running && !s.running:
			h = h.with(driveStarted)
			s.stopped = time.Time{}
		case !running && s.running:
			h = h.with(driveEnded)
			s.stopped = at
		}
		s.running = running
	case volvo.Doors:
		s.open = false
		for field, reading := range readings {
			word := reading.Word()
			s.open = s.open || word == "OPEN" || field == "centralLock" && strings.HasPrefix(word, "UNLOCK")
			if first || old[field].Word() == word {
				continue
			}
			switch {
			case field != "centralLock":
				h = h.with(doorMoved)
			case strings.HasPrefix(word, "UNLOCK"):
				h = h.with(unlocked)
			default:
				h = h.with(locked)
			}
		}
		if h != 0 {
			s.stirred = at
		}
	case volvo.EnergyState:
		plugged, charging := is("chargerConnectionStatus", "CONNECTED"), is("chargingStatus", "CHARGING")
		if !first && plugged != s.plugged {
			h = h.with(plugMoved)
			s.stirred = at
		}
		if !first && charging != s.charging {
			h = h.with(chargeMoved)
		}
		s.plugged, s.charging = plugged, charging
	case volvo.CommandAccessibility:
		was := s.away
		s.away = is("availabilityStatus", "UNAVAILABLE") && !is("availabilityStatus", "UNAVAILABLE/CAR_IN_USE") && !is("unavailableReason", "CAR_IN_USE")
		if !first && (was != s.away || old["availabilityStatus"].Word() != readings["availabilityStatus"].Word()) {
			h = h.with(useMoved)
		}
	}
	if first {
		return 0
	}
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
