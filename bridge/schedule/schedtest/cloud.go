package schedtest

import (
	"sort"
	"strings"
	"time"

	"volvobridge/volvo"
)

// Cloud answers reads of a trace in the order of time.
type Cloud struct {
	start   time.Time
	by      map[string]*history
	at      map[string]int // uploads seen
	answers map[string]volvo.Readings
}

// NewCloud returns the cloud of a car at its start.
func NewCloud(c *Car) *Cloud {
	cloud := &Cloud{start: c.Trace.Start, by: map[string]*history{}, at: map[string]int{}, answers: map[string]volvo.Readings{}}
	for _, h := range c.resources {
		cloud.by[h.name] = h
	}
	return cloud
}

// Read answers a read of a resource at a time in seconds; the times must not fall. The
// answer is not changed afterwards.
func (c *Cloud) Read(resource string, t float64) volvo.Readings {
	h := c.by[resource]
	if h == nil { // what no trace has: it never changes
		return volvo.Readings{}
	}
	from := c.at[resource]
	n := from + sort.Search(len(h.uploads)-from, func(i int) bool { return h.uploads[from+i].T > t })
	if n == from {
		return c.answers[resource]
	}
	answer := make(volvo.Readings, len(c.answers[resource]))
	stamp := c.start.Add(seconds(h.uploads[n-1].At))
	for name, reading := range c.answers[resource] {
		reading.Time = stamp
		answer[name] = reading
	}
	for _, u := range h.uploads[from:n] {
		for _, v := range u.Set {
			r := volvo.Reading{Value: v.Text, Time: stamp}
			if v.Null {
				r.Value = ""
			}
			if lat, lon, ok := strings.Cut(v.Text, ","); ok && v.Field == "position" { // as the Location API's answer is decoded
				answer["latitude"], answer["longitude"] = volvo.Reading{Value: lat, Time: stamp}, volvo.Reading{Value: lon, Time: stamp}
				continue
			}
			answer[v.Field] = r
		}
	}
	c.at[resource], c.answers[resource] = n, answer
	return answer
}
