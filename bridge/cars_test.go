package bridge_test

import (
	"testing"
	"testing/synctest"
	"time"

	"volvobridge/bridge/account"
	"volvobridge/bridge/store"
)

// TestACarChangesItsAccount: a car that was found in one account, and is now listed
// in the configuration of another, is there once, and is the other's.
func TestACarChangesItsAccount(t *testing.T) {
	for _, first := range []bool{true, false} {
		synctest.Test(t, func(t *testing.T) {
			before, now := ownCar(t), ownCar(t)
			r := newRig(t, now, account.Vehicle{VIN: vin, Name: "My Car"})
			other := newRig(t, before).opts.Accounts[0]
			r.opts.Accounts[0].Name, r.opts.Accounts[0].File = "now", "now"
			other.Name, other.File, other.KeyIDs = "before", "before", []string{"other"}
			r.opts.Accounts = append(r.opts.Accounts, other)
			if first {
				r.opts.Accounts[0], r.opts.Accounts[1] = r.opts.Accounts[1], r.opts.Accounts[0]
			}
			st, err := store.Open(r.dir)
			if err != nil {
				t.Fatal(err)
			}
			if err := st.Put("cars_before", []byte(vin+"\n")); err != nil {
				t.Fatal(err)
			}
			if err := st.Close(); err != nil {
				t.Fatal(err)
			}
			r.start()
			defer func() { r.stop() }()
			time.Sleep(10 * time.Second)
			synctest.Wait()
			if s := r.command("my_car/honk", "PRESS"); s["status"] != "succeeded" {
				t.Errorf("status %v", s)
			}
			if n := len(now.Calls("POST")); n != 1 {
				t.Errorf("%d POSTs by the account that has it now", n)
			}
			if n := len(before.Calls("POST")); n != 0 {
				t.Errorf("%d POSTs by the account that had it", n)
			}
			if _, ok := r.broker.Retained(base + "/" + vin + "/state"); ok {
				t.Error("the car is there twice")
			}
		})
	}
}
