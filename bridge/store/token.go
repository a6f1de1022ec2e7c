package store

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"slices"
	"time"
)

// Token is what must survive of a login.
type Token struct {
	// Refresh is the token to refresh with next, Previous the one before it.
	Refresh  string `json:"refresh"`
	Previous string `json:"previous,omitzero"`
	// Access was handed out at Issued for Life.
	Access string        `json:"access"`
	Issued time.Time     `json:"issued"`
	Life   time.Duration `json:"life"`
	// Asked and Scopes are what was asked for and what was granted.
	Asked  []string `json:"asked"`
	Scopes []string `json:"scopes"`
	// LoggedIn is when a person agreed; Refreshed, when Volvo last accepted a
	// refresh.
	LoggedIn  time.Time `json:"loggedIn"`
	Refreshed time.Time `json:"refreshed"`
	// Started is set while a refresh is under way. Found after a crash it says that
	// Volvo may have replaced the token.
	Started time.Time `json:"started,omitzero"`
	// Rejected is since when Volvo says that it accepts the token no longer, Tried when
	// it said so last.
	Rejected time.Time `json:"rejected,omitzero"`
	Tried    time.Time `json:"tried,omitzero"`
	// Warned lists the warnings of the grant's end that were given.
	Warned []string `json:"warned,omitzero"`
	// Seq counts the saves: of several files the one with the highest is the newest.
	Seq int64 `json:"seq,omitzero"`
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
// disk. A copy follows, for the case that the file breaks.
func (s *Store) SaveToken(account string, t Token) error {
	s.mu.Lock()
	s.tokens[account]++
	t.Seq = s.tokens[account]
	s.mu.Unlock()
	inner, err := json.Marshal(t)
	if err != nil {
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
	if t.Started.IsZero() {
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
	f, err := s.openToWrite(tokenRoom(account), 0)
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
func (s *Store) LoadToken(account string) (t Token, ok bool, notes []string, err error) {
	for _, name := range []string{tokenFile(account), tokenCopy(account)} {
		found, err := s.readToken(name)
		switch {
		case err == nil:
			if !ok || found.Seq > t.Seq {
				t, ok = found, true
			}
		case errors.Is(err, errBroken):
			notes = append(notes, s.SetAside(name))
		case !errors.Is(err, fs.ErrNotExist):
			return Token{}, false, notes, fmt.Errorf("store: the login can't be read: %w; give the files of the folder to the user that runs the bridge", err)
		}
	}
	if room, err := s.root.ReadFile(tokenRoom(account)); err == nil {
		for slot := range slices.Chunk(room, slotSize) {
			if found, err := unseal(bytes.TrimRight(slot, " ")); err == nil && (!ok || found.Seq > t.Seq) {
				t, ok = found, true
			}
		}
	}
	s.mu.Lock()
	s.tokens[account] = t.Seq
	s.mu.Unlock()
	if ok {
		s.reserve(account)
	}
	return t, ok, notes, nil
}

func (s *Store) readToken(name string) (Token, error) {
	data, err := s.root.ReadFile(name)
	if err != nil {
		return Token{}, err
	}
	return unseal(data)
}

// unseal reads a file, if every byte of it is as it was written.
func unseal(data []byte) (Token, error) {
	var box sealed
	var t Token
	if json.Unmarshal(data, &box) != nil || box.Version != tokenVersion {
		return Token{}, errBroken
	}
	// Keys are read in either letter case: only the very bytes will do.
	if again, err := json.Marshal(box); err != nil || !bytes.Equal(again, data) {
		return Token{}, errBroken
	}
	sum := sha256.Sum256(box.Token)
	if box.Sum != hex.EncodeToString(sum[:]) || json.Unmarshal(box.Token, &t) != nil || t.Refresh == "" {
		return Token{}, errBroken
	}
	return t, nil
}
