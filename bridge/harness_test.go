package bridge_test

import (
	"bytes"
	"context"
	"encoding/json"
	"io/fs"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/rs/zerolog"

	"volvobridge/bridge"
	"volvobridge/bridge/account"
	"volvobridge/bridge/login/logintest"
	"volvobridge/bridge/mqtt"
	"volvobridge/bridge/mqtt/mqtttest"
	"volvobridge/bridge/schedule"
	"volvobridge/bridge/store"
	"volvobridge/volvo"
	"volvobridge/volvo/simulator"
)

const (
	base   = "volvo"
	apiKey = "simulated-vcc-api-key"
	token  = "simulated-access-token"
	vin    = "YV1ABCDEFG1234567"
)

// rig is a bridge in a bubble, with a broker and a cloud.
type rig struct {
	*testing.T
	broker *mqtttest.Broker
	opts   bridge.Options
	bridge *bridge.Bridge
	dir    string
	log    *lockedBuffer
	stop   func()
}

type lockedBuffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (l *lockedBuffer) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.Write(p)
}

func (l *lockedBuffer) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.String()
}

var allAllowed = volvo.AllCommands()

// newRig configures a bridge for a cloud; start runs it.
func newRig(t *testing.T, cloud http.Handler, vehicles ...account.Vehicle) *rig {
	r := &rig{T: t, broker: mqtttest.New(), dir: filepath.Join(t.TempDir(), "data"), log: &lockedBuffer{}}
	client := volvo.New(volvo.Options{URL: "https://api", Key: apiKey, CommandTimeout: 160 * time.Second, Transport: logintest.Through{Handler: cloud},
		Tokens: volvo.NewStaticTokens(map[volvo.API]string{volvo.ConnectedVehicle: token, volvo.Energy: token, volvo.Location: token}), UserAgent: "test"})
	r.opts = bridge.Options{
		Accounts:      []account.Options{{Clients: []*volvo.Client{client}, KeyIDs: []string{"k"}, Vehicles: vehicles}},
		MQTT:          bridge.MQTT{Address: mqtt.Address{URL: "mqtt://broker"}, ClientID: "test", Topic: base, Dial: r.broker.Dial},
		HomeAssistant: bridge.HomeAssistant{Discovery: true, Prefix: "homeassistant", StatusTopic: "homeassistant/status"},
		Polling: account.Polling{DailyQuota: 10000, Reserve: 500, PerMinute: 90,
			Rules: schedule.Rules{MinInterval: 10 * time.Second}},
		Commands: bridge.Commands{Allow: allAllowed, MaxAge: 30 * time.Second, AllowPlain: true, PerMinute: 10},
		Log:      zerolog.New(r.log).Level(zerolog.DebugLevel), Version: "test",
	}
	return r
}

// start runs the bridge until the returned stop, or the end of the test.
func (r *rig) start() {
	r.Helper()
	st, err := store.Open(r.dir)
	if err != nil {
		r.Fatal(err)
	}
	r.opts.Store = st
	r.bridge = bridge.New(r.opts)
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- r.bridge.Run(ctx) }()
	var once sync.Once
	r.stop = func() {
		once.Do(func() {
			cancel()
			if err := <-done; err != nil {
				r.Error(err)
			}
			if err := st.Close(); err != nil {
				r.Error(err)
			}
		})
	}
}

// run runs f in a bubble with a started bridge.
func run(t *testing.T, cloud http.Handler, f func(r *rig), vehicles ...account.Vehicle) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, cloud, vehicles...)
		r.start()
		defer func() { r.stop() }()
		time.Sleep(10 * time.Second) // the first look at the car
		synctest.Wait()
		f(r)
	})
}

// document returns a retained JSON document.
func (r *rig) document(topic string) map[string]any {
	r.Helper()
	text, ok := r.broker.Retained(base + "/" + topic)
	if !ok {
		r.Fatalf("nothing retained on %s", topic)
	}
	var d map[string]any
	if err := json.Unmarshal([]byte(text), &d); err != nil {
		r.Fatalf("%s: %v", topic, err)
	}
	return d
}

// command publishes to a /set topic and returns the last status of that message:
// the read-back of an earlier one may be told on the same topic.
func (r *rig) command(topic, payload string) map[string]any {
	r.Helper()
	sent := time.Now()
	r.broker.Publish(base+"/"+topic+"/set", payload, false)
	time.Sleep(time.Second)
	synctest.Wait()
	var last map[string]any
	for _, m := range r.broker.Log() {
		var s map[string]any
		if m.Topic != base+"/"+topic+"/status" || json.Unmarshal([]byte(m.Payload), &s) != nil {
			continue
		}
		if at, err := time.Parse(time.RFC3339Nano, s["requestedAt"].(string)); err == nil && !at.Before(sent) {
			last = s
		}
	}
	if last == nil {
		r.Fatalf("no status for %s %s", topic, payload)
	}
	return last
}

// warnings are the lines of the log at warn and above.
func (r *rig) warnings() string {
	var lines []string
	for line := range strings.Lines(r.log.String()) {
		if strings.Contains(line, `"level":"warn"`) || strings.Contains(line, `"level":"error"`) {
			lines = append(lines, line)
		}
	}
	return strings.Join(lines, "")
}

// recordings returns the folder of recorded answers, or skips.
func recordings(t *testing.T) string {
	dir := os.Getenv("VOLVO_RECORDINGS")
	if dir == "" {
		dir = filepath.Join("..", "..", "shared", "recordings")
	}
	if _, err := os.Stat(dir); err != nil {
		t.Skip("no recorded answers: set VOLVO_RECORDINGS to their folder")
	}
	return dir
}

func replay(t *testing.T, dir fs.FS) *simulator.Replay {
	t.Helper()
	r, err := simulator.NewReplay(dir)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// ownCar is the hand-written car of testdata.
func ownCar(t *testing.T) *simulator.Replay { return replay(t, os.DirFS("testdata/car")) }
