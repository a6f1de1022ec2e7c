package bridge_test

import (
	"fmt"
	"net/http"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"volvobridge/bridge/login/logintest"
	"volvobridge/bridge/schedule"
	"volvobridge/volvo"
	"volvobridge/volvo/simulator"
)

// gated is a cloud whose answers wait or fail as a test says.
type gated struct {
	http.Handler
	mu    sync.Mutex
	gate  func(req *http.Request) (wait time.Duration, status int)
	began []time.Time
	paths []string
}

// ServeHTTP implements [http.Handler].
func (g *gated) ServeHTTP(w http.ResponseWriter, req *http.Request) {
	g.mu.Lock()
	g.began, g.paths = append(g.began, time.Now()), append(g.paths, req.URL.Path)
	gate := g.gate
	g.mu.Unlock()
	if gate != nil {
		wait, status := gate(req)
		select {
		case <-time.After(wait):
		case <-req.Context().Done():
			return
		}
		if status != 0 {
			http.Error(w, "{}", status)
			return
		}
	}
	g.Handler.ServeHTTP(w, req)
}

func (g *gated) set(gate func(*http.Request) (time.Duration, int)) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.gate = gate
}

// since counts the calls from a time on, of paths that end so.
func (g *gated) since(at time.Time, suffix string) (n int) {
	g.mu.Lock()
	defer g.mu.Unlock()
	for i, began := range g.began {
		if !began.Before(at) && strings.Contains(g.paths[i], "/vehicles") && strings.HasSuffix(g.paths[i], suffix) {
			n++
		}
	}
	return n
}

// TestACrashLoopStaysUnderTheQuota: what was counted survives, whatever the restarts.
func TestACrashLoopStaysUnderTheQuota(t *testing.T) {
	for _, profile := range []schedule.Profile{schedule.Frugal, schedule.FixedTable} {
		cloud := ownCar(t)
		synctest.Test(t, func(t *testing.T) {
			r := newRig(t, cloud)
			r.opts.Polling.Rules.Profile = profile
			r.opts.Polling.DailyQuota, r.opts.Polling.Reserve = 600, 100
			r.start()
			defer func() { r.stop() }()
			for range 150 {
				time.Sleep(5 * time.Second)
				r.crash()()
			}
			if n := apiCalls(cloud); n > 500 {
				r.Errorf("%s: %d calls, and 500 are for polling", profile, n)
			}
		})
	}
}

// TestOneCallAsksAfterARefill: the key was spent; nobody knows yet whether Volvo thinks
// so too that it is refilled.
func TestOneCallAsksAfterARefill(t *testing.T) {
	cloud := &gated{Handler: ownCar(t)}
	run(t, cloud, func(r *rig) {
		replay := cloud.Handler.(*simulator.Replay)
		replay.Set("GET *", simulator.Answer{Status: 403, Body: `{"statusCode":403,"message":"Out of call volume quota. Quota will be replenished in 01:00:00."}`})
		time.Sleep(2 * time.Minute)
		synctest.Wait()
		replay.Set("GET *", simulator.Answer{})
		cloud.set(func(*http.Request) (time.Duration, int) { return 5 * time.Second, 0 })
		spent := time.Now()
		var first time.Time
		for first.IsZero() && time.Since(spent) < 2*time.Hour {
			time.Sleep(time.Second)
			synctest.Wait()
			if cloud.since(spent, "") > 0 {
				first = time.Now()
			}
		}
		if first.IsZero() {
			r.Fatal("no call after the refill")
		}
		time.Sleep(3 * time.Second)
		if n := cloud.since(spent, ""); n != 1 {
			r.Errorf("%d calls before one was answered", n)
		}
		time.Sleep(20 * time.Second)
		if n := cloud.since(spent, ""); n < 5 {
			r.Errorf("only %d calls after the answer", n)
		}
	})
}

// TestAnotherKeyTakesCommands: one key is spent, the other's commands go.
func TestAnotherKeyTakesCommands(t *testing.T) {
	cloud := ownCar(t)
	synctest.Test(t, func(t *testing.T) {
		spent := http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
			w.WriteHeader(http.StatusForbidden)
			fmt.Fprint(w, `{"statusCode":403,"message":"Out of call volume quota. Quota will be replenished in 10:00:00."}`)
		})
		r := newRig(t, cloud)
		first := volvo.New(volvo.Options{URL: "https://api", Key: "first", Transport: logintest.Through{Handler: spent},
			Tokens: volvo.NewStaticTokens(map[volvo.API]string{volvo.ConnectedVehicle: token, volvo.Energy: token, volvo.Location: token}), UserAgent: "test"})
		a := &r.opts.Accounts[0]
		a.Clients, a.KeyIDs = []*volvo.Client{first, a.Clients[0]}, []string{"first", "second"}
		r.start()
		defer func() { r.stop() }()
		time.Sleep(time.Minute)
		synctest.Wait()
		if s := r.command(car+"/flash", "PRESS"); s["status"] != "succeeded" {
			r.Errorf("a command with the second key: %v", s)
		}
		if got := r.document("bridge/state")["cloud_status"]; got != "ok" {
			r.Errorf("cloud status %v", got)
		}
	})
}

// TestSlowAnswersHoldNobodyUp: reads that hang give their places up.
func TestSlowAnswersHoldNobodyUp(t *testing.T) {
	cloud := &gated{Handler: ownCar(t)}
	run(t, cloud, func(r *rig) {
		hang := func(req *http.Request) (time.Duration, int) {
			for _, slow := range []string{"/windows", "/engine-status", "/state", "/tyres", "/warnings", "/fuel"} {
				if strings.HasSuffix(req.URL.Path, slow) {
					return 28 * time.Second, 0
				}
			}
			return 0, 0
		}
		time.Sleep(2 * time.Minute)
		cloud.set(hang)
		from := time.Now()
		time.Sleep(20 * time.Minute)
		if n := cloud.since(from, "/doors"); n < 17 {
			r.Errorf("doors were read %d times in 20 minutes beside reads that hang", n)
		}
	})
}

// TestAPauseOfTheCloudCostsSeconds: reads that were under way when the cloud paused are
// one failure, and a call asks within 5 s.
func TestAPauseOfTheCloudCostsSeconds(t *testing.T) {
	cloud := &gated{Handler: ownCar(t)}
	run(t, cloud, func(r *rig) {
		time.Sleep(2 * time.Minute)
		pause := time.Now()
		cloud.set(func(*http.Request) (time.Duration, int) {
			if wait := 300*time.Millisecond - time.Since(pause); wait >= 0 { // those that start at its end fail too
				return wait, http.StatusServiceUnavailable
			}
			return 0, 0
		})
		r.broker.Publish(base+"/"+car+"/refresh/set", "PRESS", false) // many reads at once
		time.Sleep(400 * time.Millisecond)
		after := time.Now()
		time.Sleep(5 * time.Second)
		if n := cloud.since(after, ""); n == 0 {
			r.Error("no call within 5 s")
		}
		time.Sleep(6 * time.Second) // polling.min_interval
		if n := cloud.since(after, "/doors"); n == 0 {
			r.Error("what failed was not read again within 11 s of a pause of 0.3 s")
		}
	})
}

// TestThePlanIsTold: the phase, what is read when and why, and the forecast.
func TestThePlanIsTold(t *testing.T) {
	cloud := ownCar(t)
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, cloud)
		r.opts.Polling.Rules.Profile = schedule.Frugal
		r.start()
		defer func() { r.stop() }()
		time.Sleep(10 * time.Minute)
		synctest.Wait()
		if got := r.document(car + "/state")["polling"]; got != "parked" && got != "plugged_in" && got != "charging" {
			r.Errorf("polling is %v", got)
		}
		plan := r.document(car + "/polling/attributes")
		if text := fmt.Sprint(plan["reason"]); !strings.Contains(text, "of 9500 calls spent") || !strings.Contains(text, " since ") {
			r.Errorf("reason %q", text)
		}
		doors, _ := plan["resources"].(map[string]any)["doors"].(map[string]any)
		if doors["interval"].(float64) < 10 || doors["next"] == nil || doors["reason"] == "" {
			r.Errorf("the plan of the doors is %v", doors)
		}
		state := r.document("bridge/state")
		if forecast := state["forecast_midnight"].(float64); forecast < 1000 || forecast > 5000 {
			r.Errorf("forecast %v of %v", forecast, state)
		}
	})
}

// TestRefreshTellsWhatIsUnderWay: a wish does not read twice.
func TestRefreshTellsWhatIsUnderWay(t *testing.T) {
	cloud := &gated{Handler: ownCar(t)}
	run(t, cloud, func(r *rig) {
		time.Sleep(time.Minute)
		cloud.set(func(*http.Request) (time.Duration, int) { return 4 * time.Second, 0 })
		if s := r.command(car+"/refresh", "tyres"); s["status"] != "succeeded" {
			r.Fatalf("refresh: %v", s)
		}
		if s := r.command(car+"/refresh", "tyres,warnings"); !strings.Contains(fmt.Sprint(s["advice"]), "Already being read: tyres.") {
			r.Errorf("refresh beside a read: %v", s["advice"])
		}
	})
}
