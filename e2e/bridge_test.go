package e2e

import (
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"volvobridge/volvo/simulator"
)

const allow = "commands: {allow: [lock, unlock, honk, flash], allow_plain: true, per_minute: 1000}\n"

// TestFromTheCloudToTheBrokerAndBack is the main job.
func TestFromTheCloudToTheBrokerAndBack(t *testing.T) {
	broker := startMosquitto(t)
	cloud, car := recorded(t)
	o := observe(t, broker.url())
	p := startBridge(t, t.TempDir(), config(serve(t, cloud), broker.url(), allow))
	eventually(t, 10*time.Second, "the car's state", func() bool { return o.document("volvo/" + car + "/state")["odometer"] != nil })
	eventually(t, 10*time.Second, "the announcement", func() bool {
		return strings.Contains(o.get("homeassistant/device/volvobridge_"+strings.ToLower(car)+"/config"), `"lock"`)
	})
	o.publish("volvo/"+car+"/lock/set", "LOCK")
	eventually(t, 5*time.Second, "succeeded", func() bool { return o.document("volvo/" + car + "/lock/status")["status"] == "succeeded" })
	eventually(t, 5*time.Second, "confirmed", func() bool { return o.document("volvo/" + car + "/lock/status")["confirmed"] == true })
	if n := len(cloud.Calls(http.MethodPost)); n != 1 {
		t.Errorf("%d POSTs", n)
	}
	code, took := p.terminate()
	if code != 0 || took > 2*time.Second {
		t.Errorf("exit %d after %v", code, took)
	}
	eventually(t, time.Second, "offline", func() bool { return o.get("volvo/bridge/availability") == "offline" })
	noSecrets(t, p.out.String(), car)
}

// noSecrets looks for what must not be in a log, whatever its level.
func noSecrets(t testing.TB, log, car string) {
	t.Helper()
	for _, secret := range []string{car, strings.ToLower(car), "simulated-vcc-api-key", "simulated-access-token", "57.725", "11.849", "59.25"} {
		if strings.Contains(log, secret) {
			t.Errorf("the log holds %q", secret)
		}
	}
	if len(log) < 200 {
		t.Errorf("a log of %d bytes at level trace proves nothing", len(log))
	}
}

// TestBrokerRestartedWithoutPersistence: all that was retained is back in 10 s.
func TestBrokerRestartedWithoutPersistence(t *testing.T) {
	broker := startMosquitto(t)
	cloud, car := recorded(t)
	o := observe(t, broker.url())
	startBridge(t, t.TempDir(), config(serve(t, cloud), broker.url(), allow))
	eventually(t, 10*time.Second, "the announcement", func() bool { return o.get("homeassistant/device/volvobridge_"+strings.ToLower(car)+"/config") != "" })
	o.publish("volvo/"+car+"/lock/set", "LOCK")
	eventually(t, 5*time.Second, "confirmed", func() bool { return o.document("volvo/" + car + "/lock/status")["confirmed"] == true })
	before := o.topics("")
	broker.restart()
	o.forget()
	started := time.Now()
	eventually(t, 10*time.Second, "everything is back", func() bool {
		after := o.topics("")
		return !slices.ContainsFunc(before, func(topic string) bool {
			return !strings.HasSuffix(topic, "/set") && !strings.HasSuffix(topic, "/event") && !slices.Contains(after, topic)
		})
	})
	t.Logf("%d topics back after %v", len(before), time.Since(started).Round(time.Millisecond))
}

// TestKilledBridge: the broker tells that the bridge is gone, and a new one has
// the values before the first read.
func TestKilledBridge(t *testing.T) {
	broker := startMosquitto(t)
	cloud, car := recorded(t)
	o := observe(t, broker.url())
	dir, cfg := t.TempDir(), config(serve(t, cloud), broker.url(), allow)
	p := startBridge(t, dir, cfg)
	eventually(t, 10*time.Second, "the announcement", func() bool { return o.get("homeassistant/device/volvobridge_"+strings.ToLower(car)+"/config") != "" })
	if code, _ := p.terminate(); code != 0 {
		t.Fatalf("exit %d", code)
	}
	p = startBridge(t, dir, cfg)
	eventually(t, 5*time.Second, "online", func() bool { return o.get("volvo/bridge/availability") == "online" })
	p.kill()
	eventually(t, 5*time.Second, "the will", func() bool { return o.get("volvo/bridge/availability") == "offline" })
	broker.restart() // it knows nothing any more
	cloud.Set("GET *", simulator.Answer{Status: 503})
	o.forget()
	startBridge(t, dir, cfg)
	eventually(t, 5*time.Second, "the values of before", func() bool { return o.document("volvo/" + car + "/state")["odometer"] != nil })
}

// TestFiftyStarts: a command works in each life of the bridge.
func TestFiftyStarts(t *testing.T) {
	broker := startMosquitto(t)
	cloud, car := recorded(t)
	o := observe(t, broker.url())
	dir, cfg := t.TempDir(), config(serve(t, cloud), broker.url(), allow)
	for i := range 50 {
		p := startBridge(t, dir, cfg)
		eventually(t, 10*time.Second, "online", func() bool { return o.get("volvo/bridge/availability") == "online" })
		id := fmt.Sprintf("start-%d", i)
		o.publish("volvo/"+car+"/honk/set", `{"value":"PRESS","id":"`+id+`"}`)
		eventually(t, 5*time.Second, "succeeded", func() bool {
			s := o.document("volvo/" + car + "/honk/status")
			return s["id"] == id && s["status"] == "succeeded"
		})
		if code, took := p.terminate(); code != 0 || took > 2*time.Second {
			t.Fatalf("start %d: exit %d after %v", i, code, took)
		}
		eventually(t, 2*time.Second, "offline", func() bool { return o.get("volvo/bridge/availability") == "offline" })
	}
	if n := len(cloud.Calls(http.MethodPost)); n != 50 {
		t.Errorf("%d POSTs for 50 commands", n)
	}
}

func TestOneProcessAndHealth(t *testing.T) {
	broker := startMosquitto(t)
	cloud, _ := recorded(t)
	dir := t.TempDir()
	port := freePort(t)
	cfg := strings.Replace(config(serve(t, cloud), broker.url(), allow), `listen: ""`, fmt.Sprintf("listen: 127.0.0.1:%d", port), 1)
	p := startBridge(t, dir, cfg)
	url := fmt.Sprintf("http://127.0.0.1:%d", port)
	eventually(t, 10*time.Second, "ready", func() bool {
		resp, err := http.Get(url + "/readyz")
		if err != nil {
			return false
		}
		resp.Body.Close()
		return resp.StatusCode == http.StatusOK
	})
	check := exec.Command(binary, "healthcheck", "-c", "config.yaml")
	check.Dir = dir
	if out, err := check.CombinedOutput(); err != nil || string(out) != "ok\n" {
		t.Errorf("healthcheck: %v %s", err, out)
	}
	second := startProgram(t, dir, "run", "-c", "config.yaml")
	_ = second.cmd.Wait() // its exit code is looked at
	if code := second.cmd.ProcessState.ExitCode(); code != 1 || !strings.Contains(second.out.String(), fmt.Sprintf("in use by process %d", p.cmd.Process.Pid)) {
		t.Errorf("a second bridge: exit %d: %s", code, second.out)
	}
	broker.stop()
	eventually(t, 5*time.Second, "not ready", func() bool {
		resp, err := http.Get(url + "/readyz")
		if err != nil {
			return false
		}
		resp.Body.Close()
		return resp.StatusCode == http.StatusServiceUnavailable
	})
	p.terminate()
	check = exec.Command(binary, "healthcheck", "-c", "config.yaml")
	check.Dir = dir
	if out, err := check.CombinedOutput(); err == nil {
		t.Errorf("healthcheck of a stopped bridge: %s", out)
	}
}

func TestStoreIsPrivate(t *testing.T) {
	broker := startMosquitto(t)
	cloud, car := recorded(t)
	o := observe(t, broker.url())
	dir := t.TempDir()
	p := startBridge(t, dir, config(serve(t, cloud), broker.url(), allow))
	eventually(t, 10*time.Second, "the state", func() bool { return o.get("volvo/"+car+"/state") != "" })
	p.terminate()
	err := filepath.WalkDir(filepath.Join(dir, "data"), func(path string, d os.DirEntry, err error) error {
		if err != nil {
			return err
		}
		info, err := d.Info()
		if err == nil && info.Mode().Perm()&0o077 != 0 {
			t.Errorf("%s has mode %v", d.Name(), info.Mode())
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
}
