package e2e

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"volvobridge/volvo/simulator"
)

// long tells whether there is time for tests of minutes, as in CI.
func long(t *testing.T) {
	t.Helper()
	if os.Getenv("E2E_LONG") == "" {
		t.Skip("takes minutes: set E2E_LONG=1")
	}
}

// startDemo runs the demo with a temporary folder of its own.
func startDemo(t *testing.T) (p *process, broker, temporary string) {
	t.Helper()
	temporary = t.TempDir()
	t.Setenv("TMPDIR", temporary)
	p = startProgram(t, t.TempDir(), "demo")
	address := regexp.MustCompile(`Broker +(\S+)`)
	eventually(t, 5*time.Second, "the broker's address", func() bool { return address.MatchString(p.out.String()) })
	return p, "mqtt://" + address.FindStringSubmatch(p.out.String())[1], temporary
}

// TestDemo: three announced cars within ten seconds; a lock that is confirmed;
// nothing left behind.
func TestDemo(t *testing.T) {
	started := time.Now()
	p, broker, temporary := startDemo(t)
	o := observe(t, broker)
	eventually(t, 10*time.Second-time.Since(started), "three announced cars", func() bool { return len(o.topics("homeassistant/device/volvobridge_yv1xz")) == 3 })
	for _, car := range []string{"ex30", "xc60", "xc90"} {
		if lock := o.document("volvo/" + car + "/state")["lock"]; lock != "UNLOCKED" && lock != "LOCKED" || o.get("volvo/"+car+"/availability") != "online" {
			t.Errorf("%s: lock %v, %s", car, o.document("volvo/" + car + "/state")["lock"], o.get("volvo/"+car+"/availability"))
		}
	}
	o.publish("volvo/ex30/lock/set", "LOCK")
	eventually(t, 10*time.Second, "succeeded", func() bool { return o.document("volvo/ex30/lock/status")["status"] == "succeeded" })
	eventually(t, 15*time.Second, "confirmed", func() bool { return o.document("volvo/ex30/lock/status")["confirmed"] == true })
	if got := o.get("volvo/ex30/image/exterior"); !strings.HasPrefix(got, "\x89PNG") {
		t.Errorf("a picture of %d bytes that is no PNG", len(got))
	}
	if os.Getenv("E2E_LONG") != "" {
		aDay(t, o)
	}
	code, took := p.terminate()
	if code != 0 || took > 4*time.Second {
		t.Errorf("exit %d after %v", code, took)
	}
	if left, _ := filepath.Glob(temporary + "/*"); len(left) > 0 {
		t.Errorf("left behind: %v", left)
	}
	if strings.Contains(p.out.String(), "WRN") || strings.Contains(p.out.String(), "ERR") {
		t.Error("a warning in the log")
	}
}

// aDay watches until the cars drove, opened doors and charged.
func aDay(t *testing.T, o *observer) {
	t.Helper()
	seen := map[string]bool{}
	eventually(t, 10*time.Minute, "drives, doors and charging", func() bool {
		for _, car := range []string{"ex30", "xc60", "xc90"} {
			d := o.document("volvo/" + car + "/state")
			seen["drives"] = seen["drives"] || d["engine_status"] == "ON"
			seen["doors"] = seen["doors"] || d["door_front_left"] == "ON"
			seen["charging"] = seen["charging"] || d["charging_status"] == "charging"
		}
		return seen["drives"] && seen["doors"] && seen["charging"]
	})
}

// TestReadmeShell runs the shell recipe of the README against the demo.
func TestReadmeShell(t *testing.T) {
	mosquittoTool(t, "mosquitto_pub")
	p, broker, _ := startDemo(t)
	defer p.terminate()
	o := observe(t, broker)
	eventually(t, 10*time.Second, "the car", func() bool { return o.get("volvo/ex30/availability") == "online" })
	recipe := documented(t, "automations.md", "the port that\nit prints; a real bridge must have `unlock` in `commands.allow`.\n\n```sh")
	port := broker[strings.LastIndexByte(broker, ':')+1:]
	recipe = strings.ReplaceAll(recipe, "-h 127.0.0.1", "-h 127.0.0.1 -p "+port)
	out, err := exec.Command("sh", "-c", recipe).CombinedOutput()
	if err != nil || !strings.Contains(string(out), `"status":"succeeded"`) {
		t.Errorf("%v:\n%s", err, out)
	}
}

// TestReadmeInstall runs the README's install steps, as far as no car is needed.
func TestReadmeInstall(t *testing.T) {
	dir := t.TempDir()
	example, err := os.ReadFile("../config.example.yaml")
	if err != nil {
		t.Fatal(err)
	}
	write(t, dir, string(example))
	cmd := exec.Command(binary, "config", "check")
	cmd.Dir = dir
	cmd.Env = append(os.Environ(), "VOLVOBRIDGE_VOLVO_API_KEY=k", "VOLVOBRIDGE_VOLVO_ACCESS_TOKEN=t")
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Errorf("config check: %v\n%s", err, out)
	}
}

// TestEveryReadmeCommandIsRun: a command that the documents show and nothing runs
// will be wrong some day.
func TestEveryReadmeCommandIsRun(t *testing.T) {
	pages, err := filepath.Glob("../docs/*.md")
	if err != nil {
		t.Fatal(err)
	}
	var data []byte
	for _, page := range append(pages, "../README.md") {
		text, err := os.ReadFile(page)
		if err != nil {
			t.Fatal(err)
		}
		data = append(data, text...)
	}
	runBy := []string{
		"go run ./cmd/volvobridge demo", "go test ./...", // TestDemo runs the same program; CI
		"CGO_ENABLED=0 go build -o volvobridge ./cmd/volvobridge",          // TestMain
		"cp config.example.yaml config.yaml", "./volvobridge config check", // TestReadmeInstall
		"./volvobridge run", "CGO_ENABLED=0 GOOS=linux", // .ci/run builds for each target
		"./volvobridge demo --mqtt", "./volvobridge doctor", // every test here; TestDoctorOnBrokenSetups
		"./volvobridge dashboard --lang en", "./volvobridge voice xc40 --word tango", "./volvobridge forget xc40", // TestHomeAssistant
		"sudo apt install ./volvobridge-", "sudo volvobridge doctor -c /etc/volvobridge/config.yaml", "sha256sum --ignore-missing -c SHA256SUMS", // .ci/packages
		"sudo systemctl enable --now volvobridge", "cosign verify-blob", // need a running systemd, a published release: the unit is verified
		"docker build --target plain", "docker run -d", // .ci/image builds it; TestContainer runs the image's content
		"docker compose up -d", "docker compose --profile homeassistant up -d", // TestContainer runs the image's content; the file is parsed
		"mosquitto_sub -h 127.0.0.1", "mosquitto_pub -h 127.0.0.1", "wait", ".ci/run", // TestReadmeShell; CI itself
	}
	for _, block := range regexp.MustCompile("(?s)```sh\n(.*?)```").FindAllStringSubmatch(string(data), -1) {
		for line := range strings.Lines(block[1]) {
			line, known := strings.TrimSpace(line), strings.TrimSpace(line) == ""
			for _, command := range runBy {
				known = known || strings.HasPrefix(line, command)
			}
			if !known {
				t.Errorf("nothing runs %q", line)
			}
		}
	}
}

// TestPublicClient: volvocarsapi, the client inside Home Assistant, reads every
// resource and runs every command: the simulator speaks the real language.
func TestPublicClient(t *testing.T) {
	long(t)
	python := ""
	installed, _ := filepath.Glob(os.Getenv("HOME") + "/.pyenv/versions/3.1[2-9]*/bin/python3")
	for _, name := range append([]string{"python3.14", "python3.13", "python3.12", "python3"}, installed...) {
		if exec.Command(name, "-c", "import sys, venv; sys.exit(sys.version_info < (3, 12))").Run() == nil {
			python = name
			break
		}
	}
	if python == "" {
		t.Skip("volvocarsapi needs Python 3.12 or newer with venv")
	}
	dir := t.TempDir()
	if out, err := exec.Command(python, "-m", "venv", dir).CombinedOutput(); err != nil {
		t.Skipf("no venv: %v %s", err, out)
	}
	if out, err := exec.Command(dir+"/bin/pip", "install", "-q", "volvocarsapi==0.4.5").CombinedOutput(); err != nil {
		t.Skipf("volvocarsapi can't be installed: %v %s", err, out)
	}
	url := serve(t, simulator.New(simulator.Options{PerMinute: -1, CommandsPerMinute: -1, PerDay: -1, Answer: -1}))
	out, err := exec.Command(dir+"/bin/python", "client.py", url, "simulated-vcc-api-key", "simulated-access-token").CombinedOutput()
	if err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	t.Logf("%s", out)
}

// TestContainer runs the program as the image does: nothing around it, a user
// without rights, a root that can't be written, one folder that can. With
// E2E_IMAGE it is the root of the built image itself (.ci/image).
func TestContainer(t *testing.T) {
	if os.Getuid() != 0 {
		t.Skip("needs root, to change the root folder")
	}
	broker := startMosquitto(t)
	cloud, car := recorded(t)
	o := observe(t, broker.url())
	root := containerRoot(t)
	inside := func(args ...string) *exec.Cmd {
		cmd := exec.Command("chroot", append([]string{"--userspec=65532:65532", root, "/volvobridge"}, args...)...)
		cmd.Env = []string{"VOLVOBRIDGE_VOLVO_API_KEY=k", "VOLVOBRIDGE_VOLVO_ACCESS_TOKEN=t", "VOLVOBRIDGE_VOLVO_API_URL=" + serve(t, cloud),
			"VOLVOBRIDGE_MQTT_URL=" + broker.url(), "VOLVOBRIDGE_HTTP_PASSWORD=s3cret", "VOLVOBRIDGE_STORE=/data/store"}
		return cmd
	}
	listen := fmt.Sprintf("VOLVOBRIDGE_HTTP_LISTEN=0.0.0.0:%d", freePort(t))
	run := inside("run")
	run.Env = append(run.Env, listen)
	out := &output{}
	run.Stdout, run.Stderr = out, out
	if err := run.Start(); err != nil {
		t.Fatal(err)
	}
	defer func() {
		_ = run.Process.Kill()
		_ = run.Wait()
		if t.Failed() {
			t.Log(out)
		}
	}()
	eventually(t, 15*time.Second, "the state", func() bool { return o.document("volvo/" + car + "/state")["odometer"] != nil })
	health := inside("healthcheck")
	health.Env = append(health.Env, listen)
	if got, err := health.CombinedOutput(); err != nil || string(got) != "ok\n" {
		t.Errorf("healthcheck: %v %s", err, got)
	}
}

// containerRoot is a root folder with the program and /data alone.
func containerRoot(t *testing.T) string {
	if root := os.Getenv("E2E_IMAGE"); root != "" {
		return root
	}
	root := t.TempDir()
	static := exec.Command("go", "build", "-trimpath", "-ldflags=-s -w", "-o", root+"/volvobridge", "../cmd/volvobridge")
	static.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := static.CombinedOutput(); err != nil {
		t.Fatalf("%v %s", err, out)
	}
	for _, step := range []error{os.Chmod(root, 0o755), os.Mkdir(root+"/data", 0o700), os.Chown(root+"/data", 65532, 65532)} {
		if step != nil {
			t.Fatal(step)
		}
	}
	return root
}

// TestDemoOnABrokerOfOnesOwn: the demo's cars appear beside what is there, below a topic of
// their own, and at the end every trace of them is gone, and of nothing else.
func TestDemoOnABrokerOfOnesOwn(t *testing.T) {
	broker := startMosquitto(t)
	o := observe(t, broker.url())
	theirs := map[string]string{"volvo/xc40/state": "theirs", "homeassistant/device/volvobridge_theirs/config": `{"dev":{"ids":["x"]},"o":{"name":"x"},"cmps":{}}`, "volvo-demonstration/x": "theirs"}
	for topic, payload := range theirs {
		if token := o.client.Publish(topic, 1, true, payload); !token.WaitTimeout(5*time.Second) || token.Error() != nil {
			t.Fatal(token.Error())
		}
	}
	t.Setenv("TMPDIR", t.TempDir())
	p := startProgram(t, t.TempDir(), "demo", "--mqtt", broker.url())
	eventually(t, 15*time.Second, "the cars", func() bool {
		return o.get("volvo-demo/ex30/availability") == "online" && len(o.topics("homeassistant/device/volvobridge_yv1xz")) == 3 && strings.HasPrefix(o.get("volvo-demo/ex30/image/exterior"), "\x89PNG")
	})
	o.publish("volvo-demo/ex30/lock/set", "LOCK")
	eventually(t, 10*time.Second, "succeeded", func() bool { return o.document("volvo-demo/ex30/lock/status")["status"] == "succeeded" })
	code, _ := p.terminate()
	if code != 0 {
		t.Errorf("exit %d", code)
	}
	fresh := observe(t, broker.url())
	time.Sleep(300 * time.Millisecond)
	fresh.mu.Lock()
	defer fresh.mu.Unlock()
	for topic, payload := range fresh.retained {
		if theirs[topic] != payload {
			t.Errorf("left behind: %s", topic)
		}
		delete(theirs, topic)
	}
	if len(theirs) > 0 {
		t.Errorf("removed, though it is another's: %v", theirs)
	}
}
