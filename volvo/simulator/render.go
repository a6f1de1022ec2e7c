package simulator

import (
	"math"
	"strconv"
	"strings"
	"time"
)

// Form is how answers are written.
type Form int

// The forms of an answer.
const (
	Real      Form = iota // as production answers since August 2026
	Reference             // as the published reference prints it
)

// renderer writes a car's uploads as the API does. wall turns the car's time into
// the time that Volvo puts on a reading.
type renderer struct {
	form    Form
	wall    func(time.Time) time.Time
	origin  string // of the pictures
	nulls   bool   // everything null
	strange bool   // unknown words
}

type fields = map[string]any

// answer renders a resource, wrapped as its form wants.
func (r renderer) answer(c *Car, resource string) (any, bool) {
	u, known := c.uploads[resource]
	at := r.wall(u.at)
	var body any
	switch resource {
	case "vehicle":
		body = r.vehicle(c)
	case "commands":
		body = r.commands(c)
	case "energy":
		return r.blank(r.energy(c, u.state, at)), known
	case "energy-capabilities":
		return r.capabilities(c), true
	case "location":
		return r.location(u.state, at), known
	default:
		if !known {
			return nil, false
		}
		body = r.blank(r.items(c, resource, u.state, at))
	}
	switch {
	case r.form == Real:
		return fields{"data": body}, true
	case resource == "tyres" || resource == "statistics" || resource == "commands":
		return fields{"status": 200, "operationId": "00000000-0000-4000-8000-000000000000", "data": body}, true
	}
	return body, true
}

// blank applies the switches that spoil every value.
func (r renderer) blank(f fields) fields {
	for name, v := range f {
		if r.nulls {
			f[name] = nil
		} else if item, ok := v.(fields); ok && r.strange {
			if _, word := item["value"].(string); word {
				item["value"] = "NEVER_SEEN_BEFORE"
			}
		}
	}
	return f
}

func (r renderer) items(c *Car, resource string, s State, at time.Time) fields {
	switch resource {
	case "doors":
		return r.doors(s, at)
	case "windows":
		return r.words(at, "frontLeftWindow", open(s.Windows[0]), "frontRightWindow", open(s.Windows[1]), "rearLeftWindow", open(s.Windows[2]),
			"rearRightWindow", open(s.Windows[3]), "sunroof", map[bool]string{true: "CLOSED", false: "UNSPECIFIED"}[c.Kind == PHEV])
	case "engine-status":
		return r.words(at, "engineStatus", map[bool]string{true: "RUNNING", false: "STOPPED"}[s.Engine])
	case "engine":
		return r.words(at, "oilLevelWarning", "NO_WARNING", "engineCoolantLevelWarning", "NO_WARNING")
	case "brakes":
		return r.words(at, "brakeFluidLevelWarning", "NO_WARNING")
	case "tyres":
		return r.words(at, "frontLeft", "NO_WARNING", "frontRight", map[bool]string{true: "LOW_PRESSURE", false: "NO_WARNING"}[s.Tyre],
			"rearLeft", "NO_WARNING", "rearRight", "NO_WARNING")
	case "warnings":
		return r.lamps(s, at)
	case "odometer":
		return fields{"odometer": r.number(math.Floor(s.Odometer), "km", at)}
	case "fuel":
		return r.fuel(c, s, at)
	case "diagnostics":
		return r.diagnostics(s, at)
	case "statistics":
		return r.statistics(c, s, at)
	}
	return r.accessibility(s, at)
}

// word is an item of an enum; since August 2026 with a null unit.
func (r renderer) word(value string, at time.Time) fields {
	return fields{"value": value, "unit": nil, "timestamp": stampOf(at)}
}

func (r renderer) words(at time.Time, pairs ...string) fields {
	f := fields{}
	for i := 0; i < len(pairs); i += 2 {
		f[pairs[i]] = r.word(pairs[i+1], at)
	}
	return f
}

func (r renderer) number(value float64, unit string, at time.Time) fields {
	if r.form == Reference {
		unit = strings.NewReplacer("km/h", "kilometers_per_hour", "l/100km", "liters_per_100_kilometers", "kWh/100km", "kWh/100km").Replace(unit)
		if unit == "km" {
			unit = "kilometers"
		} else if unit == "l" {
			unit = "liters"
		}
	}
	return fields{"value": value, "unit": unit, "timestamp": stampOf(at)}
}

func stampOf(t time.Time) string { return t.UTC().Format("2006-01-02T15:04:05.000000Z") }

func open(is bool) string {
	if is {
		return "OPEN"
	}
	return "CLOSED"
}

func (r renderer) doors(s State, at time.Time) fields {
	lock := "UNLOCKED"
	if s.Locked {
		lock = "LOCKED"
	}
	return r.words(at, "centralLock", lock, "frontLeftDoor", open(s.Doors[0]), "frontRightDoor", open(s.Doors[1]), "rearLeftDoor", open(s.Doors[2]),
		"rearRightDoor", open(s.Doors[3]), "hood", open(s.Hood), "tailgate", open(s.Tailgate), "tankLid", open(s.TankLid))
}

var lampFields = strings.Fields(`brakeLightCenterWarning brakeLightLeftWarning brakeLightRightWarning fogLightFrontWarning fogLightRearWarning
	positionLightFrontLeftWarning positionLightFrontRightWarning positionLightRearLeftWarning positionLightRearRightWarning
	highBeamLeftWarning highBeamRightWarning lowBeamLeftWarning lowBeamRightWarning daytimeRunningLightLeftWarning
	daytimeRunningLightRightWarning turnIndicationFrontLeftWarning turnIndicationFrontRightWarning turnIndicationRearLeftWarning
	turnIndicationRearRightWarning registrationPlateLightWarning sideMarkLightsWarning hazardLightsWarning reverseLightsWarning`)

func (r renderer) lamps(s State, at time.Time) fields {
	f := fields{}
	for _, name := range lampFields {
		value := "NO_WARNING"
		switch {
		case name == "lowBeamLeftWarning" && s.Lamp:
			value = "FAILURE"
		case name == "hazardLightsWarning" || name == "reverseLightsWarning":
			value = "UNSPECIFIED"
		}
		f[name] = r.word(value, at)
	}
	return f
}

func (r renderer) fuel(c *Car, s State, at time.Time) fields {
	f := fields{"fuelAmount": nil, "batteryChargeLevel": nil}
	if c.tank > 0 {
		f["fuelAmount"] = r.number(round(s.Fuel, 1), "l", at)
	}
	if c.capacity > 0 {
		f["batteryChargeLevel"] = r.number(round(100*s.Battery/c.capacity, 1), "%", at)
	}
	return r.trim(f)
}

// trim removes nulls where the reference prints none.
func (r renderer) trim(f fields) fields {
	if r.form == Reference {
		for name, v := range f {
			if v == nil {
				delete(f, name)
			}
		}
	}
	return f
}

func round(v float64, digits int) float64 {
	p := math.Pow10(digits)
	return math.Round(v*p) / p
}

func (r renderer) diagnostics(s State, at time.Time) fields {
	washer := "NO_WARNING"
	if s.Washer {
		washer = "TOO_LOW"
	}
	const every = 30000
	left := every - math.Mod(s.Odometer, every)
	service := "NO_WARNING"
	if left < 1000 {
		service = "DISTANCE_DRIVEN_ALMOST_TIME_FOR_SERVICE"
	}
	return r.trim(fields{
		"serviceWarning": r.word(service, at), "serviceTrigger": nil, "washerFluidLevelWarning": r.word(washer, at),
		"distanceToService": r.number(math.Floor(left), "km", at), "engineHoursToService": r.number(math.Floor(left/38), "h", at),
		"timeToService": r.number(9, "months", at),
	})
}

func (r renderer) statistics(c *Car, s State, at time.Time) fields {
	f := fields{
		"averageSpeed": r.number(math.Round(s.ManualKm/math.Max(s.ManualHours, 0.01)), "km/h", at), "averageSpeedAutomatic": nil,
		"averageFuelConsumption": nil, "averageFuelConsumptionAutomatic": nil, "averageEnergyConsumption": nil,
		"averageEnergyConsumptionAutomatic": nil, "averageEnergyConsumptionSinceCharge": nil,
		"tripMeterManual": r.number(round(s.ManualKm, 1), "km", at), "tripMeterAutomatic": r.number(round(s.TripKm, 1), "km", at),
		"distanceToEmptyTank": nil, "distanceToEmptyBattery": nil,
	}
	if s.TripHours > 0 {
		f["averageSpeedAutomatic"] = r.number(math.Round(s.TripKm/s.TripHours), "km/h", at)
	}
	if c.tank > 0 {
		f["averageFuelConsumption"] = r.number(round(100*s.ManualFuel/s.ManualKm, 1), "l/100km", at)
		f["distanceToEmptyTank"] = r.number(math.Floor(s.Fuel/c.perKmFuel), "km", at)
	}
	if c.capacity > 0 {
		f["averageEnergyConsumption"] = r.number(round(100*s.ManualEnergy/s.ManualKm, 1), "kWh/100km", at)
		f["distanceToEmptyBattery"] = r.number(math.Floor(math.Max(0, s.Battery-0.03*c.capacity)/c.perKmElectric), "km", at)
		if s.TripKm > 1 && s.TripEnergy > 0 {
			f["averageEnergyConsumptionAutomatic"] = r.number(round(100*s.TripEnergy/s.TripKm, 1), "kWh/100km", at)
		}
	}
	if r.form == Reference {
		f = oldNames(f, c)
	}
	return r.trim(f)
}

// oldNames are those of the reference; it has one distance to empty.
func oldNames(f fields, c *Car) fields {
	f["tripMeter1"], f["tripMeter2"] = f["tripMeterManual"], f["tripMeterAutomatic"]
	f["distanceToEmpty"] = f["distanceToEmptyTank"]
	if c.Kind == BEV {
		f["distanceToEmpty"] = f["distanceToEmptyBattery"]
	}
	for _, name := range []string{"tripMeterManual", "tripMeterAutomatic", "distanceToEmptyTank", "distanceToEmptyBattery"} {
		delete(f, name)
	}
	return f
}

func (r renderer) accessibility(s State, at time.Time) fields {
	status, reason := "AVAILABLE", any(nil)
	switch {
	case s.Asleep:
		status, reason = "UNAVAILABLE", "POWER_SAVING_MODE"
	case s.Driving:
		status, reason = "UNAVAILABLE", "CAR_IN_USE"
	}
	if r.form == Reference {
		f := fields{"availabilityStatus": r.word(status, at)}
		if text, ok := reason.(string); ok {
			f["unavailableReason"] = r.word(text, at)
		}
		return f
	}
	return fields{"availabilityStatus": fields{"value": status, "unavailableReason": reason, "timestamp": stampOf(at)}}
}

func (r renderer) vehicle(c *Car) fields {
	gearbox := "AUTOMATIC"
	return r.trim(fields{
		"vin": c.VIN, "modelYear": c.year, "gearbox": gearbox, "fuelType": c.fuelType, "externalColour": c.colour,
		"batteryCapacityKWH": map[bool]any{true: c.capacity, false: nil}[c.capacity > 0],
		"images":             fields{"exteriorImageUrl": r.origin + "/pictures/" + c.VIN + "/exterior.png", "internalImageUrl": r.origin + "/pictures/" + c.VIN + "/interior.png"},
		"descriptions":       fields{"model": c.name, "upholstery": "null", "steering": "LEFT"},
	})
}

func (r renderer) commands(c *Car) []any {
	list := []any{}
	for _, word := range c.model.commands {
		list = append(list, fields{"command": word, "href": "/v2/vehicles/" + c.VIN + "/commands/" + segment(word)})
	}
	return list
}

func segment(word string) string {
	if word == "HONK_AND_FLASH" {
		return "honk-flash"
	}
	return strings.ReplaceAll(strings.ToLower(word), "_", "-")
}

var energyFields = strings.Fields(`batteryChargeLevel electricRange chargerConnectionStatus chargingStatus chargingType chargerPowerStatus
	estimatedChargingTimeToTargetBatteryChargeLevel chargingCurrentLimit targetBatteryChargeLevel chargingPower`)

func (r renderer) energy(c *Car, s State, at time.Time) fields {
	f := fields{}
	if c.capacity == 0 {
		for _, name := range energyFields {
			f[name] = fields{"status": "ERROR", "code": "NOT_SUPPORTED", "message": "Resource is not supported for this vehicle"}
		}
		return f
	}
	ok := func(value any, unit string) fields {
		item := fields{"status": "OK", "value": value, "updatedAt": at.UTC().Format(time.RFC3339)}
		if unit != "" {
			item["unit"] = unit
		}
		return item
	}
	km := math.Max(0, s.Battery-0.03*c.capacity) / c.perKmElectric
	if c.rangeUnit == "miles" {
		km = math.Round(km / 1.609344)
	}
	f["batteryChargeLevel"] = ok(round(100*s.Battery/c.capacity, 1), "percentage")
	f["electricRange"] = ok(math.Floor(km), c.rangeUnit)
	f["chargingCurrentLimit"] = ok(c.limit, "ampere")
	f["targetBatteryChargeLevel"] = ok(c.target, "percentage")
	f["chargerConnectionStatus"], f["chargingStatus"], f["chargingType"] = ok("DISCONNECTED", ""), ok("IDLE", ""), ok("NONE", "")
	f["chargerPowerStatus"] = ok("NO_POWER_AVAILABLE", "")
	f["estimatedChargingTimeToTargetBatteryChargeLevel"] = ok(0, "minutes")
	f["chargingPower"] = fields{"status": "ERROR", "code": "PROPERTY_NOT_FOUND", "message": "Property not found"}
	if s.Plugged {
		f["chargerConnectionStatus"], f["chargingStatus"], f["chargingType"] = ok("CONNECTED", ""), ok("DONE", ""), ok("AC", "")
		f["chargerPowerStatus"] = ok("POWER_AVAILABLE_BUT_NOT_ACTIVATED", "")
	}
	if s.Charging {
		left := c.capacity*c.target/100 - s.Battery
		f["chargingStatus"], f["chargerPowerStatus"] = ok("CHARGING", ""), ok("PROVIDING_POWER", "")
		f["estimatedChargingTimeToTargetBatteryChargeLevel"] = ok(math.Ceil(60*left/math.Max(s.Power, 0.5)), "minutes")
		f["chargingPower"] = ok(math.Round(1000*s.Power), "watts")
	}
	return f
}

func (r renderer) capabilities(c *Car) fields {
	has := c.capacity > 0
	f := fields{"isSupported": has}
	for _, name := range energyFields {
		if name == "chargingStatus" {
			name = "chargingSystemStatus" // Volvo's own inconsistency
		}
		f[name] = fields{"isSupported": has}
	}
	return fields{"getEnergyState": f}
}

func (r renderer) location(s State, at time.Time) fields {
	return fields{"status": 200, "operationId": "00000000-0000-4000-8000-000000000000", "data": fields{
		"type":       "Feature",
		"properties": fields{"timestamp": at.UTC().Format("2006-01-02T15:04:05.000Z"), "heading": headingText(s.Heading)},
		"geometry":   fields{"type": "Point", "coordinates": []any{round(s.Longitude, 7), round(s.Latitude, 7), 0}},
	}}
}

func headingText(degrees float64) string {
	return strconv.Itoa(int(math.Round(degrees)) % 360)
}
