package schedule

import "volvobridge/volvo"

// priors are what is assumed of a resource before a car has taught better: changes an
// hour, by situation.
type priors struct{ rest, stirring, driving, charging, arrived float64 }

var assumed = map[volvo.Resource]priors{
	volvo.Doors:                {rest: 0.3, stirring: 60, driving: 0.5, charging: 0.3, arrived: 90},
	volvo.Windows:              {rest: 0.02, stirring: 1, driving: 0.5, charging: 0.02, arrived: 0.5},
	volvo.EngineState:          {rest: 0.05, stirring: 12, driving: 3, charging: 0.02, arrived: 1},
	volvo.EnergyState:          {rest: 0.15, stirring: 6, driving: 30, charging: 40, arrived: 15},
	volvo.Fuel:                 {rest: 0.005, stirring: 0.1, driving: 20, charging: 0.005, arrived: 1},
	volvo.Statistics:           {rest: 0.05, stirring: 1, driving: 60, charging: 20, arrived: 1},
	volvo.Odometer:             {rest: 0.005, stirring: 0.1, driving: 25, charging: 0.005, arrived: 1},
	volvo.Position:             {rest: 0.005, stirring: 0.1, driving: 1, charging: 0.005, arrived: 24},
	volvo.Diagnostics:          {rest: 0.01, stirring: 0.1, driving: 2, charging: 0.01, arrived: 1},
	volvo.CommandAccessibility: {rest: 0.05, stirring: 1, driving: 0.5, charging: 0.05, arrived: 1},
}

// rare is assumed of all else: warnings, tyres, brakes.
var rare = priors{rest: 0.002, stirring: 0.01, driving: 0.05, charging: 0.002, arrived: 0.05}

const anHour = 3600.0

// assume returns the model of a resource in a situation before anything is learned.
func assume(r volvo.Resource, s situation) model {
	p, ok := assumed[r]
	if !ok {
		p = rare
	}
	rate, trust := p.rest, 24*anHour
	switch s {
	case stirring:
		rate, trust = p.stirring, 1200
	case stirred:
		rate, trust = p.stirring/4, 3000
	case left:
		rate, trust = p.rest*3, 6*anHour
	case drivingFree:
		rate, trust = p.driving, anHour
	case drivingBeat: // what the beat does not bring
		rate, trust = min(p.driving, 3), 2*anHour
		if r == volvo.Statistics || r == volvo.EnergyState || r == volvo.Odometer || r == volvo.Fuel {
			rate = 1
		}
	case chargingUp:
		rate, trust = p.charging, 2*anHour
	case chargingBeat:
		rate, trust = min(p.charging, 0.5), 4*anHour
	case arrived:
		rate, trust = p.arrived, 1500
	case settling:
		rate, trust = max(p.rest, p.stirring/20), 2*anHour
	case longAtRest, outOfReach:
		rate = p.rest / 2
	}
	return model{prior: rate / anHour, trust: trust, weight: float64(weightOf(r, prominent[r]))}
}

// prominent is the field whose weight stands for a resource before it is known.
var prominent = map[volvo.Resource]string{volvo.Doors: "frontLeftDoor", volvo.EngineState: "engineStatus", volvo.EnergyState: "batteryChargeLevel", volvo.Fuel: "fuelAmount", volvo.Statistics: "distanceToEmptyTank", volvo.CommandAccessibility: "availabilityStatus"}

// lasts is how long a situation lasts in the mean, seconds: a read must pay before it
// is over.
var lasts = [situations]float64{atRest: 5 * anHour, longAtRest: 48 * anHour, left: 2 * anHour, stirring: 80, stirred: 200, plugged: 9 * anHour, chargingUp: 3 * anHour, chargingBeat: 3 * anHour, drivingFree: 1200, drivingBeat: 1200, arrived: 150, settling: 450, outOfReach: 12 * anHour}

// follow is the weight that is expected to be wrong in a resource after a happening,
// before the car has taught better.
var follow = [happeningKinds]map[volvo.Resource]float64{
	driveStarted:     {volvo.Statistics: 1.5, volvo.EnergyState: 0.7, volvo.Odometer: 0.5, volvo.CommandAccessibility: 0.7, volvo.Fuel: 0.3, volvo.Doors: 0.3},
	driveEnded:       {volvo.Doors: 1.2, volvo.Statistics: 2.5, volvo.EnergyState: 2, volvo.Odometer: 0.9, volvo.Fuel: 1, volvo.CommandAccessibility: 0.7, volvo.Position: 1, volvo.Diagnostics: 0.9, volvo.Windows: 0.05, volvo.Tyres: 0.03},
	unlocked:         {volvo.EngineState: 0.3, volvo.EnergyState: 0.4},
	locked:           {volvo.EnergyState: 0.3, volvo.Position: 0.05, volvo.Windows: 0.05, volvo.EngineState: 0.1},
	doorMoved:        {volvo.EngineState: 0.4, volvo.EnergyState: 0.2, volvo.Windows: 0.05},
	plugMoved:        {volvo.Doors: 0.3, volvo.Statistics: 0.2},
	chargeMoved:      {volvo.Statistics: 0.3},
	useMoved:         {volvo.EngineState: 1.5, volvo.Doors: 0.5},
	uploaded:         {volvo.EngineState: 0.2, volvo.EnergyState: 0.3, volvo.Statistics: 0.3, volvo.Doors: 0.1},
	uploadedDriving:  {volvo.Statistics: 2, volvo.EnergyState: 1.5, volvo.Odometer: 0.9, volvo.Fuel: 0.7, volvo.EngineState: 0.1, volvo.Position: 0.3, volvo.Diagnostics: 0.05},
	uploadedOffBeat:  {volvo.EngineState: 2, volvo.Statistics: 2, volvo.EnergyState: 1.5, volvo.Odometer: 0.9, volvo.Fuel: 0.7, volvo.Doors: 0.5},
	uploadedCharging: {volvo.EnergyState: 2, volvo.Statistics: 0.5},
}
