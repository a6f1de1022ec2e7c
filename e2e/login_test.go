package e2e

import (
	"bytes"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"net/http/cookiejar"
	"net/http/httptest"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"volvobridge/volvo/simulator"
)

// oauthConfig is a configuration that logs in; more is appended.
func oauthConfig(cloud, broker, redirect, listen, more string) string {
	return fmt.Sprintf(`volvo:
  client_id: simulated-client
  client_secret: simulated-secret
  redirect_url: %s
  api_key: simulated-vcc-api-key
  api_url: %[2]s
  auth_url: %[2]s/as/authorization.oauth2
  token_url: %[2]s/as/token.oauth2
mqtt:
  url: %[3]s
http:
  listen: %[4]q
log:
  level: trace
%[5]s`, redirect, cloud, broker, listen, more)
}

// browse agrees on Volvo's page and returns where the browser is sent.
func browse(t testing.TB, address string) string {
	t.Helper()
	client := http.Client{CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }, Timeout: 10 * time.Second}
	resp, err := client.Get(address)
	if err == nil && resp.StatusCode == http.StatusOK {
		resp.Body.Close()
		resp, err = client.PostForm(address, url.Values{"agree": {"yes"}})
	}
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	location := resp.Header.Get("Location")
	if location == "" {
		body, _ := io.ReadAll(resp.Body)
		t.Fatalf("Volvo's page: %d %s", resp.StatusCode, body)
	}
	return location
}

func get(t testing.TB, address string) (int, string) {
	t.Helper()
	resp, err := http.Get(address)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	body, _ := io.ReadAll(resp.Body)
	return resp.StatusCode, string(body)
}

var addressLine = regexp.MustCompile(`(?m)^  (https?://\S+)$`)

// loginCommand runs `volvobridge login` and returns it with the address it printed.
func loginCommand(t testing.TB, dir string) (*process, io.Writer, string) {
	t.Helper()
	p := &process{TB: t, out: &output{}, dir: dir}
	p.cmd = exec.Command(binary, "login", "--browser=false")
	p.cmd.Dir, p.cmd.Stdout, p.cmd.Stderr = dir, p.out, p.out
	in, err := p.cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := p.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(p.kill)
	eventually(t, 10*time.Second, "an address", func() bool { return addressLine.MatchString(p.out.String()) })
	return p, in, addressLine.FindStringSubmatch(p.out.String())[1]
}

func (p *process) wait(limit time.Duration) int {
	p.Helper()
	done := make(chan struct{})
	go func() { _ = p.cmd.Wait(); close(done) }()
	select {
	case <-done:
	case <-time.After(limit):
		p.Fatalf("it does not end:\n%s", p.out)
	}
	return p.cmd.ProcessState.ExitCode()
}

func write(t testing.TB, dir, text string) {
	t.Helper()
	if err := os.WriteFile(filepath.Join(dir, "config.yaml"), []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}

// values waits for the first values of the first car.
func values(t testing.TB, o *observer, car string, limit time.Duration) {
	t.Helper()
	eventually(t, limit, "values", func() bool { return o.document("volvo/" + car + "/state")["lock"] != nil })
}

func TestFourWaysToLogIn(t *testing.T) {
	ways := map[string]func(t *testing.T, w *way){
		"callback":          wayCallback,
		"paste":             wayPaste,
		"web":               wayWeb,
		"mqtt":              wayMQTT,
		"beside the bridge": wayBeside,
	}
	for name, drive := range ways {
		t.Run(name, func(t *testing.T) {
			port := freePort(t)
			w := &way{broker: startMosquitto(t), dir: t.TempDir(), listen: fmt.Sprintf("127.0.0.1:%d", port),
				redirect: fmt.Sprintf("http://localhost:%d/oauth/callback", port)}
			if name == "paste" {
				w.redirect = "https://example.com/volvo"
			}
			w.cloud = simulator.New(simulator.Options{PerMinute: -1, OAuth: simulator.OAuth{ClientID: "simulated-client", ClientSecret: "simulated-secret", RedirectURI: w.redirect}})
			w.url = serve(t, w.cloud)
			w.o = observe(t, w.broker.url())
			drive(t, w)
			values(t, w.o, w.cloud.VINs()[0], 10*time.Second)
			if n := w.cloud.TokenRequests(); n > 2 {
				t.Errorf("%d token requests", n)
			}
			for _, line := range w.said {
				if strings.Contains(line.out.String(), "simulated-secret") || regexp.MustCompile(`code=[A-Za-z0-9_-]{20}`).MatchString(line.out.String()) {
					t.Errorf("a secret was printed:\n%s", line.out)
				}
			}
		})
	}
}

// TestStopWhileLoggingIn: Volvo hands out a token once, so a stop waits for it,
// whichever way the login came.
func TestStopWhileLoggingIn(t *testing.T) {
	for _, name := range []string{"web", "control"} {
		t.Run(name, func(t *testing.T) {
			port := freePort(t)
			w := &way{broker: startMosquitto(t), dir: t.TempDir(), listen: fmt.Sprintf("127.0.0.1:%d", port), redirect: fmt.Sprintf("http://localhost:%d/oauth/callback", port)}
			w.cloud = simulator.New(simulator.Options{PerMinute: -1, OAuth: simulator.OAuth{ClientID: "simulated-client", ClientSecret: "simulated-secret", RedirectURI: w.redirect}})
			w.url = serve(t, w.cloud)
			w.o = observe(t, w.broker.url())
			bridge := w.run(t)
			eventually(t, 10*time.Second, "the bridge", func() bool { return w.o.get("volvo/bridge/availability") == "online" })
			p, in, address := loginCommand(t, w.dir)
			if err := w.cloud.Switch(simulator.Fault{Match: "TOKEN", Delay: "3s", Times: 1}); err != nil {
				t.Fatal(err)
			}
			back := browse(t, address)
			if name == "web" {
				go func() {
					if resp, err := http.Get(back); err == nil { // cut by the stop
						resp.Body.Close()
					}
				}()
			} else {
				fmt.Fprintln(in, back)
			}
			eventually(t, 5*time.Second, "the token is asked for", func() bool { return w.cloud.TokenRequests() == 1 })
			if code, _ := bridge.terminate(); code != 0 {
				t.Errorf("exit %d", code)
			}
			p.kill()
			w.run(t)
			values(t, w.o, w.cloud.VINs()[0], 10*time.Second)
		})
	}
}

// way is what a login goes through.
type way struct {
	broker           *mosquitto
	cloud            *simulator.Cloud
	o                *observer
	url, dir         string
	listen, redirect string
	said             []*process
}

func (w *way) run(t testing.TB) *process {
	p := startBridge(t, w.dir, oauthConfig(w.url, w.broker.url(), w.redirect, w.listen, ""))
	w.said = append(w.said, p)
	return p
}

func wayCallback(t *testing.T, w *way) {
	write(t, w.dir, oauthConfig(w.url, w.broker.url(), w.redirect, w.listen, ""))
	p, _, address := loginCommand(t, w.dir)
	w.said = append(w.said, p)
	if code, body := get(t, browse(t, address)); code != 200 || !strings.Contains(body, "Logged in") {
		t.Fatalf("%d %s", code, body)
	}
	if code := p.wait(5 * time.Second); code != 0 {
		t.Fatalf("exit %d:\n%s", code, p.out)
	}
	w.run(t)
}

func wayPaste(t *testing.T, w *way) {
	write(t, w.dir, oauthConfig(w.url, w.broker.url(), w.redirect, w.listen, ""))
	p, in, address := loginCommand(t, w.dir)
	fmt.Fprintln(in, w.redirect) // not yet what is wanted
	eventually(t, 5*time.Second, "another try", func() bool { return strings.Contains(p.out.String(), "Paste again") })
	fmt.Fprintln(in, browse(t, address))
	if code := p.wait(5 * time.Second); code != 0 || !strings.Contains(p.out.String(), "no code in this address") {
		t.Fatalf("exit %d:\n%s", code, p.out)
	}
	w.run(t)
}

func wayWeb(t *testing.T, w *way) {
	w.run(t)
	page := "http://" + w.listen + "/login"
	eventually(t, 10*time.Second, "the page", func() bool {
		resp, err := http.Get(page)
		return err == nil && resp.Body.Close() == nil && resp.StatusCode == http.StatusOK
	})
	if _, body := get(t, page); !strings.Contains(body, "nobody has logged in yet") {
		t.Error(body)
	}
	jar, _ := cookiejar.New(nil)
	client := http.Client{Jar: jar, CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
	cross, _ := http.NewRequest(http.MethodPost, page, strings.NewReader("account=account1"))
	cross.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	cross.Header.Set("Sec-Fetch-Site", "cross-site")
	if resp, err := client.Do(cross); err != nil || resp.StatusCode != http.StatusForbidden {
		t.Errorf("a cross-site POST: %v %v", resp, err)
	}
	foreign, _ := http.NewRequest(http.MethodGet, page, nil)
	foreign.Host = "evil.example"
	if resp, err := client.Do(foreign); err != nil || resp.StatusCode < 400 || resp.StatusCode > 499 {
		t.Errorf("a foreign host: %v %v", resp, err)
	}
	if code, _ := get(t, "http://"+w.listen+"/oauth/callback?code=x&state=forged"); code < 400 || code > 499 {
		t.Errorf("a forged state: %d", code)
	}
	resp, err := client.PostForm(page, url.Values{"account": {"account1"}})
	if err != nil || resp.StatusCode != http.StatusSeeOther {
		t.Fatalf("%v %v", resp, err)
	}
	back := browse(t, resp.Header.Get("Location"))
	if code, body := get(t, back); code != 200 || !strings.Contains(body, "Logged in") {
		t.Fatalf("%d %s", code, body)
	}
	if code, _ := get(t, back); code < 400 || code > 499 {
		t.Errorf("the same address again: %d", code)
	}
}

func wayMQTT(t *testing.T, w *way) {
	w.run(t)
	logInOverMQTT(t, w.o)
}

// logInOverMQTT logs in as a person does in Home Assistant.
func logInOverMQTT(t testing.TB, o *observer) {
	t.Helper()
	eventually(t, 15*time.Second, "login required", func() bool { return o.document("volvo/bridge/state")["login_required"] == "ON" })
	o.publish("volvo/bridge/login_start/set", fmt.Sprintf(`{"value":"PRESS","at":%d}`, time.Now().Unix()))
	eventually(t, 5*time.Second, "an address", func() bool {
		return o.document("volvo/bridge/login_url/attributes")["url"] != nil && o.document("volvo/bridge/state")["login_url"] == "ready"
	})
	address := o.document("volvo/bridge/login_url/attributes")["url"].(string)
	o.publish("volvo/bridge/login/set", browse(t, address))
	eventually(t, 10*time.Second, "logged in", func() bool {
		s := o.document("volvo/bridge/state")
		return s["login_required"] == "OFF" && s["login_url"] == "none" && s["grant_expires"] != nil
	})
	if s := o.document("volvo/bridge/login/status"); s["status"] != "succeeded" || strings.Contains(o.get("volvo/bridge/login/status"), "code") {
		t.Errorf("%v", s)
	}
	if v := o.get("volvo/bridge/login"); v != "" {
		t.Errorf("what was typed stays: %q", v)
	}
}

func wayBeside(t *testing.T, w *way) {
	w.run(t)
	eventually(t, 10*time.Second, "the bridge", func() bool { return w.o.get("volvo/bridge/availability") == "online" })
	p, _, address := loginCommand(t, w.dir)
	// The running bridge's own page takes the redirect, the command notices.
	if code, body := get(t, browse(t, address)); code != 200 || !strings.Contains(body, "Logged in") {
		t.Fatalf("%d %s", code, body)
	}
	if code := p.wait(10 * time.Second); code != 0 || !strings.Contains(p.out.String(), "Logged in") {
		t.Fatalf("exit %d:\n%s", code, p.out)
	}
}

// TestReloginOverMQTT: from a login that Volvo ended to fresh values, without a
// restart.
func TestReloginOverMQTT(t *testing.T) {
	broker := startMosquitto(t)
	cloud := simulator.New(simulator.Options{Cars: []simulator.Kind{simulator.BEV}, PerMinute: -1, OAuth: simulator.OAuth{Life: 2 * time.Second}})
	o := observe(t, broker.url())
	p := startBridge(t, t.TempDir(), oauthConfig(serve(t, cloud), broker.url(), "http://localhost:8099/oauth/callback", "", ""))
	logInOverMQTT(t, o)
	car := cloud.VINs()[0]
	values(t, o, car, 10*time.Second)
	cloud.Revoke()
	eventually(t, 20*time.Second, "login required", func() bool { return o.document("volvo/bridge/state")["login_required"] == "ON" })
	requests := cloud.TokenRequests()
	time.Sleep(3 * time.Second)
	if n := cloud.TokenRequests(); n != requests {
		t.Errorf("%d token requests after the verdict", n-requests)
	}
	// A changed value shows that it was read.
	if err := cloud.Switch(simulator.Fault{Match: "odometer", Status: 200, Body: `{"data":{"odometer":{"value":77777,"unit":"km","timestamp":"2026-11-23T10:00:00Z"}}}`}); err != nil {
		t.Fatal(err)
	}
	o.publish("volvo/bridge/login_start/set", "PRESS")
	eventually(t, 5*time.Second, "an address", func() bool { return o.document("volvo/bridge/login_url/attributes")["url"] != nil })
	back := browse(t, o.document("volvo/bridge/login_url/attributes")["url"].(string))
	started := time.Now()
	o.publish("volvo/bridge/login/set", back)
	eventually(t, 10*time.Second, "a fresh odometer", func() bool { return o.document("volvo/" + car + "/state")["odometer"] == 77777.0 })
	t.Logf("from the paste to fresh values: %v", time.Since(started).Round(time.Millisecond))
	var told bool
	o.mu.Lock()
	for _, line := range o.log {
		told = told || strings.HasPrefix(line, "volvo/bridge/event ") && strings.Contains(line, `"event_type":"logged_in"`)
	}
	o.mu.Unlock()
	if !told {
		t.Error("no event logged_in")
	}
	if out := p.out.String(); strings.Contains(out, "simulated-secret") || strings.Contains(out, strings.TrimPrefix(back, "http://localhost:8099/oauth/callback?")) {
		t.Errorf("a secret was logged:\n%s", out)
	}
}

// logInOnce logs in with the command, without a bridge.
func logInOnce(t testing.TB, dir string) {
	t.Helper()
	p, in, address := loginCommand(t, dir)
	fmt.Fprintln(in, browse(t, address))
	eventually(t, 5*time.Second, "an end, or a second address", func() bool {
		addresses := addressLine.FindAllStringSubmatch(p.out.String(), -1)
		if len(addresses) == 2 {
			fmt.Fprintln(in, browse(t, addresses[1][1]))
		}
		return len(addresses) == 2 || strings.Contains(p.out.String(), "Logged in")
	})
	if code := p.wait(5 * time.Second); code != 0 {
		t.Fatalf("login: exit %d:\n%s", code, p.out)
	}
}

// refreshes tells of token requests as they come and go.
type refreshes struct {
	http.Handler
	begun chan struct{}
}

func (r *refreshes) ServeHTTP(w http.ResponseWriter, req *http.Request) {
	if req.URL.Path == "/as/token.oauth2" {
		select {
		case r.begun <- struct{}{}:
		default:
		}
	}
	r.Handler.ServeHTTP(w, req)
}

// TestKilledWhileRefreshing kills the bridge at random points around refreshes.
// With a grace period at the server no login is lost; without one, a kill between
// Volvo's answer and the disk may lose it.
func TestKilledWhileRefreshing(t *testing.T) {
	kills := 10
	if os.Getenv("E2E_LONG") != "" {
		kills = 200
	}
	for _, grace := range []time.Duration{time.Minute, 0} {
		t.Run(fmt.Sprint("grace ", grace), func(t *testing.T) {
			t.Parallel()
			cloud := simulator.New(simulator.Options{PerMinute: -1, PerDay: -1, OAuth: simulator.OAuth{Life: 2 * time.Second, Grace: grace}})
			r := &refreshes{Handler: cloud, begun: make(chan struct{}, 1)}
			server := httptest.NewServer(r)
			defer server.Close()
			dir := t.TempDir()
			// No broker: the login needs none.
			write(t, dir, oauthConfig(server.URL, fmt.Sprintf("mqtt://127.0.0.1:%d", freePort(t)), "https://example.com/volvo", "", "polling: {daily_quota: 1000000000, per_minute: 1000000}\n"))
			logInOnce(t, dir)
			random := rand.New(rand.NewPCG(3, 4))
			lost, whenLost := 0, []int{}
			for i := range kills {
				p := startProgram(t, dir, "run")
				select { // a start refreshes at once if the last one was interrupted, else within two seconds
				case <-r.begun:
				case <-time.After(5 * time.Second):
					if !strings.Contains(p.out.String(), "login_required") {
						t.Fatalf("kill %d: no refresh:\n%s", i, p.out)
					}
				}
				delay := time.Duration(random.IntN(8000)) * time.Microsecond
				time.Sleep(delay)
				p.kill()
				for len(r.begun) > 0 {
					<-r.begun
				}
				if !loginIsGood(t, cloud, dir) {
					lost++
					whenLost = append(whenLost, i)
					logInOnce(t, dir)
				}
			}
			t.Logf("%d kills around refreshes, grace period %v: %d logins lost %v", kills, grace, lost, whenLost)
			if grace > 0 && lost > 0 {
				t.Errorf("%d logins were lost", lost)
			}
			if lost > kills/2 {
				t.Errorf("%d of %d logins were lost: a kill between Volvo's answer and the disk is rarer", lost, kills)
			}
		})
	}
}

// loginIsGood asks the identity server whether it takes the stored token, by
// running the bridge for a moment.
func loginIsGood(t testing.TB, cloud *simulator.Cloud, dir string) bool {
	t.Helper()
	file := tokenFile(t, dir)
	data, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	m := regexp.MustCompile(`"refresh":"([^"]+)"`).FindSubmatch(data)
	if m == nil {
		t.Fatalf("no token in %s", data)
	}
	return cloud.Accepts(string(m[1]))
}

func tokenFile(t testing.TB, dir string) string {
	t.Helper()
	files, err := filepath.Glob(filepath.Join(dir, "data", "token_*.json"))
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range files {
		if !strings.HasSuffix(f, ".copy.json") {
			return f
		}
	}
	t.Fatalf("no token in %v", files)
	return ""
}

// TestBrokenStores: whatever became of the files, the bridge starts, uses the
// login if it is whole somewhere, and keeps what is broken.
func TestBrokenStores(t *testing.T) {
	tries := 20
	if os.Getenv("E2E_LONG") != "" {
		tries = 300
	}
	cloud := simulator.New(simulator.Options{PerMinute: -1, PerDay: -1, OAuth: simulator.OAuth{Life: time.Hour}})
	server := httptest.NewServer(cloud)
	defer server.Close()
	dir := t.TempDir()
	write(t, dir, oauthConfig(server.URL, fmt.Sprintf("mqtt://127.0.0.1:%d", freePort(t)), "https://example.com/volvo", "", ""))
	logInOnce(t, dir)
	file := tokenFile(t, dir)
	backup := strings.TrimSuffix(file, ".json") + ".copy.json"
	whole, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	random := rand.New(rand.NewPCG(5, 6))
	used, asked := 0, 0
	for i := range tries {
		broken := bytes.Clone(whole)
		switch i % 10 {
		case 0:
			broken = broken[:random.IntN(len(broken))]
		case 1:
			broken = nil
		default:
			broken[random.IntN(len(broken))] ^= byte(1 << random.IntN(8))
		}
		both := i%2 == 0
		for _, f := range []string{file, backup} {
			data := whole
			if f == file || both {
				data = broken
			}
			if err := os.WriteFile(f, data, 0o600); err != nil {
				t.Fatal(err)
			}
		}
		requests := cloud.TokenRequests()
		out := startAndStop(t, dir)
		good := !strings.Contains(out, "login_required")
		switch {
		case !both && !good:
			t.Fatalf("try %d: the copy was not used:\n%s", i, out)
		case !bytes.Equal(broken, whole) && !strings.Contains(out, "set aside"):
			t.Fatalf("try %d: nothing was said:\n%s", i, out)
		case cloud.TokenRequests() != requests:
			t.Fatalf("try %d: a token request with what was in a broken file", i)
		}
		if good {
			used++
		} else {
			asked++
		}
	}
	t.Logf("%d stores with broken bytes: no crash, no wrong token; %d went on with the login, %d asked for one", tries, used, asked)

	othersCanRead(t, dir)
}

// startAndStop runs the bridge for a moment and returns what it said.
func startAndStop(t *testing.T, dir string) string {
	t.Helper()
	p := startProgram(t, dir, "run")
	eventually(t, 5*time.Second, "a start", func() bool { return strings.Contains(p.out.String(), "no connection to the broker") })
	out := p.out.String()
	if code, _ := p.terminate(); code != 0 {
		t.Fatalf("exit %d:\n%s", code, out)
	}
	return out
}

// othersCanRead: a folder that others can read stops a start.
func othersCanRead(t *testing.T, dir string) {
	t.Helper()
	data := filepath.Join(dir, "data")
	if err := os.Chmod(data, 0o755); err != nil {
		t.Fatal(err)
	}
	p := startProgram(t, dir, "run")
	if code := p.wait(5 * time.Second); code != 1 || !strings.Contains(p.out.String(), "others can read") {
		t.Errorf("a folder that others can read: exit %d:\n%s", code, p.out)
	}
}
