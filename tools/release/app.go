package main

import (
	"bytes"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
)

// app writes the repository that Home Assistant reads: a file about it, and the folder of
// the app with this version.
func (r *release) app(out string) error {
	source := filepath.Join(r.source, "packaging/app")
	return filepath.WalkDir(source, func(path string, entry fs.DirEntry, err error) error {
		if err != nil || entry.IsDir() {
			return err
		}
		name, err := filepath.Rel(source, path)
		if err != nil {
			return err
		}
		data, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		if !strings.HasSuffix(name, ".png") {
			data = bytes.ReplaceAll(data, []byte("ghcr.io/OWNER"), []byte("ghcr.io/"+strings.ToLower(r.owner))) // images have no capitals
			data = bytes.ReplaceAll(data, []byte("OWNER"), []byte(r.owner))
		}
		target := filepath.Join("volvobridge", name)
		switch name {
		case "repository.yaml":
			target = name
		case "config.yaml":
			before := []byte("\nversion: \"0.0.0\"\n")
			if !bytes.Contains(data, before) {
				return fmt.Errorf("%s has no place for the version", path)
			}
			data = bytes.Replace(data, before, fmt.Appendf(nil, "\nversion: %q\n", r.version), 1)
		case "translations/no.yaml": // Home Assistant calls that language nb
			if err := write(filepath.Join(out, "volvobridge/translations/nb.yaml"), data); err != nil {
				return err
			}
		}
		return write(filepath.Join(out, target), data)
	})
}

func write(name string, data []byte) error {
	if err := os.MkdirAll(filepath.Dir(name), 0o755); err != nil {
		return err
	}
	return os.WriteFile(name, data, 0o644)
}
