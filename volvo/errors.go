package volvo

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"
)

// The kinds of failure, one for each thing to do about it.
var (
	ErrLogin          = errors.New("login required")
	ErrRenewed        = errors.New("the access token is replaced; repeat the call")
	ErrGrant          = errors.New("refresh token or code not accepted")
	ErrClient         = errors.New("client not accepted")
	ErrQuota          = errors.New("daily quota spent")
	ErrRateLimited    = errors.New("rate limited")
	ErrScope          = errors.New("scope missing")
	ErrNotYours       = errors.New("not this account's car")
	ErrUnsupported    = errors.New("not supported")
	ErrCarUnavailable = errors.New("car in use or asleep")
	ErrBadRequest     = errors.New("bad request")
	ErrOutage         = errors.New("outage")
	ErrUnreachable    = errors.New("unreachable")
	ErrNotKept        = errors.New("the login can't be kept")
)

var errNoInvokeStatus = errors.New("the answer has no invokeStatus")

// Error is a failed call. Kind is one of the kinds above; [errors.Is] finds it.
type Error struct {
	Kind error
	// Op is the operation: "read doors", "invoke lock".
	Op string
	// Status is the HTTP status, 0 when there was no answer.
	Status int
	// Message and Description are Volvo's own texts.
	Message, Description string
	// Wait is how long Volvo asked to wait (quota, rate limit); 0: not told.
	Wait time.Duration
	// NotSent tells that the call was never made, for want of a token.
	NotSent bool
	// MayHaveActed tells of a command that the car may have executed all the same.
	MayHaveActed bool

	cause error
}

// Error names operation, status, kind and Volvo's text. It holds no address,
// since an address holds the VIN.
func (e *Error) Error() string {
	var b strings.Builder
	b.WriteString(e.Op)
	if e.Status != 0 {
		fmt.Fprintf(&b, ": %d", e.Status)
	}
	fmt.Fprintf(&b, ": %v", e.Kind)
	if t := e.Text(); t != "" {
		fmt.Fprintf(&b, " (%s)", t)
	}
	if e.cause != nil {
		fmt.Fprintf(&b, ": %v", e.cause)
	}
	return b.String()
}

// Text returns Volvo's own words, message and description.
func (e *Error) Text() string {
	switch {
	case e.Message == "":
		return e.Description
	case e.Description == "":
		return e.Message
	}
	return e.Message + ": " + e.Description
}

// Unwrap gives [errors.Is] the kind and the cause.
func (e *Error) Unwrap() []error {
	if e.cause == nil {
		return []error{e.Kind}
	}
	return []error{e.Kind, e.cause}
}

// advice is one sentence a kind: what a person can do.
var advice = map[error]string{
	ErrLogin:          "Log in again: Volvo no longer accepts the access token.",
	ErrRenewed:        "The access token was just replaced; the call can be repeated.",
	ErrGrant:          "Log in again: Volvo no longer accepts the login.",
	ErrClient:         "Volvo does not accept the application: check volvo.client_id and volvo.client_secret; the login is kept.",
	ErrQuota:          "Volvo's daily quota of the API key is spent; reading goes on by itself when it is refilled.",
	ErrRateLimited:    "Volvo asked for a pause; reading goes on by itself.",
	ErrScope:          "The login does not cover this: log in again, so that its scope is asked for; if that does not help, publish the scope with the application first.",
	ErrNotYours:       "The account has no such car; check the VIN and the account.",
	ErrUnsupported:    "This car, or the market it is sold in, does not offer this.",
	ErrCarUnavailable: "The car is in use or asleep; try again when it is parked, or after it was used.",
	ErrBadRequest:     "Volvo did not understand the request; please report it.",
	ErrOutage:         "Volvo's cloud has a problem; nothing to do but wait.",
	ErrNotKept:        "The disk of the store can't be written, so the login is not refreshed: a stop would lose it. Free some space, or mount the disk writable; it goes on by itself.",
	ErrUnreachable:    "Volvo's cloud can't be reached; check the network, DNS and the clock of this machine.",
}

// adviceAPIKey: Volvo refuses wrong keys and, in an outage of 2024, also good
// ones with the same words.
const adviceAPIKey = "Volvo refuses the API key: compare volvo.api_key with \"VCC API key - Primary\" of the application; if it is right, Volvo has a problem and it comes back by itself."

// APIKey reports whether Volvo refuses the API key.
func (e *Error) APIKey() bool {
	return e.Status == http.StatusUnauthorized && e.Kind == ErrOutage && aboutKey(strings.ToLower(e.Text()))
}

// Advice returns one sentence that says what a person can do.
func (e *Error) Advice() string {
	switch {
	case e.APIKey():
		return adviceAPIKey
	case e.Status == http.StatusUnauthorized && e.Kind == ErrOutage:
		return "Volvo refuses a token that it has just handed out; nothing to do but wait."
	}
	return advice[e.Kind]
}

// errorBody holds Volvo's words whatever the shape of the body.
type errorBody struct {
	message, description string
	gateway              bool // the gateway's own shape, not the API's
}

func parseErrorBody(body []byte) errorBody {
	var fields object
	if json.Unmarshal(body, &fields) != nil {
		return errorBody{}
	}
	var parsed errorBody
	var inner object
	if raw, ok := fields["error"]; ok && json.Unmarshal(raw, &inner) == nil {
		parsed.message, parsed.description = text(inner["message"]), text(inner["description"])
	} else if ok { // OAuth's shape
		parsed.message, parsed.description = text(raw), text(fields["error_description"])
	} else {
		parsed.message, parsed.description = text(fields["message"]), text(fields["description"])
		parsed.gateway = fields["statusCode"] != nil
		if code := text(fields["code"]); code != "" && parsed.description == "" {
			parsed.message, parsed.description = code, parsed.message
		}
	}
	parsed.message, parsed.description = clip(parsed.message), clip(parsed.description)
	return parsed
}

// clip bounds a foreign text: it goes into logs and topics.
func clip(s string) string {
	return tidy(strings.Join(strings.Fields(s), " "), 300)
}

func upTo(s string, most int) string {
	if len(s) > most {
		s = strings.ToValidUTF8(s[:most], "") + "..."
	}
	return s
}

// newStatusError turns an answer other than 200 into an error.
func newStatusError(op string, post bool, resp *http.Response, body []byte) *Error {
	parsed := parseErrorBody(body)
	e := &Error{Op: op, Status: resp.StatusCode, Message: parsed.message, Description: parsed.description}
	e.Kind = kindOf(resp.StatusCode, strings.ToLower(parsed.message+" "+parsed.description))
	e.Wait = waitOf(e, resp.Header.Get("Retry-After"))
	e.MayHaveActed = post && mayHaveActed(e)
	return e
}

// mayHaveActed: a 4xx and "in use or asleep" prove that the car did nothing.
func mayHaveActed(e *Error) bool {
	return e.Kind != ErrCarUnavailable && (e.Status < 400 || e.Status > 499)
}

// aboutKey tells a 401 for the API key, in lower case, from one for the token.
func aboutKey(text string) bool {
	return strings.Contains(text, "api-key") || strings.Contains(text, "api key") || strings.Contains(text, "vcc")
}

// kindOf reads status and text, in lower case, as in the table of the API notes.
func kindOf(status int, text string) error {
	has := func(words ...string) bool {
		return slices.ContainsFunc(words, func(w string) bool { return strings.Contains(text, w) })
	}
	switch status {
	case http.StatusUnauthorized:
		if aboutKey(text) {
			return ErrOutage // not the token's fault: a refresh would not help
		}
		return ErrLogin
	case http.StatusForbidden:
		switch {
		case has("quota"):
			return ErrQuota
		case has("not linked", "relation", "not belong") || vinWord.MatchString(text):
			return ErrNotYours
		}
		return ErrScope
	case http.StatusNotFound:
		if (has("linked", "relation") || vinWord.MatchString(text)) && !has("support") {
			return ErrNotYours
		}
		return ErrUnsupported
	case http.StatusUnprocessableEntity, http.StatusGone:
		return ErrUnsupported
	case http.StatusConflict:
		return ErrCarUnavailable
	case http.StatusTooManyRequests:
		return ErrRateLimited
	case http.StatusServiceUnavailable:
		if has("in use", "asleep") {
			return ErrCarUnavailable
		}
		return ErrOutage
	}
	if status >= 400 && status < 500 {
		return ErrBadRequest
	}
	return ErrOutage
}

// vinWord is not the end of "driving".
var vinWord = regexp.MustCompile(`\bvin\b`)

var refillTime = regexp.MustCompile(`(\d{1,3}):(\d{2}):(\d{2})`)

// waitOf reads the time to wait: from the quota's text, or from Retry-After in
// both its forms.
func waitOf(e *Error, retryAfter string) time.Duration {
	if e.Kind == ErrQuota {
		if m := refillTime.FindStringSubmatch(e.Message + " " + e.Description); m != nil {
			h, _ := strconv.Atoi(m[1]) // digits, by the expression
			min, _ := strconv.Atoi(m[2])
			s, _ := strconv.Atoi(m[3])
			return bounded(time.Duration(h)*time.Hour + time.Duration(min)*time.Minute + time.Duration(s)*time.Second)
		}
	}
	if retryAfter == "" {
		return 0
	}
	if seconds, err := strconv.Atoi(strings.TrimSpace(retryAfter)); err == nil && seconds >= 0 {
		return bounded(time.Duration(min(seconds, 1e6)) * time.Second)
	}
	if at, err := http.ParseTime(retryAfter); err == nil {
		return bounded(time.Until(at))
	}
	return 0
}

// bounded keeps a wait between nothing and a day: no answer may stop the bridge
// for longer.
func bounded(d time.Duration) time.Duration { return max(0, min(d, 24*time.Hour)) }
