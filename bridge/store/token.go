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
	"path/filepath"
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
	// Rejected is when Volvo said for good that it accepts the token no longer.
	Rejected time.Time `json:"rejected,omitzero"`
	// Warned lists the warnings of the grant's end that were given.
	Warned []string `json:"warned,omitzero"`
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

// SaveToken writes the token of an account; when it returns nil, it is on the
// disk. A copy follows, for the case that the file breaks.
func (s *Store) SaveToken(account string, t Token) error {
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
		return err
	}
	if t.Started.IsZero() {
		s.Save(tokenCopy(account), data, Whole)
	}
	return nil
}

// LoadToken reads the token of an account, from the copy if the file is broken.
// What is broken is set aside; notes name it. Without a file there is no token. A
// file that can't be read, as one of another user, is an error: it may be good.
func (s *Store) LoadToken(account string) (t Token, ok bool, notes []string, err error) {
	for _, name := range []string{tokenFile(account), tokenCopy(account)} {
		t, err := s.readToken(name)
		switch {
		case err == nil:
			return t, true, notes, nil
		case errors.Is(err, errBroken):
			notes = append(notes, s.SetAside(name))
		case !errors.Is(err, fs.ErrNotExist):
			return Token{}, false, notes, fmt.Errorf("store: the login can't be read: %w; give the files of the folder to the user that runs the bridge", err)
		}
	}
	return Token{}, false, notes, nil
}

func (s *Store) readToken(name string) (Token, error) {
	data, err := os.ReadFile(filepath.Join(s.dir, name))
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
