package logbook

import (
	"bytes"
	"strings"
	"testing"

	"github.com/rs/zerolog"
)

// TestLastLines: the last 500 are kept, masked, and taken apart.
func TestLastLines(t *testing.T) {
	b := New(func(line []byte) []byte { return bytes.ReplaceAll(line, []byte("s3cret"), []byte("***")) })
	changed := b.Changed()
	log := zerolog.New(b).With().Timestamp().Logger()
	for range 3 * most {
		log.Info().Msg("before")
	}
	log.Warn().Str("car", "ex30").Str("hint", "it is s3cret").Int("times", 3).Msg("something")
	log.Info().Str("long", strings.Repeat("x", 3*mostLine)).Msg("long")
	select {
	case <-changed:
	default:
		t.Error("nobody was told")
	}
	lines := b.Lines()
	if len(lines) != most {
		t.Fatalf("%d lines", len(lines))
	}
	last := lines[most-2]
	if last.Level != "warn" || last.Car != "ex30" || last.Text != "something" || last.Rest != "car=ex30 hint=it is *** times=3" || last.At.IsZero() {
		t.Errorf("%+v", last)
	}
	if long := lines[most-1]; len(long.Text) > 100 || !strings.Contains(long.Text, "left out") {
		t.Errorf("%+v", long)
	}
	if line := parse([]byte("no JSON\n")); line.Text != "no JSON" {
		t.Errorf("%+v", line)
	}
}
