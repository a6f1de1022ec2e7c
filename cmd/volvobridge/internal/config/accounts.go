package config

import (
	"crypto/sha256"
	"encoding/hex"
	"slices"
	"strings"
)

// Files is how a new account is named in the store: by what is its own, not by its
// place in the list: lists are reordered. Accounts that share an application are
// told apart by their cars.
func Files(cfg Config) []string {
	list := cfg.AccountList()
	shared := map[string]int{}
	for _, a := range list {
		shared[a.Own()]++
	}
	files := make([]string, len(list))
	for i, a := range list {
		id := a.Own()
		if shared[id] > 1 {
			for _, v := range slices.SortedFunc(slices.Values(a.Vehicles), func(x, y Vehicle) int { return strings.Compare(x.VIN, y.VIN) }) {
				id += " " + strings.ToUpper(v.VIN)
			}
		}
		files[i] = ShortHash(id)
	}
	return files
}

// Own is what tells an account from others: its application, or its keys.
func (c Volvo) Own() string {
	if c.OAuth() {
		return c.ClientID
	}
	return strings.Join(c.Keys(), " ")
}

// ShortHash tells secrets apart without naming them.
func ShortHash(secret string) string {
	sum := sha256.Sum256([]byte(secret))
	return hex.EncodeToString(sum[:6])
}
