package config

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"net/netip"
	"reflect"
	"slices"
	"strings"

	"gopkg.in/yaml.v3"
)

// Given is what Home Assistant gives a program that runs as its app.
type Given struct {
	// Options is what was entered in the tab Configuration, as JSON.
	Options []byte
	// File is the configuration for experts, whose keys are all allowed, and Text what
	// stands in it: it was read before the rights to do so were given up.
	File string
	Text []byte
	// Store is the folder that survives an update.
	Store string
	// Proxy is the address of Home Assistant's ingress, Page the page's address through it.
	Proxy netip.Addr
	Page  string
	// Broker asks the Supervisor where the broker is.
	Broker func(ctx context.Context) (url, username, password string, err error)
}

// Option is a field in the tab Configuration of the app, and the key that it sets.
type Option struct{ Name, Key string }

// options is the table of all of them. The file packaging/app/config.yaml declares the
// same ones to Home Assistant.
var options = []Option{
	{"client_id", "volvo.client_id"},
	{"client_secret", "volvo.client_secret"},
	{"api_key", "volvo.api_key"},
	{"redirect_url", "volvo.redirect_url"},
	{"vehicles", "volvo.vehicles"},
	{"commands", "commands.allow"},
	{"pin", "commands.pin"},
	{"language", "home_assistant.language"},
	{"mqtt_url", "mqtt.url"},
	{"mqtt_username", "mqtt.username"},
	{"mqtt_password", "mqtt.password"},
	{"http_password", "http.password"},
	{"log_level", "log.level"},
}

// Options lists the fields in the tab Configuration of the app.
func Options() []Option { return slices.Clone(options) }

const optionPrefix = "option "

// AppListen is where the page of an app is: reached by Home Assistant's ingress only, or
// with a password.
const AppListen = "0.0.0.0:8099"

// defaults sets the defaults of an app.
func (g *Given) defaults(cfg *Config) {
	if g == nil {
		return
	}
	cfg.Given, cfg.Store, cfg.HTTP.Listen = g, g.Store, AppListen
}

// texts reads the file and the settings that the page left. Settings win over a file that
// the page could not write to; in an app, whose settings nobody can edit, the file of the
// experts does. It returns where the file sets which key.
func (s *source) texts(cfg *Config, data, over []byte, given *Given) (inFile map[string]string, err error) {
	if given == nil {
		return nil, cmp.Or(s.text(data, cfg), s.text(over, cfg))
	}
	if err := s.text(over, cfg); err != nil {
		return nil, fmt.Errorf("settings.yaml: %w", err)
	}
	alone := &source{where: map[string]string{}}
	aside := Defaults()
	if err := alone.text(data, &aside); err != nil {
		return nil, err
	}
	forget := func(prefix string) {
		maps.DeleteFunc(s.where, func(key, _ string) bool { return key == prefix || strings.HasPrefix(key, prefix+".") })
	}
	if alone.where["accounts"] != "" { // they can't stand beside one
		cfg.Volvo = AccountDefaults()
		forget("volvo")
	}
	if alone.where["volvo.api_keys"] != "" {
		cfg.Volvo.APIKey = ""
		forget("volvo.api_key")
	}
	return alone.where, s.text(data, cfg)
}

// options sets keys from the fields that were filled in. A key that stands in the file
// too is told: nobody would know which of the two counts.
func (s *source) options(cfg *Config, g *Given, inFile map[string]string) {
	if g == nil {
		return
	}
	decoder := json.NewDecoder(bytes.NewReader(g.Options))
	decoder.UseNumber()
	var given map[string]any
	if err := decoder.Decode(&given); err != nil {
		s.add("options.json", "", "is not JSON: save the tab Configuration of the app once more")
		return
	}
	leaves := map[string]reflect.Value{}
	Leaves(reflect.ValueOf(cfg).Elem(), "", func(key string, v reflect.Value) { leaves[key] = v })
	for _, o := range options {
		value, set := given[o.Name]
		delete(given, o.Name)
		if list, isList := value.([]any); !set || value == nil || value == "" || isList && len(list) == 0 {
			continue // left empty
		}
		place := optionPrefix + o.Name
		if line, twice := inFile[o.Key]; twice {
			s.add(place, o.Key, "is set here, and in %s of %s; keep one", line, g.File)
			continue
		}
		var n yaml.Node
		if err := n.Encode(value); err != nil {
			s.add(place, o.Key, "can't be read: save the tab Configuration of the app once more")
			continue
		}
		s.fromVariable = place
		s.node(&n, leaves[o.Key], o.Key)
		s.fromVariable = ""
	}
	for name := range given {
		s.warnings = append(s.warnings, "the option "+name+" is none of this version, and is left alone")
	}
	slices.Sort(s.warnings)
}

// fixed tells whether a place is one that the page can't write to.
func fixed(place string) bool {
	return strings.HasPrefix(place, envPrefix) || strings.HasPrefix(place, optionPrefix)
}
