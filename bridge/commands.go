package bridge

import (
	"context"
	"encoding/json"
	"errors"
	"slices"
	"sync"
	"time"

	"github.com/rs/zerolog"

	"volvobridge/bridge/account"
	"volvobridge/bridge/command"
	"volvobridge/bridge/entity"
	"volvobridge/bridge/link"
	"volvobridge/bridge/mqtt"
	"volvobridge/bridge/web"
	"volvobridge/volvo"
)

// commands are those to the cars: what the machine decides about them is done here.
type commands struct {
	limits  Commands
	machine *command.Machine
	fleet   *fleet
	link    *link.Link
	files   *files
	workers *workers
	changes *changes
	agenda  *agenda
	log     zerolog.Logger

	journals      journalQueue
	refusals      refusalLog
	unknownTopics mqtt.Pace
	ended         map[string]int    // commands since the start, by their last status
	refused       map[string]int    // refusals since the start, by reason
	turnedAway    []web.LedgerEntry // the last ones: they are in no journal
	stopping      bool
}

// execute does what the machine of the commands decided, in order.
func (s *commands) execute(effects []command.Effect, now time.Time) {
	for _, e := range effects {
		switch e := e.(type) {
		case command.Publish:
			s.publishCommand(e, now)
		case command.Post:
			s.post(e.Command, now)
		case command.Journal:
			s.journal(e.Command)
		case command.Read:
			if c := s.fleet.car(e.VIN); c != nil {
				c.account.Plan.Ask(c.key(e.Resource), e.At)
			}
		case command.Climate:
			if c := s.fleet.car(e.VIN); c != nil {
				s.agenda.climateUntil(c, e.Until)
				s.files.saveCar(c)
			}
		case command.Local:
			s.settleLocally(e.Command, now)
		case command.Changed:
			if c := s.fleet.car(e.VIN); c != nil {
				s.changes.touch(c, now)
			}
		}
	}
}

// situation is what the machine must know of the account and the bridge.
func (s *commands) situation(a *account.Account, now time.Time) command.Situation {
	return command.Situation{Now: now, Conflict: s.link.Own.Conflict(), Stopping: s.stopping, Limit: a.RefusedCommand(now)}
}

// progress is a step of a POST: begun, that is in the journal, or ended.
type progress struct {
	command  *command.Command
	account  *account.Account // the car may be another's by now
	apiKey   int
	begun    bool
	seq      int64
	storeErr error
	outcome  command.Outcome
}

// post writes a command to the journal and makes its POST, beside the loop.
func (s *commands) post(cmd *command.Command, now time.Time) {
	a := s.fleet.car(cmd.VIN()).account
	apiKey, _ := a.Quota.Pick(now, true) // there is one: the situation said so
	a.Count(apiKey, now, true)
	vin, name, runtime, record := cmd.VIN(), cmd.Command, cmd.Runtime, cmd.Record()
	s.workers.start(func() {
		p := progress{command: cmd, account: a, apiKey: apiKey}
		p.seq, p.storeErr = s.files.store.Begin(record)
		begun := p
		begun.begun = true
		deliver(s.workers, s.workers.progress, begun) // told only now: after a crash the journal must know of it
		if p.outcome.Late = cmd.TooLate(s.limits.MaxAge, time.Now()); p.outcome.Late {
			deliver(s.workers, s.workers.progress, p)
			return
		}
		ctx, cancel := context.WithCancel(s.workers.commanding)
		defer cancel()
		p.outcome.Answer, p.outcome.Err = a.Clients[apiKey].Invoke(ctx, vin, name, runtime)
		deliver(s.workers, s.workers.progress, p)
	})
	s.files.saveQuota(a, now)
}

// advance takes a step of a POST.
func (s *commands) advance(p progress, now time.Time) {
	if p.begun {
		if p.storeErr != nil {
			s.log.Error().Err(p.storeErr).Str("hint", "free some space on the disk of the store").Msg("the journal can't be written")
		}
		s.execute(s.machine.Begun(p.command, now), now)
		return
	}
	p.command.Seq = p.seq
	if fault, ok := errors.AsType[*volvo.Error](p.outcome.Err); ok {
		if p.account.LearnFromPost(p.apiKey, fault, now) {
			s.files.saveQuota(p.account, now)
		}
	}
	sent := p.command.Sent
	s.execute(s.machine.Answered(p.command, p.outcome, now), now)
	if p.command.Status.Status == command.Refused { // no POST was made: it counts for nothing
		p.account.Undo(p.apiKey, sent)
	}
	if c := s.fleet.car(p.command.VIN()); c != nil {
		s.execute(s.machine.Next(c.commands, s.situation(c.account, now)), now)
	}
}

// publishCommand tells of a command's step: status topic, event, last command, log.
func (s *commands) publishCommand(e command.Publish, now time.Time) {
	c, status := s.fleet.car(e.Command.VIN()), e.Status
	if c == nil {
		return
	}
	c.Statuses[e.Command.Entity] = status
	s.link.Retain(s.link.Topic(c.Level, e.Command.Entity, "status"), entity.Encode(status))
	s.link.Event(s.link.Topic(c.Level, "event"), map[string]any{
		"event_type": e.Event, "entity": e.Command.Entity, "id": status.ID, "command": status.Command, "status": status.Status,
		"invokeStatus": status.InvokeStatus, "message": status.Message, "reason": status.Reason, "advice": status.Advice,
		"confirmed": status.Confirmed,
	})
	// What changes only the bridge is no command to the car, and the read-back of an
	// older command is not the last one.
	if e.Command.Command != "" && (c.LastCommand == nil || !status.RequestedAt.Before(c.LastCommand.RequestedAt)) {
		c.LastCommand = &status
	}
	s.count(c, e)
	s.logCommand(c, e, now)
	s.changes.touch(c, now)
}

const mostTurnedAway = 100

// count notes for the page and the metrics how a command ended.
func (s *commands) count(c *car, e command.Publish) {
	switch e.Status.Status {
	case command.Refused:
		s.refused[command.Text(e.Status.Reason)]++
		s.turnedAway = append(s.turnedAway[max(0, len(s.turnedAway)-mostTurnedAway+1):], web.LedgerEntry{Car: c.label, Entity: e.Command.Entity, Command: e.Command.Command, Status: e.Status})
	case command.Sending, command.Accepted:
		return
	}
	if e.Status.Confirmed == nil { // else it was counted when it was answered
		s.ended[e.Status.Status]++
	}
}

// logCommand writes a line of a command's life; of refusals one a minute.
func (s *commands) logCommand(c *car, e command.Publish, now time.Time) {
	line := s.log.Info()
	if slices.Contains([]string{command.Refused, command.Failed, command.Unknown}, e.Status.Status) {
		line = s.log.Warn()
	}
	if e.Status.Status == command.Refused {
		yes, unlogged := s.refusals.allows(c.label+" "+command.Text(e.Status.Reason), now)
		if !yes {
			return
		}
		if unlogged > 0 {
			line = line.Int("unlogged", unlogged)
		}
	}
	line = line.Str("car", c.label).Str("entity", e.Command.Entity)
	for _, field := range []struct {
		key   string
		value *string
	}{{"command", e.Status.Command}, {"reason", e.Status.Reason}, {"invokeStatus", e.Status.InvokeStatus}, {"message", e.Status.Message}, {"hint", e.Status.Advice}} {
		if text := command.Text(field.value); text != "" {
			line = line.Str(field.key, text)
		}
	}
	line.Msg(e.Event)
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
func (s *commands) journal(cmd *command.Command) {
	seq, record := cmd.Seq, cmd.Record()
	s.journals.add(s.workers.start, func() {
		_ = s.files.store.Update(seq, false, record) // told by store_problem
	})
}

// reopenCommands takes up what an earlier process left.
func (s *commands) reopenCommands(now time.Time) {
	posts := map[*account.Account][]time.Time{}
	for _, entry := range s.files.store.Commands() {
		var r command.Record
		if json.Unmarshal(entry.Data, &r) != nil {
			continue
		}
		c := s.fleet.car(r.VIN)
		if c == nil {
			if entry.Open {
				r.Status.Status = command.Unknown
				_ = s.files.store.Update(entry.Seq, false, json.RawMessage(entity.Encode(r))) // told by store_problem
			}
			continue
		}
		if r.Status.Status != command.Refused {
			posts[c.account] = append(posts[c.account], r.Sent)
		}
		if last, ok := c.Statuses[r.Entity]; !ok || r.Status.UpdatedAt.After(last.UpdatedAt) {
			c.Statuses[r.Entity] = r.Status
			s.link.Retain(s.link.Topic(c.Level, r.Entity, "status"), entity.Encode(r.Status))
		}
		s.execute(s.machine.Restore(c.commands, r, entry.Seq, entry.Open, now), now)
	}
	for a, times := range posts {
		a.Posts.Restore(times, now)
	}
}
