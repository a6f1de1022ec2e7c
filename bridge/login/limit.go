package login

import "time"

// limit allows a number of events in any span of time.
type limit struct {
	most  int
	span  time.Duration
	times []time.Time // of the events in the span, the oldest first
}

func newLimit(most int, span time.Duration) *limit { return &limit{most: most, span: span} }

// wait is how long it takes until another event is allowed; 0: it is now.
func (l *limit) wait(now time.Time) time.Duration {
	for len(l.times) > 0 && (now.Sub(l.times[0]) >= l.span || l.times[0].After(now)) {
		l.times = l.times[1:]
	}
	if len(l.times) < l.most {
		return 0
	}
	return l.times[0].Add(l.span).Sub(now)
}

func (l *limit) count(now time.Time) { l.times = append(l.times, now) }
