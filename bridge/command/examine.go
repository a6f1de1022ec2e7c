package command

import (
	"crypto/subtle"
	"errors"
	"fmt"
	"strings"
	"time"
	"unicode"

	"volvobridge/bridge/entity"
	"volvobridge/volvo"
)

const (
	maxFuture  = 5 * time.Second // clocks differ a little
	pinTries   = 5
	pinLockout = 5 * time.Minute
)

// examine goes through the refusals that need nothing but the message, in the
// order of the contract.
func (m *Machine) examine(c *Command, payload []byte, now time.Time) *Refusal {
	repeats := len(payload) <= MaxPayload && c.car.duplicates.again(c.Entity, payload, c.arrived)
	if no := c.parse(payload, c.understand); no != nil {
		return no
	}
	if no := m.tooOld(c, now); no != nil {
		return no
	}
	if no := m.plain(c); no != nil {
		return no
	}
	if c.identity = identity(c.Request, payload); c.identity != "" {
		repeats = c.car.duplicates.seen(c.Entity, c.identity, windowFor(m.opts.MaxAge), now)
	}
	if repeats {
		return &Refusal{Duplicate, "The same message came within the last seconds, or one with its id or its time within 10 minutes. Another id makes it another command."}
	}
	needs := c.Command
	if c.Entity == "engine_runtime" {
		needs = volvo.EngineStart
	}
	if needs == "" {
		return nil
	}
	if !m.opts.Rules.Allows(needs) {
		return &Refusal{NotAllowed, "Add " + string(needs) + " to commands.allow to allow it."}
	}
	if no := m.checkPIN(c, now); no != nil {
		return no
	}
	if c.car.Snapshot[volvo.Commands] != nil && !c.car.Offered[needs] {
		return &Refusal{Unsupported, "Volvo does not list this command for this car."}
	}
	return nil
}

// parse reads the payload, and has it understood by what knows the entity.
func (c *Command) parse(payload []byte, understand func() error) *Refusal {
	var err error
	c.Request, err = ParseRequest(payload)
	if c.Request.ID != "" {
		c.Status.ID = c.Request.ID
	}
	if err == nil {
		err = understand()
	}
	if err != nil {
		return &Refusal{Invalid, Sentence(err.Error())}
	}
	return nil
}

// Own goes through the refusals of a message to the bridge itself, to its entity
// login_start or login.
func (m *Machine) Own(entityID string, message Message, now time.Time) (*Command, *Refusal) {
	c := begin(nil, entityID, message, now)
	c.name(entityID)
	if message.Retained {
		return c, &Stored
	}
	repeats := len(message.Payload) <= MaxPayload && m.own.again(entityID, message.Payload, message.Arrived)
	no := c.parse(message.Payload, func() error {
		if entityID == "login_start" && c.Request.Value != entity.Press {
			return errors.New("the entity login_start takes " + entity.Press)
		}
		return nil
	})
	if no != nil {
		return c, no
	}
	if no := m.tooOld(c, now); no != nil {
		return c, no
	}
	if id := identity(c.Request, message.Payload); id != "" {
		repeats = m.own.seen(entityID, id, windowFor(m.opts.MaxAge), now)
	}
	if repeats {
		return c, &Refusal{Duplicate, "The same message came within the last seconds, or one with its id within 10 minutes."}
	}
	return c, nil
}

// understand finds out what the message to an entity that takes commands asks for.
func (c *Command) understand() error {
	e := entity.ByID(c.Entity)
	switch e.ID() {
	case "engine_runtime":
		c.name(e.ID())
		n, err := wholeMinutes(c.Request.Value)
		c.Runtime = n
		return err
	case "refresh":
		c.name(e.ID())
		_, err := Resources(c.Request.Value)
		return err
	}
	command, ok := e.Command(c.Request.Value)
	if _, visible := e.Command(visiblePart(c.Request.Value)); !ok && visible {
		return fmt.Errorf("a line end, a space or another invisible character stands beside the word; send %s and nothing else", visiblePart(c.Request.Value))
	}
	if !ok {
		// What was sent is not repeated: it may hold a PIN.
		return fmt.Errorf("the entity %s takes %s, or a JSON object with that as value", e.ID(), strings.Join(e.Words(), " or "))
	}
	if c.Request.Runtime != 0 && command != volvo.EngineStart {
		return errors.New("the key runtimeMinutes is for engine_start only")
	}
	c.Command = command
	c.name(string(command))
	c.Runtime = c.car.EngineRuntime
	if c.Request.Runtime != 0 {
		c.Runtime = c.Request.Runtime
	}
	return nil
}

// visiblePart leaves out what nobody sees at both ends of a text.
func visiblePart(s string) string {
	return strings.TrimFunc(s, func(r rune) bool { return unicode.IsSpace(r) || !unicode.IsPrint(r) })
}

// Resources reads what to refresh: PRESS is everything.
func Resources(value string) ([]volvo.Resource, error) {
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

// tooOld refuses what was sent too long ago, or in the future.
func (m *Machine) tooOld(c *Command, now time.Time) *Refusal {
	if !c.Request.Stamped {
		if c.late {
			return &Refusal{Stale, "This machine or the bridge slept until now, so nobody knows when it was sent; send it again."}
		}
		return nil
	}
	switch age := now.Sub(c.Request.At); {
	case age > m.opts.MaxAge:
		return &Refusal{Stale, fmt.Sprintf("It was sent %s ago, more than commands.max_age; check the clocks if that is wrong.", InWords(age))}
	case age < -maxFuture:
		return &Refusal{Stale, "Its time lies in the future; check the clocks of the sender and of this machine, and that it is in seconds."}
	}
	return nil
}

// plain refuses to open or start a car on a message that does not say when it
// was sent: a queue or a stored message somewhere could be of any age.
func (m *Machine) plain(c *Command) *Refusal {
	critical := c.Command == volvo.Unlock || c.Command == volvo.EngineStart
	// One that is not allowed at all is told so instead.
	if !critical || !m.opts.Rules.Allows(c.Command) || c.Request.Stamped || m.opts.AllowPlain {
		return nil
	}
	return &Refusal{Stale, `This command needs the time it was sent: {"value": ..., "at": unix seconds}; or set commands.allow_plain.`}
}

// pinGuard counts wrong PINs: there is one for all cars.
type pinGuard struct {
	wrong  int
	locked time.Time
}

// checkPIN compares in constant time; five wrong ones lock it for a while. None at
// all is no guess.
func (m *Machine) checkPIN(c *Command, now time.Time) *Refusal {
	pin, guard := m.opts.PIN, &m.pin
	if pin == "" || c.Command != volvo.Unlock && c.Command != volvo.EngineStart {
		return nil
	}
	if now.Before(guard.locked) {
		return &Refusal{WrongPIN, fmt.Sprintf("Too many wrong PINs; try again in %s.", InWords(guard.locked.Sub(now)))}
	}
	if c.Request.PIN == "" {
		return &Refusal{WrongPIN, "The PIN is missing."}
	}
	if subtle.ConstantTimeCompare([]byte(pin), []byte(c.Request.PIN)) == 1 {
		guard.wrong = 0
		return nil
	}
	guard.wrong++
	if guard.wrong >= pinTries {
		guard.wrong, guard.locked = 0, now.Add(pinLockout)
	}
	return &Refusal{WrongPIN, "The PIN is wrong."}
}
