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

// journal is written to and synced before a POST leaves. Room for lines to come is
// reserved behind its end, where the disk can do that.
type journal struct {
	mu      sync.Mutex
	file    *os.File
	end     int64   // of the last line
	room    int64   // until where the disk has reserved room
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
		if err := s.replace(journalName, write{j.content(), Durable}); err != nil {
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

// openFile opens the file and finds the end of its lines.
func (j *journal) openFile(s *Store) error {
	if j.file != nil {
		return nil
	}
	data := bytes.TrimRight(s.Load(journalName), "\n")
	f, err := openToWrite(s.root, journalName, os.O_RDWR|os.O_CREATE)
	if err != nil {
		return err
	}
	j.file, j.end, j.room = f, int64(len(data)), 0
	if j.end > 0 {
		j.end++
	}
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

// reserve has the disk keep room for lines to come, as long as it has any.
func (j *journal) reserve() {
	if j.room-j.end < roomLeft && preallocate(j.file, j.end, roomAhead) == nil {
		j.room = j.end + roomAhead
	}
}

// write puts a line behind the others. On a full disk whose room is used up, the
// lines that are not needed any more give theirs.
func (j *journal) write(line []byte) error {
	j.reserve()
	_, err := j.file.WriteAt(line, j.end)
	if err == nil {
		j.end += int64(len(line))
		return nil
	}
	content := j.content() // with the line: it is one of the entries
	if int64(len(content)) > j.end {
		return err
	}
	blank := bytes.Repeat([]byte{'\n'}, int(j.end)-len(content))
	if _, err := j.file.WriteAt(append(content, blank...), 0); err != nil {
		return err
	}
	j.end = int64(len(content))
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
