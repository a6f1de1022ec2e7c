// Package rights gives up the rights of root.
package rights

import (
	"errors"
	"fmt"
	"os"
	"syscall"
)

// Become makes the process another user's, for all threads and for good.
func Become(user, group int) error {
	if err := errors.Join(syscall.Setgroups(nil), syscall.Setgid(group), syscall.Setuid(user)); err != nil {
		return fmt.Errorf("the rights of root can't be given up: %w", err)
	}
	return nil
}

// LikeOwner makes a process of root that of the user whom a folder belongs to, and works in
// that folder from then on: moved. What root wrote there, that user could not use, and a
// service may have a user that exists only while it runs, so that nobody can be told to run
// a command as that user. The way to its folder is open to root alone.
func LikeOwner(folder string) (moved bool, err error) {
	info, err := os.Stat(folder)
	if os.Geteuid() != 0 || err != nil {
		return false, nil // it is made later, as ours
	}
	owner, ok := info.Sys().(*syscall.Stat_t)
	if !ok || owner.Uid == 0 {
		return false, nil
	}
	if err := os.Chdir(folder); err != nil {
		return false, err
	}
	return true, Become(int(owner.Uid), int(owner.Gid))
}
