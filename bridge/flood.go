package bridge

import "time"

const (
	refusalEvery           = time.Minute // between two log lines of the same refusal
	unknownTopicsPerSecond = 20          // answers on topics of nobody
	mostRefusalLog         = 1000
)

// refusalLog keeps the log short in a flood: of each kind of refusal one line a
// minute, with how many there were.
type refusalLog struct {
	logged  map[string]time.Time
	counted map[string]int
}

// allows reports whether a refusal is to be logged now, and how many like it were not
// logged since the last that was.
func (l *refusalLog) allows(kind string, now time.Time) (yes bool, unlogged int) {
	if l.logged == nil || len(l.logged) > mostRefusalLog {
		l.logged, l.counted = map[string]time.Time{}, map[string]int{}
	}
	if last := l.logged[kind]; !last.IsZero() && now.Sub(last) < refusalEvery && !last.After(now) {
		l.counted[kind]++
		return false, 0
	}
	unlogged = l.counted[kind]
	l.logged[kind], l.counted[kind] = now, 0
	return true, unlogged
}
