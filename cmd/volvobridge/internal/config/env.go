package config

import (
	"fmt"
	"os"
	"reflect"
	"regexp"
	"slices"
	"strings"

	"gopkg.in/yaml.v3"
)

// environment sets keys from variables: a key's own, or a file's name in the
// variable with _FILE behind it.
func (s *source) environment(cfg *Config, environ []string) {
	variables := map[string]string{}
	for _, line := range environ {
		if name, value, ok := strings.Cut(line, "="); ok && strings.HasPrefix(name, envPrefix) {
			variables[name] = value
		}
	}
	var known []string
	Leaves(reflect.ValueOf(cfg).Elem(), "", func(key string, v reflect.Value) {
		name := envName(key)
		known = append(known, name)
		value, set := variables[name]
		file, fromFile := variables[name+"_FILE"]
		delete(variables, name)
		delete(variables, name+"_FILE")
		switch {
		case set && fromFile:
			s.add(name, key, "is set twice, by %s and by %s_FILE; keep one", name, name)
			return
		case fromFile:
			data, err := os.ReadFile(file)
			if err != nil {
				s.add(name+"_FILE", key, "must name a file, and the file that it names can't be read: %v", reason(err))
				return
			}
			name, value, set = name+"_FILE", strings.TrimRight(string(data), "\r\n"), true
		}
		if option, isOption := strings.CutPrefix(s.where[key], optionPrefix); set && isOption {
			s.add(name, key, "is set here, and by the option %s of the app; keep one", option)
			return
		}
		if set {
			s.where[key] = name
			s.variable(name, value, v, key)
		}
	})
	before := len(s.problems)
	for name, value := range variables {
		switch {
		case ofKubernetes(name, value):
		case misspelt(name, known) != "":
			s.add(name, "", "there is no such key: did you mean %q?", misspelt(name, known))
		default:
			s.warnings = append(s.warnings, fmt.Sprintf("the variable %s is no key of the configuration, and is left alone; see config.example.yaml for all keys", name))
		}
	}
	slices.Sort(s.problems[before:])
	slices.Sort(s.warnings)
}

// kubernetesNames are variables that Kubernetes sets for a service that happens to be
// called as our program is.
var kubernetesNames = regexp.MustCompile(`_(SERVICE_HOST|SERVICE_PORT(_\w+)?|PORT(_\d+_(TCP|UDP|SCTP)(_(PROTO|PORT|ADDR))?)?)$`)

func ofKubernetes(name, value string) bool {
	if strings.HasSuffix(name, "_PORT") && !strings.Contains(name, "_SERVICE_") && !strings.Contains(name, "_TCP_") && !strings.Contains(name, "_UDP_") {
		return strings.Contains(value, "://")
	}
	return kubernetesNames.MatchString(name)
}

// misspelt finds the variable that was probably meant: one that differs in a letter
// or two.
func misspelt(name string, known []string) string {
	name = strings.TrimSuffix(name, "_FILE")
	for _, k := range known {
		if edits(name, k) <= 2 {
			return k
		}
	}
	return ""
}

func envName(key string) string {
	return envPrefix + strings.ToUpper(strings.ReplaceAll(key, ".", "_"))
}

// variable decodes a variable's text: lists and mappings are YAML.
func (s *source) variable(name, value string, v reflect.Value, key string) {
	if v.Kind() != reflect.String && strings.TrimSpace(value) == "" {
		return // blank: the default
	}
	s.fromVariable = name
	defer func() { s.fromVariable = "" }()
	n := &yaml.Node{Kind: yaml.ScalarNode, Tag: "!!str", Value: value}
	structured := v.Kind() == reflect.Slice || v.Kind() == reflect.Map && (v.Type() != tokenType || strings.HasPrefix(strings.TrimSpace(value), "{"))
	if structured {
		var doc yaml.Node
		if err := yaml.Unmarshal([]byte(value), &doc); err != nil || len(doc.Content) == 0 {
			s.add(name, key, "must be YAML text, such as [a, b] or {a: b}")
			return
		}
		n = doc.Content[0]
	}
	s.node(n, v, key)
}

// Leaves visits every key that has a value of its own.
func Leaves(v reflect.Value, key string, visit func(string, reflect.Value)) {
	if v.Kind() != reflect.Struct {
		visit(key, v)
		return
	}
	names, index := fields(v.Type())
	for _, name := range names {
		Leaves(v.Field(index[name]), join(key, name), visit)
	}
}

// suggest finds the known name that was probably meant.
func suggest(name string, known []string) string {
	best := nearest(name, known)
	if best == "" {
		if len(known) > 20 {
			return "; see config.example.yaml for all keys"
		}
		return "; known are " + strings.Join(known, ", ")
	}
	return fmt.Sprintf(": did you mean %q?", best)
}

// nearest is the known word that differs little, or empty.
func nearest(name string, known []string) string {
	best, distance := "", max(1, len(name)/3)
	for _, k := range known {
		if d := edits(name, k); d <= distance {
			best, distance = k, d-1
		}
	}
	return best
}

// edits is the Levenshtein distance.
func edits(a, b string) int {
	row := make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i := range len(a) {
		last := row[0]
		row[0] = i + 1
		for j := range len(b) {
			change := last
			if a[i] != b[j] {
				change++
			}
			last = row[j+1]
			row[j+1] = min(change, row[j]+1, row[j+1]+1)
		}
	}
	return row[len(b)]
}
