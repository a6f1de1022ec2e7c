package store

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"os/user"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// prepare makes the folder if need be, and sees to it that it is ours alone. What is
// ours is mended; the notes say what was. Of what is not ours the error names the
// owner and the command that helps.
func prepare(dir string) (notes []string, err error) {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, fmt.Errorf("store: the folder can't be made: %w", err)
	}
	info, err := os.Stat(dir)
	if err != nil {
		return nil, fmt.Errorf("store: %w", err)
	}
	if !info.IsDir() {
		return nil, fmt.Errorf("store: %s is no folder; choose another name with the key store", dir)
	}
	owner, mode := ownerOf(info), info.Mode().Perm()
	switch {
	// A volume of Kubernetes belongs to root, and to a group of ours: nobody else.
	case owner == 0 && os.Geteuid() != 0 && mode&0o007 == 0 && mode&0o070 == 0o070:
	case owner != os.Geteuid():
		return nil, notOurs(dir, dir, owner)
	case mode&0o077 != 0:
		notes, err = mend(dir, mode)
	}
	if err != nil {
		return nil, err
	}
	return notes, foreignFiles(dir)
}

// mend takes the rights of a group, such as that of a volume, away from the folder and
// what is in it; and those of everybody, if nothing of ours is in it yet.
func mend(dir string, mode fs.FileMode) (notes []string, err error) {
	entries, err := os.ReadDir(dir)
	if err != nil {
		return nil, fmt.Errorf("store: %w", err)
	}
	used := slices.ContainsFunc(entries, func(e fs.DirEntry) bool { return e.Type().IsRegular() })
	if mode&0o007 != 0 && used { // whoever is on this machine may have read the login
		return nil, fmt.Errorf("store: others can read %s (mode %04o); make it yours alone: chmod -R go= %s", dir, mode, dir)
	}
	if err := os.Chmod(dir, 0o700); err != nil {
		return nil, fmt.Errorf("store: others can read %s (mode %04o), and that can't be changed: %w; run: chmod -R go= %s", dir, mode, err, dir)
	}
	for _, e := range entries {
		info, err := e.Info()
		if err != nil || !info.Mode().IsRegular() || ownerOf(info) != os.Geteuid() {
			continue
		}
		if info.Mode().Perm()&0o077 != 0 {
			_ = os.Chmod(dir+string(os.PathSeparator)+e.Name(), 0o600) // nobody else gets into the folder any more
		}
		notes = []string{fmt.Sprintf("a group could read the folder of the store (mode %04o); it is yours alone now", mode)}
	}
	return notes, nil
}

// foreignFiles finds files that another user left in the folder, such as root.
func foreignFiles(dir string) error {
	entries, err := os.ReadDir(dir)
	if err != nil {
		return fmt.Errorf("store: %w", err)
	}
	for _, e := range entries {
		info, err := e.Info()
		if err == nil && info.Mode().IsRegular() && ownerOf(info) != os.Geteuid() {
			return notOurs(dir, dir+string(os.PathSeparator)+e.Name(), ownerOf(info))
		}
	}
	return nil
}

func notOurs(dir, what string, owner int) error {
	us := os.Geteuid()
	if us == 0 {
		return fmt.Errorf("store: %s belongs to %s, and this runs as root, whose files that user could not use; run it as that user (sudo -u '#%d' ...), or give it to root: chown -R 0 %s",
			what, userName(owner), owner, dir)
	}
	return fmt.Errorf("store: %s belongs to %s, and this runs as %s; give it that user: sudo chown -R %d %s", what, userName(owner), userName(us), us, dir)
}

// userName is a user by name and number, as far as this machine knows.
func userName(id int) string {
	if u, err := user.LookupId(strconv.Itoa(id)); err == nil {
		return fmt.Sprintf("user %s (%d)", u.Username, id)
	}
	return fmt.Sprintf("user %d", id)
}

// ownerOf is the number of the user that a file belongs to.
func ownerOf(info fs.FileInfo) int {
	if st, ok := info.Sys().(*syscall.Stat_t); ok {
		return int(st.Uid)
	}
	return os.Geteuid()
}

// openToWrite opens a file to write to. It follows no link, also not to another file
// of the folder: what is written must not end up in a login.
func openToWrite(root *os.Root, name string, flag int) (*os.File, error) {
	if info, err := root.Lstat(name); err == nil && !info.Mode().IsRegular() {
		return nil, fmt.Errorf("%s/%s is no plain file; remove it, if you know where it comes from", root.Name(), name)
	}
	return root.OpenFile(name, flag, 0o600)
}

// acquire takes the lock that says one process only.
func acquire(root *os.Root, dir string) (*os.File, error) {
	f, err := openToWrite(root, "lock", os.O_RDWR|os.O_CREATE)
	if errors.Is(err, syscall.EROFS) { // a card that wears out: run from memory, and say so
		if f, err = root.Open("lock"); errors.Is(err, fs.ErrNotExist) {
			f, err = root.Open(".")
		}
	}
	if err != nil {
		return nil, fmt.Errorf("store: %w", err)
	}
	if err := syscall.Flock(int(f.Fd()), syscall.LOCK_EX|syscall.LOCK_NB); err != nil {
		holder, _ := io.ReadAll(io.LimitReader(f, 200)) // only to say who
		f.Close()
		if errors.Is(err, syscall.EWOULDBLOCK) {
			return nil, fmt.Errorf("store: %s is in use by %s; stop that one first", dir, strings.TrimSpace(string(holder)))
		}
		return nil, fmt.Errorf("store: %s can't be locked: %w", dir, err)
	}
	// The text is for people; the lock is what counts.
	_ = f.Truncate(0)
	_, _ = fmt.Fprintf(f, "process %d, started %s\n", os.Getpid(), time.Now().UTC().Format(time.RFC3339))
	return f, nil
}
