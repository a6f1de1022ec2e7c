package bridge_test

import (
	"encoding/json"
	"fmt"
	"math"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"volvobridge/bridge/account"
	"volvobridge/bridge/schedule"
	"volvobridge/bridge/schedule/schedtest"
	"volvobridge/volvo/simulator/trace"
)

// traced is a cloud that answers as a trace says, and notes what was read.
type traced struct {
	mu    sync.Mutex
	cloud *schedtest.Cloud
	began time.Time
	start time.Time // of the trace
	has   []string
	reads []schedtest.Read
	other int // calls for what no trace has
}

func newTraced(car *schedtest.Car) *traced {
	return &traced{cloud: schedtest.NewCloud(car), began: time.Now(), start: car.Trace.Start, has: car.Trace.Resources}
}

// ServeHTTP implements [http.Handler].
func (c *traced) ServeHTTP(w http.ResponseWriter, req *http.Request) {
	c.mu.Lock()
	resource := tracedResource(req)
	defer func() {
		c.mu.Unlock()
		time.Sleep(latency(resource)) // no two answers come at once: the week is the same each time
	}()
	if !slices.Contains(c.has, resource) {
		c.reads = append(c.reads, schedtest.Read{T: time.Since(c.began).Seconds(), Car: "car", Resource: resource})
		c.other++
		c.answerOther(w, req, resource)
		return
	}
	t := time.Since(c.began).Seconds()
	c.reads = append(c.reads, schedtest.Read{T: t, Car: "car", Resource: resource})
	answer := c.cloud.Read(resource, t)
	fields := map[string]any{}
	for name, r := range answer {
		stamp := c.began.Add(r.Time.Sub(c.start)).UTC().Format(time.RFC3339)
		if resource == "energy" {
			fields[name] = map[string]any{"status": "OK", "value": r.Value, "updatedAt": stamp}
			continue
		}
		fields[name] = map[string]any{"value": r.Value, "timestamp": stamp}
	}
	body := map[string]any{"data": fields}
	switch resource {
	case "energy":
		body = fields
	case "location":
		lat, lon := answer["latitude"].Value, answer["longitude"].Value
		body = map[string]any{"data": map[string]any{"type": "Feature", "geometry": map[string]any{"type": "Point", "coordinates": []json.Number{json.Number(lon), json.Number(lat)}},
			"properties": map[string]any{"timestamp": c.began.Add(answer["latitude"].Time.Sub(c.start)).UTC().Format(time.RFC3339), "heading": answer["heading"].Value}}}
	}
	_ = json.NewEncoder(w).Encode(body) // a recorder takes everything
}

// tracedResource names what is asked for; empty: the car itself.
func tracedResource(req *http.Request) string {
	_, path, _ := strings.Cut(req.URL.Path, "/vehicles/")
	_, resource, _ := strings.Cut(path, "/")
	if strings.HasPrefix(req.URL.Path, "/energy/") {
		resource = map[string]string{"state": "energy", "capabilities": "energy-capabilities"}[resource]
	}
	return resource
}

// latency is how long the answer of a resource takes.
func latency(resource string) time.Duration {
	sum := 0
	for i, c := range resource {
		sum += (i + 1) * int(c)
	}
	return time.Duration(60+sum%97) * time.Millisecond
}

// answerOther answers for the account and what hardly changes.
func (c *traced) answerOther(w http.ResponseWriter, req *http.Request, resource string) {
	switch {
	case strings.HasSuffix(req.URL.Path, "/vehicles"):
		fmt.Fprintf(w, `{"data":[{"vin":%q}]}`, vin)
	case resource == "commands":
		fmt.Fprint(w, `{"data":[]}`)
	case resource == "":
		fmt.Fprintf(w, `{"data":{"vin":%q,"modelYear":2025,"fuelType":"NONE","descriptions":{"model":"EX30"}}}`, vin)
	default:
		w.WriteHeader(http.StatusNotFound)
	}
}

// TestAWeekAsInTheBenchmark: the whole bridge, with its loop, its limits and its store,
// reads as the plan does in the benchmark.
func TestAWeekAsInTheBenchmark(t *testing.T) {
	if testing.Short() {
		t.Skip("a simulated week: left out with -short")
	}
	const days = 7
	lives := trace.Lives()
	car := schedtest.NewCar(trace.Generate(lives[slices.IndexFunc(lives, func(l trace.Life) bool { return l.Name == "two_drivers" })], 77, days))
	cars := map[string]*schedtest.Car{"car": car}
	planned := schedtest.Score("week", "frugal", cars, schedtest.Replay(cars, schedule.Frugal, latency), schedtest.Volvo)
	var reads []schedtest.Read
	var other int
	synctest.Test(t, func(t *testing.T) {
		cloud := newTraced(car)
		r := newRig(t, cloud, account.Vehicle{VIN: vin})
		r.opts.Polling.Rules.Profile = schedule.Frugal
		r.start()
		time.Sleep(days * 24 * time.Hour)
		synctest.Wait()
		r.stop()
		reads, other = cloud.reads, cloud.other
	})
	got := schedtest.Score("week", "bridge", cars, reads, schedtest.Volvo)
	t.Logf("calls a day %.0f, in the benchmark %.0f; wrong %.0f and %.0f s a day; %d other calls", got.Calls, planned.Calls, got.Wrong, planned.Wrong, other)
	for what, pair := range map[string][2]float64{"calls": {got.Calls, planned.Calls}, "wrong seconds": {got.Wrong, planned.Wrong}} {
		if math.Abs(pair[0]/pair[1]-1) > 0.03 {
			t.Errorf("%s: %.0f, in the benchmark %.0f", what, pair[0], pair[1])
		}
	}
	if other > 40*days {
		t.Errorf("%d calls for what hardly changes", other)
	}
}
