package bridge_test

import (
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"volvobridge/bridge/account"
	"volvobridge/bridge/entity"
	"volvobridge/bridge/login"
	"volvobridge/bridge/login/logintest"
	"volvobridge/volvo"
	"volvobridge/volvo/simulator"
)

// twoAccounts is a rig with two accounts, logged in, each with its own cloud.
func twoAccounts(t *testing.T) (*rig, []*simulator.Cloud, []*login.Chain) {
	r := newRig(t, http.NotFoundHandler())
	r.opts.Accounts = nil
	var clouds []*simulator.Cloud
	var chains []*login.Chain
	stores := []*logintest.Tokens{{}, {}}
	for i, kind := range []simulator.Kind{simulator.BEV, simulator.Petrol} {
		cloud := simulator.New(simulator.Options{Cars: []simulator.Kind{kind}, PerMinute: -1})
		clouds = append(clouds, cloud)
		chain := logintest.Open(t, login.Options{Name: []string{"account1", "account2"}[i], File: "f", Store: stores[i], Scopes: entity.Scopes(allAllowed),
			OAuth: logintest.OAuth(cloud)})
		if _, err := login.Finish(t.Context(), []*login.Chain{chain}, logintest.Agree(t, cloud, chain.Begin().URL)); err != nil {
			t.Fatal(err)
		}
		chains = append(chains, chain)
		client := volvo.New(volvo.Options{URL: "https://api", Key: apiKey, CommandTimeout: 160 * time.Second, Transport: logintest.Through{Handler: cloud}, Tokens: chain, UserAgent: "test"})
		r.opts.Accounts = append(r.opts.Accounts, account.Options{Name: chain.Name(), Chain: chain, Clients: []*volvo.Client{client}, KeyIDs: []string{chain.Name()}})
	}
	return r, clouds, chains
}

// TestOneAccountFails: a login that Volvo ended touches no other account, and a
// new one over MQTT brings it back.
func TestOneAccountFails(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r, clouds, chains := twoAccounts(t)
		r.start()
		defer func() { r.stop() }()
		time.Sleep(time.Minute)
		first, second := clouds[0].VINs()[0], clouds[1].VINs()[0]
		if r.document(first + "/state")["lock"] == nil || r.document(second + "/state")["lock"] == nil {
			t.Fatal("no values")
		}
		if s := r.document("bridge/state"); s["login_required"] != "OFF" || s["grant_expires"] == nil {
			t.Errorf("%v", s)
		}
		clouds[0].Revoke()
		time.Sleep(10 * time.Minute)
		if s := r.document("bridge/state"); s["login_required"] != "ON" || s["cloud_status"] != "login_required" {
			t.Errorf("%v", s)
		}
		if status := r.command(first+"/flash", "PRESS"); status["reason"] != "login_required" {
			t.Errorf("a command of the account without a login: %v", status)
		}
		if status := r.command(second+"/flash", "PRESS"); status["status"] != "sending" && status["status"] != "succeeded" {
			t.Errorf("a command of the other account: %v", status)
		}
		calls := len(clouds[0].Posts())
		time.Sleep(2 * time.Hour)
		if online, _ := r.broker.Retained(base + "/" + second + "/availability"); online != "online" {
			t.Errorf("the other account's car is %s", online)
		}
		if online, _ := r.broker.Retained(base + "/" + first + "/availability"); online != "offline" {
			t.Errorf("the car without a login is %s", online)
		}
		if n := len(clouds[0].Posts()); n != calls {
			t.Error("a POST without a login")
		}
		r.logInOverMQTT(clouds, chains)
	})
}

// logInOverMQTT has the first account log in, after some mistakes.
func (r *rig) logInOverMQTT(clouds []*simulator.Cloud, chains []*login.Chain) {
	r.Helper()
	first := clouds[0].VINs()[0]
	// Every refusal of the bridge's own commands.
	for _, c := range []struct{ entity, payload, reason string }{
		{"login_start", "GO", "invalid"}, {"login_start", `{"value":"PRESS","at":1000000}`, "stale"}, {"login", "hello world", "invalid"},
	} {
		if status := r.command("bridge/"+c.entity, c.payload); status["status"] != "refused" || status["reason"] != c.reason || status["advice"] == nil {
			r.Errorf("%s %s: %v", c.entity, c.payload, status)
		}
	}
	if status := r.command("bridge/login_start", "PRESS"); status["status"] != "succeeded" {
		r.Fatalf("%v", status)
	}
	address, _ := r.document("bridge/login_url/attributes")["url"].(string)
	if !strings.HasPrefix(address, "https://id/") || r.document("bridge/state")["login_url"] != "ready" || chains[1].State(time.Now()).Address != "" {
		r.Fatalf("address %q", address)
	}
	if status := r.command("bridge/login", logintest.Agree(r, clouds[0], address)); status["status"] != "succeeded" {
		r.Fatalf("%v", status)
	}
	time.Sleep(10 * time.Second)
	if s := r.document("bridge/state"); s["login_required"] != "OFF" || s["login_url"] != "none" {
		r.Errorf("%v", s)
	}
	if online, _ := r.broker.Retained(base + "/" + first + "/availability"); online != "online" {
		r.Errorf("after the login the car is %s", online)
	}
	// An address is gone after ten minutes.
	r.command("bridge/login_start", "PRESS")
	time.Sleep(11 * time.Minute)
	if a := r.document("bridge/login_url/attributes"); a["url"] != nil || r.document("bridge/state")["login_url"] != "none" {
		r.Errorf("%v", a)
	}
	var events []string
	for _, m := range r.broker.Log() {
		if m.Topic == base+"/bridge/event" {
			events = append(events, m.Payload)
		}
	}
	if all := strings.Join(events, "\n"); strings.Count(all, `"event_type":"login_required"`) != 1 || strings.Count(all, `"event_type":"logged_in"`) != 1 {
		r.Errorf("events:\n%s", all)
	}
}

// TestRefusedFreshToken: the API refuses a token, then also the fresh one: that is
// an outage and no reason to log in or to refresh in a loop.
func TestRefusedFreshToken(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		cloud := simulator.New(simulator.Options{Cars: []simulator.Kind{simulator.BEV}, PerMinute: -1, OAuth: simulator.OAuth{Life: time.Hour}})
		r := newRig(t, cloud)
		chain := logintest.Open(t, login.Options{Name: "account1", File: "f", Store: &logintest.Tokens{}, Scopes: entity.Scopes(allAllowed), OAuth: logintest.OAuth(cloud)})
		if _, err := login.Finish(t.Context(), []*login.Chain{chain}, logintest.Agree(t, cloud, chain.Begin().URL)); err != nil {
			t.Fatal(err)
		}
		r.opts.Accounts[0].Chain = chain
		r.opts.Accounts[0].Clients = []*volvo.Client{volvo.New(volvo.Options{URL: "https://api", Key: apiKey, CommandTimeout: time.Minute, Transport: logintest.Through{Handler: cloud}, Tokens: chain, UserAgent: "test"})}
		r.start()
		defer func() { r.stop() }()
		time.Sleep(time.Minute)
		if err := cloud.Switch(simulator.Fault{Match: "GET doors", Status: 401, Body: `{"status":401,"error":{"message":"UNAUTHORIZED","description":"Access token is not valid"}}`, Times: 1}); err != nil {
			t.Fatal(err)
		}
		before := cloud.TokenRequests()
		time.Sleep(3 * time.Minute)
		if n := cloud.TokenRequests() - before; n != 1 || r.document("bridge/state")["cloud_status"] != "ok" {
			t.Errorf("one 401: %d refreshes, %v", n, r.document("bridge/state"))
		}
		if err := cloud.Switch(simulator.Fault{Match: "GET", Status: 401, Body: `{"status":401,"error":{"message":"UNAUTHORIZED"}}`}); err != nil {
			t.Fatal(err)
		}
		before = cloud.TokenRequests()
		time.Sleep(30 * time.Minute)
		s := r.document("bridge/state")
		if n := cloud.TokenRequests() - before; n > 7 || s["cloud_status"] != "outage" || s["login_required"] != "OFF" {
			t.Errorf("401 for half an hour: %d refreshes, %v", n, s)
		}
		cloud.Mend()
		time.Sleep(3 * time.Minute)
		if s := r.document("bridge/state"); s["cloud_status"] != "ok" {
			t.Errorf("mended: %v", s)
		}
	})
}

// TestTestTokenEndsInAnOutage: the network comes back, and the tokens are no
// longer good: the loop goes on turning.
func TestTestTokenEndsInAnOutage(t *testing.T) {
	cloud := simulator.New(simulator.Options{Cars: []simulator.Kind{simulator.BEV}, PerMinute: -1})
	run(t, cloud, func(r *rig) {
		if err := cloud.Switch(simulator.Fault{Match: "GET", Kind: "cut"}); err != nil {
			r.Fatal(err)
		}
		time.Sleep(10 * time.Minute)
		cloud.Mend()
		if err := cloud.Switch(simulator.Fault{Match: "GET", Status: 401, Body: `{"status":401,"error":{"message":"UNAUTHORIZED"}}`}); err != nil {
			r.Fatal(err)
		}
		time.Sleep(2 * time.Hour)
		if s := r.document("bridge/state"); s["cloud_status"] != "login_required" || s["login_required"] != "ON" {
			r.Errorf("%v", s)
		}
	})
}
