// Package report makes of what the doctor found a file without secrets, for a public issue.
package report

import (
	"encoding/json"
	"fmt"
	"net/url"
	"reflect"
	"regexp"
	"runtime"
	"strings"
	"time"

	"volvobridge/bridge/doctor"
	"volvobridge/cmd/volvobridge/internal/config"
	"volvobridge/cmd/volvobridge/internal/redact"
	"volvobridge/discovery"
)

// personal is what Volvo's texts may hold beyond secrets: addresses, and positions
// that are not exact.
var personal = regexp.MustCompile(`[\w.+-]+@[\w-]+\.[\w.-]+|-?\b\d{1,3}\.\d{3,}\b`)

// Report is what there is to tell, and what must be left out of it.
type Report struct {
	Version, Commit string
	Config          config.Config
	File            string // of the configuration
	Redact          *redact.Redactor
	Findings        []doctor.Finding
}

// JSON is the report for a public issue.
func (d Report) JSON() ([]byte, error) {
	findings := make([]doctor.Finding, len(d.Findings))
	for i, f := range d.Redact.Findings(d.Findings) {
		f.Area = d.nameless(f.Area)
		f.What, f.Found = d.hostless(f.What), personal.ReplaceAllString(d.hostless(f.Found), redact.Mask)
		if f.Area == "config" || f.Area == "store" { // paths hold names of people
			f.What = f.Area
		}
		findings[i] = f
	}
	data, err := json.MarshalIndent(map[string]any{
		"made": time.Now().UTC().Format(time.RFC3339), "version": d.Version, "commit": d.Commit, "go": runtime.Version(), "system": runtime.GOOS + "/" + runtime.GOARCH,
		"config": d.Redact.Texts(d.publicConfig()), "findings": findings,
	}, "", "  ")
	if err != nil {
		return nil, err
	}
	return append(data, '\n'), nil
}

// nameless replaces a car's name by its place in the configuration.
func (d Report) nameless(area string) string {
	n := 0
	for _, a := range d.Config.AccountList() {
		for _, v := range a.Vehicles {
			n++
			if v.Name != "" && v.Name == area {
				return fmt.Sprint("car ", n)
			}
		}
	}
	return area
}

// hostless leaves out the names of machines and users that are the owner's own.
func (d Report) hostless(text string) string {
	own := []string{d.Config.MQTT.Username, d.Config.Store, d.File}
	for _, a := range d.Config.AccountList() {
		for _, v := range a.Vehicles {
			own = append(own, v.Name, discovery.Slug(v.Name))
		}
	}
	if u, err := url.Parse(d.Config.MQTT.URL); err == nil && u.Host != "" {
		own = append(own, u.Hostname())
	}
	for _, name := range own {
		if len(name) >= config.MinSecret {
			text = strings.ReplaceAll(text, name, "(own)")
		}
	}
	return text
}

// publicConfig tells of each key that differs from its default, its value where
// that tells nothing of the owner, else only that it is set.
func (d Report) publicConfig() map[string]string {
	public := map[string]string{}
	standard := config.Defaults()
	usual := map[string]any{}
	config.Leaves(reflect.ValueOf(&standard).Elem(), "", func(key string, v reflect.Value) { usual[key] = v.Interface() })
	config.Leaves(reflect.ValueOf(&d.Config).Elem(), "", func(key string, v reflect.Value) {
		if reflect.DeepEqual(v.Interface(), usual[key]) || v.IsZero() {
			return
		}
		section, _, _ := strings.Cut(key, ".")
		switch section {
		case "polling", "commands", "log", "home_assistant":
			public[key] = fmt.Sprint(v.Interface())
		default:
			public[key] = "set"
		}
		if key == "commands.pin" {
			public[key] = "set"
		}
	})
	if u, err := url.Parse(d.Config.MQTT.URL); err == nil && u.Host != "" {
		public["mqtt.url"] = u.Scheme + "://(own):" + u.Port()
	}
	n := 0
	for _, a := range d.Config.AccountList() {
		n += len(a.Vehicles)
	}
	public["vehicles"] = fmt.Sprint(n)
	return public
}
