package schedule

import (
	"encoding/json"
	"fmt"
	"math"
	"time"

	"volvobridge/volvo"
)

var situationNames = [situations]string{"at_rest", "long_at_rest", "left_open", "stirring", "stirred", "plugged_in", "charging", "charging_beat", "driving", "driving_beat", "arrived", "settling", "out_of_reach"}

var happeningNames = [happeningKinds]string{"drive_started", "drive_ended", "unlocked", "locked", "door", "plug", "charge", "use", "upload", "upload_driving", "upload_charging", "upload_off_beat"}

// memory is what a plan learned of a car, for the store. It holds no value, VIN or
// position.
type memory struct {
	// Changes are the times that a field changed, by resource, situation and field;
	// Watched the seconds in which it could.
	Changes map[volvo.Resource]map[string]map[string]float32 `json:"changes,omitempty"`
	Watched map[volvo.Resource]map[string]float32            `json:"watched,omitempty"`
	// Follows is what was found after a happening.
	Follows map[string]map[volvo.Resource]*followed `json:"follows,omitempty"`
	Drive   beat                                    `json:"drive"`
	Charge  beat                                    `json:"charge"`
	Delay   float64                                 `json:"delay"` // seconds
	Stopped time.Time                               `json:"stopped,omitzero"`
	Stirred time.Time                               `json:"stirred,omitzero"`
	Changed time.Time                               `json:"changed,omitzero"`
	Since   time.Time                               `json:"since,omitzero"` // of the phase
}

// Learned is what was learned of a car, for a restart.
func (p *Plan) Learned(car string) []byte {
	c := p.byCar[car]
	if c == nil || !p.planned() {
		return nil
	}
	m := memory{Changes: map[volvo.Resource]map[string]map[string]float32{}, Watched: map[volvo.Resource]map[string]float32{}, Follows: map[string]map[volvo.Resource]*followed{},
		Drive: c.drive, Charge: c.charge, Delay: c.delay, Stopped: c.state.stopped, Stirred: c.state.stirred, Changed: c.state.changed, Since: c.state.phaseSince}
	for _, it := range c.items {
		r := it.key.Resource
		for s, l := range it.learned {
			if l == nil || l.seconds == 0 {
				continue
			}
			if m.Watched[r] == nil {
				m.Watched[r], m.Changes[r] = map[string]float32{}, map[string]map[string]float32{}
			}
			m.Watched[r][situationNames[s]] = l.seconds
			counts := map[string]float32{}
			for i, n := range l.counts {
				if n > 0 {
					counts[p.fields[r].names[i]] = n
				}
			}
			if len(counts) > 0 {
				m.Changes[r][situationNames[s]] = counts
			}
		}
	}
	for h, f := range c.follows {
		if len(f) > 0 {
			m.Follows[happeningNames[h]] = f
		}
	}
	data, _ := json.Marshal(m) // numbers, names and times always marshal
	return data
}

// Recall takes up what Learned returned before a restart. What makes no sense is left
// out.
func (p *Plan) Recall(car string, data []byte) error {
	c := p.byCar[car]
	if c == nil || !p.planned() {
		return nil
	}
	var m memory
	if err := json.Unmarshal(data, &m); err != nil {
		return fmt.Errorf("what was learned of a car can't be read: %w", err)
	}
	for _, it := range c.items {
		r := it.key.Resource
		for s, name := range situationNames {
			seconds, counts := m.Watched[r][name], m.Changes[r][name]
			if !(seconds > 0) || math.IsInf(float64(seconds), 0) {
				continue
			}
			l := &learned{seconds: seconds}
			for field, n := range counts {
				if n > 0 && n < 1e6 {
					i := p.fields[r].of(r, field)
					l.count(i)
					l.counts[i] = n
				}
			}
			it.learned[s] = l
		}
	}
	for h, name := range happeningNames {
		for r, f := range m.Follows[name] {
			if f != nil && f.Times > 0 && f.Times < 1e6 && f.Weight >= 0 && f.Weight < 1e6 {
				if c.follows[h] == nil {
					c.follows[h] = map[volvo.Resource]*followed{}
				}
				c.follows[h][r] = f
			}
		}
	}
	c.drive, c.charge = m.Drive.sane(), m.Charge.sane()
	if m.Delay > 0 && m.Delay < 3600 {
		c.delay = m.Delay
	}
	c.state.stopped, c.state.stirred, c.state.changed, c.state.phaseSince = m.Stopped, m.Stirred, m.Changed, m.Since
	return nil
}

// sane is a beat without numbers that cannot be.
func (b beat) sane() beat {
	ok := func(x, most float64) bool { return x >= 0 && x <= most }
	if ok(b.Period, longestBeat) && ok(b.Sure, 10) && ok(b.Lag, 3600) && ok(b.Spread, 3600) && ok(b.Lags, 20) {
		return beat{Period: b.Period, Sure: b.Sure, Lag: b.Lag, Spread: b.Spread, Lags: b.Lags}
	}
	return beat{}
}

// pricing is what is kept of the price.
type pricing struct {
	Usual float64   `json:"usual"`
	Queue float64   `json:"queue"`
	At    time.Time `json:"at"`
}

// Prices are the price and what was spent beyond the plan, for a restart.
func (p *Plan) Prices() []byte {
	data, _ := json.Marshal(pricing{p.price.usual, p.price.queue, p.price.at})
	return data
}

// RecallPrices takes up what Prices returned before a restart.
func (p *Plan) RecallPrices(data []byte) {
	var s pricing
	if json.Unmarshal(data, &s) != nil || !(s.Usual > 0.01 && s.Usual < 1e5) || math.Abs(s.Queue) > 1e6 {
		return // as at a first start
	}
	p.price.usual, p.price.queue, p.price.at, p.price.now = s.Usual, s.Queue, s.At, s.Usual
}
