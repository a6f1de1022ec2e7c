package app

import (
	"context"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"volvobridge/bridge/mqtt"
)

// TestEnter: the token and the options together make an app.
func TestEnter(t *testing.T) {
	dir := t.TempDir()
	variables := map[string]string{"SUPERVISOR_DATA": dir, "SUPERVISOR_CONFIG": dir}
	getenv := func(name string) string { return variables[name] }
	if given, err := Enter(getenv, true); given != nil || err != nil {
		t.Errorf("without a token: %v %v", given, err)
	}
	variables["SUPERVISOR_TOKEN"] = "secret"
	if given, err := Enter(getenv, true); given != nil || err != nil {
		t.Errorf("without options: %v %v", given, err)
	}
	if os.Geteuid() == 0 {
		t.Skip("as root the rest would give up its rights; the end-to-end tests do that with the program")
	}
	options := filepath.Join(dir, "options.json")
	if err := os.WriteFile(options, []byte("{}"), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir, "config.yaml"), []byte("mqtt: {topic: cars}\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	given, err := Enter(getenv, true)
	if err != nil || string(given.Options) != "{}" || !strings.Contains(string(given.Text), "cars") || given.Proxy.String() != "172.30.32.2" || !strings.HasPrefix(given.Page, "homeassistant://app/") {
		t.Errorf("%+v %v", given, err)
	}
	if err := os.Chmod(options, 0); err != nil {
		t.Fatal(err)
	}
	if _, err := Enter(getenv, true); err == nil || !strings.Contains(err.Error(), "must start as root") {
		t.Errorf("options that can't be read: %v", err)
	}
}

// TestBroker: what the Supervisor answers, and what is told where it does not.
func TestBroker(t *testing.T) {
	const good = `{"result":"ok","data":{"addon":"core_mosquitto","host":"core-mosquitto","port":%,"ssl":false,"username":"addons","password":"pw","protocol":"3.1.1"}}`
	for name, c := range map[string]struct {
		status       int
		body         string
		url, problem string
		none         bool
	}{
		"a number":       {200, strings.ReplaceAll(good, "%", "1883"), "mqtt://core-mosquitto:1883", "", false},
		"a text":         {200, strings.ReplaceAll(good, "%", `"1883"`), "mqtt://core-mosquitto:1883", "", false},
		"TLS":            {200, strings.ReplaceAll(strings.ReplaceAll(good, "%", "8883"), `"ssl":false`, `"ssl":true`), "mqtts://core-mosquitto:8883", "", false},
		"none":           {400, `{"result":"error","message":"Service not enabled"}`, "", "has no MQTT broker", true},
		"not ready":      {400, `{"result":"error","message":"System is not ready with state: startup"}`, "", "HTTP 400", false},
		"not allowed":    {403, `forbidden`, "", "does not tell", false},
		"a broken proxy": {502, `<html>`, "", "HTTP 502", false},
		"no JSON":        {200, `<html>`, "", "HTTP 200", false},
		"empty":          {200, `{"result":"ok","data":{}}`, "", "HTTP 200", false},
	} {
		server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if r.URL.Path != "/services/mqtt" || r.Header.Get("Authorization") != "Bearer secret" {
				t.Errorf("%s: asked for %s", name, r.URL)
			}
			w.WriteHeader(c.status)
			_, _ = w.Write([]byte(c.body))
		}))
		s := supervisor{url: server.URL, token: "secret"}
		url, username, password, err := s.broker(context.Background())
		server.Close()
		if c.problem == "" {
			if err != nil || url != c.url || username != "addons" || password != "pw" {
				t.Errorf("%s: %s %s %s %v", name, url, username, password, err)
			}
			continue
		}
		unfound, ok := err.(*mqtt.Unfound)
		if !ok || !strings.Contains(unfound.Found, c.problem) || unfound.Advice == "" || unfound.None != c.none {
			t.Errorf("%s: %v", name, err)
		}
	}
	s := supervisor{url: "http://127.0.0.1:1", token: "secret"}
	if _, _, _, err := s.broker(context.Background()); err == nil || strings.Contains(err.Error(), "secret") || !strings.Contains(err.Error(), "does not answer") {
		t.Errorf("nobody there: %v", err)
	}
}
