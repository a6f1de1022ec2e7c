package config

import (
	"net/netip"
	"reflect"
	"strings"
	"testing"
)

func given(options, file string) *Given {
	return &Given{Options: []byte(options), File: "/config/config.yaml", Text: []byte(file), Store: "/data/volvobridge", Proxy: netip.MustParseAddr("172.30.32.2")}
}

// TestOptions: what a person filled in becomes the configuration, an empty field nothing.
func TestOptions(t *testing.T) {
	const three = `"client_id":"id","client_secret":"a \"quoted\" \ud83d\ude97 secret","api_key":"0123456789abcdef"`
	cfg, err := parseOf("/config", nil, nil, nil, given(`{`+three+`,"pin":"0042","vehicles":[{"vin":"YV1XZBEV000000001","name":"Family"}],"commands":["lock","unlock"],"language":"sv","mqtt_url":"","http_password":null}`, ""))
	if err != nil {
		t.Fatal(err)
	}
	if cfg.Volvo.ClientID != "id" || cfg.Volvo.ClientSecret != "a \"quoted\" \U0001F697 secret" || cfg.Volvo.APIKey != "0123456789abcdef" || cfg.Commands.PIN != "0042" || cfg.Volvo.Vehicles[0].Name != "Family" ||
		len(cfg.Commands.Allow) != 2 || cfg.HomeAssistant.Language != "sv" || !cfg.LanguageSet || cfg.Store != "/data/volvobridge" || cfg.HTTP.Listen != "0.0.0.0:8099" || !cfg.AskBroker || cfg.Given == nil {
		t.Errorf("%+v", cfg)
	}
	cfg, err = parseOf("/config", nil, nil, nil, given(`{`+three+`,"mqtt_url":"mqtt://elsewhere:1883"}`, ""))
	if err != nil || cfg.AskBroker || cfg.MQTT.URL != "mqtt://elsewhere:1883" || len(cfg.Commands.Allow) != len(Defaults().Commands.Allow) || cfg.LanguageSet {
		t.Errorf("%v %+v", err, cfg.MQTT)
	}
	for name, c := range map[string]struct {
		given    *Given
		over     string
		environ  []string
		says     string
		complete bool
	}{
		"nothing":                {given(`{}`, ""), "", nil, "api_key: is missing", false},
		"twice":                  {given(`{`+three+`}`, "volvo:\n  api_key: other\n"), "", nil, "option api_key: volvo.api_key: is set here, and in line 2 of /config/config.yaml; keep one", false},
		"a variable too":         {given(`{`+three+`}`, ""), "", []string{"VOLVOBRIDGE_VOLVO_API_KEY=x"}, "and by the option api_key of the app; keep one", false},
		"a bad PIN":              {given(`{`+three+`,"pin":"12"}`, ""), "", nil, "option pin: commands.pin: must be 4 to 8 digits", false},
		"a bad car":              {given(`{`+three+`,"vehicles":[{"vin":"12","name":""}]}`, ""), "", nil, "option vehicles: volvo.vehicles[0].vin", false},
		"no JSON":                {given(`{`, ""), "", nil, "options.json: is not JSON", false},
		"of another version":     {given(`{`+three+`,"colour":"red"}`, ""), "", nil, "the option colour is none of this version", true},
		"the page loses to it":   {given(`{`+three+`}`, ""), "volvo: {client_id: entered}\n", nil, "", true},
		"with the experts' own":  {given(`{`+three+`}`, "polling: {reserve: 100}\nmqtt: {url: mqtt://own:1}\n"), "", nil, "", true},
		"the experts' file wins": {given(`{`+three+`}`, "polling: {reserve: 100}\n"), "polling: {reserve: 7}\ncommands: {allow: [lock]}\n", nil, "", true},
		"accounts of experts":    {given(`{}`, "accounts: [{client_id: id, client_secret: secret, api_key: 0123456789abcdef}]\n"), "volvo: {client_id: entered, api_key: fedcba9876543210}\n", nil, "", true},
		"keys of experts":        {given(`{"client_id":"id","client_secret":"secret1"}`, "volvo: {api_keys: [0123456789abcdef, 1123456789abcdef]}\n"), "volvo: {api_key: fedcba9876543210}\n", nil, "", true},
	} {
		cfg, err := parseOf("/config", c.given.Text, []byte(c.over), c.environ, c.given)
		if c.complete != (err == nil) || err != nil && !strings.Contains(err.Error(), c.says) || err == nil && !strings.Contains(strings.Join(cfg.Warnings, "\n"), c.says) {
			t.Errorf("%s: %v %v", name, err, cfg.Warnings)
		}
		if c.complete && cfg.AccountList()[0].ClientID != "id" || cfg.Polling.Reserve == 7 {
			t.Errorf("%s: %+v", name, cfg)
		}
	}
}

// TestOptionsAreKeys: each option sets a key that there is, and no two set the same.
func TestOptionsAreKeys(t *testing.T) {
	keys := map[string]bool{}
	cfg := Defaults()
	Leaves(reflect.ValueOf(&cfg).Elem(), "", func(key string, _ reflect.Value) { keys[key] = true })
	for _, o := range Options() {
		if !keys[o.Key] {
			t.Errorf("%s sets %s, which is no key or set by another", o.Name, o.Key)
		}
		delete(keys, o.Key)
	}
}

// TestWriteInApp: what is entered on the page goes to the store, and not over an option.
func TestWriteInApp(t *testing.T) {
	g := given(`{"api_key":"0123456789abcdef"}`, "")
	g.Store = t.TempDir()
	cfg, _ := parseOf("/config", nil, nil, nil, g) // it is incomplete
	if _, err := Write(g.File, cfg, []Change{{"volvo.api_key", "x"}}); err == nil || !strings.Contains(err.Error(), "option api_key of the app") {
		t.Errorf("%v", err)
	}
	where, err := Write(g.File, cfg, []Change{{"volvo.client_id", "id"}, {"volvo.client_secret", "secret"}})
	if err != nil || where != g.Store+"/settings.yaml" {
		t.Fatalf("%s %v", where, err)
	}
	if cfg, err := Load(DefaultFile, g); err != nil || cfg.Volvo.ClientID != "id" || cfg.Volvo.APIKey == "" || len(cfg.Warnings) != 0 {
		t.Errorf("%v %+v", err, cfg.Warnings)
	}
}
