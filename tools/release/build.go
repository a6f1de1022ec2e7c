package main

import (
	"bytes"
	"compress/gzip"
	"debug/buildinfo"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
)

// target is a system and a processor.
type target struct{ os, arch, arm string }

func (t target) String() string {
	if t.arm != "" {
		return t.os + "/" + t.arch + "/" + t.arm
	}
	return t.os + "/" + t.arch
}

// file is a file of an archive or of a package.
type file struct {
	name string // in an archive; empty: not there
	path string // in a package; empty: not there
	mode os.FileMode
	data []byte
	// config tells that an update leaves it as a person changed it.
	config bool
}

// goRun runs the go command in the project, for a target or for this machine.
func (r *release) goRun(t *target, args ...string) ([]byte, error) {
	cmd := exec.Command("go", args...)
	cmd.Dir = r.source
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0", "GOFLAGS=-trimpath", "GOWORK=off", fmt.Sprint("SOURCE_DATE_EPOCH=", r.time.Unix()))
	if t != nil {
		cmd.Env = append(cmd.Env, "GOOS="+t.os, "GOARCH="+t.arch, "GOARM="+t.arm)
	}
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if err != nil {
		return nil, fmt.Errorf("go %s: %w\n%s", args[0], err, stderr.Bytes())
	}
	return out, nil
}

func (r *release) flags() string {
	return "-s -w -X main.version=" + r.version + " -X main.commit=" + r.commit
}

// program builds the program for a target and returns the name of its file.
func (r *release) program(t target) (string, error) {
	name, err := filepath.Abs(filepath.Join(r.scratch, strings.ReplaceAll(t.String(), "/", "-")))
	if err != nil {
		return "", err
	}
	// Without what git says of the folder: the same commit may be built in a folder with a tag
	// or without one, and beside files that are no part of it.
	_, err = r.goRun(&t, "build", "-buildvcs=false", "-ldflags", r.flags(), "-o", name, "./cmd/volvobridge")
	return name, err
}

// common are the files that are the same for every target.
func (r *release) common() ([]file, error) {
	const documents = "/usr/share/doc/volvobridge/"
	var files []file
	for _, f := range []struct{ source, name, path string }{
		{"README.md", "README.md", documents + "README.md"},
		{"CHANGELOG.md", "CHANGELOG.md", ""},
		{"config.example.yaml", "config.example.yaml", documents + "config.example.yaml"},
		{"packaging/linux/copyright", "", documents + "copyright"},
		{"packaging/linux/lintian-overrides", "", "/usr/share/lintian/overrides/volvobridge"},
		{"packaging/linux/volvobridge.service", "volvobridge.service", "/usr/lib/systemd/system/volvobridge.service"},
	} {
		data, err := os.ReadFile(filepath.Join(r.source, f.source))
		if err != nil {
			return nil, err
		}
		files = append(files, file{name: f.name, path: f.path, mode: 0o644, data: data})
	}
	configuration, err := os.ReadFile(filepath.Join(r.source, "packaging/linux/config.yaml"))
	if err != nil {
		return nil, err
	}
	files = append(files, file{path: "/etc/volvobridge/config.yaml", mode: 0o640, data: configuration, config: true},
		file{path: documents + "changelog.gz", mode: 0o644, data: zipped(r.debianChangelog())})
	for _, add := range []func() ([]file, error){r.completions, r.manual, r.licences} {
		more, err := add()
		if err != nil {
			return nil, err
		}
		files = append(files, more...)
	}
	return files, nil
}

// completions are what shells complete the program's commands with.
func (r *release) completions() ([]file, error) {
	var files []file
	for _, shell := range []struct{ name, path string }{
		{"bash", "/usr/share/bash-completion/completions/volvobridge"},
		{"zsh", "/usr/share/zsh/vendor-completions/_volvobridge"},
		{"fish", "/usr/share/fish/vendor_completions.d/volvobridge.fish"},
	} {
		data, err := r.goRun(nil, "run", "./cmd/volvobridge", "completion", shell.name)
		if err != nil {
			return nil, err
		}
		files = append(files, file{name: "completions/" + filepath.Base(shell.path), path: shell.path, mode: 0o644, data: data})
	}
	return files, nil
}

// manual are the manual pages.
func (r *release) manual() ([]file, error) {
	folder := filepath.Join(r.scratch, "man")
	if err := os.Mkdir(folder, 0o755); err != nil {
		return nil, err
	}
	absolute, err := filepath.Abs(folder)
	if err != nil {
		return nil, err
	}
	if _, err := r.goRun(nil, "run", "-tags", "man", "-ldflags", r.flags(), "./cmd/volvobridge", "man", absolute); err != nil {
		return nil, err
	}
	pages, err := filepath.Glob(folder + "/*.1")
	if err != nil {
		return nil, err
	}
	slices.Sort(pages)
	var files []file
	for _, page := range pages {
		data, err := os.ReadFile(page)
		if err != nil {
			return nil, err
		}
		name := filepath.Base(page)
		files = append(files, file{name: "man/" + name, path: "/usr/share/man/man1/" + name + ".gz", mode: 0o644, data: zipped(data)})
		files[len(files)-1].name = "man/" + name + ".gz"
	}
	return files, nil
}

// licences are those of all that the program is built with, which want to be shown.
func (r *release) licences() ([]file, error) {
	program, err := r.program(targets[0])
	if err != nil {
		return nil, err
	}
	info, err := buildinfo.ReadFile(program)
	if err != nil {
		return nil, err
	}
	root, err := r.goRun(nil, "env", "GOROOT")
	if err != nil {
		return nil, err
	}
	var text bytes.Buffer
	if err := licence(&text, "Go "+info.GoVersion, strings.TrimSpace(string(root))); err != nil {
		return nil, err
	}
	for _, m := range info.Deps {
		folder, err := r.goRun(nil, "list", "-m", "-f", "{{.Dir}}", m.Path)
		if err != nil {
			return nil, err
		}
		if err := licence(&text, m.Path+" "+m.Version, strings.TrimSpace(string(folder))); err != nil {
			return nil, err
		}
	}
	return []file{{name: "THIRD_PARTY_LICENSES", path: "/usr/share/doc/volvobridge/THIRD_PARTY_LICENSES", mode: 0o644, data: text.Bytes()}}, nil
}

// licence adds the licence of a module, and what its authors want to be told beside it.
func licence(text *bytes.Buffer, name, folder string) error {
	found := 0
	entries, err := os.ReadDir(folder)
	if err != nil {
		return err
	}
	for _, e := range entries {
		upper := strings.ToUpper(e.Name())
		if e.IsDir() || !strings.HasPrefix(upper, "LICENSE") && !strings.HasPrefix(upper, "LICENCE") && !strings.HasPrefix(upper, "COPYING") && !strings.HasPrefix(upper, "NOTICE") {
			continue
		}
		data, err := os.ReadFile(filepath.Join(folder, e.Name()))
		if err != nil {
			return err
		}
		found++
		fmt.Fprintf(text, "==== %s: %s\n\n%s\n\n", name, e.Name(), bytes.TrimSpace(data))
	}
	if found == 0 {
		return fmt.Errorf("%s has no licence that could be shown", name)
	}
	return nil
}

// debianChangelog is what Debian wants to read about this version.
func (r *release) debianChangelog() []byte {
	_, news := r.changes()
	if news == "" {
		news = "- A build of the commit " + r.commit + "."
	}
	var b strings.Builder
	fmt.Fprintf(&b, "volvobridge (%s) stable; urgency=medium\n\n", strings.Replace(r.version, "-", "~", 1))
	for line := range strings.Lines(news) {
		line = strings.TrimRight(line, "\n")
		if rest, bullet := strings.CutPrefix(line, "- "); bullet {
			line = "* " + rest
		}
		fmt.Fprintf(&b, "  %s\n", line)
	}
	fmt.Fprintf(&b, "\n -- %s  %s\n", maintainer, r.time.Format("Mon, 02 Jan 2006 15:04:05 -0700"))
	return []byte(b.String())
}

// zipped compresses without a name and a time.
func zipped(data []byte) []byte {
	var b bytes.Buffer
	w, _ := gzip.NewWriterLevel(&b, gzip.BestCompression) // the level is valid
	_, _ = w.Write(data)                                  // a buffer takes everything
	_ = w.Close()
	return b.Bytes()
}
