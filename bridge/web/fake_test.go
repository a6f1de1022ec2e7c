package web

import (
	"context"
	"encoding/json"
	"sync"
	"time"

	"volvobridge/bridge/entity"
	"volvobridge/bridge/history"
	"volvobridge/volvo"
)

// markup is what a foreign text must never do.
const markup = `<script>alert(1)</script><img src=x onerror=alert(1)>"'`

// fakeBridge shows one car whose every foreign text is markup.
type fakeBridge struct {
	mu       sync.Mutex
	changed  chan struct{}
	payloads []string
	status   entity.Status
	pin      bool
	view     func(*View)
}

func newFake() *fakeBridge { return &fakeBridge{changed: make(chan struct{})} }

func (f *fakeBridge) Changed() <-chan struct{} {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.changed
}

func (f *fakeBridge) tell() {
	f.mu.Lock()
	defer f.mu.Unlock()
	close(f.changed)
	f.changed = make(chan struct{})
}

func (f *fakeBridge) Command(_ context.Context, car, id string, payload []byte) (entity.Status, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.payloads = append(f.payloads, car+" "+id+" "+string(payload))
	return f.status, nil
}

func (f *fakeBridge) Picture(context.Context, string, string) ([]byte, string) {
	return []byte("<svg onload=alert(1)>"), "image/svg+xml"
}

func (f *fakeBridge) Ledger(context.Context) ([]LedgerEntry, error) {
	at := now
	return []LedgerEntry{{Car: markup, Entity: "lock", Command: volvo.Lock, SentAt: &at, Status: f.last()}, {Car: "ex30", Entity: "lock", Command: volvo.Unlock, Status: entity.Status{Status: "refused", Reason: new("pin"), Advice: new("The PIN is wrong."), RequestedAt: now}}}, nil
}

var now = time.Now().Truncate(time.Second)

func (f *fakeBridge) last() entity.Status {
	return entity.Status{ID: "1", Command: new("lock"), Status: "failed", InvokeStatus: new(markup), Message: new(markup), Advice: new(markup), RequestedAt: now}
}

func (f *fakeBridge) View(context.Context) (View, error) {
	last := f.last()
	reading := func(value string) volvo.Reading { return volvo.Reading{Value: value, Time: now} }
	car := entity.Car{VIN: "YV1TEST0000000001", Name: markup, Level: "ex30", Memory: entity.NewMemory(), Tried: map[volvo.Resource]bool{}}
	for resource, readings := range map[volvo.Resource]volvo.Readings{
		volvo.Details:     {"descriptions.model": reading(markup), "fuelType": reading("ELECTRIC")},
		volvo.Doors:       {"centralLock": reading("LOCKED"), "frontLeftDoor": reading("OPEN"), "rearLeftDoor": reading("CLOSED")},
		volvo.EnergyState: {"batteryChargeLevel": reading("61"), "chargingStatus": reading("CHARGING")},
		volvo.Odometer:    {"odometer": {Value: "41982", Unit: "km", Time: now}},
		volvo.Position:    {"latitude": reading("57.70455"), "longitude": reading("12.01531")},
		volvo.Commands:    {"LOCK": reading("lock"), "UNLOCK": reading("unlock"), "FLASH": reading("flash")},
		volvo.Tyres:       {"frontLeft": reading("NO_WARNING")},
	} {
		car.Snapshot[resource] = &entity.Answer{Readings: readings, Fetched: now}
	}
	rules := entity.Rules{Allow: []volvo.Command{volvo.Lock, volvo.Unlock}, PIN: f.pin}
	for _, c := range rules.Allow {
		car.Offered[c] = true
	}
	car.Prove(rules)
	v := View{Now: time.Now(), Rules: rules, Broker: Broker{Since: now, Lines: []string{markup}}, Unknown: []string{markup}, Store: markup,
		Accounts: []Account{{Label: "account1", Status: "outage", Since: now, Advice: markup, Login: true, Spent: 4000, Limit: 9500, Forecast: 7000, Refill: now.Add(10 * time.Hour), Days: history.Days{}}},
		Cars: []Car{{Level: "ex30", Label: "ex30", Name: markup, Online: true, LastGood: now, Phase: "parked", Reason: markup, Rows: car.Rows(rules, entity.Place{Base: "volvo", ClientID: "volvobridge"}, now),
			Position: car.Position(), Last: &last, Answers: map[string]entity.Answer{}, Reads: []Read{{Resource: "doors", Reason: markup, Fault: markup, FaultAt: now, Last: now, Interval: time.Minute, Next: now.Add(time.Minute)}}}}}
	for resource, a := range car.Snapshot {
		v.Cars[0].Answers[string(resource)] = *a
	}
	if f.view != nil {
		f.view(&v)
	}
	return v, nil
}

// parts are those of the first message of a stream.
func parts(message string) map[string]string {
	var all map[string]string
	_ = json.Unmarshal([]byte(message), &all) // nil, if it is none
	return all
}

type fakeLog struct{}

func (fakeLog) Lines() []LogLine {
	return []LogLine{{At: now, Level: "warn", Car: "ex30", Text: markup, Rest: markup}, {At: now, Level: "info", Text: "quiet"}}
}
func (fakeLog) Changed() <-chan struct{} { return nil }

type fakeCheck struct{ started int }

func (c *fakeCheck) Start() { c.started++ }
func (c *fakeCheck) State() CheckState {
	return CheckState{Ended: now, Findings: []Finding{{"broker", markup, "problem", markup, markup}}}
}
func (c *fakeCheck) Bundle() ([]byte, error)  { return []byte("{}\n"), nil }
func (c *fakeCheck) Changed() <-chan struct{} { return nil }

type fakeSetup struct{ taken []string }

func (s *fakeSetup) State(context.Context) SetupState {
	return SetupState{Broker: SetupBroker{URL: markup, Password: "s3cret-password"}, BrokerDone: true, Volvo: SetupVolvo{ClientID: markup, ClientSecret: "s3cret-client", APIKey: "s3cret-key"}, VolvoDone: true, LoggedIn: true, Cars: []SetupCar{{Model: markup, VINEnd: "0001", Name: markup}}, Commands: []SetupCommand{{volvo.Lock, true}}}
}
func (s *fakeSetup) Broker(context.Context, SetupBroker) error {
	s.taken = append(s.taken, "broker")
	return nil
}
func (s *fakeSetup) Volvo(context.Context, SetupVolvo) error {
	s.taken = append(s.taken, "volvo")
	return nil
}
func (s *fakeSetup) Finish(context.Context, SetupCars) error {
	s.taken = append(s.taken, "cars")
	return nil
}
