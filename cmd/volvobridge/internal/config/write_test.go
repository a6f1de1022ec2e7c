package config

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

const commented = `# my bridge
volvo:
  # from the portal
  client_id: "" # not yet
  redirect_url: http://pi.local:8099/oauth/callback
mqtt: {url: mqtt://localhost:1883}
log:
  level: debug # while I look
`

var entered = []Change{{"volvo.client_id", "id"}, {"volvo.api_key", "00key"}, {"mqtt.url", "mqtt://pi:1883"}, {"commands.pin", "0123"}, {"volvo.vehicles", []Vehicle{{"YV1TEST0000000001", "Family"}}}}

// TestWrite: what is entered is in the file, and nothing else changes; only its owner can
// read it.
func TestWrite(t *testing.T) {
	dir := t.TempDir()
	file := filepath.Join(dir, "config.yaml")
	if err := os.WriteFile(file, []byte(commented), 0o644); err != nil {
		t.Fatal(err)
	}
	where, err := Write(file, Config{Store: filepath.Join(dir, "data")}, entered)
	if err != nil || where != file {
		t.Fatalf("%s %v", where, err)
	}
	data, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{"# my bridge", "# from the portal", "# not yet", "redirect_url: http://pi.local:8099/oauth/callback", "level: debug # while I look", `pin: "0123"`, "client_id: id", "name: Family"} {
		if !strings.Contains(string(data), want) {
			t.Errorf("%q is missing in\n%s", want, data)
		}
	}
	if info, err := os.Stat(file); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("%v %v", info.Mode(), err)
	}
	if left, _ := filepath.Glob(dir + "/*"); len(left) != 1 {
		t.Errorf("left behind: %v", left)
	}
	cfg, err := Parse(append(data, "  format: json\n"...), nil)
	if cfg.Commands.PIN != "0123" || cfg.Volvo.APIKey != "00key" || cfg.MQTT.URL != "mqtt://pi:1883" || len(cfg.Volvo.Vehicles) != 1 {
		t.Errorf("%+v %v", cfg, err)
	}
}

// TestWriteToTheStore: where the file can't be written, its keys stand in the store, win
// over it, and are told.
func TestWriteToTheStore(t *testing.T) {
	dir := t.TempDir()
	file := filepath.Join(dir, "none", "config.yaml") // in a folder that is not there
	store := filepath.Join(dir, "data")
	where, err := Write(file, Config{Store: store}, append(entered, Change{"volvo.client_secret", "secret"}))
	if err != nil || where != filepath.Join(store, settingsFile) {
		t.Fatalf("%s %v", where, err)
	}
	t.Setenv("VOLVOBRIDGE_STORE", store)
	cfg, err := Load(file, nil)
	if err != nil || cfg.MQTT.URL != "mqtt://pi:1883" || !strings.Contains(strings.Join(cfg.Warnings, ""), settingsFile) {
		t.Errorf("%+v %v", cfg, err)
	}
	if _, err := Write(file, cfg, []Change{{"mqtt.url", "mqtt://other:1883"}}); err != nil {
		t.Fatal(err)
	}
	if cfg, err = Load(file, nil); err != nil || cfg.MQTT.URL != "mqtt://other:1883" {
		t.Errorf("%v %v", cfg.MQTT.URL, err)
	}
}

// TestWriteOverAVariable: a variable would win over what is written, so it is not.
func TestWriteOverAVariable(t *testing.T) {
	t.Setenv("VOLVOBRIDGE_MQTT_URL", "mqtt://elsewhere:1883")
	file := filepath.Join(t.TempDir(), "config.yaml")
	cfg, err := Load(file, nil)
	if _, incomplete := err.(*Incomplete); !incomplete {
		t.Fatalf("%v", err)
	}
	if _, err := Write(file, cfg, entered); err == nil || !strings.Contains(err.Error(), "VOLVOBRIDGE_MQTT_URL") {
		t.Errorf("%v", err)
	}
}

// TestIncomplete: a configuration that lacks what a person must enter is told from one
// that is wrong.
func TestIncomplete(t *testing.T) {
	for text, incomplete := range map[string]bool{
		"": true, "volvo: {api_key: k}": true, "volvo: {client_id: a, api_key: k}": true, "log: {level: loud}": false, "volvo: {api_key: k, access_token: t}\nlog: {level: loud}": false, "nonsense: 1": false,
	} {
		_, err := Parse([]byte(text), nil)
		if _, yes := err.(*Incomplete); yes != incomplete {
			t.Errorf("%q: %T %v", text, err, err)
		}
	}
}
