package main

import (
	"encoding/json"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"gopkg.in/yaml.v3"

	"volvobridge/bridge/dashboard"
	"volvobridge/bridge/entity"
	"volvobridge/bridge/web"
	"volvobridge/cmd/volvobridge/internal/config"
)

// TestTables keeps the tables of the documents those of the code; with UPDATE_DOCS=1
// it writes them.
func TestTables(t *testing.T) {
	for _, c := range []struct{ file, name, table string }{
		{"mqtt.md", "commands", entity.CommandTable()}, {"entities.md", "entities", entity.EntityTable()},
		{"entities.md", "bridge", entity.BridgeTable()}, {"login.md", "scopes", entity.ScopeTable()}, {"metrics.md", "metrics", web.MetricTable()},
	} {
		file := "../../docs/" + c.file
		data, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		before, rest, ok := strings.Cut(string(data), "<!-- "+c.name+" -->\n")
		old, after, end := strings.Cut(rest, "<!-- end -->")
		if !ok || !end {
			t.Fatalf("%s has no place for the table %s", c.file, c.name)
		}
		if old == c.table {
			continue
		}
		if os.Getenv("UPDATE_DOCS") == "" {
			t.Errorf("the table %s is not the code's: UPDATE_DOCS=1 go test ./cmd/volvobridge", c.name)
			continue
		}
		text := before + "<!-- " + c.name + " -->\n" + c.table + "<!-- end -->" + after
		if err := os.WriteFile(file, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
}

// TestAlertsAndDashboard: the files for Prometheus and Grafana are what these read, and
// ask for metrics that there are.
func TestAlertsAndDashboard(t *testing.T) {
	name := regexp.MustCompile(`volvobridge_[a-z_]+`)
	for file, read := range map[string]func([]byte, any) error{"alerts.yaml": yaml.Unmarshal, "grafana.json": json.Unmarshal} {
		data, err := os.ReadFile("../../docs/" + file)
		if err != nil {
			t.Fatal(err)
		}
		var content map[string]any
		if err := read(data, &content); err != nil || len(content) == 0 {
			t.Errorf("%s: %v", file, err)
		}
		asked := name.FindAllString(string(data), -1)
		for _, metric := range asked {
			if !strings.Contains(web.MetricTable(), "`"+metric+"`") {
				t.Errorf("%s asks for %s", file, metric)
			}
		}
		if len(asked) < 7 {
			t.Errorf("%s asks for %d metrics", file, len(asked))
		}
	}
}

// TestLinks: every link of the documents leads to a file, and to a heading in it; the
// README is short.
func TestLinks(t *testing.T) {
	pages, err := filepath.Glob("../../docs/*.md")
	if err != nil || len(pages) < 10 {
		t.Fatalf("%d pages, %v", len(pages), err)
	}
	link := regexp.MustCompile(`\]\(([^)\s]+)\)`)
	for _, page := range append(pages, "../../README.md") {
		data, err := os.ReadFile(page)
		if err != nil {
			t.Fatal(err)
		}
		for _, m := range link.FindAllStringSubmatch(string(data), -1) {
			if strings.HasPrefix(m[1], "https://") {
				continue
			}
			file, heading, _ := strings.Cut(m[1], "#")
			target := page
			if file != "" {
				target = filepath.Join(filepath.Dir(page), file)
			}
			text, err := os.ReadFile(target)
			if info, statErr := os.Stat(target); err != nil && (statErr != nil || !info.IsDir()) {
				t.Errorf("%s: the link %s leads nowhere", page, m[1])
			} else if heading != "" && !slices.Contains(headings(string(text)), heading) {
				t.Errorf("%s: there is no heading %s", page, m[1])
			}
		}
		if lines := strings.Count(string(data), "\n"); strings.HasSuffix(page, "README.md") && lines > 200 {
			t.Errorf("the README has %d lines", lines)
		}
	}
}

// headings are the anchors of a page, as they are made of its headings.
func headings(text string) []string {
	var all []string
	for _, m := range regexp.MustCompile(`(?m)^#+ (.*)$`).FindAllStringSubmatch(text, -1) {
		anchor := regexp.MustCompile(`[^a-z0-9 -]`).ReplaceAllString(strings.ToLower(m[1]), "")
		all = append(all, strings.ReplaceAll(anchor, " ", "-"))
	}
	return all
}

// TestComposeFile: the compose file parses, and its broker has the rights of docs/security.md.
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
	if _, err := config.Parse(nil, environ); err != nil {
		t.Errorf("its environment is no configuration: %v", err)
	}
	security, err := os.ReadFile("../../docs/security.md")
	if err != nil {
		t.Fatal(err)
	}
	_, acl, _ := strings.Cut(string(security), "```acl\n")
	for line := range strings.Lines(compose.Configs["acl"].Content) {
		if line = strings.TrimSpace(line); line != "" && !strings.Contains(acl, line+"\n") {
			t.Errorf("%q is not in the access rules of docs/security.md", line)
		}
	}
}

// TestKubernetes: the manifest is one pod that is never two, without rights, whose probes
// the program answers, and its environment is a configuration.
func TestKubernetes(t *testing.T) {
	page, err := os.ReadFile("../../docs/install.md")
	if err != nil {
		t.Fatal(err)
	}
	_, text, _ := strings.Cut(string(page), "```yaml\n")
	text, _, _ = strings.Cut(text, "```")
	var d struct {
		Kind string
		Spec struct {
			Replicas int
			Strategy struct{ Type string }
			Template struct {
				Spec struct {
					Links      *bool `yaml:"enableServiceLinks"`
					Grace      int   `yaml:"terminationGracePeriodSeconds"`
					Containers []struct {
						Env             []struct{ Name, Value string }
						SecurityContext struct {
							ReadOnly bool `yaml:"readOnlyRootFilesystem"`
						} `yaml:"securityContext"`
						LivenessProbe struct {
							HTTPGet struct{ Path string } `yaml:"httpGet"`
						} `yaml:"livenessProbe"`
					}
				}
			}
		}
	}
	if err := yaml.Unmarshal([]byte(text), &d); err != nil {
		t.Fatal(err)
	}
	pod := d.Spec.Template.Spec
	if d.Kind != "Deployment" || d.Spec.Replicas != 1 || d.Spec.Strategy.Type != "Recreate" || pod.Links == nil || *pod.Links || pod.Grace != 40 || len(pod.Containers) != 1 || !pod.Containers[0].SecurityContext.ReadOnly || pod.Containers[0].LivenessProbe.HTTPGet.Path != "/healthz" {
		t.Fatalf("%+v", d)
	}
	secrets := t.TempDir()
	var environ []string
	for _, e := range pod.Containers[0].Env {
		if name, ok := strings.CutPrefix(e.Value, "/secrets/"); ok {
			e.Value = filepath.Join(secrets, name)
			if err := os.WriteFile(e.Value, []byte("something long\n"), 0o600); err != nil {
				t.Fatal(err)
			}
			if !strings.Contains(string(page), "`"+name+"`") {
				t.Errorf("the key %s of the secret is not named", name)
			}
		}
		environ = append(environ, e.Name+"="+e.Value)
	}
	if _, err := config.Parse(nil, environ); err != nil {
		t.Error(err)
	}
}

// TestWorkflows: they parse, and do their work by the scripts that run anywhere.
func TestWorkflows(t *testing.T) {
	for file, calls := range map[string]string{"ci.yaml": ".ci/run", "release.yaml": "cd tools/release && go run ."} {
		data, err := os.ReadFile("../../.github/workflows/" + file)
		if err != nil {
			t.Fatal(err)
		}
		var w struct {
			Permissions map[string]string
			Jobs        map[string]struct {
				Steps []struct{ Uses, Run string }
			}
		}
		if err := yaml.Unmarshal(data, &w); err != nil {
			t.Fatalf("%s: %v", file, err)
		}
		called := false
		for _, job := range w.Jobs {
			for _, step := range job.Steps {
				called = called || strings.Contains(step.Run, calls)
			}
		}
		if !called || w.Permissions["contents"] != "read" {
			t.Errorf("%s does not call %s, or may do more than read: %+v", file, calls, w)
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
	want := dashboard.Sentences("")
	for what, list := range want {
		if got := file.Blueprint.Input.Sentences.Input[what].Default; !slices.Equal(got, list) {
			t.Errorf("%s: the blueprint has %q, the program %q", what, got, list)
		}
	}
	if len(file.Triggers) != len(want) || len(file.Blueprint.Input.Sentences.Input) != len(want) {
		t.Errorf("%d triggers for %d kinds of sentences", len(file.Triggers), len(want))
	}
}
