package schedule

import (
	"encoding/json"
	"slices"
	"time"
)

// Window counts events in a sliding window, exactly.
type Window struct {
	limit int
	span  time.Duration
	times []time.Time // oldest first, at most limit
}

// NewWindow returns a window of at most limit events in any span.
func NewWindow(limit int, span time.Duration) *Window { return &Window{limit: limit, span: span} }

// Wait returns how long it takes until an event is allowed and spare more would
// be; 0: now.
func (w *Window) Wait(now time.Time, spare int) time.Duration {
	w.forget(now)
	free := w.limit - len(w.times)
	if free > spare || w.limit <= spare {
		return 0
	}
	return w.times[spare-free].Add(w.span).Sub(now)
}

// Used returns how many events are in the window.
func (w *Window) Used(now time.Time) int {
	w.forget(now)
	return len(w.times)
}

// Count records an event.
func (w *Window) Count(now time.Time) {
	w.forget(now)
	w.times = append(w.times, now)
}

// Undo takes back an event that Count recorded at a time.
func (w *Window) Undo(at time.Time) {
	if i := slices.IndexFunc(w.times, at.Equal); i >= 0 {
		w.times = slices.Delete(w.times, i, i+1)
	}
}

// Times returns the events in the window, for a restart.
func (w *Window) Times() []time.Time { return slices.Clone(w.times) }

// Restore puts back the events of before a restart.
func (w *Window) Restore(times []time.Time, now time.Time) {
	w.times = append(slices.SortedFunc(slices.Values(times), time.Time.Compare), w.times...)
	w.forget(now)
	w.times = slices.DeleteFunc(w.times, func(t time.Time) bool { return t.After(now) })
}

func (w *Window) forget(now time.Time) {
	for len(w.times) > 0 && (now.Sub(w.times[0]) >= w.span || w.times[0].After(now.Add(time.Second))) {
		w.times = w.times[1:] // gone by, or the clock was set back
	}
}

// Quota counts the calls of each API key in its quota day.
type Quota struct {
	daily, reserve int
	keys           []*keyQuota
}

type keyQuota struct {
	Calls    int       `json:"calls"`
	Commands int       `json:"commands"`
	Resets   time.Time `json:"resets"`         // when Volvo refills
	Until    time.Time `json:"until,omitzero"` // Volvo said: spent until
	ID       string    `json:"key"`            // a hash, to find it again
}

// NewQuota returns the counters of the keys with the given ids.
func NewQuota(daily, reserve int, ids []string, now time.Time) *Quota {
	q := &Quota{daily: daily, reserve: reserve}
	for _, id := range ids {
		q.keys = append(q.keys, &keyQuota{ID: id, Resets: nextMidnight(now)})
	}
	return q
}

// Share has q count the keys that it has in common with another account's quota
// in one place: Volvo counts by the key.
func (q *Quota) Share(other *Quota) {
	for i, k := range q.keys {
		if j := other.find(k.ID); j >= 0 {
			q.keys[i] = other.keys[j]
		}
	}
}

// Shares tells whether two quotas have a key in common.
func (q *Quota) Shares(other *Quota) bool {
	return slices.ContainsFunc(q.keys, func(k *keyQuota) bool { return slices.Contains(other.keys, k) })
}

func (q *Quota) find(id string) int {
	return slices.IndexFunc(q.keys, func(k *keyQuota) bool { return k.ID == id })
}

// nextMidnight: Volvo refills at 00:00 UTC, as far as anybody has seen.
func nextMidnight(now time.Time) time.Time {
	return now.UTC().Truncate(24 * time.Hour).Add(24 * time.Hour)
}

// Save encodes the counters.
func (q *Quota) Save() []byte {
	data, _ := json.Marshal(q.keys) // numbers, texts and times always marshal
	return data
}

// Load restores saved counters of the keys that are still configured.
func (q *Quota) Load(data []byte) error {
	var saved []keyQuota
	if err := json.Unmarshal(data, &saved); err != nil {
		return err
	}
	for _, s := range saved {
		if i := q.find(s.ID); i >= 0 && s.Calls >= 0 && s.Commands >= 0 && s.newer(q.keys[i]) {
			*q.keys[i] = s
		}
	}
	return nil
}

// newer: a key that accounts share is saved with each of them.
func (k *keyQuota) newer(than *keyQuota) bool {
	return than.Calls == 0 || k.Resets.After(than.Resets) || k.Resets.Equal(than.Resets) && k.Calls >= than.Calls
}

// turn starts the new quota day of keys whose time has come.
func (q *Quota) turn(now time.Time) {
	for _, k := range q.keys {
		// Later than Volvo ever says: the clock was wrong when this was written.
		if k.Resets.Sub(now) > longestDay {
			k.Resets = nextMidnight(now)
		}
		if k.Until.Sub(now) > longestDay {
			k.Until = time.Time{}
		}
		if now.Before(k.Resets) {
			continue
		}
		k.Calls, k.Commands = 0, 0
		k.Resets = k.Resets.Add(24 * time.Hour * (1 + now.Sub(k.Resets)/(24*time.Hour)))
	}
}

// Pick returns the first key with calls left; with reserved also those that are
// kept for commands.
func (q *Quota) Pick(now time.Time, reserved bool) (int, bool) {
	q.turn(now)
	for i, k := range q.keys {
		most := q.daily
		if !reserved {
			most -= q.reserve
		}
		if k.Calls < most && !now.Before(k.Until) {
			return i, true
		}
	}
	return 0, false
}

// Count records a call with a key.
func (q *Quota) Count(key int, now time.Time, command bool) {
	q.turn(now)
	q.keys[key].Calls++
	if command {
		q.keys[key].Commands++
	}
}

// longestDay is a day and what clocks may differ by.
const longestDay = 25 * time.Hour

// Undo takes back what Count recorded at a time of a call that was never made.
func (q *Quota) Undo(key int, at time.Time, command bool) {
	k := q.keys[key]
	if at.Before(k.Resets.Add(-24 * time.Hour)) {
		return // it was counted yesterday
	}
	k.Calls = max(0, k.Calls-1)
	if command {
		k.Commands = max(0, k.Commands-1)
	}
}

// Jitter is a part of a span that others hardly have at the same time: what waits for one
// and the same moment does not come back all at once.
func Jitter(now time.Time, span time.Duration) time.Duration {
	return time.Duration(uint64(now.UnixNano()) * 0x9e3779b97f4a7c15 % uint64(span))
}

// unknownRefill is how long a key rests that is spent for nobody knows how long.
const unknownRefill = time.Hour

// Spent tells that Volvo called a key's quota spent and when it is refilled.
func (q *Quota) Spent(key int, now time.Time, wait time.Duration) {
	k := q.keys[key]
	if wait <= 0 {
		k.Until = now.Add(min(unknownRefill, k.Resets.Sub(now)))
		return
	}
	k.Until = now.Add(wait + 2*time.Second + Jitter(now, 10*time.Second)) // not a second too early, and not with everybody else
	k.Resets = k.Until                                                    // Volvo's day may end at another hour than midnight
}

// Unproven tells whether a key was refilled by the clock, and no answer has shown it yet:
// then one call at a time asks.
func (q *Quota) Unproven(key int) bool { return !q.keys[key].Until.IsZero() }

// Proven tells that Volvo answered with a key.
func (q *Quota) Proven(key int) { q.keys[key].Until = time.Time{} }

// State describes the quota of all keys together.
type State struct {
	Calls, Left, Commands int
	Resets                time.Time // the earliest refill
	Spent                 bool      // Volvo, or our own count, says that no key is left
}

// State returns how the quota stands.
func (q *Quota) State(now time.Time) State {
	q.turn(now)
	s := State{Spent: true}
	seen := map[*keyQuota]bool{}
	for _, k := range q.keys {
		if seen[k] {
			continue
		}
		seen[k] = true
		s.Calls += k.Calls
		s.Commands += k.Commands
		left := max(0, q.daily-k.Calls)
		if now.Before(k.Until) {
			left = 0
		}
		s.Left += left
		s.Spent = s.Spent && left <= q.reserve
		if s.Resets.IsZero() || k.Resets.Before(s.Resets) {
			s.Resets = k.Resets
		}
	}
	return s
}

// Together is the quota of all keys of several accounts.
func Together(quotas ...*Quota) *Quota {
	all := &Quota{}
	for _, q := range quotas {
		all.daily, all.reserve = q.daily, q.reserve
		all.keys = append(all.keys, q.keys...)
	}
	return all
}

// Free returns when a key is usable again, for polling or, with reserved, for a
// command.
func (q *Quota) Free(now time.Time, reserved bool) time.Time {
	if _, ok := q.Pick(now, reserved); ok {
		return now
	}
	var free time.Time
	for _, k := range q.keys {
		at := k.Resets
		if now.Before(k.Until) {
			at = k.Until
		}
		if free.IsZero() || at.Before(free) {
			free = at
		}
	}
	return free
}

// Stretch returns by how much a plan of perDay calls must be stretched: to fit a
// day of all keys, and to fit what is left of today.
func (q *Quota) Stretch(perDay float64, now time.Time) float64 {
	q.turn(now)
	const most = 1000
	perKey := float64(q.daily - q.reserve)
	if perKey <= 0 || len(q.keys) == 0 {
		return most
	}
	today, left := 0.0, 0.0
	for _, k := range q.keys {
		today += max(0, perKey-float64(k.Calls))
		left += k.Resets.Sub(now).Hours() / 24 / float64(len(q.keys))
	}
	factor := perDay / (perKey * float64(len(q.keys)))
	if today > 0 {
		factor = max(factor, perDay*left/today)
	}
	return max(1, min(factor, most))
}

// Budget returns what polling may spend: calls a day of all keys, and what is left of
// them until the earliest refill, with the time until then.
func (q *Quota) Budget(now time.Time) (perDay, left float64, rest time.Duration) {
	q.turn(now)
	perKey := float64(q.daily - q.reserve)
	rest = 24 * time.Hour
	for _, k := range q.keys {
		perDay += max(0, perKey)
		left += max(0, perKey-float64(k.Calls))
		rest = min(rest, k.Resets.Sub(now))
	}
	return perDay, left, rest
}
