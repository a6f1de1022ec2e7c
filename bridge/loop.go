package bridge

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"runtime/debug"
	"sync"
	"sync/atomic"
	"time"

	"github.com/rs/zerolog"

	"volvobridge/bridge/command"
	"volvobridge/bridge/entity"
	"volvobridge/bridge/login"
	"volvobridge/bridge/mqtt"
)

const (
	debounce     = 20 * time.Millisecond // values that arrive together go out together
	tick         = 15 * time.Second      // slow business: availability, counters, saving
	saveEvery    = 5 * time.Minute
	tidyEvery    = 10 * time.Minute
	flushLimit   = time.Second
	atOnce       = 3               // documents in one turn of the loop
	commandGrace = 5 * time.Second // for a POST under way at a stop
)

// Bridge is the loop and all it owns.
type Bridge struct {
	opts        Options
	rules       entity.Rules // which entities the configuration allows
	place       entity.Place // where everything is published
	log         zerolog.Logger
	conn        *mqtt.Conn
	accounts    []*account
	cars        []*car
	byVIN       map[string]*car // in upper case
	bySlug      map[string]*car
	dirty       []*car // whose document may have changed, the oldest change first
	unpublished int    // cars that were never published
	agenda      agenda
	denied      map[string]bool // cars' resources that Volvo refuses for good

	results  chan result
	progress chan progress
	pictures chan picture
	tasks    chan func(time.Time) // what others have the loop do
	wg       sync.WaitGroup
	quit     chan struct{} // closed when nobody listens any more

	reading    context.Context // of reads
	commanding context.Context // of POSTs

	own               ownership   // of the base topic
	broker            brokerState // what the broker does not take or allow
	machine           *command.Machine
	journals          journalQueue
	heldCommands      []mqtt.Received // commands that wait until it is clear whose topic it is
	refusals          refusalLog
	strangers         pace
	names             entity.DeviceNames
	stopping          bool
	allPublished      bool // every car was published once
	tidied            time.Time
	downLogged        bool // that the broker is away was logged
	upAt              time.Time
	sessionTakeovers  int          // connections in a row that ended at once
	mirror            *mqtt.Mirror // what the broker should hold
	status            bridgeStatus
	renamed           []string          // levels in topics that cars had before
	ownAgain          time.Time         // when to announce the bridge itself again
	announcedEntities map[string]string // its entities, as car.Told
	unknownFields     map[string]bool
	reannounce        time.Time // when to publish everything again
	announcedAt       time.Time // when that was done last
	publishAt         time.Time
	ticked            time.Time
	saved             time.Time

	// For health, read by others.
	beat  atomic.Int64 // of the loop's last turn, as the time since the program started
	ready atomic.Bool
}

// New returns a bridge that does nothing until Run.
func New(opts Options) *Bridge {
	if opts.Secret == nil {
		opts.Secret = func(string) {}
	}
	rules := entity.Rules{Allow: opts.Commands.Allow, PIN: opts.Commands.PIN != ""}
	b := &Bridge{
		rules:   rules,
		machine: command.New(command.Options{Rules: rules, MaxAge: opts.Commands.MaxAge, AllowPlain: opts.Commands.AllowPlain, PIN: opts.Commands.PIN}),
		place:   entity.Place{Base: opts.MQTT.Topic, ClientID: opts.MQTT.ClientID, Version: opts.Version, Language: opts.HomeAssistant.Language},
		opts:    opts, log: opts.Log, bySlug: map[string]*car{}, byVIN: map[string]*car{}, denied: map[string]bool{}, unknownFields: map[string]bool{}, broker: newBrokerState(), names: entity.NewDeviceNames(),
		results: make(chan result, 64), progress: make(chan progress, 64), pictures: make(chan picture, 8), tasks: make(chan func(time.Time), 16), quit: make(chan struct{}),
	}
	b.mirror = mqtt.NewMirror(b.sent)
	return b
}

// started is a moment to measure from: the difference of two times goes by the
// monotonic clock, so that setting the machine's clock is no ill health.
var started = time.Now()

// Healthy returns an error when the loop does not turn.
func (b *Bridge) Healthy() error {
	if last := b.beat.Load(); last == 0 || time.Since(started)-time.Duration(last) > 4*tick {
		return errors.New("the loop does not turn")
	}
	return nil
}

// Ready returns an error until the broker is connected and every car published.
func (b *Bridge) Ready() error {
	if !b.ready.Load() {
		return errors.New("not connected to the broker, or another bridge owns mqtt.topic, or a car was not published yet, as without a login")
	}
	return nil
}

// Run works until ctx ends, then says goodbye to the broker.
func (b *Bridge) Run(ctx context.Context) error {
	reading, stopReading := context.WithCancel(ctx)
	defer stopReading()
	commanding, stopCommanding := context.WithCancel(context.WithoutCancel(ctx))
	defer stopCommanding()
	b.reading, b.commanding = reading, commanding

	b.logSetAside()
	b.own.self = marker{ID: loadInstance(b.opts.Store), ClientID: b.opts.MQTT.ClientID, Host: b.opts.Host, Since: time.Now().UTC().Truncate(time.Microsecond)}
	b.start(time.Now())
	stopChains := b.runChains()
	b.conn = mqtt.Open(mqtt.Options{
		URL: b.opts.MQTT.URL, ClientID: b.opts.MQTT.ClientID, Username: b.opts.MQTT.Username, Password: b.opts.MQTT.Password,
		TLS: b.opts.MQTT.TLS, Dial: b.opts.MQTT.Dial,
		Will:      mqtt.Message{Topic: b.topic("bridge", "availability"), Payload: []byte("offline"), Retain: true},
		Subscribe: b.subscriptions(), MaxPayload: command.MaxPayload,
	})
	b.mirror.Bind(b.conn.Publish)
	b.work(ctx)

	stopReading()
	b.finishCommands(stopCommanding)
	stopChains()
	b.goodbye()
	close(b.quit)
	b.wg.Wait()
	return nil
}

// runChains has every login refreshed until the returned stop.
func (b *Bridge) runChains() context.CancelFunc {
	ctx, stop := context.WithCancel(context.Background())
	for _, a := range b.accounts {
		if a.chain == nil {
			continue
		}
		b.background(func() {
			a.chain.Run(ctx, func(h login.Event) {
				deliver(b, b.tasks, func(now time.Time) { b.loginEvent(a, h, now) })
			})
		})
	}
	return stop
}

// work is the loop.
func (b *Bridge) work(ctx context.Context) {
	timer := time.NewTimer(0)
	defer timer.Stop()
	first := true // the broker's messages come first, but not twice in a row
	for {
		now := time.Now()
		b.beat.Store(int64(time.Since(started)))
		b.dispatch(now)
		b.publishDue(now)
		if first {
			select { // a command does not wait behind the answers of reads
			case <-ctx.Done():
				return
			case e := <-b.conn.Events():
				b.event(e)
				first = false
				continue
			default:
			}
		}
		first = true
		timer.Reset(max(0, b.wake(now).Sub(now)))
		select {
		case <-ctx.Done():
			return
		case e := <-b.conn.Events():
			b.event(e)
		case r := <-b.results:
			b.apply(r, time.Now())
		case p := <-b.progress:
			b.advance(p, time.Now())
		case p := <-b.pictures:
			b.keepPicture(p, time.Now())
		case f := <-b.tasks:
			f(time.Now())
		case <-timer.C:
		}
	}
}

// wake returns when the loop has something to do that no event will tell.
func (b *Bridge) wake(now time.Time) time.Time {
	wake := b.ticked.Add(tick)
	earlier := func(t time.Time) {
		if !t.IsZero() && t.Before(wake) {
			wake = t
		}
	}
	earlier(b.own.wake())
	earlier(b.mirror.Next())
	earlier(b.publishAt)
	earlier(b.reannounce)
	earlier(b.ownAgain)
	for _, a := range b.accounts {
		earlier(b.nextRead(a, now))
		earlier(a.uncounted)
	}
	earlier(b.agenda.next())
	return wake
}

// publishDue publishes what became due: changed documents, announcements, the
// slow business of a tick.
func (b *Bridge) publishDue(now time.Time) {
	if !b.mirror.Connected() { // the connection brings everything anyway
		b.reannounce = time.Time{}
	}
	if !b.reannounce.IsZero() && !now.Before(b.reannounce) {
		b.reannounce, b.announcedAt = time.Time{}, now
		b.log.Info().Msg("home assistant started: publishing everything again")
		b.publishEverything(now)
	}
	if !b.publishAt.IsZero() && !now.Before(b.publishAt) {
		b.publishDirty(now)
	}
	b.claim(now)
	b.mirror.Due(now)
	if !b.ownAgain.IsZero() && !now.Before(b.ownAgain) {
		b.ownAgain = time.Time{}
		b.announceBridge()
	}
	for _, a := range b.accounts {
		if !a.uncounted.IsZero() && !now.Before(a.uncounted) {
			b.saveQuota(a, now)
		}
	}
	b.keepAgenda(now)
	if now.Sub(b.ticked) >= tick || b.ticked.After(now) {
		b.ticked = now
		b.slow(now)
	}
}

// slow is what can wait for a tick.
func (b *Bridge) slow(now time.Time) {
	for _, c := range b.cars {
		b.checkAvailability(c, now)
		b.fetchPictures(c, now)
		b.execute(b.machine.Tick(c.commands, now), now)
		if now.Sub(c.documentAt) >= heartbeat && !c.documentAt.IsZero() {
			b.touch(c, now)
		}
	}
	b.checkBroker(now)
	if b.mirror.Connected() && b.sessionTakeovers >= takeoversToLog && now.Sub(b.upAt) >= tick {
		b.sessionTakeovers = 0
		b.log.Info().Msg("connected to the broker")
	}
	b.publishStatus(now)
	if b.allPublished && now.Sub(b.tidied) >= tidyEvery {
		b.tidied = now
		debug.FreeOSMemory() // a small machine has better uses for what a burst took
	}
	if now.Sub(b.saved) >= saveEvery || b.saved.After(now) {
		b.save(now)
	}
}

// goodbye publishes offline, saves and closes the connection.
func (b *Bridge) goodbye() {
	now := time.Now()
	for _, c := range b.chains() {
		c.DropLogins()
	}
	b.publishStatus(now)
	b.mirror.ClearNow()
	b.retain(b.topic("bridge", "availability"), "offline")
	b.mirror.Send(b.topic("bridge", "instance"), nil)
	ctx, cancel := context.WithTimeout(context.Background(), flushLimit)
	defer cancel()
	b.conn.Flush(ctx)
	b.conn.Close()
	b.save(now)
}

func digest(data []byte) string {
	sum := sha256.Sum256(data)
	return hex.EncodeToString(sum[:8])
}

// background runs f in a goroutine that Run waits for.
func (b *Bridge) background(f func()) { b.wg.Go(f) }

// deliver hands a value to the loop, or drops it when the loop has ended.
func deliver[T any](b *Bridge, to chan<- T, v T) {
	select {
	case to <- v:
	case <-b.quit:
	}
}
