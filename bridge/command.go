package bridge

import (
	"crypto/subtle"
	"errors"
	"fmt"
	"strings"
	"sync"
	"time"
	"unicode"

	"volvobridge/bridge/entity"
	"volvobridge/bridge/mqtt"
	"volvobridge/bridge/schedule"
	"volvobridge/volvo"
)

// The statuses of a command.
const (
	refused   = "refused"
	sending   = "sending"
	accepted  = "accepted"
	succeeded = "succeeded"
	failed    = "failed"
	unknown   = "unknown"
)

// The reasons, in the order in which they are looked for.
const (
	reasonRetained    = "retained"
	reasonInvalid     = "invalid"
	reasonStale       = "stale"
	reasonDuplicate   = "duplicate"
	reasonNotAllowed  = "not_allowed"
	reasonPIN         = "pin"
	reasonUnsupported = "unsupported"
	reasonBusy        = "busy"
	reasonReplaced    = "replaced"
	reasonRateLimited = "rate_limited"
	reasonQuota       = "quota"
	reasonLogin       = "login_required"
	reasonCloudDown   = "cloud_down"
	reasonConflict    = "conflict"
	reasonCar         = "car_unavailable"
)

const (
	maxFuture  = 5 * time.Second // clocks differ a little
	pinTries   = 5
	pinLockout = 5 * time.Minute
)

// order is a message on a /set topic on its way to becoming a POST.
type order struct {
	car     *car
	entity  string
	request request
	// identity is what a repetition of the message is recognised by.
	identity string
	command  volvo.Command // of a POST
	runtime  int
	status   entity.Status
	seq      int64     // in the journal
	proof    *readback // set when its state is read back
	arrived  time.Time
	late     bool // it may have lain in a buffer
	// reopened: it is of an earlier process; nothing is under way.
	reopened bool
	before   *order // whose read-back this one displaced
	version  int    // of what the journal is told
	writing  sync.Mutex
	written  int
	times
}

// refusal says why no POST is made.
type refusal struct{ reason, advice string }

// command takes a message on a /set topic. Every message gets an answer.
func (b *Bridge) command(m mqtt.Received) {
	levels := strings.Split(strings.TrimPrefix(m.Topic, b.opts.MQTT.Topic+"/"), "/")
	if len(levels) != 3 {
		return
	}
	if levels[0] == "bridge" {
		b.ownCommand(levels[1], m)
		return
	}
	now := time.Now()
	o := &order{car: b.bySlug[levels[0]], entity: levels[1], arrived: m.At, late: m.Late || now.Round(0).Sub(m.At.Round(0)) > b.opts.Commands.MaxAge}
	o.status = entity.Status{ID: fmt.Sprintf("vb-%d", now.UnixNano()), RequestedAt: now.UTC()}
	b.unstore(m.Topic, now)
	stored := refusal{reasonRetained, "Publish commands without the retain flag; the stored message was removed."}
	switch {
	case o.car == nil && m.Retained, entity.ByID(o.entity) == nil && m.Retained:
		b.answerStranger(levels[0], o, stored, now)
		return
	case o.car == nil:
		b.answerStranger(levels[0], o, refusal{reasonInvalid, "There is no car of that name."}, now)
		return
	case entity.ByID(o.entity) == nil:
		b.answerStranger(levels[0], o, refusal{reasonInvalid, "There is no entity of that name."}, now)
		return
	case m.Retained:
		b.refuse(o, stored, now)
		return
	case !entity.ByID(o.entity).TakesCommands():
		b.refuse(o, refusal{reasonInvalid, "This entity takes no commands."}, now)
		return
	case b.stopping:
		b.refuse(o, stoppedFirst, now)
		return
	}
	if m.Passed > 0 {
		left := &order{car: o.car, entity: o.entity, status: entity.Status{ID: fmt.Sprintf("vb-%d", now.UnixNano()-1), RequestedAt: now.UTC()}}
		if r, _ := parseRequest(m.LastPassed); r.id != "" {
			left.status.ID = r.id
		}
		b.refuse(left, b.passed(m), now)
	}
	if no := b.examine(o, m.Payload, now); no != nil {
		b.refuse(o, *no, now)
		return
	}
	if o.command == "" {
		b.settleLocally(o, now)
		return
	}
	b.enqueue(o, now)
}

// refuseConflict answers a command while another bridge owns the base topic, or may.
// The answer is not retained: the topics are the other's.
func (b *Bridge) refuseConflict(m mqtt.Received) {
	now := time.Now()
	levels := strings.Split(strings.TrimPrefix(m.Topic, b.opts.MQTT.Topic+"/"), "/")
	if len(levels) != 3 || !b.strangers.allows(strangersASec, now) {
		return
	}
	s := entity.Status{ID: fmt.Sprintf("vb-%d", now.UnixNano()), Status: refused, Reason: new(reasonConflict), RequestedAt: now.UTC(), UpdatedAt: now.UTC(),
		Advice: new("Another bridge uses the same mqtt.topic, or it is not clear yet: stop one of the two, or give each its own; then send the command again.")}
	if r, _ := parseRequest(m.Payload); r.id != "" {
		s.ID = r.id
	}
	b.conn.Publish(mqtt.Message{Topic: b.topic(levels[0], levels[1], "status"), Payload: []byte(entity.Encode(s))})
	if yes, unlogged := b.refusals.tell("conflict", now); yes {
		b.log.Warn().Str("entity", levels[1]).Str("reason", reasonConflict).Int("unlogged", unlogged).Msg("command_refused")
	}
}

// stoppedFirst refuses what comes too late.
var stoppedFirst = refusal{reasonBusy, "The bridge was stopped before this could be sent."}

// answerStranger: nobody of that name is here. The answer is not retained, so
// that a typing error leaves nothing behind.
func (b *Bridge) answerStranger(name string, o *order, no refusal, now time.Time) {
	if !b.strangers.allows(strangersASec, now) {
		return
	}
	o.status.Status, o.status.Reason, o.status.Advice, o.status.UpdatedAt = refused, &no.reason, &no.advice, now.UTC()
	if b.connected {
		b.conn.Publish(mqtt.Message{Topic: b.topic(name, o.entity, "status"), Payload: []byte(entity.Encode(o.status))})
	}
}

// examine goes through the refusals that need nothing but the message, in the
// order of the contract.
func (b *Bridge) examine(o *order, payload []byte, now time.Time) *refusal {
	repeats := len(payload) <= maxPayload && o.car.dedupe.again(o.entity, payload, o.arrived)
	var err error
	o.request, err = parseRequest(payload)
	if o.request.id != "" {
		o.status.ID = o.request.id
	}
	if err == nil {
		err = b.understand(o)
	}
	if err != nil {
		return &refusal{reasonInvalid, sentence(err.Error())}
	}
	if no := b.tooOld(o, now); no != nil {
		return no
	}
	if no := b.plain(o); no != nil {
		return no
	}
	if o.identity = identity(o.request, payload); o.identity != "" {
		repeats = o.car.dedupe.seen(o.entity, o.identity, windowFor(b.opts.Commands.MaxAge), now)
	}
	if repeats {
		return &refusal{reasonDuplicate, "The same message came within the last seconds, or one with its id or its time within 10 minutes. Another id makes it another command."}
	}
	needs := o.command
	if o.entity == "engine_runtime" {
		needs = volvo.EngineStart
	}
	if needs == "" {
		return nil
	}
	if !b.rules.Allows(needs) {
		return &refusal{reasonNotAllowed, "Add " + string(needs) + " to commands.allow to allow it."}
	}
	if no := b.checkPIN(o, now); no != nil {
		return no
	}
	if o.car.Snapshot[volvo.Commands] != nil && !o.car.Offered[needs] {
		return &refusal{reasonUnsupported, "Volvo does not list this command for this car."}
	}
	return nil
}

// understand finds out what the message to an entity that takes commands asks for.
func (b *Bridge) understand(o *order) error {
	e := entity.ByID(o.entity)
	switch e.ID() {
	case "engine_runtime":
		o.name(e.ID())
		n, err := wholeMinutes(o.request.value)
		o.runtime = n
		return err
	case "refresh":
		o.name(e.ID())
		_, err := refreshOf(o.request.value)
		return err
	}
	command, ok := e.Command(o.request.value)
	if _, visible := e.Command(visiblePart(o.request.value)); !ok && visible {
		return fmt.Errorf("a line end, a space or another invisible character stands beside the word; send %s and nothing else", visiblePart(o.request.value))
	}
	if !ok {
		// What was sent is not repeated: it may hold a PIN.
		return fmt.Errorf("the entity %s takes %s, or a JSON object with that as value", e.ID(), strings.Join(e.Words(), " or "))
	}
	if o.request.runtime != 0 && command != volvo.EngineStart {
		return errors.New("the key runtimeMinutes is for engine_start only")
	}
	o.command = command
	o.name(string(command))
	o.runtime = o.car.EngineRuntime
	if o.request.runtime != 0 {
		o.runtime = o.request.runtime
	}
	return nil
}

// visiblePart leaves out what nobody sees at both ends of a text.
func visiblePart(s string) string {
	return strings.TrimFunc(s, func(r rune) bool { return unicode.IsSpace(r) || !unicode.IsPrint(r) })
}

func (o *order) name(command string) { o.status.Command = &command }

// tooOld refuses what was sent too long ago, or in the future.
func (b *Bridge) tooOld(o *order, now time.Time) *refusal {
	if !o.request.stamped {
		if o.late {
			return &refusal{reasonStale, "This machine or the bridge slept until now, so nobody knows when it was sent; send it again."}
		}
		return nil
	}
	switch age := now.Sub(o.request.at); {
	case age > b.opts.Commands.MaxAge:
		return &refusal{reasonStale, fmt.Sprintf("It was sent %s ago, more than commands.max_age; check the clocks if that is wrong.", inWords(age))}
	case age < -maxFuture:
		return &refusal{reasonStale, "Its time lies in the future; check the clocks of the sender and of this machine, and that it is in seconds."}
	}
	return nil
}

// plain refuses to open or start a car on a message that does not say when it
// was sent: a queue or a stored message somewhere could be of any age.
func (b *Bridge) plain(o *order) *refusal {
	critical := o.command == volvo.Unlock || o.command == volvo.EngineStart
	// One that is not allowed at all is told so instead.
	if !critical || !b.rules.Allows(o.command) || o.request.stamped || b.opts.Commands.AllowPlain {
		return nil
	}
	return &refusal{reasonStale, `This command needs the time it was sent: {"value": ..., "at": unix seconds}; or set commands.allow_plain.`}
}

// settleLocally ends the commands that make no POST.
func (b *Bridge) settleLocally(o *order, now time.Time) {
	c := o.car
	switch o.entity {
	case "engine_runtime":
		c.EngineRuntime = o.runtime
		b.saveCar(c)
	case "refresh":
		if no := c.account.refusedReads(now); no != nil {
			b.refuse(o, *no, now)
			return
		}
		o.status.Advice = new("The values follow on the state topic; none is read more often than polling.min_interval.")
		resources, _ := refreshOf(o.request.value) // understood before
		for _, r := range resources {              // what there is no token for is not planned
			c.account.plan.Refresh(schedule.Key{Car: c.VIN, Resource: r}, now)
		}
	}
	b.change(o, succeeded, now)
	b.touch(c, now)
}

// refreshOf reads what to refresh: PRESS is everything.
func refreshOf(value string) ([]volvo.Resource, error) {
	if value == entity.Press {
		return volvo.Resources(), nil
	}
	var resources []volvo.Resource
	for name := range strings.SplitSeq(value, ",") {
		r := volvo.Resource(strings.TrimSpace(name))
		if !r.Known() {
			return nil, errors.New("the entity refresh takes PRESS, or names of resources with commas between them: " + strings.ReplaceAll(entity.ResourceNames(), "`", ""))
		}
		resources = append(resources, r)
	}
	return resources, nil
}

// change moves a command on: status topic, event, last command, journal.
func (b *Bridge) change(o *order, status string, now time.Time) {
	o.status.Status = status
	b.publishOrder(o, "command_"+status, now)
}

func (b *Bridge) publishOrder(o *order, event string, now time.Time) {
	c := o.car
	o.status.UpdatedAt = now.UTC()
	c.Statuses[o.entity] = o.status
	b.retain(b.topic(c.Level, o.entity, "status"), entity.Encode(o.status))
	b.tell(b.topic(c.Level, "event"), map[string]any{
		"event_type": event, "entity": o.entity, "id": o.status.ID, "command": o.status.Command, "status": o.status.Status,
		"invokeStatus": o.status.InvokeStatus, "message": o.status.Message, "reason": o.status.Reason, "advice": o.status.Advice,
		"confirmed": o.status.Confirmed,
	})
	// What changes only the bridge is no command to the car, and the read-back of an
	// older command is not the last one.
	if o.command != "" && (c.LastCommand == nil || !o.status.RequestedAt.Before(c.LastCommand.RequestedAt)) {
		status := o.status
		c.LastCommand = &status
	}
	b.logOrder(o, event, now)
	b.touch(c, now)
}

// logOrder writes a line of a command's life; of refusals one a minute.
func (b *Bridge) logOrder(o *order, event string, now time.Time) {
	line := b.log.Info()
	if o.status.Status == refused {
		yes, unlogged := b.refusals.tell(o.car.label+" "+deref(o.status.Reason), now)
		if !yes {
			return
		}
		if unlogged > 0 {
			line = line.Int("unlogged", unlogged)
		}
	}
	line = line.Str("car", o.car.label).Str("entity", o.entity)
	for key, value := range map[string]*string{"reason": o.status.Reason, "invokeStatus": o.status.InvokeStatus} {
		if value != nil {
			line = line.Str(key, *value)
		}
	}
	line.Msg(event)
}

func (b *Bridge) refuse(o *order, no refusal, now time.Time) {
	o.status.Reason, o.status.Advice = &no.reason, &no.advice
	b.change(o, refused, now)
}

func deref(s *string) string {
	if s == nil {
		return ""
	}
	return *s
}

// inWords is a duration for people.
func inWords(d time.Duration) string {
	if days := d / (24 * time.Hour); days >= 2 {
		return fmt.Sprintf("%d days", days)
	}
	return d.Round(time.Second).String()
}

// sentence makes one of an error's text.
func sentence(s string) string { return strings.ToUpper(s[:1]) + s[1:] + "." }

// pinGuard counts wrong PINs: there is one for all cars.
type pinGuard struct {
	wrong  int
	locked time.Time
}

// checkPIN compares in constant time; five wrong ones lock it for a while. None at
// all is no guess.
func (b *Bridge) checkPIN(o *order, now time.Time) *refusal {
	pin, q := b.opts.Commands.PIN, &b.pin
	if pin == "" || o.command != volvo.Unlock && o.command != volvo.EngineStart {
		return nil
	}
	if now.Before(q.locked) {
		return &refusal{reasonPIN, fmt.Sprintf("Too many wrong PINs; try again in %s.", inWords(q.locked.Sub(now)))}
	}
	if o.request.pin == "" {
		return &refusal{reasonPIN, "The PIN is missing."}
	}
	if subtle.ConstantTimeCompare([]byte(pin), []byte(o.request.pin)) == 1 {
		q.wrong = 0
		return nil
	}
	q.wrong++
	if q.wrong >= pinTries {
		q.wrong, q.locked = 0, now.Add(pinLockout)
	}
	return &refusal{reasonPIN, "The PIN is wrong."}
}
