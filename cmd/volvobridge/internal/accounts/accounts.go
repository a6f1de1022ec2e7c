// Package accounts remembers which of the store's files belong to which account.
package accounts

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"

	"volvobridge/cmd/volvobridge/internal/config"
	"volvobridge/volvo"
)

// ownFile holds the records: a login must not get lost because an account joins, or its
// list of cars changes.
const ownFile = "accounts.json"

// record is an account as it was configured when it was last seen.
type record struct {
	File   string   `json:"file"`
	Client string   `json:"client"` // a hash
	VINs   []string `json:"vins"`
}

// Store is what names are kept in.
type Store interface {
	Load(name string) []byte
	Put(name string, data []byte) error
}

// Files names each account in the store as it was named before, as far as it
// can be recognised by its application and its cars; a new one gets the name that
// [config.Files] gives it.
func Files(cfg config.Config, st Store) []string {
	var known []record
	_ = json.Unmarshal(st.Load(ownFile), &known) // broken or new: the names as configured
	list, names := cfg.AccountList(), config.Files(cfg)
	records := make([]record, len(list))
	for i, a := range list {
		records[i] = record{Client: config.ShortHash(a.Own()), VINs: vinsOf(a)}
	}
	for _, fits := range []func(k, r record) bool{
		func(k, r record) bool { return slices.Equal(k.VINs, r.VINs) },
		func(k, r record) bool { return commonCar(k.withCars(st), r) },
		func(k, _ record) bool {
			return ofClient(known, k.Client) == 1 && ofClient(records, k.Client) == 1
		},
	} {
		for i := range records {
			if records[i].File != "" {
				continue
			}
			j := slices.IndexFunc(known, func(k record) bool {
				return k.Client == records[i].Client && !named(records, k.File) && fits(k, records[i])
			})
			if j >= 0 {
				records[i].File = known[j].File
			}
		}
	}
	for i := range records {
		file := names[i]
		for n := 2; records[i].File == ""; n++ {
			if !named(records, file) && !named(known, file) {
				records[i].File = file
			}
			file = fmt.Sprint(names[i], "_", n)
		}
	}
	remember(st, known, records)
	files := make([]string, len(records))
	for i, r := range records {
		files[i] = r.File
	}
	return files
}

// remember writes the records, and keeps those of accounts that are not configured
// now: they may come back.
func remember(st Store, known, records []record) {
	for _, k := range known {
		if !named(records, k.File) {
			records = append(records, k)
		}
	}
	data, _ := json.Marshal(records) // texts always marshal
	if string(data) != string(st.Load(ownFile)) {
		_ = st.Put(ownFile, data) // told by store_problem
	}
}

// vinsOf are the cars that are configured for an account.
func vinsOf(a config.Volvo) []string {
	vins := []string{}
	for _, v := range a.Vehicles {
		vins = append(vins, strings.ToUpper(v.VIN))
	}
	slices.Sort(vins)
	return vins
}

// Cars are the VINs of an account: those that are configured, else those that the bridge
// found in it.
func Cars(a config.Volvo, file string, st Store) []string {
	return record{File: file, VINs: vinsOf(a)}.withCars(st).VINs
}

// withCars adds what the bridge found in the account, if none are configured.
func (r record) withCars(st Store) record {
	if len(r.VINs) == 0 {
		for vin := range strings.FieldsSeq(string(st.Load("cars_" + r.File))) {
			if volvo.ValidVIN(vin) {
				r.VINs = append(r.VINs, strings.ToUpper(vin))
			}
		}
	}
	return r
}

func commonCar(known, is record) bool {
	return slices.ContainsFunc(known.VINs, func(vin string) bool { return slices.Contains(is.VINs, vin) })
}

// ofClient is how many accounts an application has.
func ofClient(all []record, client string) int {
	n := 0
	for _, r := range all {
		if r.Client == client {
			n++
		}
	}
	return n
}

func named(all []record, file string) bool {
	return slices.ContainsFunc(all, func(r record) bool { return r.File == file })
}
