package e2e

import (
	"context"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"net/http/httputil"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	paho "github.com/eclipse/paho.mqtt.golang"

	"github.com/chromedp/chromedp"

	"volvobridge/volvo/simulator"
)

func appCloud(t testing.TB) (*simulator.Cloud, string) {
	t.Helper()
	sim := simulator.New(simulator.Options{PerMinute: -1, CommandsPerMinute: -1, PerDay: -1})
	return sim, serve(t, sim)
}

// TestApp: with the three fields and a pasted login the cars are there; root's rights are
// gone; the login outlives a restart; SIGTERM ends it well.
func TestApp(t *testing.T) {
	broker := startMosquitto(t)
	_, cloud := appCloud(t)
	s := newSupervisor(t)
	s.provides(broker.port, "", "", false)
	dir := appHome(t, threeFields+"}")
	o := observe(t, broker.url())
	p := s.run(dir, cloud)
	s.awaits("/", "A login at Volvo is needed.")
	s.awaits("/login", "The last page may not open")
	if os.Getuid() == 0 {
		status, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", p.cmd.Process.Pid))
		if err != nil || !regexp.MustCompile(`(?m)^Uid:\t65532\t65532\t65532\t65532$`).Match(status) || !regexp.MustCompile(`(?m)^CapEff:\t0+$`).Match(status) || !regexp.MustCompile(`(?m)^Groups:\t\s*$`).Match(status) {
			t.Errorf("root's rights are kept: %v\n%s", err, status)
		}
		if out, err := runProgram(binary, "healthcheck"); err != nil || string(out) != "ok\n" {
			t.Errorf("as Docker asks: %v %s", err, out)
		}
	}
	s.logIn()
	values(t, o, "YV1XZBEV000000001", 20*time.Second)
	eventually(t, patience, "the device that leads to the page", func() bool {
		return strings.Contains(o.get("homeassistant/device/volvobridge_yv1xzbev000000001/config"), `"configuration_url":"homeassistant://app/`)
	})
	if code, took := p.terminate(); code != 0 || took > 60*time.Second {
		t.Errorf("SIGTERM: %d after %v", code, took)
	}
	for _, secret := range []string{"simulated-secret", "simulated-vcc-api-key", supervisorKey} {
		if strings.Contains(p.out.String(), secret) {
			t.Errorf("the log holds %s", secret)
		}
	}
	p = s.run(dir, cloud)
	s.awaits("/", "everything is closed")
	if s.ask("GET", "/why", nil); strings.Contains(p.out.String(), "login required") {
		t.Error("the login did not outlive a restart")
	}
	p.terminate()
}

// TestAppFromNothing: without any option the page says what is missing, takes it, and goes on
// without a restart; what sets a field elsewhere is told.
func TestAppFromNothing(t *testing.T) {
	broker := startMosquitto(t)
	_, cloud := appCloud(t)
	s := newSupervisor(t)
	dir := appHome(t, `{"vehicles":[],"commands":[],"pin":"2468","client_id":"simulated-client"}`)
	p := s.run(dir, cloud)
	s.awaits("/setup", "Home Assistant has no MQTT broker")
	s.awaits("/setup", "addon=core_mosquitto")
	s.provides(broker.port, "", "", false)
	s.awaits("/setup", "The broker of Home Assistant is found by itself.")
	s.awaits("/setup", "set by option client_id")
	if status, _, body := s.ask("POST", "/setup/volvo", url.Values{"api_key": {"simulated-vcc-api-key"}, "client_secret": {"mistyped"}}); status != http.StatusUnprocessableEntity || !strings.Contains(body, "does not know this client ID") {
		t.Errorf("a wrong secret: %d %s", status, body)
	}
	status, location, body := s.ask("POST", "/setup/volvo", url.Values{"api_key": {"simulated-vcc-api-key"}, "client_secret": {"simulated-secret"}, "allow": {"lock", "unlock"}})
	if status != http.StatusSeeOther || location != "../setup" {
		t.Fatalf("%d %s %s", status, location, body)
	}
	s.logIn()
	s.awaits("/setup", "Name of the EX30")
	if status, _, body := s.ask("POST", "/setup/cars", url.Values{"name": {"Family", "Second", "Third"}}); status != http.StatusOK || !strings.Contains(body, "volvobridge/settings.yaml") {
		t.Fatalf("%d %s", status, body)
	}
	o := observe(t, broker.url())
	values(t, o, "family", 20*time.Second)
	settings := filepath.Join(dir, "volvobridge", "settings.yaml")
	data, err := os.ReadFile(settings)
	info, _ := os.Stat(settings)
	if err != nil || info.Mode().Perm() != 0o600 || strings.Contains(string(data), "2468") || strings.Contains(string(data), "client_id") || strings.Contains(string(data), "mqtt") {
		t.Errorf("%v %s", err, data)
	}
	o.publish("volvo/family/lock/set", `{"value":"UNLOCK","pin":"2468","id":"1","at":`+fmt.Sprint(time.Now().Unix())+`}`)
	eventually(t, patience, "unlocked with the PIN of the options", func() bool { return o.document("volvo/family/lock/status")["status"] == "succeeded" })
	if code, _ := p.terminate(); code != 0 {
		t.Errorf("exit %d", code)
	}
}

// TestAppBroker: the broker is asked for until it is there, found again when its password or
// its place changes, reached over TLS; an option goes before it.
func TestAppBroker(t *testing.T) {
	passwords := mosquittoUsers(t, map[string]string{"addons": "first", "own": "mine"})
	broker := startMosquitto(t, "allow_anonymous false", "password_file "+passwords)
	_, cloud := appCloud(t)
	s := newSupervisor(t)
	s.answer(0, "")
	login := func(user, password string) func(*paho.ClientOptions) {
		return func(o *paho.ClientOptions) { o.SetUsername(user).SetPassword(password) }
	}
	o := observe(t, broker.url(), login("own", "mine"))
	dir := appHome(t, threeFields+"}")
	p := s.run(dir, cloud)
	s.awaits("/why", "does not answer")
	s.answer(http.StatusBadGateway, "bad gateway")
	s.awaits("/why", "HTTP 502")
	s.noBroker()
	s.awaits("/why", "Home Assistant has no MQTT broker")
	if os.Getenv("E2E_LONG") != "" {
		time.Sleep(40 * time.Second)
	}
	s.provides(broker.port, "addons", "first", false)
	online := func(o *observer) func() bool {
		return func() bool { return o.get("volvo/bridge/availability") == "online" }
	}
	eventually(t, patience, "the broker that appeared later", online(o))
	if n := strings.Count(p.out.String(), "has no MQTT broker"); n != 1 {
		t.Errorf("told %d times that there is none", n)
	}

	if out, err := runProgram(mosquittoTool(t, "mosquitto_passwd"), "-b", passwords, "addons", "second"); err != nil {
		t.Fatalf("%v %s", err, out)
	}
	s.provides(broker.port, "addons", "second", false)
	broker.restart()
	o.forget()
	eventually(t, patience, "the broker with another password", online(o))

	other := startMosquitto(t)
	s.provides(other.port, "", "", false)
	broker.stop()
	eventually(t, patience, "another broker", online(observe(t, other.url())))
	if strings.Contains(p.out.String(), "second") {
		t.Error("a password is in the log")
	}
	p.terminate()

	own := startMosquitto(t)
	p = s.run(appHome(t, threeFields+fmt.Sprintf(`,"mqtt_url":%q}`, own.url())), cloud)
	eventually(t, patience, "the broker of the options", online(observe(t, own.url())))
	p.terminate()
}

// TestAppBrokerTLS: the Supervisor says that the broker speaks TLS.
func TestAppBrokerTLS(t *testing.T) {
	a := newAuthority(t)
	port := freePort(t)
	broker := startMosquitto(t, fmt.Sprintf("listener %d 127.0.0.1\ncafile %[2]s/ca.pem\ncertfile %[2]s/server.pem\nkeyfile %[2]s/server.key", port, a.dir))
	_, cloud := appCloud(t)
	s := newSupervisor(t)
	s.provides(port, "", "", true)
	dir := appHome(t, threeFields+"}")
	ca, err := os.ReadFile(a.dir + "/ca.pem")
	if err != nil {
		t.Fatal(err)
	}
	for _, step := range []error{os.Mkdir(dir+"/config", 0o755), os.WriteFile(dir+"/config/ca.pem", ca, 0o644), os.WriteFile(dir+"/config/config.yaml", []byte("mqtt: {ca_file: ca.pem}\n"), 0o600)} {
		if step != nil {
			t.Fatal(step)
		}
	}
	p := s.run(dir, cloud)
	o := observe(t, broker.url())
	eventually(t, patience, "online", func() bool { return o.get("volvo/bridge/availability") == "online" })
	p.terminate()
}

// TestAppOutsiders: who reaches a mapped port gets nothing without the password, whatever
// headers say.
func TestAppOutsiders(t *testing.T) {
	outside := outsideAddress(t)
	broker := startMosquitto(t)
	_, cloud := appCloud(t)
	s := newSupervisor(t)
	s.provides(broker.port, "", "", false)
	_, port, _ := net.SplitHostPort(s.app)
	ask := func(path string) int {
		req, err := http.NewRequest(http.MethodGet, "http://"+net.JoinHostPort(outside, port)+path, nil)
		if err != nil {
			t.Fatal(err)
		}
		for name, value := range map[string]string{"X-Ingress-Path": ingressPath, "X-Forwarded-For": ingressAddress, "X-Real-IP": ingressAddress, "X-Remote-User-Id": "admin", "Cookie": ingressSession} {
			req.Header.Set(name, value)
		}
		resp, err := http.DefaultTransport.RoundTrip(req)
		if err != nil {
			t.Fatal(err)
		}
		resp.Body.Close()
		return resp.StatusCode
	}
	p := s.run(appHome(t, threeFields+"}"), cloud)
	s.awaits("/", "A login at Volvo is needed.")
	for _, path := range []string{"/", "/why", "/log", "/metrics", "/healthz", "/stream?page=why"} {
		if got := ask(path); got != http.StatusForbidden {
			t.Errorf("%s: %d", path, got)
		}
	}
	if got := ask("/oauth/callback?code=x&state=forged"); got != http.StatusBadRequest {
		t.Errorf("a forged end of a login: %d", got)
	}
	p.terminate()
	p = s.run(appHome(t, threeFields+`,"http_password":"open sesame"}`), cloud)
	s.awaits("/", "A login at Volvo is needed.")
	if got := ask("/"); got != http.StatusUnauthorized {
		t.Errorf("with a password: %d", got)
	}
	p.terminate()
}

// outsideAddress is one of this machine's that is not loopback.
func outsideAddress(t testing.TB) string {
	t.Helper()
	addresses, err := net.InterfaceAddrs()
	if err != nil {
		t.Fatal(err)
	}
	for _, a := range addresses {
		if ip, ok := a.(*net.IPNet); ok && ip.IP.To4() != nil && !ip.IP.IsLoopback() && !ip.IP.IsLinkLocalUnicast() {
			return ip.IP.String()
		}
	}
	t.Skip("this machine has no address but loopback's")
	return ""
}

var (
	links = regexp.MustCompile(`(?:href|src|data-stream)="([^"]*)"`)
	forms = regexp.MustCompile(`(?s)<form[^>]*action="([^"]*)"`)
)

// TestAppCrawl: every link, form and redirect of every page stays below the ingress, or
// leads out in a tab of its own.
func TestAppCrawl(t *testing.T) {
	broker := startMosquitto(t)
	_, cloud := appCloud(t)
	s := newSupervisor(t)
	s.provides(broker.port, "", "", false)
	p := s.run(appHome(t, "{}"), cloud)
	s.awaits("/setup", "found by itself")
	if n := s.crawl(cloud); n < 4 {
		t.Errorf("only %d addresses of the set-up", n)
	}
	p.terminate()

	p = s.run(appHome(t, threeFields+`,"commands":["lock","unlock"]}`), cloud)
	s.awaits("/", "A login at Volvo is needed.")
	s.logIn()
	s.awaits("/", "everything is closed")
	if n := s.crawl(cloud); n < 20 {
		t.Errorf("only %d addresses", n)
	}
	p.terminate()
}

// crawl follows everything that a page leads to, and returns how much that was.
func (s *supervisor) crawl(cloud string) int {
	s.Helper()
	base, err := url.Parse(s.server.URL + ingressPath + "/")
	if err != nil {
		s.Fatal(err)
	}
	below := func(u *url.URL) bool { return u.Host == base.Host && strings.HasPrefix(u.Path, ingressPath+"/") }
	seen, todo := map[string]bool{}, []string{"GET " + base.String()}
	for len(todo) > 0 {
		next := todo[0]
		todo = todo[1:]
		if seen[next] {
			continue
		}
		seen[next] = true
		method, address, _ := strings.Cut(next, " ")
		at, err := url.Parse(address)
		if err != nil {
			s.Fatal(err)
		}
		status, location, body := s.ask(method, strings.TrimPrefix(at.RequestURI(), ingressPath), url.Values{"account": {"account1"}})
		if status == 0 || status >= 400 && method == "GET" || status >= 500 || status == http.StatusNotFound {
			s.Errorf("%s: %d %.200s", next, status, body)
		}
		if location != "" {
			to, err := at.Parse(location)
			switch {
			case err != nil:
				s.Errorf("%s leads to %s", next, location)
			case below(to):
				todo = append(todo, "GET "+to.String())
			case !strings.HasSuffix(at.Path, "/login") || !strings.HasPrefix(location, cloud):
				s.Errorf("%s leads away, to %s", next, location)
			}
		}
		for method, pattern := range map[string]*regexp.Regexp{"GET": links, "POST": forms} {
			for _, m := range pattern.FindAllStringSubmatch(body, -1) {
				to, err := at.Parse(strings.ReplaceAll(m[1], "&amp;", "&"))
				switch {
				case err != nil:
					s.Errorf("%s holds %s", next, m[0])
				case strings.HasPrefix(m[1], "#") || strings.HasPrefix(m[1], "data:"):
				case below(to):
					to.Fragment = ""
					todo = append(todo, method+" "+to.String())
				case to.Scheme != "https" || !regexp.MustCompile(`<a [^>]*href="`+regexp.QuoteMeta(m[1])+`"[^>]*target="_blank"`).MatchString(body):
					s.Errorf("%s: %s leads away", next, m[0])
				}
			}
		}
	}
	return len(seen)
}

// TestAppFrame: in Home Assistant's own page, whose origin is not the app's, the frame shows
// every view, the views lead to each other, and changes come by themselves; in a page of
// anybody else it shows nothing.
func TestAppFrame(t *testing.T) {
	ctx := browser(t)
	broker := startMosquitto(t)
	sim, cloud := appCloud(t)
	s := newSupervisor(t)
	s.provides(broker.port, "", "", false)
	p := s.run(appHome(t, threeFields+`,"commands":["lock","unlock"]}`), cloud)
	s.awaits("/", "A login at Volvo is needed.")
	s.logIn()
	s.awaits("/", "everything is closed")
	do(t, ctx, chromedp.Navigate(s.server.URL+"/panel"))
	inFrame := func(expression string) string {
		return script[string](ctx, `(()=>{const d=document.getElementById("app").contentDocument;return String(`+expression+`)})()`)
	}
	shows := func(what string) {
		t.Helper()
		eventually(t, patience, "in the frame: "+what, func() bool {
			return strings.Contains(strings.ToLower(inFrame("d.body.innerText")), strings.ToLower(what))
		})
	}
	shows("everything is closed")
	sim.Car("YV1XZBEV000000001", func(c *simulator.Car) { c.Open(2, true) })
	o := observe(t, broker.url())
	o.publish("volvo/YV1XZBEV000000001/refresh/set", "doors")
	shows("door rear left")
	for _, view := range []struct{ link, says string }{{"why", "nothing to do"}, {"commands", "None yet."}, {"entities", "sensor.volvo_ex30_battery"}, {"check", "Check now"}, {"log", "connected to the broker"}, {"login", "Log in again"}, {"./", "EX30"}} {
		inFrame(fmt.Sprintf(`(()=>{const a=[...d.querySelectorAll("nav a, header a")].find(a=>a.getAttribute("href").endsWith(%q));if(a)a.click();return a})()`, view.link))
		eventually(t, patience, "the view "+view.link, func() bool {
			text := strings.ToLower(inFrame("d.body.innerText"))
			return strings.Contains(text, strings.ToLower(view.says)) && strings.HasPrefix(inFrame("d.location.pathname"), ingressPath+"/")
		})
	}
	if n := s.crawlFrame(inFrame); n < 9 {
		t.Errorf("only %d addresses in the frame", n)
	}
	inFrame(`d.querySelector("#do-YV1XZBEV000000001-lock").click()`)
	eventually(t, patience, "locked from the frame", func() bool { return o.document("volvo/YV1XZBEV000000001/lock/status")["command"] == "lock" })

	s.framedElsewhere(ctx)
	p.terminate()
}

// crawlFrame goes to every address that the pages in the frame lead to, without leaving the
// frame and the ingress, and returns how many there are. It ends on the first page.
func (s *supervisor) crawlFrame(inFrame func(string) string) int {
	s.Helper()
	base := s.home + ingressPath + "/"
	seen, todo := map[string]bool{}, []string{base}
	for len(todo) > 0 {
		next := todo[0]
		todo = todo[1:]
		if seen[next] {
			continue
		}
		seen[next] = true
		inFrame(fmt.Sprintf(`(d.documentElement.id="left",d.location.href=%q)`, next))
		eventually(s, patience, "the frame shows "+next, func() bool {
			return inFrame(`d.readyState+" "+d.documentElement.id`) == "complete " && inFrame(`!!d.querySelector("main")||d.contentType!="text/html"`) == "true"
		})
		if at := inFrame("d.location.href"); !strings.HasPrefix(at, base) {
			s.Errorf("%s leads to %s", next, at)
		}
		if away := inFrame(`[...d.forms].map(f=>f.action).concat([...d.images].map(i=>i.src)).filter(a=>!a.startsWith(` + strconv.Quote(base) + `)).join()`); away != "" {
			s.Errorf("%s: forms or pictures lead to %s", next, away)
		}
		for link := range strings.FieldsSeq(inFrame(`[...d.querySelectorAll("a[href]:not([target])")].map(a=>a.href.split("#")[0]).join(" ")`)) {
			if !strings.HasPrefix(link, base) {
				s.Errorf("%s: a link leads to %s", next, link)
			} else if !strings.HasSuffix(link, "/bundle") { // it is saved as a file
				todo = append(todo, link)
			}
		}
	}
	inFrame(fmt.Sprintf(`(d.documentElement.id="left",d.location.href=%q)`, base))
	eventually(s, patience, "the first page again", func() bool {
		return inFrame(`d.documentElement.id+!!d.querySelector("#do-YV1XZBEV000000001-lock")`) == "true"
	})
	return len(seen)
}

// framedElsewhere: a page of another origin can't show the app in a frame. One that is shown
// opens its stream; one that is refused never runs.
func (s *supervisor) framedElsewhere(ctx context.Context) {
	s.Helper()
	var asked, streams atomic.Int64
	proxy := httputil.NewSingleHostReverseProxy(&url.URL{Scheme: "http", Host: s.app})
	proxy.FlushInterval = -1
	proxy.ErrorLog = log.New(io.Discard, "", 0)
	direct := serve(s, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		asked.Add(1)
		if r.URL.Path == "/stream" {
			streams.Add(1)
		}
		proxy.ServeHTTP(w, r)
	}))
	elsewhere := serve(s, http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		fmt.Fprintf(w, `<!doctype html><iframe src="%s/"></iframe><iframe src="%s%s/"></iframe>`, direct, s.server.URL, ingressPath)
	}))
	do(s, ctx, chromedp.Navigate("about:blank"))
	time.Sleep(time.Second) // what the page before asked for has come
	before := s.streams.Load()
	do(s, ctx, chromedp.Navigate(strings.Replace(elsewhere, "127.0.0.1", "localhost", 1)))
	eventually(s, patience, "the frame asks", func() bool { return asked.Load() > 0 })
	time.Sleep(time.Second) // for what must not happen
	if streams.Load() != 0 || s.streams.Load() != before {
		s.Errorf("a page of another origin shows the app: %d directly, %d through the ingress", streams.Load(), s.streams.Load()-before)
	}
	do(s, ctx, chromedp.Navigate(direct))
	eventually(s, patience, "the page alone is shown", func() bool { return streams.Load() > 0 })
}

// TestAppBackup: a backup holds a login that was used up since. After it is restored the
// bridge tries what it has, once each, asks for a login, and deletes nothing.
func TestAppBackup(t *testing.T) {
	broker := startMosquitto(t)
	sim := simulator.New(simulator.Options{PerMinute: -1, CommandsPerMinute: -1, PerDay: -1, OAuth: simulator.OAuth{Life: 8 * time.Second}})
	cloud := serve(t, sim)
	s := newSupervisor(t)
	s.provides(broker.port, "", "", false)
	dir := appHome(t, threeFields+"}")
	o := observe(t, broker.url())
	p := s.run(dir, cloud)
	s.awaits("/", "A login at Volvo is needed.")
	s.logIn()
	values(t, o, "YV1XZBEV000000001", 20*time.Second)
	data, backup := filepath.Join(dir, "volvobridge"), filepath.Join(t.TempDir(), "backup")
	if out, err := runProgram("cp", "-r", data, backup); err != nil {
		t.Fatalf("%v %s", err, out)
	}
	rotations := sim.TokenRequests()
	eventually(t, 2*patience, "two rotations", func() bool { return sim.TokenRequests() >= rotations+2 })
	p.terminate()
	before := append(o.topics("volvo/YV1"), o.topics("homeassistant/")...)
	for _, step := range [][]string{{"rm", "-rf", data}, {"cp", "-r", backup, data}} { // root's, as the Supervisor restores it
		if out, err := runProgram(step[0], step[1:]...); err != nil {
			t.Fatalf("%v %s", err, out)
		}
	}
	rotations = sim.TokenRequests()
	p = s.run(dir, cloud)
	s.awaits("/", "A login at Volvo is needed.")
	time.Sleep(5 * time.Second) // for what must not happen
	if tries := sim.TokenRequests() - rotations; tries < 1 || tries > 2 {
		t.Errorf("%d tries", tries)
	}
	if got := o.document("volvo/bridge/state")["cloud_status"]; got != "login_required" {
		t.Errorf("the status is %v", got)
	}
	for _, topic := range before {
		if o.get(topic) == "" {
			t.Errorf("%s is gone", topic)
		}
	}
	if len(before) < 15 {
		t.Errorf("only %d topics", len(before))
	}
	s.logIn()
	eventually(t, patience, "back again", func() bool { return o.document("volvo/bridge/state")["cloud_status"] == "ok" })
	p.terminate()
}

// TestSystemd: the unit is told that the bridge is ready once a publish was tried, also
// without a broker and without a configuration; the watchdog is fed; the end is told.
func TestSystemd(t *testing.T) {
	socket := filepath.Join(t.TempDir(), "notify")
	conn, err := net.ListenUnixgram("unixgram", &net.UnixAddr{Name: socket, Net: "unixgram"})
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	hears := func(want string) {
		t.Helper()
		buffer := make([]byte, 300)
		for end := time.Now().Add(patience); time.Now().Before(end); {
			_ = conn.SetReadDeadline(end)
			n, err := conn.Read(buffer)
			if err != nil {
				break
			}
			if strings.Contains(string(buffer[:n]), want) {
				return
			}
		}
		t.Fatalf("systemd does not hear %s", want)
	}
	_, cloud := appCloud(t)
	t.Setenv("NOTIFY_SOCKET", socket)
	t.Setenv("WATCHDOG_USEC", "300000")
	p := startBridge(t, t.TempDir(), config(cloud, fmt.Sprintf("mqtt://127.0.0.1:%d", freePort(t)), ""))
	hears("READY=1\nSTATUS=running")
	hears("WATCHDOG=1")
	p.terminate()
	hears("STOPPING=1")
	t.Setenv("VOLVOBRIDGE_HTTP_LISTEN", fmt.Sprintf("127.0.0.1:%d", freePort(t)))
	p = startProgram(t, t.TempDir(), "run")
	hears("READY=1\nSTATUS=not configured yet: open http://127.0.0.1:")
	hears("WATCHDOG=1")
	p.terminate()
}

// TestContainerApp: the image for Home Assistant starts as root, in a folder that is root's,
// and gives its rights up.
func TestContainerApp(t *testing.T) {
	if os.Getuid() != 0 {
		t.Skip("needs root, to change the root folder")
	}
	root := containerRoot(t)
	data := filepath.Join(root, "data")
	for _, step := range []error{os.RemoveAll(data), os.Mkdir(data, 0o755), os.WriteFile(filepath.Join(data, "options.json"), []byte(threeFields+"}"), 0o600)} {
		if step != nil {
			t.Fatal(step)
		}
	}
	broker := startMosquitto(t)
	_, cloud := appCloud(t)
	s := newSupervisor(t)
	s.provides(broker.port, "", "", false)
	inside := func(args ...string) *exec.Cmd {
		cmd := exec.Command("chroot", append([]string{root, "/volvobridge"}, args...)...)
		cmd.Env = []string{"SUPERVISOR_TOKEN=" + supervisorKey, "SUPERVISOR_URL=" + s.server.URL, "SUPERVISOR_INGRESS=" + ingressAddress, "VOLVOBRIDGE_VOLVO_API_URL=" + cloud,
			"VOLVOBRIDGE_VOLVO_AUTH_URL=" + cloud + "/as/authorization.oauth2", "VOLVOBRIDGE_VOLVO_TOKEN_URL=" + cloud + "/as/token.oauth2", "VOLVOBRIDGE_HTTP_LISTEN=" + strings.Replace(s.app, "127.0.0.1", "0.0.0.0", 1)}
		return cmd
	}
	run := inside("run")
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
	s.awaits("/", "A login at Volvo is needed.")
	status, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", run.Process.Pid))
	if err != nil || !strings.Contains(string(status), "Uid:\t65532\t65532\t65532\t65532\n") {
		t.Errorf("%v\n%s", err, status)
	}
	if got, err := inside("healthcheck").CombinedOutput(); err != nil || string(got) != "ok\n" {
		t.Errorf("healthcheck: %v %s", err, got)
	}
}

// TestRootBesideAService: what root types for a service whose user nobody can name is done as
// that user, so that the service can use what was written.
func TestRootBesideAService(t *testing.T) {
	if os.Getuid() != 0 {
		t.Skip("needs root")
	}
	dir := t.TempDir()
	if err := os.Chmod(filepath.Dir(dir), 0o755); err != nil {
		t.Fatal(err)
	}
	private := filepath.Join(dir, "private") // as systemd keeps it: root alone gets there
	data := filepath.Join(private, "volvobridge")
	_, cloud := appCloud(t)
	text := fmt.Sprintf("store: data\nmqtt: {url: mqtt://127.0.0.1:%d}\nvolvo: {api_key: simulated-vcc-api-key, access_token: simulated-access-token, api_url: %q}\n", freePort(t), cloud)
	for _, step := range []error{os.WriteFile(filepath.Join(dir, "config.yaml"), []byte(text), 0o640), os.Mkdir(private, 0o700), os.Mkdir(data, 0o700), os.Chown(data, 61234, 61234), os.Symlink("private/volvobridge", filepath.Join(dir, "data"))} {
		if step != nil {
			t.Fatal(step)
		}
	}
	report := filepath.Join(private, "report.json")
	out, _ := runProgram(binary, "doctor", "-c", filepath.Join(dir, "config.yaml"), "--bundle", report) // there is no broker
	if text, err := os.ReadFile(report); err != nil || !strings.Contains(string(text), "findings") {
		t.Errorf("the report: %v %s", err, text)
	}
	if listed, err := runProgram(binary, "commands", "-c", filepath.Join(dir, "config.yaml")); err != nil {
		t.Errorf("%v %s", err, listed)
	}
	if !strings.Contains(string(out), "writable") || strings.Contains(string(out), "belongs to") {
		t.Errorf("%s", out)
	}
	entries, err := os.ReadDir(data)
	if err != nil || len(entries) == 0 {
		t.Fatalf("%v %v", err, entries)
	}
	for _, e := range entries {
		info, err := e.Info()
		if owner := info.Sys().(*syscall.Stat_t); err != nil || owner.Uid != 61234 || owner.Gid != 61234 {
			t.Errorf("%s is root's", e.Name())
		}
	}
}
