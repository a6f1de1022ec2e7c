package schedtest

import (
	"maps"
	"math"
	"slices"
	"time"
)

// Peer is a policy of fixed intervals, in seconds by resource; "" is every other.
type Peer struct {
	Name  string
	Table map[string]float64
}

// Peers are the tables of the programs that people come from.
var Peers = []Peer{
	{"ha-core", map[string]float64{"doors": 60, "windows": 60, "engine-status": 120, "statistics": 120, "energy": 120, "fuel": 120, "brakes": 900, "engine": 900,
		"odometer": 900, "location": 900, "command-accessibility": 1800, "diagnostics": 1800, "tyres": 1800, "warnings": 1800}},
	{"volvo2mqtt", map[string]float64{"": 300}},
	{"ha-volvo-cars", map[string]float64{"": 135}},
	{"carconnectivity", map[string]float64{"odometer": 180, "windows": 180, "doors": 180, "location": 180}},
}

// Reads returns what the peer reads; a table reads only what the car has, and what
// shares an interval is read together. All intervals are stretched by a factor.
func (p Peer) Reads(cars map[string]*Car, stretch float64) []Read {
	var all []Read
	for n, name := range slices.Sorted(maps.Keys(cars)) {
		c := cars[name]
		table := map[string]float64{}
		for _, r := range c.Trace.Resources {
			interval, ok := p.Table[r]
			if !ok {
				interval, ok = p.Table[""]
			}
			if ok {
				table[r] = interval
			}
		}
		tiers := slices.Compact(slices.Sorted(maps.Values(table)))
		for r, interval := range table {
			_, k := math.Modf(0.6180339887 * float64(1+slices.Index(tiers, interval)+7*n))
			for i := 0.0; (k+i)*interval*stretch < c.Trace.End(); i++ {
				all = append(all, Read{T: (k + i) * interval * stretch, Car: name, Resource: r})
			}
		}
	}
	return all
}

// PeerRows scores the peers; with several cars also stretched to fit the budget.
func PeerRows(run string, cars map[string]*Car, budget float64) []Row {
	var rows []Row
	for _, p := range Peers {
		row := Score(run, p.Name, cars, p.Reads(cars, 1), Volvo)
		rows = append(rows, row)
		if len(cars) > 1 && row.Calls > budget {
			rows = append(rows, Score(run, p.Name+" stretched", cars, p.Reads(cars, row.Calls/budget), Volvo))
		}
	}
	return rows
}

func seconds(s float64) time.Duration { return time.Duration(s * float64(time.Second)) }
