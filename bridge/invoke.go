package bridge

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"sync"
	"time"

	"volvobridge/bridge/command"
	"volvobridge/bridge/entity"
	"volvobridge/volvo"
)

// execute does what the machine of the commands decided, in order.
func (b *Bridge) execute(effects []command.Effect, now time.Time) {
	for _, e := range effects {
		switch e := e.(type) {
		case command.Publish:
			b.publishCommand(e, now)
		case command.Post:
			b.post(e.Command, now)
		case command.Journal:
			b.journal(e.Command)
		case command.Read:
			if c := b.fleet.car(e.VIN); c != nil {
				c.account.plan.Ask(c.key(e.Resource), e.At)
			}
		case command.Climate:
			if c := b.fleet.car(e.VIN); c != nil {
				b.climateUntil(c, e.Until)
				b.saveCar(c)
			}
		case command.Local:
			b.settleLocally(e.Command, now)
		case command.Changed:
			if c := b.fleet.car(e.VIN); c != nil {
				b.touch(c, now)
			}
		}
	}
}

// situation is what the machine must know of the account and the bridge.
func (b *Bridge) situation(a *account, now time.Time) command.Situation {
	s := command.Situation{Now: now, Conflict: b.link.own.conflict(), Stopping: b.stopping}
	if wait := a.posts.Wait(now, 0); wait > 0 {
		s.Limit = &command.Refusal{Reason: command.RateLimited, Advice: fmt.Sprintf("The limit of commands a minute is reached; try again in %s.", command.InWords(wait))}
	} else {
		s.Limit = a.refused(now)
	}
	return s
}

// refused is the refusal by the limits and the cloud, nil when a call is possible.
func (a *account) refused(now time.Time) *command.Refusal {
	if wait := max(a.paused.Sub(now), a.calls.Wait(now, 0)); wait > 0 { // reads leave room, if polling.per_minute has any
		return &command.Refusal{Reason: command.RateLimited, Advice: fmt.Sprintf("Volvo's limit of calls a minute is reached; try again in %s.", command.InWords(wait))}
	}
	if _, ok := a.quota.Pick(now, true); !ok {
		return &command.Refusal{Reason: command.QuotaSpent, Advice: fmt.Sprintf("The daily quota of the API key is spent; try again in %s.", command.InWords(a.quota.Free(now, true).Sub(now)))}
	}
	if a.rejected[volvo.ConnectedVehicle] || a.chain != nil && a.chain.State(now).Login {
		return &command.Refusal{Reason: command.LoginRequired, Advice: "Log in again: Volvo no longer accepts the access token."}
	}
	return nil
}

// refusedReads is the same for a refresh, which has no share in the reserve.
func (a *account) refusedReads(now time.Time) *command.Refusal {
	if wait := a.calls.Wait(now, a.commandShare(now)); wait > 0 {
		return &command.Refusal{Reason: command.RateLimited, Advice: fmt.Sprintf("The limit of calls a minute is reached; try again in %s.", command.InWords(wait))}
	}
	if _, ok := a.quota.Pick(now, false); !ok {
		return &command.Refusal{Reason: command.QuotaSpent, Advice: "What is left of the daily quota is kept for commands."}
	}
	return a.refused(now)
}

// progress is a step of a POST: begun, that is in the journal, or ended.
type progress struct {
	command  *command.Command
	account  *account // the car may be another's by now
	apiKey   int
	begun    bool
	seq      int64
	storeErr error
	outcome  command.Outcome
}

// post writes a command to the journal and makes its POST, beside the loop.
func (b *Bridge) post(cmd *command.Command, now time.Time) {
	a := b.fleet.car(cmd.VIN()).account
	apiKey, _ := a.quota.Pick(now, true) // there is one: the situation said so
	a.count(apiKey, now, true)
	vin, name, runtime, record := cmd.VIN(), cmd.Command, cmd.Runtime, cmd.Record()
	b.workers.start(func() {
		p := progress{command: cmd, account: a, apiKey: apiKey}
		p.seq, p.storeErr = b.opts.Store.Begin(record)
		begun := p
		begun.begun = true
		deliver(&b.workers, b.workers.progress, begun) // told only now: after a crash the journal must know of it
		if p.outcome.Late = cmd.TooLate(b.opts.Commands.MaxAge, time.Now()); p.outcome.Late {
			deliver(&b.workers, b.workers.progress, p)
			return
		}
		ctx, cancel := context.WithCancel(b.workers.commanding)
		defer cancel()
		p.outcome.Answer, p.outcome.Err = a.clients[apiKey].Invoke(ctx, vin, name, runtime)
		deliver(&b.workers, b.workers.progress, p)
	})
	b.saveQuota(a, now)
}

// advance takes a step of a POST.
func (b *Bridge) advance(p progress, now time.Time) {
	if p.begun {
		if p.storeErr != nil {
			b.log.Error().Err(p.storeErr).Str("hint", "free some space on the disk of the store").Msg("the journal can't be written")
		}
		b.execute(b.machine.Begun(p.command, now), now)
		return
	}
	p.command.Seq = p.seq
	if fault, ok := errors.AsType[*volvo.Error](p.outcome.Err); ok {
		b.learnFromPost(p.account, p.apiKey, fault, now)
	}
	sent := p.command.Sent
	b.execute(b.machine.Answered(p.command, p.outcome, now), now)
	if p.command.Status.Status == command.Refused { // no POST was made: it counts for nothing
		p.account.undo(p.apiKey, sent)
	}
	if c := b.fleet.car(p.command.VIN()); c != nil {
		b.execute(b.machine.Next(c.commands, b.situation(c.account, now)), now)
	}
}

// learnFromPost notes what the failure of a POST says of the account.
func (b *Bridge) learnFromPost(a *account, apiKey int, fault *volvo.Error, now time.Time) {
	switch {
	case fault.MayHaveActed:
	case fault.Kind == volvo.ErrLogin, fault.NotSent && fault.Kind == volvo.ErrClient:
		a.reject(volvo.Commands)
	case fault.NotSent:
	case fault.Kind == volvo.ErrQuota:
		a.quota.Spent(apiKey, now, fault.Wait)
		b.saveQuota(a, now)
	case fault.Kind == volvo.ErrRateLimited:
		a.pause(fault, now)
	}
}

// publishCommand tells of a command's step: status topic, event, last command, log.
func (b *Bridge) publishCommand(e command.Publish, now time.Time) {
	c, status := b.fleet.car(e.Command.VIN()), e.Status
	if c == nil {
		return
	}
	c.Statuses[e.Command.Entity] = status
	b.retain(b.topic(c.Level, e.Command.Entity, "status"), entity.Encode(status))
	b.publishEvent(b.topic(c.Level, "event"), map[string]any{
		"event_type": e.Event, "entity": e.Command.Entity, "id": status.ID, "command": status.Command, "status": status.Status,
		"invokeStatus": status.InvokeStatus, "message": status.Message, "reason": status.Reason, "advice": status.Advice,
		"confirmed": status.Confirmed,
	})
	// What changes only the bridge is no command to the car, and the read-back of an
	// older command is not the last one.
	if e.Command.Command != "" && (c.LastCommand == nil || !status.RequestedAt.Before(c.LastCommand.RequestedAt)) {
		c.LastCommand = &status
	}
	b.logCommand(c, e, now)
	b.touch(c, now)
}

// logCommand writes a line of a command's life; of refusals one a minute.
func (b *Bridge) logCommand(c *car, e command.Publish, now time.Time) {
	line := b.log.Info()
	if e.Status.Status == command.Refused {
		yes, unlogged := b.flood.refusals.allows(c.label+" "+deref(e.Status.Reason), now)
		if !yes {
			return
		}
		if unlogged > 0 {
			line = line.Int("unlogged", unlogged)
		}
	}
	line = line.Str("car", c.label).Str("entity", e.Command.Entity)
	for key, value := range map[string]*string{"reason": e.Status.Reason, "invokeStatus": e.Status.InvokeStatus} {
		if value != nil {
			line = line.Str(key, *value)
		}
	}
	line.Msg(e.Event)
}

func deref(s *string) string {
	if s == nil {
		return ""
	}
	return *s
}

// journalQueue writes to the journal one after the other, beside the loop: only the
// record before a POST must be waited for.
type journalQueue struct {
	mu      sync.Mutex
	pending []func()
	writing bool
}

// add has a write done after all before it.
func (q *journalQueue) add(background func(func()), write func()) {
	q.mu.Lock()
	defer q.mu.Unlock()
	if q.pending = append(q.pending, write); !q.writing {
		q.writing = true
		background(q.drain)
	}
}

func (q *journalQueue) drain() {
	for {
		q.mu.Lock()
		if len(q.pending) == 0 {
			q.writing = false
			q.mu.Unlock()
			return
		}
		write := q.pending[0]
		q.pending = q.pending[1:]
		q.mu.Unlock()
		write()
	}
}

// journal writes what became of a command.
func (b *Bridge) journal(cmd *command.Command) {
	seq, record := cmd.Seq, cmd.Record()
	b.journals.add(b.workers.start, func() {
		_ = b.opts.Store.Update(seq, false, record) // told by store_problem
	})
}

// reopenCommands takes up what an earlier process left.
func (b *Bridge) reopenCommands(now time.Time) {
	posts := map[*account][]time.Time{}
	for _, entry := range b.opts.Store.Commands() {
		var r command.Record
		if json.Unmarshal(entry.Data, &r) != nil {
			continue
		}
		c := b.fleet.car(r.VIN)
		if c == nil {
			if entry.Open {
				r.Status.Status = command.Unknown
				_ = b.opts.Store.Update(entry.Seq, false, json.RawMessage(entity.Encode(r))) // told by store_problem
			}
			continue
		}
		if r.Status.Status != command.Refused {
			posts[c.account] = append(posts[c.account], r.Sent)
		}
		if last, ok := c.Statuses[r.Entity]; !ok || r.Status.UpdatedAt.After(last.UpdatedAt) {
			c.Statuses[r.Entity] = r.Status
			b.retain(b.topic(c.Level, r.Entity, "status"), entity.Encode(r.Status))
		}
		b.execute(b.machine.Restore(c.commands, r, entry.Seq, entry.Open, now), now)
	}
	for a, times := range posts {
		a.posts.Restore(times, now)
	}
}

// finishCommands waits for the POSTs under way, a little; then they are unknown.
func (b *Bridge) finishCommands(stop context.CancelFunc) {
	b.stopping = true
	grace := time.NewTimer(commandGrace)
	defer grace.Stop()
	for _, c := range b.fleet.cars {
		b.execute(b.machine.Stop(c.commands, time.Now()), time.Now())
	}
	for b.commandsUnderWay() {
		select {
		case p := <-b.workers.progress:
			b.advance(p, time.Now())
		case e := <-b.link.conn.Events():
			b.event(e)
		case <-b.workers.results:
		case <-b.workers.pictures:
		case <-b.workers.tasks:
		case <-grace.C:
			stop()
		}
	}
}

func (b *Bridge) commandsUnderWay() bool {
	for _, c := range b.fleet.cars {
		if c.commands.UnderWay() {
			return true
		}
	}
	return false
}
