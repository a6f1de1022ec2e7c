package e2e

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/chromedp/cdproto/cdp"
	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/cdproto/page"
	"github.com/chromedp/cdproto/target"
	"github.com/chromedp/chromedp"

	"volvobridge/volvo/simulator"
)

// browser is a real, headless Chromium with an empty profile, or the test is skipped.
func browser(t testing.TB) context.Context {
	t.Helper()
	path, err := exec.LookPath("chromium")
	if err != nil {
		t.Skip("chromium is not installed, or not in PATH (apt-get install chromium)")
	}
	options := append(chromedp.DefaultExecAllocatorOptions[:], chromedp.ExecPath(path), chromedp.NoSandbox, chromedp.DisableGPU,
		chromedp.Flag("disable-quic", true), chromedp.Flag("disable-component-update", true), chromedp.Flag("lang", "en"), chromedp.UserDataDir(t.TempDir()))
	ctx, cancel := chromedp.NewExecAllocator(context.Background(), options...)
	ctx, close := chromedp.NewContext(ctx)
	t.Cleanup(func() { close(); cancel() })
	if err := chromedp.Do(ctx, chromedp.Navigate("about:blank")); err != nil {
		t.Fatal(err)
	}
	return ctx
}

// do runs steps in the browser, each within a while.
func do(t testing.TB, ctx context.Context, steps ...chromedp.Action[chromedp.Void]) {
	t.Helper()
	for i, step := range steps {
		limited, cancel := context.WithTimeout(ctx, 20*time.Second)
		err := chromedp.Do(limited, step)
		for tries := 0; err != nil && tries < 5 && strings.Contains(err.Error(), "find node"); tries++ { // the page put another in its place meanwhile
			err = chromedp.Do(limited, step)
		}
		cancel()
		if err != nil {
			t.Fatalf("step %d: %v; the page says:\n%s", i, err, said(ctx))
		}
	}
}

// script is what an expression gives on the page.
func script[T any](ctx context.Context, expression string, options ...chromedp.EvaluateOption) T {
	limited, cancel := context.WithTimeout(ctx, 20*time.Second)
	defer cancel()
	value, _ := chromedp.Run(limited, chromedp.Evaluate[T](expression, options...)) // nothing while it loads
	return value
}

// said is the text of the page.
func said(ctx context.Context) string {
	return script[string](ctx, `(document.querySelector("main")||document.body).innerText`)
}

// command is a step that is a command of the browser's protocol.
func command[P, R any](c cdp.Command[P, R], params P) chromedp.Action[chromedp.Void] {
	return func(ctx context.Context, t *chromedp.Target) (chromedp.Void, error) {
		_, err := cdp.Call(ctx, t, c, params)
		return chromedp.Void{}, err
	}
}

// says waits until the page says something, in any letter case.
func says(t testing.TB, ctx context.Context, limit time.Duration, what string) {
	t.Helper()
	for end := time.Now().Add(limit); time.Now().Before(end); time.Sleep(20 * time.Millisecond) {
		if strings.Contains(strings.ToLower(said(ctx)), strings.ToLower(what)) {
			return
		}
	}
	t.Fatalf("the page does not say %q within %v, but:\n%s", what, limit, said(ctx))
}

// TestPageSetUp: from an empty folder to the first car's values through the page alone,
// with the login in a second tab as a person does it.
func TestPageSetUp(t *testing.T) {
	ctx := browser(t)
	cloud := serve(t, simulator.New(simulator.Options{PerMinute: -1, CommandsPerMinute: -1, PerDay: -1}))
	listen, broker, dir := fmt.Sprintf("127.0.0.1:%d", freePort(t)), fmt.Sprintf("127.0.0.1:%d", freePort(t)), t.TempDir()
	home := "http://" + listen + "/"
	for key, value := range map[string]string{"VOLVO_API_URL": cloud, "VOLVO_AUTH_URL": cloud + "/as/authorization.oauth2", "VOLVO_TOKEN_URL": cloud + "/as/token.oauth2", "HTTP_LISTEN": listen, "MQTT_LISTEN": broker} {
		t.Setenv("VOLVOBRIDGE_"+key, value)
	}
	p := startProgram(t, dir, "run")
	eventually(t, 5*time.Second, "the page", func() bool { return strings.Contains(p.out.String(), home) })
	if code, _ := get(t, home+"readyz"); code != 503 {
		t.Errorf("ready: %d", code)
	}
	if out, err := runProgram(binary, "healthcheck", "-c", filepath.Join(dir, "config.yaml")); err != nil || string(out) != "ok\n" {
		t.Errorf("healthcheck: %v %s", err, out)
	}
	do(t, ctx, chromedp.Navigate(home))
	says(t, ctx, 20*time.Second, "Four steps")
	do(t, ctx, chromedp.WaitVisible(chromedp.CSS("#url")),
		chromedp.SetValue(chromedp.CSS("#url"), "mqtt://127.0.0.1:1"), chromedp.Click(chromedp.CSS("#try-broker")), chromedp.WaitVisible(`[role="alert"]`))
	says(t, ctx, 20*time.Second, "nothing listens there")
	do(t, ctx, chromedp.SetValue(chromedp.CSS("#url"), "embedded"), chromedp.Click(chromedp.CSS("#try-broker")), chromedp.WaitVisible(chromedp.CSS("#api_key")))
	fill := func(key, id, secret string) {
		do(t, ctx, chromedp.SetValue(chromedp.CSS("#api_key"), key), chromedp.SetValue(chromedp.CSS("#client_id"), id), chromedp.SetValue(chromedp.CSS("#client_secret"), secret), chromedp.SetValue(chromedp.CSS("#redirect_url"), home+"oauth/callback"), chromedp.Click(chromedp.CSS("#try-volvo")))
	}
	fill("simulated-vcc-api-key", "simulated-client", "mistyped")
	says(t, ctx, 20*time.Second, "does not know this client ID")
	fill("mistyped", "simulated-client", "simulated-secret")
	says(t, ctx, 20*time.Second, "refuses this API key")
	fill("simulated-vcc-api-key", "simulated-client", "simulated-secret")
	says(t, ctx, 20*time.Second, "The last page may not open")
	axe := axeCore(t)
	examineLooks(t, ctx, "set-up", axe)
	do(t, ctx, chromedp.Navigate(home+"setup"))
	if tab := script[string](ctx, `document.querySelector('form[action="login"]').target`); tab != "_blank" {
		t.Errorf("the login opens in %q, not in a new tab", tab)
	}
	logInInATab(t, ctx)
	do(t, ctx, chromedp.Click(`//a[contains(., "other tab")]`), chromedp.WaitVisible(chromedp.CSS("#finish")))
	do(t, ctx, chromedp.SetValue(chromedp.CSS("#name-0001"), "My EX30"), chromedp.SetValue(chromedp.CSS("#pin"), "12"), chromedp.Click(chromedp.CSS("#finish")), chromedp.WaitVisible(`[role="alert"]`))
	says(t, ctx, 20*time.Second, "4 to 8 digits")
	do(t, ctx, chromedp.SetValue(chromedp.CSS("#name-0001"), "My EX30"), chromedp.SetValue(chromedp.CSS("#pin"), "2468"), chromedp.Click(chromedp.CSS("#finish")))
	says(t, ctx, 20*time.Second, "It was written to config.yaml.")
	do(t, ctx, chromedp.Click(chromedp.CSS("main a.main")), chromedp.WaitVisible(chromedp.CSS("#car-my_ex30")))
	says(t, ctx, 20*time.Second, "Everything is closed")
	data, err := os.ReadFile(filepath.Join(dir, "config.yaml"))
	info, _ := os.Stat(filepath.Join(dir, "config.yaml"))
	if err != nil || info.Mode().Perm() != 0o600 || !strings.Contains(string(data), "simulated-client") || !strings.Contains(string(data), `pin: "2468"`) {
		t.Errorf("%v %s", err, data)
	}
	o := observe(t, "mqtt://"+broker)
	eventually(t, 5*time.Second, "the announcement with the page's address", func() bool {
		return strings.Contains(o.get("homeassistant/device/volvobridge_yv1xzbev000000001/config"), `"configuration_url":"`+home+`"`)
	})
	for _, secret := range []string{"simulated-secret", "2468", "simulated-vcc-api-key"} {
		if strings.Contains(p.out.String(), secret) {
			t.Errorf("the log holds %s", secret)
		}
	}
}

// logInInATab presses the button of the login, and agrees in the tab that it opens.
func logInInATab(t testing.TB, ctx context.Context) {
	t.Helper()
	do(t, ctx, chromedp.Click(chromedp.CSS(`form[action="login"] button`)))
	var opened target.ID
	eventually(t, 10*time.Second, "Volvo's page in a new tab", func() bool {
		all, _ := chromedp.Targets(ctx) // none while it opens
		for _, i := range all {
			if strings.Contains(i.URL, "authorization.oauth2") && strings.HasPrefix(i.Title, "Volvo ID") { // it is loaded
				opened = i.TargetID
			}
		}
		return opened != ""
	})
	tab, closeTab := chromedp.NewContext(ctx, chromedp.WithTargetID(opened))
	defer closeTab()
	if err := chromedp.Do(tab, command(page.BringToFront, cdp.Empty{})); err != nil { // the tab lives as long as the context of its first step
		t.Fatal(err)
	}
	do(t, tab, chromedp.Click(chromedp.CSS(`button[name="agree"]`)))
	says(t, tab, 20*time.Second, "Logged in.")
	closeTab()
	do(t, ctx, command(page.BringToFront, cdp.Empty{}))
}

// demoPage starts the demo and opens its page.
func demoPage(t testing.TB) (ctx context.Context, home string, o *observer) {
	t.Helper()
	ctx = browser(t)
	t.Setenv("TMPDIR", t.TempDir())
	p := startProgram(t, t.TempDir(), "demo")
	address := regexp.MustCompile(`Page +(\S+)\s+Broker +(\S+)`)
	eventually(t, 10*time.Second, "the addresses", func() bool { return address.MatchString(p.out.String()) })
	found := address.FindStringSubmatch(p.out.String())
	o = observe(t, "mqtt://"+found[2])
	do(t, ctx, chromedp.Navigate(found[1]), chromedp.WaitVisible(chromedp.CSS("#car-ex30")), chromedp.WaitVisible(chromedp.CSS("#car-xc60")), chromedp.WaitVisible(chromedp.CSS("#car-xc90")))
	return ctx, found[1], o
}

// TestPageDemo: the three cars; what changes appears without a reload, soon after it was
// published; a click on Lock goes through its life; unlocking asks; all of it can be read
// without JavaScript.
func TestPageDemo(t *testing.T) {
	ctx, home, o := demoPage(t)
	text := func(id string) string {
		return strings.ToLower(script[string](ctx, fmt.Sprintf(`(document.getElementById(%q)||{innerText:""}).innerText`, id)))
	}
	script[string](ctx, `window.here = "still"`)
	eventually(t, 60*time.Second, "the XC60 drives off", func() bool { return o.document("volvo/xc60/state")["engine_status"] == "ON" })
	eventually(t, patience, "the page shows it", func() bool { return strings.Contains(text("car-xc60-facts"), "running") })
	if facts := text("car-ex30-facts"); !strings.Contains(facts, "charging, ") || !strings.Contains(facts, "done at") {
		t.Errorf("the EX30 does not charge within the first minute: %s", facts)
	}
	if here := script[string](ctx, `window.here || ""`); here != "still" {
		t.Error("the page was loaded again")
	}

	do(t, ctx, chromedp.Click(chromedp.CSS("#do-xc90-lock")))
	seen := map[string]bool{}
	eventually(t, 15*time.Second, "confirmed", func() bool {
		life := text("car-xc90-life")
		for _, word := range []string{"sending", "succeeded", "confirmed"} {
			class := script[string](ctx, fmt.Sprintf(`[...document.querySelectorAll("#car-xc90-life li")].filter(e=>e.innerText.toLowerCase()==%q&&e.className).map(e=>e.className).join()`, word))
			seen[word] = seen[word] || class == "now" || class == "done"
		}
		return strings.Contains(life, "confirmed") && seen["confirmed"]
	})
	if !seen["sending"] || !seen["succeeded"] {
		t.Errorf("seen on the way: %v", seen)
	}
	if got := o.document("volvo/xc90/lock/status")["confirmed"]; got != true {
		t.Errorf("on MQTT: %v", got)
	}

	do(t, ctx, chromedp.Click(chromedp.CSS("#do-xc90-unlock")), chromedp.WaitVisible(chromedp.CSS("#sure")))
	says(t, ctx, 20*time.Second, "This opens or starts a real car")
	examineLooks(t, ctx, "confirm", axeCore(t))
	if o.document("volvo/xc90/lock/status")["command"] != "lock" {
		t.Error("it was unlocked without being asked for once more")
	}
	do(t, ctx, chromedp.Click(chromedp.CSS("#sure")), chromedp.WaitVisible(chromedp.CSS("#car-xc90")))
	eventually(t, 15*time.Second, "unlocked", func() bool { return o.document("volvo/xc90/state")["lock"] == "UNLOCKED" })

	do(t, ctx, command(emulation.SetScriptExecutionDisabled, emulation.SetScriptExecutionDisabledParams{Value: true}))
	for path, want := range map[string]string{"": "EX30", "why": "nothing to do", "commands": "Unlock", "entities": "sensor.ex30_battery", "check": "Check now", "log": "connected to the broker", "login": "Test tokens"} {
		do(t, ctx, chromedp.Navigate(home+path))
		body, err := chromedp.Run(ctx, chromedp.Text(chromedp.CSS("main")))
		if err != nil {
			t.Fatal(err)
		}
		if !strings.Contains(body, want) {
			t.Errorf("without JavaScript %q says:\n%s", path, body)
		}
	}
}

// BenchmarkPageChange measures from a change on MQTT to the moment when the open page shows it.
func BenchmarkPageChange(b *testing.B) {
	for b.Loop() {
		ctx, _, o := demoPage(b)
		eventually(b, 60*time.Second, "the XC60 drives off", func() bool { return o.document("volvo/xc60/state")["engine_status"] == "ON" })
		published := time.Now()
		eventually(b, patience, "the page shows it", func() bool {
			return script[bool](ctx, `document.getElementById("car-xc60-facts").innerText.toLowerCase().includes("running")`)
		})
		b.ReportMetric(float64(time.Since(published).Milliseconds()), "ms")
	}
}

// TestPageTroubles: each trouble has its words, which come by themselves.
func TestPageTroubles(t *testing.T) {
	ctx := browser(t)
	broker := startMosquitto(t)
	sim := simulator.New(simulator.Options{PerMinute: -1, CommandsPerMinute: -1, PerDay: -1, Answer: -1, OAuth: simulator.OAuth{Life: 10 * time.Second}})
	cloud := serve(t, sim)
	listen, dir := fmt.Sprintf("127.0.0.1:%d", freePort(t)), t.TempDir()
	home := "http://" + listen + "/"
	write(t, dir, oauthConfig(cloud, broker.url(), home+"oauth/callback", listen, "commands: {allow: [lock, unlock], pin: \"2468\"}\npolling: {profile: fixed, daily_quota: 10000000, per_minute: 10000, min_interval: 1s, intervals: {doors: 1s}}\n"))
	p := startProgram(t, dir, "run")
	eventually(t, 5*time.Second, "the start", func() bool { return strings.Contains(p.out.String(), "started") })

	do(t, ctx, chromedp.Navigate(home))
	says(t, ctx, 20*time.Second, "A login at Volvo is needed.")
	do(t, ctx, chromedp.Navigate(home+"why"))
	says(t, ctx, 20*time.Second, "login required")
	resp, err := noRedirect.PostForm(home+"login", url.Values{"account": {"account1"}})
	if err != nil {
		t.Fatal(err)
	}
	resp.Body.Close()
	do(t, ctx, chromedp.Navigate(home+"login"), chromedp.SetValue(chromedp.CSS("#pasted"), browse(t, resp.Header.Get("Location"))), chromedp.Click(`form[action$="paste"] button`))
	says(t, ctx, 20*time.Second, "Logged in.")

	do(t, ctx, chromedp.Navigate(home), chromedp.WaitVisible(chromedp.CSS(".card button")))
	do(t, ctx, chromedp.Click(`form[action$="/lock"] button.danger`), chromedp.WaitVisible(chromedp.CSS("#pin")), chromedp.SetValue(chromedp.CSS("#pin"), "1111"), chromedp.Click(chromedp.CSS("#sure")), chromedp.WaitVisible(`[role="alert"]`))
	says(t, ctx, 20*time.Second, "The PIN is wrong.")
	do(t, ctx, chromedp.SetValue(chromedp.CSS("#pin"), "2468"), chromedp.Click(chromedp.CSS("#sure")), chromedp.WaitVisible(chromedp.CSS(".card .life")))
	says(t, ctx, 15*time.Second, "confirmed")

	mosquitto := broker.cmd.Path
	broker.stop()
	says(t, ctx, 30*time.Second, "Not connected to the broker.")
	do(t, ctx, chromedp.Navigate(home+"why"))
	says(t, ctx, 20*time.Second, "nothing listens there")
	broker.start(mosquitto)
	eventually(t, 30*time.Second, "the page finds the broker again", func() bool {
		text := said(ctx)
		return strings.Contains(text, "connected") && !strings.Contains(text, "not connected")
	})

	if err := sim.Switch(simulator.Fault{Kind: "quota", Match: "GET", Delay: "1h"}); err != nil {
		t.Fatal(err)
	}
	says(t, ctx, 30*time.Second, "quota spent")
	says(t, ctx, 20*time.Second, "goes on by itself")

	do(t, ctx, chromedp.Navigate(home))
	sim.Revoke()
	says(t, ctx, 40*time.Second, "A login at Volvo is needed.")
	says(t, ctx, 20*time.Second, "Volvo EX30") // with what was known of it
	if code, _ := p.terminate(); code != 0 {
		t.Errorf("exit %d", code)
	}

	sim.Mend()
	noCar(t, ctx, sim, cloud, broker.url(), listen)
}

// noCar: the account has no car.
func noCar(t testing.TB, ctx context.Context, sim *simulator.Cloud, cloud, broker, listen string) {
	t.Helper()
	home := "http://" + listen + "/"
	for _, vin := range sim.VINs() {
		if err := sim.Switch(simulator.Fault{Kind: "vanish", Match: vin}); err != nil {
			t.Fatal(err)
		}
	}
	empty := t.TempDir()

	write(t, empty, strings.Replace(config(cloud, broker, ""), `listen: ""`, fmt.Sprintf("listen: %q", listen), 1))
	startProgram(t, empty, "run")
	eventually(t, 5*time.Second, "the page", func() bool {
		r, err := noRedirect.Get(home + "healthz")
		return err == nil && r.Body.Close() == nil && r.StatusCode == 200
	})
	do(t, ctx, chromedp.Navigate(home))
	says(t, ctx, 30*time.Second, "No car is known yet.")
	says(t, ctx, 40*time.Second, "The account lists none of the cars")
}

var views = []string{"", "why", "commands", "entities", "check", "log", "login"}

// TestPageLooks: axe-core finds nothing serious on any view, phone and desktop, dark and
// light, and nothing is wider than the screen. With PAGE_PICTURES a picture of each is
// put there.
func TestPageLooks(t *testing.T) {
	ctx, home, o := demoPage(t)
	o.publish("volvo/ex30/lock/set", "LOCK")
	o.publish("volvo/xc90/unlock/set", "nonsense")
	eventually(t, 40*time.Second, "a door stands open", func() bool { return o.document("volvo/xc90/state")["door_rear_left"] == "ON" })
	axe := axeCore(t)
	for _, dark := range []bool{false, true} {
		for _, width := range []int64{360, 1280} {
			for _, view := range views {
				name := fmt.Sprintf("%s_%s_%s", or(view, "cars"), map[bool]string{true: "phone", false: "desktop"}[width == 360], map[bool]string{true: "dark", false: "light"}[dark])
				scheme := map[bool]string{true: "dark", false: "light"}[dark]
				do(t, ctx, command(emulation.SetEmulatedMedia, emulation.SetEmulatedMediaParams{Features: []*emulation.MediaFeature{{Name: "prefers-color-scheme", Value: scheme}}}),
					command(emulation.SetDeviceMetricsOverride, emulation.SetDeviceMetricsOverrideParams{Width: width, Height: 800, DeviceScaleFactor: 1, Mobile: width == 360}), chromedp.Navigate(home+view), chromedp.WaitVisible(chromedp.CSS("main")))
				if view == "check" && !strings.Contains(said(ctx), "warnings") {
					do(t, ctx, chromedp.Click(chromedp.CSS("#start")))
					says(t, ctx, 30*time.Second, "warnings")
				}
				if wide := script[bool](ctx, `document.documentElement.scrollWidth > innerWidth + 1`); wide {
					t.Errorf("%s is wider than the screen", name)
				}
				examineLooks(t, ctx, name, axe)
				if dir := os.Getenv("PAGE_PICTURES"); dir != "" {
					picture(t, ctx, filepath.Join(dir, name+".png"))
				}
			}
		}
	}
}

func or(s, other string) string {
	if s == "" {
		return other
	}
	return s
}

// axeCore is the source of axe-core, or empty.
func axeCore(t testing.TB) string {
	path := os.Getenv("AXE_CORE")
	if path == "" {
		t.Log("accessibility is not examined: set AXE_CORE to axe.min.js of the npm package axe-core")
		return ""
	}
	source, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return string(source)
}

// examineLooks has axe-core look at the page.
func examineLooks(t testing.TB, ctx context.Context, name, axe string) {
	t.Helper()
	if axe == "" {
		return
	}
	script[int](ctx, `dispatchEvent(new Event("pagehide"));0`) // it examines a page that stands still
	limited, cancel := context.WithTimeout(ctx, time.Minute)
	defer cancel()
	found, err := chromedp.Run(limited, chromedp.Evaluate[string](axe+`;axe.run().then(r => JSON.stringify(r.violations.map(v => ({id: v.id, impact: v.impact, nodes: v.nodes.slice(0, 3).map(n => n.html.slice(0, 200))}))))`, chromedp.EvalAwaitPromise))
	if err != nil {
		t.Fatal(err)
	}
	var violations []struct {
		ID, Impact string
		Nodes      []string
	}
	if err := json.Unmarshal([]byte(found), &violations); err != nil {
		t.Fatal(err)
	}
	for _, v := range violations {
		if v.Impact == "serious" || v.Impact == "critical" {
			t.Errorf("%s: %s %s: %q", name, v.Impact, v.ID, v.Nodes)
		}
	}
}

// picture takes one of the view, as far as a person scrolls a little.
func picture(t testing.TB, ctx context.Context, file string) {
	t.Helper()
	data, err := chromedp.Run(ctx, chromedp.CaptureScreenshot())
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(file, data, 0o644); err != nil {
		t.Fatal(err)
	}
}

// noRedirect is a client that shows where it is sent.
var noRedirect = http.Client{CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }, Timeout: 10 * time.Second}
