package schedule_test

import (
	"cmp"
	"fmt"
	"maps"
	"os"
	"slices"
	"strconv"
	"strings"
	"testing"

	"volvobridge/bridge/schedule"
	"volvobridge/bridge/schedule/schedtest"
	"volvobridge/volvo/simulator/trace"
)

// reportingSeed is that of the cars that the benchmark reports; the policy was tuned on
// others (POLLING_SEED).
const reportingSeed = 4021

// outcome is how a run went: its rows by policy.
type outcome struct {
	run  schedtest.Run
	rows map[string]schedtest.Row
}

const budget = 9500

// BenchmarkPolling replays traces through every policy and prints a line for each: ours,
// the peers' and the oracle's. POLLING_TRACES names a folder of other traces,
// POLLING_READS one for the reads, POLLING_PLOT a file for the table of the plot. On its
// own traces, of seeds that nothing was tuned on, it fails when a goal is missed.
func BenchmarkPolling(b *testing.B) {
	traces, runs, own := tracesAndRuns(b)
	var all []outcome
	for range b.N { // once: it takes longer than a second
		all = nil
		fmt.Printf("\n%s\n", schedtest.Head)
		for _, run := range runs {
			all = append(all, play(b, run, traces))
		}
		summary(all)
	}
	if own {
		goals(b, all)
	}
	if path := os.Getenv("POLLING_PLOT"); path != "" {
		writePoints(b, path, all, traces)
	}
}

// tracesAndRuns are those of POLLING_TRACES, else our own.
func tracesAndRuns(tb testing.TB) ([]*trace.Trace, []schedtest.Run, bool) {
	tb.Helper()
	if dir := os.Getenv("POLLING_TRACES"); dir != "" {
		traces, err := trace.Folder(dir)
		if err != nil {
			tb.Fatal(err)
		}
		runs, err := schedtest.Runs(dir, traces)
		if err != nil {
			tb.Fatal(err)
		}
		return traces, runs, false
	}
	seed := int64(reportingSeed)
	if text := os.Getenv("POLLING_SEED"); text != "" {
		var err error
		if seed, err = strconv.ParseInt(text, 10, 64); err != nil {
			tb.Fatal(err)
		}
	}
	var traces []*trace.Trace
	for i, l := range trace.Lives() {
		traces = append(traces, trace.Generate(l, seed+int64(i), 30))
	}
	runs := schedtest.Alone(traces)
	for name, cars := range map[string][]string{
		"four":       {"commuter_bev", "family_petrol", "weekend_phev", "two_drivers"},
		"four_busy":  {"commuter_bev", "taxi", "night_charging", "shift_worker"},
		"eight":      {"commuter_bev", "family_petrol", "weekend_phev", "two_drivers", "airport_week", "hourly_old", "workshop_week", "shift_worker"},
		"eight_busy": {"commuter_bev", "family_petrol", "night_charging", "two_drivers", "silent_driver", "taxi", "courier", "shift_worker"},
	} {
		run := schedtest.Run{Name: name, Cars: map[string]string{}}
		for _, c := range cars {
			run.Cars[c] = c
		}
		runs = append(runs, run)
	}
	slices.SortStableFunc(runs[len(traces):], func(a, b schedtest.Run) int { return cmp.Compare(a.Name, b.Name) })
	return traces, runs, true
}

// play runs every policy on a run, and prints its lines.
func play(tb testing.TB, run schedtest.Run, traces []*trace.Trace) outcome {
	tb.Helper()
	cars, err := run.Prepare(traces)
	if err != nil {
		tb.Fatal(err)
	}
	o := outcome{run, map[string]schedtest.Row{}}
	peers := schedtest.PeerRows(run.Name, cars, budget)
	rows := slices.Clone(peers)
	for _, profile := range []schedule.Profile{schedule.Frugal, schedule.Fresh} {
		reads := schedtest.Replay(cars, profile, nil)
		writeReads(tb, string(profile), run, reads)
		row := schedtest.Score(run.Name, string(profile), cars, reads, schedtest.Volvo)
		oracle := schedtest.OracleRow(run.Name, cars, row.Calls)
		oracle.Policy = "oracle as " + string(profile)
		rows = append(rows, row, oracle)
	}
	for _, p := range schedtest.Peers {
		writeReads(tb, p.Name, run, p.Reads(cars, 1))
	}
	for _, row := range rows {
		fmt.Println(row.Line(peers[0]))
		o.rows[row.Policy] = row
	}
	return o
}

func writeReads(tb testing.TB, policy string, run schedtest.Run, reads []schedtest.Read) {
	tb.Helper()
	if dir := os.Getenv("POLLING_READS"); dir != "" {
		if err := schedtest.WriteReads(dir, policy, run, reads); err != nil {
			tb.Fatal(err)
		}
	}
}

// ratio is a number of our policy against another's, over runs.
type ratio struct {
	sum, worst float64
	n          int
	of         string
}

func (r *ratio) add(x float64, run string) {
	r.sum, r.n = r.sum+x, r.n+1
	if x > r.worst {
		r.worst, r.of = x, run
	}
}

func (r ratio) mean() float64 { return r.sum / float64(max(1, r.n)) }

func (r ratio) String() string { return fmt.Sprintf("%.2f (%.2f %s)", r.mean(), r.worst, r.of) }

// ratios are a profile's over runs.
type ratios struct{ calls, wrong, weighted, oracle, best ratio }

func over(all []outcome, profile string) (r ratios) {
	for _, o := range all {
		row, core := o.rows[profile], o.rows["ha-core"]
		r.calls.add(row.Calls/core.Calls, o.run.Name)
		r.wrong.add(row.Wrong/core.Wrong, o.run.Name)
		r.weighted.add(row.Weighted/core.Weighted, o.run.Name)
		r.oracle.add(row.Wrong/o.rows["oracle as "+profile].Wrong, o.run.Name)
		r.best.add(row.Wrong/o.bestPeer(), o.run.Name)
	}
	return r
}

// bestPeer is the least wrong of the peers that keep the budget, stretched if need be.
func (o outcome) bestPeer() float64 {
	best := 0.0
	for name, row := range o.rows {
		if strings.HasPrefix(name, "oracle") || name == string(schedule.Frugal) || name == string(schedule.Fresh) {
			continue
		}
		if best == 0 || row.Wrong < best {
			best = row.Wrong
		}
	}
	return best
}

func summary(all []outcome) {
	single := slices.DeleteFunc(slices.Clone(all), func(o outcome) bool { return len(o.run.Cars) > 1 })
	fmt.Println("\nagainst ha-core, over the runs of one car: mean (worst)")
	for _, profile := range []string{"frugal", "fresh"} {
		r := over(single, profile)
		fmt.Printf("%-6s  calls %v  wrong %v  weighted %v  to the oracle %v\n", profile, r.calls, r.wrong, r.weighted, r.oracle)
	}
	for _, o := range all {
		if len(o.run.Cars) > 1 {
			fmt.Printf("%-10s %d cars: wrong of the best peer's: frugal %.2f, fresh %.2f\n", o.run.Name, len(o.run.Cars), o.rows["frugal"].Wrong/o.bestPeer(), o.rows["fresh"].Wrong/o.bestPeer())
		}
	}
}

// goals checks what the policy promises.
func goals(b *testing.B, all []outcome) {
	b.Helper()
	most := func(what string, got, want float64) {
		if got > want {
			b.Errorf("%s: %.2f, want at most %.2f", what, got, want)
		}
	}
	single := slices.DeleteFunc(slices.Clone(all), func(o outcome) bool { return len(o.run.Cars) > 1 })
	frugal, fresh := over(single, "frugal"), over(single, "fresh")
	most("frugal: calls of core's", frugal.calls.mean(), 0.50)
	most("frugal: wrong, mean", frugal.wrong.mean(), 0.22)
	most("frugal: weighted, mean", frugal.weighted.mean(), 0.27)
	most("frugal: to the oracle, mean", frugal.oracle.mean(), 1.25)
	most("frugal: to the oracle, worst", frugal.oracle.worst, 2)
	most("fresh: wrong, mean", fresh.wrong.mean(), 0.11)
	most("fresh: wrong, worst", fresh.wrong.worst, 0.20)
	most("fresh: to the oracle, mean", fresh.oracle.mean(), 1.25)
	most("fresh: to the oracle, worst", fresh.oracle.worst, 2)
	for _, o := range single {
		ordinary := o.run.Name != "courier" && o.run.Name != "taxi"
		wrong := o.rows["frugal"].Wrong / o.rows["ha-core"].Wrong
		most(o.run.Name+" frugal: wrong", wrong, map[bool]float64{true: .30, false: .55}[ordinary])
		for class, limit := range map[string][2]float64{"door": {30, 57}, "lock": {30, 57}, "engine": {60, 114}, "plug": {60, 114}} {
			most(o.run.Name+" frugal: p50 "+class, o.rows["frugal"].Latency[class].P50, limit[0])
			if ordinary {
				most(o.run.Name+" frugal: p95 "+class, o.rows["frugal"].Latency[class].P95, limit[1])
			}
			most(o.run.Name+" fresh: p95 "+class, o.rows["fresh"].Latency[class].P95, 60)
		}
		most(o.run.Name+" fresh: p50 door and lock", o.rows["fresh"].DoorLock.P50, 9)
	}
	several := map[int]*ratio{4: {}, 8: {}}
	for _, o := range all {
		for _, profile := range []string{"frugal", "fresh"} {
			row := o.rows[profile]
			most(o.run.Name+" "+profile+": calls on a day", float64(row.MostCalls), budget)
			most(o.run.Name+" "+profile+": refused", float64(row.Refused403+row.Refused429), 0)
		}
		if r := several[len(o.run.Cars)]; r != nil {
			r.add(o.rows["frugal"].Wrong/o.bestPeer(), o.run.Name)
		}
	}
	most("four cars: of the best peer's, mean", several[4].mean(), .25)
	most("four cars: of the best peer's, worst", several[4].worst, .33)
	most("eight cars: of the best peer's, worst", several[8].worst, .40)
}

// writePoints writes what the plot shows: calls a day and wrong seconds of core's, by
// policy, in the mean over the runs of one car, and the oracle's at several numbers of
// calls.
func writePoints(tb testing.TB, path string, all []outcome, traces []*trace.Trace) {
	tb.Helper()
	sums := map[string][3]float64{}
	add := func(name string, row, core schedtest.Row) {
		s := sums[name]
		sums[name] = [3]float64{s[0] + row.Calls, s[1] + row.Wrong/core.Wrong, s[2] + 1}
	}
	for _, o := range all {
		if len(o.run.Cars) > 1 {
			continue
		}
		for name, row := range o.rows {
			if !strings.HasPrefix(name, "oracle") {
				add(name, row, o.rows["ha-core"])
			}
		}
		cars, err := o.run.Prepare(traces)
		if err != nil {
			tb.Fatal(err)
		}
		for _, calls := range []float64{1000, 1500, 2000, 3000, 4500, 6500, 9000} {
			add(fmt.Sprintf("oracle %.0f", calls), schedtest.Score("", "", cars, schedtest.Oracle(cars, calls, false), schedtest.Volvo), o.rows["ha-core"])
		}
	}
	var b strings.Builder
	b.WriteString("policy,calls,wrong\n")
	for _, name := range slices.Sorted(maps.Keys(sums)) {
		s := sums[name]
		fmt.Fprintf(&b, "%s,%.0f,%.4f\n", name, s[0]/s[2], s[1]/s[2])
	}
	if err := os.WriteFile(path, []byte(b.String()), 0o644); err != nil {
		tb.Fatal(err)
	}
}
