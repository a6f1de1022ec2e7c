package bridge

import (
	"cmp"
	"context"
	"strings"
	"time"

	"volvobridge/bridge/dashboard"
	"volvobridge/bridge/entity"
)

// Views lists the cars while the bridge runs; ViewsAlone without.
func (b *Bridge) Views(ctx context.Context) (views []dashboard.View, err error) {
	err = b.workers.within(ctx, func(time.Time) {
		for _, c := range b.fleet.cars {
			b.fleet.names.Give(&c.Car)
			views = append(views, dashboard.ViewOf(&c.Car, b.rules))
		}
	})
	return views, err
}

// ViewsAlone lists the cars that the store knows.
func ViewsAlone(opts Options) []dashboard.View {
	b := New(opts)
	configured := map[string]string{}
	for _, a := range opts.Accounts {
		for _, v := range a.Vehicles {
			configured[strings.ToUpper(v.VIN)] = v.Name
		}
	}
	var views []dashboard.View
	var cars []*entity.Car
	for _, file := range opts.Store.Names(carPrefix) {
		vin := strings.ToUpper(strings.TrimSuffix(strings.TrimPrefix(file, carPrefix), ".json"))
		m, err := entity.LoadMemory(opts.Store.Load(file))
		name, wanted := configured[vin]
		if err != nil || len(configured) > 0 && !wanted {
			continue
		}
		cars = append(cars, &entity.Car{VIN: vin, Name: name, Level: cmp.Or(m.Slug, vin), Memory: m})
	}
	for _, c := range cars {
		b.fleet.names.Reserve(c)
	}
	for _, c := range cars {
		b.fleet.names.Give(c)
		views = append(views, dashboard.ViewOf(c, b.rules))
	}
	return views
}
