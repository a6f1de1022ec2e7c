package mqtt

import "time"

// Pace allows so many events a second.
type Pace struct {
	second time.Time
	count  int
}

// Allows counts an event, and reports whether it is among the first of its second.
func (p *Pace) Allows(most int, now time.Time) bool {
	if now.Sub(p.second) >= time.Second || p.second.After(now) {
		p.second, p.count = now, 0
	}
	p.count++
	return p.count <= most
}
