package volvo

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
)

type object = map[string]json.RawMessage

// errNotObject: the body is JSON, but not what any endpoint answers.
var errNotObject = errors.New("the answer is no JSON object")

// parseObject reads a JSON object. JSON's null and nothing at all are an empty
// object: the resource is there and says nothing.
func parseObject(body []byte) (object, error) {
	if len(bytes.TrimSpace(body)) == 0 {
		return object{}, nil
	}
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
// forms carry `status` and `operationId`. A bare body is returned as it is.
func unwrap(body []byte) ([]byte, error) {
	if raw := bytes.TrimSpace(body); len(raw) > 0 && raw[0] == '[' && json.Valid(raw) {
		return raw, nil // a bare list
	}
	fields, err := parseObject(body)
	if err != nil {
		return nil, err
	}
	if data, ok := fields["data"]; ok {
		return data, nil
	}
	return body, nil
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
	if text, ok := scalar(raw); ok {
		r[name] = Reading{Value: text}
		return
	}
	var item object
	if json.Unmarshal(raw, &item) != nil {
		r[name] = Reading{}
		return
	}
	reading := Reading{Unit: text(item["unit"]), Time: instant(text(item["timestamp"]))}
	if reading.Time.IsZero() {
		reading.Time = instant(text(item["updatedAt"]))
	}
	reading.Value, _ = scalar(item["value"])
	if strings.EqualFold(text(item["status"]), "ERROR") {
		reading.Value, reading.Code = "", text(item["code"])
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
		readings[word] = Reading{Value: segment}
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
func DecodeVehicles(body []byte) (VehicleList, error) {
	inner, err := unwrap(body)
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
			readings[name] = Reading{Value: text(capability["isSupported"])}
			continue
		}
		readings[name] = Reading{Value: text(raw)}
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
	readings := Readings{"heading": {Value: text(properties["heading"]), Time: at}}
	for i, name := range []string{"longitude", "latitude", "altitude"} {
		reading := Reading{Time: at}
		if i < len(coordinates) {
			reading.Value = text(coordinates[i])
		}
		readings[name] = reading
	}
	return readings, nil
}
