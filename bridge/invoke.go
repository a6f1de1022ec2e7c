package bridge

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"volvobridge/bridge/entity"
	"volvobridge/bridge/schedule"
	"volvobridge/volvo"
)

// commandQueue is a car's: one POST under way, those that wait for its end, and
// the read-backs that are not done yet.
type commandQueue struct {
	running *order
	waiting []*order
	proving map[volvo.Resource]*order // whose state is being read back, by what shows it
}

// moving is the lock's word while a command is under way, else empty.
func (q *commandQueue) moving() string {
	for _, o := range []*order{q.running, q.proving[volvo.Doors]} {
		if o == nil || o.reopened {
			continue
		}
		switch o.command {
		case volvo.Lock, volvo.LockReducedGuard:
			return "LOCKING"
		case volvo.Unlock:
			return "UNLOCKING"
		}
	}
	return ""
}

// readback is how a command is proven: by a resource that must show a word.
type readback struct {
	resource volvo.Resource
	entity   string // that shows it
	want     any
	from     time.Time // of the answer
	next     int       // index of the next read
	ready    time.Time // a read that began earlier proves nothing
	seen     bool      // the car's state was read at least once
}

// readbackAfter are the times of the reads after the answer.
var readbackAfter = []time.Duration{2 * time.Second, 5 * time.Second, 10 * time.Second, 20 * time.Second, 30 * time.Second}

func readbackOf(command volvo.Command) *readback {
	switch command {
	case volvo.Lock, volvo.LockReducedGuard:
		return &readback{resource: volvo.Doors, entity: "lock", want: "LOCKED"}
	case volvo.Unlock:
		return &readback{resource: volvo.Doors, entity: "lock", want: "UNLOCKED"}
	case volvo.EngineStart:
		return &readback{resource: volvo.EngineState, entity: "engine_status", want: "ON"}
	case volvo.EngineStop:
		return &readback{resource: volvo.EngineState, entity: "engine_status", want: "OFF"}
	}
	return nil
}

const mostWaiting = 4 // commands of a car behind the one under way

// enqueue starts an order, or has it wait behind the one under way, in order. A
// newer order for the same entity takes the place of the older. LOCK goes in front
// of all and ends a waiting UNLOCK: whoever wants to lock must find a place.
func (b *Bridge) enqueue(o *order, now time.Time) {
	q := &o.car.commands
	if q.running == nil {
		b.execute(o, now)
		return
	}
	same := slices.IndexFunc(q.waiting, func(w *order) bool { return w.entity == o.entity })
	switch {
	case o.command == volvo.Lock:
		var out *order
		if same >= 0 {
			out = q.waiting[same]
			q.waiting = slices.Delete(q.waiting, same, same+1)
		} else if len(q.waiting) == mostWaiting {
			out = q.waiting[mostWaiting-1]
			q.waiting = q.waiting[:mostWaiting-1]
		}
		q.waiting = slices.Insert(q.waiting, 0, o)
		if out != nil {
			b.refuse(out, refusal{reasonReplaced, "LOCK took its place while another command was under way."}, now)
		}
	case same >= 0:
		out := q.waiting[same]
		q.waiting[same] = o
		b.refuse(out, refusal{reasonReplaced, "A newer command took its place while another was under way."}, now)
	case len(q.waiting) < mostWaiting:
		q.waiting = append(q.waiting, o)
	default:
		b.refuse(o, refusal{reasonBusy, fmt.Sprintf("Another command is under way and %d are waiting; try again when they are done.", mostWaiting)}, now)
	}
}

// executeNext starts the first of those that wait, if nothing is under way.
func (b *Bridge) executeNext(c *car, now time.Time) {
	for q := &c.commands; q.running == nil && len(q.waiting) > 0; {
		next := q.waiting[0]
		q.waiting = q.waiting[1:]
		if b.stopping {
			b.refuse(next, stoppedFirst, now)
		} else {
			b.execute(next, now)
		}
	}
}

// refused is the refusal by the limits and the cloud, nil when a call is possible.
func (a *account) refused(now time.Time) *refusal {
	if wait := max(a.paused.Sub(now), a.calls.Wait(now, 0)); wait > 0 { // reads leave room, if polling.per_minute has any
		return &refusal{reasonRateLimited, fmt.Sprintf("Volvo's limit of calls a minute is reached; try again in %s.", inWords(wait))}
	}
	if _, ok := a.quota.Pick(now, true); !ok {
		return &refusal{reasonQuota, fmt.Sprintf("The daily quota of the API key is spent; try again in %s.", inWords(a.quota.Free(now, true).Sub(now)))}
	}
	if a.rejected[volvo.ConnectedVehicle] || a.chain != nil && a.chain.State(now).Login {
		return &refusal{reasonLogin, "Log in again: Volvo no longer accepts the access token."}
	}
	return nil
}

// refusedReads is the same for a refresh, which has no share in the reserve.
func (a *account) refusedReads(now time.Time) *refusal {
	if wait := a.calls.Wait(now, a.mine(now)); wait > 0 {
		return &refusal{reasonRateLimited, fmt.Sprintf("The limit of calls a minute is reached; try again in %s.", inWords(wait))}
	}
	if _, ok := a.quota.Pick(now, false); !ok {
		return &refusal{reasonQuota, "What is left of the daily quota is kept for commands."}
	}
	return a.refused(now)
}

// execute begins the POST, unless the limits or the age forbid it by now.
func (b *Bridge) execute(o *order, now time.Time) {
	a := o.car.account
	if no := b.lateRefusal(o, now); no != nil {
		b.refuse(o, *no, now)
		return
	}
	apiKey, _ := a.quota.Pick(now, true) // there is one: lateRefusal looked
	a.count(apiKey, now, true)
	if o.identity != "" {
		o.car.dedupe.keep(o.entity, o.identity, windowFor(b.opts.Commands.MaxAge), now)
	}
	o.car.commands.running = o
	if proof := readbackOf(o.command); proof != nil { // an earlier one would find what this one does
		o.before = o.car.commands.proving[proof.resource]
		delete(o.car.commands.proving, proof.resource)
	}
	o.Sent, o.status.Status, o.status.UpdatedAt = now.UTC(), sending, now.UTC()
	entry := record(o)
	b.background(func() {
		p := progress{order: o, account: a, apiKey: apiKey}
		p.seq, p.storeErr = b.opts.Store.Begin(entry)
		begun := p
		begun.begun = true
		deliver(b, b.progress, begun) // told only now: after a crash the journal must know of it
		if p.late = lateBehindDisk(o, b.opts.Commands.MaxAge); p.late {
			deliver(b, b.progress, p)
			return
		}
		ctx, cancel := context.WithCancel(b.commanding)
		defer cancel()
		p.answer, p.err = a.clients[apiKey].Invoke(ctx, o.car.VIN, o.command, o.runtime)
		deliver(b, b.progress, p)
	})
	b.saveQuota(a, now)
	b.touch(o.car, now)
}

func (b *Bridge) lateRefusal(o *order, now time.Time) *refusal {
	a := o.car.account
	if b.own.conflict() {
		return &refusal{reasonConflict, "Another bridge has taken over the same mqtt.topic: stop one of the two, or give each its own."}
	}
	// A LOCK that waited is still wanted.
	if o.command != volvo.Lock {
		if no := b.tooOld(o, now); no != nil {
			return no
		}
		if waited := elapsed(o.arrived, now); waited > b.opts.Commands.MaxAge {
			return &refusal{reasonStale, fmt.Sprintf("It waited %s for another command, more than commands.max_age; send it again if it is still wanted.", inWords(waited))}
		}
	}
	if wait := a.posts.Wait(now, 0); wait > 0 {
		return &refusal{reasonRateLimited, fmt.Sprintf("The limit of commands a minute is reached; try again in %s.", inWords(wait))}
	}
	return a.refused(now)
}

// elapsed is the time between two moments by whichever clock saw more of it: the
// monotonic one stands still while a machine sleeps, the wall's may be set.
func elapsed(from, to time.Time) time.Duration {
	return max(to.Sub(from), to.Round(0).Sub(from.Round(0)))
}

// journalled is what the journal keeps of a command.
type journalled struct {
	VIN     string        `json:"vin"`
	Entity  string        `json:"entity"`
	Command volvo.Command `json:"command"`
	Status  entity.Status `json:"status"`
	// Identity is what a repetition of the message is recognised by.
	Identity string `json:"identity,omitzero"`
	times
}

// times are when a command was sent to Volvo, answered, and confirmed by the car.
type times struct {
	Sent      time.Time `json:"sentAt,omitzero"`
	Answered  time.Time `json:"answeredAt,omitzero"`
	Confirmed time.Time `json:"confirmedAt,omitzero"`
}

func record(o *order) json.RawMessage {
	return json.RawMessage(entity.Encode(journalled{o.car.VIN, o.entity, o.command, o.status, o.identity, o.times}))
}

// progress is a step of a POST: begun, that is in the journal, or ended.
type progress struct {
	order    *order
	account  *account // the car may be another's by now
	begun    bool
	apiKey   int
	seq      int64
	storeErr error
	late     bool // the disk took so long that it is not wanted any more
	answer   volvo.Answer
	err      error
}

// lateBehindDisk tells whether the journal of a slow disk made a command too old
// to be sent.
func lateBehindDisk(o *order, maxAge time.Duration) bool {
	return o.command != volvo.Lock && elapsed(o.arrived, time.Now()) > maxAge
}

// advance takes a step of a POST.
func (b *Bridge) advance(p progress, now time.Time) {
	o, c := p.order, p.order.car
	if p.begun {
		if p.storeErr != nil {
			b.log.Error().Err(p.storeErr).Str("hint", "free some space on the disk of the store").Msg("the journal can't be written")
		}
		b.change(o, sending, now)
		return
	}
	o.seq, o.Answered = p.seq, now.UTC()
	c.commands.running = nil
	var status string
	if p.late {
		status, o.status.Reason = refused, new(reasonStale)
		o.status.Advice = new("The disk of the store was too slow, so it became older than commands.max_age; send it again if it is still wanted.")
		p.account.undo(p.apiKey, o.Sent)
	} else if p.err != nil {
		status = b.invokeFailed(p, now)
		if status == refused { // no POST was made: it counts for nothing
			p.account.undo(p.apiKey, o.Sent)
		}
	} else {
		status = invoked(o, p.answer, now)
	}
	if status == failed || status == unknown {
		o.explain(now)
	}
	b.assumeClimate(o, status, now)
	if status != failed && status != refused {
		b.readBack(o, now)
	} else if before := o.before; before != nil { // the car did nothing new: go on with the earlier one
		c.commands.proving[before.proof.resource] = before
		b.askProof(before)
	}
	o.before = nil
	b.change(o, status, now)
	b.journal(o)
	b.executeNext(c, now)
}

// explanations are for the words of the entity availability.
var explanations = map[string]string{
	"car_in_use":                   "The car said lately that it is in use.",
	"power_saving_mode":            "The car said lately that it saves power: using it wakes it.",
	"no_internet":                  "The car said lately that it has no connection.",
	"ota_installation_in_progress": "The car said lately that it installs an update.",
	"unavailable":                  "The car said lately that it takes no commands.",
}

const explainFor = 30 * time.Minute // older words explain nothing

// explain adds to a failure what the car last said of its commands. It is tried
// all the same: the car may have woken.
func (o *order) explain(now time.Time) {
	a := o.car.Snapshot[volvo.CommandAccessibility]
	if a == nil || now.Sub(a.Fetched) > explainFor {
		return
	}
	word, _ := o.car.Availability()
	text, ok := word.(string)
	if why := explanations[text]; ok && why != "" {
		o.status.Advice = new(strings.TrimSpace(deref(o.status.Advice) + " " + why))
	}
}

// journal writes what became of a command, beside the loop: only the record
// before a POST must be waited for.
func (b *Bridge) journal(o *order) {
	o.version++
	seq, data, version := o.seq, record(o), o.version
	b.background(func() {
		o.writing.Lock()
		defer o.writing.Unlock()
		if version > o.written { // else a later one was faster
			o.written = version
			_ = b.opts.Store.Update(seq, false, data) // told by store_problem
		}
	})
}

// invoked takes Volvo's answer.
func invoked(o *order, answer volvo.Answer, now time.Time) string {
	o.status.InvokeStatus, o.status.Message = new(string(answer.InvokeStatus)), answer.Message
	o.status.ReadyToUnlock, o.status.ReadyToUnlockUntil = answer.ReadyToUnlock, answer.ReadyToUnlockUntil
	o.status.Advice = adviceFor(answer.InvokeStatus)
	if answer.ReadyToUnlock != nil && *answer.ReadyToUnlock {
		text := "Open the tailgate or pull a handle to finish unlocking."
		if window, ok := answer.UnlockWindow(now); ok && window > 0 {
			text = fmt.Sprintf("Open the tailgate or pull a handle within %.0f s to finish unlocking.", window.Seconds())
		}
		o.status.Advice = &text
	}
	switch answer.InvokeStatus.Outcome() {
	case volvo.Succeeded:
		return succeeded
	case volvo.Accepted:
		return accepted
	case volvo.Failed:
		return failed
	}
	return unknown
}

// invokeAdvice is one sentence for the words that a person can do something about.
var invokeAdvice = map[volvo.InvokeStatus]string{
	"REJECTED":                     "The car or Volvo refused it; try again when the car is parked.",
	"DELIVERY_TIMEOUT":             "It did not reach the car; try again when the car has a connection.",
	"EXPIRED":                      "It became too old on its way; try again.",
	"CONNECTION_FAILURE":           "The car can't be reached; try again when it has a connection.",
	"VEHICLE_IN_SLEEP":             "The car sleeps, as after some days without use; only using it wakes it.",
	"CAR_IN_SLEEP_MODE":            "The car sleeps, as after some days without use; only using it wakes it.",
	"CAR_ERROR":                    "The car reported an error; look at its own display.",
	"NOT_SUPPORTED":                "This car can't do that.",
	"NOT_ALLOWED_PRIVACY_ENABLED":  "The car's privacy setting forbids it; change it in the car.",
	"NOT_ALLOWED_WRONG_USAGE_MODE": "The car is in use; try again when it is parked.",
	"UNLOCK_TIME_FRAME_PASSED":     "The time to open the car by hand has passed; unlock again.",
	"UNABLE_TO_LOCK_DOOR_OPEN":     "A door is open; close it and lock again.",
	"INVOCATION_SPECIFIC_ERROR":    "Volvo's message says what went wrong.",
	"TIMEOUT":                      "The car did not answer in time; it may still have done it, so look before trying again.",
	"CAR_TIMEOUT":                  "The car did not answer in time; it may still have done it, so look before trying again.",
	"UNKNOWN":                      "Volvo does not know what became of it; look before trying again.",
}

func adviceFor(s volvo.InvokeStatus) *string {
	if text, ok := invokeAdvice[s]; ok {
		return &text
	}
	if !s.Known() {
		return new("Volvo answered with a word that nobody knows yet; look before trying again.")
	}
	return nil
}

const adviceUnknown = "Nobody can say whether the car did it; look before trying again."

// invokeFailed takes a POST without a good answer: failed if the car can't have
// acted, else unknown, and refused if no connection was made at all.
func (b *Bridge) invokeFailed(p progress, now time.Time) string {
	o, a := p.order, p.account
	fault, ok := errors.AsType[*volvo.Error](p.err)
	if !ok {
		o.status.Advice = new(adviceUnknown)
		return unknown
	}
	if text := fault.Text(); text != "" {
		o.status.Message = &text
	}
	o.status.Advice = new(fault.Advice())
	switch {
	case fault.MayHaveActed:
		o.status.Advice = new(adviceUnknown)
		return unknown
	case fault.NotSent && (fault.Kind == volvo.ErrLogin || fault.Kind == volvo.ErrClient):
		o.status.Reason = new(reasonLogin)
		a.reject(volvo.Commands)
		return refused
	case fault.NotSent && fault.Kind == volvo.ErrRateLimited:
		o.status.Reason = new(reasonRateLimited)
		return refused
	case fault.NotSent || fault.Kind == volvo.ErrUnreachable:
		o.status.Reason = new(reasonCloudDown)
		return refused
	}
	switch fault.Kind {
	case volvo.ErrCarUnavailable:
		o.status.Reason = new(reasonCar)
	case volvo.ErrLogin:
		o.status.Reason = new(reasonLogin)
		a.reject(volvo.Commands)
	case volvo.ErrQuota:
		o.status.Reason = new(reasonQuota)
		a.quota.Spent(p.apiKey, now, fault.Wait)
		b.saveQuota(a, now)
	case volvo.ErrRateLimited:
		o.status.Reason = new(reasonRateLimited)
		a.pause(fault, now)
	case volvo.ErrUnsupported:
		o.status.Reason = new(reasonUnsupported)
	}
	return failed
}

// assumeClimate keeps the timer of the climate switch: Volvo tells nothing.
func (b *Bridge) assumeClimate(o *order, status string, now time.Time) {
	if status != succeeded && status != accepted {
		return
	}
	switch o.command {
	case volvo.ClimatizationStart:
		b.climateUntil(o.car, now.Add(climateRuns))
	case volvo.ClimatizationStop:
		b.climateUntil(o.car, time.Time{})
	default:
		return
	}
	b.saveCar(o.car)
}

// climateRuns is how long a car heats or cools after a start.
const climateRuns = 30 * time.Minute

// readBack begins to look for what the command should have changed.
func (b *Bridge) readBack(o *order, now time.Time) {
	if o.proof = readbackOf(o.command); o.proof == nil {
		return
	}
	o.proof.from = now
	q := &o.car.commands
	if q.proving == nil {
		q.proving = map[volvo.Resource]*order{}
	}
	q.proving[o.proof.resource] = o
	b.askProof(o)
}

// askProof plans the next read-back.
func (b *Bridge) askProof(o *order) {
	p := o.proof
	p.ready = p.from.Add(readbackAfter[p.next])
	o.car.account.plan.Ask(schedule.Key{Car: o.car.VIN, Resource: p.resource}, p.ready)
}

// confirm looks at the end of a read of the resource that proves a command; a
// read that failed shows nothing.
func (b *Bridge) confirm(c *car, resource volvo.Resource, good bool, started, now time.Time) {
	o := c.commands.proving[resource]
	if o == nil {
		return
	}
	p := o.proof
	if started.Before(p.ready) { // it may show the state of before
		c.account.plan.Ask(schedule.Key{Car: c.VIN, Resource: resource}, p.ready)
		return
	}
	p.seen = p.seen || good
	if good && c.Value(p.entity) == p.want {
		b.confirmed(o, true, now)
		return
	}
	if p.next++; p.next < len(readbackAfter) {
		b.askProof(o)
		return
	}
	b.unconfirmed(o, now)
}

// unconfirmed ends a read-back that did not show the state. If the car could not
// be read at all, nobody knows.
func (b *Bridge) unconfirmed(o *order, now time.Time) {
	if o.proof.seen {
		b.confirmed(o, false, now)
		return
	}
	delete(o.car.commands.proving, o.proof.resource)
	b.touch(o.car, now)
}

func (b *Bridge) confirmed(o *order, yes bool, now time.Time) {
	delete(o.car.commands.proving, o.proof.resource)
	o.status.Confirmed, o.Confirmed = &yes, now.UTC()
	event := "command_confirmed"
	if !yes {
		event = "command_unconfirmed"
	}
	b.publishOrder(o, event, now)
	b.journal(o)
}

// giveUpProofs ends read-backs whose reads can't be made, as in a rate limit.
func (b *Bridge) giveUpProofs(now time.Time) {
	for _, c := range b.cars {
		for _, o := range c.commands.proving {
			if now.Sub(o.proof.from) >= readbackAfter[len(readbackAfter)-1]+tick {
				b.unconfirmed(o, now)
			}
		}
	}
}

// reopenCommands takes up what an earlier process left: the commands that a crash
// left open, of which nobody can say what became, and the read-backs that are not
// done. Nothing is repeated; the car is asked.
func (b *Bridge) reopenCommands(now time.Time) {
	posts := map[*account][]time.Time{}
	for _, entry := range b.opts.Store.Commands() {
		var j journalled
		if json.Unmarshal(entry.Data, &j) != nil {
			continue
		}
		c := b.car(j.VIN)
		if c == nil {
			if entry.Open {
				j.Status.Status = unknown
				_ = b.opts.Store.Update(entry.Seq, false, json.RawMessage(entity.Encode(j))) // told by store_problem
			}
			continue
		}
		if j.Status.Status != refused {
			posts[c.account] = append(posts[c.account], j.Sent)
		}
		if window := windowFor(b.opts.Commands.MaxAge); now.Sub(j.Status.RequestedAt) < window { // nor is a message run twice across a restart
			c.dedupe.keep(j.Entity, cmp.Or(j.Identity, j.Status.ID), window, j.Status.RequestedAt)
		}
		if last, ok := c.Statuses[j.Entity]; !ok || j.Status.UpdatedAt.After(last.UpdatedAt) {
			c.Statuses[j.Entity] = j.Status
			b.retain(b.topic(c.Level, j.Entity, "status"), entity.Encode(j.Status))
		}
		o := &order{car: c, entity: j.Entity, command: j.Command, status: j.Status, identity: j.Identity, times: j.times, seq: entry.Seq}
		if proof := readbackOf(o.command); proof != nil && o.status.Status != failed && o.status.Status != refused { // what came later counts
			delete(c.commands.proving, proof.resource)
		}
		if entry.Open {
			o.status.Command = new(cmp.Or(deref(j.Status.Command), string(j.Command)))
			o.status.Advice = new("The bridge was interrupted while this was under way; look before trying again.")
			b.change(o, unknown, now)
			b.journal(o)
		}
		if entry.Open || o.unproven(now) {
			o.reopened = true
			b.readBack(o, now)
		}
	}
	for a, times := range posts {
		a.posts.Restore(times, now)
	}
}

// unproven: the car may have done it, and the time to see it is not over.
func (o *order) unproven(now time.Time) bool {
	s, last := o.status, readbackAfter[len(readbackAfter)-1]
	return s.Confirmed == nil && s.Status != failed && s.Status != refused && now.Sub(o.Answered) < last+tick
}

// finishCommands waits for the POSTs under way, a little; then they are unknown.
func (b *Bridge) finishCommands(stop context.CancelFunc) {
	b.stopping = true
	grace := time.NewTimer(commandGrace)
	defer grace.Stop()
	for _, c := range b.cars {
		waiting := c.commands.waiting
		c.commands.waiting = nil
		for _, o := range waiting {
			b.refuse(o, stoppedFirst, time.Now())
		}
	}
	for b.commandsUnderWay() {
		select {
		case p := <-b.progress:
			b.advance(p, time.Now())
		case e := <-b.conn.Events():
			b.event(e)
		case <-b.results:
		case <-b.pictures:
		case <-b.asked:
		case <-grace.C:
			stop()
		}
	}
}

func (b *Bridge) commandsUnderWay() bool {
	for _, c := range b.cars {
		if c.commands.running != nil {
			return true
		}
	}
	return false
}
