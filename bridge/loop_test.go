package bridge_test

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"path"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"volvobridge/bridge/account"
	"volvobridge/bridge/login/logintest"
	"volvobridge/bridge/schedule"
	"volvobridge/volvo"
	"volvobridge/volvo/simulator"
)

// peek asks the simulated cloud what it would answer now, with a key of its own.
func peek(t *testing.T, cloud http.Handler, vin string, r volvo.Resource) string {
	t.Helper()
	path := "/connected-vehicle/v2/vehicles/" + vin + "/" + string(r)
	switch r {
	case volvo.Details:
		path = "/connected-vehicle/v2/vehicles/" + vin
	case volvo.EnergyState:
		path = "/energy/v2/vehicles/" + vin + "/state"
	case volvo.EnergyCapabilities:
		path = "/energy/v2/vehicles/" + vin + "/capabilities"
	case volvo.Position:
		path = "/location/v1/vehicles/" + vin + "/location"
	}
	req := httptest.NewRequest("GET", path, nil)
	req.Header.Set("vcc-api-key", "peek")
	req.Header.Set("Authorization", "Bearer "+token)
	w := httptest.NewRecorder()
	cloud.ServeHTTP(w, req)
	if w.Code != 200 {
		t.Fatalf("%s: %d %s", r, w.Code, w.Body)
	}
	return w.Body.String()
}

// day compares what is published with what the cloud answers, minute by minute.
type day struct {
	*rig
	cloud           *simulator.Cloud
	answers         map[string]map[string]string // by car and resource, by the newest time in them
	checks, changes int
}

// TestADay runs a bridge, a cloud with three living cars and a broker for a day.
// Sampled every minute, what is published is what the cloud answered at most an
// interval ago; nothing is published that did not change; nothing is logged as a
// warning. The bubble finds goroutines that are left.
func TestADay(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		cloud := simulator.New(simulator.Options{Seed: 3, Keys: []string{apiKey, "peek"}, PerDay: -1})
		r := newRig(t, cloud)
		r.opts.Polling.DailyQuota = 100000
		r.start()
		defer func() { r.stop() }()
		time.Sleep(30 * time.Second)
		d := &day{rig: r, cloud: cloud, answers: map[string]map[string]string{}}
		for minute := range 24 * 60 {
			for _, vin := range cloud.VINs() {
				d.look(vin)
			}
			if r.Failed() {
				t.Fatalf("in minute %d", minute)
			}
			time.Sleep(time.Minute)
			synctest.Wait()
		}
		if d.checks < 24*60*3*11 || d.changes < 100 {
			t.Errorf("%d answers compared, %d changes: that is no test", d.checks, d.changes)
		}
		r.nothingTwice()
		if w := r.warnings(); w != "" {
			t.Errorf("warnings:\n%s", w)
		}
	})
}

// look compares all that is published of a car with what the cloud answers now, or
// answered when it gave the times that are published.
func (d *day) look(vin string) {
	document := d.document(vin + "/state")
	for resource, interval := range schedule.Fixed() {
		switch resource {
		case volvo.Commands, volvo.EnergyCapabilities:
			continue // no values
		case volvo.Details:
			for _, i := range walk(d.T, "vehicle", peek(d.T, d.cloud, vin, resource)) {
				if _, skip := elsewhere["vehicle/"+i.field]; !skip {
					d.compare(document, idOf("vehicle", i.field), known(document, idOf("vehicle", i.field), i))
				}
			}
			continue
		}
		told, _ := document["updated"].(map[string]any)[string(resource)].(string)
		old, ok := d.answer(vin, resource, told, interval)
		if !ok {
			continue
		}
		d.checks++
		place := d.document2(vin + "/location")
		for _, i := range walk(d.T, fileOf(resource), old) {
			switch {
			case resource == volvo.Position && i.field != "heading":
				if place[i.field] != expect(i) {
					d.Errorf("location %s is %v, the car is at %v", i.field, place[i.field], i.value)
				}
			case elsewhere[i.file+"/"+i.field] != "", i.field == "availabilityStatus", i.file == "fuel" && i.field == "batteryChargeLevel":
			default:
				d.compare(document, idOf(i.file, i.field), known(document, idOf(i.file, i.field), i))
			}
		}
		switch resource {
		case volvo.CommandAccessibility:
			d.reachable(document, old)
		case volvo.EnergyState:
			d.charging(document, old)
		}
	}
	d.derived(document)
}

// answer is what the cloud said when it gave the time that is published; not ok:
// nothing was told, or more than was looked at.
func (d *day) answer(vin string, resource volvo.Resource, told string, interval time.Duration) (string, bool) {
	d.Helper()
	key := vin + string(resource)
	body := peek(d.T, d.cloud, vin, resource)
	if d.answers[key] == nil {
		d.answers[key] = map[string]string{}
	}
	at := newestIn(d.T, resource, body)
	if _, known := d.answers[key][at]; !known {
		d.changes++
	}
	d.answers[key][at] = body
	if told == "" && at == "" {
		return "", false
	}
	d.notOlder(resource, told, at, interval)
	old, ok := d.answers[key][normal(told)]
	return old, ok
}

// reachable: the reason, if there is one, else the status.
func (d *day) reachable(document map[string]any, body string) {
	d.Helper()
	var want any
	for _, i := range walk(d.T, "command-accessibility", body) {
		e := expect(i)
		if i.field == "unavailableReason" && e != nil && e != "" || i.field == "availabilityStatus" && want == nil {
			want = e
		}
	}
	if document["availability"] != want {
		d.Errorf("availability is %v, want %v", document["availability"], want)
	}
}

// charging: the finish is told while the car charges and only then, and lies where
// the remaining minutes say.
func (d *day) charging(document map[string]any, body string) {
	d.Helper()
	finish, _ := document["estimated_charging_finish"].(string)
	if charging := document["charging_status"] == "charging"; charging != (finish != "") {
		d.Errorf("charging is %v, the finish %q", document["charging_status"], finish)
	}
	if finish == "" {
		return
	}
	fetched, _ := time.Parse(time.RFC3339Nano, document["fetched"].(map[string]any)["energy"].(string))
	minutes, _ := document["estimated_charging_time"].(float64)
	want := fetched.Add(time.Duration(minutes * float64(time.Minute)))
	// The document that is out may be older than the last read, which changed nothing else.
	if got, err := time.Parse(time.RFC3339Nano, finish); err != nil || got.Sub(want).Abs() > 5*time.Minute {
		d.Errorf("the finish is %s, %v minutes after %v is %v", finish, minutes, fetched, want)
	}
}

// derived checks what the bridge makes of several values.
func (d *day) derived(document map[string]any) {
	d.Helper()
	newest := ""
	for _, at := range document["updated"].(map[string]any) {
		newest = max(newest, normal(at.(string)))
	}
	if told, _ := document["last_update"].(string); normal(told)[:19] != newest[:19] { // to the second
		d.Errorf("last_update is %s, want %s", told, newest)
	}
	want := "OFF"
	for id, value := range document {
		lamp := strings.HasSuffix(id, "_warning") || strings.HasPrefix(id, "tire_")
		if lamp && id != "any_warning" && (value == "ON" || id == "service_warning" && value != "no_warning" && value != nil) {
			want = "ON"
		}
	}
	if document["any_warning"] != want {
		d.Errorf("any_warning is %v, want %s", document["any_warning"], want)
	}
}

// known turns an item that the document lacks rightly into nothing: a car without
// a battery has no value that is null.
func known(document map[string]any, id string, i item) item {
	if _, there := document[id]; !there && (i.value == nil || i.value == "UNSPECIFIED") {
		i.value = nil
	}
	return i
}

func fileOf(r volvo.Resource) string {
	if r == volvo.EnergyState {
		return "energy-state"
	}
	return string(r)
}

func newestIn(t *testing.T, r volvo.Resource, body string) string {
	newest := ""
	for _, i := range walk(t, fileOf(r), body) {
		if at := normal(i.at); at > newest {
			newest = at
		}
	}
	return newest
}

// normal writes an instant in one way, so that texts can be compared.
func normal(at string) string {
	t, err := time.Parse(time.RFC3339Nano, at)
	if err != nil {
		return ""
	}
	return t.UTC().Format("2006-01-02T15:04:05.000000")
}

// notOlder: an upload older than the interval must have been published.
func (r *rig) notOlder(resource volvo.Resource, told, at string, interval time.Duration) {
	r.Helper()
	if normal(told) == at {
		return
	}
	uploaded, _ := time.Parse("2006-01-02T15:04:05.000000", at)
	if age := time.Since(uploaded); age > interval+5*time.Second {
		r.Errorf("%s: the car uploaded %v ago, published is %s; the interval is %v", resource, age, told, interval)
	}
}

// nothingTwice looks for publishes that told nothing new.
func (r *rig) nothingTwice() {
	r.Helper()
	last := map[string]string{}
	repeats := 0
	for _, m := range r.broker.Log() {
		if !m.Retain {
			continue
		}
		payload, _, _ := strings.Cut(m.Payload, `"fetched":`)
		_, rest, _ := strings.Cut(m.Payload, `},"`)
		if last[m.Topic] == payload+rest {
			repeats++
			if !strings.HasSuffix(m.Topic, "/state") {
				r.Errorf("%s was published again with %.80s", m.Topic, m.Payload)
			}
		}
		last[m.Topic] = payload + rest
	}
	if most := 3 * 24; repeats > most {
		r.Errorf("%d documents were published without a change, at most %d by the hour", repeats, most)
	}
}

func TestBrokerRestartedWithoutPersistence(t *testing.T) {
	run(t, ownCar(t), func(r *rig) {
		r.command(car+"/lock", "LOCK")
		time.Sleep(5 * time.Second)
		before := r.broker.RetainedAll()
		r.broker.Stop(true)
		time.Sleep(time.Minute)
		r.broker.Start()
		time.Sleep(10 * time.Second)
		synctest.Wait()
		after := r.broker.RetainedAll()
		for topic := range before {
			if _, ok := after[topic]; !ok {
				r.Errorf("%s is not back", topic)
			}
		}
		if len(before) < 12 {
			r.Errorf("only %d topics were retained at all", len(before))
		}
	})
}

func TestBrokerDownAtStart(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, ownCar(t))
		r.broker.Stop(true)
		r.start()
		defer func() { r.stop() }()
		time.Sleep(10 * time.Minute)
		if r.bridge.Ready() == nil {
			t.Error("ready without a broker")
		}
		if err := r.bridge.Healthy(); err != nil {
			t.Errorf("a missing broker is no ill health: %v", err)
		}
		r.broker.Start()
		time.Sleep(10 * time.Second)
		synctest.Wait()
		if got := r.document(car + "/state")["odometer"]; got != 18234.0 {
			t.Errorf("odometer %v", got)
		}
		if err := r.bridge.Ready(); err != nil {
			t.Errorf("not ready: %v", err)
		}
		if n := strings.Count(r.warnings(), "no connection to the broker"); n != 1 {
			t.Errorf("the missing broker was logged %d times", n)
		}
	})
}

func TestHomeAssistantStarts(t *testing.T) {
	run(t, ownCar(t), func(r *rig) {
		r.broker.Reset()
		r.broker.Publish("homeassistant/status", "online", false)
		time.Sleep(5 * time.Second)
		synctest.Wait()
		topics := map[string]int{}
		order := []string{}
		for _, m := range r.broker.Log() {
			topics[m.Topic]++
			if m.Topic != base+"/"+car+"/polling/attributes" { // the plan goes on
				order = append(order, m.Topic)
			}
		}
		for _, want := range []string{"homeassistant/device/volvobridge_" + strings.ToLower(car) + "/config", "homeassistant/device/volvobridge_test/config",
			base + "/" + car + "/state", base + "/" + car + "/availability", base + "/bridge/availability", base + "/bridge/state"} {
			if topics[want] != 1 {
				r.Errorf("%s was published %d times", want, topics[want])
			}
		}
		if last := order[len(order)-1]; !strings.HasSuffix(last, "/availability") {
			r.Errorf("last came %s; availability should", last)
		}
	})
}

func TestCloudDownAtStartAndBack(t *testing.T) {
	cloud := ownCar(t)
	cloud.Set("GET *", simulator.Answer{Status: 503, Body: "<html>down</html>"})
	run(t, cloud, func(r *rig) {
		time.Sleep(30 * time.Second)
		synctest.Wait()
		if got := r.document("bridge/state")["cloud_status"]; got != "outage" {
			r.Errorf("cloud status %v", got)
		}
		time.Sleep(3 * time.Hour)
		if n := len(cloud.Calls("GET")); n > 400 {
			r.Errorf("%d calls in three hours of outage", n)
		}
		cloud.Set("GET *", simulator.Answer{})
		time.Sleep(70 * time.Second)
		synctest.Wait()
		if got := r.document(car + "/state")["odometer"]; got != 18234.0 {
			r.Errorf("odometer %v", got)
		}
		if got, _ := r.broker.Retained(base + "/" + car + "/availability"); got != "online" {
			r.Errorf("the car is %q", got)
		}
		if got := r.document("bridge/state")["cloud_status"]; got != "ok" {
			r.Errorf("cloud status %v", got)
		}
		var events []string
		for _, m := range r.broker.Log() {
			if m.Topic == base+"/bridge/event" {
				events = append(events, m.Payload[strings.Index(m.Payload, `"event_type"`):])
			}
		}
		if got := fmt.Sprint(events); strings.Count(got, "outage") != 1 || strings.Count(got, "recovered") != 1 {
			r.Errorf("events %v", got)
		}
		if n := strings.Count(r.warnings(), "\n"); n != 1 {
			r.Errorf("the outage was logged %d times:\n%s", n, r.warnings())
		}
	})
}

func TestOutageKeepsValuesThenCarsGoOffline(t *testing.T) {
	cloud := ownCar(t)
	run(t, cloud, func(r *rig) {
		availability := func() string { got, _ := r.broker.Retained(base + "/" + car + "/availability"); return got }
		cloud.Set("GET *", simulator.Answer{Status: 500})
		time.Sleep(55 * time.Minute)
		if availability() != "online" {
			r.Errorf("after 55 minutes: %s", availability())
		}
		time.Sleep(10 * time.Minute)
		if availability() != "offline" {
			r.Errorf("after 65 minutes: %s", availability())
		}
		if got := r.document(car + "/state")["odometer"]; got != 18234.0 {
			r.Errorf("the last value is %v", got)
		}
		if r.bridge.Healthy() != nil || r.bridge.Ready() != nil {
			r.Error("a cloud outage is no ill health")
		}
	})
}

func TestOneResourceFailsTheRestFlows(t *testing.T) {
	cloud := ownCar(t)
	cloud.Set("GET /connected-vehicle/v2/vehicles/*", simulator.Answer{Status: 500})
	cloud.Set("GET /connected-vehicle/v2/vehicles/*/tyres", simulator.Answer{Status: 200, Body: "<html>"})
	run(t, cloud, func(r *rig) {
		time.Sleep(20 * time.Minute)
		d := r.document(car + "/state")
		if d["odometer"] != 18234.0 || d["lock"] != "UNLOCKED" {
			r.Errorf("odometer %v, lock %v", d["odometer"], d["lock"])
		}
		if _, there := d["tire_front_left"]; there {
			r.Error("a tyre from a page of HTML")
		}
		config, ok := r.broker.Retained("homeassistant/device/volvobridge_" + strings.ToLower(car) + "/config")
		if !ok || !strings.Contains(config, `"odometer"`) {
			r.Error("not announced because of one failing resource")
		}
		if got := r.document("bridge/state")["cloud_status"]; got != "ok" {
			r.Errorf("cloud status %v", got)
		}
		cloud.SetBody("odometer.json", `{"data":{"odometer":{"value":18300,"unit":"km"}}}`)
		time.Sleep(time.Hour)
		if got := r.document(car + "/state")["odometer"]; got != 18300.0 {
			r.Errorf("odometer %v", got)
		}
	})
}

func TestOneCarOfTwoIsForbidden(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		cloud := simulator.New(simulator.Options{Cars: []simulator.Kind{simulator.BEV, simulator.PHEV}, PerDay: -1, PerMinute: -1})
		good, bad := cloud.VINs()[0], cloud.VINs()[1]
		if err := cloud.Switch(simulator.Fault{Match: bad, Status: 403, Body: `{"error":{"message":"FORBIDDEN","description":"Access is denied"}}`}); err != nil {
			t.Fatal(err)
		}
		log := &askedFor{next: cloud, at: map[string][]time.Time{}}
		r := newRig(t, log)
		r.start()
		defer func() { r.stop() }()
		time.Sleep(2 * time.Hour)
		synctest.Wait()
		if got, _ := r.broker.Retained(base + "/" + good + "/availability"); got != "online" {
			t.Errorf("the good car is %q", got)
		}
		if got, _ := r.broker.Retained(base + "/" + bad + "/availability"); got != "offline" {
			t.Errorf("the bad car is %q", got)
		}
		if got := r.document("bridge/state")["cloud_status"]; got != "ok" {
			t.Errorf("cloud status %v", got)
		}
		if n := len(log.times("doors")); n < 110 {
			t.Errorf("the good car's doors were read %d times in two hours", n)
		}
	})
}

// apiCalls counts the calls with a key; pictures have none and cost nothing.
func apiCalls(cloud *simulator.Replay) int {
	n := 0
	for _, c := range cloud.Calls("") {
		if c.Key != "" {
			n++
		}
	}
	return n
}

func TestQuotaSpentAndRefilled(t *testing.T) {
	cloud := ownCar(t)
	run(t, cloud, func(r *rig) {
		cloud.Set("GET *", simulator.Answer{Status: 403, Body: `{"statusCode":403,"message":"Out of call volume quota. Quota will be replenished in 03:30:56."}`})
		time.Sleep(2 * time.Minute)
		synctest.Wait()
		if got := r.document("bridge/state")["cloud_status"]; got != "quota_spent" {
			r.Errorf("cloud status %v", got)
		}
		spent := time.Now()
		calls := apiCalls(cloud)
		if s := r.command(car+"/lock", "LOCK"); s["status"] != "refused" || s["reason"] != "quota" || s["advice"] == nil {
			r.Errorf("a command without quota: %v", s)
		}
		cloud.Set("GET *", simulator.Answer{})
		time.Sleep(3*time.Hour + 25*time.Minute)
		if n := apiCalls(cloud) - calls; n != 0 {
			r.Errorf("%d calls with a spent key", n)
		}
		if got, _ := r.broker.Retained(base + "/" + car + "/availability"); got != "online" {
			r.Errorf("a spent quota made the car %s", got)
		}
		time.Sleep(3*time.Hour + 31*time.Minute + 20*time.Second - time.Since(spent))
		synctest.Wait()
		if apiCalls(cloud) == calls {
			r.Error("no call within 20 s of the refill")
		}
		if got := r.document("bridge/state")["cloud_status"]; got != "ok" {
			r.Errorf("cloud status %v", got)
		}
	})
}

func TestRateLimited(t *testing.T) {
	cloud := ownCar(t)
	run(t, cloud, func(r *rig) {
		cloud.Set("GET *", simulator.Answer{Status: 429, Header: map[string]string{"Retry-After": "600"}})
		time.Sleep(2 * time.Minute)
		synctest.Wait()
		calls := len(cloud.Calls(""))
		if got := r.document("bridge/state")["cloud_status"]; got != "rate_limited" {
			r.Errorf("cloud status %v", got)
		}
		cloud.Set("GET *", simulator.Answer{})
		time.Sleep(7 * time.Minute)
		if n := len(cloud.Calls("")) - calls; n != 0 {
			r.Errorf("%d calls during Retry-After", n)
		}
		time.Sleep(2 * time.Minute)
		if len(cloud.Calls("")) == calls {
			r.Error("no call after Retry-After")
		}
	})
}

// TestRejectedTokenEndsOneAPI: a 401 for one API's test token costs that API only.
func TestRejectedTokenEndsOneAPI(t *testing.T) {
	cloud := ownCar(t)
	cloud.Set("GET /energy/v2/vehicles/*/state", simulator.Answer{Status: 401, Body: `{"error":{"message":"UNAUTHORIZED","description":"expired"}}`})
	run(t, cloud, func(r *rig) {
		time.Sleep(5 * time.Hour)
		energy := 0
		for _, c := range cloud.Calls("GET") {
			if strings.HasPrefix(c.Path, "/energy/") {
				energy++
			}
		}
		if energy > 2 {
			r.Errorf("%d calls with a rejected token", energy)
		}
		if got := r.document("bridge/state")["cloud_status"]; got != "login_required" {
			r.Errorf("cloud status %v", got)
		}
		if got := fmt.Sprint(r.document("bridge/cloud_status/attributes")["advice"]); !strings.Contains(got, "energy") {
			r.Errorf("advice %q", got)
		}
		if s := r.command(car+"/lock", "LOCK"); s["status"] != "succeeded" {
			r.Errorf("%v", s)
		}
	})
}

func TestCarLeavesTheAccount(t *testing.T) {
	cloud := ownCar(t)
	run(t, cloud, func(r *rig) {
		availability := func() string { got, _ := r.broker.Retained(base + "/" + car + "/availability"); return got }
		cloud.SetBody("vehicles.json", `{"data":[]}`)
		time.Sleep(100 * time.Minute)
		if availability() != "online" {
			r.Error("offline after one look")
		}
		time.Sleep(time.Hour)
		if availability() != "offline" {
			r.Error("still online")
		}
		cloud.SetBody("vehicles.json", `{"data":[{"vin":"`+car+`"},{"vin":"YV4SECONDCAR00002"}]}`)
		time.Sleep(61 * time.Minute)
		synctest.Wait()
		if availability() != "online" {
			r.Error("not back")
		}
		r.document("YV4SECONDCAR00002/state")
	})
}

// TestListOfOneCar: the published reference prints a single car; the other, which
// can be read, is not gone for that.
func TestListOfOneCar(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		cloud := simulator.New(simulator.Options{Cars: []simulator.Kind{simulator.BEV, simulator.PHEV}, PerDay: -1, PerMinute: -1})
		one := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if path.Base(r.URL.Path) == "vehicles" {
				fmt.Fprintf(w, `{"vin":%q}`, cloud.VINs()[0])
				return
			}
			cloud.ServeHTTP(w, r)
		})
		r := newRig(t, one, account.Vehicle{VIN: cloud.VINs()[0]}, account.Vehicle{VIN: cloud.VINs()[1]})
		r.start()
		defer func() { r.stop() }()
		time.Sleep(3 * time.Hour)
		synctest.Wait()
		for _, vin := range cloud.VINs() {
			if got, _ := r.broker.Retained(base + "/" + vin + "/availability"); got != "online" {
				t.Errorf("a car is %q", got)
			}
		}
		if w := r.warnings(); w != "" {
			t.Errorf("warnings:\n%s", w)
		}
	})
}

// TestNothingKnownNothingTold: a start in an outage publishes no empty document,
// and is not ready.
func TestNothingKnownNothingTold(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		cloud := ownCar(t)
		cloud.Set("GET *", simulator.Answer{Status: 503})
		r := newRig(t, cloud, account.Vehicle{VIN: ownVIN})
		r.start()
		defer func() { r.stop() }()
		time.Sleep(time.Hour)
		if got, ok := r.broker.Retained(base + "/" + ownVIN + "/state"); ok || r.bridge.Ready() == nil {
			t.Errorf("published %q, ready: %v", got, r.bridge.Ready())
		}
		cloud.Set("GET *", simulator.Answer{Status: 403, Body: `{"error":{"message":"FORBIDDEN"}}`})
		time.Sleep(20 * time.Minute)
		if err := r.bridge.Ready(); err != nil {
			t.Errorf("every resource was denied, that is all there is to know: %v", err)
		}
	})
}

// TestTokenOfOneAPI: what there is no test token for is left alone.
func TestTokenOfOneAPI(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		cloud := ownCar(t)
		r := newRig(t, cloud)
		r.opts.Accounts[0].Without = []volvo.API{volvo.Energy, volvo.Location}
		r.start()
		defer func() { r.stop() }()
		time.Sleep(time.Hour)
		if s := r.document("bridge/state"); s["cloud_status"] != "ok" || s["login_required"] != "OFF" {
			t.Errorf("%v", s)
		}
		for _, c := range cloud.Calls("GET") {
			if strings.HasPrefix(c.Path, "/energy/") || strings.HasPrefix(c.Path, "/location/") {
				t.Errorf("%s was read", c.Path)
			}
		}
		if r.document(ownVIN + "/state")["odometer"] == nil {
			t.Error("the car was not read")
		}
	})
}

// TestSharedKey: Volvo counts by the key, whoever uses it.
func TestSharedKey(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		cloud := simulator.New(simulator.Options{Cars: []simulator.Kind{simulator.BEV, simulator.PHEV}, PerDay: -1, PerMinute: -1})
		r := newRig(t, cloud, account.Vehicle{VIN: cloud.VINs()[0]})
		second := r.opts.Accounts[0]
		second.File, second.Vehicles = "second", []account.Vehicle{{VIN: cloud.VINs()[1]}}
		r.opts.Accounts = append(r.opts.Accounts, second)
		r.opts.Polling.DailyQuota, r.opts.Polling.Reserve = 60, 10
		log := &askedFor{next: cloud, at: map[string][]time.Time{}}
		client := volvo.New(volvo.Options{URL: "https://api", Key: apiKey, CommandTimeout: time.Minute, Transport: logintest.Through{Handler: log},
			Tokens: volvo.NewStaticTokens(map[volvo.API]string{volvo.ConnectedVehicle: token, volvo.Energy: token, volvo.Location: token})})
		for i := range r.opts.Accounts {
			r.opts.Accounts[i].Clients = []*volvo.Client{client}
		}
		r.start()
		defer func() { r.stop() }()
		time.Sleep(6 * time.Hour)
		r.stop()
		r.start()
		time.Sleep(6 * time.Hour)
		if n := log.calls(); n > 50 || n < 40 {
			t.Errorf("%d calls with a key that has 50 for reads", n)
		}
		if s := r.document("bridge/state"); s["calls_today"].(float64) > 50 || s["calls_left"].(float64) < 10 {
			t.Errorf("%v", s)
		}
	})
}

// TestWarmStart: what was known before a restart is published before the first
// read, and nothing of it is lost in an outage.
func TestWarmStart(t *testing.T) {
	cloud := ownCar(t)
	run(t, cloud, func(r *rig) {
		r.stop()
		cloud.Set("GET *", simulator.Answer{Status: 500})
		r.broker.Stop(true)
		r.broker.Start()
		time.Sleep(10 * time.Minute)
		r.start()
		time.Sleep(time.Second)
		synctest.Wait()
		d := r.document(car + "/state")
		if d["odometer"] != 18234.0 || d["fetched"].(map[string]any)["odometer"] != "2000-01-01T00:00:00Z" {
			r.Errorf("%v, fetched %v", d["odometer"], d["fetched"])
		}
		if got, _ := r.broker.Retained(base + "/" + car + "/availability"); got != "online" {
			r.Errorf("availability %q", got)
		}
		if _, ok := r.broker.Retained("homeassistant/device/volvobridge_" + strings.ToLower(car) + "/config"); !ok {
			r.Error("not announced")
		}
	})
}

func TestWill(t *testing.T) {
	run(t, ownCar(t), func(r *rig) {
		if w := r.broker.Will(); w.Topic != base+"/bridge/availability" || w.Payload != "offline" || !w.Retain {
			r.Errorf("will %+v", w)
		}
		started := time.Now()
		r.stop()
		if took := time.Since(started); took > 2*time.Second {
			r.Errorf("the stop took %v", took)
		}
		if got, _ := r.broker.Retained(base + "/bridge/availability"); got != "offline" {
			r.Errorf("availability %q", got)
		}
	})
}

// askedFor notes when each resource was asked for.
type askedFor struct {
	next http.Handler
	mu   sync.Mutex
	at   map[string][]time.Time
}

func (a *askedFor) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	a.mu.Lock()
	name := path.Base(r.URL.Path)
	a.at[name] = append(a.at[name], time.Now())
	a.mu.Unlock()
	a.next.ServeHTTP(w, r)
}

func (a *askedFor) calls() int {
	a.mu.Lock()
	defer a.mu.Unlock()
	n := 0
	for _, times := range a.at {
		n += len(times)
	}
	return n
}

func (a *askedFor) times(resource string) []time.Time {
	a.mu.Lock()
	defer a.mu.Unlock()
	return append([]time.Time(nil), a.at[resource]...)
}

// TestFaultsOfTheCloud: each switch of the simulator costs what it hits, no more.
func TestFaultsOfTheCloud(t *testing.T) {
	for _, f := range []simulator.Fault{
		{Match: "doors", Status: 500}, {Match: "doors", Status: 200, Body: "[]"}, {Match: "doors", Kind: "cut"}, {Match: "doors", Kind: "truncate"},
		{Match: "doors", Kind: "html"}, {Match: "doors", Kind: "huge", Times: 10}, {Match: "doors", Delay: "45s"}, {Match: "doors", Kind: "null"},
		{Match: "doors", Kind: "strange"}, {Match: "GET", Kind: "null"}, {Match: "GET", Kind: "strange"}, {Match: "doors", Status: 404}, {Match: "doors", Status: 403},
	} {
		t.Run(fmt.Sprint(f.Match, f.Kind, f.Status, f.Delay), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				cloud := simulator.New(simulator.Options{Cars: []simulator.Kind{simulator.Petrol}, PerDay: -1})
				log := &askedFor{next: cloud, at: map[string][]time.Time{}}
				r := newRig(t, log)
				r.start()
				defer func() { r.stop() }()
				time.Sleep(time.Minute)
				if err := cloud.Switch(f); err != nil {
					t.Fatal(err)
				}
				time.Sleep(3 * time.Hour)
				synctest.Wait()
				vin := cloud.VINs()[0]
				d := r.document(vin + "/state")
				before := len(log.times("windows"))
				time.Sleep(2 * time.Minute)
				if len(log.times("windows")) == before {
					t.Error("windows are not read any more")
				}
				if _, there := d["door_front_left"]; !there {
					t.Error("the door is gone")
				}
				if got, _ := r.broker.Retained(base + "/" + vin + "/availability"); got != "online" {
					t.Errorf("the car is %q", got)
				}
				cloud.Mend()
				time.Sleep(61 * time.Minute)
				synctest.Wait()
				if doors := log.times("doors"); time.Since(doors[len(doors)-1]) > 2*time.Minute {
					t.Errorf("mended, doors were last asked for %v ago", time.Since(doors[len(doors)-1]))
				}
				if d = r.document(vin + "/state"); d["door_front_left"] == nil {
					t.Error("mended, the door is unknown")
				}
			})
		})
	}
}

// TestQuotaOfADay: a refill that is a day away is waited for too.
func TestQuotaOfADay(t *testing.T) {
	cloud := ownCar(t)
	run(t, cloud, func(r *rig) {
		cloud.Set("GET *", simulator.Answer{Status: 403, Body: `{"statusCode":403,"message":"Out of call volume quota. Quota will be replenished in 24:00:00."}`})
		time.Sleep(2 * time.Minute)
		calls := apiCalls(cloud)
		time.Sleep(23 * time.Hour)
		if n := apiCalls(cloud) - calls; n != 0 {
			r.Errorf("%d calls with a spent key", n)
		}
	})
}

// TestHeartbeat: without news a document goes out once an hour, also in an outage.
func TestHeartbeat(t *testing.T) {
	cloud := ownCar(t)
	run(t, cloud, func(r *rig) {
		cloud.Set("GET *", simulator.Answer{Status: 503})
		r.broker.Reset()
		time.Sleep(5*time.Hour + time.Minute)
		n := 0
		for _, m := range r.broker.Log() {
			if m.Topic == base+"/"+car+"/state" {
				n++
			}
		}
		if n < 5 || n > 6 {
			r.Errorf("%d documents in five hours", n)
		}
	})
}

// TestPictureIsTriedAgain: a failed picture is fetched an hour later.
func TestPictureIsTriedAgain(t *testing.T) {
	cloud := ownCar(t)
	run(t, cloud, func(r *rig) {
		if _, ok := r.broker.Retained(base + "/" + car + "/image/exterior"); ok {
			r.Fatal("a picture from nowhere")
		}
		cloud.Set("GET /pictures/exterior.png", simulator.Answer{Status: 200, Body: "GIF89a\x01\x00\x01\x00\x00\x00\x00;", Header: map[string]string{"Content-Type": "image/gif"}})
		time.Sleep(61 * time.Minute)
		synctest.Wait()
		if got, _ := r.broker.Retained(base + "/" + car + "/image/exterior"); !strings.HasPrefix(got, "GIF89a") {
			r.Errorf("the picture is %q", got)
		}
		config, _ := r.broker.Retained("homeassistant/device/volvobridge_" + strings.ToLower(car) + "/config")
		if !strings.Contains(config, `"content_type":"image/gif"`) || strings.Contains(config, "interior_image") {
			r.Error("announced are not just the pictures that are there")
		}
	})
}

// TestOddNumbers: a number that no document can hold costs no other value.
func TestOddNumbers(t *testing.T) {
	cloud := ownCar(t)
	cloud.SetBody("odometer.json", `{"data":{"odometer":{"value":1e305,"unit":"km","timestamp":"9999-12-31T23:59:59-05:00"}}}`)
	run(t, cloud, func(r *rig) {
		d := r.document(car + "/state")
		if d["odometer"] != nil || d["lock"] != "UNLOCKED" {
			r.Errorf("odometer %v, lock %v", d["odometer"], d["lock"])
		}
	})
}

// TestFaultsOfCommands are the switches that concern commands and the account.
func TestFaultsOfCommands(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		cloud := simulator.New(simulator.Options{Cars: []simulator.Kind{simulator.Petrol, simulator.BEV}, PerDay: -1, PerMinute: -1, CommandsPerMinute: -1})
		r := newRig(t, cloud)
		r.opts.Commands.PerMinute = 1000
		r.start()
		defer func() { r.stop() }()
		time.Sleep(time.Minute)
		vin := cloud.VINs()[0]
		turn := func(f simulator.Fault) {
			t.Helper()
			cloud.Mend()
			if err := cloud.Switch(f); err != nil {
				t.Fatal(err)
			}
		}
		last := func() map[string]any { return r.document(vin + "/lock/status") }

		// The car acts, the answer is lost: unknown, then confirmed by the car.
		turn(simulator.Fault{Match: "POST", Kind: "lost"})
		r.broker.Publish(base+"/"+vin+"/lock/set", "LOCK", false)
		time.Sleep(20 * time.Second)
		synctest.Wait()
		if s := last(); s["status"] != "unknown" || s["confirmed"] != true {
			t.Errorf("lost: %v", s)
		}
		if n := len(cloud.Posts()); n != 1 {
			t.Errorf("lost: %d POSTs", n)
		}
		turn(simulator.Fault{Match: "POST", Invoke: "UNABLE_TO_LOCK_DOOR_OPEN"})
		r.broker.Publish(base+"/"+vin+"/lock/set", "LOCK", false)
		time.Sleep(10 * time.Second)
		synctest.Wait()
		if s := last(); s["status"] != "failed" || s["invokeStatus"] != "UNABLE_TO_LOCK_DOOR_OPEN" || s["advice"] == nil {
			t.Errorf("invoke: %v", s)
		}
		turn(simulator.Fault{Match: "POST", Kind: "huge"})
		if s := r.command(vin+"/honk", `{"value":"PRESS","id":"huge"}`); s["status"] != "unknown" {
			t.Errorf("huge: %v", s)
		}
		turn(simulator.Fault{Match: "POST", Status: 429, Header: map[string]string{"Retry-After": "30"}, Times: 1})
		if s := r.command(vin+"/honk", "PRESS"); s["status"] != "failed" || s["reason"] != "rate_limited" {
			t.Errorf("429: %v", s)
		}
		if s := r.command(vin+"/flash", "PRESS"); s["status"] != "refused" || s["reason"] != "rate_limited" {
			t.Errorf("within Retry-After: %v", s)
		}
		time.Sleep(31 * time.Second)
		r.faultsOfTheAccount(cloud, turn)
	})
}

// faultsOfTheAccount: a spent quota is told and ends; a car that leaves goes offline alone.
func (r *rig) faultsOfTheAccount(cloud *simulator.Cloud, turn func(simulator.Fault)) {
	r.Helper()
	vin, other := cloud.VINs()[0], cloud.VINs()[1]
	turn(simulator.Fault{Match: "GET", Kind: "quota", Delay: "2h"})
	time.Sleep(2 * time.Minute)
	synctest.Wait()
	if got := r.document("bridge/state")["cloud_status"]; got != "quota_spent" {
		r.Errorf("quota: %v", got)
	}
	cloud.Mend()
	time.Sleep(2*time.Hour + 20*time.Second)
	synctest.Wait()
	if got := r.document("bridge/state")["cloud_status"]; got != "ok" {
		r.Errorf("refilled: %v", got)
	}
	turn(simulator.Fault{Match: other, Kind: "vanish"})
	time.Sleep(3 * time.Hour)
	synctest.Wait()
	for v, want := range map[string]string{vin: "online", other: "offline"} {
		if got, _ := r.broker.Retained(base + "/" + v + "/availability"); got != want {
			r.Errorf("after %s left: %s is %s", other, v, got)
		}
	}
}
