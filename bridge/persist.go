package bridge

import (
	"bytes"
	"encoding/json"
	"strings"
	"time"

	"volvobridge/bridge/entity"
	"volvobridge/bridge/store"
	"volvobridge/volvo"
)

// The store's files. A car's holds its last readings and so its position: it is
// for this process only.
const (
	carPrefix   = "car_"
	imagePrefix = "image_"
)

func carFile(vin string) string { return carPrefix + strings.ToLower(vin) + ".json" }

// loadCar reads what was known of a car. A broken file is kept aside and named.
func (b *Bridge) loadCar(c *car) {
	data := b.opts.Store.Load(carFile(c.VIN))
	if data == nil {
		return
	}
	m, err := entity.LoadMemory(data)
	if err != nil {
		b.log.Warn().Str("car", c.label).Str("hint", "the file was kept aside; all of it is read again from Volvo").Msg("the snapshot can't be read")
		b.opts.Store.SetAside(carFile(c.VIN))
	}
	c.Memory = m
}

// saveCar writes what is known of a car, if that changed.
func (b *Bridge) saveCar(c *car) {
	data := []byte(entity.Encode(c.Memory))
	if sum := digest(data); len(data) > 0 && sum != c.saved {
		c.saved = sum
		b.opts.Store.Save(carFile(c.VIN), data, store.Whole)
	}
}

// save writes what may be lost without harm, now and then and at the end.
func (b *Bridge) save(now time.Time) {
	b.times.saved = now
	for _, a := range b.accounts {
		a.counted = time.Time{}
		b.saveQuota(a, now)
	}
	for _, c := range b.fleet.cars {
		if c.Restored() || c.EngineRuntime != entity.DefaultRuntime {
			b.saveCar(c)
		}
	}
}

// countedCalls is what a restart must know of the limits.
type countedCalls struct {
	Keys  json.RawMessage `json:"keys"`
	Calls []time.Time     `json:"calls"` // of the last minute
}

func quotaFile(a *account) string { return "calls_" + a.file + ".json" }

func (b *Bridge) loadQuota(a *account) {
	data := b.opts.Store.Load(quotaFile(a))
	if data == nil {
		return
	}
	var saved countedCalls
	err := json.NewDecoder(bytes.NewReader(data)).Decode(&saved) // what stands behind it is of a longer one
	if err == nil {
		err = a.quota.Load(saved.Keys)
	}
	a.polls.Restore(saved.Calls, time.Now())
	if err != nil {
		b.log.Warn().Str("file", b.opts.Store.SetAside(quotaFile(a))).Str("hint", "calls are counted from nothing; Volvo tells when there are none left").Msg("the count of calls can't be read")
	}
}

// saveQuota writes the count of calls: at once after a rest, in a burst of calls
// ten times a second.
func (b *Bridge) saveQuota(a *account, now time.Time) {
	if now.Sub(a.counted) < quotaEvery && !a.counted.After(now) {
		a.uncounted = a.counted.Add(quotaEvery)
		return
	}
	a.counted, a.uncounted = now, time.Time{}
	for _, other := range b.accounts { // a key may be another's too
		if other == a || other.quota.Shares(a.quota) {
			counted := countedCalls{Keys: other.quota.Save()}
			if b.opts.Polling.PerMinute <= mostPerMinute { // a higher one is no limit of Volvo's
				counted.Calls = other.polls.Times()
			}
			b.opts.Store.Save(quotaFile(other), []byte(entity.Encode(counted)), store.Light)
		}
	}
}

const (
	quotaEvery    = 100 * time.Millisecond
	mostPerMinute = 1000
)

func listFile(a *account) string { return "cars_" + a.file }

// rememberCars keeps the list of an account's cars, so that a start in an outage
// has them.
func (b *Bridge) rememberCars(a *account) {
	vins := make([]string, 0, len(a.cars))
	for _, c := range a.cars {
		vins = append(vins, c.VIN)
	}
	b.opts.Store.Save(listFile(a), []byte(strings.Join(vins, "\n")+"\n"), store.Durable)
}

func (b *Bridge) knownCars(a *account) []string {
	var vins []string
	for vin := range strings.FieldsSeq(string(b.opts.Store.Load(listFile(a)))) {
		if volvo.ValidVIN(vin) {
			vins = append(vins, vin)
		}
	}
	return vins
}
