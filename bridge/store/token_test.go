package store

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

var saves int64

// aToken is a token as the login keeps it, later than all before.
func aToken(refresh string) []byte {
	saves++
	return fmt.Appendf(nil, `{"refresh":%q,"previous":"before-%s","life":299000000000,"seq":%d}`, refresh, refresh, saves)
}

// keeps tells whether the store has just that token.
func keeps(t *testing.T, s *Store, refresh string) bool {
	t.Helper()
	data, ok, _, err := s.LoadToken("a")
	return ok && err == nil && strings.Contains(string(data), fmt.Sprintf(`"refresh":%q`, refresh))
}

func TestTokenSurvivesAndIsPrivate(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "data")
	s, err := Open(dir)
	if err != nil {
		t.Fatal(err)
	}
	if _, ok, notes, err := s.LoadToken("a"); ok || notes != nil || err != nil {
		t.Fatal("a token out of nothing")
	}
	for _, refresh := range []string{"one", "two"} {
		if err := s.SaveToken("a", aToken(refresh), true); err != nil {
			t.Fatal(err)
		}
	}
	if !keeps(t, s, "two") {
		t.Error("not the last token")
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{tokenFile("a"), tokenCopy("a")} {
		info, err := os.Stat(filepath.Join(dir, name))
		if err != nil || info.Mode().Perm() != 0o600 {
			t.Errorf("%s: %v %v", name, info.Mode(), err)
		}
	}
}

// TestFlippedBytes: whatever byte of a token's file breaks, its copy or nothing is
// used, never another token; and what is broken is kept aside.
func TestFlippedBytes(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "data")
	s, err := Open(dir)
	if err != nil {
		t.Fatal(err)
	}
	if err := s.SaveToken("a", aToken("good"), true); err != nil {
		t.Fatal(err)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	whole, err := os.ReadFile(filepath.Join(dir, tokenFile("a")))
	if err != nil {
		t.Fatal(err)
	}
	random := rand.New(rand.NewPCG(1, 2))
	for i := range 300 {
		broken := bytes.Clone(whole)
		switch {
		case i%10 == 8:
			broken = broken[:random.IntN(len(broken))] // torn
		case i == 299:
			broken = nil
		default:
			broken[random.IntN(len(broken))] ^= byte(1 << random.IntN(8))
		}
		both := i%3 == 0
		for _, name := range []string{tokenFile("a"), tokenCopy("a")} {
			data := whole
			if both || name == tokenFile("a") {
				data = broken
			}
			if err := os.WriteFile(filepath.Join(dir, name), data, 0o600); err != nil {
				t.Fatal(err)
			}
		}
		if s, err = Open(dir); err != nil {
			t.Fatal(err)
		}
		got, ok, notes, _ := s.LoadToken("a")
		switch {
		case ok && !strings.Contains(string(got), `"refresh":"good"`):
			t.Fatalf("try %d: a wrong token: %s", i, got)
		case !both && !ok:
			t.Fatalf("try %d: the copy was not used", i)
		case !bytes.Equal(broken, whole) && len(notes) == 0:
			t.Fatalf("try %d: not noticed", i)
		}
		for _, name := range notes {
			if kept, err := os.ReadFile(filepath.Join(dir, name)); err != nil || !bytes.Equal(kept, broken) || !strings.Contains(name, "broken") {
				t.Fatalf("try %d: %s was not kept: %v", i, name, err)
			}
		}
		if err := s.Close(); err != nil {
			t.Fatal(err)
		}
	}
}

// TestPutOnADiskThatFails: told at once, and written when the disk is back.
func TestPutOnADiskThatFails(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "data")
	s, err := Open(dir)
	if err != nil {
		t.Fatal(err)
	}
	blocked := filepath.Join(dir, tokenFile("a"))
	if err := os.MkdirAll(filepath.Join(blocked, "x"), 0o700); err != nil { // a rename onto it fails
		t.Fatal(err)
	}
	if err := s.SaveToken("a", aToken("new"), true); err == nil || s.Problem() == nil {
		t.Fatalf("saved: %v, problem: %v", err, s.Problem())
	}
	if err := os.RemoveAll(blocked); err != nil {
		t.Fatal(err)
	}
	if err := s.Close(); err != nil { // writes what is pending
		t.Fatal(err)
	}
	if s, err = Open(dir); err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	if !keeps(t, s, "new") {
		t.Error("not the new token")
	}
}

// TestTokenOfAnotherUser: what can't be read may be good, so it stays.
func TestTokenOfAnotherUser(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "data")
	s, err := Open(dir)
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	// A folder in its place can't be read by anybody, root included.
	if err := os.Mkdir(filepath.Join(dir, tokenFile("a")), 0o700); err != nil {
		t.Fatal(err)
	}
	if _, _, notes, err := s.LoadToken("a"); err == nil || len(notes) > 0 || !strings.Contains(err.Error(), "can't be read") {
		t.Errorf("%v %v", notes, err)
	}
}
