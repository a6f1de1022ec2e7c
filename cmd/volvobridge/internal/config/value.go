package config

import (
	"fmt"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"time"

	"gopkg.in/yaml.v3"

	"volvobridge/volvo"
)

func (s *source) list(n *yaml.Node, v reflect.Value, key string) {
	if n.Kind != yaml.SequenceNode {
		example := "[a, b]"
		if v.Type().Elem() == reflect.TypeFor[Vehicle]() {
			example = "[{vin: YV1..., name: XC40}]"
		}
		s.wrong(key, "must be a list, such as %s, not %s", example, kindName(n))
		return
	}
	v.Set(reflect.MakeSlice(v.Type(), len(n.Content), len(n.Content)))
	for i, item := range n.Content {
		if v.Type().Elem() == accountType {
			v.Index(i).Set(reflect.ValueOf(AccountDefaults()))
		}
		s.node(item, v.Index(i), fmt.Sprintf("%s[%d]", key, i))
	}
}

func (s *source) table(n *yaml.Node, v reflect.Value, key string) {
	if n.Kind != yaml.MappingNode {
		s.wrong(key, "must be keys with values, such as {doors: 60s}, not %s", kindName(n))
		return
	}
	v.Set(reflect.MakeMap(v.Type()))
	for i := 0; i+1 < len(n.Content); i += 2 {
		if name := reflect.ValueOf(n.Content[i].Value).Convert(v.Type().Key()); v.MapIndex(name).IsValid() {
			s.add(s.place(n.Content[i]), "", "the key %q stands twice in %s; remove one", n.Content[i].Value, key)
		}
		item := reflect.New(v.Type().Elem()).Elem()
		s.node(n.Content[i+1], item, join(key, n.Content[i].Value))
		v.SetMapIndex(reflect.ValueOf(n.Content[i].Value).Convert(v.Type().Key()), item)
	}
}

func (s *source) scalar(n *yaml.Node, v reflect.Value, key string) {
	if n.Kind != yaml.ScalarNode {
		s.wrong(key, "must be one value, not %s", kindName(n))
		return
	}
	switch v.Kind() {
	case reflect.String:
		v.SetString(n.Value)
	case reflect.Bool:
		b, err := strconv.ParseBool(n.Value)
		if err != nil {
			s.wrong(key, "%q is neither true nor false", n.Value)
		}
		v.SetBool(b)
	case reflect.Int:
		i, err := strconv.Atoi(strings.ReplaceAll(n.Value, "_", ""))
		if err != nil {
			s.wrong(key, "%q is not a whole number", n.Value)
		}
		v.SetInt(int64(i))
	}
}

func (s *source) duration(n *yaml.Node, v reflect.Value, key string) {
	d, err := time.ParseDuration(n.Value)
	if n.Kind != yaml.ScalarNode || err != nil {
		s.wrong(key, "%q is not a duration; write it like 30s, 5m or 24h", n.Value)
		return
	}
	v.SetInt(int64(d))
}

// token reads one token for all APIs, or a mapping of API to token.
func (s *source) token(n *yaml.Node, v reflect.Value, key string) {
	token := AccessToken{}
	switch n.Kind {
	case yaml.ScalarNode:
		for _, api := range volvo.APIs() {
			if n.Value != "" {
				token[api] = n.Value
			}
		}
	case yaml.MappingNode:
		var names []string
		for _, api := range volvo.APIs() {
			names = append(names, string(api))
		}
		for i := 0; i+1 < len(n.Content); i += 2 {
			name := n.Content[i].Value
			if !slices.Contains(names, name) {
				s.bad = append(s.bad, key)
				s.add(s.place(n.Content[i]), "", "unknown key %q in %s%s", name, key, suggest(name, names))
				continue
			}
			if value := n.Content[i+1]; value.Kind != yaml.ScalarNode {
				s.add(s.place(value), "", "%s.%s must be a token", key, name)
			} else if value.Tag != "!!null" && value.Value != "" {
				token[volvo.API(name)] = value.Value
			}
		}
	default:
		s.wrong(key, "must be a token, or {connected_vehicle: .., energy: .., location: ..}")
	}
	v.Set(reflect.ValueOf(token))
}

func kindName(n *yaml.Node) string {
	switch n.Kind {
	case yaml.MappingNode:
		return "keys with values"
	case yaml.SequenceNode:
		return "a list"
	}
	return "a single value" // not its text: it may be a secret
}
