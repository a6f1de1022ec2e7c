// Package logbook keeps the last lines of the log in memory, redacted, for the page.
package logbook

import (
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"
	"time"

	"volvobridge/bridge/web"
)

const (
	most     = 500  // lines
	mostLine = 2000 // bytes of one
)

// Book takes lines of JSON, as zerolog writes them, and keeps the last ones. It
// implements [web.Log].
type Book struct {
	mask func([]byte) []byte

	news web.News

	mu    sync.Mutex
	lines [][]byte
}

// New returns an empty one; mask says what may be seen of a line.
func New(mask func([]byte) []byte) *Book { return &Book{mask: mask} }

// Write implements [io.Writer].
func (b *Book) Write(line []byte) (int, error) {
	masked := slices.Clone(b.mask(line)) // the logger uses its own again
	if len(masked) > mostLine {
		masked = []byte(fmt.Sprintf(`{"level":"info","time":%q,"message":"a line of %d bytes was left out"}`, time.Now().UTC().Format(time.RFC3339), len(masked)))
	}
	b.mu.Lock()
	b.lines = append(b.lines[max(0, len(b.lines)-most+1):], masked)
	b.mu.Unlock()
	b.news.Tell()
	return len(line), nil
}

// Changed implements [web.Log].
func (b *Book) Changed() <-chan struct{} { return b.news.Wait() }

// Lines implements [web.Log].
func (b *Book) Lines() []web.LogLine {
	b.mu.Lock()
	raw := slices.Clone(b.lines)
	b.mu.Unlock()
	lines := make([]web.LogLine, 0, len(raw))
	for _, text := range raw {
		lines = append(lines, parse(text))
	}
	return lines
}

// parse takes a line apart. One that is no JSON, as after masking, is shown as it is.
func parse(text []byte) web.LogLine {
	var fields map[string]any
	if json.Unmarshal(text, &fields) != nil {
		return web.LogLine{Level: "info", Text: strings.TrimSpace(string(text))}
	}
	take := func(name string) string {
		s, _ := fields[name].(string)
		delete(fields, name)
		return s
	}
	line := web.LogLine{Level: take("level"), Text: take("message")}
	line.At, _ = time.Parse(time.RFC3339, take("time")) // zero, if it is none
	line.Car, _ = fields["car"].(string)
	var rest []string
	for _, name := range slices.Sorted(maps.Keys(fields)) {
		rest = append(rest, fmt.Sprintf("%s=%v", name, fields[name]))
	}
	line.Rest = strings.Join(rest, " ")
	return line
}
