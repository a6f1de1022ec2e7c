package config

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"time"

	"gopkg.in/yaml.v3"
)

const (
	envPrefix   = "VOLVOBRIDGE_"
	DefaultFile = "config.yaml"
)

// problems is everything that is wrong with a configuration.
type problems []string

func (p problems) Error() string { return strings.Join(p, "\n") }

// source reads a configuration and remembers where each key was set.
type source struct {
	where        map[string]string // key: "line 12" or a variable's name
	fromVariable string            // the one, or the option, that is being read; empty: the file
	warnings     []string          // what is odd and stops nothing
	checking     bool              // all was read
	bad          []string          // keys that can't be read, or are meant by a misspelt one
	problems     problems
	missing      int // of the problems: keys that have no default
	inApp        bool
}

// Incomplete is a configuration that lacks what a person must enter, and nothing else.
type Incomplete struct{ problems }

// Unwrap returns what is missing.
func (e *Incomplete) Unwrap() error { return e.problems }

// Load reads a file and the environment, what the page left in the store, and what Home
// Assistant gives its app (nil: this is none). The error holds every problem; it is an
// [Incomplete] if nothing is wrong but that keys are missing.
func Load(file string, given *Given) (Config, error) {
	data, err := os.ReadFile(file)
	if given != nil && file == DefaultFile {
		data, file, err = given.Text, given.File, nil
	}
	absent := errors.Is(err, fs.ErrNotExist)
	if errors.Is(err, fs.ErrNotExist) && file == DefaultFile && slices.ContainsFunc(os.Environ(), func(v string) bool { return strings.HasPrefix(v, envPrefix) }) {
		err = nil // a container is configured by its environment alone
	}
	if err != nil {
		hint := "copy config.example.yaml and fill it in"
		if errors.Is(err, fs.ErrPermission) {
			hint = "run this as its owner, or let this user read it"
		}
		err = fmt.Errorf("%s can't be read: %w; %s", file, err, hint)
		if !absent {
			return Config{}, err
		}
	}
	cfg, settings, wrong := load(filepath.Dir(file), data, given)
	switch lacks, lacking := errors.AsType[*Incomplete](wrong); {
	case lacking && err != nil:
		return cfg, &Incomplete{problems{err.Error()}}
	case lacking:
		return cfg, &Incomplete{problems{file + ":\n" + lacks.Error()}}
	case wrong != nil:
		return Config{}, fmt.Errorf("%s:\n%w", file, wrong)
	case err != nil && settings == "":
		return Config{}, err
	}
	if settings != "" && given == nil {
		cfg.Warnings = append(cfg.Warnings, fmt.Sprintf("what was entered on the page stands in %s, and wins over %s; remove that file to go by the other alone", settings, file))
	}
	credentials := os.Getenv("CREDENTIALS_DIRECTORY") // systemd's copy, whose rights are systemd's business
	if info, err := os.Stat(file); err == nil && info.Mode().Perm()&0o044 != 0 && holdsSecrets(cfg, data) && (credentials == "" || filepath.Dir(file) != filepath.Clean(credentials)) {
		cfg.Warnings = append(cfg.Warnings, fmt.Sprintf("%s holds secrets, and others can read it (mode %04o); run: chmod go= %s", file, info.Mode().Perm(), file))
	}
	return cfg, nil
}

// load parses a file's text, with the settings in the store over it.
func load(folder string, data []byte, given *Given) (cfg Config, settings string, err error) {
	cfg, err = parseOf(folder, data, nil, os.Environ(), given)
	name := filepath.Join(cfg.Store, settingsFile)
	over, missing := os.ReadFile(name)
	if missing != nil {
		return cfg, "", err
	}
	cfg, err = parseOf(folder, data, over, os.Environ(), given)
	return cfg, name, err
}

// besides makes relative names of files relative to the folder of the configuration:
// the same file must mean the same wherever a command is typed.
func (c *Config) besides(folder string) {
	for _, name := range []*string{&c.Store, &c.MQTT.CAFile, &c.MQTT.CertFile, &c.MQTT.KeyFile} {
		if *name != "" && !filepath.IsAbs(*name) {
			*name = filepath.Join(folder, *name)
		}
	}
}

// Parse reads YAML and variables over the defaults; names of files are relative
// to the working folder.
func Parse(data []byte, environ []string) (Config, error) {
	return parseOf("", data, nil, environ, nil)
}

// parseOf is Parse for a file in a folder, with other text over it, and for an app.
func parseOf(folder string, data, over []byte, environ []string, given *Given) (Config, error) {
	cfg := Defaults()
	given.defaults(&cfg)
	s := &source{where: map[string]string{}, inApp: given != nil}
	inFile, err := s.texts(&cfg, data, over, given)
	if err != nil {
		return cfg, err
	}
	s.options(&cfg, given, inFile)
	s.environment(&cfg, environ)
	_, hasBroker := s.where["mqtt.url"]
	cfg.AskBroker = given != nil && !hasBroker
	cfg.Warnings, cfg.variables = s.warnings, s.variables()
	_, cfg.LanguageSet = s.where["home_assistant.language"]
	cfg.besides(folder)
	if len(s.problems) == 0 || !s.unreadable() {
		s.checking = true
		s.check(&cfg)
	}
	if len(s.problems) == 0 {
		return cfg, nil
	}
	slices.SortStableFunc(s.problems, func(x, y string) int { return lineOf(x) - lineOf(y) })
	if s.missing == len(s.problems) {
		return cfg, &Incomplete{s.problems}
	}
	return cfg, s.problems
}

// variables are those that keys were set by.
func (s *source) variables() map[string]string {
	set := map[string]string{}
	for key, where := range s.where {
		if fixed(where) {
			set[key] = where
		}
	}
	return set
}

// text reads YAML over what is there.
func (s *source) text(data []byte, cfg *Config) error {
	decoder := yaml.NewDecoder(bytes.NewReader(data))
	var root yaml.Node
	switch err := decoder.Decode(&root); {
	case errors.Is(err, io.EOF): // an empty file is all defaults
	case err != nil:
		return problems{strings.TrimPrefix(err.Error(), "yaml: ") + ": the file is not YAML; look at the indentation (spaces, no tabs) and the quotes near there"}
	default:
		s.node(root.Content[0], reflect.ValueOf(cfg).Elem(), "")
		if decoder.Decode(new(yaml.Node)) == nil {
			s.add("line 1", "", "the file holds more than one YAML document; keep one")
		}
	}
	return nil
}

// lineOf is the line that a problem names; those of variables come last.
func lineOf(problem string) int {
	var line int
	if _, err := fmt.Sscanf(problem, "line %d", &line); err != nil {
		return 1 << 30
	}
	return line
}

// unreadable: nothing was understood, so nothing more is worth saying.
func (s *source) unreadable() bool { return len(s.where) == 0 && len(s.problems) > 0 }

func (s *source) add(where, key, format string, args ...any) {
	text := fmt.Sprintf(format, args...)
	if key != "" {
		text = key + ": " + text
	}
	s.problems = append(s.problems, where+": "+text)
}

// at tells where a key was set, or where it would belong.
func (s *source) at(key string) string {
	for k := key; k != ""; {
		if w, ok := s.where[k]; ok {
			return w
		}
		i := strings.LastIndexAny(k, ".[")
		if i < 0 {
			break
		}
		k = k[:i]
	}
	return "line 1"
}

// wrong tells a problem of a key. What could not be read is not looked at again.
func (s *source) wrong(key, format string, args ...any) {
	if !s.checking {
		s.bad = append(s.bad, key)
	} else if s.unread(key) {
		return
	}
	s.add(s.at(key), key, format, args...)
}

// lacks tells that a key must be set.
func (s *source) lacks(key, format string, args ...any) {
	before := len(s.problems)
	s.wrong(key, format, args...)
	s.missing += len(s.problems) - before
}

// unread: the key, or what it is a part of, could not be read.
func (s *source) unread(key string) bool {
	return slices.ContainsFunc(s.bad, func(bad string) bool {
		rest, ok := strings.CutPrefix(key, bad)
		return ok && (rest == "" || rest[0] == '.' || rest[0] == '[')
	})
}

var (
	durationType = reflect.TypeFor[time.Duration]()
	accountType  = reflect.TypeFor[Volvo]()
	tokenType    = reflect.TypeFor[AccessToken]()
)

// node decodes one node into one field.
func (s *source) node(n *yaml.Node, v reflect.Value, key string) {
	for n.Kind == yaml.AliasNode {
		n = n.Alias
	}
	if key != "" {
		s.where[key] = s.place(n)
	}
	switch {
	case n.Kind == yaml.ScalarNode && n.Tag == "!!null":
		return // the key without a value: the default
	case n.Kind == yaml.ScalarNode && n.Tag != "" && !strings.HasPrefix(n.Tag, "!!"):
		s.wrong(key, "begins with a !, which means something else in YAML; put the value into quotes")
		return
	}
	switch {
	case v.Type() == tokenType:
		s.token(n, v, key)
	case v.Type() == durationType:
		s.duration(n, v, key)
	case v.Kind() == reflect.Struct:
		s.mapping(n, v, key)
	case v.Kind() == reflect.Slice:
		s.list(n, v, key)
	case v.Kind() == reflect.Map:
		s.table(n, v, key)
	default:
		s.scalar(n, v, key)
	}
}

// place tells where a node stands.
func (s *source) place(n *yaml.Node) string {
	if s.fromVariable != "" {
		return s.fromVariable
	}
	return fmt.Sprintf("line %d", n.Line)
}

// commentInPlace tells whether what stands behind a key is taken for a comment, and
// does not look like one.
func commentInPlace(n *yaml.Node) bool {
	comment := n.LineComment
	return len(comment) > 1 && comment[0] == '#' && comment[1] != ' ' && comment[1] != '#'
}

// fields lists the keys of a struct with the index of each.
func fields(t reflect.Type) ([]string, map[string]int) {
	var names []string
	index := map[string]int{}
	for i := range t.NumField() {
		name := t.Field(i).Tag.Get("yaml")
		if name == "" {
			continue
		}
		names = append(names, name)
		index[name] = i
	}
	return names, index
}

func join(key, name string) string {
	if key == "" {
		return name
	}
	return key + "." + name
}

func (s *source) mapping(n *yaml.Node, v reflect.Value, key string) {
	if n.Kind != yaml.MappingNode {
		example := ""
		if v.Type() == reflect.TypeFor[Vehicle]() {
			example = ", such as {vin: YV1..., name: XC40}"
		}
		s.wrong(key, "must be keys with values%s, not %s", example, kindName(n))
		return
	}
	names, index := fields(v.Type())
	seen := map[string]bool{}
	for i := 0; i+1 < len(n.Content); i += 2 {
		name := n.Content[i].Value
		field, known := index[name]
		line := s.place(n.Content[i])
		switch {
		case !known:
			s.add(line, "", "unknown key %q%s%s", name, in(key), s.meant(key, name, names, n))
		case seen[name]:
			s.add(line, "", "the key %q stands twice%s; remove one", name, in(key))
		default:
			seen[name] = true
			if value := n.Content[i+1]; value.Tag == "!!null" && v.Field(field).Kind() == reflect.String && commentInPlace(n.Content[i]) {
				s.where[join(key, name)] = line
				s.wrong(join(key, name), "is empty, since a # begins a comment; put the value into quotes")
			}
			s.node(n.Content[i+1], v.Field(field), join(key, name))
		}
	}
}

// meant says what an unknown key was probably meant to be.
func (s *source) meant(key, name string, names []string, mapping *yaml.Node) string {
	if best := nearest(name, names); best != "" {
		if !slices.ContainsFunc(mapping.Content, func(n *yaml.Node) bool { return n.Value == best }) {
			s.bad = append(s.bad, join(key, best)) // its absence needs no telling
		}
	} else if key == "" && slices.Contains([]string{"volvoData", "babelLocale", "updateInterval"}, name) {
		return ": that is volvo2mqtt's; see \"From volvo2mqtt\" in docs/home-assistant.md"
	} else if key == "" {
		for section := range reflect.TypeFor[Config]().Fields() {
			if section.Type.Kind() != reflect.Struct {
				continue
			}
			if below, _ := fields(section.Type); slices.Contains(below, name) {
				return fmt.Sprintf(": it belongs below %s", section.Tag.Get("yaml"))
			}
		}
	}
	return suggest(name, names)
}

func in(key string) string {
	if key == "" {
		return ""
	}
	return " in " + key
}

// reason is an error without the name of the file: a secret may have been put there.
func reason(err error) error {
	if e, ok := errors.AsType[*fs.PathError](err); ok {
		return e.Err
	}
	return err
}
