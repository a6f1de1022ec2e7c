package schedule_test

import (
	"encoding/json"
	"math"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"

	"volvobridge/bridge/schedule"
	"volvobridge/bridge/schedule/schedtest"
	"volvobridge/volvo/simulator/trace"
)

// scored is a row as the reference scorer writes it.
type scored struct {
	Policy   string      `json:"policy"`
	Calls    float64     `json:"calls"`
	Most     int         `json:"calls_max"`
	Spent    int         `json:"quota_403"`
	Refused  int         `json:"limit_429"`
	Wrong    float64     `json:"wrong"`
	Weighted float64     `json:"weighted"`
	Missed   float64     `json:"missed"`
	Door     [3]*float64 `json:"door"`
	Lock     [3]*float64 `json:"lock"`
	Engine   [3]*float64 `json:"engine"`
	Plug     [3]*float64 `json:"plug"`
	DoorLock [3]*float64 `json:"doorlock"`
}

// rowOf scores the policy of a reference row on a trace.
func rowOf(t *testing.T, policy string, cars map[string]*schedtest.Car) schedtest.Row {
	t.Helper()
	if calls, ok := strings.CutPrefix(policy, "oracle@"); ok {
		n, err := strconv.ParseFloat(calls, 64)
		if err != nil {
			t.Fatal(err)
		}
		return schedtest.OracleRow("", cars, n)
	}
	i := slices.IndexFunc(schedtest.Peers, func(p schedtest.Peer) bool { return p.Name == policy })
	if i < 0 {
		t.Fatalf("no policy %s", policy)
	}
	return schedtest.Score("", policy, cars, schedtest.Peers[i].Reads(cars, 1), schedtest.Volvo)
}

// compare tells where a row differs from the reference's by a second a day or more.
func compare(t *testing.T, name string, got schedtest.Row, want scored) {
	t.Helper()
	differ := func(what string, got, want, by float64) {
		if math.Abs(got-want) > by {
			t.Errorf("%s: %s is %v, by the reference %v", name, what, got, want)
		}
	}
	differ("calls", got.Calls, want.Calls, 0.01)
	differ("most calls", float64(got.MostCalls), float64(want.Most), 0)
	differ("403", float64(got.Refused403), float64(want.Spent), 0)
	differ("429", float64(got.Refused429), float64(want.Refused), 0)
	differ("wrong", got.Wrong, want.Wrong, 0.5)
	differ("weighted", got.Weighted, want.Weighted, 0.5)
	differ("missed", got.Missed, want.Missed, 1e-9)
	for class, q := range map[string][3]*float64{"door": want.Door, "lock": want.Lock, "engine": want.Engine, "plug": want.Plug} {
		if q[0] != nil {
			differ(class+" p50", got.Latency[class].P50, *q[0], 0.01)
			differ(class+" p95", got.Latency[class].P95, *q[1], 0.01)
		}
	}
	if want.DoorLock[0] != nil {
		differ("door and lock p50", got.DoorLock.P50, *want.DoorLock[0], 0.01)
	}
}

// TestScoresOfASmallTrace: a trace written by hand, with what the reference scorer makes
// of it.
func TestScoresOfASmallTrace(t *testing.T) {
	tr, err := trace.Open("testdata/small.jsonl")
	if err != nil {
		t.Fatal(err)
	}
	data, err := os.ReadFile("testdata/small.scores.json")
	if err != nil {
		t.Fatal(err)
	}
	var rows []scored
	if err := json.Unmarshal(data, &rows); err != nil {
		t.Fatal(err)
	}
	cars := map[string]*schedtest.Car{"car": schedtest.NewCar(tr)}
	for _, row := range rows {
		compare(t, row.Policy, rowOf(t, row.Policy, cars), row)
	}
	if len(rows) < 6 {
		t.Errorf("only %d rows", len(rows))
	}
}

// TestScoresOfTheExamples: to the second what the reference scorer prints, of the peers,
// the oracle and our own reads.
func TestScoresOfTheExamples(t *testing.T) {
	folder := filepath.Join("..", "..", "..", "shared", "polling")
	script := filepath.Join(folder, "score.py")
	python, err := exec.LookPath("python3")
	if _, missing := os.Stat(script); missing != nil || err != nil {
		t.Skip("no reference scorer or no python3: own traces are scored all the same")
	}
	traces, err := trace.Folder(filepath.Join(folder, "examples"))
	if err != nil {
		t.Fatal(err)
	}
	runs := schedtest.Alone(traces)
	dir := t.TempDir()
	var files []string
	ours := map[string]schedtest.Row{}
	all := map[string]map[string]*schedtest.Car{}
	for _, run := range runs {
		cars, err := run.Prepare(traces)
		if err != nil {
			t.Fatal(err)
		}
		all[run.Name] = cars
		reads := schedtest.Replay(cars, schedule.Frugal, nil)
		if err := schedtest.WriteReads(dir, "frugal", run, reads); err != nil {
			t.Fatal(err)
		}
		ours[run.Name] = schedtest.Score(run.Name, "frugal", cars, reads, schedtest.Volvo)
		files = append(files, filepath.Join(dir, "frugal."+run.Name+".jsonl"))
	}
	out := filepath.Join(dir, "out.jsonl")
	if text, err := exec.Command(python, append([]string{script, "--traces", filepath.Join(folder, "examples"), "--json", out}, files...)...).CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, text)
	}
	data, err := os.ReadFile(out)
	if err != nil {
		t.Fatal(err)
	}
	n := 0
	for line := range strings.Lines(string(data)) {
		var row struct {
			scored
			Run string `json:"run"`
		}
		if err := json.Unmarshal([]byte(line), &row); err != nil {
			t.Fatal(err)
		}
		n++
		switch {
		case row.Policy == "frugal":
			compare(t, row.Run+" frugal", ours[row.Run], row.scored)
		case strings.HasPrefix(row.Policy, "oracle@"):
			compare(t, row.Run+" oracle", schedtest.OracleRow("", all[row.Run], ours[row.Run].Calls), row.scored)
		default:
			compare(t, row.Run+" "+row.Policy, rowOf(t, row.Policy, all[row.Run]), row.scored)
		}
	}
	if n != 6*len(runs) {
		t.Errorf("%d rows of %d runs", n, len(runs))
	}
}

// TestThePlanIsFrugalAndFresh: three lives for some days, against Home Assistant's
// integration. The benchmark holds all of it.
func TestThePlanIsFrugalAndFresh(t *testing.T) {
	if testing.Short() {
		t.Skip("replays days: left out with -short")
	}
	for _, l := range trace.Lives() {
		if l.Name != "commuter_bev" && l.Name != "family_petrol" && l.Name != "two_drivers" {
			continue
		}
		cars := map[string]*schedtest.Car{"car": schedtest.NewCar(trace.Generate(l, 5, 8))}
		core := schedtest.Score(l.Name, "", cars, schedtest.Peers[0].Reads(cars, 1), schedtest.Volvo)
		for profile, most := range map[schedule.Profile][2]float64{schedule.Frugal: {.50, .30}, schedule.Fresh: {1.75, .20}} {
			row := schedtest.Score(l.Name, "", cars, schedtest.Replay(cars, profile, nil), schedtest.Volvo)
			if row.Calls > most[0]*core.Calls || row.Wrong > most[1]*core.Wrong || row.MostCalls > 9500 || row.Refused403+row.Refused429 > 0 {
				t.Errorf("%s %s: %.0f calls a day, %d on the dearest, wrong %.0f s a day; Home Assistant's integration %.0f and %.0f", l.Name, profile, row.Calls, row.MostCalls, row.Wrong, core.Calls, core.Wrong)
			}
		}
	}
}
