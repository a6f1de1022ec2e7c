package config

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// TestWhatCannotWork: each is told at its own key, once.
func TestWhatCannotWork(t *testing.T) {
	for _, c := range []struct{ name, yaml, want string }{
		{"CR in a key", "volvo: {api_key: \"k\\r\", access_token: t}\n", "line 1: volvo.api_key: ends in a line end of Windows"},
		{"CR in a key of a list", "volvo:\n  access_token: t\n  api_keys:\n    - a\n    - \"b\\r\"\n", "line 5: volvo.api_keys[1]: ends in a line end"},
		{"CR in a token", "volvo: {api_key: k, access_token: \"t\\r\"}\n", "volvo.access_token: ends in a line end"},
		{"zero width", "volvo: {api_key: \"k\\u200b1\", access_token: t}\n", "volvo.api_key: holds an invisible character, the 2nd"},
		{"no-break space", "volvo: {api_key: k, client_id: \"a\\u00a0\", client_secret: s}\n", "volvo.client_id: holds an invisible"},
		{"space", "volvo: {api_key: ' k', access_token: t}\n", "begins or ends with a space"},
		{"line end in a name", "volvo: {api_key: k, access_token: t, vehicles: [{vin: YV1AA000000000001, name: \"a\\nb\"}]}\n", "volvo.vehicles[0].name: holds an invisible"},
		{"tag", minimal + "mqtt:\n  username: u\n  password: !x\n", "line 4: mqtt.password: begins with a !"},
		{"comment", minimal + "mqtt:\n  username: u\n  password: #x\n", "line 4: mqtt.password: is empty, since a # begins a comment"},
		{"ipv6", minimal + "mqtt: {url: 'mqtt://fd00::1:1883'}\n", "without brackets"},
		{"port", minimal + "mqtt: {url: 'mqtt://host:99999'}\n", "ports go from 1 to 65535"},
		{"listen ipv6", minimal + "http: {listen: '::1:8099'}\n", "[::1]:8099"},
		{"vehicles", "volvo: {api_key: k, access_token: t, vehicles: YV1AA000000000001}\n", "such as [{vin: YV1..., name: XC40}]"},
		{"vehicle", "volvo: {api_key: k, access_token: t, vehicles: [YV1AA000000000001]}\n", "such as {vin: YV1..., name: XC40}"},
		{"short vin", "volvo: {api_key: k, access_token: t, vehicles: [{vin: YVABCD}]}\n", "is not a VIN"},
		{"letters alone", "volvo: {api_key: k, access_token: t, vehicles: [{vin: ABCDEFGHJKLMNPRST}]}\n", "is not a VIN"},
		{"example id", "volvo: {api_key: k, client_id: your-client-id, client_secret: s}\n", "volvo.client_id: still holds the text of an example"},
		{"example key", "volvo: {api_key: <key>, access_token: t}\n", "volvo.api_key: still holds"},
		{"topic in the prefix", minimal + "mqtt: {topic: homeassistant/device}\n", "must not lie one in the other"},
		{"prefix in the topic", minimal + "mqtt: {topic: home}\nhome_assistant: {prefix: home/ha}\n", "must not lie one in the other"},
		{"host with a port", minimal + "http: {hosts: ['pi.local:8099']}\n", "http.hosts[0]: must be a name alone"},
		{"key in place of a file", minimal + "mqtt: {cert_file: '-----BEGIN CERTIFICATE-----', key_file: '-----BEGIN PRIVATE KEY-----'}\n", "it must name a file"},
	} {
		_, err := Parse([]byte(c.yaml), nil)
		if err == nil || !strings.Contains(err.Error(), c.want) || strings.Count(err.Error(), "\n") > 0 {
			t.Errorf("%s: %v\nwant %s", c.name, err, c.want)
		}
		if err != nil && strings.Contains(err.Error(), "PRIVATE KEY") {
			t.Errorf("%s: a key is repeated: %v", c.name, err)
		}
	}
	for _, good := range []string{"mqtt: {url: 'mqtt://[fd00::1]:1883'}\n", "mqtt:\n  password: \"\" # none\n  username: # none\n", "http: {listen: '[::1]:8099', hosts: [pi.local, 'fd00::2']}\n", "mqtt: {topic: cars/volvo}\n"} {
		if _, err := Parse([]byte(minimal+good), nil); err != nil {
			t.Errorf("%s: %v", good, err)
		}
	}
}

func TestOddVariables(t *testing.T) {
	cfg, err := Parse([]byte(minimal), []string{
		"VOLVOBRIDGE_PORT=tcp://10.0.0.1:8099", "VOLVOBRIDGE_SERVICE_HOST=10.0.0.1", "VOLVOBRIDGE_SERVICE_PORT=8099", "VOLVOBRIDGE_SERVICE_PORT_HTTP=8099",
		"VOLVOBRIDGE_PORT_8099_TCP=tcp://10.0.0.1:8099", "VOLVOBRIDGE_PORT_8099_TCP_PROTO=tcp", "VOLVOBRIDGE_PORT_8099_TCP_PORT=8099", "VOLVOBRIDGE_PORT_8099_TCP_ADDR=10.0.0.1",
		"VOLVOBRIDGE_MQTT_PORT=tcp://10.0.0.2:1883", "VOLVOBRIDGE_MQTT_SERVICE_HOST=10.0.0.2", // a service volvobridge-mqtt
		"VOLVOBRIDGE_VOLVO_VEHICLES=", "VOLVOBRIDGE_POLLING_PER_MINUTE= ", "VOLVOBRIDGE_COMMANDS_MAX_AGE=", "VOLVOBRIDGE_COMMANDS_ALLOW_PLAIN=",
		"VOLVOBRIDGE_BACKUP_FOLDER=/backup",
	})
	if err != nil {
		t.Fatal(err)
	}
	if cfg.Polling.PerMinute != 90 || len(cfg.Volvo.Vehicles) != 0 || cfg.Commands.MaxAge == 0 {
		t.Errorf("%+v", cfg)
	}
	if len(cfg.Warnings) != 1 || !strings.Contains(cfg.Warnings[0], "VOLVOBRIDGE_BACKUP_FOLDER") {
		t.Errorf("%q", cfg.Warnings)
	}
	for variable, want := range map[string]string{
		"VOLVOBRIDGE_VOLVO_API_KEY=k\r":                          "VOLVOBRIDGE_VOLVO_API_KEY: volvo.api_key: ends in a line end",
		"VOLVOBRIDGE_MQTT_PASSWORD_FILE=hunter2hunter2":          "VOLVOBRIDGE_MQTT_PASSWORD_FILE: mqtt.password: must name a file",
		"VOLVOBRIDGE_VOLVO_VEHICLES=[{vim: x}]":                  `VOLVOBRIDGE_VOLVO_VEHICLES: unknown key "vim"`,
		"VOLVOBRIDGE_VOLVO_VEHICLES={a: b}":                      "VOLVOBRIDGE_VOLVO_VEHICLES: volvo.vehicles: must be a list",
		"VOLVOBRIDGE_VOLVO_VEHICLES=[a]":                         "VOLVOBRIDGE_VOLVO_VEHICLES: volvo.vehicles[0]: must be keys",
		"VOLVOBRIDGE_POLLING_INTERVALS={doors: x}":               "VOLVOBRIDGE_POLLING_INTERVALS: polling.intervals.doors: \"x\" is not a duration",
		"VOLVOBRIDGE_POLLING_INTERVALS={doors: 60s, doors: 61s}": "VOLVOBRIDGE_POLLING_INTERVALS: ",
		"VOLVOBRIDGE_ACCOUNTS=[{api_key: k, clientid: x}]":       "VOLVOBRIDGE_ACCOUNTS: unknown key",
	} {
		_, err := Parse([]byte("volvo: {access_token: t, api_key: key}\n"), []string{variable})
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v\nwant %s", variable, err, want)
		}
		if err != nil && (strings.Contains(err.Error(), "hunter2") || strings.Contains(err.Error(), "line 1")) {
			t.Errorf("%s: %v", variable, err)
		}
	}
}

// TestFilesBesidesTheConfig: relative names mean the same wherever a command is
// typed, and a file with secrets that others can read is told.
func TestFilesBesidesTheConfig(t *testing.T) {
	dir := t.TempDir()
	file := filepath.Join(dir, "config.yaml")
	if err := os.WriteFile(file, []byte("volvo: {api_key: a-secret-key, access_token: t}\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	cfg, err := Load(file, nil)
	if err != nil || cfg.Store != filepath.Join(dir, "data") {
		t.Errorf("%s %v", cfg.Store, err)
	}
	if len(cfg.Warnings) != 1 || !strings.Contains(cfg.Warnings[0], "chmod go= "+file) {
		t.Errorf("%q", cfg.Warnings)
	}
	if err := os.Chmod(file, 0o600); err != nil {
		t.Fatal(err)
	}
	if cfg, err := Load(file, nil); err != nil || len(cfg.Warnings) != 0 {
		t.Errorf("%q %v", cfg.Warnings, err)
	}
}
