package main

import (
	"archive/tar"
	"compress/gzip"
	"errors"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// TestTwice: the same bytes from the same commit, with everything in its place.
func TestTwice(t *testing.T) {
	if testing.Short() {
		t.Skip("builds the program")
	}
	dir := t.TempDir()
	for _, out := range []string{"one", "two"} {
		if err := run("../..", filepath.Join(dir, out), "1.2.3-test", "Somebody", "linux/arm/7"); err != nil {
			t.Fatal(err)
		}
	}
	one, err := filepath.Glob(dir + "/one/*")
	if err != nil || len(one) != 7 { // archive, deb, rpm, Arch, modules, sums, the app's folder
		t.Fatalf("%v %v", one, err)
	}
	for _, file := range one {
		if info, _ := os.Stat(file); info.IsDir() {
			continue
		}
		a, err := os.ReadFile(file)
		b, missing := os.ReadFile(strings.Replace(file, "/one/", "/two/", 1))
		if err := errors.Join(err, missing); err != nil || string(a) != string(b) {
			t.Errorf("%s differs: %v", filepath.Base(file), err)
		}
	}
	names := inArchive(t, dir+"/one/volvobridge-1.2.3-test-linux-armv7.tar.gz")
	for _, want := range []string{"volvobridge", "README.md", "config.example.yaml", "THIRD_PARTY_LICENSES", "man/volvobridge.1.gz", "completions/volvobridge.fish", "volvobridge.service"} {
		if !strings.Contains(names, "volvobridge-1.2.3-test-linux-armv7/"+want+"\n") {
			t.Errorf("%s is missing in\n%s", want, names)
		}
	}
	for file, want := range map[string]string{"repository.yaml": "github.com/Somebody/volvobridge", "volvobridge/config.yaml": "image: ghcr.io/somebody/volvobridge-app", "volvobridge/translations/nb.yaml": "Klient-ID", "volvobridge/CHANGELOG.md": "## 0.1.0", "volvobridge/DOCS.md": "github.com/Somebody"} {
		data, err := os.ReadFile(dir + "/one/app-repository/" + file)
		if err != nil || !strings.Contains(string(data), want) || strings.Contains(string(data), "OWNER") && !strings.HasSuffix(file, "config.yaml") {
			t.Errorf("%s: %v\n%s", file, err, data)
		}
	}
}

func inArchive(t *testing.T, file string) string {
	t.Helper()
	f, err := os.Open(file)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	z, err := gzip.NewReader(f)
	if err != nil {
		t.Fatal(err)
	}
	var names strings.Builder
	for r := tar.NewReader(z); ; {
		h, err := r.Next()
		if errors.Is(err, io.EOF) {
			return names.String()
		} else if err != nil {
			t.Fatal(err)
		}
		names.WriteString(h.Name + "\n")
	}
}

// TestVersions: a release says what it brings, and a version is one.
func TestVersions(t *testing.T) {
	for version, want := range map[string]string{"0.1.0": "", "v0.1.0": "", "0.0.0-dev": "", "9.9.9": "does not begin with the version", "1.2": "is not a version", "latest": "is not a version"} {
		r := release{source: "../.."}
		err := r.identify(version)
		if want == "" && err != nil || want != "" && (err == nil || !strings.Contains(err.Error(), want)) {
			t.Errorf("%s: %v", version, err)
		}
	}
}
