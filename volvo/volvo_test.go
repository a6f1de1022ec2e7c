package volvo_test

import (
	"compress/gzip"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"volvobridge/volvo"
)

func tokens() *volvo.StaticTokens {
	return volvo.NewStaticTokens(map[volvo.API]string{volvo.ConnectedVehicle: "t", volvo.Energy: "t", volvo.Location: "t"})
}

func client(url string) *volvo.Client {
	return volvo.New(volvo.Options{URL: url, Key: "k", Tokens: tokens(), CommandTimeout: 2 * time.Second, UserAgent: "test"})
}

func answering(t *testing.T, status int, header map[string]string, body string) *volvo.Client {
	t.Helper()
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		for k, v := range header {
			w.Header().Set(k, v)
		}
		w.WriteHeader(status)
		io.WriteString(w, body)
	}))
	t.Cleanup(s.Close)
	return client(s.URL)
}

func TestErrorKinds(t *testing.T) {
	const shape = `{"error":{"message":%q,"description":%q}}`
	cases := []struct {
		name      string
		status    int
		header    string // Retry-After
		body      string
		get, post error
		acted     bool
		wait      time.Duration
	}{
		// The seven rows of the reference.
		{"400", 400, "", fmt.Sprintf(shape, "BAD_REQUEST", "invalid input"), volvo.ErrBadRequest, volvo.ErrBadRequest, false, 0},
		{"401", 401, "", fmt.Sprintf(shape, "UNAUTHORIZED", "token expired"), volvo.ErrLogin, volvo.ErrLogin, false, 0},
		{"403", 403, "", fmt.Sprintf(shape, "FORBIDDEN", "insufficient permissions"), volvo.ErrScope, volvo.ErrScope, false, 0},
		{"404", 404, "", fmt.Sprintf(shape, "NOT_FOUND", "VIN not linked to account"), volvo.ErrNotYours, volvo.ErrNotYours, false, 0},
		{"422", 422, "", fmt.Sprintf(shape, "UNPROCESSABLE", "cannot be executed"), volvo.ErrUnsupported, volvo.ErrUnsupported, false, 0},
		{"429", 429, "17", fmt.Sprintf(shape, "TOO_MANY", "too many requests"), volvo.ErrRateLimited, volvo.ErrRateLimited, false, 17 * time.Second},
		{"500", 500, "", fmt.Sprintf(shape, "INTERNAL", "Internal server error"), volvo.ErrOutage, volvo.ErrOutage, true, 0},
		// The shapes of production.
		{"key", 401, "", `{"status":401,"error":{"message":"Access denied due to invalid VCC-API-KEY."}}`, volvo.ErrOutage, volvo.ErrOutage, false, 0},
		{"quota", 403, "", `{"statusCode":403,"message":"Out of call volume quota. Quota will be replenished in 03:30:56."}`, volvo.ErrQuota, volvo.ErrQuota, false, 3*time.Hour + 30*time.Minute + 56*time.Second},
		{"quota without a time", 403, "", `{"statusCode":403,"message":"Out of call volume quota."}`, volvo.ErrQuota, volvo.ErrQuota, false, 0},
		{"unsupported", 404, "", fmt.Sprintf(shape, "NOT_FOUND", "lock is not supported by this vehicle"), volvo.ErrUnsupported, volvo.ErrUnsupported, false, 0},
		{"market", 404, "", fmt.Sprintf(shape, "NOT_FOUND", "Does not belong to allowed markets"), volvo.ErrUnsupported, volvo.ErrUnsupported, false, 0},
		{"asleep", 503, "", fmt.Sprintf(shape, "SERVICE_UNAVAILABLE", "Not allowed, car is in use or asleep"), volvo.ErrCarUnavailable, volvo.ErrCarUnavailable, false, 0},
		{"503", 503, "", "down", volvo.ErrOutage, volvo.ErrOutage, true, 0},
		{"html", 502, "", "<html>", volvo.ErrOutage, volvo.ErrOutage, true, 0},
		{"409", 409, "", "", volvo.ErrCarUnavailable, volvo.ErrCarUnavailable, false, 0},
		{"410", 410, "", fmt.Sprintf(shape, "GONE", "Version 1 is removed."), volvo.ErrUnsupported, volvo.ErrUnsupported, false, 0},
		{"415", 415, "", "", volvo.ErrBadRequest, volvo.ErrBadRequest, false, 0},
		{"energy", 500, "", `{"code":"INTERNAL","message":"oops","details":[]}`, volvo.ErrOutage, volvo.ErrOutage, true, 0},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			api := answering(t, c.status, map[string]string{"Retry-After": c.header}, c.body)
			_, err := api.Read(t.Context(), "YV1TEST0000000001", volvo.Doors)
			check(t, err, c.get, false, c.wait)
			api = answering(t, c.status, map[string]string{"Retry-After": c.header}, c.body)
			_, err = api.Invoke(t.Context(), "YV1TEST0000000001", volvo.Lock, 0)
			check(t, err, c.post, c.acted, c.wait)
		})
	}
}

func check(t *testing.T, err, kind error, acted bool, wait time.Duration) {
	t.Helper()
	e, ok := errors.AsType[*volvo.Error](err)
	if !ok || !errors.Is(err, kind) {
		t.Fatalf("error %v, want %v", err, kind)
	}
	if e.MayHaveActed != acted || e.Wait != wait {
		t.Errorf("%v: may have acted %v, wait %v; want %v, %v", err, e.MayHaveActed, e.Wait, acted, wait)
	}
	if e.Advice() == "" {
		t.Errorf("%v: no advice", err)
	}
	if strings.Contains(err.Error(), "YV1TEST") || strings.Contains(err.Error(), "http://") {
		t.Errorf("the error names the car or the address: %v", err)
	}
}

// TestRecordedErrors: every recorded body is understood, and Volvo's words kept.
func TestRecordedErrors(t *testing.T) {
	dir := os.Getenv("VOLVO_RECORDINGS")
	if dir == "" {
		dir = filepath.Join("..", "..", "shared", "recordings")
	}
	files, _ := filepath.Glob(filepath.Join(dir, "errors", "[0-9]*.json"))
	if len(files) == 0 {
		t.Skip("no recorded answers: set VOLVO_RECORDINGS to their folder")
	}
	want := map[string]error{
		"401_invalid_vcc_api_key": volvo.ErrOutage, "403_access_denied_missing_scope": volvo.ErrScope, "403_location_not_allowed": volvo.ErrScope,
		"403_quota_exhausted": volvo.ErrQuota, "404_command_not_supported": volvo.ErrUnsupported, "404_energy_v1_no_data": volvo.ErrUnsupported,
		"404_market_not_allowed": volvo.ErrUnsupported, "410_cv_v1_gone": volvo.ErrUnsupported, "500_error_returned_from_car": volvo.ErrOutage,
		"500_internal": volvo.ErrOutage, "503_in_use_or_asleep": volvo.ErrCarUnavailable,
	}
	for _, file := range files {
		name := strings.TrimSuffix(filepath.Base(file), ".json")
		body, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		status, err := strconv.Atoi(name[:3])
		if err != nil {
			t.Fatal(err)
		}
		_, err = answering(t, status, nil, string(body)).Read(t.Context(), "V", volvo.Doors)
		e, ok := errors.AsType[*volvo.Error](err)
		if !ok || want[name] == nil || !errors.Is(err, want[name]) {
			t.Errorf("%s: %v, want %v", name, err, want[name])
			continue
		}
		for _, words := range []string{e.Message, e.Description} {
			if !strings.Contains(string(body), words) {
				t.Errorf("%s: %q is not Volvo's text", name, words)
			}
		}
		if e.Text() == "" {
			t.Errorf("%s: Volvo's words are lost", name)
		}
	}
}

func TestUnreachable(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	address := l.Addr().String()
	l.Close()
	_, err = client("http://"+address).Invoke(t.Context(), "V", volvo.Unlock, 0)
	check(t, err, volvo.ErrUnreachable, false, 0)
}

// TestLostAnswer: a connection that ends after the request was sent says nothing
// about the car, and nothing is sent twice, on a fresh and on a used connection.
func TestLostAnswer(t *testing.T) {
	var posts atomic.Int32
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Method == http.MethodPost {
			posts.Add(1)
			panic(http.ErrAbortHandler)
		}
		io.WriteString(w, `{"data":{}}`)
	}))
	defer s.Close()
	api := client(s.URL)
	for range 3 {
		if _, err := api.Read(t.Context(), "V", volvo.Doors); err != nil { // a connection to reuse
			t.Fatal(err)
		}
		_, err := api.Invoke(t.Context(), "V", volvo.EngineStart, 5)
		check(t, err, volvo.ErrUnreachable, true, 0)
	}
	if n := posts.Load(); n != 3 {
		t.Errorf("%d POSTs for 3 commands", n)
	}
}

func TestCommandTimeout(t *testing.T) {
	s := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		select {
		case <-r.Context().Done():
		case <-time.After(10 * time.Second):
		}
	}))
	defer s.Close()
	api := volvo.New(volvo.Options{URL: s.URL, Key: "k", Tokens: tokens(), CommandTimeout: 50 * time.Millisecond})
	_, err := api.Invoke(t.Context(), "V", volvo.Lock, 0)
	check(t, err, volvo.ErrUnreachable, true, 0)
}

// TestCommandsNeverOverHTTP2: over HTTP/2 the standard library repeats a request
// whose stream was refused.
func TestCommandsNeverOverHTTP2(t *testing.T) {
	s := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		fmt.Fprintf(w, `{"data":{"invokeStatus":"%s","odometer":{"value":"%d","unit":"km"}}}`, strings.ReplaceAll(r.Proto, "/", "_"), r.ProtoMajor)
	}))
	s.EnableHTTP2 = true
	s.StartTLS()
	defer s.Close()
	reads, commands := volvo.NewTransport(), volvo.NewCommandTransport()
	for _, transport := range []*http.Transport{reads, commands} {
		transport.TLSClientConfig.RootCAs = s.Client().Transport.(*http.Transport).TLSClientConfig.RootCAs
	}
	api := volvo.New(volvo.Options{URL: s.URL, Tokens: tokens(), CommandTimeout: time.Second, Transport: reads, Commands: commands})
	readings, err := api.Read(t.Context(), "V", volvo.Odometer)
	if err != nil || readings["odometer"].Value != "2" {
		t.Errorf("a read went over HTTP/%s, %v", readings["odometer"].Value, err)
	}
	answer, err := api.Invoke(t.Context(), "V", volvo.Unlock, 0)
	if err != nil || answer.InvokeStatus != "HTTP_1.1" {
		t.Errorf("a command went over %s, %v", answer.InvokeStatus, err)
	}
}

// TestOddTokenAnswers: whatever stands beside them, the tokens are kept.
func TestOddTokenAnswers(t *testing.T) {
	for body, life := range map[string]time.Duration{
		`"token_type":"Bearer","expires_in":300`: 300 * time.Second, `"expires_in":"300"`: 300 * time.Second, `"expires_in":300.0`: 300 * time.Second,
		`"expires_in":299.5`: 299 * time.Second, `"expires_in":""`: 5 * time.Minute, `"expires_in":"3e2"`: 300 * time.Second, `"expires_in":null`: 5 * time.Minute,
		`"expires_in":-1`: 5 * time.Minute, `"expires_in":{}`: 5 * time.Minute, `"token_type":1`: 5 * time.Minute, `"scope":["openid"],"token_type":null`: 5 * time.Minute,
	} {
		for _, contentType := range []string{"application/json", "text/plain", ""} {
			s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
				w.Header()["Content-Type"] = []string{contentType}
				fmt.Fprintf(w, `{"access_token":" a","refresh_token":"r",%s}`, body)
			}))
			oauth := volvo.NewOAuth(volvo.OAuthOptions{ClientID: "c", ClientSecret: "s", TokenURL: s.URL})
			got, err := oauth.Refresh(t.Context(), "old")
			if err != nil || got.Access != " a" || got.Refresh != "r" || (got.Life-life).Abs() > time.Second {
				t.Errorf("%s as %q: %v %v, want %v", body, contentType, got.Life, err, life)
			}
			s.Close()
		}
	}
}

func TestRedirectsDoNotTravel(t *testing.T) {
	var leaked atomic.Int32
	other := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { leaked.Add(1) }))
	defer other.Close()
	api := answering(t, 307, map[string]string{"Location": other.URL}, "")
	_, err := api.Read(t.Context(), "V", volvo.Doors)
	check(t, err, volvo.ErrOutage, false, 0)
	_, err = api.Invoke(t.Context(), "V", volvo.Lock, 0)
	check(t, err, volvo.ErrOutage, true, 0)
	if leaked.Load() != 0 {
		t.Error("token and key went to another host")
	}
}

func TestLargeAnswerAndGzip(t *testing.T) {
	_, err := answering(t, 200, nil, `{"data":{"x":"`+strings.Repeat("x", 1<<20)+`"}}`).Read(t.Context(), "V", volvo.Doors)
	check(t, err, volvo.ErrOutage, false, 0)
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if !strings.Contains(r.Header.Get("Accept-Encoding"), "gzip") {
			t.Error("gzip is not asked for")
		}
		w.Header().Set("Content-Encoding", "gzip")
		z := gzip.NewWriter(w)
		io.WriteString(z, `{"data":{"odometer":{"value":5,"unit":"km"}}}`)
		z.Close()
	}))
	defer s.Close()
	r, err := client(s.URL).Read(t.Context(), "V", volvo.Odometer)
	if err != nil || r["odometer"].Value != "5" {
		t.Errorf("%v %v", r, err)
	}
}

func TestHeadersAndPaths(t *testing.T) {
	var asked []string
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		asked = append(asked, r.Method+" "+r.URL.Path)
		if r.Header.Get("vcc-api-key") != "k" || r.Header.Get("Authorization") != "Bearer t" || r.Header.Get("Content-Type") != "application/json" ||
			r.Header.Get("Idempotency-Key") != "" {
			t.Errorf("%s: headers %v", r.URL.Path, r.Header)
		}
		io.WriteString(w, `{"data":{"invokeStatus":"COMPLETED"}}`)
	}))
	defer s.Close()
	api := client(s.URL)
	for _, r := range volvo.Resources() {
		if _, err := api.Read(t.Context(), "V", r); err != nil {
			t.Errorf("%s: %v", r, err)
		}
		if len(r.Scopes()) == 0 {
			t.Errorf("%s needs no scope?", r)
		}
	}
	for _, c := range volvo.AllCommands() {
		if _, err := api.Invoke(t.Context(), "V", c, 5); err != nil {
			t.Errorf("%s: %v", c, err)
		}
		if c.Scope() == "" || c.Word() == "" {
			t.Errorf("%s: scope %q, word %q", c, c.Scope(), c.Word())
		}
	}
	if len(asked) != 27 {
		t.Errorf("%d requests: %v", len(asked), asked)
	}
}

func TestTokensOfEachAPI(t *testing.T) {
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Header.Get("Authorization") == "Bearer bad" {
			w.WriteHeader(401)
		}
		io.WriteString(w, `{}`)
	}))
	defer s.Close()
	api := volvo.New(volvo.Options{URL: s.URL, Key: "k", CommandTimeout: time.Second,
		Tokens: volvo.NewStaticTokens(map[volvo.API]string{volvo.ConnectedVehicle: "good", volvo.Energy: "bad"})})
	if _, err := api.Read(t.Context(), "V", volvo.Doors); err != nil {
		t.Error(err)
	}
	for want, r := range map[int]volvo.Resource{401: volvo.EnergyState, 0: volvo.Position} {
		_, err := api.Read(t.Context(), "V", r)
		if e, ok := errors.AsType[*volvo.Error](err); !ok || e.Kind != volvo.ErrLogin || e.Status != want {
			t.Errorf("%s: %v", r, err)
		}
	}
	_, err := api.Read(t.Context(), "V", volvo.EnergyState)
	if e, ok := errors.AsType[*volvo.Error](err); !ok || e.Status != 0 {
		t.Errorf("a rejected token was sent again: %v", err)
	}
}

func TestVehicles(t *testing.T) {
	for body, want := range map[string]string{
		`{"vin":"YV1XZ12345678"}`: "[YV1XZ12345678]", `{"data":[{"vin":"YV1AA000000000001"},{"vin":"YV1AA000000000002"}]}`: "[YV1AA000000000001 YV1AA000000000002]",
		`[{"vin":"YV1AA000000000001"}]`: "[YV1AA000000000001]", `{"data":{"vin":"YV1AA000000000001"}}`: "[YV1AA000000000001]", `{"data":[]}`: "[]", `{}`: "[]",
		`{"data":[{"vin":"../x"},{"vin":null},7,{"vin":"YV1AA000000000001"}]}`: "[YV1AA000000000001]", `{"data":null}`: "[]",
	} {
		cars, err := answering(t, 200, nil, body).Vehicles(t.Context())
		if err != nil || fmt.Sprint(cars.VINs) != want || cars.Whole != strings.Contains(body, "[") {
			t.Errorf("%s: %v %v, want %s", body, cars, err, want)
		}
	}
	if _, err := answering(t, 200, nil, "<html>").Vehicles(t.Context()); !errors.Is(err, volvo.ErrOutage) {
		t.Errorf("HTML: %v", err)
	}
}

func TestImages(t *testing.T) {
	const gif = "GIF89a\x01\x00\x01\x00\x00\x00\x00;"
	mux := http.NewServeMux()
	mux.HandleFunc("/good", func(w http.ResponseWriter, r *http.Request) {
		if r.Header.Get("Authorization") != "" || r.Header.Get("vcc-api-key") != "" {
			t.Error("credentials went with a picture")
		}
		io.WriteString(w, gif)
	})
	mux.HandleFunc("/page", func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "image/png") // its word, not its bytes
		io.WriteString(w, "<html>")
	})
	mux.HandleFunc("/huge", func(w http.ResponseWriter, _ *http.Request) { io.WriteString(w, gif+strings.Repeat("x", 6<<20)) })
	mux.HandleFunc("/away", func(w http.ResponseWriter, r *http.Request) {
		http.Redirect(w, r, "http://127.0.0.1:1/x", http.StatusFound)
	})
	s := httptest.NewServer(mux)
	defer s.Close()
	api := client(s.URL)
	data, kind, err := api.Image(t.Context(), s.URL+"/good")
	if err != nil || kind != "image/gif" || string(data) != gif {
		t.Errorf("%q %s %v", data, kind, err)
	}
	for _, address := range []string{s.URL + "/page", s.URL + "/huge", s.URL + "/away", s.URL + "/missing", "http://127.0.0.1:1/x", "file:///etc/passwd", "ftp://x/y", "https://user@x/y", ":"} {
		if _, _, err := api.Image(t.Context(), address); err == nil {
			t.Errorf("%s was fetched", address)
		}
	}
}

func TestContextEnds(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := client("http://127.0.0.1:1").Read(ctx, "V", volvo.Doors); !errors.Is(err, context.Canceled) {
		t.Errorf("%v", err)
	}
}
