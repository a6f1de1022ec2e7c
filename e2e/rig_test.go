// Package e2e tests the built program against real things: Mosquitto, and where
// they are there, more. What is missing is skipped, with its reason.
package e2e

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	paho "github.com/eclipse/paho.mqtt.golang"

	"volvobridge/volvo/simulator"
)

// binary is the program, built once.
var binary string

func TestMain(m *testing.M) {
	dir, err := os.MkdirTemp("", "volvobridge-e2e-")
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	binary = filepath.Join(dir, "volvobridge")
	build := exec.Command("go", "build", "-trimpath", "-ldflags=-s -w", "-o", binary, "../cmd/volvobridge")
	build.Env = append(os.Environ(), "CGO_ENABLED=0") // static, as the image and the releases are
	build.Stderr = os.Stderr
	code := 1
	if err := build.Run(); err == nil {
		code = m.Run()
	}
	os.RemoveAll(dir)
	os.Exit(code)
}

const (
	firstPort = 20000 // below those that the system gives to connections
	ports     = 240   // of a process
	processes = 50
)

// ownPorts are the ports of this process. The first is listened on for as long as it lives, so
// that no other process of these tests takes them, also while a broker is restarted.
var ownPorts = sync.OnceValue(func() int {
	for i := range processes {
		if _, err := net.Listen("tcp", fmt.Sprintf("127.0.0.1:%d", firstPort+i*ports)); err == nil {
			return firstPort + i*ports
		}
	}
	panic("every range of ports is taken")
})

var portsGiven atomic.Int64

// freePort returns a port that nobody listens on.
func freePort(t testing.TB) int {
	t.Helper()
	for range ports {
		port := ownPorts() + 1 + int(portsGiven.Add(1))%(ports-1)
		if l, err := net.Listen("tcp", fmt.Sprintf("127.0.0.1:%d", port)); err == nil {
			l.Close()
			return port
		}
	}
	t.Fatal("no port is free")
	return 0
}

// mosquitto is a broker of one's own.
type mosquitto struct {
	testing.TB
	config string
	port   int
	cmd    *exec.Cmd
}

// startMosquitto starts one with further lines of configuration.
func startMosquitto(t testing.TB, lines ...string) *mosquitto {
	t.Helper()
	return startMosquittoOn(t, freePort(t), lines...)
}

// startMosquittoOn starts one on a port; the lines may go on with the settings of
// its listener.
func startMosquittoOn(t testing.TB, port int, lines ...string) *mosquitto {
	t.Helper()
	path := mosquittoTool(t, "mosquitto")
	m := &mosquitto{TB: t, port: port, config: filepath.Join(t.TempDir(), "mosquitto.conf")}
	text := fmt.Sprintf("listener %d 127.0.0.1\n", m.port)
	if !strings.Contains(strings.Join(lines, "\n"), "persistence") {
		text += "persistence false\n"
	}
	if !strings.Contains(strings.Join(lines, "\n"), "allow_anonymous") {
		text += "allow_anonymous true\n"
	}
	if os.Getuid() == 0 {
		text += "user root\n"
	}
	if err := os.WriteFile(m.config, []byte(text+strings.Join(lines, "\n")+"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	m.start(path)
	t.Cleanup(func() { m.stop() })
	return m
}

// mosquittoTool finds a program of Debian's packages mosquitto and
// mosquitto-clients, or skips the test.
func mosquittoTool(t testing.TB, name string) string {
	t.Helper()
	path, err := exec.LookPath(name)
	if err != nil {
		t.Skip(name + " is not installed, or not in PATH (apt-get install mosquitto mosquitto-clients)")
	}
	return path
}

// mosquittoUsers makes a file of users and passwords for Mosquitto, or skips the
// test.
func mosquittoUsers(t testing.TB, users map[string]string) string {
	t.Helper()
	tool, file := mosquittoTool(t, "mosquitto_passwd"), filepath.Join(t.TempDir(), "passwords")
	for name, password := range users {
		args := []string{"-b", file, name, password}
		if _, err := os.Stat(file); err != nil {
			args = append([]string{"-c"}, args...)
		}
		if out, err := runProgram(tool, args...); err != nil {
			t.Fatalf("mosquitto_passwd: %v %s", err, out)
		}
	}
	return file
}

// runProgram runs a program to its end.
func runProgram(name string, args ...string) ([]byte, error) {
	return exec.Command(name, args...).CombinedOutput()
}

func (m *mosquitto) start(path string) {
	m.Helper()
	m.cmd = exec.Command(path, "-c", m.config)
	var out bytes.Buffer
	m.cmd.Stdout, m.cmd.Stderr = &out, &out
	if err := m.cmd.Start(); err != nil {
		m.Fatal(err)
	}
	for range 100 {
		if c, err := net.Dial("tcp", fmt.Sprintf("127.0.0.1:%d", m.port)); err == nil {
			c.Close()
			return
		}
		time.Sleep(20 * time.Millisecond)
	}
	m.Fatalf("mosquitto does not listen:\n%s", out.String())
}

func (m *mosquitto) stop() {
	if m.cmd == nil {
		return
	}
	_ = m.cmd.Process.Kill() // it may be gone
	_ = m.cmd.Wait()
	m.cmd = nil
}

func (m *mosquitto) restart() {
	path := m.cmd.Path
	m.stop()
	m.start(path)
}

func (m *mosquitto) url() string { return fmt.Sprintf("mqtt://127.0.0.1:%d", m.port) }

// observer is a client that sees everything.
type observer struct {
	testing.TB
	client   paho.Client
	mu       sync.Mutex
	retained map[string]string
	log      []string // "topic payload"
	qos      map[string]byte
}

func observe(t testing.TB, url string, options ...func(*paho.ClientOptions)) *observer {
	t.Helper()
	o := &observer{TB: t, retained: map[string]string{}, qos: map[string]byte{}}
	opts := paho.NewClientOptions().AddBroker(url).SetClientID(fmt.Sprintf("observer-%d", time.Now().UnixNano())).SetProtocolVersion(4)
	opts.SetOnConnectHandler(func(c paho.Client) {
		c.Subscribe("#", 1, func(_ paho.Client, m paho.Message) {
			o.mu.Lock()
			defer o.mu.Unlock()
			o.retained[m.Topic()] = string(m.Payload())
			if len(m.Payload()) > 0 {
				o.qos[m.Topic()] = m.Qos()
			}
			o.log = append(o.log, m.Topic()+" "+string(m.Payload()))
		}).WaitTimeout(5 * time.Second)
	})
	opts.SetMaxReconnectInterval(time.Second)
	for _, f := range options {
		f(opts)
	}
	o.client = paho.NewClient(opts)
	if token := o.client.Connect(); !token.WaitTimeout(10*time.Second) || token.Error() != nil {
		t.Fatalf("the observer can't connect: %v", token.Error())
	}
	t.Cleanup(func() { o.client.Disconnect(100) })
	return o
}

func (o *observer) get(topic string) string {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.retained[topic]
}

// quality is the QoS of the last message on a topic.
func (o *observer) quality(topic string) byte {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.qos[topic]
}

func (o *observer) topics(prefix string) []string {
	o.mu.Lock()
	defer o.mu.Unlock()
	var topics []string
	for t, p := range o.retained {
		if strings.HasPrefix(t, prefix) && p != "" {
			topics = append(topics, t)
		}
	}
	return topics
}

func (o *observer) forget() {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.retained, o.log = map[string]string{}, nil
}

func (o *observer) publish(topic, payload string) {
	o.Helper()
	if token := o.client.Publish(topic, 1, false, payload); !token.WaitTimeout(5*time.Second) || token.Error() != nil {
		o.Fatalf("publish: %v", token.Error())
	}
}

func (o *observer) document(topic string) map[string]any {
	var d map[string]any
	_ = json.Unmarshal([]byte(o.get(topic)), &d) // nil until there is one
	return d
}

// patience is the least that eventually waits: a machine that does other work beside the
// tests stands still for seconds. How long a thing takes is measured by benchmarks.
const patience = 20 * time.Second

// eventually waits until f is true, for a limit or [patience].
func eventually(t testing.TB, limit time.Duration, what string, f func() bool) {
	t.Helper()
	limit = max(limit, patience)
	for end := time.Now().Add(limit); time.Now().Before(end); time.Sleep(10 * time.Millisecond) {
		if f() {
			return
		}
	}
	t.Fatalf("%s: not within %v", what, limit)
}

// process is the running program.
type process struct {
	testing.TB
	cmd *exec.Cmd
	out *output
	dir string
}

type output struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (o *output) Write(p []byte) (int, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.b.Write(p)
}

func (o *output) String() string {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.b.String()
}

// startBridge runs the program with a configuration in a folder of its own.
func startBridge(t testing.TB, dir, config string) *process {
	t.Helper()
	if err := os.WriteFile(filepath.Join(dir, "config.yaml"), []byte(config), 0o600); err != nil {
		t.Fatal(err)
	}
	return startProgram(t, dir, "run", "-c", "config.yaml")
}

func startProgram(t testing.TB, dir string, args ...string) *process {
	t.Helper()
	p := &process{TB: t, out: &output{}, dir: dir}
	p.cmd = exec.Command(binary, args...)
	p.cmd.Dir, p.cmd.Stdout, p.cmd.Stderr = dir, p.out, p.out
	if err := p.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		p.kill()
		if t.Failed() {
			t.Logf("the program said:\n%s", p.out)
		}
	})
	return p
}

func (p *process) kill() {
	if p.cmd.ProcessState == nil {
		_ = p.cmd.Process.Kill() // it may be gone
		_ = p.cmd.Wait()
	}
}

// terminate stops the program as a service manager does and returns its exit code
// and how long that took.
func (p *process) terminate() (int, time.Duration) {
	p.Helper()
	started := time.Now()
	if err := p.cmd.Process.Signal(syscall.SIGTERM); err != nil {
		p.Fatal(err)
	}
	stuck := time.AfterFunc(time.Minute, func() { _ = p.cmd.Process.Signal(syscall.SIGQUIT) }) // it then tells where
	defer stuck.Stop()
	err := p.cmd.Wait()
	var exit *exec.ExitError
	if err != nil && !errors.As(err, &exit) {
		p.Fatal(err)
	}
	return p.cmd.ProcessState.ExitCode(), time.Since(started)
}

// config is a configuration for a cloud and a broker; more is appended.
func config(cloud, broker, more string) string {
	return fmt.Sprintf(`volvo:
  api_key: simulated-vcc-api-key
  access_token: simulated-access-token
  api_url: %s
mqtt:
  url: %s
http:
  listen: ""
log:
  level: trace
%s`, cloud, broker, more)
}

func serve(t testing.TB, h http.Handler) string {
	t.Helper()
	s := httptest.NewServer(h)
	t.Cleanup(s.Close)
	return s.URL
}

const vin = "YV1ABCDEFG1234567"

// recorded replays a recorded car, or the hand-written one where none is there.
func recorded(t testing.TB) (*simulator.Replay, string) {
	t.Helper()
	dir, name := os.Getenv("VOLVO_RECORDINGS"), vin
	if dir == "" {
		dir = "../../shared/recordings"
	}
	folder := filepath.Join(dir, "xc60_phev_2020")
	if _, err := os.Stat(folder); err != nil {
		folder, name = "../bridge/testdata/car", "YV4TESTCAR0000001"
	}
	r, err := simulator.NewReplay(os.DirFS(folder))
	if err != nil {
		t.Fatal(err)
	}
	return r, name
}
