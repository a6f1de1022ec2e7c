// Package app is for a program that runs as an app of Home Assistant: it reads what the
// Supervisor gives it, gives up the rights of root, and asks the Supervisor for the broker.
package app

import (
	"cmp"
	"errors"
	"fmt"
	"io/fs"
	"net/http"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"time"

	"volvobridge/cmd/volvobridge/internal/config"
	"volvobridge/cmd/volvobridge/internal/rights"
)

const (
	nobody    = 65532 // whom the program runs as, as in its other image
	ingress   = "172.30.32.2"
	patience  = 8 * time.Second // for an answer of the Supervisor, which is on this machine
	ownFolder = "volvobridge"
)

// Enter returns what Home Assistant gives this program, and nil where it runs as no app.
// After it the process has no rights of root any more. The bridge itself, owner, is given the
// folder of the app first; whoever comes beside it, such as a check of its health, finds it so.
//
// The address of the Supervisor, the folders and the address of its ingress are the same in
// every app; tests name others by SUPERVISOR_URL, SUPERVISOR_DATA, SUPERVISOR_CONFIG and
// SUPERVISOR_INGRESS.
func Enter(getenv func(string) string, owner bool) (*config.Given, error) {
	token := getenv("SUPERVISOR_TOKEN")
	if token == "" {
		return nil, nil
	}
	data := cmp.Or(getenv("SUPERVISOR_DATA"), "/data")
	options, err := os.ReadFile(filepath.Join(data, "options.json"))
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return nil, nil
	case err != nil:
		return nil, fmt.Errorf("the options of the app can't be read: %w; the app must start as root, who owns them (image target app)", err)
	}
	proxy, err := netip.ParseAddr(cmp.Or(getenv("SUPERVISOR_INGRESS"), ingress))
	if err != nil {
		return nil, fmt.Errorf("SUPERVISOR_INGRESS is not an address: %w", err)
	}
	s := &supervisor{url: strings.TrimSuffix(cmp.Or(getenv("SUPERVISOR_URL"), "http://supervisor"), "/"), token: token, client: http.Client{Timeout: patience, Transport: &http.Transport{}}}
	given := &config.Given{Options: options, Store: filepath.Join(data, ownFolder), Proxy: proxy, Page: page(), Broker: s.broker,
		File: filepath.Join(cmp.Or(getenv("SUPERVISOR_CONFIG"), "/config"), config.DefaultFile)}
	if given.Text, err = os.ReadFile(given.File); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("%s can't be read: %w", given.File, err)
	}
	if err := os.MkdirAll(given.Store, 0o700); err != nil {
		return nil, fmt.Errorf("the folder of the app can't be written: %w; free some space on that disk", err)
	}
	if os.Geteuid() != 0 {
		return given, nil
	}
	if owner {
		if err := giveAway(given.Store); err != nil {
			return nil, err
		}
	}
	return given, rights.Become(nobody, nobody)
}

// page is the address of the app's page, for a link inside Home Assistant. The name of an
// app's container is its name there, with dashes.
func page() string {
	name, err := os.Hostname()
	if err != nil {
		return ""
	}
	return "homeassistant://app/" + strings.ReplaceAll(name, "-", "_")
}

// giveAway makes a folder and what is in it ours after root's rights are gone: a restored
// backup belongs to root.
func giveAway(folder string) error {
	return filepath.WalkDir(folder, func(path string, _ fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		return os.Lchown(path, nobody, nobody) // not what a link leads to
	})
}
