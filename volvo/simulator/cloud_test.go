package simulator

import (
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

// ask makes a request with the right key and a token.
func ask(c *Cloud, method, path, token string) *httptest.ResponseRecorder {
	r := httptest.NewRequest(method, path, nil)
	r.Header.Set("vcc-api-key", c.Key())
	r.Header.Set("Authorization", "Bearer "+token)
	r.Header.Set("Content-Type", "application/json")
	w := httptest.NewRecorder()
	c.ServeHTTP(w, r)
	return w
}

func TestLimits(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := New(Options{PerDay: 250})
		doors := "/connected-vehicle/v2/vehicles/" + c.VINs()[2] + "/doors"
		honk := "/connected-vehicle/v2/vehicles/" + c.VINs()[2] + "/commands/honk"
		for i := range 11 {
			want := map[bool]int{true: 200, false: 429}[i < 10]
			if got := ask(c, "POST", honk, c.AccessToken()).Code; got != want {
				t.Errorf("command %d: %d", i+1, got)
			}
		}
		time.Sleep(time.Minute)
		for i := range 101 {
			want := map[bool]int{true: 200, false: 429}[i < 100]
			if got := ask(c, "GET", doors, c.AccessToken()).Code; got != want {
				t.Fatalf("call %d: %d", i+1, got)
			}
		}
		for range 3 {
			time.Sleep(time.Minute)
			for range 90 {
				ask(c, "GET", doors, c.AccessToken())
			}
		}
		w := ask(c, "GET", doors, c.AccessToken())
		if w.Code != 403 || !strings.Contains(w.Body.String(), "Quota will be replenished in 23:5") {
			t.Errorf("%d %s", w.Code, w.Body)
		}
	})
}

func TestKeysTokensAndUnknownCars(t *testing.T) {
	c := New(Options{})
	doors := "/connected-vehicle/v2/vehicles/" + c.VINs()[0] + "/doors"
	r := httptest.NewRequest("GET", doors, nil)
	w := httptest.NewRecorder()
	c.ServeHTTP(w, r)
	if w.Code != 401 || !strings.Contains(w.Body.String(), "VCC-API-KEY") {
		t.Errorf("no key: %d %s", w.Code, w.Body)
	}
	for _, c2 := range []struct {
		method, path, token string
		code                int
	}{
		{"GET", doors, "wrong", 401}, {"GET", "/connected-vehicle/v2/vehicles/NOCAR0000/doors", c.AccessToken(), 404}, {"GET", doors + "x", c.AccessToken(), 404},
		{"DELETE", doors, c.AccessToken(), 405}, {"POST", "/connected-vehicle/v2/vehicles/" + c.VINs()[0] + "/commands/engine-start", c.AccessToken(), 404},
		{"POST", "/connected-vehicle/v2/vehicles/" + c.VINs()[2] + "/commands/engine-start", c.AccessToken(), 400},
	} {
		if got := ask(c, c2.method, c2.path, c2.token).Code; got != c2.code {
			t.Errorf("%s %s: %d, want %d", c2.method, c2.path, got, c2.code)
		}
	}
}

func TestCommandsAct(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := New(Options{Factor: 30, Start: time.Date(2026, 11, 23, 6, 30, 0, 0, time.UTC)})
		vin := c.VINs()[2]
		lock := func() string {
			return ask(c, "GET", "/connected-vehicle/v2/vehicles/"+vin+"/doors", c.AccessToken()).Body.String()
		}
		ask(c, "POST", "/connected-vehicle/v2/vehicles/"+vin+"/commands/lock", c.AccessToken())
		if !strings.Contains(lock(), `"UNLOCKED"`) {
			t.Error("locked at once: the car takes some seconds")
		}
		time.Sleep(3 * time.Second)
		if !strings.Contains(lock(), `"LOCKED"`) {
			t.Error("not locked after some seconds")
		}
		r := httptest.NewRequest("POST", "/connected-vehicle/v2/vehicles/"+vin+"/commands/engine-start", strings.NewReader(`{"runtimeMinutes":1}`))
		r.Header.Set("vcc-api-key", c.Key())
		r.Header.Set("Authorization", "Bearer "+c.AccessToken())
		r.Header.Set("Content-Type", "application/json")
		c.ServeHTTP(httptest.NewRecorder(), r)
		engine := func() bool {
			return strings.Contains(ask(c, "GET", "/connected-vehicle/v2/vehicles/"+vin+"/engine-status", c.AccessToken()).Body.String(), "RUNNING")
		}
		time.Sleep(10 * time.Second)
		if !engine() {
			t.Error("the engine does not run")
		}
		time.Sleep(60 * time.Second)
		if engine() {
			t.Error("the engine runs longer than it was told")
		}
	})
}

func TestAsleepAndDriving(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := New(Options{Cars: []Kind{BEV}, PerMinute: -1, CommandsPerMinute: -1, PerDay: -1})
		vin := c.VINs()[0]
		climate := "/connected-vehicle/v2/vehicles/" + vin + "/commands/climatization-start"
		asleep, driving := false, false
		for range 24 * 60 * 12 {
			c.Car(vin, func(car *Car) {
				if car.Asleep && !asleep {
					asleep = true
				}
			})
			var now State
			c.Car(vin, func(car *Car) { now = car.State })
			if now.Asleep {
				if body := ask(c, "POST", climate, c.AccessToken()).Body.String(); !strings.Contains(body, "VEHICLE_IN_SLEEP") {
					t.Fatalf("asleep: %s", body)
				}
				if body := ask(c, "GET", "/connected-vehicle/v2/vehicles/"+vin+"/command-accessibility", c.AccessToken()).Body.String(); !strings.Contains(body, "POWER_SAVING_MODE") {
					t.Fatalf("asleep: %s", body)
				}
			}
			if now.Driving && !driving {
				driving = true
				if w := ask(c, "POST", climate, c.AccessToken()); w.Code != 503 || !strings.Contains(w.Body.String(), "in use or asleep") {
					t.Fatalf("driving: %d %s", w.Code, w.Body)
				}
			}
			if asleep && driving {
				return
			}
			time.Sleep(5 * time.Minute)
		}
		if !driving {
			t.Errorf("drove: %v, slept: %v", driving, asleep)
		}
	})
}

// login goes through the pages as a browser does, and returns the code.
func login(t *testing.T, c *Cloud, challenge, scope string) url.Values {
	t.Helper()
	q := url.Values{"response_type": {"code"}, "client_id": {"simulated-client"}, "redirect_uri": {"http://localhost:8099/oauth/callback"}, "scope": {scope},
		"state": {"s"}, "code_challenge": {challenge}, "code_challenge_method": {"S256"}}
	w := httptest.NewRecorder()
	c.ServeHTTP(w, httptest.NewRequest("GET", "/as/authorization.oauth2?"+q.Encode(), nil))
	if w.Code == http.StatusOK {
		w = httptest.NewRecorder()
		c.ServeHTTP(w, httptest.NewRequest("POST", "/as/authorization.oauth2?"+q.Encode(), nil))
	}
	back, err := url.Parse(w.Header().Get("Location"))
	if err != nil || w.Code != http.StatusFound {
		t.Fatalf("%d %v", w.Code, err)
	}
	return back.Query()
}

func exchange(c *Cloud, secret string, form url.Values) (int, map[string]any) {
	r := httptest.NewRequest("POST", "/as/token.oauth2", strings.NewReader(form.Encode()))
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	r.SetBasicAuth("simulated-client", secret)
	w := httptest.NewRecorder()
	c.ServeHTTP(w, r)
	var body map[string]any
	_ = json.Unmarshal(w.Body.Bytes(), &body)
	return w.Code, body
}

func TestOAuth(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := New(Options{PerMinute: -1, OAuth: OAuth{Published: []string{"openid", "conve:doors_status", "conve:vehicle_relation"}, Grace: 10 * time.Second}})
		const verifier = "a-verifier-that-is-long-enough-for-the-rule-of-43"
		sum := sha256.Sum256([]byte(verifier))
		challenge := base64.RawURLEncoding.EncodeToString(sum[:])
		if q := login(t, c, challenge, "openid location:read"); q.Get("error") != "invalid_scope" || q.Get("state") != "s" {
			t.Errorf("a scope that is not published: %v", q)
		}
		q := login(t, c, challenge, "openid conve:doors_status")
		form := url.Values{"grant_type": {"authorization_code"}, "code": {q.Get("code")}, "code_verifier": {verifier}, "redirect_uri": {"http://localhost:8099/oauth/callback"}}
		if code, body := exchange(c, "wrong", form); code != 401 || body["error"] != "invalid_client" {
			t.Errorf("wrong secret: %d %v", code, body)
		}
		code, body := exchange(c, "simulated-secret", form)
		if code != 200 || body["access_token"] == nil || body["refresh_token"] == nil {
			t.Fatalf("%d %v", code, body)
		}
		if code, body := exchange(c, "simulated-secret", form); code != 400 || body["error"] != "invalid_grant" {
			t.Errorf("a code used twice: %d %v", code, body)
		}
		wrong := login(t, c, challenge, "openid")
		if code, _ := exchange(c, "simulated-secret", url.Values{"grant_type": {"authorization_code"}, "code": {wrong.Get("code")}, "code_verifier": {"other"}, "redirect_uri": form["redirect_uri"]}); code != 400 {
			t.Errorf("a wrong verifier: %d", code)
		}
		access := fmt.Sprint(body["access_token"])
		doors, fuel := "/connected-vehicle/v2/vehicles/"+c.VINs()[0]+"/doors", "/connected-vehicle/v2/vehicles/"+c.VINs()[0]+"/fuel"
		if ask(c, "GET", doors, access).Code != 200 || ask(c, "GET", fuel, access).Code != 403 {
			t.Error("scopes are not looked at")
		}
		time.Sleep(300 * time.Second)
		if got := ask(c, "GET", doors, access).Code; got != 401 {
			t.Errorf("an old access token: %d", got)
		}
		refresh := func(token any) (int, map[string]any) {
			return exchange(c, "simulated-secret", url.Values{"grant_type": {"refresh_token"}, "refresh_token": {fmt.Sprint(token)}})
		}
		first := body["refresh_token"]
		code, body = refresh(first)
		if code != 200 || body["refresh_token"] == first {
			t.Errorf("rotation: %d", code)
		}
		if code, _ := refresh(first); code != 200 {
			t.Errorf("within the grace period: %d", code)
		}
		time.Sleep(11 * time.Second)
		if code, body := refresh(first); code != 400 || body["error"] != "invalid_grant" {
			t.Errorf("after it: %d %v", code, body)
		}
		c.Revoke()
		if code, _ := refresh(body["refresh_token"]); code != 400 {
			t.Errorf("revoked: %d", code)
		}
	})
}

func TestBothFormsHoldTheSame(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		real, reference := New(Options{Seed: 5}), New(Options{Seed: 5, Form: Reference})
		for _, resource := range []string{"/doors", "/fuel", "/tyres", "/odometer"} {
			path := "/connected-vehicle/v2/vehicles/" + real.VINs()[1] + resource
			a, b := ask(real, "GET", path, real.AccessToken()).Body.String(), ask(reference, "GET", path, real.AccessToken()).Body.String()
			if !strings.HasPrefix(a, `{"data":`) || strings.HasPrefix(b, `{"data":`) != false && resource != "/tyres" {
				t.Errorf("%s:\n%s\n%s", resource, a, b)
			}
		}
	})
}

func TestFaultSwitchesOverHTTP(t *testing.T) {
	c := New(Options{})
	doors := "/connected-vehicle/v2/vehicles/" + c.VINs()[0] + "/doors"
	post := func(body string) int {
		w := httptest.NewRecorder()
		c.ServeHTTP(w, httptest.NewRequest("POST", "/simulator/faults", strings.NewReader(body)))
		return w.Code
	}
	for body, want := range map[string]int{`{"kind":"nonsense"}`: 400, `{"delay":"soon"}`: 400, `{"wrong":1}`: 400, `{`: 400, `{"match":"doors","status":418,"times":1}`: 200} {
		if got := post(body); got != want {
			t.Errorf("%s: %d", body, got)
		}
	}
	if got := ask(c, "GET", doors, c.AccessToken()).Code; got != 418 {
		t.Errorf("switched on: %d", got)
	}
	if got := ask(c, "GET", doors, c.AccessToken()).Code; got != 200 {
		t.Errorf("once only: %d", got)
	}
	post(`{"match":"doors","status":500}`)
	w := httptest.NewRecorder()
	c.ServeHTTP(w, httptest.NewRequest("GET", "/simulator/faults", nil))
	if !strings.Contains(w.Body.String(), `"status":500`) {
		t.Errorf("%s", w.Body)
	}
	c.ServeHTTP(httptest.NewRecorder(), httptest.NewRequest("DELETE", "/simulator/faults", nil))
	if got := ask(c, "GET", doors, c.AccessToken()).Code; got != 200 {
		t.Errorf("mended: %d", got)
	}
}

func TestPicturesArePNG(t *testing.T) {
	c := New(Options{})
	for _, name := range []string{"exterior", "interior"} {
		w := httptest.NewRecorder()
		c.ServeHTTP(w, httptest.NewRequest("GET", "/pictures/"+c.VINs()[0]+"/"+name+".png", nil))
		if w.Code != 200 || http.DetectContentType(w.Body.Bytes()) != "image/png" || w.Body.Len() > 20000 {
			t.Errorf("%s: %d, %d bytes", name, w.Code, w.Body.Len())
		}
	}
}
