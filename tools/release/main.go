// Command release builds everything that a release consists of: archives, packages, the
// list of what is in them, the checksums, and the folder of the Home Assistant app.
//
//	go run . -source ../.. -out ../../dist
//
// The same commit gives the same bytes, wherever and whenever it is built.
package main

import (
	"crypto/sha256"
	"errors"
	"flag"
	"fmt"
	"io"
	"log"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"
)

// release is what is built, and from what.
type release struct {
	source, out string // folders
	version     string // without v
	commit      string
	time        time.Time // of the commit: of everything that has a time
	owner       string    // on GitHub
	scratch     string    // a folder for what is in between
}

// targets are what the program is built for.
var targets = []target{
	{"linux", "amd64", ""}, {"linux", "arm64", ""}, {"linux", "arm", "7"}, {"linux", "arm", "6"},
	{"darwin", "amd64", ""}, {"darwin", "arm64", ""}, {"freebsd", "amd64", ""},
}

func main() {
	log.SetFlags(0)
	source := flag.String("source", "../..", "the `folder` of the project")
	out := flag.String("out", "", "the `folder` to write to; it must not be there")
	version := flag.String("version", "", "the version, such as 1.2.3; empty: of the tag, else 0.0.0-dev")
	owner := flag.String("owner", "OWNER", "the `name` that the repositories and images belong to")
	only := flag.String("only", "", "one target alone, such as linux/arm/7")
	flag.Parse()
	if err := run(*source, *out, *version, *owner, *only); err != nil {
		log.Fatal(err)
	}
}

func run(source, out, version, owner, only string) (err error) {
	if out == "" {
		return errors.New("name a folder with -out")
	}
	r := release{source: source, out: out, owner: owner}
	if err := r.identify(version); err != nil {
		return err
	}
	if err := os.Mkdir(out, 0o755); err != nil {
		return fmt.Errorf("the folder to write to: %w", err)
	}
	if r.scratch, err = os.MkdirTemp("", "volvobridge-release-"); err != nil {
		return err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(r.scratch)) }()
	files, err := r.common()
	if err != nil {
		return err
	}
	built := 0
	for _, t := range targets {
		if only != "" && t.String() != only {
			continue
		}
		built++
		if err := r.target(t, files); err != nil {
			return fmt.Errorf("%s: %w", t, err)
		}
	}
	if built == 0 {
		return fmt.Errorf("there is no target %s; known are %v", only, targets)
	}
	if err := r.app(filepath.Join(out, "app-repository")); err != nil {
		return err
	}
	return r.checksums()
}

// identify finds out which version of what this is.
func (r *release) identify(version string) error {
	var err error
	if r.commit, err = r.git("rev-parse", "HEAD"); err != nil {
		return err
	}
	seconds, err := r.git("log", "-1", "--format=%ct")
	if err != nil {
		return err
	}
	epoch, err := strconv.ParseInt(seconds, 10, 64)
	if err != nil {
		return err
	}
	r.time = time.Unix(epoch, 0).UTC()
	r.version = strings.TrimPrefix(version, "v")
	if r.version == "" {
		if r.version, err = r.git("describe", "--tags", "--exact-match", "--match", "v*"); err != nil {
			r.version = "v0.0.0-dev"
		}
		r.version = strings.TrimPrefix(r.version, "v")
	}
	if !regexp.MustCompile(`^\d+\.\d+\.\d+(-[0-9A-Za-z.]+)?$`).MatchString(r.version) {
		return fmt.Errorf("%q is not a version; write it like 1.2.3", r.version)
	}
	if _, news := r.changes(); news == "" && !strings.Contains(r.version, "-") {
		return fmt.Errorf("CHANGELOG.md does not begin with the version %s; write what it brings", r.version)
	}
	return nil
}

// changes are the newest version in CHANGELOG.md and what it brings, if that is this one.
func (r *release) changes() (whole, news string) {
	data, err := os.ReadFile(filepath.Join(r.source, "CHANGELOG.md"))
	if err != nil {
		return "", ""
	}
	_, newest, _ := strings.Cut(string(data), "\n## ")
	title, text, _ := strings.Cut(newest, "\n")
	text, _, _ = strings.Cut(text, "\n## ")
	if title != r.version {
		text = ""
	}
	return string(data), strings.TrimSpace(text)
}

func (r *release) git(args ...string) (string, error) {
	cmd := exec.Command("git", append([]string{"-C", r.source}, args...)...)
	out, err := cmd.Output()
	if err != nil {
		return "", fmt.Errorf("git %s: %w", args[0], err)
	}
	return strings.TrimSpace(string(out)), nil
}

// checksums writes SHA256SUMS, and prints every file with its size.
func (r *release) checksums() error {
	files, err := filepath.Glob(filepath.Join(r.out, "volvobridge*"))
	if err != nil {
		return err
	}
	slices.Sort(files)
	var sums strings.Builder
	for _, file := range files {
		f, err := os.Open(file)
		if err != nil {
			return err
		}
		hash := sha256.New()
		size, err := io.Copy(hash, f)
		if err := errors.Join(err, f.Close()); err != nil {
			return err
		}
		fmt.Printf("%10d  %s\n", size, filepath.Base(file))
		fmt.Fprintf(&sums, "%x  %s\n", hash.Sum(nil), filepath.Base(file))
	}
	return os.WriteFile(filepath.Join(r.out, "SHA256SUMS"), []byte(sums.String()), 0o644)
}
