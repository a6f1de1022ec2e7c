package schedule_test

import (
	"fmt"
	"os"
	"strings"
	"testing"
	"time"

	"volvobridge/bridge/schedule"
	"volvobridge/bridge/schedule/schedtest"
	"volvobridge/volvo/simulator/trace"
)

const (
	reportingSeed = 4021
	tuningSeed    = 17
)

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
			reads := schedtest.Replay(cars, profile)
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
