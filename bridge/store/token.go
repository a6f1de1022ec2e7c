package store

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"slices"
)

// token is what the store must know of a login: which of several files is the newest.
type token struct {
	Refresh string `json:"refresh"`
	Seq     int64  `json:"seq"`
}

const tokenVersion = 1

// sealed is the file: the token with a checksum, since a wrong byte in it would
// be taken for Volvo's refusal.
type sealed struct {
	Version int             `json:"version"`
	Sum     string          `json:"sha256"`
	Token   json.RawMessage `json:"token"`
}

var errBroken = errors.New("the file is broken")

func tokenFile(account string) string { return "token_" + account + ".json" }
func tokenCopy(account string) string { return "token_" + account + ".copy.json" }

// room is where a token finds place on a full disk: two slots that are reserved
// while there is space, and written in place by turns.
const slotSize = 16 << 10

func tokenRoom(account string) string { return "token_" + account + ".room" }

// SaveToken writes the token of an account; when it returns nil, it is on the
// disk. Of a settled one a copy follows, for the case that the file breaks.
func (s *Store) SaveToken(account string, inner []byte, settled bool) error {
	var t token
	if err := json.Unmarshal(inner, &t); err != nil {
		return err
	}
	sum := sha256.Sum256(inner)
	data, err := json.Marshal(sealed{tokenVersion, hex.EncodeToString(sum[:]), inner})
	if err != nil {
		return err
	}
	if err := s.Put(tokenFile(account), data); err != nil {
		if inRoom := s.putInRoom(account, t.Seq, data); inRoom != nil {
			return errors.Join(err, inRoom)
		}
		return nil // store_problem tells of the rest
	}
	s.reserve(account)
	if settled {
		s.Save(tokenCopy(account), data, Whole)
	}
	return nil
}

// reserve makes the room of an account, once.
func (s *Store) reserve(account string) {
	name := tokenRoom(account)
	if info, err := s.root.Lstat(name); err == nil && info.Size() == 2*slotSize {
		return
	}
	blank := bytes.Repeat([]byte{' '}, 2*slotSize)
	if err := s.replace(name, write{blank, Durable}); err != nil {
		s.fail(err)
	}
}

// putInRoom writes a token in place, into the slot that does not hold the one before.
func (s *Store) putInRoom(account string, seq int64, data []byte) error {
	if len(data) > slotSize {
		return errors.New("store: the login is larger than its reserved room")
	}
	f, err := openToWrite(s.root, tokenRoom(account), os.O_WRONLY)
	if err != nil {
		return err
	}
	defer f.Close()
	padded := bytes.Repeat([]byte{' '}, slotSize)
	copy(padded, data)
	if _, err := f.WriteAt(padded, seq%2*slotSize); err != nil {
		return err
	}
	return f.Sync()
}

// LoadToken reads the token of an account: the newest of the file, its copy and the
// room for a full disk. What is broken is set aside; notes name it. Without any there
// is no token. A file that can't be read, as one of another user, is an error: it may
// be good.
func (s *Store) LoadToken(account string) (newest []byte, ok bool, notes []string, err error) {
	var seq int64
	take := func(found []byte) {
		var t token
		_ = json.Unmarshal(found, &t) // it was read before
		if !ok || t.Seq > seq {
			newest, seq, ok = found, t.Seq, true
		}
	}
	for _, name := range []string{tokenFile(account), tokenCopy(account)} {
		found, err := s.readToken(name)
		switch {
		case err == nil:
			take(found)
		case errors.Is(err, errBroken):
			notes = append(notes, s.SetAside(name))
		case !errors.Is(err, fs.ErrNotExist):
			return nil, false, notes, fmt.Errorf("store: the login can't be read: %w; give the files of the folder to the user that runs the bridge", err)
		}
	}
	if room, err := s.root.ReadFile(tokenRoom(account)); err == nil {
		for slot := range slices.Chunk(room, slotSize) {
			if found, err := unseal(bytes.TrimRight(slot, " ")); err == nil {
				take(found)
			}
		}
	}
	if ok {
		s.reserve(account)
	}
	return newest, ok, notes, nil
}

func (s *Store) readToken(name string) ([]byte, error) {
	data, err := s.root.ReadFile(name)
	if err != nil {
		return nil, err
	}
	return unseal(data)
}

// unseal reads a file, if every byte of it is as it was written.
func unseal(data []byte) ([]byte, error) {
	var box sealed
	var t token
	if json.Unmarshal(data, &box) != nil || box.Version != tokenVersion {
		return nil, errBroken
	}
	// Keys are read in either letter case: only the very bytes will do.
	if again, err := json.Marshal(box); err != nil || !bytes.Equal(again, data) {
		return nil, errBroken
	}
	sum := sha256.Sum256(box.Token)
	if box.Sum != hex.EncodeToString(sum[:]) || json.Unmarshal(box.Token, &t) != nil || t.Refresh == "" {
		return nil, errBroken
	}
	return box.Token, nil
}
