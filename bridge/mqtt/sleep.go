package mqtt

import (
	"context"
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
	last  time.Time // on the wall clock: the other one sleeps too
	until time.Time
}

// look reports whether the process slept until a moment ago.
func (s *sleepWatch) look(now time.Time) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	now = now.Round(0)
	if !s.last.IsZero() && now.Sub(s.last) > asleepFor {
		s.until = now.Add(drainFor)
	}
	s.last = now
	return now.Before(s.until)
}

func (s *sleepWatch) run(ctx context.Context) {
	ticker := time.NewTicker(lookEvery)
	defer ticker.Stop()
	for {
		select {
		case <-ticker.C:
			s.look(time.Now())
		case <-ctx.Done():
			return
		}
	}
}
