package main

import (
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
)

// mayImport is who may import what, beside the standard library; a folder that is
// not listed may import nothing.
var mayImport = map[string][]string{
	"cmd/volvobridge":                   {"volvobridge/", "github.com/spf13/cobra", "gopkg.in/yaml.v3", "github.com/rs/zerolog"},
	"cmd/volvobridge/internal/config":   {"volvobridge/volvo", "volvobridge/discovery", "volvobridge/bridge/entity", "gopkg.in/yaml.v3"},
	"cmd/volvobridge/internal/control":  {"volvobridge/bridge/web", "github.com/rs/zerolog"},
	"cmd/volvobridge/internal/redact":   {"volvobridge/cmd/volvobridge/internal/config", "volvobridge/bridge/doctor"},
	"cmd/volvobridge/internal/logbook":  {"volvobridge/bridge/web"},
	"cmd/volvobridge/internal/report":   {"volvobridge/cmd/volvobridge/internal/config", "volvobridge/cmd/volvobridge/internal/redact", "volvobridge/bridge/doctor", "volvobridge/discovery"},
	"cmd/volvobridge/internal/setup":    {"volvobridge/cmd/volvobridge/internal/config", "volvobridge/bridge/entity", "volvobridge/bridge/web", "volvobridge/volvo"},
	"cmd/volvobridge/internal/accounts": {"volvobridge/cmd/volvobridge/internal/config", "volvobridge/volvo"},
	"cmd/volvobridge/internal/app":      {"volvobridge/cmd/volvobridge/internal/config", "volvobridge/cmd/volvobridge/internal/rights", "volvobridge/bridge/mqtt"},
	"cmd/volvobridge/internal/rights":   {},
	"cmd/volvobridge/internal/systemd":  {},
	"cmd/volvobridge/internal/broker":   {"github.com/mochi-mqtt/server/v2"},
	"bridge":                            {"volvobridge/bridge/", "volvobridge/volvo", "volvobridge/discovery", "github.com/rs/zerolog"},
	"bridge/account":                    {"volvobridge/volvo", "volvobridge/bridge/entity", "volvobridge/bridge/history", "volvobridge/bridge/command", "volvobridge/bridge/login", "volvobridge/bridge/schedule"},
	"bridge/command":                    {"volvobridge/volvo", "volvobridge/bridge/entity"},
	"bridge/dashboard":                  {"volvobridge/bridge/entity", "volvobridge/discovery"},
	"bridge/doctor":                     {"volvobridge/volvo", "volvobridge/bridge/entity", "volvobridge/bridge/login", "volvobridge/bridge/schedule"},
	"bridge/entity":                     {"volvobridge/volvo", "volvobridge/discovery"},
	"bridge/history":                    {},
	"bridge/link":                       {"volvobridge/bridge/entity", "volvobridge/bridge/mqtt", "volvobridge/discovery", "github.com/rs/zerolog"},
	"bridge/login":                      {"volvobridge/volvo", "golang.org/x/oauth2"},
	"bridge/mqtt":                       {"github.com/eclipse/paho.mqtt.golang"},
	"bridge/picture":                    {"volvobridge/volvo", "volvobridge/bridge/entity", "volvobridge/bridge/link", "volvobridge/bridge/mqtt", "golang.org/x/image"},
	"bridge/schedule":                   {"volvobridge/volvo"},
	"bridge/store":                      {"volvobridge/volvo"},
	"bridge/web":                        {"volvobridge/volvo", "volvobridge/bridge/entity", "volvobridge/bridge/history", "volvobridge/bridge/web/el", "volvobridge/bridge/web/words", "maragu.dev/gomponents", "github.com/prometheus/client_golang", "golang.org/x/crypto/bcrypt"},
	"bridge/web/el":                     {"maragu.dev/gomponents"},
	"bridge/web/words":                  {"volvobridge/bridge/entity"},
	"discovery":                         {"github.com/gosimple/unidecode", "golang.org/x/text/unicode/norm"},
	"volvo":                             {"golang.org/x/oauth2"},
	"volvo/simulator":                   {},
	"volvo/simulator/trace":             {},
	"tools/release":                     {"github.com/goreleaser/nfpm/v2", "github.com/CycloneDX/cyclonedx-go"}, // a module of its own

	"bridge/login/logintest":    {"volvobridge/bridge/login", "volvobridge/volvo"},                                         // for tests only
	"bridge/schedule/schedtest": {"volvobridge/bridge/schedule", "volvobridge/volvo", "volvobridge/volvo/simulator/trace"}, // for tests only
	"bridge/mqtt/mqtttest":      {"github.com/eclipse/paho.mqtt.golang/packets"},                                           // for tests only
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
	if strings.HasSuffix(name, "/mqtttest") || strings.HasSuffix(name, "/logintest") || strings.HasSuffix(name, "/schedtest") || name == "volvobridge/volvo/simulator" && folder != "cmd/volvobridge" {
		t.Errorf("%s imports %s, which is for tests and the demo", folder, name)
	}
	if !slices.ContainsFunc(mayImport[folder], func(allowed string) bool {
		return name == allowed || strings.HasPrefix(name, strings.TrimSuffix(allowed, "/")+"/")
	}) {
		t.Errorf("%s must not import %s", folder, name)
	}
}

// pure are the rooms that decide and do nothing: the time is an argument.
var pure = []string{"bridge/command", "bridge/entity", "bridge/history", "bridge/schedule", "bridge/web/el", "bridge/web/words", "discovery"}

// TestPureRooms: no clock, no goroutine, no files, no network.
func TestPureRooms(t *testing.T) {
	for _, room := range pure {
		files, err := filepath.Glob("../../" + room + "/*.go")
		if err != nil || len(files) == 0 {
			t.Fatalf("%s: %v %v", room, files, err)
		}
		for _, file := range files {
			if strings.HasSuffix(file, "_test.go") {
				continue
			}
			parsed, err := parser.ParseFile(token.NewFileSet(), file, nil, 0)
			if err != nil {
				t.Fatal(err)
			}
			for _, spec := range parsed.Imports {
				if name, _ := strconv.Unquote(spec.Path.Value); name == "os" || name == "net" || strings.HasPrefix(name, "os/") || strings.HasPrefix(name, "net/") || name == "sync" || name == "context" {
					t.Errorf("%s imports %s", file, name)
				}
			}
			ast.Inspect(parsed, func(n ast.Node) bool {
				switch n := n.(type) {
				case *ast.GoStmt:
					t.Errorf("%s starts a goroutine", file)
				case *ast.SelectorExpr:
					if x, ok := n.X.(*ast.Ident); ok && x.Name == "time" && slices.Contains([]string{"Now", "Since", "Until", "Sleep", "After", "AfterFunc", "Tick", "NewTimer", "NewTicker"}, n.Sel.Name) {
						t.Errorf("%s uses time.%s", file, n.Sel.Name)
					}
				}
				return true
			})
		}
	}
}

// TestMapOfTheHouse: the files and functions that docs/development.md names are there.
func TestMapOfTheHouse(t *testing.T) {
	page, err := os.ReadFile("../../docs/development.md")
	if err != nil {
		t.Fatal(err)
	}
	named := regexp.MustCompile("`((?:bridge|cmd|volvo|discovery|e2e)[\\w/]*(?:\\.go)?)`").FindAllStringSubmatch(string(page), -1)
	for _, m := range named {
		if _, err := os.Stat("../../" + m[1]); err != nil {
			t.Errorf("%s is named, and is not there", m[1])
		}
	}
	functions := regexp.MustCompile("`(\\w+)`(?: and `(\\w+)`)? in `([\\w/]+\\.go)`").FindAllStringSubmatch(string(page), -1)
	for _, m := range functions {
		code, err := os.ReadFile("../../" + m[3])
		if err != nil {
			t.Error(err)
			continue
		}
		for _, name := range m[1:3] {
			if name != "" && !regexp.MustCompile(`(?m)^func (\([^)]*\) )?`+name+`\(`).Match(code) {
				t.Errorf("%s is said to be in %s", name, m[3])
			}
		}
	}
	if len(named) < 30 || len(functions) < 10 {
		t.Errorf("only %d files and %d functions were looked at", len(named), len(functions))
	}
}

const (
	mostFields       = 20   // of Bridge
	mostMethods      = 50   // of Bridge
	mostPackageLines = 2500 // of code in a package, without blank lines, comments and tests
)

// TestSizes: Bridge stays the wiring, and no package grows out of hand.
func TestSizes(t *testing.T) {
	fields, methods := 0, 0
	lines := map[string]int{}
	err := filepath.WalkDir("../..", func(path string, entry fs.DirEntry, err error) error {
		if err != nil || !strings.HasSuffix(path, ".go") || strings.HasSuffix(path, "_test.go") {
			return err
		}
		code, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		for line := range strings.Lines(string(code)) {
			if line = strings.TrimSpace(line); line != "" && !strings.HasPrefix(line, "//") {
				lines[filepath.Dir(path)]++
			}
		}
		if filepath.Dir(path) == "../../bridge" {
			f, m := sizeOfBridge(t, path)
			fields, methods = fields+f, methods+m
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	if fields == 0 || fields > mostFields || methods == 0 || methods > mostMethods {
		t.Errorf("Bridge has %d fields and %d methods", fields, methods)
	}
	for folder, n := range lines {
		if n > mostPackageLines && folder != "../../volvo/simulator" {
			t.Errorf("%s has %d lines", folder, n)
		}
	}
}

// sizeOfBridge counts the fields and methods of Bridge in a file.
func sizeOfBridge(t *testing.T, path string) (fields, methods int) {
	t.Helper()
	parsed, err := parser.ParseFile(token.NewFileSet(), path, nil, 0)
	if err != nil {
		t.Fatal(err)
	}
	ast.Inspect(parsed, func(n ast.Node) bool {
		switch n := n.(type) {
		case *ast.TypeSpec:
			if s, ok := n.Type.(*ast.StructType); ok && n.Name.Name == "Bridge" {
				fields += s.Fields.NumFields()
			}
		case *ast.FuncDecl:
			if n.Recv == nil {
				break
			}
			if star, ok := n.Recv.List[0].Type.(*ast.StarExpr); ok {
				if name, ok := star.X.(*ast.Ident); ok && name.Name == "Bridge" {
					methods++
				}
			}
		}
		return true
	})
	return fields, methods
}
