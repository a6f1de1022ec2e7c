package main

import (
	"os"
	"slices"
	"strings"
	"testing"

	"gopkg.in/yaml.v3"

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
	for name, table := range map[string]string{"commands": bridge.CommandTable(), "entities": bridge.EntityTable(), "bridge": bridge.BridgeTable(), "scopes": bridge.ScopeTable()} {
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

// TestComposeFile: the compose file parses, and its broker has the README's rights.
func TestComposeFile(t *testing.T) {
	data, err := os.ReadFile("../../docker-compose.yml")
	if err != nil {
		t.Fatal(err)
	}
	var compose struct {
		Services map[string]struct {
			ReadOnly    bool              `yaml:"read_only"`
			Volumes     []string          `yaml:"volumes"`
			Environment map[string]string `yaml:"environment"`
			Grace       string            `yaml:"stop_grace_period"`
		}
		Configs map[string]struct{ Content string }
	}
	if err := yaml.Unmarshal(data, &compose); err != nil {
		t.Fatal(err)
	}
	bridge := compose.Services["volvobridge"]
	if !bridge.ReadOnly || len(bridge.Volumes) != 1 || bridge.Grace != "40s" || len(compose.Services) != 3 {
		t.Errorf("%+v", bridge)
	}
	var environ []string
	for name, value := range bridge.Environment {
		environ = append(environ, name+"="+strings.NewReplacer(":?put it into .env}", "}").Replace(value))
	}
	if _, err := parseConfig(nil, environ); err != nil {
		t.Errorf("its environment is no configuration: %v", err)
	}
	readme, err := os.ReadFile("../../README.md")
	if err != nil {
		t.Fatal(err)
	}
	_, acl, _ := strings.Cut(string(readme), "```acl\n")
	for line := range strings.Lines(compose.Configs["acl"].Content) {
		if line = strings.TrimSpace(line); line != "" && !strings.Contains(acl, line+"\n") {
			t.Errorf("%q is not in the README's access rules", line)
		}
	}
}

// TestBlueprintSentences: the blueprint listens to the program's own sentences.
func TestBlueprintSentences(t *testing.T) {
	data, err := os.ReadFile("../../docs/blueprints/talk_to_my_car.yaml")
	if err != nil {
		t.Fatal(err)
	}
	var file struct {
		Blueprint struct {
			Input struct {
				Sentences struct {
					Input map[string]struct{ Default []string }
				}
			}
		}
		Triggers []struct{ ID string }
	}
	if err := yaml.Unmarshal(data, &file); err != nil {
		t.Fatal(err)
	}
	want := bridge.Sentences("")
	for what, list := range want {
		if got := file.Blueprint.Input.Sentences.Input[what].Default; !slices.Equal(got, list) {
			t.Errorf("%s: the blueprint has %q, the program %q", what, got, list)
		}
	}
	if len(file.Triggers) != len(want) || len(file.Blueprint.Input.Sentences.Input) != len(want) {
		t.Errorf("%d triggers for %d kinds of sentences", len(file.Triggers), len(want))
	}
}
