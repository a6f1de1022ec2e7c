package volvo

// API is one of Volvo's separately published APIs. A test token of the
// developer portal is good for one of them only.
type API string

// The three APIs, by their names in the configuration.
const (
	ConnectedVehicle API = "connected_vehicle"
	Energy           API = "energy"
	Location         API = "location"
)

// APIs lists the three APIs.
func APIs() []API { return []API{ConnectedVehicle, Energy, Location} }

// Resource is one endpoint of a car, named by Volvo's own path word.
type Resource string

// The resources of a car.
const (
	Details              Resource = "vehicle"
	Doors                Resource = "doors"
	Windows              Resource = "windows"
	EngineState          Resource = "engine-status"
	EngineWarnings       Resource = "engine"
	Fuel                 Resource = "fuel"
	Odometer             Resource = "odometer"
	Diagnostics          Resource = "diagnostics"
	Brakes               Resource = "brakes"
	Tyres                Resource = "tyres"
	Warnings             Resource = "warnings"
	Statistics           Resource = "statistics"
	Commands             Resource = "commands"
	CommandAccessibility Resource = "command-accessibility"
	EnergyCapabilities   Resource = "energy-capabilities"
	EnergyState          Resource = "energy"
	Position             Resource = "location"
)

// endpoint says how a resource is asked for and how its answer is read.
type endpoint struct {
	resource Resource
	api      API
	prefix   string // path before the VIN
	suffix   string // path after it
	scopes   []string
	decode   func([]byte) (Readings, error)
}

const (
	vehiclesPath = "/connected-vehicle/v2/vehicles"
	energyPath   = "/energy/v2/vehicles"
	locationPath = "/location/v1/vehicles"
)

// endpoints is every readable endpoint, in the order in which a fresh start
// reads them.
var endpoints = []endpoint{
	{Details, ConnectedVehicle, vehiclesPath, "", []string{"conve:vehicle_relation"}, decodeDetails},
	{Doors, ConnectedVehicle, vehiclesPath, "/doors", []string{"conve:doors_status", "conve:lock_status"}, decodeItems},
	{Commands, ConnectedVehicle, vehiclesPath, "/commands", []string{"conve:commands"}, decodeCommands},
	{EnergyState, Energy, energyPath, "/state", []string{"energy:state:read"}, decodeItems},
	{Fuel, ConnectedVehicle, vehiclesPath, "/fuel", []string{"conve:fuel_status", "conve:battery_charge_level"}, decodeItems},
	{Windows, ConnectedVehicle, vehiclesPath, "/windows", []string{"conve:windows_status"}, decodeItems},
	{EngineState, ConnectedVehicle, vehiclesPath, "/engine-status", []string{"conve:engine_status"}, decodeItems},
	{Statistics, ConnectedVehicle, vehiclesPath, "/statistics", []string{"conve:trip_statistics"}, decodeItems},
	{Position, Location, locationPath, "/location", []string{"location:read"}, decodeLocation},
	{CommandAccessibility, ConnectedVehicle, vehiclesPath, "/command-accessibility", []string{"conve:command_accessibility"}, decodeItems},
	{Odometer, ConnectedVehicle, vehiclesPath, "/odometer", []string{"conve:odometer_status"}, decodeItems},
	{Diagnostics, ConnectedVehicle, vehiclesPath, "/diagnostics", []string{"conve:diagnostics_workshop"}, decodeItems},
	{EngineWarnings, ConnectedVehicle, vehiclesPath, "/engine", []string{"conve:diagnostics_engine_status"}, decodeItems},
	{Brakes, ConnectedVehicle, vehiclesPath, "/brakes", []string{"conve:brake_status"}, decodeItems},
	{Tyres, ConnectedVehicle, vehiclesPath, "/tyres", []string{"conve:tyre_status"}, decodeItems},
	{Warnings, ConnectedVehicle, vehiclesPath, "/warnings", []string{"conve:warnings"}, decodeItems},
	{EnergyCapabilities, Energy, energyPath, "/capabilities", []string{"energy:capability:read"}, decodeCapabilities},
}

// Resources lists every resource, in the order in which a fresh start reads them.
func Resources() []Resource {
	all := make([]Resource, len(endpoints))
	for i, e := range endpoints {
		all[i] = e.resource
	}
	return all
}

// Known reports whether r is a resource of the API.
func (r Resource) Known() bool {
	_, ok := r.endpoint()
	return ok
}

// API returns the API that r belongs to.
func (r Resource) API() API {
	e, _ := r.endpoint()
	return e.api
}

// Scopes lists the OAuth scopes without which r is not readable in full.
func (r Resource) Scopes() []string {
	e, _ := r.endpoint()
	return e.scopes
}

// Decode reads an answer's body as the client does. It is what the tests and
// the fuzzers call.
func (r Resource) Decode(body []byte) (Readings, error) {
	e, ok := r.endpoint()
	if !ok {
		return nil, &Error{Kind: ErrBadRequest, Op: "read " + string(r), Description: "no such resource"}
	}
	readings, err := e.decode(body)
	if err != nil {
		return nil, &Error{Kind: ErrOutage, Op: "read " + string(r), cause: err}
	}
	return readings, nil
}

func (r Resource) endpoint() (endpoint, bool) {
	for _, e := range endpoints {
		if e.resource == r {
			return e, true
		}
	}
	return endpoint{}, false
}
