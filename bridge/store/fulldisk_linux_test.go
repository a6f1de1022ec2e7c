package store

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"syscall"
	"testing"
)

// smallDisk is a disk of one's own.
func smallDisk(t *testing.T, size string) string {
	t.Helper()
	disk := t.TempDir()
	if err := syscall.Mount("none", disk, "tmpfs", 0, "size="+size); err != nil {
		t.Skipf("no disk can be mounted here, as it can by root: %v", err)
	}
	t.Cleanup(func() { _ = syscall.Unmount(disk, syscall.MNT_DETACH) })
	return disk
}

// fill leaves no byte free.
func fill(t *testing.T, disk string) (empty func()) {
	t.Helper()
	name := filepath.Join(disk, "filler")
	f, err := os.Create(name)
	if err != nil {
		t.Fatal(err)
	}
	for size := 1 << 20; size > 0; size /= 2 {
		for err = nil; err == nil; {
			_, err = f.Write(make([]byte, size))
		}
	}
	f.Close()
	return func() { _ = os.Remove(name) }
}

// useMuch keeps 50 tokens one after the other, and a thousand commands.
func useMuch(t *testing.T, s *Store) {
	t.Helper()
	for i := range 50 {
		if err := s.SaveToken("a", aToken(fmt.Sprint("mark", i)), false); err != nil {
			t.Fatalf("mark %d: %v", i, err)
		}
		if err := s.SaveToken("a", aToken(fmt.Sprint(i+1)), true); err != nil {
			t.Fatalf("token %d: %v", i, err)
		}
	}
	for i := range 1000 {
		seq, err := s.Begin(json.RawMessage(fmt.Sprintf(`{"n":%d,"text":"%0400d"}`, i, i)))
		if err != nil {
			t.Fatalf("command %d: %v", i, err)
		}
		if err := s.Update(seq, i == 999, json.RawMessage(fmt.Sprintf(`{"n":%d,"done":true,"text":"%0400d"}`, i, i))); err != nil {
			t.Fatalf("command %d: %v", i, err)
		}
	}
}

// TestFullDisk: on a full disk every token and every command is kept, through a
// crash too; with space again all is as it was.
func TestFullDisk(t *testing.T) {
	disk := smallDisk(t, "4m")
	dir := filepath.Join(disk, "data")
	s, err := Open(dir)
	if err != nil {
		t.Fatal(err)
	}
	if err := s.SaveToken("a", aToken("0"), true); err != nil {
		t.Fatal(err)
	}
	empty := fill(t, disk)
	useMuch(t, s)
	if s.Problem() == nil {
		t.Error("a full disk is no problem")
	}
	crashed := filepath.Join(t.TempDir(), "crashed")
	if err := os.CopyFS(crashed, os.DirFS(dir)); err != nil {
		t.Fatal(err)
	}
	if err := os.Chmod(crashed, 0o700); err != nil {
		t.Fatal(err)
	}
	look := func(s *Store) {
		t.Helper()
		if !keeps(t, s, "50") {
			t.Error("not the last token")
		}
		entries := s.Commands()
		if len(entries) != 200 || entries[199].Seq != 1000 || !entries[199].Open {
			t.Errorf("%d commands", len(entries))
		}
	}
	after, err := Open(crashed)
	if err != nil {
		t.Fatal(err)
	}
	look(after)
	if err := after.Close(); err != nil {
		t.Fatal(err)
	}
	empty()
	if err := s.Close(); err != nil { // writes what is pending
		t.Fatal(err)
	}
	if s, err = Open(dir); err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	look(s)
	if err := s.SaveToken("a", aToken("last"), true); err != nil || s.Problem() != nil {
		t.Errorf("with space again: %v, %v", err, s.Problem())
	}
}
