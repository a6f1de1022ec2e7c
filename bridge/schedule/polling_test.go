package schedule_test

import (
	"fmt"
	"maps"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"volvobridge/bridge/schedule"
	"volvobridge/bridge/schedule/schedtest"
	"volvobridge/volvo"
	"volvobridge/volvo/simulator/trace"
)

const (
	reportingSeed = 4021
	tuningSeed    = 17
)

// replay runs our policy over cars that share a key, as the account does: the quota, the
// limit of a minute and the plan decide.
func replay(cars map[string]*schedtest.Car, profile schedule.Profile) []schedtest.Read {
	names := slices.Sorted(maps.Keys(cars))
	first := cars[names[0]].Trace
	start, end := first.Start, first.Start
	plan := schedule.NewPlan(schedule.Rules{Profile: profile, MinInterval: 10 * time.Second})
	quota := schedule.NewQuota(10000, 500, []string{"key"}, start)
	window := schedule.NewWindow(90, time.Minute)
	clouds := map[string]*schedtest.Cloud{}
	for _, name := range names {
		t := cars[name].Trace
		clouds[name] = schedtest.NewCloud(cars[name])
		end = later(end, start.Add(time.Duration(t.Days*24)*time.Hour))
		var resources []volvo.Resource
		for _, r := range t.Resources {
			resources = append(resources, volvo.Resource(r))
		}
		plan.Add(name, resources, start)
		for _, r := range resources {
			plan.Know(schedule.Key{Car: name, Resource: r}, clouds[name].Read(string(r), 0), start)
		}
	}
	var reads []schedtest.Read
	for now := start; now.Before(end); {
		plan.Budget(quota.Budget(now))
		wait := window.Wait(now, 0)
		_, free := quota.Pick(now, false)
		if wait == 0 && free {
			if key, _, ok := plan.Next(now, false); ok {
				window.Count(now)
				quota.Count(0, now, false)
				t := now.Sub(start).Seconds()
				reads = append(reads, schedtest.Read{T: t, Car: key.Car, Resource: string(key.Resource)})
				plan.Answer(key, clouds[key.Car].Read(string(key.Resource), t), now)
				continue
			}
		}
		next, ok := plan.Wake(false)
		if !ok {
			break
		}
		if !free {
			next = later(next, quota.Free(now, false))
		}
		next = later(next, now.Add(wait))
		now = later(next, now.Add(time.Millisecond))
	}
	return reads
}

func later(a, b time.Time) time.Time {
	if b.After(a) {
		return b
	}
	return a
}

// TestTune prints what the policy does on the seeds that it is tuned on.
func TestTune(t *testing.T) {
	if os.Getenv("POLLING_TUNE") == "" {
		t.Skip("POLLING_TUNE is not set: only for work on the policy")
	}
	var traces []*trace.Trace
	for _, l := range trace.Lives() {
		traces = append(traces, trace.Generate(l, tuningSeed, 30))
	}
	if dir := os.Getenv("POLLING_TRACES"); dir != "" {
		more, err := trace.Folder(dir)
		if err != nil {
			t.Fatal(err)
		}
		traces = append(traces, more...)
	}
	oracle := os.Getenv("POLLING_TUNE") == "oracle"
	mean := map[schedule.Profile][4]float64{}
	n := 0.0
	for _, tr := range traces {
		if only := os.Getenv("POLLING_ONLY"); only != "" && !strings.Contains(tr.Name, only) {
			continue
		}
		n++
		cars := map[string]*schedtest.Car{"car": schedtest.NewCar(tr)}
		core := schedtest.Score(tr.Name, "ha-core", cars, schedtest.Peers[0].Reads(cars, 1), schedtest.Volvo)
		for _, profile := range []schedule.Profile{schedule.Frugal, schedule.Fresh} {
			began := time.Now()
			reads := replay(cars, profile)
			took := time.Since(began)
			row := schedtest.Score(tr.Name, string(profile), cars, reads, schedtest.Volvo)
			to := 0.0
			if oracle {
				to = row.Wrong / schedtest.OracleRow(tr.Name, cars, row.Calls).Wrong
			}
			fmt.Printf("%-15s %-7s calls %5.0f (%4.0f%%) max %5d  wrong %5.1f%% weighted %5.1f%% oracle %.2f  lock %3.0f/%3.0f door %3.0f/%3.0f engine %3.0f/%3.0f plug %3.0f/%3.0f  %v/read\n", tr.Name, profile,
				row.Calls, 100*row.Calls/core.Calls, row.MostCalls, 100*row.Wrong/core.Wrong, 100*row.Weighted/core.Weighted, to,
				row.Latency["lock"].P50, row.Latency["lock"].P95, row.Latency["door"].P50, row.Latency["door"].P95, row.Latency["engine"].P50, row.Latency["engine"].P95, row.Latency["plug"].P50, row.Latency["plug"].P95, took/time.Duration(len(reads)+1))
			if os.Getenv("POLLING_PARTS") != "" {
				per := map[string]int{}
				for _, r := range reads {
					per[r.Resource]++
				}
				for _, r := range tr.Resources {
					fmt.Printf("      %-22s calls %5.0f wrong %5.0f of %5.0f\n", r, float64(per[r])/tr.Days, row.Parts[r], core.Parts[r])
				}
			}
			m := mean[profile]
			mean[profile] = [4]float64{m[0] + row.Calls/core.Calls, m[1] + row.Wrong/core.Wrong, m[2] + row.Weighted/core.Weighted, m[3] + to}
		}
	}
	for profile, m := range mean {
		fmt.Printf("mean %-7s calls %.1f%% wrong %.1f%% weighted %.1f%% oracle %.2f\n", profile, 100*m[0]/n, 100*m[1]/n, 100*m[2]/n, m[3]/n)
	}
}
