package command

import (
	"encoding/json"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"volvobridge/bridge/entity"
	"volvobridge/volvo"
)

const (
	modelMaxAge = 30 * time.Second
	modelPIN    = "4711"
)

// sentMessage is what the model knows of a message: enough to say whether it may
// become a POST.
type sentMessage struct {
	entity, value, id string
	payload           []byte
	retained, late    bool
	stamped           bool
	at, arrived       time.Time
}

// model drives a machine by random events, executes its effects by itself, and
// checks what must be true after each.
type model struct {
	*testing.T
	random  *rand.Rand
	now     time.Time     // by the machine's clock, which is set now and then
	passed  time.Duration // since the beginning, in truth
	machine *Machine
	cars    []*Car
	steps   int

	messages map[*Command]*sentMessage // whose command is alive in this process
	current  *sentMessage              // the one that is being taken
	finals   map[*Command]int
	taken    int // commands of this process that must end
	posting  []*Command
	reads    []Read
	journal  []journalEntry
	posted   map[string]posted // what identifies a message: when it became a POST
}

type posted struct {
	at     time.Time
	passed time.Duration
}

type journalEntry struct {
	record json.RawMessage
	open   bool
}

func newModel(t *testing.T, seed uint64) *model {
	m := &model{T: t, random: rand.New(rand.NewPCG(seed, 11)), now: time.Date(2026, 11, 1, 12, 0, 0, 0, time.UTC), posted: map[string]posted{}}
	for _, vin := range []string{"YV1MODEL000000001", "YV1MODEL000000002"} {
		c := &entity.Car{VIN: vin, Memory: entity.NewMemory()}
		for _, command := range volvo.AllCommands() {
			c.Offered[command] = true
		}
		m.cars = append(m.cars, NewCar(c))
	}
	m.start()
	return m
}

// start is a process that begins, with what the journal holds.
func (m *model) start() {
	m.machine = New(Options{Rules: entity.Rules{Allow: volvo.AllCommands(), PIN: true}, MaxAge: modelMaxAge, AllowPlain: true, PIN: modelPIN})
	m.messages, m.finals, m.taken, m.posting, m.reads = map[*Command]*sentMessage{}, map[*Command]int{}, 0, nil, nil
	for i, c := range m.cars {
		m.cars[i] = NewCar(c.Car)
	}
	for seq, entry := range m.journal {
		var r Record
		if err := json.Unmarshal(entry.record, &r); err != nil {
			m.Fatal(err)
		}
		for _, c := range m.cars {
			if c.VIN == r.VIN {
				m.execute(m.machine.Restore(c, r, int64(seq), entry.open, m.now))
			}
		}
	}
	for _, entry := range m.journal {
		if entry.open {
			m.Fatalf("step %d: a restart left a command open in the journal", m.steps)
		}
	}
}

func (m *model) chance(percent int) bool { return m.random.IntN(100) < percent }

func pick[T any](m *model, all ...T) T { return all[m.random.IntN(len(all))] }

func (m *model) situation() Situation {
	s := Situation{Now: m.now}
	switch m.random.IntN(20) {
	case 0:
		s.Limit = &Refusal{QuotaSpent, "The quota is spent."}
	case 1:
		s.Conflict = true
	}
	return s
}

// message makes a message, often like one before it.
func (m *model) message() *sentMessage {
	s := &sentMessage{arrived: m.now.Add(-time.Duration(m.random.IntN(3)) * time.Second), retained: m.chance(3), late: m.chance(3)}
	words := map[string][]string{"lock": {"LOCK", "UNLOCK", "UNLOCK", "OPEN"}, "climatization": {"ON", "OFF"}, "engine_runtime": {"7", "99"}, "refresh": {"PRESS", "doors"}, "fuel_amount": {"5"}}
	s.entity = pick(m, "lock", "lock", "lock", "engine_start", "engine_stop", "climatization", "flash", "honk", "honk_flash", "engine_runtime", "refresh", "fuel_amount")
	if words[s.entity] == nil {
		words[s.entity] = []string{entity.Press}
	}
	s.value = pick(m, words[s.entity]...)
	fields := map[string]any{"value": s.value, "pin": modelPIN}
	if m.chance(10) {
		fields["pin"] = "0000"
	}
	if m.chance(60) {
		s.id = fmt.Sprint("id", m.random.IntN(50))
		fields["id"] = s.id
	}
	if m.chance(60) {
		s.stamped = true
		s.at = m.now.Add(time.Duration(m.random.IntN(50)-42) * time.Second).Truncate(time.Second)
		fields["at"] = s.at.Unix()
	}
	s.payload, _ = json.Marshal(fields)
	if m.chance(3) {
		s.payload = []byte(pick(m, "{", "\xff", `{"value":1}x`, "UNLOCK", "LOCK"))
		s.stamped, s.id = false, ""
	}
	return s
}

func (m *model) step() {
	m.steps++
	m.pass(time.Duration(1 + m.random.Int64N(int64(2*time.Second))))
	car := pick(m, m.cars...)
	switch n := m.random.IntN(1000); {
	case n < 550:
		m.take(car)
	case n < 750 && len(m.posting) > 0:
		m.answer(m.random.IntN(len(m.posting)))
	case n < 930 && len(m.reads) > 0:
		m.read(m.random.IntN(len(m.reads)))
	case n < 960:
		m.execute(m.machine.Tick(car, m.now))
	case n < 970: // the machine slept
		m.pass(time.Duration(m.random.IntN(240)) * time.Second)
	case n < 975: // the machine starts again, with another time; a process sees its time go on evenly
		m.now = m.now.Add(time.Duration(m.random.IntN(240)-120) * time.Second)
		m.start()
	case n < 980: // the process dies: what waited is gone, the journal is there
		m.start()
	case n < 985:
		m.stop()
		m.start()
	}
	m.check()
}

func (m *model) pass(d time.Duration) { m.now, m.passed = m.now.Add(d), m.passed+d }

func (m *model) take(car *Car) {
	m.current = m.message()
	m.taken++
	before := len(m.messages)
	s := m.situation()
	m.execute(m.machine.Take(car, m.current.entity, Message{m.current.payload, m.current.arrived, m.current.retained, m.current.late}, s))
	for _, w := range car.waiting {
		m.know(w)
	}
	if len(m.messages) != before+1 {
		m.Fatalf("step %d: a message became %d commands", m.steps, len(m.messages)-before)
	}
	m.current = nil
}

// know notes whose command it is: the first time it is seen, the message's that is
// being taken.
func (m *model) know(c *Command) {
	if m.messages[c] == nil && m.current != nil && c.arrived.Equal(m.current.arrived) && c.Entity == m.current.entity {
		m.messages[c] = m.current
	}
}

func (m *model) answer(i int) {
	c := m.posting[i]
	m.posting = append(m.posting[:i], m.posting[i+1:]...)
	out := Outcome{Late: c.TooLate(modelMaxAge, m.now) && m.chance(50)}
	switch {
	case out.Late:
	case m.chance(30):
		out.Err = pick[error](m, &volvo.Error{Kind: volvo.ErrUnreachable, NotSent: true}, &volvo.Error{Kind: volvo.ErrOutage, MayHaveActed: true},
			&volvo.Error{Kind: volvo.ErrCarUnavailable}, &volvo.Error{Kind: volvo.ErrQuota}, errors.New("odd"))
	default:
		out.Answer.InvokeStatus = pick(m, volvo.InvokeStatus("COMPLETED"), "DELIVERED", "REJECTED", "TIMEOUT", "SOMETHING_NEW")
	}
	m.execute(m.machine.Answered(c, out, m.now))
	m.execute(m.machine.Next(c.car, m.situation()))
}

func (m *model) read(i int) {
	r := m.reads[i]
	if r.At.After(m.now) && m.chance(80) {
		return
	}
	m.reads = append(m.reads[:i], m.reads[i+1:]...)
	for _, c := range m.cars {
		if c.VIN != r.VIN {
			continue
		}
		good := m.chance(80)
		if good {
			c.Snapshot[volvo.Doors] = &entity.Answer{Readings: volvo.Readings{"centralLock": {Value: pick(m, "LOCKED", "UNLOCKED")}}, Fetched: m.now}
			c.Snapshot[volvo.EngineState] = &entity.Answer{Readings: volvo.Readings{"engineStatus": {Value: pick(m, "RUNNING", "STOPPED")}}, Fetched: m.now}
		}
		m.execute(m.machine.ReadDone(c, r.Resource, good, m.now.Add(-time.Duration(m.random.IntN(3))*time.Second), m.now))
	}
}

// stop is an orderly end: then every message has had its answer.
func (m *model) stop() {
	for _, c := range m.cars {
		m.execute(m.machine.Stop(c, m.now))
	}
	for len(m.posting) > 0 {
		m.answer(0)
	}
	if len(m.finals) != m.taken {
		m.Fatalf("step %d: %d messages came, %d were answered", m.steps, m.taken, len(m.finals))
	}
}

func (m *model) execute(effects []Effect) {
	for _, e := range effects {
		switch e := e.(type) {
		case Publish:
			m.publish(e)
		case Post:
			m.post(e.Command)
		case Journal:
			if int(e.Command.Seq) >= len(m.journal) {
				m.Fatalf("step %d: the journal is told of a command that it never had", m.steps)
			}
			m.journal[e.Command.Seq] = journalEntry{e.Command.Record(), false}
		case Read:
			m.reads = append(m.reads, e)
		case Local:
			m.know(e.Command)
			m.execute(m.machine.Settle(e.Command, nil, "", m.now))
		}
	}
}

func (m *model) publish(e Publish) {
	m.know(e.Command)
	s := e.Status
	if e.Event == "command_confirmed" || e.Event == "command_unconfirmed" {
		if s.Confirmed == nil || s.Status == Refused || s.Status == Failed {
			m.Fatalf("step %d: %s of a command that is %s", m.steps, e.Event, s.Status)
		}
		return
	}
	if s.Status == Sending || m.messages[e.Command] == nil { // of an earlier process
		return
	}
	if m.finals[e.Command]++; m.finals[e.Command] > 1 {
		m.Fatalf("step %d: a second final status, %s", m.steps, s.Status)
	}
	if e.Command.Command == volvo.Lock && s.Status == Refused && (*s.Reason == Replaced || *s.Reason == Busy) && *s.Advice != stopped.Advice && !m.locks(e.Command.car) {
		m.Fatalf("step %d: a LOCK was refused as %s, and nothing newer for the lock is there", m.steps, *s.Reason)
	}
}

// locks tells whether a command for the lock waits: a LOCK, or what came after it for
// the same entity.
func (m *model) locks(c *Car) bool {
	return slices.ContainsFunc(c.waiting, func(w *Command) bool { return w.Entity == "lock" })
}

// post checks that a message may become a POST.
func (m *model) post(c *Command) {
	m.know(c)
	s := m.messages[c]
	wrong := func(what string) { m.Fatalf("step %d: a POST of %s: %s", m.steps, s.payload, what) }
	switch {
	case s == nil:
		m.Fatalf("step %d: a POST without a message", m.steps)
	case m.finals[c] > 0:
		wrong("it was answered before")
	case s.retained:
		wrong("it was retained")
	case s.late && !s.stamped:
		wrong("nobody knows how old it is")
	case s.stamped && m.now.Sub(s.at) > modelMaxAge && c.Command != volvo.Lock:
		wrong("it is too old")
	case s.stamped && s.at.Sub(m.now) > maxFuture && c.Command != volvo.Lock:
		wrong("it is of the future")
	case m.now.Sub(s.arrived) > modelMaxAge && c.Command != volvo.Lock:
		wrong("it waited too long")
	case c.Request.PIN != modelPIN && (c.Command == volvo.Unlock || c.Command == volvo.EngineStart):
		wrong("its PIN is wrong")
	}
	for _, other := range m.posting {
		if other.car == c.car {
			wrong("another one of the car is under way")
		}
	}
	key := c.VIN() + s.entity
	if s.id != "" {
		key += s.id
	} else if s.stamped {
		key += string(s.payload)
	} else {
		key = ""
	}
	if last, ok := m.posted[key]; ok && key != "" && max(m.now.Sub(last.at), m.passed-last.passed) < idWindow {
		wrong("it is a duplicate")
	}
	m.posted[key] = posted{m.now, m.passed}
	c.Seq = int64(len(m.journal))
	m.journal = append(m.journal, journalEntry{c.Record(), true})
	m.posting = append(m.posting, c)
	m.execute(m.machine.Begun(c, m.now))
}

// check looks for what may not grow.
func (m *model) check() {
	for _, c := range m.cars {
		d := &c.duplicates
		if len(c.waiting) > mostWaiting || len(c.readBacks) > 2 || len(d.ids) > mostIDs || len(d.order) != len(d.ids) || len(d.last) > 100 {
			m.Fatalf("step %d: %d wait, %d are read back, %d ids, %d in order", m.steps, len(c.waiting), len(c.readBacks), len(d.ids), len(d.order))
		}
		if c.underWay == nil && len(c.waiting) > 0 {
			m.Fatalf("step %d: commands wait for nothing", m.steps)
		}
	}
	if len(m.machine.effects) > 0 {
		m.Fatalf("step %d: effects were left", m.steps)
	}
}

// TestModel: whatever comes in whatever order, at most one POST is made of a
// message, none of one that is stored, too old or a repetition, and every message
// is answered once.
func TestModel(t *testing.T) {
	steps, posts := 0, 0
	for seed := range uint64(60) {
		m := newModel(t, seed)
		for range 2000 {
			m.step()
		}
		m.stop()
		steps, posts = steps+m.steps, posts+len(m.journal)
	}
	if posts < 1000 {
		t.Fatalf("only %d POSTs were made", posts)
	}
	t.Logf("%d steps, %d POSTs", steps, posts)
}
