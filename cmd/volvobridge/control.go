package main

import (
	"encoding/json"
	"errors"
	"net/http"
	"strings"

	"volvobridge/bridge"
	"volvobridge/bridge/doctor"
	"volvobridge/bridge/login"
	"volvobridge/bridge/store"
	"volvobridge/cmd/volvobridge/internal/config"
	"volvobridge/cmd/volvobridge/internal/control"
	"volvobridge/cmd/volvobridge/internal/redact"
	"volvobridge/volvo"
)

// controlHandler answers the other commands of the program. Only who can read the
// store gets here.
func controlHandler(cfg config.Config, st *store.Store, b *bridge.Bridge, logins localLogins, redactor *redact.Redactor) http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /commands", func(w http.ResponseWriter, _ *http.Request) {
		answer(w, bridge.Ledger(st.Commands(), names(cfg)), nil)
	})
	mux.HandleFunc("GET /doctor", func(w http.ResponseWriter, r *http.Request) {
		findings, err := b.Examine(r.Context())
		f := doctor.Finding{Area: "store", What: cfg.Store, Result: doctor.ResultOK, Found: "writable"}
		if problem := st.Problem(); problem != nil {
			f.Result, f.Found, f.Advice = doctor.ResultProblem, problem.Error(), "Free some space on that disk, or mount it writable."
		}
		// Volvo may quote a token, which only this process knows for one.
		answer(w, redactor.Findings(append([]doctor.Finding{f}, findings...)), err)
	})
	mux.HandleFunc("GET /cars", func(w http.ResponseWriter, r *http.Request) {
		views, err := b.Views(r.Context())
		answer(w, views, err)
	})
	mux.HandleFunc("POST /forget", func(w http.ResponseWriter, r *http.Request) {
		forgotten, err := b.Forget(r.Context(), r.PostFormValue("car"))
		answer(w, forgotten, err)
	})
	mux.HandleFunc("GET /login", func(w http.ResponseWriter, r *http.Request) {
		accounts, err := logins.accounts(r.Context())
		answer(w, accounts, err)
	})
	mux.HandleFunc("POST /login/begin", func(w http.ResponseWriter, r *http.Request) {
		address, err := logins.begin(r.Context(), r.PostFormValue("account"))
		answer(w, address, err)
	})
	mux.HandleFunc("POST /login/finish", func(w http.ResponseWriter, r *http.Request) {
		outcome, err := logins.finish(r.Context(), r.PostFormValue("pasted"))
		if outcome.Foreign {
			answer(w, outcome, nil)
			return
		}
		answer(w, outcome, err)
	})
	mux.HandleFunc("POST /login/confirm", func(w http.ResponseWriter, r *http.Request) {
		outcome, err := logins.confirm(r.Context(), r.PostFormValue("account"))
		answer(w, outcome, err)
	})
	return mux
}

// answer writes JSON, or the sentence of an error, for a program of ours that may
// have left.
func answer(w http.ResponseWriter, value any, err error) {
	if err != nil {
		status := http.StatusBadRequest
		if spent(err) {
			status = http.StatusGone
		}
		http.Error(w, err.Error(), status)
		return
	}
	_ = json.NewEncoder(w).Encode(value)
}

// names are the configured names of cars by VIN.
func names(cfg config.Config) map[string]string {
	all := map[string]string{}
	for _, a := range cfg.AccountList() {
		for _, v := range a.Vehicles {
			all[strings.ToUpper(v.VIN)] = v.Name
		}
	}
	return all
}

// spent reports whether a login needs a new address.
func spent(err error) bool {
	if e, ok := errors.AsType[*control.Error](err); ok {
		return e.Status == http.StatusGone
	}
	if e, ok := errors.AsType[*login.Error](err); ok {
		return e.Spent
	}
	_, volvos := errors.AsType[*volvo.Error](err)
	return volvos
}
