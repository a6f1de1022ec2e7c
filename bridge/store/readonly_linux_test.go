package store

import (
	"os"
	"syscall"
	"testing"
)

// TestReadOnlyDisk: a disk that became read-only is read, and complained of, but
// stops nobody from starting, and one process only.
func TestReadOnlyDisk(t *testing.T) {
	disk := t.TempDir()
	if err := syscall.Mount("none", disk, "tmpfs", 0, ""); err != nil {
		t.Skipf("no disk can be mounted here, as it can by root: %v", err)
	}
	defer func() { _ = syscall.Unmount(disk, syscall.MNT_DETACH) }()
	dir := disk + "/data"
	s, err := Open(dir)
	if err != nil {
		t.Fatal(err)
	}
	if err := s.SaveToken("a", aToken("kept"), true); err != nil {
		t.Fatal(err)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	if err := syscall.Mount("none", disk, "tmpfs", syscall.MS_REMOUNT|syscall.MS_RDONLY, ""); err != nil {
		t.Fatal(err)
	}
	s, err = Open(dir)
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	if !keeps(t, s, "kept") {
		t.Error("the token was not kept")
	}
	if err := s.SaveToken("a", aToken("new"), true); err == nil || s.Problem() == nil {
		t.Errorf("a read-only disk is no problem: %v, %v", err, s.Problem())
	}
	if _, err := Open(dir); err == nil {
		t.Error("a second process came in")
	}
	if info, err := os.Stat(dir); err != nil || info.Mode().Perm() != 0o700 {
		t.Errorf("%v %v", info, err)
	}
}
