package main

import (
	"bytes"
	"image/png"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"

	"gopkg.in/yaml.v3"

	"volvobridge/bridge/entity"
	"volvobridge/cmd/volvobridge/internal/config"
	"volvobridge/volvo"
)

const appFolder = "../../packaging/app/"

// appConfig is what Home Assistant's Supervisor knows of an app's config.yaml, as far as we
// use it. It drops keys that it does not know without a word; this test does not.
type appConfig struct {
	Name          string              `yaml:"name"`
	Version       string              `yaml:"version"`
	Slug          string              `yaml:"slug"`
	Description   string              `yaml:"description"`
	URL           string              `yaml:"url"`
	Image         string              `yaml:"image"`
	Arch          []string            `yaml:"arch"`
	Stage         string              `yaml:"stage"`
	Init          *bool               `yaml:"init"`
	HomeAssistant string              `yaml:"homeassistant"`
	Timeout       int                 `yaml:"timeout"`
	Services      []string            `yaml:"services"`
	Ingress       bool                `yaml:"ingress"`
	PanelIcon     string              `yaml:"panel_icon"`
	Ports         map[string]*int     `yaml:"ports"`
	Map           []map[string]string `yaml:"map"`
	BackupExclude []string            `yaml:"backup_exclude"`
	Options       map[string]any      `yaml:"options"`
	Schema        map[string]any      `yaml:"schema"`
}

func readStrictly(t *testing.T, name string, into any) {
	t.Helper()
	data, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	d := yaml.NewDecoder(bytes.NewReader(data))
	d.KnownFields(true)
	if err := d.Decode(into); err != nil {
		t.Fatalf("%s: %v", name, err)
	}
}

// schemaElement is the Supervisor's own pattern of a type in the schema.
var schemaElement = regexp.MustCompile(`^(?:|bool|email|url|port|device(?:\((subsystem=[a-z]+)\))?|str(?:\((\d+)?,(\d+)?\))?|password(?:\((\d+)?,(\d+)?\))?|int(?:\((-?\d+)?,(-?\d+)?\))?|float(?:\((-?\d*\.?\d+)?,(-?\d*\.?\d+)?\))?|match\((.*)\)|list\((.+)\))\??$`)

// TestAppConfig holds packaging/app/config.yaml to the rules of the Supervisor and of the
// linter that the field uses: a key that repeats its default is an error there.
func TestAppConfig(t *testing.T) {
	var c appConfig
	readStrictly(t, appFolder+"config.yaml", &c)
	yes := func(ok bool, what string) {
		t.Helper()
		if !ok {
			t.Errorf("%s: %+v", what, c)
		}
	}
	yes(c.Name == "volvobridge" && c.Description != "" && strings.HasPrefix(c.URL, "https://"), "the names")
	yes(regexp.MustCompile(`^[-_.A-Za-z0-9]+$`).MatchString(c.Slug), "the slug")
	yes(regexp.MustCompile(`^\d+\.\d+\.\d+$`).MatchString(c.Version), "a version without v, which the release replaces")
	yes(slices.Equal(c.Arch, []string{"aarch64", "amd64"}), "what Home Assistant still runs on")
	yes(c.Stage == "experimental", "stable is the default and must not be written")
	yes(c.Init != nil && !*c.Init, "no docker-init: the program handles signals itself")
	yes(c.Timeout > 10 && c.Timeout <= 300, "10 is the default")
	yes(slices.Equal(c.Services, []string{"mqtt:want"}), "the broker")
	yes(c.Ingress && strings.HasPrefix(c.PanelIcon, "mdi:"), "ingress on its default port")
	yes(len(c.Ports) == 1 && c.Ports["8099/tcp"] == nil, "a port that is not mapped")
	yes(len(c.Map) == 1 && len(c.Map[0]) == 1 && c.Map[0]["type"] == "addon_config", "older Supervisors refuse app_config")
	yes(regexp.MustCompile(`^ghcr\.io/[A-Za-z0-9_.-]+/volvobridge-app$`).MatchString(c.Image), "one image for all processors")
	yes(len(c.BackupExclude) == 1 && strings.HasPrefix(c.BackupExclude[0], "*/"), "the Supervisor compares whole paths")
	yes(regexp.MustCompile(`^\d{4}\.\d+\.\d+$`).MatchString(c.HomeAssistant), "the oldest Home Assistant")
}

// TestAppSchema: the fields in the tab Configuration are the options of the program, of types
// that there are, and an app starts without any of them.
func TestAppSchema(t *testing.T) {
	var c appConfig
	readStrictly(t, appFolder+"config.yaml", &c)
	for _, o := range config.Options() {
		element, found := c.Schema[o.Name]
		if !found {
			t.Errorf("%s is no field", o.Name)
		}
		delete(c.Schema, o.Name)
		list, isList := element.([]any)
		_, hasDefault := c.Options[o.Name]
		if isList != hasDefault {
			t.Errorf("%s: a list needs a default, and nothing else may have one", o.Name)
		}
		if !isList {
			list = []any{element}
		}
		for _, e := range list {
			fields, nested := e.(map[string]any)
			if !nested {
				fields = map[string]any{"": e}
			}
			for name, kind := range fields {
				text, ok := kind.(string)
				if !ok || !schemaElement.MatchString(text) || strings.HasPrefix(text, "match") {
					t.Errorf("%s %s is of no type: %v", o.Name, name, kind)
				}
				if !nested && !strings.HasSuffix(text, "?") {
					t.Errorf("%s must be filled in: the app would not start without it", o.Name)
				}
			}
		}
	}
	for name := range c.Schema {
		t.Errorf("the field %s is no option of the program", name)
	}
	words := func(name string) []string {
		var element string
		data, _ := os.ReadFile(appFolder + "config.yaml")
		if m := regexp.MustCompile(`(?s)\n  ` + name + `:\s*(?:- )?"list\(([^)]*)\)\?"`).FindSubmatch(data); m != nil {
			element = string(m[1])
		}
		all := strings.Split(element, "|")
		slices.Sort(all)
		return all
	}
	var commands []string
	for _, command := range volvo.AllCommands() {
		commands = append(commands, string(command))
	}
	slices.Sort(commands)
	languages := slices.Sorted(slices.Values(entity.Languages()))
	if got := words("commands"); !slices.Equal(got, commands) {
		t.Errorf("commands: %v, want %v", got, commands)
	}
	if got := words("language"); !slices.Equal(got, languages) {
		t.Errorf("languages: %v, want %v", got, languages)
	}
}

// TestAppTranslations: every field has a name and a sentence in every language.
func TestAppTranslations(t *testing.T) {
	for _, language := range entity.Languages() {
		var texts struct {
			Configuration map[string]struct {
				Name        string                       `yaml:"name"`
				Description string                       `yaml:"description"`
				Fields      map[string]map[string]string `yaml:"fields"`
			} `yaml:"configuration"`
			Network map[string]string `yaml:"network"`
		}
		readStrictly(t, appFolder+"translations/"+language+".yaml", &texts)
		for _, o := range config.Options() {
			if text := texts.Configuration[o.Name]; text.Name == "" || text.Description == "" || (o.Name == "vehicles") != (len(text.Fields) == 2) {
				t.Errorf("%s: %s is not translated", language, o.Name)
			}
			delete(texts.Configuration, o.Name)
		}
		if len(texts.Configuration) != 0 || texts.Network["8099/tcp"] == "" {
			t.Errorf("%s: %v %v", language, texts.Configuration, texts.Network)
		}
	}
}

// TestAppFiles: the pictures have the sizes that Home Assistant shows, there is one profile
// of AppArmor with the app's name, and every option is in the documentation.
func TestAppFiles(t *testing.T) {
	for name, size := range map[string][2]int{"icon.png": {128, 128}, "logo.png": {250, 100}} {
		f, err := os.Open(appFolder + name)
		if err != nil {
			t.Fatal(err)
		}
		picture, err := png.DecodeConfig(f)
		f.Close()
		if err != nil || picture.Width != size[0] || picture.Height != size[1] {
			t.Errorf("%s: %v %+v", name, err, picture)
		}
	}
	profile, err := os.ReadFile(appFolder + "apparmor.txt")
	if names := regexp.MustCompile(`(?m)^profile (\S+)`).FindAllStringSubmatch(string(profile), -1); err != nil || len(names) != 1 || names[0][1] != "volvobridge" || strings.Count(string(profile), "{") != strings.Count(string(profile), "}") {
		t.Errorf("apparmor.txt: %v %v", names, err)
	}
	documentation, err := os.ReadFile(appFolder + "DOCS.md")
	if err != nil {
		t.Fatal(err)
	}
	for _, o := range config.Options() {
		if !strings.Contains(string(documentation), "`"+o.Name+"`") {
			t.Errorf("DOCS.md does not explain %s", o.Name)
		}
	}
	if scopes := strings.Join(entity.Scopes(volvo.AllCommands()), " "); !strings.Contains(string(documentation), "`"+scopes+"`") {
		t.Errorf("DOCS.md does not list the scopes: %s", scopes)
	}
	// The Supervisor takes every file of that name for an app.
	found, err := filepath.Glob(appFolder + "*/config.*")
	if len(found) != 0 || err != nil {
		t.Errorf("%v %v", found, err)
	}
	var repository struct{ Name, URL, Maintainer string }
	readStrictly(t, appFolder+"repository.yaml", &repository)
	if repository.Name == "" || !strings.HasPrefix(repository.URL, "https://") || repository.Maintainer == "" {
		t.Errorf("%+v", repository)
	}
}

// TestChangelog: the versions stand in order, the newest first.
func TestChangelog(t *testing.T) {
	data, err := os.ReadFile("../../CHANGELOG.md")
	if err != nil {
		t.Fatal(err)
	}
	versions := regexp.MustCompile(`(?m)^## (\d+)\.(\d+)\.(\d+)$`).FindAllStringSubmatch(string(data), -1)
	if len(versions) == 0 || len(versions) != strings.Count(string(data), "\n## ") {
		t.Fatalf("%v", versions)
	}
	if !slices.IsSortedFunc(versions, func(a, b []string) int {
		for i := 1; i < 4; i++ {
			x, _ := strconv.Atoi(a[i]) // digits alone
			y, _ := strconv.Atoi(b[i])
			if x != y {
				return y - x
			}
		}
		return 0
	}) {
		t.Errorf("not the newest first: %v", versions)
	}
}
