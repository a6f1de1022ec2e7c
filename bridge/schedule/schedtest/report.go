package schedtest

import (
	"bufio"
	"encoding/json"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"volvobridge/volvo/simulator/trace"
)

// Run is cars on one key: their names in the run, and the names of their traces.
type Run struct {
	Name string            `json:"run"`
	Cars map[string]string `json:"cars"`
}

// Runs reads the runs of a folder of traces: each trace alone, and those of runs.jsonl.
func Runs(dir string, traces []*trace.Trace) ([]Run, error) {
	runs := Alone(traces)
	f, err := os.Open(filepath.Join(dir, "runs.jsonl"))
	if os.IsNotExist(err) {
		return runs, nil
	}
	if err != nil {
		return nil, err
	}
	defer f.Close()
	for lines := bufio.NewScanner(f); lines.Scan(); {
		if strings.TrimSpace(lines.Text()) == "" {
			continue
		}
		var r Run
		if err := json.Unmarshal(lines.Bytes(), &r); err != nil {
			return nil, fmt.Errorf("runs.jsonl: %w", err)
		}
		runs = append(runs, r)
	}
	return runs, nil
}

// Alone are runs of one trace each.
func Alone(traces []*trace.Trace) []Run {
	var runs []Run
	for _, t := range traces {
		runs = append(runs, Run{t.Name, map[string]string{"car": t.Name}})
	}
	return runs
}

// WriteReads writes POLICY.RUN.jsonl of the format volvobridge-reads/1 into a folder.
func WriteReads(dir, policy string, run Run, reads []Read) error {
	f, err := os.Create(filepath.Join(dir, policy+"."+run.Name+".jsonl"))
	if err != nil {
		return err
	}
	defer f.Close()
	w := bufio.NewWriter(f)
	head, err := json.Marshal(map[string]any{"format": "volvobridge-reads/1", "policy": policy, "run": run.Name, "cars": run.Cars})
	if err != nil {
		return err
	}
	fmt.Fprintf(w, "%s\n", head)
	reads = slices.Clone(reads)
	slices.SortStableFunc(reads, func(a, b Read) int {
		switch {
		case a.T < b.T:
			return -1
		case a.T > b.T:
			return 1
		}
		return 0
	})
	for _, r := range reads {
		fmt.Fprintf(w, `{"t":%v,"car":%q,"resource":%q`, r.T, r.Car, r.Resource)
		if r.Key != 0 {
			fmt.Fprintf(w, `,"key":%d`, r.Key)
		}
		fmt.Fprintln(w, "}")
	}
	if err := w.Flush(); err != nil {
		return err
	}
	return f.Close()
}

// Head is the line above the rows.
const Head = "run              policy                  calls   max   403   429   over%  wrong s/day  core%   weighted  core%  miss%        door        lock      engine        plug"

// Line is a row for people; core is Home Assistant's integration on the same run.
func (row Row) Line(core Row) string {
	line := fmt.Sprintf("%-16s %-20s %8.0f %5d %5d %5d %7.2f %12.0f %6.1f %10.0f %6.1f %6.1f", row.Run, row.Policy, row.Calls, row.MostCalls, row.Refused403, row.Refused429, 100*row.MinutesOver,
		row.Wrong, 100*row.Wrong/core.Wrong, row.Weighted, 100*row.Weighted/core.Weighted, 100*row.Missed)
	for _, class := range Classes {
		q := row.Latency[class]
		if q.N == 0 {
			line += fmt.Sprintf(" %11s", "-")
			continue
		}
		line += fmt.Sprintf(" %11s", fmt.Sprintf("%.0f/%.0f", q.P50, q.P95))
	}
	return line
}

// Prepare makes the cars of a run.
func (r Run) Prepare(traces []*trace.Trace) (map[string]*Car, error) {
	cars := map[string]*Car{}
	for _, car := range slices.Sorted(maps.Keys(r.Cars)) {
		i := slices.IndexFunc(traces, func(t *trace.Trace) bool { return t.Name == r.Cars[car] })
		if i < 0 {
			return nil, fmt.Errorf("run %s: there is no trace %s", r.Name, r.Cars[car])
		}
		cars[car] = NewCar(traces[i])
	}
	return cars, nil
}
