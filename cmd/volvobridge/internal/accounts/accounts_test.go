package accounts_test

import (
	"slices"
	"testing"

	"volvobridge/bridge/store"
	"volvobridge/cmd/volvobridge/internal/accounts"
	"volvobridge/cmd/volvobridge/internal/config"
)

// TestStoredFiles: a login stays an account's, however the accounts are listed.
func TestStoredFiles(t *testing.T) {
	st, err := store.Open(t.TempDir() + "/data")
	if err != nil {
		t.Fatal(err)
	}
	defer st.Close()
	account := func(client string, vins ...string) config.Volvo {
		c := config.AccountDefaults()
		c.ClientID = client
		for _, vin := range vins {
			c.Vehicles = append(c.Vehicles, config.Vehicle{VIN: vin})
		}
		return c
	}
	files := func(list ...config.Volvo) []string {
		t.Helper()
		got := accounts.Files(config.Config{Accounts: list}, st)
		if again := accounts.Files(config.Config{Accounts: list}, st); !slices.Equal(got, again) {
			t.Errorf("%v, then %v", got, again)
		}
		for i, f := range got {
			if slices.Contains(got[:i], f) {
				t.Errorf("two accounts have the file %s", f)
			}
		}
		return got
	}
	own := files(account("app"))[0]
	if err := st.Put("cars_"+own, []byte("YV1AA000000000001\n")); err != nil { // found in the account
		t.Fatal(err)
	}
	two := files(account("app", "yv1aa000000000001"), account("app", "YV1AA000000000002"))
	if two[0] != own {
		t.Error("a second account of the application took the login of the first")
	}
	turned := files(account("other"), account("app", "YV1AA000000000002", "YV1AA000000000003"), account("app", "YV1AA000000000001", "YV1AA000000000004"))
	if turned[1] != two[1] || turned[2] != two[0] {
		t.Errorf("reordered, with more cars: %v, before %v", turned, two)
	}
	if got := files(account("app", "YV1AA000000000003"), account("other", "YV1AA000000000009")); got[0] != two[1] || got[1] != turned[0] {
		t.Errorf("one is gone, one has another car: %v, before %v", got, turned)
	}
	if got := files(account("app", "YV1AA000000000001"), account("app", "YV1AA000000000003")); got[0] != two[0] || got[1] != two[1] {
		t.Errorf("it came back: %v, before %v", got, two)
	}
}
