// Command plot draws docs/polling.svg of the table that the polling benchmark writes:
//
//	POLLING_PLOT=/tmp/points.csv go test -run '^$' -bench Polling ./bridge/schedule
//	(cd .ci/plot && go run . /tmp/points.csv ../../docs/polling.svg)
package main

import (
	"encoding/csv"
	"fmt"
	"image/color"
	"math"
	"os"
	"slices"
	"strconv"
	"strings"

	"gonum.org/v1/plot"
	"gonum.org/v1/plot/plotter"
	"gonum.org/v1/plot/vg"
	"gonum.org/v1/plot/vg/draw"
)

func main() {
	if len(os.Args) != 3 {
		fmt.Fprintln(os.Stderr, "usage: plot POINTS.csv PICTURE.svg")
		os.Exit(2)
	}
	if err := run(os.Args[1], os.Args[2]); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func run(from, to string) error {
	f, err := os.Open(from)
	if err != nil {
		return err
	}
	defer f.Close()
	rows, err := csv.NewReader(f).ReadAll()
	if err != nil {
		return err
	}
	p := plot.New()
	p.Title.Text = "Polling: calls and how long what is shown is wrong"
	p.X.Label.Text = "calls a day and car"
	p.Y.Label.Text = "wrong seconds, % of ha-core's"
	p.X.Min, p.X.Max, p.Y.Min, p.Y.Max = 0, 10000, math.Log10(4), 4
	p.Y.Tick.Marker = percent{}
	p.Title.Padding = vg.Points(6)
	p.BackgroundColor = color.White
	p.Add(plotter.NewGrid())
	oracle, ours, peers, labels, names, err := points(rows[1:])
	if err != nil {
		return err
	}
	line, err := plotter.NewLine(oracle)
	if err != nil {
		return err
	}
	line.Color, line.Width = color.Gray{120}, vg.Points(1.5)
	p.Add(line)
	p.Legend.Add("oracle: knows the true phase and rates", line)
	for _, set := range []struct {
		points plotter.XYs
		names  []string
		color  color.Color
		up     float64 // from the point to its name
	}{{ours, labels, color.RGBA{0, 90, 200, 255}, -16}, {peers, names, color.RGBA{190, 60, 30, 255}, 8}} {
		points, err := plotter.NewScatter(set.points)
		if err != nil {
			return err
		}
		points.GlyphStyle = draw.GlyphStyle{Color: set.color, Radius: vg.Points(4), Shape: draw.CircleGlyph{}}
		text, err := plotter.NewLabels(plotter.XYLabels{XYs: set.points, Labels: set.names})
		if err != nil {
			return err
		}
		text.Offset = vg.Point{X: vg.Points(-30), Y: vg.Points(set.up)}
		p.Add(points, text)
	}
	p.Legend.Top = true
	return p.Save(18*vg.Centimeter, 11*vg.Centimeter, to)
}

// points are the oracle's, ours and the peers', with the names of the last two.
func points(rows [][]string) (oracle, ours, peers plotter.XYs, labels, names []string, err error) {
	for _, row := range rows {
		calls, err := strconv.ParseFloat(row[1], 64)
		if err != nil {
			return nil, nil, nil, nil, nil, err
		}
		wrong, err := strconv.ParseFloat(row[2], 64)
		if err != nil {
			return nil, nil, nil, nil, nil, err
		}
		at := plotter.XY{X: calls, Y: math.Log10(100 * wrong)}
		switch name := row[0]; {
		case strings.HasPrefix(name, "oracle"):
			oracle = append(oracle, at)
		case name == "frugal" || name == "fresh":
			ours, labels = append(ours, at), append(labels, "volvobridge "+name)
		default:
			peers, names = append(peers, at), append(names, name)
		}
	}
	slices.SortFunc(oracle, func(a, b plotter.XY) int { return int(a.X - b.X) })
	return oracle, ours, peers, labels, names, nil
}

// percent are the marks of the vertical axis, which is logarithmic.
type percent struct{}

// Ticks implements [plot.Ticker].
func (percent) Ticks(_, _ float64) []plot.Tick {
	var ticks []plot.Tick
	for _, v := range []float64{5, 10, 20, 50, 100, 200, 1000, 5000} {
		ticks = append(ticks, plot.Tick{Value: math.Log10(v), Label: strconv.FormatFloat(v, 'f', -1, 64)})
	}
	return ticks
}
