package store

import (
	"os"
	"syscall"
)

// datasync puts what was written on the disk, without the time of the write, which
// nobody needs and a second write of the disk would keep.
func datasync(f *os.File) error { return syscall.Fdatasync(int(f.Fd())) }

const keepSize = 1 // FALLOC_FL_KEEP_SIZE

// preallocate has the disk keep room behind the end of a file, without the file
// becoming longer.
func preallocate(f *os.File, at, length int64) error {
	return syscall.Fallocate(int(f.Fd()), keepSize, at, length)
}
