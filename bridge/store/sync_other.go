//go:build !linux

package store

import "os"

// datasync puts what was written on the disk.
func datasync(f *os.File) error { return f.Sync() }
