package config

import (
	"fmt"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
	"time"

	"volvobridge/volvo"
)

const minimal = "volvo: {api_key: k, access_token: t}\n"

func TestExampleIsTheDefaults(t *testing.T) {
	data, err := os.ReadFile("../../../../config.example.yaml")
	if err != nil {
		t.Fatal(err)
	}
	// What is needed is empty in the example, and all that is wrong with it.
	cfg, err := Parse(data, nil)
	want := Defaults()
	cfg.Volvo.AccessToken, cfg.LanguageSet, cfg.variables = nil, false, nil
	if cfg.Polling.Intervals != nil && len(cfg.Polling.Intervals) == 0 {
		cfg.Polling.Intervals = nil
	}
	for _, list := range []*[]string{&cfg.Volvo.APIKeys, &cfg.Volvo.Scopes, &cfg.HTTP.Hosts} {
		if len(*list) == 0 {
			*list = nil
		}
	}
	if len(cfg.Accounts) == 0 {
		cfg.Accounts = nil
	}
	if len(cfg.Volvo.Vehicles) == 0 {
		cfg.Volvo.Vehicles = nil
	}
	if !reflect.DeepEqual(cfg, want) {
		t.Errorf("the example is\n%+v\nthe defaults are\n%+v", cfg, want)
	}
	if n := len(strings.Split(fmt.Sprint(err), "\n")); n != 2 {
		t.Errorf("%d problems, want the two keys that are needed:\n%v", n, err)
	}
	Leaves(reflect.ValueOf(&cfg).Elem(), "", func(key string, _ reflect.Value) {
		name := key[strings.LastIndexByte(key, '.')+1:]
		if !strings.Contains(string(data), "\n  "+name+":") && !strings.Contains(string(data), "\n"+name+":") {
			t.Errorf("the example does not mention %s", key)
		}
	})
}

func TestProblemsWithLines(t *testing.T) {
	for _, c := range []struct{ name, yaml, want string }{
		{"unknown key", minimal + "mqtt:\n  pasword: x\n", `line 3: unknown key "pasword" in mqtt: did you mean "password"?`},
		{"unknown section", minimal + "mqqt: {}\n", `line 2: unknown key "mqqt": did you mean "mqtt"?`},
		{"both accounts", minimal + "accounts: [{api_key: k, access_token: t}]\n", "together with volvo"},
		{"no key", "volvo: {access_token: t}\n", "line 1: volvo.api_key: is missing"},
		{"no token", "volvo: {api_key: k}\n", "volvo.client_id: is missing"},
		{"no secret", "volvo: {api_key: k, client_id: c}\n", "volvo.client_secret: is missing"},
		{"accounts that are the same", "accounts:\n  - {api_key: k, client_id: c, client_secret: s}\n  - {api_key: k, client_id: c, client_secret: s}\n", "list the vehicles of each"},
		{"second account", "accounts:\n  - {api_key: k, access_token: t}\n  - {client_id: c, client_secret: s}\n", "line 3: accounts[1].api_key: is missing"},
		{"scope", "volvo: {api_key: k, access_token: t, scopes: ['a b']}\n", "is not a scope"},
		{"both keys", "volvo: {api_key: k, api_keys: [a], access_token: t}\n", "keep one of the two"},
		{"twice", minimal + "store: a\nstore: b\n", `stands twice`},
		{"text for list", minimal + "commands:\n  allow: lock\n", "line 3: commands.allow: must be a list"},
		{"unknown command", minimal + "commands:\n  allow: [lock, unlok]\n", `line 3: commands.allow: there is no command "unlok": did you mean "unlock"?`},
		{"duration", minimal + "commands: {max_age: 30}\n", `"30" is not a duration; write it like 30s`},
		{"number", minimal + "polling: {per_minute: many}\n", `polling.per_minute: "many" is not a whole number`},
		{"resource", minimal + "polling: {intervals: {foo: 1m}}\n", `; known are vehicle, doors, `},
		{"token of one API", "volvo: {api_key: k, access_token: {energy: e}}\n", "volvo.access_token: lacks connected_vehicle"},
		{"wrong level", minimal + "vehicles: []\n", `unknown key "vehicles": it belongs below volvo`},
		{"volvo2mqtt", minimal + "babelLocale: en\n", `that is volvo2mqtt's`},
		{"ca file", minimal + "mqtt:\n  ca_file: /x\n  cert_file: /y\n", "line 3: mqtt.ca_file: the file can't be read: open /x"},
		{"key file", minimal + "mqtt:\n  ca_file: ''\n  cert_file: /y\n  key_file: /z\n", "line 4: mqtt.cert_file: can't be used with key_file: open /y"},
		{"bool", minimal + "home_assistant: {discovery: si}\n", "neither true nor false"},
		{"resource", minimal + "polling:\n  intervals:\n    dors: 60s\n", `line 4: unknown resource "dors" in polling.intervals: did you mean "doors"?`},
		{"profile", minimal + "polling: {profile: lazy}\n", `one of frugal, fresh, fixed`},
		{"scheme", minimal + "mqtt: {url: localhost:1883}\n", "mqtt.url"},
		{"user in url", minimal + "mqtt: {url: 'mqtt://u:p@h'}\n", "username and password"},
		{"topic", minimal + "mqtt: {topic: 'volvo/#'}\n", "can't be a topic"},
		{"client id", minimal + "mqtt: {client_id: 'a b'}\n", "letters, digits"},
		{"vin", "volvo: {api_key: k, access_token: t, vehicles: [{vin: 'YV1-1'}]}\n", "is not a VIN"},
		{"vehicle key", "volvo:\n  api_key: k\n  access_token: t\n  vehicles:\n    - vim: x\n", `line 5: unknown key "vim" in volvo.vehicles[0]: did you mean "vin"?`},
		{"same name", "volvo: {api_key: k, access_token: t, vehicles: [{vin: YV1AA000000000001, name: My Car}, {vin: YV1AA000000000002, name: my-car}]}\n", "same topics"},
		{"bridge", "volvo: {api_key: k, access_token: t, vehicles: [{vin: YV1AA000000000001, name: Bridge}]}\n", "taken by the bridge"},
		{"listen", minimal + "http: {listen: '0.0.0.0:8099'}\n", "http.password: is needed"},
		{"pin", minimal + "commands: {pin: abc}\n", "4 to 8 digits"},
		{"reserve", minimal + "polling: {daily_quota: 100, reserve: 100}\n", "polling.reserve"},
		{"no yaml", "volvo: [\n", "not YAML"},
		{"two documents", minimal + "---\na: b\n", "more than one"},
		{"list for section", minimal + "mqtt: [a]\n", "must be keys with values"},
		{"token map", "volvo:\n  api_key: k\n  access_token: {conected_vehicle: t}\n", `did you mean "connected_vehicle"?`},
	} {
		_, err := Parse([]byte(c.yaml), nil)
		if err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: %v\nwant %s", c.name, err, c.want)
		}
	}
	for yaml, want := range map[string]int{
		"volvo: {api_key: k, acess_token: t}\n": 1, minimal + "https: {}\nhttp: {listen: '0.0.0.0:8099'}\n": 2, minimal + "polling: {per_minute: many}\n": 1, "volvo: {api_key: k, access_token: {conected_vehicle: t}}\n": 1,
		"volvo: {api_key: k, access_token: t, vehicles: [YV1AA000000000001]}\n":                      1,
		"volvo: {api_key: k, access_token: t, vehicles: [{vin: YV1AA000000000001, name: Вольво}]}\n": 0,
	} {
		if _, err := Parse([]byte(yaml), nil); (err != nil || want > 0) && len(strings.Split(fmt.Sprint(err), "\n")) != want {
			t.Errorf("%s: want %d problems:\n%v", yaml, want, err)
		}
	}
	_, err := Parse([]byte("mqtt: {url: x, topic: '#'}\nstor: y\nlog: {level: loud}\n"), nil)
	if n := len(strings.Split(fmt.Sprint(err), "\n")); n != 6 {
		t.Errorf("%d problems at once, want 6:\n%v", n, err)
	}
}

func TestEnvironment(t *testing.T) {
	secret := filepath.Join(t.TempDir(), "password")
	if err := os.WriteFile(secret, []byte("from file\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	cfg, err := Parse([]byte(minimal+"mqtt: {topic: a}\n"), []string{
		"VOLVOBRIDGE_MQTT_TOPIC=b", "VOLVOBRIDGE_MQTT_PASSWORD_FILE=" + secret, "VOLVOBRIDGE_MQTT_USERNAME=u",
		"VOLVOBRIDGE_COMMANDS_ALLOW=[lock, unlock]", "VOLVOBRIDGE_POLLING_INTERVALS={doors: 2m}", "VOLVOBRIDGE_COMMANDS_PIN=0123",
		"VOLVOBRIDGE_VOLVO_VEHICLES=[{vin: YV1AA000000000001, name: X}]", "VOLVOBRIDGE_POLLING_RESERVE=7", "VOLVOBRIDGE_VOLVO_ACCESS_TOKEN={connected_vehicle: c, energy: e}", "HOME=/",
	})
	if err != nil {
		t.Fatal(err)
	}
	if cfg.MQTT.Topic != "b" || cfg.MQTT.Password != "from file" || len(cfg.Commands.Allow) != 2 ||
		cfg.Polling.Intervals[volvo.Doors] != 2*time.Minute || cfg.Commands.PIN != "0123" || cfg.Volvo.Vehicles[0].Name != "X" ||
		cfg.Polling.Reserve != 7 || cfg.Volvo.AccessToken[volvo.Energy] != "e" {
		t.Errorf("%+v", cfg)
	}
	for variable, want := range map[string]string{
		"VOLVOBRIDGE_MQTT_PASSWROD=x":       `VOLVOBRIDGE_MQTT_PASSWROD: there is no such key: did you mean "VOLVOBRIDGE_MQTT_PASSWORD"?`,
		"VOLVOBRIDGE_MQTT_USERNAME_FILE=/x": "can't be read",
		"VOLVOBRIDGE_MQTT_CA_FILE=/ca.pem":  "mqtt.ca_file: the file can't be read: open /ca.pem", // a key of its own
		"VOLVOBRIDGE_POLLING_RESERVE=x":     "VOLVOBRIDGE_POLLING_RESERVE: polling.reserve",
		"VOLVOBRIDGE_COMMANDS_ALLOW=[lock":  "must be YAML text",
	} {
		if _, err := Parse([]byte(minimal), []string{variable}); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v", variable, err)
		}
	}
	_, err = Parse([]byte(minimal), []string{"VOLVOBRIDGE_STORE=a", "VOLVOBRIDGE_STORE_FILE=" + secret})
	if err == nil || !strings.Contains(err.Error(), "set twice") {
		t.Errorf("set twice: %v", err)
	}
}

func FuzzConfig(f *testing.F) {
	example, err := os.ReadFile("../../../../config.example.yaml")
	if err != nil {
		f.Fatal(err)
	}
	f.Add(example)
	f.Add([]byte(minimal))
	f.Add([]byte("a: &a [*a]\n"))
	f.Fuzz(func(t *testing.T, data []byte) {
		if _, err := Parse(data, nil); err != nil && err.Error() == "" {
			t.Fatal("a problem without a text")
		}
	})
}
