package store

import (
	"bytes"
	"encoding/json"
	"errors"
	"os"
	"slices"
	"sync"
)

const (
	journalName = "commands.jsonl"
	keepEntries = 200
	maxLines    = 10 * keepEntries // then the file is written anew
	roomAhead   = 256 << 10        // of the file, reserved for lines to come: a full disk stops no command
	roomLeft    = 64 << 10         // then more is reserved
)

// Entry is one step in the life of a command. A later entry with the same
// sequence number takes the place of an earlier one.
type Entry struct {
	Seq  int64           `json:"seq"`
	Open bool            `json:"open,omitzero"` // the outcome is not known yet
	Data json.RawMessage `json:"data"`
}

// journal is written to and synced before a POST leaves. Behind its lines stand
// spaces, so that a new line takes the place of some: the file does not grow, which
// also spares the disk the work of noting its new length.
type journal struct {
	mu      sync.Mutex
	file    *os.File
	end     int64   // of the last line
	size    int64   // of the file
	entries []Entry // oldest first, one a command
	seq     int64
	lines   int  // in the file
	torn    bool // the file may end in a part of a line
	dirty   bool // the file lacks what is in entries, or holds too much
}

// open reads what is there; lines that can't be read are dropped, the file is
// then kept aside.
func (j *journal) open(s *Store) {
	data := s.Load(journalName)
	broken := false
	for line := range bytes.Lines(data) {
		if len(bytes.TrimSpace(line)) == 0 {
			continue
		}
		var e Entry
		if json.Unmarshal(line, &e) != nil || e.Seq <= 0 || e.Data == nil {
			broken = true
			continue
		}
		j.put(e)
	}
	if broken {
		s.notes = append(s.notes, s.SetAside(journalName))
	}
	j.trim()
	j.dirty = len(data) > 0
	if err := j.repair(s); err != nil {
		s.fail(err)
	}
}

func (j *journal) put(e Entry) {
	j.seq = max(j.seq, e.Seq)
	for i := len(j.entries) - 1; i >= 0; i-- {
		if j.entries[i].Seq == e.Seq {
			j.entries[i] = e
			return
		}
	}
	j.entries = append(j.entries, e)
}

func (j *journal) trim() {
	over := len(j.entries) - keepEntries
	if over <= 0 {
		return
	}
	j.entries = slices.DeleteFunc(slices.Clone(j.entries), func(e Entry) bool {
		over--
		return over >= 0 && !e.Open // an open one is never lost
	})
}

// repair writes the journal whole, if the file lacks something, and opens it.
func (j *journal) repair(s *Store) error {
	j.mu.Lock()
	defer j.mu.Unlock()
	if j.dirty {
		content := j.content()
		if err := s.replace(journalName, write{append(content, blank(roomAhead)...), Durable}); err != nil {
			return errors.Join(err, j.openFile(s))
		}
		if j.file != nil {
			j.file.Close()
			j.file = nil
		}
		j.dirty, j.torn, j.lines = false, false, len(j.entries)
	}
	return j.openFile(s)
}

// open_ opens the file and finds the end of its lines.
func (j *journal) openFile(s *Store) error {
	if j.file != nil {
		return nil
	}
	data := bytes.TrimRight(s.Load(journalName), " \n")
	f, err := s.root.OpenFile(journalName, os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return err
	}
	j.file, j.end = f, int64(len(data))
	if j.end > 0 {
		j.end++
	}
	info, err := f.Stat()
	if err != nil {
		return err
	}
	j.size = info.Size()
	j.reserve()
	return nil
}

// content is what the file should hold.
func (j *journal) content() []byte {
	var b bytes.Buffer
	for _, e := range j.entries {
		line, _ := json.Marshal(e) // Data was JSON when it came in
		b.Write(append(line, '\n'))
	}
	return b.Bytes()
}

// blank is a line of spaces: room that lines can take the place of.
func blank(n int) []byte {
	if n == 0 {
		return nil
	}
	return append(bytes.Repeat([]byte{' '}, n-1), '\n')
}

// reserve makes room for lines to come, as long as the disk has any.
func (j *journal) reserve() {
	if j.size-j.end >= roomLeft {
		return
	}
	if n, err := j.file.WriteAt(blank(roomAhead), j.size); err == nil {
		j.size += int64(n)
	}
}

// write puts a line behind the others. On a full disk whose room is used up, the
// lines that are not needed any more give theirs.
func (j *journal) write(line []byte) error {
	j.reserve()
	if j.end+int64(len(line)) > j.size {
		if content := j.content(); int64(len(content)) <= j.size {
			if _, err := j.file.WriteAt(append(content, blank(int(j.size)-len(content))...), 0); err != nil {
				return err
			}
			j.end = int64(len(content)) // with the line: it is one of the entries
			return nil
		}
	}
	n, err := j.file.WriteAt(line, j.end)
	if err != nil {
		return err
	}
	j.end += int64(n)
	j.size = max(j.size, j.end)
	return nil
}

// pending tells whether the file must be written whole.
func (j *journal) pending() bool {
	j.mu.Lock()
	defer j.mu.Unlock()
	return j.dirty
}

func (j *journal) close() error {
	j.mu.Lock()
	defer j.mu.Unlock()
	if j.file == nil {
		return nil
	}
	return j.file.Close()
}

// Begin records an open command; when it returns nil the record is on the disk.
// The command's number is returned in any case: a full disk stops no command.
func (s *Store) Begin(data json.RawMessage) (int64, error) {
	s.journal.mu.Lock()
	s.journal.seq++
	seq := s.journal.seq
	s.journal.mu.Unlock()
	return seq, s.record(Entry{Seq: seq, Open: true, Data: data}, true)
}

// Update records what is known of a command now; with open it is still under way.
func (s *Store) Update(seq int64, open bool, data json.RawMessage) error {
	return s.record(Entry{Seq: seq, Open: open, Data: data}, !open)
}

func (s *Store) record(e Entry, sync bool) error {
	j := &s.journal
	j.mu.Lock()
	defer j.mu.Unlock()
	j.put(e)
	j.trim()
	line, err := json.Marshal(e)
	if err != nil {
		return err
	}
	line = append(line, '\n')
	if j.torn {
		line = append([]byte{'\n'}, line...)
	}
	if j.file == nil {
		err = os.ErrClosed
	} else if err = j.write(line); err == nil && sync {
		err = datasync(j.file)
	}
	j.torn = err != nil
	if j.lines++; err == nil && j.lines > maxLines {
		j.dirty, j.lines = true, 0
		s.poke()
	}
	if err != nil {
		j.dirty = true // the writer tries to put it whole
		s.fail(err)
		s.poke()
	}
	return err
}

// Commands returns the last commands, oldest first.
func (s *Store) Commands() []Entry {
	s.journal.mu.Lock()
	defer s.journal.mu.Unlock()
	return append([]Entry(nil), s.journal.entries...)
}

// Notes returns the files that were set aside when the store was opened.
func (s *Store) Notes() []string { return s.notes }
