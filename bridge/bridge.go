package bridge

import (
	"context"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/rs/zerolog"

	"volvobridge/bridge/account"
	"volvobridge/bridge/command"
	"volvobridge/bridge/entity"
	"volvobridge/bridge/link"
	"volvobridge/bridge/picture"
	"volvobridge/bridge/store"
	"volvobridge/discovery"
)

// Bridge is the loop and what it wires together. Only the loop touches it, but for
// health and workers.
type Bridge struct {
	opts     Options
	rules    entity.Rules // which entities the configuration allows
	log      zerolog.Logger
	accounts account.All
	fleet    fleet
	link     *link.Link
	files    *files
	gallery  picture.Gallery
	commands *commands
	changes  changes
	agenda   agenda
	self     self
	times    times
	workers  workers
	health   health

	allPublished bool // every car was published once
}

// fleet is the cars of all accounts.
type fleet struct {
	cars        []*car
	byVIN       map[string]*car // in upper case
	bySlug      map[string]*car
	names       entity.DeviceNames
	renamed     []string // levels in topics that cars had before
	unpublished int      // cars that were never published
}

// car returns the car of a VIN, nil if there is none.
func (f *fleet) car(vin string) *car { return f.byVIN[strings.ToUpper(vin)] }

func (f *fleet) vins() []string {
	var vins []string
	for _, c := range f.cars {
		vins = append(vins, c.VIN)
	}
	return vins
}

// slug is the car's level in topics: its name's, else the VIN.
func (f *fleet) slug(name, vin string) string {
	slug := discovery.Slug(name)
	if slug == "" || slug == "bridge" {
		return vin
	}
	if _, taken := f.bySlug[slug]; taken {
		return slug + "_" + strings.ToLower(vin)
	}
	return slug
}

// of returns the cars of an account.
func (f *fleet) of(a *account.Account) []*car {
	var cars []*car
	for _, c := range f.cars {
		if c.account == a {
			cars = append(cars, c)
		}
	}
	return cars
}

// reached tells whether a car of an account still answers.
func (f *fleet) reached(a *account.Account, now time.Time) bool {
	return slices.ContainsFunc(f.cars, func(c *car) bool { return c.account == a && now.Sub(c.LastGood) < patience })
}

// underWay tells whether a command of any car is.
func (f *fleet) underWay() bool {
	return slices.ContainsFunc(f.cars, func(c *car) bool { return c.commands.UnderWay() })
}

// remove takes a car out, and gives its names back.
func (f *fleet) remove(c *car) {
	f.cars = slices.DeleteFunc(f.cars, func(x *car) bool { return x == c })
	delete(f.bySlug, c.Level)
	delete(f.byVIN, strings.ToUpper(c.VIN))
	if c.document == "" {
		f.unpublished--
	}
	f.names.Release(&c.Car)
}

// self is what is published of the bridge itself.
type self struct {
	status            bridgeStatus
	announcedEntities map[string]string // that Home Assistant knows, with their messages' digests
	ownAgain          time.Time         // when to announce the bridge itself again
	unknownFields     map[string]bool   // that Volvo sent
	denied            map[string]bool   // cars' resources that Volvo refuses for good
}

// times are when things were done last, or are due.
type times struct {
	reannounce  time.Time // when to publish everything again
	announcedAt time.Time // when that was done last
	ticked      time.Time
	saved       time.Time
	learned     time.Time // when what the plans learned was saved
	tidied      time.Time
}

// workers are the goroutines beside the loop, and how they hand over what they have.
type workers struct {
	results  chan account.Result
	progress chan progress
	pictures chan picture.Fetched
	tasks    chan func(time.Time) // what others have the loop do
	wg       sync.WaitGroup
	quit     chan struct{} // closed when nobody listens any more

	reading    context.Context // of reads
	commanding context.Context // of POSTs
}

// start runs f in a goroutine that Run waits for.
func (w *workers) start(f func()) { w.wg.Go(f) }

// deliver hands a value to the loop, or drops it when the loop has ended.
func deliver[T any](w *workers, to chan<- T, v T) {
	select {
	case to <- v:
	case <-w.quit:
	}
}

// health is read by others.
type health struct {
	beat  atomic.Int64 // of the loop's last turn, as the time since the program started
	ready atomic.Bool
}

// New returns a bridge that does nothing until Run.
func New(opts Options) *Bridge {
	if opts.Secret == nil {
		opts.Secret = func(string) {}
	}
	if opts.Tried == nil {
		opts.Tried = func() {}
	}
	rules := entity.Rules{Allow: opts.Commands.Allow, PIN: opts.Commands.PIN != ""}
	b := &Bridge{
		opts: opts, rules: rules, log: opts.Log,
		fleet:   fleet{byVIN: map[string]*car{}, bySlug: map[string]*car{}, names: entity.NewDeviceNames()},
		link:    link.New(entity.Place{Base: opts.MQTT.Topic, ClientID: opts.MQTT.ClientID, Version: opts.Version, Language: opts.HomeAssistant.Language, Page: opts.Page}, opts.HomeAssistant.Prefix, opts.Log),
		files:   &files{store: opts.Store, log: opts.Log},
		self:    self{unknownFields: map[string]bool{}, denied: map[string]bool{}},
		workers: workers{results: make(chan account.Result, 64), progress: make(chan progress, 64), pictures: make(chan picture.Fetched, 8), tasks: make(chan func(time.Time), 16), quit: make(chan struct{})},
	}
	b.gallery = picture.Gallery{Link: b.link, Load: opts.Store.Load, Start: b.workers.start,
		Save:    func(name string, data []byte) { opts.Store.Save(name, data, store.Durable) },
		Deliver: func(p picture.Fetched) { deliver(&b.workers, b.workers.pictures, p) }}
	b.commands = &commands{
		limits:  opts.Commands,
		machine: command.New(command.Options{Rules: rules, MaxAge: opts.Commands.MaxAge, AllowPlain: opts.Commands.AllowPlain, PIN: opts.Commands.PIN}),
		fleet:   &b.fleet, link: b.link, files: b.files, workers: &b.workers, changes: &b.changes, agenda: &b.agenda, log: opts.Log, ended: map[string]int{}, refused: map[string]int{},
	}
	return b
}
