package entity

import (
	"slices"
	"time"

	"volvobridge/volvo"
)

// Entity is one row of the table. Everything else follows from it: what is
// polled, the scopes, the document, the discovery message, what a command topic
// accepts, the tables of the README.
type Entity struct {
	id       string
	platform string
	name     string
	suffix   string // of the entity id, where it is not the id

	class, unit, stateClass, category, icon string
	precision                               *int

	// from lists where the value comes from; the first that answers wins.
	from    []source
	convert converter
	options []string
	// within is what a number can be; one outside is not believed.
	within span
	// rises tells of a number that never falls.
	rises bool
	// derive makes the value of what the bridge knows, for rows without from.
	derive func(c *Car, now time.Time) any
	// proven says that the car has a derived entity.
	proven func(r Rules, c *Car) bool
	// attributes are published beside the value.
	attributes func(c *Car) map[string]any

	// words are what /set accepts, and the command each stands for.
	words map[string]volvo.Command
}

// span is a range of numbers, both ends in it.
type span struct{ from, to float64 }

// source is one field of one resource, good if when holds (nil: always).
type source struct {
	resource volvo.Resource
	field    string
	when     func(c *Car) bool
}

func at(r volvo.Resource, field string) []source { return []source{{resource: r, field: field}} }

const (
	sensor       = "sensor"
	binarySensor = "binary_sensor"
	button       = "button"
	diagnostic   = "diagnostic"
	configured   = "config"
	measurement  = "measurement"
	increasing   = "total_increasing"
	problem      = "problem"
	Press        = "PRESS"
)

var (
	open   = binary([]string{"OPEN", "AJAR"}, []string{"CLOSED"})
	lamp   = binary([]string{"FAILURE"}, []string{"NO_WARNING"})
	tyre   = binary([]string{"VERY_LOW_PRESSURE", "LOW_PRESSURE", "HIGH_PRESSURE"}, []string{"NO_WARNING"})
	tooLow = binary([]string{"TOO_LOW"}, []string{"NO_WARNING"})
	oil    = binary([]string{"SERVICE_REQUIRED", "TOO_LOW", "TOO_HIGH"}, []string{"NO_WARNING"})
	engine = binary([]string{"RUNNING", "TRUE"}, []string{"STOPPED", "FALSE"})

	availabilityWords = []string{"available", "car_in_use", "no_internet", "ota_installation_in_progress", "power_saving_mode", "unavailable"}
	connectionWords   = []string{"connected", "disconnected", "fault"}
	chargingWords     = []string{"charging", "discharging", "done", "error", "fault", "idle", "scheduled"}
	chargingTypes     = []string{"ac", "dc", "none"}
	chargerPowerWords = []string{"fault", "initialization", "no_power_available", "power_available_but_not_activated", "providing_power"}
	pollingWords      = []string{"charging", "driving", "just_parked", "long_parked", "parked", "plugged_in", "unreachable"}
	statusWords       = []string{"accepted", "failed", "refused", "sending", "succeeded", "unknown"}
	triggerWords      = []string{"calendar_time", "distance", "engine_hours", "unknown"}
	serviceWords      = []string{
		"distance_driven_almost_time_for_service", "distance_driven_overdue_for_service", "distance_driven_time_for_service",
		"engine_hours_almost_time_for_service", "engine_hours_overdue_for_service", "engine_hours_time_for_service", "no_warning",
		"regular_maintenance_almost_time_for_service", "regular_maintenance_overdue_for_service", "regular_maintenance_time_for_service",
		"unknown_warning",
	}
)

// The reference's one distance to empty is the tank's if the car has an engine.
func hasEngine(c *Car) bool {
	return c.Drivetrain() == combustion || c.Drivetrain() == hybrid
}

func hasNone(c *Car) bool {
	return c.Drivetrain() == electric
}

// entities is the table of a car's entities.
var entities = slices.Concat(sensors, openings, warningSensors, aggregates, controls)

var serviceWarning = Entity{id: "service_warning", platform: sensor, name: "Service", suffix: "service", class: "enum", icon: "mdi:wrench-clock",

	from: at(volvo.Diagnostics, "serviceWarning"), convert: enum(serviceWords), options: serviceWords}

var sensors = []Entity{
	{id: "battery_charge_level", platform: sensor, name: "Battery level", suffix: "battery", class: "battery", unit: "%", stateClass: measurement, precision: new(0),
		from:    []source{{resource: volvo.EnergyState, field: "batteryChargeLevel"}, {resource: volvo.Fuel, field: "batteryChargeLevel"}},
		convert: number(percent), within: span{0, 100}},
	{id: "distance_to_empty_battery", platform: sensor, name: "Electric range", class: "distance", unit: "km", stateClass: measurement, precision: new(0), icon: "mdi:battery-outline",
		from:    []source{{resource: volvo.Statistics, field: "distanceToEmptyBattery"}, {resource: volvo.Statistics, field: "distanceToEmpty", when: hasNone}},
		convert: number(kilometres), within: span{0, 2000}},
	{id: "electric_range", platform: sensor, name: "Estimated electric range", class: "distance", unit: "km", stateClass: measurement, precision: new(0), icon: "mdi:map-marker-distance",
		from: at(volvo.EnergyState, "electricRange"), convert: number(kilometres), within: span{0, 2000}},
	{id: "fuel_amount", platform: sensor, name: "Fuel level", suffix: "fuel_amount", class: "volume_storage", unit: "L", stateClass: measurement, precision: new(1), icon: "mdi:fuel",
		from: at(volvo.Fuel, "fuelAmount"), convert: number(litres), within: span{0, 200}},
	{id: "distance_to_empty_tank", platform: sensor, name: "Fuel range", class: "distance", unit: "km", stateClass: measurement, precision: new(0), icon: "mdi:gauge-empty",
		from:    []source{{resource: volvo.Statistics, field: "distanceToEmptyTank"}, {resource: volvo.Statistics, field: "distanceToEmpty", when: hasEngine}},
		convert: number(kilometres), within: span{0, 3000}},
	{id: "odometer", platform: sensor, name: "Odometer", class: "distance", unit: "km", stateClass: increasing, precision: new(1), icon: "mdi:counter",
		from: at(volvo.Odometer, "odometer"), convert: number(kilometres), within: span{0, 2_000_000}, rises: true},

	{id: "charging_status", platform: sensor, name: "Charging status", class: "enum", icon: "mdi:ev-station",
		from: at(volvo.EnergyState, "chargingStatus"), convert: enum(chargingWords), options: chargingWords},
	{id: "charger_connection_status", platform: sensor, name: "Charging connection status", suffix: "charging_connection_status", class: "enum", icon: "mdi:power-plug",
		from: at(volvo.EnergyState, "chargerConnectionStatus"), convert: enum(connectionWords), options: connectionWords},
	{id: "charging_type", platform: sensor, name: "Charging type", class: "enum", icon: "mdi:current-ac",
		from: at(volvo.EnergyState, "chargingType"), convert: enum(chargingTypes), options: chargingTypes},
	{id: "charging_power_status", platform: sensor, name: "Charging power status", class: "enum", icon: "mdi:power-plug-outline",
		from: at(volvo.EnergyState, "chargerPowerStatus"), convert: enum(chargerPowerWords), options: chargerPowerWords},
	{id: "charging_power", platform: sensor, name: "Charging power", class: "power", unit: "W", stateClass: measurement, precision: new(0),
		from: at(volvo.EnergyState, "chargingPower"), convert: number(watts), within: span{0, 500_000}},
	{id: "charging_current_limit", platform: sensor, name: "Charging limit", suffix: "charging_limit", class: "current", unit: "A", stateClass: measurement, precision: new(0),
		from: at(volvo.EnergyState, "chargingCurrentLimit"), convert: number(amperes), within: span{0, 500}},
	{id: "target_battery_charge_level", platform: sensor, name: "Target battery charge level", unit: "%", precision: new(0), icon: "mdi:battery-medium",
		from: at(volvo.EnergyState, "targetBatteryChargeLevel"), convert: number(percent), within: span{0, 100}},
	{id: "estimated_charging_time", platform: sensor, name: "Estimated charging time", class: "duration", unit: "min", stateClass: measurement, precision: new(0), icon: "mdi:battery-clock",
		from: at(volvo.EnergyState, "estimatedChargingTimeToTargetBatteryChargeLevel"), convert: number(minutes), within: span{0, 20_160}},
	{id: "estimated_charging_finish", platform: sensor, name: "Estimated charging finish", class: "timestamp", icon: "mdi:battery-clock-outline",
		derive: chargingFinish, proven: proves("estimated_charging_time")},

	{id: "average_energy_consumption", platform: sensor, name: "Trip manual average energy consumption", suffix: "trip_manual_average_energy_consumption",
		class: "energy_distance", unit: "kWh/100km", stateClass: measurement, precision: new(1), icon: "mdi:car-electric",
		from: at(volvo.Statistics, "averageEnergyConsumption"), convert: number(energyPer), within: span{-500, 1000}},
	{id: "average_energy_consumption_automatic", platform: sensor, name: "Trip automatic average energy consumption", suffix: "trip_automatic_average_energy_consumption",
		class: "energy_distance", unit: "kWh/100km", stateClass: measurement, precision: new(1), icon: "mdi:car-electric",
		from: at(volvo.Statistics, "averageEnergyConsumptionAutomatic"), convert: number(energyPer), within: span{-500, 1000}},
	{id: "average_energy_consumption_charge", platform: sensor, name: "Average energy consumption since charge", suffix: "average_energy_consumption_since_charge",
		class: "energy_distance", unit: "kWh/100km", stateClass: measurement, precision: new(1), icon: "mdi:car-electric",
		from: at(volvo.Statistics, "averageEnergyConsumptionSinceCharge"), convert: number(energyPer), within: span{-500, 1000}},
	{id: "average_fuel_consumption", platform: sensor, name: "Trip manual average fuel consumption", suffix: "trip_manual_average_fuel_consumption",
		unit: "L/100 km", stateClass: measurement, precision: new(1), icon: "mdi:gas-station",
		from: at(volvo.Statistics, "averageFuelConsumption"), convert: number(perHundred), within: span{0, 500}},
	{id: "average_fuel_consumption_automatic", platform: sensor, name: "Trip automatic average fuel consumption", suffix: "trip_automatic_average_fuel_consumption",
		unit: "L/100 km", stateClass: measurement, precision: new(1), icon: "mdi:gas-station",
		from: at(volvo.Statistics, "averageFuelConsumptionAutomatic"), convert: number(perHundred), within: span{0, 500}},
	{id: "average_speed", platform: sensor, name: "Trip manual average speed", suffix: "trip_manual_average_speed", class: "speed", unit: "km/h", stateClass: measurement, precision: new(0),
		from: at(volvo.Statistics, "averageSpeed"), convert: number(speed), within: span{0, 300}},
	{id: "average_speed_automatic", platform: sensor, name: "Trip automatic average speed", suffix: "trip_automatic_average_speed", class: "speed", unit: "km/h", stateClass: measurement, precision: new(0),
		from: at(volvo.Statistics, "averageSpeedAutomatic"), convert: number(speed), within: span{0, 300}},
	{id: "trip_meter_manual", platform: sensor, name: "Trip manual distance", suffix: "trip_manual_distance", class: "distance", unit: "km", stateClass: increasing, precision: new(0), icon: "mdi:map-marker-distance",
		from:    []source{{resource: volvo.Statistics, field: "tripMeterManual"}, {resource: volvo.Statistics, field: "tripMeter1"}},
		convert: number(kilometres), within: span{0, 2_000_000}},
	{id: "trip_meter_automatic", platform: sensor, name: "Trip automatic distance", suffix: "trip_automatic_distance", class: "distance", unit: "km", stateClass: increasing, precision: new(0), icon: "mdi:map-marker-distance",
		from:    []source{{resource: volvo.Statistics, field: "tripMeterAutomatic"}, {resource: volvo.Statistics, field: "tripMeter2"}},
		convert: number(kilometres), within: span{0, 2_000_000}},

	{id: "direction", platform: sensor, name: "Direction", unit: "°", stateClass: "measurement_angle", precision: new(0), icon: "mdi:compass-outline",
		from: at(volvo.Position, "heading"), convert: number(degrees), within: span{0, 360}},

	serviceWarning,
	{id: "service_trigger", platform: sensor, name: "Service trigger", class: "enum", category: diagnostic, icon: "mdi:wrench-outline",
		from: at(volvo.Diagnostics, "serviceTrigger"), convert: enum(triggerWords), options: triggerWords},
	{id: "distance_to_service", platform: sensor, name: "Distance to service", class: "distance", unit: "km", stateClass: measurement, precision: new(0), icon: "mdi:wrench-check",
		from: at(volvo.Diagnostics, "distanceToService"), convert: number(kilometres), within: span{-200_000, 200_000}},
	{id: "engine_time_to_service", platform: sensor, name: "Time to engine service", suffix: "time_to_engine_service", class: "duration", unit: "h", stateClass: measurement, precision: new(0), icon: "mdi:wrench-cog",
		from: at(volvo.Diagnostics, "engineHoursToService"), convert: number(hours), within: span{-20_000, 20_000}},
	{id: "time_to_service", platform: sensor, name: "Time to service", class: "duration", unit: "d", stateClass: measurement, precision: new(0), icon: "mdi:wrench-clock",
		from: at(volvo.Diagnostics, "timeToService"), convert: number(days), within: span{-3650, 3650}},

	{id: "availability", platform: sensor, name: "Car connection", suffix: "car_connection", class: "enum", category: diagnostic, icon: "mdi:car-connected",
		from: at(volvo.CommandAccessibility, "availabilityStatus"), convert: enum(availabilityWords), options: availabilityWords},
	{id: "battery_capacity", platform: sensor, name: "Battery capacity", class: "energy_storage", unit: "kWh", category: diagnostic, precision: new(1),
		from: at(volvo.Details, "batteryCapacityKWH"), convert: number(kilowattHours), within: span{0, 500}},
	{id: "model", platform: sensor, name: "Model", category: diagnostic, icon: "mdi:car-info",
		from: at(volvo.Details, "descriptions.model"), convert: plain, attributes: modelAttributes},
	{id: "last_update", platform: sensor, name: "Last update", class: "timestamp", category: diagnostic, icon: "mdi:clock-outline",
		derive: lastUpdate, proven: func(_ Rules, c *Car) bool { return !c.Newest().IsZero() }},
	{id: "polling", platform: sensor, name: "Polling", class: "enum", category: diagnostic, icon: "mdi:calendar-sync-outline", options: pollingWords,
		derive: polling, proven: func(_ Rules, c *Car) bool { return c.Restored() }, attributes: pollingAttributes},
	{id: "last_command", platform: sensor, name: "Last command", category: diagnostic, icon: "mdi:gesture-tap-button",
		derive: lastCommand, proven: offersAny, attributes: lastCommandAttributes},
	{id: "last_command_status", platform: sensor, name: "Last command status", class: "enum", category: diagnostic, icon: "mdi:list-status", options: statusWords,
		derive: lastCommandStatus, proven: offersAny, attributes: lastCommandStatusAttributes},
	{id: "last_invoke_status", platform: sensor, name: "Last invoke status", category: diagnostic, icon: "mdi:message-reply-text-outline",
		derive: lastInvokeStatus, proven: offersAny},
}

func door(id, name string, field string) Entity {
	return Entity{id: id, platform: binarySensor, name: name, class: "door", from: at(volvo.Doors, field), convert: open}
}

func windowOf(id, name string, field string) Entity {
	return Entity{id: id, platform: binarySensor, name: name, class: "window", from: at(volvo.Windows, field), convert: open}
}

func tyreOf(id, name string, field string) Entity {
	return Entity{id: id, platform: binarySensor, name: name, class: problem, icon: "mdi:tire", from: at(volvo.Tyres, field), convert: tyre}
}

func fluid(id, name, suffix, icon string, r volvo.Resource, field string, conv converter) Entity {
	return Entity{id: id, platform: binarySensor, name: name, suffix: suffix, class: problem, icon: icon, from: at(r, field), convert: conv}
}

// lampOf: the id of a lamp warning is the field in snake case, its entity id the
// same without the last word.
func lampOf(suffix, name, field string) Entity {
	return Entity{id: suffix + "_warning", platform: binarySensor, name: name, suffix: suffix, class: problem, category: diagnostic,
		icon: "mdi:car-light-alert", from: at(volvo.Warnings, field), convert: lamp}
}

var openings = []Entity{
	door("door_front_left", "Door front left", "frontLeftDoor"),
	door("door_front_right", "Door front right", "frontRightDoor"),
	door("door_rear_left", "Door rear left", "rearLeftDoor"),
	door("door_rear_right", "Door rear right", "rearRightDoor"),
	door("hood", "Hood", "hood"),
	door("tailgate", "Tailgate", "tailgate"),
	door("tank_lid", "Tank lid", "tankLid"),
	windowOf("window_front_left", "Window front left", "frontLeftWindow"),
	windowOf("window_front_right", "Window front right", "frontRightWindow"),
	windowOf("window_rear_left", "Window rear left", "rearLeftWindow"),
	windowOf("window_rear_right", "Window rear right", "rearRightWindow"),
	windowOf("sunroof", "Sunroof", "sunroof"),
	{id: "engine_status", platform: binarySensor, name: "Engine status", class: "running", from: at(volvo.EngineState, "engineStatus"), convert: engine},
}

// warningSensors are what any_warning looks at, with service_warning.
var warningSensors = []Entity{
	tyreOf("tire_front_left", "Tire front left", "frontLeft"),
	tyreOf("tire_front_right", "Tire front right", "frontRight"),
	tyreOf("tire_rear_left", "Tire rear left", "rearLeft"),
	tyreOf("tire_rear_right", "Tire rear right", "rearRight"),
	fluid("brake_fluid_level_warning", "Brake fluid", "brake_fluid", "mdi:car-brake-fluid-level", volvo.Brakes, "brakeFluidLevelWarning", tooLow),
	fluid("coolant_level_warning", "Coolant level", "coolant_level", "mdi:car-coolant-level", volvo.EngineWarnings, "engineCoolantLevelWarning", tooLow),
	fluid("oil_level_warning", "Oil level", "oil_level", "mdi:oil-level", volvo.EngineWarnings, "oilLevelWarning", oil),
	fluid("washer_fluid_level_warning", "Washer fluid", "washer_fluid", "mdi:wiper-wash", volvo.Diagnostics, "washerFluidLevelWarning", tooLow),
	lampOf("brake_light_center", "Brake light center", "brakeLightCenterWarning"),
	lampOf("brake_light_left", "Brake light left", "brakeLightLeftWarning"),
	lampOf("brake_light_right", "Brake light right", "brakeLightRightWarning"),
	lampOf("daytime_running_light_left", "Daytime running light left", "daytimeRunningLightLeftWarning"),
	lampOf("daytime_running_light_right", "Daytime running light right", "daytimeRunningLightRightWarning"),
	lampOf("fog_light_front", "Fog light front", "fogLightFrontWarning"),
	lampOf("fog_light_rear", "Fog light rear", "fogLightRearWarning"),
	lampOf("hazard_lights", "Hazard lights", "hazardLightsWarning"),
	lampOf("high_beam_left", "High beam left", "highBeamLeftWarning"),
	lampOf("high_beam_right", "High beam right", "highBeamRightWarning"),
	lampOf("low_beam_left", "Low beam left", "lowBeamLeftWarning"),
	lampOf("low_beam_right", "Low beam right", "lowBeamRightWarning"),
	lampOf("position_light_front_left", "Position light front left", "positionLightFrontLeftWarning"),
	lampOf("position_light_front_right", "Position light front right", "positionLightFrontRightWarning"),
	lampOf("position_light_rear_left", "Position light rear left", "positionLightRearLeftWarning"),
	lampOf("position_light_rear_right", "Position light rear right", "positionLightRearRightWarning"),
	lampOf("registration_plate_light", "Registration plate light", "registrationPlateLightWarning"),
	lampOf("reverse_lights", "Reverse lights", "reverseLightsWarning"),
	lampOf("side_mark_lights", "Side mark lights", "sideMarkLightsWarning"),
	lampOf("turn_indication_front_left", "Turn indication front left", "turnIndicationFrontLeftWarning"),
	lampOf("turn_indication_front_right", "Turn indication front right", "turnIndicationFrontRightWarning"),
	lampOf("turn_indication_rear_left", "Turn indication rear left", "turnIndicationRearLeftWarning"),
	lampOf("turn_indication_rear_right", "Turn indication rear right", "turnIndicationRearRightWarning"),
}

var aggregates = []Entity{
	{id: "any_warning", platform: binarySensor, name: "Any warning", class: problem,
		derive: anyWarning, proven: hasWarnings, attributes: warningAttributes},
}

func buttonOf(command volvo.Command, name, suffix, icon string) Entity {
	return Entity{id: string(command), platform: button, name: name, suffix: suffix, icon: icon, words: map[string]volvo.Command{Press: command}}
}

var controls = []Entity{
	{id: "lock", platform: "lock", name: "Doors", suffix: "lock", from: at(volvo.Doors, "centralLock"), convert: lockState,
		words: map[string]volvo.Command{"LOCK": volvo.Lock, "UNLOCK": volvo.Unlock}},
	buttonOf(volvo.LockReducedGuard, "Lock reduced guard", "lock_reduced_guard", "mdi:lock-minus"),
	buttonOf(volvo.Honk, "Honk", "honk", "mdi:bullhorn"),
	buttonOf(volvo.Flash, "Flash", "flash", "mdi:car-light-high"),
	buttonOf(volvo.HonkFlash, "Honk & flash", "honk_flash", "mdi:alarm-light"),
	buttonOf(volvo.ClimatizationStart, "Start climatization", "start_climatization", "mdi:air-conditioner"),
	buttonOf(volvo.ClimatizationStop, "Stop climatization", "stop_climatization", "mdi:air-conditioner"),
	buttonOf(volvo.EngineStart, "Start engine", "start_engine", "mdi:engine"),
	buttonOf(volvo.EngineStop, "Stop engine", "stop_engine", "mdi:engine-off"),
	{id: "climatization", platform: "switch", name: "Climate", icon: "mdi:air-conditioner",
		derive: climatization, proven: offers(volvo.ClimatizationStart),
		words: map[string]volvo.Command{"ON": volvo.ClimatizationStart, "OFF": volvo.ClimatizationStop}},
	{id: "engine_runtime", platform: "number", name: "Engine runtime", class: "duration", unit: "min", category: configured, icon: "mdi:timer-cog-outline",
		derive: engineRuntime, proven: offers(volvo.EngineStart)},
	{id: "refresh", platform: button, name: "Refresh", icon: "mdi:refresh", proven: always},
	{id: "location", platform: "device_tracker", name: "Location", category: diagnostic, icon: "mdi:car",
		from: []source{{resource: volvo.Position, field: "latitude"}, {resource: volvo.Position, field: "longitude"}, {resource: volvo.Position, field: "altitude"}}},
	{id: "exterior_image", platform: "image", name: "Exterior image", proven: hasImage("exterior")},
	{id: "interior_image", platform: "image", name: "Interior image", proven: hasImage("interior")},
	{id: "event", platform: "event", name: "Event", icon: "mdi:car-clock", proven: always},
}

// ignored are fields that the API is known to send and that make no entity, each
// with the reason. A resource's "*" stands for all its fields.
var ignored = map[volvo.Resource]map[string]string{
	volvo.Details: {
		"vin":                     "names the car; it is in the topics and the discovery message, not a value",
		"modelYear":               "an attribute of model",
		"gearbox":                 "an attribute of model",
		"fuelType":                "an attribute of model; decides the drivetrain",
		"externalColour":          "an attribute of model",
		"descriptions.upholstery": "an attribute of model",
		"descriptions.steering":   "an attribute of model",
		"descriptions":            "null in place of the descriptions",
		"images":                  "null in place of the pictures",
		"images.exteriorImageUrl": "fetched; the picture is the entity exterior_image",
		"images.internalImageUrl": "fetched; the picture is the entity interior_image",
		"images.interiorImageUrl": "the other spelling of internalImageUrl in Volvo's documents",
	},
	volvo.CommandAccessibility: {"unavailableReason": "its word wins over availabilityStatus in the entity availability"},
	volvo.Commands:             {"*": "decides which controls the car has"},
	volvo.EnergyCapabilities:   {"*": "a hint at most: a working car has claimed nothing for weeks; a first value decides"},
}

// ByID finds a row; nil: there is none.
func ByID(id string) *Entity { return entitiesByID[id] }

// All lists the rows of the table.
func All() []*Entity {
	all := make([]*Entity, len(entities))
	for i := range entities {
		all[i] = &entities[i]
	}
	return all
}

// ID is the row's name in topics and documents.
func (e *Entity) ID() string { return e.id }

// Options are the words that the entity can say; nil: it says anything.
func (e *Entity) Options() []string { return e.options }

// Words are what the row's topic takes, sorted; empty: it makes no command of a car.
func (e *Entity) Words() []string { return sortedWords(e) }

// Command is what a word stands for.
func (e *Entity) Command(word string) (volvo.Command, bool) {
	command, ok := e.words[word]
	return command, ok
}

// TakesCommands tells whether anything can be published on the row's topic.
func (e *Entity) TakesCommands() bool {
	return len(e.words) > 0 || e.id == "engine_runtime" || e.id == "refresh"
}

// HasAttributes tells whether the row has any.
func (e *Entity) HasAttributes() bool { return e.attributes != nil }

func sortedWords(e *Entity) []string {
	var words []string
	for w := range e.words {
		words = append(words, w)
	}
	slices.Sort(words)
	return words
}

var entitiesByID = func() map[string]*Entity {
	byID := map[string]*Entity{}
	for i := range entities {
		byID[entities[i].id] = &entities[i]
	}
	return byID
}()

// Warnings lists the rows that the entity any_warning looks at, but for the service.
func Warnings() []string {
	var ids []string
	for i := range warningSensors {
		ids = append(ids, warningSensors[i].id)
	}
	return ids
}
