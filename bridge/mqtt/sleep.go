package mqtt

import (
	"sync"
	"time"
)

const (
	lookEvery = 5 * time.Second
	asleepFor = 15 * time.Second // without a look: the process was stopped or the machine asleep
	drainFor  = 5 * time.Second  // then what lay in buffers comes
)

// sleepWatch notices that the process stood still. The keep-alive can't: a broker
// hangs up, but what it sent before is still in a buffer of this machine.
type sleepWatch struct {
	mu    sync.Mutex
	last  time.Time
	until time.Time
}

// look reports whether the process slept until a moment ago: by its own clock,
// which a stopped process sees jump, or by the difference to the wall's, since the
// other one stands still while a machine sleeps.
func (s *sleepWatch) look(now time.Time) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	awake, wall := now.Sub(s.last), now.Round(0).Sub(s.last.Round(0))
	if !s.last.IsZero() && max(awake, wall-awake) > asleepFor {
		s.until = now.Add(drainFor)
	}
	s.last = now
	return now.Before(s.until)
}
