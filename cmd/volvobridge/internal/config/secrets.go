package config

import (
	"bytes"
	"reflect"
)

// holdsSecrets tells whether a secret stands in the file itself.
func holdsSecrets(cfg Config, data []byte) bool {
	found := false
	secrets(reflect.ValueOf(&cfg).Elem(), func(s string) {
		found = found || len(s) >= MinSecret && bytes.Contains(data, []byte(s))
	})
	return found
}

// secrets visits every text of a key that is marked as one.
func secrets(v reflect.Value, visit func(string)) {
	switch v.Kind() {
	case reflect.Struct:
		for i := range v.NumField() {
			if f := v.Type().Field(i); f.Tag.Get("secret") != "" || f.Type.Kind() == reflect.Struct || f.Type.Kind() == reflect.Slice && f.Type.Elem().Kind() == reflect.Struct {
				secrets(v.Field(i), visit)
			}
		}
	case reflect.Slice:
		for i := range v.Len() {
			secrets(v.Index(i), visit)
		}
	case reflect.Map:
		for _, key := range v.MapKeys() {
			secrets(v.MapIndex(key), visit)
		}
	case reflect.String:
		visit(v.String())
	}
}
