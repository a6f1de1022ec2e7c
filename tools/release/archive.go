package main

import (
	"archive/tar"
	"bytes"
	"cmp"
	"os"
	"path/filepath"
	"slices"
	"strings"
)

// target builds all of one target.
func (r *release) target(t target, common []file) error {
	program, err := r.program(t)
	if err != nil {
		return err
	}
	data, err := os.ReadFile(program)
	if err != nil {
		return err
	}
	files := append(slices.Clone(common), file{name: "volvobridge", path: "/usr/bin/volvobridge", mode: 0o755, data: data})
	if err := r.archive(t, files); err != nil {
		return err
	}
	if err := r.contents(t, program); err != nil {
		return err
	}
	if t.os != "linux" {
		return nil
	}
	return r.packages(t, files)
}

// name is the beginning of the names of a target's files.
func (r *release) name(t target) string {
	return filepath.Join(r.out, "volvobridge-"+r.version+"-"+strings.NewReplacer("/arm/", "-armv", "/", "-").Replace(t.String()))
}

// archive writes a tar file, by name, with the time of the commit.
func (r *release) archive(t target, files []file) error {
	files = slices.DeleteFunc(slices.Clone(files), func(f file) bool { return f.name == "" })
	slices.SortFunc(files, func(a, b file) int { return cmp.Compare(a.name, b.name) })
	var b bytes.Buffer
	w := tar.NewWriter(&b)
	folder := filepath.Base(r.name(t)) + "/"
	for _, f := range files {
		if err := w.WriteHeader(&tar.Header{Typeflag: tar.TypeReg, Name: folder + f.name, Mode: int64(f.mode), Size: int64(len(f.data)), ModTime: r.time, Format: tar.FormatUSTAR}); err != nil {
			return err
		}
		if _, err := w.Write(f.data); err != nil {
			return err
		}
	}
	if err := w.Close(); err != nil {
		return err
	}
	return os.WriteFile(r.name(t)+".tar.gz", zipped(b.Bytes()), 0o644)
}
