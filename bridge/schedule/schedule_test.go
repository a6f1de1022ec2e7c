package schedule

import (
	"testing"
	"time"

	"volvobridge/volvo"
)

var start = time.Date(2026, 11, 23, 0, 0, 0, 0, time.UTC)

// day runs a plan for 24 hours with a quota and returns the calls by resource.
func day(p *Plan, q *Quota, w *Window) (map[Key]int, []time.Time) {
	calls, times := map[Key]int{}, []time.Time{}
	for now := start; now.Before(start.Add(24 * time.Hour)); now = now.Add(time.Second) {
		for w.Wait(now, 0) == 0 {
			k, ok := q.Pick(now, false)
			if !ok {
				break
			}
			p.Stretch(q.Stretch(p.PerDay(), now))
			key, _, ok := p.Next(now, false)
			if !ok {
				break
			}
			w.Count(now)
			q.Count(k, now, false)
			p.Done(key, now, Read)
			calls[key]++
			times = append(times, now)
		}
	}
	return calls, times
}

func TestOneCarKeepsTheTable(t *testing.T) {
	p := NewPlan(Rules{MinInterval: 10 * time.Second})
	p.Add("a", volvo.Resources(), start)
	q := NewQuota(10000, 500, []string{"k"}, start)
	calls, _ := day(p, q, NewWindow(90, time.Minute))
	t.Logf("%d calls a day", q.State(start.Add(24*time.Hour-1)).Calls)
	for r, d := range Fixed() {
		want := int(24 * time.Hour / d)
		if got := calls[Key{"a", r}]; got < want || got > want+want/50+2 {
			t.Errorf("%s: %d calls a day, want about %d", r, got, want)
		}
	}
}

func TestManyCarsFitTheQuotaEvenly(t *testing.T) {
	p := NewPlan(Rules{MinInterval: 10 * time.Second})
	for _, car := range []string{"a", "b", "c", "d", "e"} {
		p.Add(car, volvo.Resources(), start)
	}
	q := NewQuota(10000, 500, []string{"k"}, start)
	calls, times := day(p, q, NewWindow(90, time.Minute))
	if s := q.State(start.Add(24*time.Hour - 1)); s.Calls > 9500 || s.Calls < 9000 {
		t.Errorf("%d calls, want up to 9500 and most of them", s.Calls)
	}
	for _, car := range []string{"a", "b", "c", "d", "e"} {
		doors, fuel := calls[Key{car, volvo.Doors}], calls[Key{car, volvo.Fuel}]
		if ratio := float64(doors) / float64(fuel); ratio < 13 || ratio > 17 {
			t.Errorf("%s: doors %d, fuel %d: not stretched evenly", car, doors, fuel)
		}
	}
	for i, at := range times {
		if i >= 90 && at.Sub(times[i-90]) < time.Minute {
			t.Fatalf("91 calls within %v", at.Sub(times[i-90]))
		}
	}
	if last := times[len(times)-1]; last.Before(start.Add(23*time.Hour + 50*time.Minute)) {
		t.Errorf("the quota was spent by %v", last)
	}
}

func TestIntervalsOfTheUser(t *testing.T) {
	p := NewPlan(Rules{MinInterval: 10 * time.Second, Intervals: map[volvo.Resource]time.Duration{volvo.Doors: time.Second, volvo.Odometer: 5 * time.Minute}})
	p.Add("a", volvo.Resources(), start)
	if got := p.Interval(Key{"a", volvo.Doors}); got != 10*time.Second {
		t.Errorf("doors every %v in spite of min_interval", got)
	}
	if got := p.Interval(Key{"a", volvo.Odometer}); got != 5*time.Minute {
		t.Errorf("odometer every %v", got)
	}
}

func TestAskComesFirstAndTwice(t *testing.T) {
	p := NewPlan(Rules{MinInterval: 10 * time.Second})
	p.Add("a", volvo.Resources(), start)
	p.Ask(Key{"a", volvo.Tyres}, start)
	key, urgent, _ := p.Next(start, true)
	if key.Resource != volvo.Tyres || !urgent {
		t.Fatalf("next is %v", key)
	}
	p.Ask(key, start.Add(2*time.Second)) // asked again while being read
	p.Done(key, start.Add(time.Second), Read)
	if _, _, ok := p.Next(start.Add(time.Second), true); ok {
		t.Fatal("asked again, but too early")
	}
	if key, _, ok := p.Next(start.Add(2*time.Second), true); !ok || key.Resource != volvo.Tyres {
		t.Fatal("what was asked for during a read got lost")
	}
}

func TestFailuresBackOffAndUnsupportedRests(t *testing.T) {
	p := NewPlan(Rules{MinInterval: 10 * time.Second})
	p.Add("a", []volvo.Resource{volvo.Details}, start)
	now, tries := start, 0
	for now.Before(start.Add(time.Hour)) {
		key, _, ok := p.Next(now, false)
		if ok {
			tries++
			p.Done(key, now, Failed)
		}
		now = now.Add(time.Second)
	}
	if tries < 6 || tries > 14 {
		t.Errorf("%d tries in the first hour", tries)
	}
	p.Retry(now)
	key, _, ok := p.Next(now, false)
	if !ok {
		t.Fatal("retry does not make it due")
	}
	for _, wait := range []time.Duration{time.Minute, 10 * time.Minute, 24 * time.Hour, 24 * time.Hour} { // one may be a mishap
		p.Done(key, now, Unsupported)
		at, _ := p.Wake(false)
		if at.Before(now.Add(wait)) || at.After(now.Add(wait+time.Second)) {
			t.Fatalf("asks again after %v for what is not supported, want %v", at.Sub(now), wait)
		}
		now = at
		p.Next(now, false)
	}
}

func TestWindowIsExact(t *testing.T) {
	w := NewWindow(3, time.Minute)
	for i := range 3 {
		w.Count(start.Add(time.Duration(i) * 10 * time.Second))
	}
	now := start.Add(30 * time.Second)
	if got := w.Wait(now, 0); got != 30*time.Second {
		t.Errorf("wait %v for one", got)
	}
	if got := w.Wait(now, 1); got != 40*time.Second {
		t.Errorf("wait %v for one and one spare", got)
	}
	if got := w.Wait(start.Add(-time.Hour), 0); got != 0 {
		t.Errorf("a clock set back makes it wait %v", got)
	}
}

func TestQuotaTurnsRestoresAndRests(t *testing.T) {
	q := NewQuota(100, 10, []string{"a", "b"}, start)
	for range 90 {
		q.Count(0, start, false)
	}
	if k, ok := q.Pick(start, false); !ok || k != 1 {
		t.Fatalf("picked key %d %v, want the second", k, ok)
	}
	if k, ok := q.Pick(start, true); !ok || k != 0 {
		t.Fatalf("a command may use the reserve: key %d %v", k, ok)
	}
	q.Spent(1, start, 2*time.Hour)
	if _, ok := q.Pick(start.Add(2*time.Hour), false); ok {
		t.Fatal("a spent key was used before the told time")
	}
	if free := q.Free(start, false); free.Sub(start) < 2*time.Hour || free.Sub(start) > 2*time.Hour+20*time.Second {
		t.Fatalf("free in %v", free.Sub(start))
	}
	restored := NewQuota(100, 10, []string{"b", "c", "a"}, start)
	if err := restored.Load(q.Save()); err != nil {
		t.Fatal(err)
	}
	if s := restored.State(start); s.Calls != 90 || s.Left != 110 {
		t.Fatalf("restored as %+v", s)
	}
	if s := restored.State(start.Add(25 * time.Hour)); s.Calls != 0 || s.Left != 300 {
		t.Fatalf("the next day is %+v", s)
	}
	if restored.Load([]byte("{")) == nil {
		t.Fatal("garbage was loaded")
	}
}

func TestWrongClockNeitherBurnsNorBlocks(t *testing.T) {
	q := NewQuota(100, 10, []string{"a"}, start.AddDate(1, 0, 0)) // written by a clock a year ahead
	q.Spent(0, start.AddDate(1, 0, 0), time.Hour)
	if _, ok := q.Pick(start, false); !ok {
		t.Fatal("blocked by a time a year ahead")
	}
	q = NewQuota(100, 10, []string{"a"}, time.Unix(0, 0)) // 1970
	q.Count(0, time.Unix(10, 0), false)
	if s := q.State(start); s.Calls != 0 || s.Resets.Sub(start) > 24*time.Hour {
		t.Fatalf("after the clock was set: %+v", s)
	}
}
