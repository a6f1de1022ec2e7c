package login

import (
	"encoding/json"
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

// load reads the token that the store has of an account.
func load(s Store, account string) (t Token, found bool, setAside []string, err error) {
	data, found, setAside, err := s.LoadToken(account)
	if err == nil && found {
		err = json.Unmarshal(data, &t)
	}
	return t, found && err == nil, setAside, err
}

// save writes a token; when it returns nil, it is on the disk.
func save(s Store, account string, t Token) error {
	data, err := json.Marshal(t)
	if err != nil {
		return err
	}
	return s.SaveToken(account, data, t.Started.IsZero())
}
