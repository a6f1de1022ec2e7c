package volvo

import (
	"strings"
	"time"
)

// Command is one of the ten invocations, named by its path with underscores.
type Command string

// The ten commands.
const (
	Lock               Command = "lock"
	LockReducedGuard   Command = "lock_reduced_guard"
	Unlock             Command = "unlock"
	Honk               Command = "honk"
	Flash              Command = "flash"
	HonkFlash          Command = "honk_flash"
	EngineStart        Command = "engine_start"
	EngineStop         Command = "engine_stop"
	ClimatizationStart Command = "climatization_start"
	ClimatizationStop  Command = "climatization_stop"
)

// SendNaviPOI stands in Volvo's list of command words but has no endpoint: it
// is known, so that it is not counted as unknown, and never offered.
const SendNaviPOI = "SEND_NAVI_POI"

// invocation is what is known of a command.
type invocation struct {
	command Command
	word    string // in the list of commands
	scope   string
}

var invocations = []invocation{
	{Lock, "LOCK", "conve:lock"},
	{LockReducedGuard, "LOCK_REDUCED_GUARD", "conve:lock"},
	{Unlock, "UNLOCK", "conve:unlock"},
	{Honk, "HONK", "conve:honk_flash"},
	{Flash, "FLASH", "conve:honk_flash"},
	{HonkFlash, "HONK_AND_FLASH", "conve:honk_flash"},
	{EngineStart, "ENGINE_START", "conve:engine_start_stop"},
	{EngineStop, "ENGINE_STOP", "conve:engine_start_stop"},
	{ClimatizationStart, "CLIMATIZATION_START", "conve:climatization_start_stop"},
	{ClimatizationStop, "CLIMATIZATION_STOP", "conve:climatization_start_stop"},
}

// AllCommands lists the ten commands.
func AllCommands() []Command {
	all := make([]Command, len(invocations))
	for i, inv := range invocations {
		all[i] = inv.command
	}
	return all
}

// Known reports whether c is one of the ten.
func (c Command) Known() bool { return c.invocation().command == c && c != "" }

// Segment returns the last element of the command's path.
func (c Command) Segment() string { return strings.ReplaceAll(string(c), "_", "-") }

// Word returns the command's word in the car's list of commands.
func (c Command) Word() string { return c.invocation().word }

// Scope returns the OAuth scope that the command needs.
func (c Command) Scope() string { return c.invocation().scope }

func (c Command) invocation() invocation {
	for _, inv := range invocations {
		if inv.command == c {
			return inv
		}
	}
	return invocation{}
}

func wordOfSegment(segment string) string {
	for _, inv := range invocations {
		if inv.command.Segment() == segment {
			return inv.word
		}
	}
	return ""
}

// Offered returns the commands that a car's list of commands offers.
func Offered(list Readings) []Command {
	var offered []Command
	for _, inv := range invocations {
		if _, ok := list[inv.word]; ok {
			offered = append(offered, inv.command)
		}
	}
	return offered
}

// KnownCommandWord reports whether word is one of Volvo's own list.
func KnownCommandWord(word string) bool {
	if word == SendNaviPOI {
		return true
	}
	for _, inv := range invocations {
		if inv.word == word {
			return true
		}
	}
	return false
}

// InvokeStatus is Volvo's word for what became of a command, upper case.
type InvokeStatus string

// Outcome is what an [InvokeStatus] means.
type Outcome int

// The outcomes. Unknown is the zero value: a word that proves nothing.
const (
	Unknown   Outcome = iota // nobody can say, the car may have acted
	Accepted                 // on its way, not confirmed
	Succeeded                // the car did it
	Failed                   // the car did not do it
)

// outcomes are Volvo's 22 words, class by class.
var outcomes = map[InvokeStatus]Outcome{
	"COMPLETED": Succeeded, "SUCCESS": Succeeded,
	"WAITING": Accepted, "RUNNING": Accepted, "SENT": Accepted, "DELIVERED": Accepted,
	"TIMEOUT": Unknown, "CAR_TIMEOUT": Unknown, "UNKNOWN": Unknown,
	"REJECTED": Failed, "DELIVERY_TIMEOUT": Failed, "EXPIRED": Failed, "CONNECTION_FAILURE": Failed,
	"VEHICLE_IN_SLEEP": Failed, "CAR_IN_SLEEP_MODE": Failed, "CAR_ERROR": Failed, "NOT_SUPPORTED": Failed,
	"NOT_ALLOWED_PRIVACY_ENABLED": Failed, "NOT_ALLOWED_WRONG_USAGE_MODE": Failed,
	"UNLOCK_TIME_FRAME_PASSED": Failed, "UNABLE_TO_LOCK_DOOR_OPEN": Failed, "INVOCATION_SPECIFIC_ERROR": Failed,
}

// Outcome returns what the word means; a word that nobody listed is Unknown.
func (s InvokeStatus) Outcome() Outcome { return outcomes[s] }

// Known reports whether the word is one of the 22.
func (s InvokeStatus) Known() bool {
	_, ok := outcomes[s]
	return ok
}

// InvokeStatuses lists the 22 words.
func InvokeStatuses() []InvokeStatus {
	all := make([]InvokeStatus, 0, len(outcomes))
	for s := range outcomes {
		all = append(all, s)
	}
	return all
}

// Answer is the cloud's answer to a command.
type Answer struct {
	InvokeStatus InvokeStatus
	Message      *string // nil: not in the answer
	// ReadyToUnlock and ReadyToUnlockUntil come with unlock on cars that must be
	// unlocked by hand within a time. Nil: not in the answer.
	ReadyToUnlock      *bool
	ReadyToUnlockUntil *int64 // as sent: seconds, or epoch milliseconds on some cars
}

// UnlockWindow returns how long the car waits for a hand after an unlock.
// Volvo documents seconds; values too large for that are epoch milliseconds.
func (a Answer) UnlockWindow(now time.Time) (time.Duration, bool) {
	if a.ReadyToUnlockUntil == nil || *a.ReadyToUnlockUntil <= 0 {
		return 0, false
	}
	n := *a.ReadyToUnlockUntil
	switch {
	case n < 1e9:
		return time.Duration(n) * time.Second, true
	case n < 1e11:
		return time.Unix(n, 0).Sub(now), true
	case n < 1e15:
		return time.UnixMilli(n).Sub(now), true
	}
	return 0, false
}

const maxMessage = 4 << 10 // bytes of Volvo's text to pass on

// DecodeAnswer reads the body of a command's answer, wrapped or bare.
func DecodeAnswer(body []byte) (Answer, error) {
	inner, err := unwrap(body)
	if err != nil {
		return Answer{}, err
	}
	fields, err := parseObject(inner)
	if err != nil {
		return Answer{}, err
	}
	status := strings.ToUpper(strings.TrimSpace(text(fields["invokeStatus"])))
	if status == "" {
		return Answer{}, errNoInvokeStatus
	}
	answer := Answer{InvokeStatus: InvokeStatus(clip(status))}
	if message := fields["message"]; len(message) > 0 && message[0] == '"' {
		answer.Message = new(upTo(visible(exactText(message)), maxMessage))
	}
	switch strings.ToLower(text(fields["readyToUnlock"])) {
	case "true":
		answer.ReadyToUnlock = new(true)
	case "false":
		answer.ReadyToUnlock = new(false)
	}
	if until, ok := number(text(fields["readyToUnlockUntil"])); ok && until > -1e15 && until < 1e15 {
		answer.ReadyToUnlockUntil = new(int64(until))
	}
	return answer, nil
}
