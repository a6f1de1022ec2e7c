package command

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"math"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"
)

// MaxPayload is the longest message that is read, in bytes.
const MaxPayload = 4 << 10

const maxID = 128

// Request is a message on a /set topic, understood.
type Request struct {
	Value   string
	ID      string
	Stamped bool
	At      time.Time // when the sender says it was sent, if stamped
	PIN     string
	Runtime int // minutes, 0: not given
}

// ParseRequest reads the bare word, or the JSON object of the contract. It takes
// nothing that is not exactly one of them: a misspelt key must not start an
// engine for longer than was meant.
func ParseRequest(payload []byte) (Request, error) {
	switch {
	case len(payload) > MaxPayload:
		return Request{}, fmt.Errorf("the payload is longer than %d bytes", MaxPayload)
	case !utf8.Valid(payload):
		return Request{}, errors.New("the payload is no valid UTF-8 text")
	}
	if payload[0] != '{' {
		return Request{Value: string(payload)}, nil
	}
	fields, err := strictObject(payload)
	if err != nil {
		return Request{}, err
	}
	var r Request
	keys := slices.SortedFunc(maps.Keys(fields), func(x, y string) int {
		if x == "id" { // first: the answer names it, whatever else is wrong
			return -1
		} else if y == "id" {
			return 1
		}
		return strings.Compare(x, y)
	})
	for _, key := range keys {
		raw := fields[key]
		switch key {
		case "value":
			r.Value, err = wordOrNumber(raw)
		case "id":
			if err = json.Unmarshal(raw, &r.ID); err != nil || raw[0] != '"' || len(r.ID) > maxID || broken(r.ID) {
				r.ID, err = "", fmt.Errorf("the key id must be a text of at most %d characters", maxID)
			}
		case "at":
			r.At, err = moment(raw)
			r.Stamped = true
		case "pin":
			if err = json.Unmarshal(raw, &r.PIN); err != nil || raw[0] != '"' {
				err = errors.New(`the key pin must be a text in quotes, such as "pin": "0123"`)
			}
		case "runtimeMinutes":
			r.Runtime, err = wholeMinutes(string(raw))
		default:
			err = errors.New("the payload has an unknown key; known are value, id, at, pin, runtimeMinutes")
		}
		if err != nil {
			return Request{ID: r.ID}, err
		}
	}
	if r.Value == "" {
		return r, errors.New(`the key "value" is missing`)
	}
	return r, nil
}

// broken tells of a text that JSON could not spell, such as half of a surrogate
// pair: two different ones would be read as the same.
func broken(s string) bool { return strings.ContainsRune(s, utf8.RuneError) }

// strictObject reads one JSON object with no key twice and nothing behind it.
func strictObject(payload []byte) (map[string]json.RawMessage, error) {
	d := json.NewDecoder(bytes.NewReader(payload))
	if _, err := d.Token(); err != nil {
		return nil, errors.New("the payload is no JSON object")
	}
	fields := map[string]json.RawMessage{}
	for d.More() {
		token, err := d.Token()
		key, ok := token.(string)
		if err != nil || !ok {
			return nil, errors.New("the payload is no JSON object")
		}
		var raw json.RawMessage
		if err := d.Decode(&raw); err != nil {
			return nil, errors.New("the payload is no JSON object")
		}
		if _, twice := fields[key]; twice {
			return nil, errors.New("a key stands twice")
		}
		fields[key] = raw
	}
	if _, err := d.Token(); err != nil {
		return nil, errors.New("the payload is no JSON object")
	}
	if _, err := d.Token(); !errors.Is(err, io.EOF) {
		return nil, errors.New("something stands behind the JSON object")
	}
	return fields, nil
}

// wordOrNumber: Home Assistant sends a number entity's value as a number.
func wordOrNumber(raw json.RawMessage) (string, error) {
	var s string
	if raw[0] == '"' && json.Unmarshal(raw, &s) == nil {
		return s, nil
	}
	var n json.Number
	if json.Unmarshal(raw, &n) == nil && raw[0] != 'n' && raw[0] != '"' {
		return n.String(), nil
	}
	return "", errors.New("the key value must be a word or a number")
}

const farAway = 1e11 // seconds: whatever is as old or as new as that

// moment reads unix seconds or RFC 3339.
func moment(raw json.RawMessage) (time.Time, error) {
	var text string
	if json.Unmarshal(raw, &text) == nil && raw[0] == '"' {
		// Home Assistant's {{ now() }} has a space in place of the T.
		if len(text) > len(time.DateOnly) && text[len(time.DateOnly)] == ' ' {
			text = text[:len(time.DateOnly)] + "T" + text[len(time.DateOnly)+1:]
		}
		if t, err := time.Parse(time.RFC3339Nano, strings.ToUpper(text)); err == nil {
			return t, nil
		}
	}
	var seconds float64
	if json.Unmarshal(raw, &seconds) == nil && raw[0] != 'n' {
		whole, part := math.Modf(max(-farAway, min(seconds, farAway)))
		return time.Unix(int64(whole), int64(part*1e9)), nil
	}
	return time.Time{}, errors.New("the key at must be unix seconds or an RFC 3339 time")
}

var (
	wholeNumber = regexp.MustCompile(`^(\d{1,2})(\.0+)?$`)
	errMinutes  = errors.New("the engine runs for a whole number of minutes from 1 to 15")
)

// wholeMinutes reads a whole number from 1 to 15.
func wholeMinutes(text string) (int, error) {
	m := wholeNumber.FindStringSubmatch(text)
	if m == nil {
		return 0, errMinutes
	}
	n, err := strconv.Atoi(m[1])
	if err != nil || n < 1 || n > 15 {
		return 0, errMinutes
	}
	return n, nil
}
