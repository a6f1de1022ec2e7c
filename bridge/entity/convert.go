package entity

import (
	"fmt"
	"math"
	"slices"
	"strings"

	"volvobridge/volvo"
)

// converter makes an entity's value of a reading that has one. Nil is unknown;
// odd then says what nobody knows: a word, a unit, a number that is none.
type converter func(r volvo.Reading) (value any, odd string)

// units map the unit words of one dimension, in lower case, to the factor that
// makes the entity's unit of them. The empty word stands for no unit at all.
type units map[string]float64

const kmPerMile = 1.609344

var (
	kilometres    = units{"": 1, "km": 1, "kilometers": 1, "kilometres": 1, "kilometer": 1, "mi": kmPerMile, "mile": kmPerMile, "miles": kmPerMile}
	litres        = units{"": 1, "l": 1, "liter": 1, "liters": 1, "litre": 1, "litres": 1}
	percent       = units{"": 1, "%": 1, "percent": 1, "percentage": 1}
	kilowattHours = units{"": 1, "kwh": 1, "wh": 0.001}
	speed         = units{"": 1, "km/h": 1, "kmh": 1, "kph": 1, "kilometers_per_hour": 1, "kilometres_per_hour": 1, "mph": kmPerMile, "miles_per_hour": kmPerMile}
	perHundred    = units{"": 1, "l/100km": 1, "l/100 km": 1, "liters_per_100_kilometers": 1, "litres_per_100_kilometres": 1}
	energyPer     = units{"": 1, "kwh/100km": 1, "kwh/100 km": 1, "kilowatt_hours_per_100_kilometers": 1}
	hours         = units{"": 1, "h": 1, "hour": 1, "hours": 1}
	minutes       = units{"": 1, "min": 1, "minute": 1, "minutes": 1, "h": 60, "hours": 60}
	// Nearly all cars count in months, so that is what no unit means.
	days    = units{"": 30, "month": 30, "months": 30, "d": 1, "day": 1, "days": 1, "week": 7, "weeks": 7}
	watts   = units{"": 1, "w": 1, "watt": 1, "watts": 1, "kw": 1000, "kilowatt": 1000, "kilowatts": 1000}
	amperes = units{"": 1, "a": 1, "amp": 1, "amps": 1, "ampere": 1, "amperes": 1}
	degrees = units{"": 1, "°": 1, "deg": 1, "degree": 1, "degrees": 1}
)

// number converts by unit. Four decimals are more than any car means and fewer
// than the noise of its floats.
func number(u units) converter {
	return func(r volvo.Reading) (any, string) {
		n, ok := r.Number()
		if !ok {
			return nil, fmt.Sprintf("number %q", Brief(r.Value))
		}
		factor, ok := u[strings.ToLower(strings.TrimSpace(r.Unit))]
		if !ok {
			return nil, fmt.Sprintf("unit %q", Brief(r.Unit))
		}
		value := math.Round(n*factor*1e4) / 1e4
		if math.IsInf(value, 0) || math.IsNaN(value) {
			return nil, fmt.Sprintf("number %q", Brief(r.Value))
		}
		return value, ""
	}
}

// enum makes a lower-case word of one that is in the options.
func enum(options []string) converter {
	return func(r volvo.Reading) (any, string) {
		word := strings.ToLower(r.Word())
		if !slices.Contains(options, word) {
			return nil, fmt.Sprintf("word %q", Brief(r.Value))
		}
		return word, ""
	}
}

// binary is ON or OFF by the words of each.
func binary(on, off []string) converter {
	return func(r volvo.Reading) (any, string) {
		switch word := r.Word(); {
		case slices.Contains(on, word):
			return "ON", ""
		case slices.Contains(off, word):
			return "OFF", ""
		}
		return nil, fmt.Sprintf("word %q", Brief(r.Value))
	}
}

// lockState passes the two words that the car reports.
func lockState(r volvo.Reading) (any, string) {
	switch word := r.Word(); word {
	case "LOCKED", "UNLOCKED":
		return word, ""
	}
	return nil, fmt.Sprintf("word %q", Brief(r.Value))
}

// plain passes a text.
func plain(r volvo.Reading) (any, string) { return Brief(r.Value), "" }

// Brief bounds a foreign text.
func Brief(s string) string {
	const most = 60
	if len(s) > most {
		return strings.ToValidUTF8(s[:most], "") + "..."
	}
	return s
}
