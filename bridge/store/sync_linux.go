package store

import (
	"os"
	"syscall"
)

// datasync puts what was written on the disk, without the time of the write, which
// nobody needs and a second write of the disk would keep.
func datasync(f *os.File) error { return syscall.Fdatasync(int(f.Fd())) }
