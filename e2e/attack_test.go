package e2e

import (
	"encoding/json"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	paho "github.com/eclipse/paho.mqtt.golang"

	"volvobridge/volvo/simulator"
)

// TestTwoBridgesOnOneTopic: one POST of each message; the second says what is wrong
// and takes over when the first has gone, also when it was killed.
func TestTwoBridgesOnOneTopic(t *testing.T) {
	broker := startMosquitto(t)
	cloud, car := recorded(t)
	url := serve(t, cloud)
	dir := t.TempDir()
	first := startBridge(t, dir, config(url, broker.url(), allow))
	o := observe(t, broker.url())
	values(t, o, car, 10*time.Second)
	second := t.TempDir()
	write(t, second, config(url, broker.url()+"\n  client_id: another", allow))
	p := startProgram(t, second, "run")
	eventually(t, 5*time.Second, "the second says so", func() bool { return strings.Contains(p.out.String(), "another bridge owns the base topic") })
	if out, code := doctor(t, second); code != 1 || !strings.Contains(out, "another bridge owns mqtt.topic: client id volvobridge") {
		t.Errorf("the doctor beside it, exit %d:\n%s", code, out)
	}
	for i := range 5 {
		o.publish("volvo/"+car+"/honk/set", fmt.Sprintf(`{"value":"PRESS","id":"%d"}`, i))
		time.Sleep(200 * time.Millisecond)
	}
	if n := len(cloud.Calls(http.MethodPost)); n != 5 {
		t.Errorf("%d POSTs of five messages", n)
	}
	first.kill()
	time.Sleep(time.Second)
	first = startBridge(t, dir, config(url, broker.url(), allow)) // its own restart after a crash is no conflict
	eventually(t, 5*time.Second, "the restart runs commands", func() bool {
		o.publish("volvo/"+car+"/flash/set", fmt.Sprintf(`{"value":"PRESS","id":"%d"}`, time.Now().UnixNano()))
		time.Sleep(300 * time.Millisecond)
		return o.document("volvo/" + car + "/flash/status")["status"] == "succeeded"
	})
	first.terminate()
	eventually(t, 10*time.Second, "the second takes over", func() bool {
		var m struct {
			ClientID string `json:"client_id"`
		}
		return json.Unmarshal([]byte(o.get("volvo/bridge/instance")), &m) == nil && m.ClientID == "another" && o.get("volvo/bridge/availability") == "online"
	})
	p.terminate()
}

// flood publishes garbage until the returned function ends it and tells how much: ten
// times what filled the log and stopped the reads once.
func flood(client paho.Client, topic string) func() int {
	stop := make(chan struct{})
	done := make(chan int)
	go func() {
		n := 0
		for {
			select {
			case <-stop:
				done <- n
				return
			default:
				client.Publish(topic, 0, false, fmt.Sprintf("garbage %d", n)).WaitTimeout(time.Second)
				if n++; n%20 == 0 {
					time.Sleep(time.Millisecond)
				}
			}
		}
	}()
	return func() int {
		close(stop)
		return <-done
	}
}

// slowestLock locks ten times, and returns how long the slowest status took.
func slowestLock(t *testing.T, client paho.Client, car string, statuses <-chan string) (slowest time.Duration) {
	t.Helper()
	for i := range 10 {
		began := time.Now()
		id := fmt.Sprint("lock", i)
		client.Publish("volvo/"+car+"/lock/set", 1, false, fmt.Sprintf(`{"value":"LOCK","id":%q}`, id)).WaitTimeout(5 * time.Second)
		for answered := false; !answered; {
			select {
			case status := <-statuses:
				answered = strings.Contains(status, `"`+id+`"`)
			case <-time.After(time.Minute):
				t.Fatal("no status of a LOCK within a minute")
			}
		}
		slowest = max(slowest, time.Since(began))
		time.Sleep(time.Second)
	}
	return slowest
}

// inMemory is a folder that no disk holds up, if the machine has such a thing: a status
// waits until the command is safe on the disk, and a busy disk takes its time.
func inMemory(t *testing.T) string {
	t.Helper()
	dir, err := os.MkdirTemp("/dev/shm", "volvobridge")
	if err != nil {
		return t.TempDir()
	}
	t.Cleanup(func() { _ = os.RemoveAll(dir) })
	return dir
}

// TestFlood: a flood on one topic fills neither memory nor log, stops no reads, and
// the status of another command comes soon.
func TestFlood(t *testing.T) {
	// On a busy machine the broker hands on less than comes in. By default it then drops
	// what is over a thousand messages, also a LOCK that it has confirmed.
	broker := startMosquitto(t, "max_queued_messages 0")
	cloud, car := recorded(t)

	p := startBridge(t, inMemory(t), quietConfig(serve(t, cloud), broker.url(), allow+"polling: {intervals: {doors: 10s}}\n"))
	o := observe(t, broker.url())
	values(t, o, car, 10*time.Second)
	o.client.Disconnect(100) // it hears everything, and would be slower than what is measured
	statuses := make(chan string, 1000)
	listener := paho.NewClient(paho.NewClientOptions().AddBroker(broker.url()).SetProtocolVersion(4).SetClientID("listener"))
	if token := listener.Connect(); !token.WaitTimeout(5*time.Second) || token.Error() != nil {
		t.Fatal(token.Error())
	}
	listener.Subscribe("volvo/"+car+"/lock/status", 1, func(_ paho.Client, m paho.Message) { statuses <- string(m.Payload()) }).WaitTimeout(5 * time.Second)
	time.Sleep(time.Second)
	said := len(p.out.String())
	before := resident(t, p.cmd.Process.Pid)
	flooder := paho.NewClient(paho.NewClientOptions().AddBroker(broker.url()).SetProtocolVersion(4).SetClientID("flooder"))
	if token := flooder.Connect(); !token.WaitTimeout(5*time.Second) || token.Error() != nil {
		t.Fatal(token.Error())
	}
	stopFlood := flood(flooder, "volvo/"+car+"/flash/set")
	large := strings.Repeat("x", 10<<20)
	for range 5 {
		flooder.Publish("volvo/"+car+"/honk_flash/set", 0, false, large).WaitTimeout(5 * time.Second)
	}
	reads := len(cloud.Calls(http.MethodGet))
	slowest := slowestLock(t, listener, car, statuses)
	sent := stopFlood()
	flooder.Disconnect(100)
	listener.Disconnect(100)
	t.Logf("%d messages in the flood; the slowest status of a LOCK came after %v", sent, slowest)
	if slowest > 10*time.Second { // 50 ms on a machine that has time
		t.Errorf("the slowest status of a LOCK came after %v", slowest)
	}
	if more := len(cloud.Calls(http.MethodGet)) - reads; more < 5 {
		t.Errorf("%d reads meanwhile", more)
	}
	if grown := len(p.out.String()) - said; grown > 20_000 {
		t.Errorf("%d bytes of log", grown)
	}
	time.Sleep(2 * time.Second)
	if now := resident(t, p.cmd.Process.Pid); now > before+150 {
		t.Errorf("%.0f MB, %.0f before", now, before)
	}
}

// TestBrokerLimits: what the real broker does not take costs just itself.
func TestBrokerLimits(t *testing.T) {
	for _, c := range []struct{ name, line, advice string }{
		{"packets", "max_packet_size 20000", "limit of a packet"},
		{"messages", "message_size_limit 20000", "limit of a message"},
		{"retained", "retain_available false", "no retained messages"},
		{"qos", "max_qos 0", "QoS 1"},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			broker := startMosquitto(t, c.line)
			cloud, car := recorded(t)
			o := observe(t, broker.url())
			p := startBridge(t, t.TempDir(), config(serve(t, cloud), broker.url(), allow))
			eventually(t, 40*time.Second, "the advice", func() bool {
				return strings.Contains(o.get("volvo/bridge/broker_problem/attributes"), c.advice) && o.document("volvo/bridge/state")["broker_problem"] == "ON"
			})
			eventually(t, 10*time.Second, "values", func() bool { return o.document("volvo/" + car + "/state")["lock"] != nil })
			o.client.Publish("volvo/"+car+"/honk/set", 0, false, "PRESS").WaitTimeout(5 * time.Second)
			eventually(t, 5*time.Second, "a command", func() bool { return len(cloud.Calls(http.MethodPost)) == 1 })
			if strings.Contains(p.out.String(), "same mqtt.client_id") {
				t.Error("another client is blamed")
			}
			p.terminate()
		})
	}
}

// TestSignalsAndPipes: the end of a terminal, or of the pipe that the log goes into,
// ends nothing.
func TestSignalsAndPipes(t *testing.T) {
	broker := startMosquitto(t)
	cloud, car := recorded(t)
	dir := t.TempDir()
	write(t, dir, config(serve(t, cloud), broker.url(), allow))
	read, pipe, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(binary, "run")
	cmd.Dir, cmd.Stderr, cmd.Stdout = dir, pipe, pipe
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	pipe.Close()
	ended := make(chan error, 1)
	go func() { ended <- cmd.Wait() }()
	o := observe(t, broker.url())
	values(t, o, car, 10*time.Second)
	read.Close() // nobody reads the log any more
	if err := cmd.Process.Signal(syscall.SIGHUP); err != nil {
		t.Fatal(err)
	}
	for i := range 3 {
		o.publish("volvo/"+car+"/flash/set", fmt.Sprintf(`{"value":"PRESS","id":"%d"}`, i)) // each is logged
		time.Sleep(300 * time.Millisecond)
	}
	select {
	case err := <-ended:
		t.Fatalf("it ended: %v", err)
	default:
	}
	if n := len(cloud.Calls(http.MethodPost)); n != 3 {
		t.Errorf("%d POSTs", n)
	}
	if err := cmd.Process.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	select {
	case err := <-ended:
		if err != nil {
			t.Errorf("the stop: %v", err)
		}
	case <-time.After(10 * time.Second):
		t.Fatal("it does not end")
	}
	if got := o.get("volvo/bridge/availability"); got != "offline" {
		t.Errorf("availability %s", got)
	}
}

// TestLoginOnAFullDisk: refreshes go on on a disk that is full, and neither a kill
// nor a stop loses the login.
func TestLoginOnAFullDisk(t *testing.T) {
	disk := t.TempDir()
	if err := syscall.Mount("none", disk, "tmpfs", 0, "size=2m"); err != nil {
		t.Skipf("no disk can be mounted here, as it can by root: %v", err)
	}
	defer func() { _ = syscall.Unmount(disk, syscall.MNT_DETACH) }()
	cloud := simulator.New(simulator.Options{PerMinute: -1, PerDay: -1, OAuth: simulator.OAuth{Life: time.Second}})
	url := serve(t, cloud)
	write(t, disk, oauthConfig(url, fmt.Sprintf("mqtt://127.0.0.1:%d", freePort(t)), "https://example.com/volvo", "", ""))
	logInOnce(t, disk)
	p := startProgram(t, disk, "run")
	time.Sleep(2 * time.Second)
	filler, err := os.Create(filepath.Join(disk, "filler"))
	if err != nil {
		t.Fatal(err)
	}
	for size := 1 << 16; size > 0; size /= 2 {
		for err = nil; err == nil; {
			_, err = filler.Write(make([]byte, size))
		}
	}
	filler.Close()
	requests := cloud.TokenRequests()
	for i := range 4 {
		time.Sleep(3 * time.Second)
		if i%2 == 0 {
			p.kill()
		} else if code, _ := p.terminate(); code != 0 {
			t.Errorf("a stop on a full disk: exit %d\n%s", code, p.out)
		}
		if strings.Contains(p.out.String(), "login_required") {
			t.Fatalf("the login is lost:\n%s", p.out)
		}
		p = startProgram(t, disk, "run")
	}
	time.Sleep(2 * time.Second)
	p.terminate()
	if n := cloud.TokenRequests() - requests; n < 5 {
		t.Errorf("%d refreshes on a full disk", n)
	}
	if !strings.Contains(p.out.String(), "the store can't be written") {
		t.Errorf("nothing says that the disk is full:\n%s", p.out)
	}
}
