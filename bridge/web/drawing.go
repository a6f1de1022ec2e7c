package web

import (
	"cmp"
	"crypto/rand"
	"fmt"
	"maps"
	"net/http"
	"slices"
	"strings"
	"time"

	"volvobridge/bridge/history"
	"volvobridge/bridge/web/el"
)

// newID names a form, so that sending it twice is one command.
func newID() string { return "page-" + rand.Text()[:12] }

const iconSVG = `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 32 32"><rect width="32" height="32" rx="7" fill="#1c4e80"/><path d="M6 20v-4l3-1 3-5h8l4 5 3 1v4z" fill="#fff"/><circle cx="11" cy="21" r="3" fill="#1c4e80" stroke="#fff" stroke-width="1.5"/><circle cx="22" cy="21" r="3" fill="#1c4e80" stroke="#fff" stroke-width="1.5"/></svg>`

func icon(w http.ResponseWriter, _ *http.Request) {
	w.Header().Set("Content-Type", "image/svg+xml")
	w.Header().Set("Cache-Control", "max-age=86400")
	_, _ = w.Write([]byte(iconSVG)) // the browser may have left
}

// partShapes are where the parts of a car are on the drawing, closed and open, as paths.
// The car drives upwards.
var partShapes = []struct{ id, closed, open string }{
	{"hood", "M32 24Q60 12 88 24L90 58Q60 50 30 58Z", "M28 4Q60 -6 92 4L90 58Q60 50 30 58Z"},
	{"tailgate", "M30 200Q60 208 90 200L87 226Q60 234 33 226Z", "M30 200Q60 208 90 200L92 244Q60 252 28 244Z"},
	{"door_front_left", "M22 84h6v42h-6z", "M24 84L-4 108l3 5L28 92z"},
	{"door_front_right", "M92 84h6v42h-6z", "M96 84L124 108l-3 5L92 92z"},
	{"door_rear_left", "M22 130h6v40h-6z", "M24 130L-4 154l3 5L28 138z"},
	{"door_rear_right", "M92 130h6v40h-6z", "M96 130L124 154l-3 5L92 138z"},
	{"window_front_left", "M30 86h6v36h-6z", "M30 86h6v36h-6z"},
	{"window_front_right", "M84 86h6v36h-6z", "M84 86h6v36h-6z"},
	{"window_rear_left", "M30 130h6v34h-6z", "M30 130h6v34h-6z"},
	{"window_rear_right", "M84 130h6v34h-6z", "M84 130h6v34h-6z"},
	{"sunroof", "M44 98h32v30h-32z", "M44 98h32v30h-32z"},
	{"tank_lid", "M92 182h6v10h-6z", "M96 180l14 4v10l-14 2z"},
	{"tire_front_left", "M12 50h9v28h-9z", ""}, {"tire_front_right", "M99 50h9v28h-9z", ""},
	{"tire_rear_left", "M12 176h9v28h-9z", ""}, {"tire_rear_right", "M99 176h9v28h-9z", ""},
}

func path(class, d string, title string) el.Node {
	return el.El("path", el.Class(class), el.Attr("d", d), el.If(title != "", el.El("title", el.Text(title))))
}

// topView draws the car from above: what is open is coloured, and named in its text.
func (s *sheet) topView(c *Car) el.Node {
	open, unknown, any := partsOpen(c)
	if !any {
		return nil
	}
	label := s.t("everything is closed")
	if len(open) > 0 {
		label = s.t("Open") + ": " + s.names(open)
	} else if len(unknown) > 0 {
		label = s.t("unknown")
	}
	shapes := []el.Node{
		path("s-body", "M30 22Q60 6 90 22Q98 40 98 70V190Q98 222 88 230Q60 238 32 230Q22 222 22 190V70Q22 40 30 22Z", ""),
		path("s-glass", "M30 62Q60 54 90 62L82 84Q60 78 38 84Z", ""), path("s-glass", "M38 178Q60 184 82 178L88 198Q60 206 32 198Z", ""),
	}
	for _, p := range partShapes {
		r := c.Row(p.id)
		if r == nil {
			continue
		}
		tyre := p.open == ""
		d, class := p.closed, "s-part"
		if tyre {
			class = "s-tyre"
		}
		switch {
		case r.Value == "ON":
			class = strings.TrimPrefix(class, "s-part") + " s-open"
			d = cmp.Or(p.open, p.closed)
		case r.Value == nil:
			class = "s-unknown"
		}
		shapes = append(shapes, path(strings.TrimSpace(class), d, s.name(r.Name)))
	}
	return el.El("svg", el.Attr("viewBox", "-8 -10 136 264"), el.Role("img"), el.Attr("aria-label", label), el.Group(shapes))
}

func rect(class string, x, y, width, height float64) el.Node {
	return el.El("rect", el.Class(class), number("x", x), number("y", y), number("width", max(0, width)), number("height", max(0, height)))
}

func number(name string, v float64) el.Node {
	return el.Attr(name, strings.TrimSuffix(strings.TrimRight(fmt.Sprintf("%.2f", v), "0"), "."))
}

func label(x, y float64, anchor, text string) el.Node {
	return el.El("text", number("x", x), number("y", y), el.Attr("text-anchor", anchor), el.Text(text))
}

// budgetBar draws a day's calls: those spent, those to come until the refill, and how
// far the day is.
func (s *sheet) budgetBar(a Account) el.Node {
	const width, height = 320, 22
	most := max(1, float64(a.Limit), float64(a.Forecast))
	spent, forecast := width*float64(a.Spent)/most, width*float64(a.Forecast)/most
	day := width * (1 - a.Refill.Sub(s.now).Hours()/24)
	text := s.t("%d of %d calls spent, %d expected by the refill at %s UTC", a.Spent, a.Limit, a.Forecast, a.Refill.UTC().Format("15:04"))
	return el.El("svg", el.Attr("viewBox", fmt.Sprintf("0 0 %d %d", width, height)), el.Role("img"), el.Attr("aria-label", text),
		rect("s-rest", 0, 4, width, 14), rect("s-next", 0, 4, min(width, forecast), 14), rect("s-bar", 0, 4, min(width, spent), 14),
		el.El("line", el.Class("s-now"), number("x1", day), number("x2", day), el.Attr("y1", "0"), el.Attr("y2", "22")))
}

const plotWidth, plotHeight = 320, 90

func plot(text string, nodes ...el.Node) el.Node {
	return el.El("svg", el.Attr("viewBox", fmt.Sprintf("0 0 %d %d", plotWidth, plotHeight+16)), el.Role("img"), el.Attr("aria-label", text),
		rect("s-rest", 0, plotHeight, plotWidth, 1), el.Group(nodes))
}

// daysPlot draws the calls of each of the last 30 days.
func (s *sheet) daysPlot(a Account) el.Node {
	days := maps.Clone(a.Days)
	if days == nil {
		days = history.Days{}
	}
	today := s.now.UTC().Truncate(24 * time.Hour)
	days[today.Format(time.DateOnly)] = max(days[today.Format(time.DateOnly)], a.Spent)
	most := 1
	for _, n := range days {
		most = max(most, n)
	}
	const step = float64(plotWidth) / history.MostDays
	var bars []el.Node
	for i := range history.MostDays {
		n := days[today.AddDate(0, 0, i-history.MostDays+1).Format(time.DateOnly)]
		height := float64(plotHeight-12) * float64(n) / float64(most)
		bars = append(bars, rect("s-bar", float64(i)*step+1, plotHeight-height, step-2, height))
	}
	bars = append(bars, label(0, 10, "start", s.t("at most %d", most)), label(0, plotHeight+13, "start", today.AddDate(0, 0, 1-history.MostDays).Format("02.01.")), label(plotWidth, plotHeight+13, "end", s.t("today")))
	return plot(s.t("Calls a day for 30 days, at most %d", most), bars...)
}

// valuesPlot draws how a value went over seven days.
func (s *sheet) valuesPlot(name, unit string, points []history.Point) el.Node {
	if len(points) < 2 {
		return el.P(el.Small(s.text("Nothing to draw yet; a point is kept every half hour.")))
	}
	low, high := points[0].Value, points[0].Value
	for _, p := range points {
		low, high = min(low, p.Value), max(high, p.Value)
	}
	begin := s.now.Add(-history.Span)
	var d strings.Builder
	for i, p := range points {
		x := plotWidth * p.At().Sub(begin).Hours() / history.Span.Hours()
		y := plotHeight - 4 - float64(p.Value-low)/float64(max(high-low, 0.001))*(plotHeight-20)
		fmt.Fprintf(&d, "%s%.1f %.1f", map[bool]string{true: "M", false: "L"}[i == 0], x, y)
	}
	span := s.number(float64(low)) + " - " + s.number(float64(high)) + " " + unit
	return plot(s.t("%s over 7 days, from %s to %s %s", name, s.number(float64(low)), s.number(float64(high)), unit), path("s-line", d.String(), ""),
		label(0, 10, "start", span), label(0, plotHeight+13, "start", s.t("7 days ago")), label(plotWidth, plotHeight+13, "end", s.t("now")))
}

// sorted lists the keys of a map in order.
func sorted[V any](m map[string]V) []string { return slices.Sorted(maps.Keys(m)) }
