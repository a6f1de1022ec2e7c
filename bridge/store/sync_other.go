//go:build !linux

package store

import (
	"errors"
	"os"
)

// datasync puts what was written on the disk.
func datasync(f *os.File) error { return f.Sync() }

// preallocate is known on Linux only.
func preallocate(*os.File, int64, int64) error { return errors.ErrUnsupported }
