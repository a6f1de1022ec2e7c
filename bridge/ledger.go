package bridge

import (
	"encoding/json"
	"time"

	"volvobridge/bridge/command"
	"volvobridge/bridge/entity"
	"volvobridge/bridge/store"
	"volvobridge/volvo"
)

// LedgerEntry is a command that was sent to a car, for people: the car is named
// by its level in topics, or by the end of its VIN.
type LedgerEntry struct {
	Car         string        `json:"car"`
	Entity      string        `json:"entity"`
	Command     volvo.Command `json:"command"`
	Open        bool          `json:"open"`
	ConfirmedAt *time.Time    `json:"confirmedAt"`
	SentAt      *time.Time    `json:"sentAt"`
	AnsweredAt  *time.Time    `json:"answeredAt"`
	entity.Status
}

// Ledger reads the journal's entries, oldest first. It is safe for concurrent
// use with Run.
func Ledger(entries []store.Entry, names map[string]string) []LedgerEntry {
	ledger := []LedgerEntry{}
	for _, e := range entries {
		var j command.Record
		if json.Unmarshal(e.Data, &j) != nil {
			continue
		}
		name := names[j.VIN]
		if name == "" {
			name = "..." + j.VIN[max(0, len(j.VIN)-4):]
		}
		ledger = append(ledger, LedgerEntry{Car: name, Entity: j.Entity, Command: j.Command, Open: e.Open, Status: j.Status,
			SentAt: when(j.Sent), AnsweredAt: when(j.Answered), ConfirmedAt: when(j.Confirmed)})
	}
	return ledger
}

func when(t time.Time) *time.Time {
	if t.IsZero() {
		return nil
	}
	return &t
}
