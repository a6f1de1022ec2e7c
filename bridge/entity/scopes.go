package entity

import (
	"fmt"
	"slices"
	"strings"

	"volvobridge/volvo"
)

// Scopes lists the scopes that the table and the allowed commands need.
func Scopes(allow []volvo.Command) []string {
	scopes := []string{volvo.ScopeOpenID}
	add := func(scope string) {
		if !slices.Contains(scopes, scope) {
			scopes = append(scopes, scope)
		}
	}
	for _, r := range volvo.Resources() {
		for _, scope := range r.Scopes() {
			add(scope)
		}
	}
	for _, command := range allow {
		add(command.Scope())
	}
	slices.Sort(scopes[1:])
	return scopes
}

// Lost says of each scope what does not work without it.
func Lost(scopes []string) []string {
	var lines []string
	for _, scope := range scopes {
		if text, ok := scopeGives[scope]; ok {
			lines = append(lines, scope+": "+text)
			continue
		}
		var what []string
		for _, r := range volvo.Resources() {
			if slices.Contains(r.Scopes(), scope) {
				what = append(what, readingsOf(r))
			}
		}
		for _, command := range volvo.AllCommands() {
			if command.Scope() == scope {
				what = append(what, "the command "+string(command))
			}
		}
		if len(what) > 0 {
			lines = append(lines, scope+": "+strings.Join(what, ", "))
		}
	}
	return lines
}

// scopeGives is for scopes that share a resource with another, and for those that
// no entity shows.
var scopeGives = map[string]string{
	"conve:battery_charge_level": "Battery level of cars that the Energy API does not know",
	"conve:commands":             "which commands the car has",
	"conve:doors_status":         "doors, hood, tailgate, tank lid",
	"conve:lock_status":          "Doors (the lock), and with it the confirmation of commands",
	"energy:capability:read":     "what the Energy API says it knows of the car",
}

// readingsOf names what a resource gives.
func readingsOf(r volvo.Resource) string {
	var names []string
	for _, e := range entities {
		if len(e.from) > 0 && e.from[0].resource == r {
			names = append(names, e.name)
		}
	}
	const most = 3
	switch {
	case len(names) == 0:
		return "the resource " + string(r)
	case len(names) > most:
		return strings.Join(names[:most], ", ") + fmt.Sprintf(" and %d more", len(names)-most)
	}
	return strings.Join(names, ", ")
}
