package bridge

import "time"

const (
	refusalEvery   = time.Minute // between two log lines of the same refusal
	unstoreEvery   = time.Second // between two removals of what may be stored on a topic
	mostUnstored   = 1000        // topics whose last removal is remembered
	strangersASec  = 20          // answers on topics of nobody
	mostRefusalLog = 1000
)

// refusalLog keeps the log short in a flood: of each kind of refusal one line a
// minute, with how many there were.
type refusalLog struct {
	told    map[string]time.Time
	counted map[string]int
}

// tell reports whether a refusal is to be logged now, and how many like it were not
// logged since the last that was.
func (l *refusalLog) tell(kind string, now time.Time) (yes bool, unlogged int) {
	if l.told == nil || len(l.told) > mostRefusalLog {
		l.told, l.counted = map[string]time.Time{}, map[string]int{}
	}
	if last := l.told[kind]; !last.IsZero() && now.Sub(last) < refusalEvery && !last.After(now) {
		l.counted[kind]++
		return false, 0
	}
	unlogged = l.counted[kind]
	l.told[kind], l.counted[kind] = now, 0
	return true, unlogged
}

// unstored remembers when topics were emptied, so that a flood on one makes no flood
// of removals.
type unstored struct {
	last map[string]time.Time
	due  map[string]bool
	at   time.Time // when what is due is done
}

// unstore removes a message that may be stored on a topic: whoever published it may
// have had it retained, which a live message does not tell, and it would come again
// at every connection.
func (b *Bridge) unstore(topic string, now time.Time) {
	u := &b.unstored
	if u.last == nil || len(u.last) > mostUnstored {
		u.last = map[string]time.Time{}
	}
	if last := u.last[topic]; now.Sub(last) >= unstoreEvery || last.After(now) {
		u.last[topic] = now
		b.send(topic, nil)
		return
	}
	if u.due == nil {
		u.due = map[string]bool{}
	}
	if u.due[topic] = true; u.at.IsZero() {
		u.at = now.Add(unstoreEvery)
	}
}

// unstoreDue removes what waited for its turn.
func (b *Bridge) unstoreDue(now time.Time) {
	u := &b.unstored
	if u.at.IsZero() || now.Before(u.at) {
		return
	}
	for topic := range u.due {
		u.last[topic] = now
		b.send(topic, nil)
	}
	u.due, u.at = nil, time.Time{}
}

// pace allows so many events a second.
type pace struct {
	second time.Time
	count  int
}

func (p *pace) allows(most int, now time.Time) bool {
	if now.Sub(p.second) >= time.Second || p.second.After(now) {
		p.second, p.count = now, 0
	}
	p.count++
	return p.count <= most
}
