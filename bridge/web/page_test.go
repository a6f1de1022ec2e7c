package web

import (
	"bufio"
	"bytes"
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"net/url"
	"regexp"
	"runtime"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus/testutil/promlint"

	"volvobridge/bridge/entity"
)

func fakeOptions(b *fakeBridge) Options {
	return Options{Healthy: func() error { return nil }, Ready: func() error { return nil }, Bridge: b, Login: &pretend{}, Check: &fakeCheck{}, Log: fakeLog{}, Redact: func(s string) string { return s }, Version: "1.0"}
}

var pagePaths = []string{"/", "/why", "/commands", "/entities", "/login", "/check", "/log"}

// TestPages: every page, in every language, is whole, says nothing foreign as markup, and
// loads nothing.
func TestPages(t *testing.T) {
	h := New(context.Background(), fakeOptions(newFake()))
	set := fakeOptions(newFake())
	set.Bridge, set.Setup = nil, &fakeSetup{}
	setUp := New(context.Background(), set)
	for _, language := range entity.Languages() {
		for _, path := range append(pagePaths, "/setup") {
			site := h
			if path == "/setup" {
				site = setUp
			}
			w := ask(site, "GET", "http://localhost"+path, "", func(r *http.Request) { r.Header.Set("Accept-Language", language+"-XX,fr;q=0.5") })
			page := w.Body.String()
			if w.Code != http.StatusOK || !strings.Contains(page, `lang="`+language+`"`) || !strings.HasSuffix(page, "</html>") {
				t.Fatalf("%s: %d", path, w.Code)
			}
			if strings.Contains(page, "<script>alert") || strings.Contains(page, "<img src=x") {
				t.Errorf("%s says foreign words as markup", path)
			}
			if strings.Contains(page, "s3cret") {
				t.Errorf("%s shows a secret", path)
			}
			for _, leads := range regexp.MustCompile(`(?:src|href|action)="([^"]*)"`).FindAllStringSubmatch(page, -1) {
				u, err := url.Parse(leads[1])
				outside := u != nil && (u.Host == "www.openstreetmap.org" || u.Host == "developer.volvocars.com")
				if err != nil || strings.HasPrefix(leads[1], "/") || u.IsAbs() && !outside {
					t.Errorf("%s leads to %q", path, leads[1])
				}
			}
			if policy := w.Header().Get("Content-Security-Policy"); !strings.HasPrefix(policy, "default-src 'none'") || strings.Contains(policy, "unsafe") || !strings.Contains(policy, "frame-ancestors 'none'") {
				t.Errorf("%s: %s", path, policy)
			}
		}
	}
}

// TestLanguageOfTheConfiguration wins over the browser's.
func TestLanguageOfTheConfiguration(t *testing.T) {
	opts := fakeOptions(newFake())
	opts.Language = "sv"
	w := ask(New(context.Background(), opts), "GET", "http://localhost/", "", func(r *http.Request) { r.Header.Set("Accept-Language", "de") })
	if !strings.Contains(w.Body.String(), `lang="sv"`) || !strings.Contains(w.Body.String(), "Bilar") {
		t.Error("it is not in Swedish")
	}
}

// TestFirstViewIsSmall: three cars in less than 60 kB, in one request.
func TestFirstViewIsSmall(t *testing.T) {
	b := newFake()
	b.view = func(v *View) { v.Cars = append(v.Cars, v.Cars[0], v.Cars[0]) }
	w := ask(New(context.Background(), fakeOptions(b)), "GET", "http://localhost/", "", nil)
	if size := w.Body.Len(); size > 60<<10 {
		t.Errorf("%d bytes", size)
	}
	if strings.Contains(w.Body.String(), "<link rel=\"stylesheet\"") || strings.Contains(w.Body.String(), "<script src") {
		t.Error("it takes more than one request")
	}
}

// TestCommands: a button sends what a message on MQTT would, stamped; what opens a car is
// asked for once more; nothing happens on GET.
func TestCommands(t *testing.T) {
	b := newFake()
	h := New(context.Background(), fakeOptions(b))
	if w := ask(h, "GET", "http://localhost/cars/ex30/lock?value=LOCK", "", nil); w.Code != http.StatusMethodNotAllowed || len(b.payloads) != 0 {
		t.Errorf("GET: %d", w.Code)
	}
	if w := ask(h, "POST", "http://localhost/cars/ex30/lock", "value=LOCK", nil); w.Code != http.StatusSeeOther || w.Header().Get("Location") != "../.././#car-ex30" {
		t.Errorf("lock: %d %s", w.Code, w.Header().Get("Location"))
	}
	if len(b.payloads) != 1 || !regexp.MustCompile(`^ex30 lock \{"value":"LOCK","at":\d+\}$`).MatchString(b.payloads[0]) {
		t.Errorf("%v", b.payloads)
	}
	w := ask(h, "POST", "http://localhost/cars/ex30/lock", "value=UNLOCK", nil)
	if w.Code != http.StatusOK || len(b.payloads) != 1 || !strings.Contains(w.Body.String(), `name="sure"`) || strings.Contains(w.Body.String(), `name="pin"`) {
		t.Errorf("unlock does not ask: %d", w.Code)
	}
	if ask(h, "POST", "http://localhost/cars/ex30/lock", "value=UNLOCK&sure=yes&id=page-1", nil); len(b.payloads) != 2 || !strings.Contains(b.payloads[1], `"id":"page-1"`) {
		t.Errorf("%v", b.payloads)
	}
	b.pin, b.status = true, entity.Status{Status: "refused", Reason: new("pin"), Advice: new("The PIN is wrong.")}
	w = ask(h, "POST", "http://localhost/cars/ex30/lock", "value=UNLOCK&sure=yes&pin=0000", nil)
	if w.Code != http.StatusUnprocessableEntity || !strings.Contains(w.Body.String(), "The PIN is wrong.") || !strings.Contains(w.Body.String(), `name="pin"`) || strings.Contains(w.Body.String(), "0000") {
		t.Errorf("a wrong PIN: %d", w.Code)
	}
	if w := ask(h, "POST", "http://localhost/cars/none/lock", "value=LOCK", nil); w.Code != http.StatusNotFound {
		t.Errorf("no such car: %d", w.Code)
	}
	if w := ask(h, "GET", "http://localhost/cars/ex30/picture/exterior", "", nil); w.Code != http.StatusNotFound {
		t.Errorf("a picture that could hold a script: %d", w.Code)
	}
}

// TestSetUpSteps: each form reaches its step, and no other address does.
func TestSetUpSteps(t *testing.T) {
	steps := &fakeSetup{}
	h := New(context.Background(), Options{Setup: steps, Login: &pretend{}})
	for path, code := range map[string]int{"/setup/broker": http.StatusSeeOther, "/setup/volvo": http.StatusSeeOther, "/setup/cars": http.StatusOK, "/setup/none": http.StatusNotFound} {
		if w := ask(h, "POST", "http://localhost"+path, "url=x", nil); w.Code != code {
			t.Errorf("%s: %d", path, w.Code)
		}
	}
	if slices.Sort(steps.taken); !slices.Equal(steps.taken, []string{"broker", "cars", "volvo"}) {
		t.Errorf("%v", steps.taken)
	}
	if w := ask(h, "GET", "http://localhost/", "", nil); w.Code != http.StatusSeeOther || w.Header().Get("Location") != "setup" {
		t.Errorf("the first page: %d %s", w.Code, w.Header().Get("Location"))
	}
}

// TestCheckStarts: only the button starts a round.
func TestCheckStarts(t *testing.T) {
	check := &fakeCheck{}
	h := New(context.Background(), Options{Check: check})
	if ask(h, "GET", "http://localhost/check", "", nil); check.started != 0 {
		t.Error("looking at it starts one")
	}
	if w := ask(h, "POST", "http://localhost/check", "", nil); w.Code != http.StatusSeeOther || check.started != 1 {
		t.Errorf("%d, started %d times", w.Code, check.started)
	}
}

// TestAttacks: other sites, other names, no session and long bodies get nowhere.
func TestAttacks(t *testing.T) {
	b := newFake()
	opts := fakeOptions(b)
	opts.Password = "right"
	h := New(context.Background(), opts)
	with := func(change func(*http.Request)) func(*http.Request) {
		return func(r *http.Request) { r.SetBasicAuth("x", "right"); change(r) }
	}
	for name, c := range map[string]struct {
		method, path, body string
		change             func(*http.Request)
		code               int
	}{
		"another site's POST":       {"POST", "/cars/ex30/lock", "value=LOCK", with(func(r *http.Request) { r.Header.Set("Origin", "http://evil.example") }), 403},
		"another site's fetch":      {"POST", "/cars/ex30/lock", "value=LOCK", with(func(r *http.Request) { r.Header.Set("Sec-Fetch-Site", "cross-site") }), 403},
		"a name that points here":   {"GET", "/", "", with(func(r *http.Request) { r.Host = "evil.example" }), 421},
		"no session":                {"POST", "/cars/ex30/lock", "value=LOCK", nil, 401},
		"no session for the stream": {"GET", "/stream?page=", "", nil, 401},
		"no session for a picture":  {"GET", "/cars/ex30/picture/exterior", "", nil, 401},
		"no session for metrics":    {"GET", "/metrics", "", nil, 401},
		"no session for the report": {"GET", "/check/bundle", "", nil, 401},
		"a forged cookie":           {"GET", "/", "", func(r *http.Request) { r.AddCookie(&http.Cookie{Name: sessionCookie, Value: "guess"}) }, 401},
		"a forged proxy": {"GET", "/", "", func(r *http.Request) {
			r.Header.Set("Accept", "text/html")
			r.Header.Set("X-Ingress-Path", "/x")
			r.Header.Set("X-Forwarded-For", "172.30.32.2")
		}, 401},
		"a long body":        {"POST", "/cars/ex30/lock", "value=" + strings.Repeat("x", 1<<20), with(func(*http.Request) {}), 413},
		"a GET on a command": {"GET", "/cars/ex30/lock", "", with(func(*http.Request) {}), 405},
		"a GET on a check":   {"GET", "/check/start", "", with(func(*http.Request) {}), 404},
	} {
		w := ask(h, c.method, "http://localhost"+c.path, c.body, c.change)
		if w.Code != c.code {
			t.Errorf("%s: %d, want %d", name, w.Code, c.code)
		}
		if strings.Contains(w.Header().Get("Content-Security-Policy"), "frame-ancestors 'self'") || strings.Contains(w.Body.String(), "/x/") {
			t.Errorf("%s changes the page", name)
		}
	}
	if len(b.payloads) != 0 {
		t.Errorf("commands were sent: %v", b.payloads)
	}
}

// TestSession: the password makes a session, whose cookie no script and no other site can
// use; it ends with signing out.
func TestSession(t *testing.T) {
	opts := fakeOptions(newFake())
	opts.Password = "right"
	h := New(context.Background(), opts)
	html := func(r *http.Request) { r.Header.Set("Accept", "text/html") }
	if w := ask(h, "GET", "http://localhost/why", "", html); w.Code != http.StatusUnauthorized || !strings.Contains(w.Body.String(), `action="enter"`) || strings.Contains(w.Body.String(), "Entities") || w.Header().Get("WWW-Authenticate") != "" {
		t.Errorf("the form: %d", w.Code)
	}
	if w := ask(h, "POST", "http://localhost/enter", "password=wrong&then=/why", html); w.Code != http.StatusUnauthorized || w.Header().Get("Set-Cookie") != "" {
		t.Errorf("a wrong password: %d", w.Code)
	}
	w := ask(h, "POST", "http://localhost/enter", "password=right&then=/why", html)
	cookie := w.Result().Cookies()
	if w.Code != http.StatusSeeOther || w.Header().Get("Location") != "why" || len(cookie) != 1 || !cookie[0].HttpOnly || cookie[0].SameSite != http.SameSiteStrictMode {
		t.Fatalf("%d %v", w.Code, cookie)
	}
	for _, then := range []string{"//evil.example", "https://evil.example", "/\\evil.example", "/a//b"} {
		w := ask(h, "POST", "http://localhost/enter", "password=right&then="+url.QueryEscape(then), html)
		to, err := (&url.URL{Scheme: "http", Host: "localhost", Path: "/enter"}).Parse(w.Header().Get("Location"))
		if err != nil || w.Code != http.StatusSeeOther || to.Host != "localhost" {
			t.Errorf("%s leads to %v, %v", then, to, err)
		}
	}
	in := func(r *http.Request) { r.AddCookie(cookie[0]) }
	if w := ask(h, "GET", "http://localhost/why", "", in); w.Code != http.StatusOK {
		t.Errorf("with the session: %d", w.Code)
	}
	ask(h, "POST", "http://localhost/leave", "", in)
	if w := ask(h, "GET", "http://localhost/why", "", in); w.Code != http.StatusUnauthorized {
		t.Errorf("after signing out: %d", w.Code)
	}
}

// TestIngress: what comes from Home Assistant's proxy needs no second password and may be
// shown in its frame; nobody else may be.
func TestIngress(t *testing.T) {
	opts := fakeOptions(newFake())
	opts.Password, opts.Proxy = "right", netip.MustParseAddr("172.30.32.2")
	h := New(context.Background(), opts)
	from := func(address string) func(*http.Request) {
		return func(r *http.Request) { r.RemoteAddr, r.Host = address, "homeassistant.local" }
	}
	w := ask(h, "GET", "http://localhost/", "", from("172.30.32.2:40000"))
	if w.Code != http.StatusOK || !strings.Contains(w.Header().Get("Content-Security-Policy"), "frame-ancestors 'self'") || w.Header().Get("X-Frame-Options") != "" {
		t.Errorf("the proxy: %d %s", w.Code, w.Header().Get("Content-Security-Policy"))
	}
	if w := ask(h, "GET", "http://localhost/", "", from("172.30.32.3:40000")); w.Code != http.StatusMisdirectedRequest {
		t.Errorf("another address: %d", w.Code)
	}
}

// TestOutsiders: without a password nobody but Home Assistant's proxy and this machine is
// let in to an app, whatever headers say; a browser that comes back from Volvo is, and sees
// nothing but what became of its login.
func TestOutsiders(t *testing.T) {
	opts := fakeOptions(newFake())
	login := &pretend{}
	opts.Login, opts.Proxy = login, netip.MustParseAddr("172.30.32.2")
	h := New(context.Background(), opts)
	from := func(address string) func(*http.Request) {
		return func(r *http.Request) {
			r.RemoteAddr = address
			for _, name := range []string{"X-Ingress-Path", "X-Forwarded-For", "X-Real-IP", "Forwarded", "X-Remote-User-Id"} {
				r.Header.Set(name, "172.30.32.2")
			}
		}
	}
	for _, path := range []string{"/", "/why", "/healthz", "/readyz", "/metrics", "/stream", "/login", "/check/bundle", "/icon.svg"} {
		if w := ask(h, "GET", "http://192.168.1.5:8099"+path, "", from("192.168.1.9:40000")); w.Code != http.StatusForbidden || !strings.Contains(w.Body.String(), "http_password") {
			t.Errorf("%s: %d", path, w.Code)
		}
	}
	for _, path := range []string{"/cars/ex30/lock", "/login", "/enter", "/check"} {
		if w := ask(h, "POST", "http://192.168.1.5:8099"+path, "value=LOCK", from("[fd00::9]:40000")); w.Code != http.StatusForbidden {
			t.Errorf("POST %s: %d", path, w.Code)
		}
	}
	w := ask(h, "GET", "http://192.168.1.5:8099/oauth/callback?code=x&state=y", "", from("192.168.1.9:40000"))
	if w.Code != http.StatusBadRequest || strings.Contains(w.Body.String(), "Entities") || strings.Contains(w.Body.String(), "account1") || len(login.finished) != 1 {
		t.Errorf("a login: %d %v\n%s", w.Code, login.finished, w.Body)
	}
	login.published = true
	if w := ask(h, "GET", "http://192.168.1.5:8099/oauth/callback?code=x&state=y", "", from("192.168.1.9:40000")); w.Code != http.StatusForbidden || len(login.finished) != 1 {
		t.Errorf("a login that others know of: %d", w.Code)
	}
	for _, address := range []string{"127.0.0.1:40000", "[::1]:40000", "172.30.32.2:40000", "[::ffff:172.30.32.2]:40000"} {
		if w := ask(h, "GET", "http://localhost/", "", from(address)); w.Code != http.StatusOK {
			t.Errorf("%s: %d", address, w.Code)
		}
	}
}

// TestPublicMetrics are for everybody, the pages are not.
func TestPublicMetrics(t *testing.T) {
	opts := fakeOptions(newFake())
	opts.Password, opts.PublicMetrics = "right", true
	h := New(context.Background(), opts)
	if w := ask(h, "GET", "http://localhost/metrics", "", nil); w.Code != http.StatusOK {
		t.Errorf("%d", w.Code)
	}
	if w := ask(h, "GET", "http://localhost/", "", nil); w.Code != http.StatusUnauthorized {
		t.Errorf("the page: %d", w.Code)
	}
}

// TestMetrics: Prometheus' own linter has nothing to say, and there is no VIN.
func TestMetrics(t *testing.T) {
	b := newFake()
	b.view = func(v *View) {
		v.Commands, v.Refusals = map[string]int{"succeeded": 3}, map[string]int{"pin": 1}
		v.Accounts[0].Calls, v.Accounts[0].LoginEnds = map[Call]int{{"doors", "ok"}: 7}, now.Add(time.Hour)
	}
	w := ask(New(context.Background(), fakeOptions(b)), "GET", "http://localhost/metrics", "", nil)
	text := w.Body.String()
	for _, line := range []string{`volvobridge_build_info{`, `volvobridge_commands_total{status="succeeded"} 3`, `volvobridge_command_refusals_total{reason="pin"} 1`, `volvobridge_calls_total{account="account1",outcome="ok",resource="doors"} 7`, "volvobridge_mqtt_connected 0", "volvobridge_goroutines ", "volvobridge_login_remaining_seconds"} {
		if !strings.Contains(text, line) {
			t.Errorf("%q is missing", line)
		}
	}
	if strings.Contains(strings.ToLower(text), "yv1test") {
		t.Error("a VIN is in the metrics")
	}
	problems, err := promlint.New(strings.NewReader(text)).Lint()
	if err != nil || len(problems) > 0 {
		t.Errorf("%v %v", err, problems)
	}
}

// openStream opens the stream of a page, and returns its messages.
func openStream(t testing.TB, base, page string) (messages <-chan string, status int) {
	t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	r, err := http.NewRequestWithContext(ctx, "GET", base+"/stream?page="+page, nil)
	if err != nil {
		t.Fatal(err)
	}
	resp, err := http.DefaultClient.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { cancel(); resp.Body.Close() })
	found := make(chan string, 16)
	go func() {
		defer close(found)
		lines := bufio.NewScanner(resp.Body)
		lines.Buffer(nil, 4<<20)
		for lines.Scan() {
			if data, ok := strings.CutPrefix(lines.Text(), "data: "); ok {
				found <- data
			}
		}
	}()
	return found, resp.StatusCode
}

// TestStream: what changed is sent, and nothing else; it ends with the server.
func TestStream(t *testing.T) {
	b := newFake()
	ctx, stop := context.WithCancel(context.Background())
	server := httptest.NewServer(New(ctx, fakeOptions(b)))
	defer server.Close()
	messages, status := openStream(t, server.URL, "")
	if status != http.StatusOK {
		t.Fatal(status)
	}
	if first := parts(<-messages); !strings.Contains(first["car-ex30-facts"], "locked") || len(first) < 4 {
		t.Errorf("%d parts", len(first))
	}
	b.mu.Lock()
	b.view = func(v *View) { v.Cars[0].Online = false }
	b.mu.Unlock()
	time.Sleep(2 * young)
	b.tell()
	second := parts(<-messages)
	if len(second) != 1 || !strings.Contains(second["car-ex30-head"], "offline") {
		t.Errorf("%v", second)
	}
	if _, status := openStream(t, server.URL, "none"); status != http.StatusNotFound {
		t.Errorf("the stream of no page: %d", status)
	}
	stop()
	select {
	case _, more := <-messages:
		if more {
			t.Error("a message after the end")
		}
	case <-time.After(5 * time.Second):
		t.Error("it does not end with the server")
	}
}

// TestManyStreams: those beyond the limit are told so.
func TestManyStreams(t *testing.T) {
	ctx, stop := context.WithCancel(context.Background())
	server := httptest.NewServer(New(ctx, fakeOptions(newFake())))
	defer server.Close()
	defer stop() // first: the server waits for the streams
	for range mostStreams {
		if _, status := openStream(t, server.URL, "log"); status != http.StatusOK {
			t.Fatal(status)
		}
	}
	if _, status := openStream(t, server.URL, "log"); status != http.StatusServiceUnavailable {
		t.Errorf("%d", status)
	}
}

// TestSlowConnections: 500 that say nothing keep nobody out.
func TestSlowConnections(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	server := Server(New(context.Background(), fakeOptions(newFake())))
	go func() { _ = server.Serve(l) }() // ends with Close
	defer server.Close()
	var silent []net.Conn
	for i := range 500 {
		conn, err := net.Dial("tcp", l.Addr().String())
		if err != nil {
			t.Fatal(err)
		}
		defer conn.Close()
		silent = append(silent, conn)
		if i%2 == 0 {
			_, _ = io.WriteString(conn, "GET / HTT") // and no more
		}
	}
	began := time.Now()
	resp, err := http.Get(fmt.Sprintf("http://%s/healthz", l.Addr()))
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	if body, _ := io.ReadAll(resp.Body); !bytes.Equal(body, []byte("ok\n")) || time.Since(began) > 3*time.Second {
		t.Errorf("%q after %v", body, time.Since(began))
	}
	// The oldest were closed, sooner than the server does so by itself; the youngest were not.
	for i, closed := range map[int]bool{0: true, 500 - mostConnections - 20: true, 499: false} {
		_ = silent[i].SetReadDeadline(time.Now().Add(time.Second)) // works on any connection that is open here
		_, err := silent[i].Read(make([]byte, 1))
		if waited, ok := err.(net.Error); closed == (ok && waited.Timeout()) {
			t.Errorf("connection %d: %v", i, err)
		}
	}
}

// BenchmarkFirstView measures the first page with three cars.
func BenchmarkFirstView(b *testing.B) {
	fake := newFake()
	fake.view = func(v *View) { v.Cars = append(v.Cars, v.Cars[0], v.Cars[0]) }
	h := New(context.Background(), fakeOptions(fake))
	for range b.N {
		b.ReportMetric(float64(ask(h, "GET", "http://localhost/", "", nil).Body.Len())/1000, "kB")
	}
}

// BenchmarkStreams measures what 50 open pages cost in memory.
func BenchmarkStreams(b *testing.B) {
	ctx, stop := context.WithCancel(context.Background())
	server := httptest.NewServer(New(ctx, fakeOptions(newFake())))
	defer server.Close()
	defer stop() // first: the server waits for the streams
	for range b.N {
		before := heap()
		var all []<-chan string
		for range 50 {
			messages, _ := openStream(b, server.URL, "")
			<-messages
			all = append(all, messages)
		}
		b.ReportMetric(float64(heap()-before)/1e6, "MB/50streams")
		_ = all
	}
}

// heap is the memory in use, with stacks, after what is unused is gone.
func heap() int64 {
	var m runtime.MemStats
	runtime.GC()
	runtime.GC()
	runtime.ReadMemStats(&m)
	return int64(m.HeapInuse + m.StackInuse)
}
