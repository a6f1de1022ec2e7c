package entity

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"volvobridge/volvo"
)

// EntityTable is the table of a car's entities as Markdown, for the README.
func EntityTable() string {
	var b strings.Builder
	b.WriteString("| id | platform | name | in Home Assistant | unit or words | from |\n|---|---|---|---|---|---|\n")
	for i := range entities {
		e := &entities[i]
		fmt.Fprintf(&b, "| `%s` | %s | %s | `%s.<car>_%s` | %s | %s |\n", e.id, e.platform, e.name, e.platform, cmp.Or(e.suffix, e.id), values(e), origin(e))
	}
	return b.String()
}

// BridgeTable is the same for the bridge's own entities.
func BridgeTable() string {
	var b strings.Builder
	b.WriteString("| id | platform | name |\n|---|---|---|\n")
	for _, e := range bridgeEntities {
		fmt.Fprintf(&b, "| `%s` | %s | %s |\n", e.id, e.platform, e.name)
	}
	return b.String()
}

func values(e *Entity) string {
	switch {
	case e.unit != "":
		return e.unit
	case len(e.options) > 0:
		return "`" + strings.Join(e.options, "` `") + "`"
	case e.class == "timestamp":
		return "RFC 3339, UTC"
	case e.platform == binarySensor || e.platform == "switch":
		return "`ON` `OFF`"
	case e.platform == "lock":
		return "`LOCKED` `UNLOCKED` `LOCKING` `UNLOCKING`"
	}
	return ""
}

func origin(e *Entity) string {
	if len(e.from) == 0 {
		return "the bridge"
	}
	var from []string
	for _, s := range e.from {
		from = append(from, string(s.resource)+" "+s.field)
	}
	return strings.Join(from, ", else ")
}

// CommandTable is the table of commands as Markdown.
func CommandTable() string {
	var b strings.Builder
	b.WriteString("| topic | payload | what happens |\n|---|---|---|\n")
	for i := range entities {
		e := &entities[i]
		words := sortedWords(e)
		slices.SortFunc(words, func(x, y string) int { return cmp.Compare(y, x) })
		if e.id == "lock" || e.platform == "switch" {
			slices.Sort(words)
		}
		for _, w := range words {
			fmt.Fprintf(&b, "| `<car>/%s/set` | `%s` | POST `commands/%s` |\n", e.id, w, e.words[w].Segment())
		}
	}
	b.WriteString("| `<car>/engine_runtime/set` | `1` to `15` | kept: minutes of the next engine start |\n")
	fmt.Fprintf(&b, "| `<car>/refresh/set` | `PRESS`, or names with commas between them | reads soon: %s |\n", ResourceNames())
	return b.String()
}

func ResourceNames() string {
	var names []string
	for _, r := range volvo.Resources() {
		names = append(names, "`"+string(r)+"`")
	}
	return strings.Join(names, ", ")
}

// ScopeTable is the table of OAuth scopes as Markdown: what each is for.
func ScopeTable() string {
	var b strings.Builder
	b.WriteString("| scope | gives |\n|---|---|\n| `openid` | the login itself |\n")
	for _, line := range Lost(Scopes(volvo.AllCommands())) {
		scope, what, _ := strings.Cut(line, ": ")
		if volvo.Restricted(scope) {
			what += " (Volvo lists it apart; leave it out if you don't want it)"
		}
		fmt.Fprintf(&b, "| `%s` | %s |\n", scope, what)
	}
	return b.String()
}
