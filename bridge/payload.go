package bridge

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
)

const (
	maxPayload = 4 << 10
	maxID      = 128
)

// request is a message on a /set topic, understood.
type request struct {
	value   string
	id      string
	stamped bool
	at      time.Time // when the sender says it was sent, if stamped
	pin     string
	runtime int // minutes, 0: not given
}

// parseRequest reads the bare word, or the JSON object of the contract. It takes
// nothing that is not exactly one of them: a misspelt key must not start an
// engine for longer than was meant.
func parseRequest(payload []byte) (request, error) {
	if len(payload) > maxPayload {
		return request{}, fmt.Errorf("the payload is longer than %d bytes", maxPayload)
	}
	if payload[0] != '{' {
		return request{value: string(payload)}, nil
	}
	fields, err := strictObject(payload)
	if err != nil {
		return request{}, err
	}
	var r request
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
			r.value, err = wordOrNumber(raw)
		case "id":
			if err = json.Unmarshal(raw, &r.id); err != nil || raw[0] != '"' || len(r.id) > maxID {
				err = fmt.Errorf("the key id must be a text of at most %d characters", maxID)
			}
		case "at":
			r.at, err = moment(raw)
			r.stamped = true
		case "pin":
			if err = json.Unmarshal(raw, &r.pin); err != nil || raw[0] != '"' {
				err = errors.New(`the key pin must be a text in quotes, such as "pin": "0123"`)
			}
		case "runtimeMinutes":
			r.runtime, err = wholeMinutes(string(raw))
		default:
			err = errors.New("the payload has an unknown key; known are value, id, at, pin, runtimeMinutes")
		}
		if err != nil {
			return request{id: r.id}, err
		}
	}
	if r.value == "" {
		return r, errors.New(`the key "value" is missing`)
	}
	return r, nil
}

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

// dedupe remembers what was asked for on the topics of a car.
type dedupe struct {
	ids   map[string]time.Time // topic and id
	order []string             // of ids, oldest first
	sent  map[string]time.Time // those that became a POST: a flood of others pushes none of them out
	last  map[string]plainSeen // topic
}

const mostIDs = 10000 // a flood must not fill the memory

func idKey(entity, id string) string { return entity + "\x00" + id }

// remember notes an id that was seen at a time.
func (d *dedupe) remember(key string, at time.Time) {
	if d.ids == nil {
		d.ids = map[string]time.Time{}
	}
	if _, known := d.ids[key]; !known {
		d.order = append(d.order, key)
	}
	d.ids[key] = at
	for len(d.order) > mostIDs {
		delete(d.ids, d.order[0])
		d.order = d.order[1:]
	}
}

// keep notes that the message with an id became a POST.
func (d *dedupe) keep(entity, id string, at time.Time) {
	if d.sent == nil {
		d.sent = map[string]time.Time{}
	}
	maps.DeleteFunc(d.sent, func(_ string, old time.Time) bool { return at.Sub(old) >= idWindow })
	d.sent[idKey(entity, id)] = at
}

type plainSeen struct {
	payload string
	at      time.Time
}

const (
	idWindow    = 10 * time.Minute
	plainWindow = 5 * time.Second
)

// again notes a message and reports whether it is the same as the one before it on
// the topic: so repeats one without an id.
func (d *dedupe) again(entity, payload string, now time.Time) bool {
	if d.last == nil {
		d.last = map[string]plainSeen{}
	}
	previous := d.last[entity]
	d.last[entity] = plainSeen{payload, now}
	return previous.payload == payload && now.Sub(previous.at) < plainWindow
}

// seen reports whether an id came before on the topic, and remembers it.
func (d *dedupe) seen(entity, id string, now time.Time) bool {
	for len(d.order) > 0 && now.Sub(d.ids[d.order[0]]) >= idWindow {
		delete(d.ids, d.order[0])
		d.order = d.order[1:]
	}
	key := idKey(entity, id)
	for _, at := range []time.Time{d.ids[key], d.sent[key]} {
		if !at.IsZero() && now.Sub(at) < idWindow {
			return true
		}
	}
	d.remember(key, now)
	return false
}
