package main

import (
	"go/parser"
	"go/token"
	"io/fs"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
)

// mayImport is who may import what, beside the standard library; a folder that is
// not listed may import nothing.
var mayImport = map[string][]string{
	"cmd/volvobridge":                 {"volvobridge/", "github.com/spf13/cobra", "gopkg.in/yaml.v3", "github.com/rs/zerolog"},
	"cmd/volvobridge/internal/broker": {"github.com/mochi-mqtt/server/v2"},
	"bridge":                          {"volvobridge/bridge/", "volvobridge/volvo", "volvobridge/discovery", "github.com/rs/zerolog"},
	"bridge/command":                  {"volvobridge/volvo", "volvobridge/bridge/entity"},
	"bridge/dashboard":                {"volvobridge/bridge/entity", "volvobridge/discovery"},
	"bridge/doctor":                   {"volvobridge/volvo", "volvobridge/bridge/entity", "volvobridge/bridge/login", "volvobridge/bridge/schedule"},
	"bridge/entity":                   {"volvobridge/volvo", "volvobridge/discovery"},
	"bridge/login":                    {"volvobridge/volvo", "golang.org/x/oauth2"},
	"bridge/mqtt":                     {"github.com/eclipse/paho.mqtt.golang"},
	"bridge/picture":                  {"golang.org/x/image"},
	"bridge/schedule":                 {"volvobridge/volvo"},
	"bridge/store":                    {"volvobridge/volvo"},
	"bridge/web":                      {"volvobridge/volvo", "github.com/prometheus/client_golang", "golang.org/x/crypto/bcrypt"},
	"discovery":                       {"github.com/mozillazg/go-unidecode", "golang.org/x/text/unicode/norm"},
	"volvo":                           {"golang.org/x/oauth2"},
	"volvo/simulator":                 {},

	"bridge/mqtt/mqtttest": {"github.com/eclipse/paho.mqtt.golang/packets"}, // for tests only
}

func TestWhoImportsWhat(t *testing.T) {
	files := 0
	err := filepath.WalkDir("../..", func(path string, entry fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if entry.IsDir() && (strings.HasPrefix(entry.Name(), ".") && entry.Name() != ".." || entry.Name() == "testdata") {
			return filepath.SkipDir
		}
		if !strings.HasSuffix(path, ".go") || strings.HasSuffix(path, "_test.go") {
			return nil
		}
		files++
		folder, err := filepath.Rel("../..", filepath.Dir(path))
		if err != nil {
			return err
		}
		parsed, err := parser.ParseFile(token.NewFileSet(), path, nil, parser.ImportsOnly)
		if err != nil {
			return err
		}
		for _, spec := range parsed.Imports {
			name, err := strconv.Unquote(spec.Path.Value)
			if err != nil {
				return err
			}
			checkImport(t, filepath.ToSlash(folder), name)
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	if files < 30 {
		t.Errorf("only %d files were looked at", files)
	}
}

func checkImport(t *testing.T, folder, name string) {
	t.Helper()
	first, _, _ := strings.Cut(name, "/")
	if !strings.Contains(first, ".") && first != "volvobridge" {
		return // the standard library
	}
	if strings.HasSuffix(name, "/mqtttest") || name == "volvobridge/volvo/simulator" && folder != "cmd/volvobridge" {
		t.Errorf("%s imports %s, which is for tests and the demo", folder, name)
	}
	if !slices.ContainsFunc(mayImport[folder], func(allowed string) bool {
		return name == allowed || strings.HasPrefix(name, strings.TrimSuffix(allowed, "/")+"/")
	}) {
		t.Errorf("%s must not import %s", folder, name)
	}
}
