package bridge

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/rs/zerolog"

	"volvobridge/bridge/account"
	"volvobridge/bridge/entity"
	"volvobridge/bridge/picture"
	"volvobridge/bridge/store"
	"volvobridge/discovery"
	"volvobridge/volvo"
)

// The store's files. A car's holds its last readings and so its position: it is
// for this process only.
const (
	carPrefix = "car_"
)

func carFile(vin string) string { return carPrefix + strings.ToLower(vin) + ".json" }

// files are the store's, as far as they are of accounts and cars.
type files struct {
	store *store.Store
	log   zerolog.Logger
}

// loadCar reads what was known of a car. A broken file is kept aside and named.
func (f *files) loadCar(c *car) {
	data := f.store.Load(carFile(c.VIN))
	if data == nil {
		return
	}
	m, err := entity.LoadMemory(data)
	if err != nil {
		f.log.Warn().Str("car", c.label).Str("hint", "the file was kept aside; all of it is read again from Volvo").Msg("the snapshot can't be read")
		f.store.SetAside(carFile(c.VIN))
	}
	c.Memory = m
}

// saveCar writes what is known of a car, if that changed.
func (f *files) saveCar(c *car) {
	data := []byte(entity.Encode(c.Memory))
	if sum := digest(data); len(data) > 0 && sum != c.saved {
		c.saved = sum
		f.store.Save(carFile(c.VIN), data, store.Whole)
	}
}

func learnedFile(vin string) string { return "learned_" + strings.ToLower(vin) + ".json" }

// loadLearned reads what the plan learned of a car. A broken file costs what was learned.
func (f *files) loadLearned(c *car) []byte { return f.store.Load(learnedFile(c.VIN)) }

// saveLearned writes what the plan learned of a car.
func (f *files) saveLearned(c *car) {
	if data := c.account.Plan.Learned(c.VIN); len(data) > 0 {
		f.store.Save(learnedFile(c.VIN), data, store.Whole)
	}
}

func historyFile(vin string) string { return "history_" + strings.ToLower(vin) + ".json" }

func daysFile(a *account.Account) string { return "days_" + a.File + ".json" }

// saveHistory writes what is drawn of the accounts and cars.
func (f *files) saveHistory(all account.All, cars []*car) {
	for _, a := range all {
		f.store.Save(daysFile(a), a.Days.Save(), store.Whole)
	}
	for _, c := range cars {
		if len(c.history) > 0 {
			f.store.Save(historyFile(c.VIN), c.history.Save(), store.Whole)
		}
	}
}

func quotaFile(a *account.Account) string { return "calls_" + a.File + ".json" }

func (f *files) loadQuota(a *account.Account) {
	data := f.store.Load(quotaFile(a))
	if data == nil {
		return
	}
	err := a.RestoreCounts(data, time.Now())
	if err != nil {
		f.log.Warn().Str("file", f.store.SetAside(quotaFile(a))).Str("hint", "calls are counted from nothing; Volvo tells when there are none left").Msg("the count of calls can't be read")
	}
}

// saveQuota writes the count of calls: at once after a rest, in a burst of calls
// ten times a second. Every so many calls it is made safe from a power cut.
func (f *files) saveQuota(a *account.Account, now time.Time) {
	if now.Sub(a.Counted) < quotaEvery && !a.Counted.After(now) {
		a.Uncounted = a.Counted.Add(quotaEvery)
		return
	}
	a.Counted, a.Uncounted = now, time.Time{}
	care := store.Light
	if a.Undurable >= mostUndurable {
		care, a.Undurable = store.Durable, 0
	}
	for _, other := range *a.All { // a key may be another's too
		if other == a || other.Quota.Shares(a.Quota) {
			f.store.Save(quotaFile(other), other.Counts(), care)
		}
	}
}

const (
	quotaEvery    = 100 * time.Millisecond
	mostUndurable = 16 // calls; with those of a tenth of a second at most 20
)

func listFile(a *account.Account) string { return "cars_" + a.File }

// rememberCars keeps the list of an account's cars, so that a start in an outage
// has them.
func (f *files) rememberCars(a *account.Account, cars []*car) {
	vins := make([]string, 0, len(cars))
	for _, c := range cars {
		vins = append(vins, c.VIN)
	}
	f.store.Save(listFile(a), []byte(strings.Join(vins, "\n")+"\n"), store.Durable)
}

func (f *files) knownCars(a *account.Account) []string {
	var vins []string
	for vin := range strings.FieldsSeq(string(f.store.Load(listFile(a)))) {
		if volvo.ValidVIN(vin) {
			vins = append(vins, vin)
		}
	}
	return vins
}

// known is a car by what the store has of it.
type known struct{ vin, slug string }

func (f *files) removeFiles(vin string) {
	for _, name := range append(picture.Files(vin), carFile(vin), learnedFile(vin), historyFile(vin)) {
		f.store.Remove(name)
	}
}

// findKnown finds a car among those that run and those that the store knows.
func (f *files) findKnown(cars []*car, name string) (known, error) {
	var all []known
	for _, c := range cars {
		all = append(all, known{c.VIN, c.Level})
	}
	for _, file := range f.store.Names(carPrefix) {
		vin := strings.ToUpper(strings.TrimSuffix(strings.TrimPrefix(file, carPrefix), ".json"))
		m, err := entity.LoadMemory(f.store.Load(file))
		if !volvo.ValidVIN(vin) || err != nil || slices.ContainsFunc(all, func(k known) bool { return k.vin == vin }) {
			continue
		}
		if m.Slug == "" {
			m.Slug = vin
		}
		all = append(all, known{vin, m.Slug})
	}
	var slugs []string
	for _, k := range all {
		if strings.EqualFold(k.vin, name) || k.slug == name || k.slug == discovery.Slug(name) {
			return k, nil
		}
		slugs = append(slugs, k.slug)
	}
	switch {
	case len(name) == wholeVIN && volvo.ValidVIN(name): // only the broker may know it
		return known{strings.ToUpper(name), strings.ToUpper(name)}, nil
	case len(slugs) == 0:
		return known{}, errors.New("no car is known; name it by its VIN")
	}
	return known{}, fmt.Errorf("there is no car %q; known are %s", name, strings.Join(slugs, ", "))
}
