package e2e

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"volvobridge/volvo/simulator"
)

// doctor runs the command and returns what it said and its exit code.
func doctor(t testing.TB, dir string, args ...string) (string, int) {
	t.Helper()
	cmd := exec.Command(binary, append([]string{"doctor"}, args...)...)
	cmd.Dir = dir
	out, err := cmd.CombinedOutput()
	if _, ok := err.(*exec.ExitError); err != nil && !ok {
		t.Fatal(err)
	}
	return string(out), cmd.ProcessState.ExitCode()
}

// patient is a set-up for the doctor.
type patient struct {
	testing.TB
	cloud   *simulator.Cloud
	url     string
	broker  *mosquitto
	dir     string
	config  string
	handler func(http.Handler) http.Handler // around the cloud
	oauth   simulator.OAuth
	lines   []string // of Mosquitto
	login   bool
}

// healthy sets everything up well; a test then breaks one thing.
func healthy(t testing.TB, breakIt func(p *patient)) *patient {
	p := &patient{TB: t, dir: t.TempDir(), login: true, oauth: simulator.OAuth{ClientID: "simulated-client", ClientSecret: "simulated-secret"}}
	breakIt(p)
	p.cloud = simulator.New(simulator.Options{Cars: []simulator.Kind{simulator.BEV}, OAuth: p.oauth})
	handler := http.Handler(p.cloud)
	if p.handler != nil {
		handler = p.handler(handler)
	}
	p.url = serve(t, handler)
	p.broker = startMosquitto(t, p.lines...)
	p.config = oauthConfig(p.url, p.broker.url(), "https://example.com/volvo", "", "")
	write(t, p.dir, p.config)
	if p.login {
		logInOnce(t, p.dir)
	}
	breakIt(p)
	write(t, p.dir, p.config)
	return p
}

func replace(p *patient, old, with string) {
	if p.config != "" { // the second time, when there is one
		if !strings.Contains(p.config, old) {
			panic("nothing to replace: " + old)
		}
		p.config = strings.Replace(p.config, old, with, 1)
	}
}

// brokenSetup is a set-up with one thing wrong, and what the doctor must say.
type brokenSetup struct {
	name        string
	breakIt     func(p *patient)
	found, toDo string
}

// withPasswords gives the broker a user and, with acl, access rules.
func withPasswords(p *patient, acl string) {
	p.Helper()
	file := mosquittoUsers(p, map[string]string{"volvobridge": "right"})
	p.lines = []string{"allow_anonymous false", "password_file " + file}
	if acl == "" {
		return
	}
	rules := filepath.Join(p.TempDir(), "acl")
	if err := os.WriteFile(rules, []byte(acl), 0o600); err != nil {
		p.Fatal(err)
	}
	p.lines = append(p.lines, "acl_file "+rules)
}

// shifted is a cloud whose clock is two hours behind.
func shifted(h http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Date", time.Now().Add(-2*time.Hour).UTC().Format(http.TimeFormat))
		h.ServeHTTP(w, r)
	})
}

func brokenSetups(t *testing.T) []brokenSetup {
	return append([]brokenSetup{
		{"wrong API key", func(p *patient) { replace(p, "simulated-vcc-api-key", "wrong") }, "list of cars: 401", "compare volvo.api_key"},
		{"not logged in", func(p *patient) { p.login = false }, "nobody has logged in yet", "Run volvobridge login"},
		{"wrong client secret", func(p *patient) {
			p.oauth.Life = time.Second
			replace(p, "simulated-secret", "wrong")
		}, "invalid_client", "check volvo.client_id and volvo.client_secret"},
		{"login ended", func(p *patient) {
			p.oauth.Life = time.Second
			if p.cloud != nil {
				p.cloud.Revoke()
			}
		}, "Volvo ended the login", "Run volvobridge login"},
		{"no broker", func(p *patient) {
			if p.broker != nil {
				replace(p, p.broker.url(), fmt.Sprintf("mqtt://127.0.0.1:%d", freePort(p)))
			}
		}, "nothing listens there", "The key is mqtt.url"},
		{"broker refuses", func(p *patient) { withPasswords(p, "") }, "it refuses the user", "Check mqtt.username and mqtt.password"},
		{"no right to publish", func(p *patient) {
			withPasswords(p, "user volvobridge\ntopic read volvo/#\ntopic read homeassistant/status\n")
			replace(p, "http:\n", "  username: volvobridge\n  password: right\nhttp:\n")
		}, "may not publish to volvo/", "access rules"},
		{"open broker", func(*patient) {}, "anybody who reaches the broker can publish", "allow_anonymous false"},
		{"another account's car", func(p *patient) {
			replace(p, "  api_url:", "  vehicles: [{vin: YV1AAAAAAAA000009, name: Mine}]\n  api_url:")
		}, "does not list this car", "Check the VIN"},
		{"a scope that is missing", func(p *patient) { p.oauth.Published = withoutScope("location:read") }, "not granted: location:read", "Publish the scope"},
		{"quota spent", func(p *patient) {
			if p.cloud != nil {
				if err := p.cloud.Switch(simulator.Fault{Match: "GET", Kind: "quota", Delay: "3h"}); err != nil {
					p.Fatal(err)
				}
			}
		}, "daily quota spent", "reading goes on by itself"},
	}, brokenSurroundings(t)...)
}

// brokenSurroundings: the fault is in the network, the machine or at Volvo.
func brokenSurroundings(t *testing.T) []brokenSetup {
	selfSigned := httptest.NewTLSServer(http.NotFoundHandler())
	t.Cleanup(selfSigned.Close)
	return []brokenSetup{
		{"a name that is none", func(p *patient) {
			if p.url != "" {
				replace(p, "api_url: "+p.url, "api_url: https://api.invalid")
			}
		}, "can't be resolved", "Check the DNS"},
		{"a certificate of nobody", func(p *patient) {
			if p.url != "" {
				replace(p, "api_url: "+p.url, "api_url: "+selfSigned.URL)
			}
		}, "certificate is not trusted", "CA certificates"},
		{"a clock that is off", func(p *patient) { p.handler = shifted }, "clock is off by 2h", "Set the clock"},
		{"Volvo is down", func(p *patient) {
			if p.cloud != nil {
				if err := p.cloud.Switch(simulator.Fault{Match: "GET", Status: 500}); err != nil {
					p.Fatal(err)
				}
			}
		}, "list of cars: 500: outage", "nothing to do but wait"},
		{"a store that others read", func(p *patient) {
			if p.cloud != nil {
				if err := os.Chmod(filepath.Join(p.dir, "data"), 0o755); err != nil {
					p.Fatal(err)
				}
			}
		}, "others can read data", "chmod -R go= data"},
	}
}

// TestDoctorOnBrokenSetups: each names the cause, and behind ">" what to do.
func TestDoctorOnBrokenSetups(t *testing.T) {
	for _, c := range brokenSetups(t) {
		t.Run(c.name, func(t *testing.T) {
			p := healthy(t, c.breakIt)
			time.Sleep(2 * p.oauth.Life) // an access token that is good yet shows nothing
			out, code := doctor(t, p.dir)
			lines := strings.Split(out, "\n")
			found := false
			for i, line := range lines {
				advice := line
				if i+1 < len(lines) && strings.Contains(lines[i+1], "> ") {
					advice += lines[i+1]
				}
				found = found || strings.Contains(line, c.found) && strings.Contains(advice, c.toDo)
			}
			if want := c.name == "open broker"; !found || (code == 0) != want || code == 2 {
				t.Errorf("exit %d:\n%s", code, out)
			}
		})
	}
}

func withoutScope(missing string) []string {
	var scopes []string
	for _, s := range strings.Fields("openid conve:battery_charge_level conve:brake_status conve:climatization_start_stop conve:command_accessibility conve:commands conve:diagnostics_engine_status conve:diagnostics_workshop conve:doors_status conve:engine_status conve:fuel_status conve:honk_flash conve:lock conve:lock_status conve:odometer_status conve:trip_statistics conve:tyre_status conve:vehicle_relation conve:warnings conve:windows_status energy:capability:read energy:state:read location:read") {
		if s != missing {
			scopes = append(scopes, s)
		}
	}
	return scopes
}

// TestDoctorBundle: beside a running bridge, and with nothing in the report that
// is not for everybody.
func TestDoctorBundle(t *testing.T) {
	p := healthy(t, func(*patient) {})
	car := p.cloud.VINs()[0]
	planted := []string{car, strings.ToLower(car), "simulated-vcc-api-key", "simulated-secret", "Annas Kombi", "annas_kombi", "Sup3rSecret", "anna-at-home", "127.0.0.1:" + fmt.Sprint(p.broker.port), "8642"}
	p.config = strings.Replace(p.config, "  api_url:", "  vehicles: [{vin: "+car+", name: Annas Kombi}]\n  api_url:", 1)
	p.config = strings.Replace(p.config, "http:\n", "  username: anna-at-home\n  password: Sup3rSecret\nhttp:\n", 1) + "commands: {pin: '8642'}\n"
	b := startBridge(t, p.dir, p.config)
	o := observe(t, p.broker.url())
	eventually(t, 10*time.Second, "values", func() bool {
		return o.document("volvo/annas_kombi/state")["lock"] != nil && o.get("volvo/annas_kombi/location") != ""
	})
	spot := o.document("volvo/annas_kombi/location")
	planted = append(planted, fmt.Sprint(spot["latitude"]), fmt.Sprint(spot["longitude"]))
	planted = append(planted, tokensIn(t, tokenFile(t, p.dir))...)
	out, code := doctor(t, p.dir, "--bundle", "report.json")
	if code != 0 || !strings.Contains(out, "0 problems") || !strings.Contains(out, "process: running") {
		t.Errorf("exit %d:\n%s", code, out)
	}
	if os.Getenv("E2E_SHOW") != "" {
		fmt.Println(out)
	}
	report, err := os.ReadFile(filepath.Join(p.dir, "report.json"))
	if err != nil {
		t.Fatal(err)
	}
	for _, secret := range planted {
		if strings.Contains(string(report), secret) {
			t.Errorf("the report holds %q", secret)
		}
	}
	var parsed struct {
		Findings []struct{ Area, What, Result string }
		Config   map[string]string
	}
	if err := json.Unmarshal(report, &parsed); err != nil || len(parsed.Findings) < 20 || parsed.Config["vehicles"] != "1" {
		t.Errorf("%v: %s", err, report)
	}
	p.quote(planted, b)
	asJSON, code := doctor(t, p.dir, "--json")
	var findings []map[string]any
	if err := json.Unmarshal([]byte(asJSON), &findings); err != nil || code != 0 || len(findings) < 20 {
		t.Errorf("exit %d, %v:\n%s", code, err, asJSON)
	}
	if code, _ := b.terminate(); code != 0 {
		t.Errorf("the bridge ended with %d", code)
	}
}

// quote has Volvo's errors repeat what nobody should see.
func (p *patient) quote(planted []string, b *process) {
	b.Helper()
	planted = append(planted, "57.7089", "11.974", "anna@example.com")
	body, err := json.Marshal(map[string]any{"error": map[string]string{"message": "SERVER_ERROR", "description": strings.Join(planted, " ")}})
	if err == nil {
		err = p.cloud.Switch(simulator.Fault{Match: "GET vehicles", Status: 500, Body: string(body)})
	}
	if err != nil {
		b.Fatal(err)
	}
	out, code := doctor(b, p.dir, "--bundle", "quoted.json")
	report, err := os.ReadFile(filepath.Join(p.dir, "quoted.json"))
	if code != 1 || err != nil || !strings.Contains(string(report), "SERVER_ERROR") {
		b.Errorf("exit %d, %v:\n%s", code, err, out)
	}
	for _, secret := range planted {
		if strings.Contains(string(report), secret) {
			b.Errorf("the report quotes %q", secret)
		}
	}
	for _, token := range tokensIn(b, tokenFile(b, p.dir)) {
		if strings.Contains(out, token) {
			b.Error("the table quotes a token")
		}
	}
	p.cloud.Mend()
	time.Sleep(time.Second)
}

func tokensIn(t testing.TB, file string) []string {
	t.Helper()
	data, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	var box struct {
		Token struct{ Refresh, Access, Previous string }
	}
	if err := json.Unmarshal(data, &box); err != nil || box.Token.Refresh == "" {
		t.Fatalf("%v %s", err, data)
	}
	tokens := []string{box.Token.Refresh, box.Token.Access}
	if box.Token.Previous != "" {
		tokens = append(tokens, box.Token.Previous)
	}
	return tokens
}
