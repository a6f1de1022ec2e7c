package command

import (
	"fmt"
	"strings"
	"time"

	"volvobridge/volvo"
)

// The statuses of a command.
const (
	Refused   = "refused"
	Sending   = "sending"
	Accepted  = "accepted"
	Succeeded = "succeeded"
	Failed    = "failed"
	Unknown   = "unknown"
)

// The reasons, in the order in which they are looked for.
const (
	Retained       = "retained"
	Invalid        = "invalid"
	Stale          = "stale"
	Duplicate      = "duplicate"
	NotAllowed     = "not_allowed"
	WrongPIN       = "pin"
	Unsupported    = "unsupported"
	Busy           = "busy"
	Replaced       = "replaced"
	RateLimited    = "rate_limited"
	QuotaSpent     = "quota"
	LoginRequired  = "login_required"
	CloudDown      = "cloud_down"
	Conflict       = "conflict"
	CarUnavailable = "car_unavailable"
)

// Refusal says why no POST is made, and what to do about it.
type Refusal struct{ Reason, Advice string }

var (
	// Stored is for a message that the broker kept.
	Stored       = Refusal{Retained, "Publish commands without the retain flag; the stored message was removed."}
	stopped      = Refusal{Busy, "The bridge was stopped before this could be sent."}
	takenOver    = Refusal{Conflict, "Another bridge has taken over the same mqtt.topic: stop one of the two, or give each its own."}
	slowDisk     = Refusal{Stale, "The disk of the store was too slow, so it became older than commands.max_age; send it again if it is still wanted."}
	newerCommand = Refusal{Replaced, "A newer command took its place while another was under way."}
	lockInstead  = Refusal{Replaced, "LOCK took its place while another command was under way."}
)

const (
	adviceUnknown     = "Nobody can say whether the car did it; look before trying again."
	adviceInterrupted = "The bridge was interrupted while this was under way; look before trying again."
)

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

// explanations are for the words of the entity availability.
var explanations = map[string]string{
	"car_in_use":                   "The car said lately that it is in use.",
	"power_saving_mode":            "The car said lately that it saves power: using it wakes it.",
	"no_internet":                  "The car said lately that it has no connection.",
	"ota_installation_in_progress": "The car said lately that it installs an update.",
	"unavailable":                  "The car said lately that it takes no commands.",
}

// InWords is a duration for people.
func InWords(d time.Duration) string {
	if days := d / (24 * time.Hour); days >= 2 {
		return fmt.Sprintf("%d days", days)
	}
	return d.Round(time.Second).String()
}

// Sentence makes one of an error's text.
func Sentence(s string) string { return strings.ToUpper(s[:1]) + s[1:] + "." }

// Text is a text of a status, empty if there is none.
func Text(s *string) string {
	if s == nil {
		return ""
	}
	return *s
}
