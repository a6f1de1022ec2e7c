package volvo

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"unicode"
)

type object = map[string]json.RawMessage

// Volvo's texts go into topics, discovery messages and files: they are bounded, in
// bytes. The longest value that is needed is the address of a picture.
const (
	maxName  = 100
	maxValue = 2 << 10
)

// tidy makes one bounded line of a foreign text.
func tidy(s string, most int) string {
	return upTo(strings.Map(func(r rune) rune {
		if r == '\n' || r == '\r' || r == '\t' || unicode.In(r, unicode.Zl, unicode.Zp) {
			return ' '
		}
		return r
	}, visible(s)), most)
}

// visible leaves out what nobody sees: control characters, but for line ends and
// tabs, and marks that change the direction of the text around them.
func visible(s string) string {
	return strings.Map(func(r rune) rune {
		if unicode.In(r, unicode.Cc, unicode.Cf) && r != '\n' && r != '\r' && r != '\t' {
			return -1
		}
		return r
	}, s)
}

// errNotObject: the body is JSON, but not what any endpoint answers.
var errNotObject = errors.New("the answer is no JSON object")

var (
	// errNoAnswer: a 200 that says nothing at all is no answer about a car.
	errNoAnswer = errors.New("the answer is empty")
	// errErrorObject: a 200 that holds an error and no data.
	errErrorObject = errors.New("the answer holds an error in place of data")
)

// parseObject reads a JSON object; null is an empty one.
func parseObject(body []byte) (object, error) {
	var fields object
	if err := json.Unmarshal(body, &fields); err != nil {
		if json.Valid(body) {
			return nil, errNotObject
		}
		return nil, fmt.Errorf("the answer is no JSON: %w", err)
	}
	return fields, nil
}

// unwrap removes the envelope: the real API's `data`, beside which the older
// forms carry `status` and `operationId`. A bare body is returned as it is. An
// answer without any data is an error: it must not be taken for a car that has
// nothing to tell.
func unwrap(body []byte) ([]byte, error) {
	raw := bytes.TrimSpace(body)
	if len(raw) > 0 && raw[0] == '[' && json.Valid(raw) {
		return raw, nil // a bare list
	}
	if nothing(raw) {
		return nil, errNoAnswer
	}
	fields, err := parseObject(raw)
	if err != nil {
		return nil, err
	}
	data, ok := fields["data"]
	if !ok {
		data = raw
	}
	var inner object
	switch {
	case nothing(data):
		return nil, errNoAnswer
	case json.Unmarshal(data, &inner) == nil && onlyError(inner),
		!nothing(fields["error"]) && ok && len(inner) == 0 && len(list(data)) == 0:
		return nil, errErrorObject
	}
	return data, nil
}

// nothing tells of an absent value and of null.
func nothing(raw []byte) bool {
	raw = bytes.TrimSpace(raw)
	return len(raw) == 0 || string(raw) == "null"
}

// ofErrors are the members of error objects, of the envelope, and of both; the
// value tells whether one alone makes an error.
var ofErrors = map[string]bool{
	"error": true, "errors": true, "message": true, "description": true, "detail": true, "title": true, "statusCode": true, "code": true,
	"status": false, "operationId": false, "timestamp": false, "path": false, "type": false, "details": false, "traceId": false, "instance": false,
}

// onlyError tells of an object that holds an error, or just an envelope, and
// nothing else. An empty object is none.
func onlyError(fields object) bool {
	for name := range fields {
		if _, known := ofErrors[name]; !known {
			return false
		}
	}
	for name, raw := range fields {
		if ofErrors[name] && !nothing(raw) {
			return true
		}
	}
	return fields["status"] != nil || fields["operationId"] != nil
}

// decodeItems reads an answer whose members are items: an object with `value`,
// `unit` and `timestamp` (CV) or `updatedAt` (Energy), a plain value, or null.
func decodeItems(body []byte) (Readings, error) {
	inner, err := unwrap(body)
	if err != nil {
		return nil, err
	}
	fields, err := parseObject(inner)
	if err != nil {
		return nil, err
	}
	readings := Readings{}
	for name, raw := range fields {
		if name == "operationId" || name == "status" {
			continue // the old envelope around a bare body
		}
		readings.add(name, raw)
	}
	return readings, nil
}

// add decodes one item. What can't be read becomes a reading without a value.
func (r Readings) add(name string, raw json.RawMessage) {
	name = tidy(name, maxName)
	if text, ok := scalar(raw); ok {
		r[name] = Reading{Value: tidy(text, maxValue)}
		return
	}
	var item object
	if json.Unmarshal(raw, &item) != nil {
		r[name] = Reading{}
		return
	}
	reading := Reading{Unit: tidy(text(item["unit"]), maxName), Time: instant(text(item["timestamp"]))}
	if reading.Time.IsZero() {
		reading.Time = instant(text(item["updatedAt"]))
	}
	value, _ := scalar(item["value"])
	reading.Value = tidy(value, maxValue)
	if strings.EqualFold(text(item["status"]), "ERROR") {
		reading.Value, reading.Code = "", tidy(text(item["code"]), maxName)
	}
	r[name] = reading
	// The real API puts the reason inside the item, the reference beside it.
	if reason, ok := item["unavailableReason"]; ok {
		r.add("unavailableReason", reason)
		if got := r["unavailableReason"]; got.Time.IsZero() && got.Value != "" {
			got.Time = reading.Time
			r["unavailableReason"] = got
		}
	}
}

// scalar returns the text of a JSON string, number, boolean or null.
func scalar(raw json.RawMessage) (string, bool) {
	raw = bytes.TrimSpace(raw)
	if len(raw) == 0 {
		return "", false
	}
	switch raw[0] {
	case '{', '[':
		return "", false
	case '"':
		var s string
		if json.Unmarshal(raw, &s) != nil {
			return "", false
		}
		return s, true
	case 'n':
		return "", true
	}
	return string(raw), true
}

// text is scalar for members that may be missing.
func text(raw json.RawMessage) string {
	s, _ := scalar(raw)
	return s
}

// decodeDetails reads the vehicle's description: plain values, some of them one
// level down.
func decodeDetails(body []byte) (Readings, error) {
	inner, err := unwrap(body)
	if err != nil {
		return nil, err
	}
	fields, err := parseObject(inner)
	if err != nil {
		return nil, err
	}
	readings := Readings{}
	for name, raw := range fields {
		var nested object
		if _, plain := scalar(raw); !plain && json.Unmarshal(raw, &nested) == nil {
			for inner, raw := range nested {
				readings.add(name+"."+inner, raw)
			}
			continue
		}
		readings.add(name, raw)
	}
	return readings, nil
}

// decodeCommands reads the list of commands. A reading's name is the command
// word, its value the path segment of its href, or the word when there is none.
func decodeCommands(body []byte) (Readings, error) {
	inner, err := unwrap(body)
	if err != nil {
		return nil, err
	}
	readings := Readings{}
	for _, raw := range list(inner) {
		var entry object
		if _, ok := scalar(raw); ok {
			entry = object{"command": raw}
		} else if json.Unmarshal(raw, &entry) != nil {
			continue
		}
		word := strings.ToUpper(strings.TrimSpace(text(entry["command"])))
		href := text(entry["href"])
		segment := href[strings.LastIndexByte(href, '/')+1:]
		if word == "" {
			if word = wordOfSegment(segment); word == "" {
				continue
			}
		}
		if segment == "" {
			segment = word
		}
		readings[tidy(word, maxName)] = Reading{Value: tidy(segment, maxName)}
	}
	return readings, nil
}

// list returns the elements of a JSON list; a single object is a list of one.
func list(raw []byte) []json.RawMessage {
	var elements []json.RawMessage
	if json.Unmarshal(raw, &elements) == nil {
		return elements
	}
	var one object
	if json.Unmarshal(raw, &one) == nil && len(one) > 0 {
		return []json.RawMessage{raw}
	}
	return nil
}

// VehicleList is an account's cars.
type VehicleList struct {
	VINs []string
	// Whole tells that the answer was a list: a car that is not on it is none of
	// the account's. The published reference prints a single car.
	Whole bool
}

// DecodeVehicles reads the list of cars: one object or a list, wrapped or bare.
// Null in place of the list says nothing of any car.
func DecodeVehicles(body []byte) (VehicleList, error) {
	inner, err := unwrap(body)
	if errors.Is(err, errNoAnswer) && len(bytes.TrimSpace(body)) > 0 {
		return VehicleList{}, nil
	}
	if err != nil {
		return VehicleList{}, err
	}
	cars := VehicleList{Whole: bytes.HasPrefix(bytes.TrimSpace(inner), []byte("["))}
	for _, raw := range list(inner) {
		vin, ok := scalar(raw)
		if !ok {
			var entry object
			if json.Unmarshal(raw, &entry) != nil {
				continue
			}
			vin = text(entry["vin"])
		}
		if vin = strings.TrimSpace(vin); ValidVIN(vin) {
			cars.VINs = append(cars.VINs, vin)
		}
	}
	return cars, nil
}

// ValidVIN reports whether vin can be one: letters and digits, up to 17. Shorter
// ones occur in the reference, so the length is not held against them.
func ValidVIN(vin string) bool {
	if len(vin) < 5 || len(vin) > 17 {
		return false
	}
	for _, c := range vin {
		if (c < '0' || c > '9') && (c < 'A' || c > 'Z') && (c < 'a' || c > 'z') {
			return false
		}
	}
	return true
}

// decodeCapabilities reads what the Energy API claims to support.
func decodeCapabilities(body []byte) (Readings, error) {
	inner, err := unwrap(body)
	if err != nil {
		return nil, err
	}
	fields, err := parseObject(inner)
	if err != nil {
		return nil, err
	}
	if state, ok := fields["getEnergyState"]; ok {
		if fields, err = parseObject(state); err != nil {
			return nil, err
		}
	}
	readings := Readings{}
	for name, raw := range fields {
		var capability object
		if json.Unmarshal(raw, &capability) == nil && capability != nil {
			readings[tidy(name, maxName)] = Reading{Value: tidy(text(capability["isSupported"]), maxName)}
			continue
		}
		readings[tidy(name, maxName)] = Reading{Value: tidy(text(raw), maxName)}
	}
	return readings, nil
}

// decodeLocation reads a GeoJSON feature: coordinates are longitude, latitude,
// altitude, the heading is text.
func decodeLocation(body []byte) (Readings, error) {
	inner, err := unwrap(body)
	if err != nil {
		return nil, err
	}
	feature, err := parseObject(inner)
	if err != nil {
		return nil, err
	}
	var properties, geometry object
	var coordinates []json.RawMessage
	// What can't be read stays nil and gives readings without a value.
	_ = json.Unmarshal(feature["properties"], &properties)
	_ = json.Unmarshal(feature["geometry"], &geometry)
	_ = json.Unmarshal(geometry["coordinates"], &coordinates)
	at := instant(text(properties["timestamp"]))
	readings := Readings{"heading": {Value: tidy(text(properties["heading"]), maxName), Time: at}}
	for i, name := range []string{"longitude", "latitude", "altitude"} {
		reading := Reading{Time: at}
		if i < len(coordinates) {
			reading.Value = tidy(text(coordinates[i]), maxName)
		}
		readings[name] = reading
	}
	return readings, nil
}
