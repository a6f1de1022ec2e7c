package bridge

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"runtime/debug"
	"time"

	"volvobridge/bridge/command"
	"volvobridge/bridge/entity"
	"volvobridge/bridge/link"
	"volvobridge/bridge/login"
	"volvobridge/bridge/mqtt"
)

const (
	debounce     = 20 * time.Millisecond // values that arrive together go out together
	tick         = 15 * time.Second      // slow business: availability, counters, saving
	saveEvery    = 5 * time.Minute
	learnEvery   = time.Hour // what was learned is written, and at a stop
	tidyEvery    = 2 * time.Minute
	flushLimit   = time.Second
	atOnce       = 3               // documents in one turn of the loop
	commandGrace = 5 * time.Second // for a POST under way at a stop
)

// started is a moment to measure from: the difference of two times goes by the
// monotonic clock, so that setting the machine's clock is no ill health.
var started = time.Now()

// Healthy returns an error when the loop does not turn.
func (b *Bridge) Healthy() error {
	if last := b.health.beat.Load(); last == 0 || time.Since(started)-time.Duration(last) > 4*tick {
		return errors.New("the loop does not turn")
	}
	return nil
}

// Ready returns an error until the broker is connected and every car published.
func (b *Bridge) Ready() error {
	if !b.health.ready.Load() {
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
	b.workers.reading, b.workers.commanding = reading, commanding

	logSetAside(b.opts.Accounts, b.log)
	b.link.Own = mqtt.NewOwnership(mqtt.Marker{ID: link.LoadInstance(b.opts.Store), ClientID: b.opts.MQTT.ClientID, Host: b.opts.Host, Since: time.Now().UTC().Truncate(time.Microsecond)})
	b.start(time.Now())
	stopChains := b.runChains()
	broker := b.opts.MQTT.options()
	broker.Will = mqtt.Message{Topic: b.link.Topic("bridge", "availability"), Payload: []byte("offline"), Retain: true}
	broker.Subscribe, broker.MaxPayload = b.link.Subscriptions(b.opts.HomeAssistant.Discovery, b.opts.HomeAssistant.StatusTopic, b.fleet.vins()), command.MaxPayload
	b.link.Conn = mqtt.Open(broker)
	b.link.Mirror.Bind(b.link.Conn.Publish)
	b.work(ctx)

	stopReading()
	b.finishCommands(stopCommanding)
	stopChains()
	b.goodbye()
	close(b.workers.quit)
	b.workers.wg.Wait()
	return nil
}

// runChains has every login refreshed until the returned stop.
func (b *Bridge) runChains() context.CancelFunc {
	ctx, stop := context.WithCancel(context.Background())
	for _, a := range b.accounts {
		if a.Chain == nil {
			continue
		}
		b.workers.start(func() {
			a.Chain.Run(ctx, func(h login.Event) {
				deliver(&b.workers, b.workers.tasks, func(now time.Time) { b.loginEvent(a, h, now) })
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
		b.health.beat.Store(int64(time.Since(started)))
		b.dispatch(now)
		b.publishDue(now)
		if first {
			select { // a command does not wait behind the answers of reads
			case <-ctx.Done():
				return
			case e := <-b.link.Conn.Events():
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
		case e := <-b.link.Conn.Events():
			b.event(e)
		case r := <-b.workers.results:
			b.apply(r, time.Now())
		case p := <-b.workers.progress:
			b.commands.advance(p, time.Now())
		case p := <-b.workers.pictures:
			b.keepPicture(p, time.Now())
		case f := <-b.workers.tasks:
			f(time.Now())
		case <-timer.C:
		}
	}
}

// wake returns when the loop has something to do that no event will tell.
func (b *Bridge) wake(now time.Time) time.Time {
	wake := b.times.ticked.Add(tick)
	earlier := func(t time.Time) {
		if !t.IsZero() && t.Before(wake) {
			wake = t
		}
	}
	earlier(b.link.Own.Wake())
	earlier(b.link.Mirror.Next())
	earlier(b.changes.at)
	earlier(b.times.reannounce)
	earlier(b.self.ownAgain)
	for _, a := range b.accounts {
		earlier(a.NextRead(now))
		earlier(a.Uncounted)
	}
	earlier(b.agenda.next())
	return wake
}

// publishDue publishes what became due: changed documents, announcements, the
// slow business of a tick.
func (b *Bridge) publishDue(now time.Time) {
	if !b.link.Mirror.Connected() { // the connection brings everything anyway
		b.times.reannounce = time.Time{}
	}
	if !b.times.reannounce.IsZero() && !now.Before(b.times.reannounce) {
		b.times.reannounce, b.times.announcedAt = time.Time{}, now
		b.log.Info().Msg("home assistant started: publishing everything again")
		b.publishEverything(now)
	}
	if !b.changes.at.IsZero() && !now.Before(b.changes.at) {
		b.publishDirty(now)
	}
	b.claim(now)
	b.link.Mirror.Due(now)
	if !b.self.ownAgain.IsZero() && !now.Before(b.self.ownAgain) {
		b.self.ownAgain = time.Time{}
		b.announceBridge()
	}
	for _, a := range b.accounts {
		if !a.Uncounted.IsZero() && !now.Before(a.Uncounted) {
			b.files.saveQuota(a, now)
		}
	}
	b.keepAgenda(now)
	if now.Sub(b.times.ticked) >= tick || b.times.ticked.After(now) {
		b.times.ticked = now
		b.slow(now)
	}
}

// slow is what can wait for a tick.
func (b *Bridge) slow(now time.Time) {
	for _, c := range b.fleet.cars {
		b.checkAvailability(c, now)
		b.gallery.Fetch(b.workers.reading, &c.Car, c.account.Clients[0], now)
		b.commands.execute(b.commands.machine.Tick(c.commands, now), now)
		if c.tellPlan(now) || now.Sub(c.documentAt) >= heartbeat && !c.documentAt.IsZero() {
			b.changes.touch(c, now)
		}
	}
	if b.link.Overdue(now) {
		b.changes.status(now)
	}
	b.link.Settle(now)
	b.publishStatus(now)
	if b.allPublished && now.Sub(b.times.tidied) >= tidyEvery {
		b.times.tidied = now
		debug.FreeOSMemory() // a small machine has better uses for what a burst took
	}
	if now.Sub(b.times.saved) >= saveEvery || b.times.saved.After(now) {
		b.save(now)
	}
}

// save writes what may be lost without harm, now and then and at the end.
func (b *Bridge) save(now time.Time) {
	b.times.saved = now
	for _, a := range b.accounts {
		a.Counted = time.Time{}
		b.files.saveQuota(a, now)
		a.Days.Note(now, a.Quota.State(now).Calls)
	}
	learn := now.Sub(b.times.learned) >= learnEvery || b.times.learned.After(now)
	if learn {
		b.times.learned = now
		b.files.saveHistory(b.accounts, b.fleet.cars)
	}
	for _, c := range b.fleet.cars {
		c.remember(now)
		if learn {
			b.files.saveLearned(c)
		}
		if c.Restored() || c.EngineRuntime != entity.DefaultRuntime {
			b.files.saveCar(c)
		}
	}
}

// finishCommands waits for the POSTs under way, a little; then they are unknown.
func (b *Bridge) finishCommands(stop context.CancelFunc) {
	b.commands.stopping = true
	grace := time.NewTimer(commandGrace)
	defer grace.Stop()
	for _, c := range b.fleet.cars {
		b.commands.execute(b.commands.machine.Stop(c.commands, time.Now()), time.Now())
	}
	for b.fleet.underWay() {
		select {
		case p := <-b.workers.progress:
			b.commands.advance(p, time.Now())
		case e := <-b.link.Conn.Events():
			b.event(e)
		case <-b.workers.results:
		case <-b.workers.pictures:
		case <-b.workers.tasks:
		case <-grace.C:
			stop()
		}
	}
}

// goodbye publishes offline, saves and closes the connection.
func (b *Bridge) goodbye() {
	now := time.Now()
	for _, c := range b.accounts.Chains() {
		c.DropLogins()
	}
	b.publishStatus(now)
	b.link.Mirror.ClearNow()
	b.link.Retain(b.link.Topic("bridge", "availability"), "offline")
	b.link.Mirror.Send(b.link.Topic("bridge", "instance"), nil)
	ctx, cancel := context.WithTimeout(context.Background(), flushLimit)
	defer cancel()
	b.link.Conn.Flush(ctx)
	b.link.Conn.Close()
	b.times.learned = time.Time{}
	b.save(now)
}

func digest(data []byte) string {
	sum := sha256.Sum256(data)
	return hex.EncodeToString(sum[:8])
}
