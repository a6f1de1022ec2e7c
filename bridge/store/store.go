// Package store keeps on disk what must survive a crash: plain files in one
// folder that one process owns. It is the only code of the bridge that touches
// files.
package store

import (
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"math/rand/v2"
	"os"
	"slices"
	"sync"
	"time"
)

const retryEvery = 10 * time.Second

// Store is the folder, owned by this process until Close.
type Store struct {
	root *os.Root // no link leads out of it
	lock *os.File
	wake chan struct{}
	stop chan struct{}
	done chan struct{}

	disk    sync.Mutex          // held while a file is written, so that the newest content wins
	light   map[string]*os.File // that are written in place, often
	mu      sync.Mutex
	pending map[string]write // the latest content of files that are not written yet
	writing map[string]write // what the writer has taken of it
	problem error
	notes   []string
	mended  []string

	journal journal
}

type write struct {
	data []byte
	care Care
}

// Care is how much a file is worth.
type Care int

// The cares. A lighter one spares the disk, and the fsync of a command that would
// wait for it.
const (
	Light   Care = iota // written in place: survives kill -9, not always a power cut
	Whole               // replaced whole: the old content or the new, never a part
	Durable             // and on the disk, not only in its cache
)

// Open makes the folder if need be and locks it. The error says who holds it, or
// what is wrong with its rights.
func Open(dir string) (*Store, error) {
	notes, err := prepare(dir)
	if err != nil {
		return nil, err
	}
	root, err := os.OpenRoot(dir)
	if err != nil {
		return nil, fmt.Errorf("store: %w", err)
	}
	lock, err := acquire(root, dir)
	if err != nil {
		return nil, errors.Join(err, root.Close())
	}
	s := &Store{
		root: root, lock: lock, mended: notes, light: map[string]*os.File{}, pending: map[string]write{}, writing: map[string]write{},
		wake: make(chan struct{}, 1), stop: make(chan struct{}), done: make(chan struct{}),
	}
	s.removeTemporary()
	s.journal.open(s)
	go s.writer()
	return s, nil
}

// removeTemporary drops what a crash left half written.
func (s *Store) removeTemporary() {
	left, _ := fs.Glob(s.root.FS(), "*.tmp-*") // fails for bad patterns only
	for _, f := range left {
		_ = s.root.Remove(f)
	}
}

// Close writes what is pending and gives the folder up.
func (s *Store) Close() error {
	close(s.stop)
	<-s.done
	for name := range s.light {
		s.letGo(name)
	}
	return errors.Join(s.journal.close(), s.lock.Close(), s.root.Close())
}

// Mended says which rights of others were taken away when the store was opened.
func (s *Store) Mended() []string { return s.mended }

// Load returns a file's content; nil when there is none.
func (s *Store) Load(name string) []byte {
	s.mu.Lock()
	for _, unwritten := range []map[string]write{s.pending, s.writing} {
		if w, ok := unwritten[name]; ok {
			s.mu.Unlock()
			return w.data
		}
	}
	s.mu.Unlock()
	data, err := s.root.ReadFile(name)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		s.fail(err)
	}
	return data
}

// Save has a file written soon. Only the latest content counts.
func (s *Store) Save(name string, data []byte, care Care) {
	s.mu.Lock()
	s.pending[name] = write{data, care}
	s.mu.Unlock()
	s.poke()
}

// poke wakes the writer.
func (s *Store) poke() {
	select {
	case s.wake <- struct{}{}:
	default:
	}
}

// SetAside renames a file that can't be read, so that nothing is lost and
// nothing fails again. It returns the new name.
func (s *Store) SetAside(name string) string {
	s.disk.Lock()
	defer s.disk.Unlock()
	s.letGo(name)
	aside := name + ".broken-" + time.Now().UTC().Format("20060102T150405.000000000")
	if err := s.root.Rename(name, aside); err != nil {
		s.fail(err)
	}
	return aside
}

// Names lists the files whose name begins with prefix and ends in .json.
func (s *Store) Names(prefix string) []string {
	found, _ := fs.Glob(s.root.FS(), prefix+"*.json") // fails for bad patterns only
	return found
}

// Remove drops a file, written or not.
func (s *Store) Remove(name string) {
	s.disk.Lock()
	defer s.disk.Unlock()
	s.letGo(name)
	s.mu.Lock()
	delete(s.pending, name)
	s.mu.Unlock()
	if err := s.root.Remove(name); err != nil && !errors.Is(err, fs.ErrNotExist) {
		s.fail(err)
	}
}

// Problem returns what keeps the store from writing, nil when all is well.
func (s *Store) Problem() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.problem
}

func (s *Store) fail(err error) {
	s.mu.Lock()
	s.problem = err
	s.mu.Unlock()
}

// writer writes what is pending, and again every 10 s what could not be.
func (s *Store) writer() {
	defer close(s.done)
	for {
		failed := s.flush()
		var retry <-chan time.Time
		if failed {
			retry = time.After(retryEvery)
		}
		select {
		case <-s.wake:
		case <-retry:
		case <-s.stop:
			s.flush()
			return
		}
	}
}

// flush writes all pending files and reports whether one could not be written.
func (s *Store) flush() (failed bool) {
	s.mu.Lock()
	names := slices.Collect(maps.Keys(s.pending))
	problem := s.problem
	s.mu.Unlock()
	if len(names) == 0 && problem == nil && !s.journal.pending() {
		return false
	}
	var last error
	for _, name := range names {
		if err := s.writeOut(name); err != nil {
			last = err
		}
	}
	if last == nil {
		last = s.journal.repair(s)
	}
	s.mu.Lock()
	s.problem = last
	s.mu.Unlock()
	return last != nil
}

// Put is Save with Durable, and waits: when it returns nil, the content is on the
// disk. If it can't be written, it is tried again like all else.
func (s *Store) Put(name string, data []byte) error {
	s.mu.Lock()
	s.pending[name] = write{data, Durable}
	s.mu.Unlock()
	err := s.writeOut(name)
	if err != nil {
		s.fail(err)
		s.poke()
	}
	return err
}

// writeOut writes the newest content of a file, if it is not written yet.
func (s *Store) writeOut(name string) error {
	s.disk.Lock()
	defer s.disk.Unlock()
	s.mu.Lock()
	w, ok := s.pending[name]
	delete(s.pending, name)
	if ok {
		s.writing[name] = w
	}
	s.mu.Unlock()
	if !ok {
		return nil
	}
	put := s.overwrite
	if w.care != Light {
		s.letGo(name)
		put = s.replace
	}
	err := put(name, w)
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.writing, name)
	if _, newer := s.pending[name]; err != nil && !newer {
		s.pending[name] = w
	}
	return err
}

// replace writes aside and renames: a reader finds the old content or the new,
// never a part.
func (s *Store) replace(name string, w write) error {
	aside := fmt.Sprintf("%s.tmp-%016x", name, rand.Uint64())
	f, err := openToWrite(s.root, aside, os.O_WRONLY|os.O_CREATE|os.O_EXCL)
	if err != nil {
		return err
	}
	_, err = f.Write(w.data)
	if err == nil && w.care == Durable {
		err = f.Sync()
	}
	if closeErr := f.Close(); err == nil {
		err = closeErr
	}
	if err == nil {
		err = s.root.Rename(aside, name)
	}
	if err != nil {
		_ = s.root.Remove(aside)
		return err
	}
	if w.care == Durable {
		return s.syncDir()
	}
	return nil
}

// overwrite writes in place. The content is padded with spaces, so that its
// length seldom changes and one write is enough.
func (s *Store) overwrite(name string, w write) error {
	const block = 512
	padded := make([]byte, (len(w.data)+block-1)/block*block)
	for i := copy(padded, w.data); i < len(padded); i++ {
		padded[i] = ' '
	}
	f := s.light[name]
	if f == nil {
		var err error
		if f, err = openToWrite(s.root, name, os.O_WRONLY|os.O_CREATE); err != nil {
			return err
		}
		s.light[name] = f
	}
	if _, err := f.WriteAt(padded, 0); err != nil {
		return err
	}
	if info, err := f.Stat(); err != nil || info.Size() == int64(len(padded)) {
		return err
	}
	return f.Truncate(int64(len(padded)))
}

// letGo closes a light file, which is replaced or removed.
func (s *Store) letGo(name string) {
	if f := s.light[name]; f != nil {
		f.Close()
		delete(s.light, name)
	}
}

func (s *Store) syncDir() error {
	d, err := s.root.Open(".")
	if err != nil {
		return err
	}
	defer d.Close()
	return d.Sync()
}
