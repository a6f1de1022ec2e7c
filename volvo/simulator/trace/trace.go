// Package trace holds what the cloud would answer for a car, moment by moment, over
// days: the ground on which policies of polling are compared. Traces are read from and
// written to files of the format volvobridge-trace/1, or made from a seed.
package trace

import (
	"bufio"
	"bytes"
	"compress/gzip"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"
)

const (
	format = "volvobridge-trace/1"
	// Day is a day in seconds, the unit of all times here.
	Day = 86400.0
)

// Trace is one car: what the cloud answers, and the phases that are the truth.
type Trace struct {
	Header
	Uploads []Upload // sorted by T; those of T 0 give every field of every resource
	Phases  []Phase  // sorted by T
}

// Header is the first line of a file.
type Header struct {
	Format    string    `json:"format"`
	Name      string    `json:"name"`
	Kind      string    `json:"kind"` // bev, phev, petrol
	Seed      int64     `json:"seed"`
	Days      float64   `json:"days"`
	Start     time.Time `json:"start"`
	Resources []string  `json:"resources"`
	Cloud     string    `json:"cloud"` // how it reports, for people
}

// Upload is a moment from which on the cloud answers otherwise.
type Upload struct {
	T, At    float64 // seconds since the start: visible from T on; the time that the answer carries
	Resource string
	Set      []Value // what changed; none when only the time moved
}

// Value is one field. Null is no value.
type Value struct {
	Field, Text string
	Null        bool
}

// Phase is the truth from T on.
type Phase struct {
	T    float64
	Name string
}

// End is the end of the trace in seconds.
func (t *Trace) End() float64 { return t.Days * Day }

// line is a line of a file but the first.
type line struct {
	T        float64         `json:"t"`
	Resource string          `json:"resource,omitzero"`
	At       *float64        `json:"at,omitzero"`
	Set      json.RawMessage `json:"set,omitempty"`
	Phase    string          `json:"phase,omitzero"`
}

// Open reads a file, NAME.jsonl or NAME.jsonl.gz.
func Open(path string) (*Trace, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	var r io.Reader = f
	if strings.HasSuffix(path, ".gz") {
		if r, err = gzip.NewReader(f); err != nil {
			return nil, fmt.Errorf("%s: %w", path, err)
		}
	}
	t, err := Read(r)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	return t, nil
}

// Folder reads all traces of a folder, by name.
func Folder(dir string) ([]*Trace, error) {
	var traces []*Trace
	for _, pattern := range []string{"*.jsonl", "*.jsonl.gz"} {
		paths, err := filepath.Glob(filepath.Join(dir, pattern))
		if err != nil {
			return nil, err
		}
		for _, path := range paths {
			if filepath.Base(path) == "runs.jsonl" {
				continue
			}
			t, err := Open(path)
			if err != nil {
				return nil, err
			}
			traces = append(traces, t)
		}
	}
	slices.SortFunc(traces, func(a, b *Trace) int { return strings.Compare(a.Name, b.Name) })
	return traces, nil
}

// Read reads a trace.
func Read(r io.Reader) (*Trace, error) {
	t := &Trace{}
	lines := bufio.NewScanner(r)
	lines.Buffer(nil, 1<<24)
	for n := 1; lines.Scan(); n++ {
		if len(bytes.TrimSpace(lines.Bytes())) == 0 {
			continue
		}
		if t.Format == "" {
			if err := json.Unmarshal(lines.Bytes(), &t.Header); err != nil || t.Format != format {
				return nil, fmt.Errorf("line %d: the first line must be a header of the format %s", n, format)
			}
			continue
		}
		if err := t.add(lines.Bytes()); err != nil {
			return nil, fmt.Errorf("line %d: %w", n, err)
		}
	}
	if t.Format == "" && lines.Err() == nil {
		return nil, fmt.Errorf("there is no header")
	}
	return t, lines.Err()
}

func (t *Trace) add(data []byte) error {
	var l line
	if err := json.Unmarshal(data, &l); err != nil {
		return err
	}
	if l.Phase != "" {
		t.Phases = append(t.Phases, Phase{l.T, l.Phase})
		return nil
	}
	u := Upload{T: l.T, At: l.T, Resource: l.Resource}
	if l.At != nil {
		u.At = *l.At
	}
	var err error
	u.Set, err = values(l.Set)
	t.Uploads = append(t.Uploads, u)
	return err
}

// values reads an object in the order in which it stands.
func values(data json.RawMessage) ([]Value, error) {
	if len(data) == 0 {
		return nil, nil
	}
	d := json.NewDecoder(bytes.NewReader(data))
	if _, err := d.Token(); err != nil {
		return nil, err
	}
	var all []Value
	for d.More() {
		key, err := d.Token()
		if err != nil {
			return nil, err
		}
		var x any
		if err := d.Decode(&x); err != nil {
			return nil, err
		}
		v := Value{Field: fmt.Sprint(key), Text: text(x)}
		v.Null = x == nil
		all = append(all, v)
	}
	return all, nil
}

// text writes equal values equally: 1 and 1.0 are the same.
func text(x any) string {
	switch x := x.(type) {
	case nil:
		return ""
	case float64:
		return strconv.FormatFloat(x, 'f', -1, 64)
	case string:
		return x
	}
	data, _ := json.Marshal(x) // it was JSON
	return string(data)
}

// Write writes a trace as Read reads it.
func (t *Trace) Write(w io.Writer) error {
	out := bufio.NewWriter(w)
	e := json.NewEncoder(out)
	e.SetEscapeHTML(false)
	head := t.Header
	head.Format = format
	if err := e.Encode(head); err != nil {
		return err
	}
	phases := t.Phases
	for _, u := range t.Uploads {
		for len(phases) > 0 && phases[0].T < u.T {
			if err := e.Encode(line{T: phases[0].T, Phase: phases[0].Name}); err != nil {
				return err
			}
			phases = phases[1:]
		}
		if err := e.Encode(line{T: u.T, At: &u.At, Resource: u.Resource, Set: object(u.Set)}); err != nil {
			return err
		}
	}
	for _, p := range phases {
		if err := e.Encode(line{T: p.T, Phase: p.Name}); err != nil {
			return err
		}
	}
	return out.Flush()
}

func object(set []Value) json.RawMessage {
	if len(set) == 0 {
		return nil
	}
	var b bytes.Buffer
	for i, v := range set {
		if i == 0 {
			b.WriteByte('{')
		} else {
			b.WriteByte(',')
		}
		key, _ := json.Marshal(v.Field)
		b.Write(key)
		b.WriteByte(':')
		switch _, err := strconv.ParseFloat(v.Text, 64); {
		case v.Null:
			b.WriteString("null")
		case err == nil:
			b.WriteString(v.Text)
		default:
			word, _ := json.Marshal(v.Text)
			b.Write(word)
		}
	}
	b.WriteByte('}')
	return b.Bytes()
}
