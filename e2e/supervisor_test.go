package e2e

import (
	"context"
	_ "embed" // what the Supervisor knows of the app
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

const (
	ingressToken   = "Xl5ZyWq-fake-ingress-token"
	ingressPath    = "/api/hassio_ingress/" + ingressToken // below Home Assistant's own address
	ingressSession = "ingress_session=s1"
	supervisorKey  = "token-of-the-supervisor"
	ingressAddress = "127.0.0.2" // in place of 172.30.32.2
)

// appInfo is what Home Assistant's frontend wants to know before it shows the page.
//
//go:embed testdata/app_info.json
var appInfo string

// supervisor is what an app sees of Home Assistant's Supervisor: the service of the broker,
// and the ingress, with the rules that the real one has. It is Core's part of the ingress
// too, for a browser without one: the cookie, the headers, and a panel with a frame.
type supervisor struct {
	testing.TB
	server *httptest.Server
	home   string // the address of Home Assistant
	app    string // where the app listens

	streams atomic.Int64 // that pages have asked for

	mu     sync.Mutex
	status int    // of the answer about the broker; 0: it never comes
	broker string // the answer
	asked  int
}

func newSupervisor(t testing.TB) *supervisor {
	t.Helper()
	return newSupervisorOn(t, "127.0.0.1:0")
}

// newSupervisorOn listens on an address that a Home Assistant knows.
func newSupervisorOn(t testing.TB, address string) *supervisor {
	t.Helper()
	s := &supervisor{TB: t, app: fmt.Sprintf("127.0.0.1:%d", freePort(t))}
	s.noBroker()
	mux := http.NewServeMux()
	mux.HandleFunc("GET /services/mqtt", s.service)
	mux.Handle("/ingress/"+ingressToken+"/", s.ingress("/ingress/"+ingressToken))
	mux.Handle(ingressPath+"/", s.ingress(ingressPath))
	mux.HandleFunc("GET /panel", func(w http.ResponseWriter, _ *http.Request) {
		http.SetCookie(w, &http.Cookie{Name: "ingress_session", Value: "s1", Path: "/api/hassio_ingress/", SameSite: http.SameSiteStrictMode})
		fmt.Fprintf(w, `<!doctype html><title>Home Assistant</title><iframe id="app" width="1000" height="1400" src="%s/"></iframe>`, ingressPath)
	})
	for path, data := range map[string]string{
		"/ingress/panels":                `{"panels":{"local_volvobridge":{"enable":true,"icon":"mdi:car-connected","title":"volvobridge","admin":true}}}`,
		"/ingress/session":               `{"session":"s1"}`,
		"/addons/local_volvobridge/info": appInfo,
		"/":                              "{}",
	} {
		mux.HandleFunc(path, func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Type", "application/json")
			fmt.Fprintf(w, `{"result":"ok","data":%s}`, data)
		})
	}
	listener, err := net.Listen("tcp", address)
	if err != nil {
		t.Fatal(err)
	}
	s.server = &httptest.Server{Listener: listener, Config: &http.Server{Handler: mux}}
	s.server.Start()
	s.home = s.server.URL
	t.Cleanup(s.server.Close)
	return s
}

func (s *supervisor) answer(status int, body string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.status, s.broker = status, body
}

func (s *supervisor) noBroker() {
	s.answer(http.StatusBadRequest, `{"result":"error","message":"Service not enabled"}`)
}

// provides says that an app is a broker.
func (s *supervisor) provides(port int, user, password string, tls bool) {
	s.answer(http.StatusOK, fmt.Sprintf(`{"result":"ok","data":{"addon":"core_mosquitto","host":"127.0.0.1","port":%d,"ssl":%v,"username":%q,"password":%q,"protocol":"3.1.1"}}`, port, tls, user, password))
}

func (s *supervisor) service(w http.ResponseWriter, r *http.Request) {
	s.mu.Lock()
	status, body := s.status, s.broker
	s.asked++
	s.mu.Unlock()
	switch {
	case r.Header.Get("Authorization") != "Bearer "+supervisorKey:
		w.WriteHeader(http.StatusForbidden)
		return
	case status == 0:
		<-r.Context().Done()
		return
	}
	w.WriteHeader(status)
	fmt.Fprint(w, body)
}

// attack is what the Supervisor takes for one, in a path or a query.
var attack = regexp.MustCompile(`(?i)(<|%3C).*script.*(>|%3E)|\.\./|[a-z0-9_]=/([a-z0-9_.]/?)+|union.*select|concat\s*\(`)

// ingress passes requests with a session on to the app, from the address of the ingress.
func (s *supervisor) ingress(prefix string) http.Handler {
	dialer := net.Dialer{LocalAddr: &net.TCPAddr{IP: net.ParseIP(ingressAddress)}}
	proxy := &httputil.ReverseProxy{FlushInterval: -1, ErrorLog: log.New(io.Discard, "", 0), // the app is stopped while pages are open
		Transport: &http.Transport{DialContext: dialer.DialContext, DisableCompression: true},
		Rewrite: func(r *httputil.ProxyRequest) {
			r.SetURL(&url.URL{Scheme: "http", Host: s.app})
			r.Out.URL.Path = strings.TrimPrefix(r.In.URL.Path, prefix)
			r.Out.URL.RawPath = ""
			r.Out.Host = r.In.Host
			r.Out.Header.Del("Cookie")
			for _, name := range []string{"X-Remote-User-Id", "X-Remote-User-Name", "X-Remote-User-Display-Name"} {
				r.Out.Header.Set(name, "somebody")
			}
			r.Out.Header.Set("X-Ingress-Path", ingressPath)
			if r.Out.Body != nil && r.Out.Body != http.NoBody {
				r.Out.ContentLength = -1 // it arrives in chunks, whoever sent it
			}
		},
		ModifyResponse: func(r *http.Response) error {
			r.Header.Set("X-Frame-Options", "SAMEORIGIN")
			r.Header.Set("Referrer-Policy", "no-referrer")
			r.Header.Del("Server")
			return nil
		},
	}
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		unquoted, err := url.QueryUnescape(r.URL.RawQuery)
		switch {
		case !strings.Contains(r.Header.Get("Cookie"), ingressSession):
			w.WriteHeader(http.StatusUnauthorized)
		case err != nil || attack.MatchString(unquoted) || attack.MatchString(r.URL.Path):
			w.WriteHeader(http.StatusBadRequest)
		default:
			if strings.HasSuffix(r.URL.Path, "/stream") {
				s.streams.Add(1)
			}
			proxy.ServeHTTP(w, r)
		}
	})
}

// appHome makes the folder of an app with what was entered in the tab Configuration. As in
// life root alone reads the options.
func appHome(t testing.TB, options string) string {
	t.Helper()
	dir := t.TempDir()
	if err := os.Chmod(filepath.Dir(dir), 0o755); err != nil { // the way there is open to all
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir, "options.json"), []byte(options), 0o600); err != nil {
		t.Fatal(err)
	}
	return dir
}

// run starts the program as the Supervisor does, with its cloud in place of Volvo's.
func (s *supervisor) run(dir, cloud string) *process {
	s.Helper()
	environ := map[string]string{"SUPERVISOR_TOKEN": supervisorKey, "SUPERVISOR_URL": s.server.URL, "SUPERVISOR_DATA": dir, "SUPERVISOR_CONFIG": filepath.Join(dir, "config"), "SUPERVISOR_INGRESS": ingressAddress,
		"VOLVOBRIDGE_HTTP_LISTEN": strings.Replace(s.app, "127.0.0.1", "0.0.0.0", 1), "VOLVOBRIDGE_VOLVO_API_URL": cloud, "VOLVOBRIDGE_VOLVO_AUTH_URL": cloud + "/as/authorization.oauth2", "VOLVOBRIDGE_VOLVO_TOKEN_URL": cloud + "/as/token.oauth2"}
	for name, value := range environ {
		if t, ok := s.TB.(interface{ Setenv(key, value string) }); ok {
			t.Setenv(name, value)
		}
	}
	return startProgram(s, dir, "run")
}

// ask sends a request through the ingress, as a page that is open there does.
func (s *supervisor) ask(method, path string, form url.Values) (status int, location, body string) {
	s.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, method, s.home+ingressPath+path, strings.NewReader(form.Encode()))
	if err != nil {
		s.Fatal(err)
	}
	req.Header.Set("Cookie", ingressSession)
	if method == http.MethodPost {
		req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
		req.Header.Set("Origin", s.home)
		req.Header.Set("Sec-Fetch-Site", "same-origin")
	}
	resp, err := (&http.Transport{}).RoundTrip(req)
	if err != nil {
		return 0, "", err.Error()
	}
	defer resp.Body.Close()
	if strings.HasPrefix(resp.Header.Get("Content-Type"), "text/event-stream") {
		return resp.StatusCode, "", "stream"
	}
	data, _ := io.ReadAll(resp.Body) // what of it came
	return resp.StatusCode, resp.Header.Get("Location"), string(data)
}

// logIn goes the way of a person: the button, Volvo's page, the address of the page that does
// not open, pasted.
func (s *supervisor) logIn() {
	s.Helper()
	status, location, body := s.ask("POST", "/login", url.Values{"account": {"account1"}})
	if status != http.StatusSeeOther {
		s.Fatalf("the button: %d %s", status, body)
	}
	ended := browse(s, location)
	if !strings.HasPrefix(ended, "http://localhost:8099/oauth/callback?") {
		s.Fatalf("the login ends at %s", ended)
	}
	if status, _, body := s.ask("POST", "/login/paste", url.Values{"pasted": {ended}}); status != http.StatusOK || !strings.Contains(body, "Logged in.") {
		s.Fatalf("pasted: %d %s", status, body)
	}
}

// threeFields is all that a person enters.
const threeFields = `{"client_id":"simulated-client","client_secret":"simulated-secret","api_key":"simulated-vcc-api-key","vehicles":[],"commands":[]`

// awaits waits until the page says something.
func (s *supervisor) awaits(path, what string) {
	s.Helper()
	var body string
	for end := time.Now().Add(2 * patience); time.Now().Before(end); time.Sleep(50 * time.Millisecond) {
		if _, _, body = s.ask("GET", path, nil); strings.Contains(body, what) {
			return
		}
	}
	if _, main, ok := strings.Cut(body, "<main"); ok {
		body, _, _ = strings.Cut(main, "</main>")
	}
	s.Fatalf("%s does not say %q, but\n%s", path, what, body)
}
