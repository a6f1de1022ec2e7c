package main

import (
	"os"
	"strings"
	"testing"

	"volvobridge/bridge"
)

// TestReadmeTables keeps the README's tables those of the code; with
// UPDATE_README=1 it writes them.
func TestReadmeTables(t *testing.T) {
	const file = "../../README.md"
	data, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	text := string(data)
	for name, table := range map[string]string{"commands": bridge.CommandTable(), "entities": bridge.EntityTable(), "bridge": bridge.BridgeTable()} {
		before, rest, ok := strings.Cut(text, "<!-- "+name+" -->\n")
		old, after, end := strings.Cut(rest, "<!-- end -->")
		if !ok || !end {
			t.Fatalf("the README has no place for the table %s", name)
		}
		if old != table && os.Getenv("UPDATE_README") == "" {
			t.Errorf("the table %s is not the code's: UPDATE_README=1 go test ./cmd/volvobridge", name)
		}
		text = before + "<!-- " + name + " -->\n" + table + "<!-- end -->" + after
	}
	if os.Getenv("UPDATE_README") != "" {
		if err := os.WriteFile(file, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
}
