package bridge

import (
	"encoding/json"
	"time"

	"volvobridge/bridge/command"
	"volvobridge/bridge/store"
	"volvobridge/bridge/web"
)

// Ledger reads the journal's entries, oldest first. It is safe for concurrent
// use with Run.
func Ledger(entries []store.Entry, names map[string]string) []web.LedgerEntry {
	ledger := []web.LedgerEntry{}
	for _, e := range entries {
		var j command.Record
		if json.Unmarshal(e.Data, &j) != nil {
			continue
		}
		name := names[j.VIN]
		if name == "" {
			name = "..." + j.VIN[max(0, len(j.VIN)-4):]
		}
		ledger = append(ledger, web.LedgerEntry{Car: name, Entity: j.Entity, Command: j.Command, Open: e.Open, Status: j.Status,
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
