package entity

import (
	"slices"
	"strconv"
	"time"

	"volvobridge/volvo"
)

// SettleFinish moves the end of charging only when Volvo said something new, and
// by more than two minutes: a graph of it should be a line, not a saw.
func (c *Car) SettleFinish(now time.Time) {
	r := c.Reading(volvo.EnergyState, "estimatedChargingTimeToTargetBatteryChargeLevel")
	value, _ := number(minutes)(r)
	left, ok := value.(float64)
	if !ok || !c.Charging() || left < 0 || left > 7*24*60 {
		c.Finish = Finish{}
		return
	}
	if c.Finish.Minutes == r.Value && c.Finish.Told.Equal(r.Time) {
		return
	}
	c.Finish.Minutes, c.Finish.Told = r.Value, r.Time
	end := now.Add(time.Duration(left * float64(time.Minute))).Truncate(time.Minute)
	if c.Finish.At.IsZero() || end.Sub(c.Finish.At).Abs() > 2*time.Minute {
		c.Finish.At = end
	}
}

func chargingFinish(c *Car, _ time.Time) any { return Stamp(c.Finish.At) }

func lastUpdate(c *Car, _ time.Time) any { return Stamp(c.Newest()) }

// Stamp is an instant as the document writes it; nil for none.
func Stamp(t time.Time) any {
	if t.IsZero() {
		return nil
	}
	return t.UTC().Format(time.RFC3339)
}

func lastCommand(c *Car, _ time.Time) any {
	if c.LastCommand == nil || c.LastCommand.Command == nil {
		return nil
	}
	return *c.LastCommand.Command
}

func lastCommandStatus(c *Car, _ time.Time) any {
	if c.LastCommand == nil || c.LastCommand.Status == "" {
		return nil
	}
	return c.LastCommand.Status
}

// lastCommandStatusAttributes say what became of the last command, and of which.
func lastCommandStatusAttributes(c *Car) map[string]any {
	all := lastCommandAttributes(c)
	if c.LastCommand != nil {
		delete(all, "status")
		all["command"] = c.LastCommand.Command
	}
	return all
}

func lastInvokeStatus(c *Car, _ time.Time) any {
	if c.LastCommand == nil || c.LastCommand.InvokeStatus == nil {
		return nil
	}
	return *c.LastCommand.InvokeStatus
}

func lastCommandAttributes(c *Car) map[string]any {
	if c.LastCommand == nil {
		return map[string]any{}
	}
	s := c.LastCommand
	return map[string]any{
		"id": s.ID, "status": s.Status, "reason": s.Reason, "message": s.Message, "advice": s.Advice,
		"confirmed": s.Confirmed, "requestedAt": s.RequestedAt, "updatedAt": s.UpdatedAt,
	}
}

func engineRuntime(c *Car, _ time.Time) any { return c.EngineRuntime }

func climatization(c *Car, now time.Time) any {
	if now.Before(c.ClimateUntil) {
		return "ON"
	}
	return "OFF"
}

// warnings are the ids of the warning entities that are on. known tells whether
// the car said anything about any.
func (c *Car) warnings() (on []string, known bool) {
	on = []string{}
	if value, _ := c.convert(&serviceWarning); value != nil {
		known = true
		if value != "no_warning" {
			on = append(on, serviceWarning.id)
		}
	}
	for i := range warningSensors {
		value, _ := c.convert(&warningSensors[i])
		known = known || value != nil
		if value == "ON" {
			on = append(on, warningSensors[i].id)
		}
	}
	slices.Sort(on)
	return on, known
}

// Warnings are the ids of the warning entities that are on.
func (c *Car) Warnings() []string {
	on, _ := c.warnings()
	return on
}

func anyWarning(c *Car, _ time.Time) any {
	switch on, known := c.warnings(); {
	case len(on) > 0:
		return "ON"
	case known:
		return "OFF"
	}
	return nil
}

func hasWarnings(_ Rules, c *Car) bool {
	_, known := c.warnings()
	return known
}

func warningAttributes(c *Car) map[string]any {
	on, _ := c.warnings()
	return map[string]any{"warnings": on}
}

func polling(c *Car, _ time.Time) any {
	if c.Polling.Phase == "" {
		return nil
	}
	return c.Polling.Phase
}

func pollingAttributes(c *Car) map[string]any {
	if c.Polling.Attributes == nil {
		return map[string]any{}
	}
	return c.Polling.Attributes
}

func modelAttributes(c *Car) map[string]any {
	attributes := map[string]any{}
	for key, field := range map[string]string{
		"gearbox": "gearbox", "fuel_type": "fuelType", "external_colour": "externalColour",
		"upholstery": "descriptions.upholstery", "steering": "descriptions.steering",
	} {
		if r := c.Reading(volvo.Details, field); r.HasValue() {
			attributes[key] = Brief(r.Value)
		} else {
			attributes[key] = nil
		}
	}
	attributes["model_year"] = nil
	if year, err := strconv.Atoi(c.Reading(volvo.Details, "modelYear").Value); err == nil {
		attributes["model_year"] = year
	}
	return attributes
}

// proves, offers, always and the like are the proofs of derived entities.

func always(Rules, *Car) bool { return true }

func proves(id string) func(Rules, *Car) bool {
	return func(_ Rules, c *Car) bool { return c.Proven[id] }
}

func offers(command volvo.Command) func(Rules, *Car) bool {
	return func(_ Rules, c *Car) bool { return c.Offered[command] }
}

func offersAny(r Rules, c *Car) bool {
	return slices.ContainsFunc(r.Allow, func(command volvo.Command) bool { return c.Offered[command] })
}

func hasImage(kind string) func(Rules, *Car) bool {
	return func(_ Rules, c *Car) bool { return c.Images[kind].Type != "" }
}
