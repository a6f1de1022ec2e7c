package e2e

import (
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"volvobridge/volvo/simulator"
)

// statusOf is the status of a command by its id, empty as long as it has none.
func (o *observer) statusOf(car, entity, id string) string {
	s := o.document("volvo/" + car + "/" + entity + "/status")
	if s["id"] != id {
		return ""
	}
	text, _ := s["status"].(string)
	return text
}

// TestKilledWhileCommanding kills the bridge at random points around commands.
// Whatever the point: at most one POST a message; a command that the journal has
// ends in a status; one that no kill hit succeeds; nothing stays open.
func TestKilledWhileCommanding(t *testing.T) {
	commands := 30
	if os.Getenv("E2E_LONG") != "" {
		commands = 300
	}
	broker := startMosquitto(t)
	cloud := simulator.New(simulator.Options{Cars: []simulator.Kind{simulator.Petrol}, PerMinute: -1, CommandsPerMinute: -1, PerDay: -1,
		Answer: 30 * time.Millisecond, Effect: 10 * time.Millisecond})
	car := cloud.VINs()[0]
	o := observe(t, broker.url())
	dir := t.TempDir()
	cfg := strings.Replace(config(serve(t, cloud), broker.url(), allow), "level: trace", "level: info", 1) + "polling: {daily_quota: 1000000000, per_minute: 1000000}\n"
	p := startBridge(t, dir, cfg)
	online := func() {
		eventually(t, 10*time.Second, "online", func() bool { return o.get("volvo/bridge/availability") == "online" })
	}
	online()
	random := rand.New(rand.NewPCG(1, 2))
	kills, unknowns, unheard, posted := 0, 0, 0, 0
	for i := range commands {
		entity, word := "lock", []string{"LOCK", "UNLOCK"}[i%2]
		if i%3 == 2 {
			entity, word = "flash", "PRESS"
		}
		id, before := fmt.Sprintf("k%d", i), len(cloud.Posts())
		payload := fmt.Sprintf(`{"value":%q,"id":%q,"at":%d}`, word, id, time.Now().Unix())
		kill := random.Float64() < 0.4
		o.publish("volvo/"+car+"/"+entity+"/set", payload)
		if kill {
			kills++
			time.Sleep(time.Duration(random.IntN(50)) * time.Millisecond)
			p.kill()
			eventually(t, 5*time.Second, "the will", func() bool { return o.get("volvo/bridge/availability") == "offline" })
			p = startBridge(t, dir, cfg)
			online()
		}
		eventually(t, 10*time.Second, id+" ends", func() bool {
			s := o.statusOf(car, entity, id)
			return s != "" && s != "sending" || kill && s == ""
		})
		posts := len(cloud.Posts()) - before
		posted += posts
		s := o.statusOf(car, entity, id)
		judge(t, id, s, posts, kill)
		switch s {
		case "":
			unheard++
		case "unknown":
			unknowns++
		}
	}
	p.terminate()
	open := openEntries(t, filepath.Join(dir, "data", "commands.jsonl"))
	if open > 0 {
		t.Errorf("%d entries of the journal are open", open)
	}
	if kills < commands/5 || unknowns == 0 {
		t.Errorf("%d kills, %d unknown: that is no test", kills, unknowns)
	}
	t.Logf("%d commands, %d kills, %d POSTs, %d unknown, %d killed before they were taken", commands, kills, posted, unknowns, unheard)
}

// judge looks at the end of one command.
func judge(t *testing.T, id, status string, posts int, killed bool) {
	t.Helper()
	switch {
	case posts > 1:
		t.Fatalf("%s: %d POSTs for one message", id, posts)
	case !killed && (status != "succeeded" || posts != 1):
		t.Fatalf("%s: no kill hit it, but it is %q with %d POSTs", id, status, posts)
	case status == "" && posts > 0:
		t.Fatalf("%s: a POST that nobody told of", id)
	}
}

// openEntries counts the commands that the journal does not know the end of.
func openEntries(t *testing.T, file string) int {
	t.Helper()
	data, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	open := map[int64]bool{}
	for line := range strings.Lines(string(data)) {
		var e struct {
			Seq  int64 `json:"seq"`
			Open bool  `json:"open"`
		}
		if err := json.Unmarshal([]byte(line), &e); err != nil {
			t.Fatalf("%q: %v", line, err)
		}
		open[e.Seq] = e.Open
	}
	n := 0
	for _, is := range open {
		if is {
			n++
		}
	}
	return n
}

// TestLedger: `volvobridge commands` beside a running bridge and without one.
func TestLedger(t *testing.T) {
	broker := startMosquitto(t)
	cloud, car := recorded(t)
	o := observe(t, broker.url())
	dir := t.TempDir()
	p := startBridge(t, dir, config(serve(t, cloud), broker.url(), allow))
	ledger := func(args ...string) string {
		t.Helper()
		cmd := exec.Command(binary, append([]string{"commands", "-c", "config.yaml"}, args...)...)
		cmd.Dir = dir
		out, err := cmd.CombinedOutput()
		if err != nil {
			t.Fatalf("%v\n%s", err, out)
		}
		return string(out)
	}
	eventually(t, 10*time.Second, "online", func() bool { return o.get("volvo/"+car+"/availability") == "online" })
	if got := ledger(); got != "No command was sent yet.\n" {
		t.Errorf("%q", got)
	}
	o.publish("volvo/"+car+"/lock/set", `{"value":"LOCK","id":"mine"}`)
	eventually(t, 10*time.Second, "confirmed", func() bool { return o.document("volvo/" + car + "/lock/status")["confirmed"] == true })
	check := func() {
		t.Helper()
		if got := ledger(); !strings.Contains(got, "COMPLETED") || !strings.Contains(got, "after 2") || strings.Contains(got, car) {
			t.Errorf("%s", got)
		}
		var entries []map[string]any
		if err := json.Unmarshal([]byte(ledger("--json")), &entries); err != nil || len(entries) != 1 || entries[0]["id"] != "mine" ||
			entries[0]["status"] != "succeeded" || entries[0]["sentAt"] == nil || entries[0]["answeredAt"] == nil || entries[0]["confirmedAt"] == nil {
			t.Errorf("%v %v", entries, err)
		}
	}
	eventually(t, 2*time.Second, "the journal", func() bool { return strings.Contains(ledger(), "after 2") })
	check()
	p.terminate()
	check()
}

// stalling is a proxy that can hold everything back.
type stalling struct {
	mu   sync.Mutex
	held bool
	cond *sync.Cond
}

func stall(t *testing.T, target string) (*stalling, string) {
	t.Helper()
	s := &stalling{}
	s.cond = sync.NewCond(&s.mu)
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	pass := func(to, from net.Conn) {
		defer to.Close()
		buffer := make([]byte, 4096)
		for {
			n, err := from.Read(buffer)
			if err != nil {
				return
			}
			s.mu.Lock()
			for s.held {
				s.cond.Wait()
			}
			s.mu.Unlock()
			if _, err := to.Write(buffer[:n]); err != nil {
				return
			}
		}
	}
	go func() {
		for {
			near, err := l.Accept()
			if err != nil {
				return
			}
			far, err := net.Dial("tcp", target)
			if err != nil {
				near.Close()
				continue
			}
			go pass(far, near)
			go pass(near, far)
		}
	}()
	return s, l.Addr().String()
}

func (s *stalling) hold(held bool) {
	s.mu.Lock()
	s.held = held
	s.mu.Unlock()
	s.cond.Broadcast()
}

// TestNothingLateThroughAStalledLink: packets that were held for a minute, and
// messages sent while the broker or the bridge was away, move no car.
func TestNothingLateThroughAStalledLink(t *testing.T) {
	if os.Getenv("E2E_LONG") == "" {
		t.Skip("takes minutes: set E2E_LONG=1")
	}
	broker := startMosquitto(t)
	proxy, address := stall(t, fmt.Sprintf("127.0.0.1:%d", broker.port))
	cloud, car := recorded(t)
	o := observe(t, broker.url())
	dir := t.TempDir()
	p := startBridge(t, dir, config(serve(t, cloud), "mqtt://"+address, "commands: {allow: [lock, unlock, honk], per_minute: 1000}\n"))
	online := func() {
		eventually(t, 40*time.Second, "online", func() bool { return o.get("volvo/bridge/availability") == "online" })
	}
	unlock := func() string { return fmt.Sprintf(`{"value":"UNLOCK","at":%d}`, time.Now().Unix()) }
	online()
	eventually(t, 10*time.Second, "the car", func() bool { return o.get("volvo/"+car+"/availability") == "online" })
	proxy.hold(true)
	o.publish("volvo/"+car+"/lock/set", unlock())
	time.Sleep(60 * time.Second)
	proxy.hold(false)
	time.Sleep(5 * time.Second)
	if n := len(cloud.Calls("POST")); n != 0 {
		t.Fatalf("%d POSTs after a stall of a minute", n)
	}
	online()
	p.terminate()
	o.publish("volvo/"+car+"/lock/set", unlock()) // nobody is there
	startBridge(t, dir, config(serve(t, cloud), "mqtt://"+address, "commands: {allow: [lock, unlock, honk], per_minute: 1000}\n"))
	online()
	time.Sleep(3 * time.Second)
	if n := len(cloud.Calls("POST")); n != 0 {
		t.Fatalf("%d POSTs for a message sent while the bridge was away", n)
	}
	cloud.Command = func(simulator.Call) simulator.Answer { // an answer that outlives the broker
		time.Sleep(5 * time.Second)
		return simulator.Answer{Status: 200, Body: `{"data":{"invokeStatus":"COMPLETED"}}`}
	}
	o.publish("volvo/"+car+"/honk/set", `{"value":"PRESS","id":"restart"}`)
	eventually(t, 5*time.Second, "the POST", func() bool { return len(cloud.Calls("POST")) == 1 })
	broker.restart()
	eventually(t, 30*time.Second, "the end of the command", func() bool {
		s := o.document("volvo/" + car + "/honk/status")
		return s["id"] == "restart" && s["status"] == "succeeded"
	})
	if n := len(cloud.Calls("POST")); n != 1 {
		t.Errorf("%d POSTs for one message", n)
	}
}

// TestNothingFromAPersistentBroker: what was sent while the bridge was away is
// not kept for it, by a broker that keeps what it can across a restart.
func TestNothingFromAPersistentBroker(t *testing.T) {
	broker := startMosquitto(t, "persistence true", "persistence_location "+t.TempDir()+"/", "autosave_interval 1")
	cloud, car := recorded(t)
	o := observe(t, broker.url())
	dir, cfg := t.TempDir(), config(serve(t, cloud), broker.url(), allow)
	p := startBridge(t, dir, cfg)
	eventually(t, 10*time.Second, "the car", func() bool { return o.get("volvo/"+car+"/availability") == "online" })
	p.terminate()
	o.publish("volvo/"+car+"/lock/set", "UNLOCK")
	time.Sleep(1500 * time.Millisecond) // it saves
	broker.restart()
	startBridge(t, dir, cfg)
	eventually(t, 10*time.Second, "online", func() bool { return o.get("volvo/bridge/availability") == "online" })
	time.Sleep(2 * time.Second)
	if n := len(cloud.Calls("POST")); n != 0 {
		t.Errorf("%d POSTs for a message of before", n)
	}
}
