package store_test

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"volvobridge/bridge/store"
)

func open(t *testing.T, dir string) *store.Store {
	t.Helper()
	s, err := store.Open(dir)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func TestSaveLoadAcrossRestart(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "data")
	s := open(t, dir)
	if got := s.Load("nothing"); got != nil {
		t.Fatalf("a missing file has %q", got)
	}
	s.Save("a", []byte("1"), store.Whole)
	s.Save("a", []byte("2"), store.Durable)
	if string(s.Load("a")) != "2" {
		t.Fatal("what is pending is not what is loaded")
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	s = open(t, dir)
	defer s.Close()
	if string(s.Load("a")) != "2" {
		t.Fatal("lost at a restart")
	}
	info, err := os.Stat(filepath.Join(dir, "a"))
	if err != nil || info.Mode().Perm() != 0o600 {
		t.Fatalf("mode %v %v", info.Mode(), err)
	}
	if info, _ := os.Stat(dir); info.Mode().Perm() != 0o700 {
		t.Fatalf("folder mode %v", info.Mode())
	}
}

func TestOneProcessOnly(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "data")
	s := open(t, dir)
	if _, err := store.Open(dir); err == nil || !strings.Contains(err.Error(), "in use by process") {
		t.Fatalf("a second owner: %v", err)
	}
	s.Close()
	open(t, dir).Close()
}

// TestOthersMustNotRead: the rights of a group, as a volume has them, are taken away,
// and that is told; a folder that everybody could read is not used.
func TestOthersMustNotRead(t *testing.T) {
	dir := t.TempDir()
	if err := os.Mkdir(filepath.Join(dir, "lost+found"), 0o700); err != nil {
		t.Fatal(err)
	}
	for _, mode := range []os.FileMode{0o755, 0o2770, 0o750} {
		if err := os.Chmod(dir, mode); err != nil {
			t.Fatal(err)
		}
		s := open(t, dir)
		if err := s.Put("a", []byte("1")); err != nil {
			t.Fatal(err)
		}
		if told := len(s.Mended()) > 0; told != (mode != 0o755) { // the first time nothing was in it
			t.Errorf("%o: told %v", mode, s.Mended())
		}
		s.Close()
		if err := os.Chmod(filepath.Join(dir, "a"), 0o660); err != nil {
			t.Fatal(err)
		}
	}
	open(t, dir).Close()
	if info, err := os.Stat(dir); err != nil || info.Mode().Perm() != 0o700 {
		t.Errorf("%v %v", info.Mode(), err)
	}
	if err := os.Chmod(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	if _, err := store.Open(dir); err == nil || !strings.Contains(err.Error(), "chmod -R go= ") {
		t.Fatalf("a store that everybody can read was opened: %v", err)
	}
}

// TestSomebodyElses: the error names the owner, us, and the command that helps.
func TestSomebodyElses(t *testing.T) {
	if os.Getuid() != 0 {
		t.Skip("only root can give files to others")
	}
	dir := t.TempDir()
	open(t, dir).Close()
	if err := os.Chown(filepath.Join(dir, "lock"), 4321, 4321); err != nil {
		t.Fatal(err)
	}
	for range 2 {
		_, err := store.Open(dir)
		if err == nil || !strings.Contains(err.Error(), "4321") || !strings.Contains(err.Error(), "chown -R 0 "+dir) {
			t.Errorf("%v", err)
		}
		if err := os.Chown(dir, 4321, 4321); err != nil {
			t.Fatal(err)
		}
	}
}

// TestNoLinkIsFollowed: the lock is written to no other file.
func TestNoLinkIsFollowed(t *testing.T) {
	for _, to := range []string{"outside", "inside"} {
		dir, victim := t.TempDir(), filepath.Join(t.TempDir(), "victim")
		target := victim
		if err := os.Chmod(dir, 0o700); err != nil {
			t.Fatal(err)
		}
		if to == "inside" {
			victim, target = filepath.Join(dir, "victim"), "victim" // an absolute one would lead out of the folder
		}
		if err := os.WriteFile(victim, []byte("precious"), 0o600); err != nil {
			t.Fatal(err)
		}
		for _, name := range []string{"lock", "commands.jsonl", "light", "whole"} {
			_ = os.Remove(filepath.Join(dir, name))
			if err := os.Symlink(target, filepath.Join(dir, name)); err != nil {
				t.Fatal(err)
			}
			s, err := store.Open(dir)
			if err == nil {
				s.Save("light", []byte("1"), store.Light)
				s.Save("whole", []byte("1"), store.Whole)
				_, _ = s.Begin(json.RawMessage("{}")) // what can't be written is told
				_ = s.Close()
			} else if name != "lock" {
				t.Errorf("%s: %v", name, err)
			}
			if data, _ := os.ReadFile(victim); string(data) != "precious" {
				t.Fatalf("the link %s to a file %s was followed: %q", name, to, data)
			}
			_ = os.Remove(filepath.Join(dir, name))
		}
	}
	dir := t.TempDir()
	if err := syscall.Mkfifo(filepath.Join(dir, "lock"), 0o600); err != nil {
		t.Skipf("no pipes here: %v", err)
	}
	if _, err := store.Open(dir); err == nil || !strings.Contains(err.Error(), "no plain file") {
		t.Errorf("a pipe as lock: %v", err)
	}
}

func TestJournalKeepsOpenCommands(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "data")
	s := open(t, dir)
	for range 250 {
		seq, err := s.Begin(json.RawMessage(`{"n":1}`))
		if err != nil {
			t.Fatal(err)
		}
		if err := s.Update(seq, false, json.RawMessage(`{"n":2}`)); err != nil {
			t.Fatal(err)
		}
	}
	last, err := s.Begin(json.RawMessage(`{"n":3}`))
	if err != nil {
		t.Fatal(err)
	}
	// No Close: a crash. The lock goes with the process; here a copy stands in.
	copied := filepath.Join(t.TempDir(), "copy")
	if err := os.CopyFS(copied, os.DirFS(dir)); err != nil {
		t.Fatal(err)
	}
	if err := os.Chmod(copied, 0o700); err != nil {
		t.Fatal(err)
	}
	journal := filepath.Join(copied, "commands.jsonl")
	f, err := os.OpenFile(journal, os.O_APPEND|os.O_WRONLY, 0)
	if err != nil {
		t.Fatal(err)
	}
	f.WriteString(`{"seq":252,"op`) // torn
	f.Close()
	after := open(t, copied)
	defer after.Close()
	got := after.Commands()
	if len(got) != 200 || got[199].Seq != last || !got[199].Open || got[198].Open || string(got[198].Data) != `{"n":2}` {
		t.Fatalf("%d entries, last %+v", len(got), got[len(got)-1])
	}
	if len(after.Notes()) != 1 || !strings.Contains(after.Notes()[0], ".broken-") {
		t.Fatalf("the torn journal was not kept aside: %v", after.Notes())
	}
	if next, _ := after.Begin(json.RawMessage(`{}`)); next <= last {
		t.Fatal("a number was used twice")
	}
	s.Close()
}

func TestDiskTroubleIsReportedAndRepaired(t *testing.T) {
	if os.Getuid() != 0 {
		// Without root the folder's mode is enough to keep us out.
		dir := filepath.Join(t.TempDir(), "data")
		s := open(t, dir)
		defer s.Close()
		os.Chmod(dir, 0o500)
		s.Save("a", []byte("1"), store.Durable)
		waitProblem(t, s, true)
		os.Chmod(dir, 0o700)
		return
	}
	dir := filepath.Join(t.TempDir(), "data")
	s := open(t, dir)
	defer s.Close()
	blocked := filepath.Join(dir, "a")
	if err := os.MkdirAll(filepath.Join(blocked, "x"), 0o700); err != nil { // a rename onto it fails
		t.Fatal(err)
	}
	s.Save("a", []byte("1"), store.Durable)
	waitProblem(t, s, true)
	if string(s.Load("a")) != "1" {
		t.Fatal("what could not be written was forgotten")
	}
	if err := os.RemoveAll(blocked); err != nil {
		t.Fatal(err)
	}
	s.Save("b", []byte("2"), store.Durable)
	waitProblem(t, s, false)
	if data, err := os.ReadFile(filepath.Join(dir, "a")); err != nil || string(data) != "1" {
		t.Fatalf("not written when it could be: %q %v", data, err)
	}
}

func waitProblem(t *testing.T, s *store.Store, want bool) {
	t.Helper()
	for range 500 {
		if (s.Problem() != nil) == want {
			return
		}
		time.Sleep(10 * time.Millisecond)
	}
	t.Fatalf("problem: %v", s.Problem())
}

func TestJournalStaysSmall(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "data")
	s := open(t, dir)
	for range 2500 {
		seq, err := s.Begin(json.RawMessage(`{"n":1}`))
		if err != nil {
			t.Fatal(err)
		}
		if err := s.Update(seq, false, json.RawMessage(`{"n":2}`)); err != nil {
			t.Fatal(err)
		}
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	data, err := os.ReadFile(filepath.Join(dir, "commands.jsonl"))
	if lines := strings.Count(string(data), "\n"); err != nil || lines > 2100 || lines < 200 {
		t.Errorf("%d lines, %v", lines, err)
	}
	s = open(t, dir)
	defer s.Close()
	if got := s.Commands(); len(got) != 200 || got[199].Seq != 2500 {
		t.Errorf("%d entries", len(got))
	}
}

func TestLightFilesShrinkAndGrow(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "data")
	for _, n := range []int{3, 600, 2} {
		s := open(t, dir)
		s.Save("calls", []byte(strings.Repeat("7", n)), store.Light)
		if err := s.Close(); err != nil {
			t.Fatal(err)
		}
		s = open(t, dir)
		if got := strings.TrimRight(string(s.Load("calls")), " "); got != strings.Repeat("7", n) {
			t.Errorf("%d: %q", n, got)
		}
		s.Close()
	}
}
