package main

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"net"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	"github.com/rs/zerolog"

	"volvobridge/bridge"
	"volvobridge/bridge/doctor"
	"volvobridge/bridge/login"
	"volvobridge/bridge/store"
	"volvobridge/bridge/web"
	"volvobridge/cmd/volvobridge/internal/config"
	"volvobridge/volvo"
)

// controlSocket is where a running bridge answers other commands of the program.
const (
	controlSocket  = "control.sock"
	controlTimeout = 5 * time.Minute // a doctor's round takes its time
)

// serveControl answers on the control socket. Without it the bridge runs too, so
// a failure is only told.
func serveControl(cfg config.Config, handler http.Handler, log zerolog.Logger) func() {
	path := filepath.Join(cfg.Store, controlSocket)
	_ = os.Remove(path) // of a process that was killed: we hold the lock
	l, err := net.Listen("unix", path)
	if err == nil {
		err = os.Chmod(path, 0o600)
	}
	if err != nil {
		log.Warn().Err(err).Str("hint", "a shorter path for store helps if it is too long").Msg("no control socket")
		return func() {}
	}
	server := web.Server(handler)
	server.WriteTimeout = controlTimeout
	done := make(chan struct{})
	go func() {
		defer close(done)
		_ = server.Serve(l) // ends with Close
	}()
	return func() {
		_ = server.Close()
		<-done
	}
}

// controlHandler answers the other commands of the program. Only who can read the
// store gets here.
func controlHandler(cfg config.Config, st *store.Store, b *bridge.Bridge, logins localLogins, redact *redactor) http.Handler {
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
		answer(w, redact.findings(append([]doctor.Finding{f}, findings...)), err)
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

// remoteError is a sentence of the running bridge.
type remoteError struct {
	status int
	text   string
}

func (e *remoteError) Error() string { return e.text }

// spent reports whether a login needs a new address.
func spent(err error) bool {
	if e, ok := errors.AsType[*remoteError](err); ok {
		return e.status == http.StatusGone
	}
	if e, ok := errors.AsType[*login.Error](err); ok {
		return e.Spent
	}
	_, volvos := errors.AsType[*volvo.Error](err)
	return volvos
}

// errNoBridge: nobody answers on the control socket.
var errNoBridge = errors.New("no bridge is running")

// askBridge asks a running bridge for JSON.
func askBridge(ctx context.Context, cfg config.Config, path string, into any) error {
	return callBridge(ctx, cfg, http.MethodGet, path, nil, into)
}

// callBridge makes a request to a running bridge; a form is posted.
func callBridge(ctx context.Context, cfg config.Config, method, path string, form url.Values, into any) error {
	socket := filepath.Join(cfg.Store, controlSocket)
	client := http.Client{Timeout: controlTimeout, Transport: &http.Transport{
		DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
			return (&net.Dialer{}).DialContext(ctx, "unix", socket)
		}}}
	defer client.CloseIdleConnections()
	req, err := http.NewRequestWithContext(ctx, method, "http://bridge"+path, strings.NewReader(form.Encode()))
	if err != nil {
		return err
	}
	req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	resp, err := client.Do(req)
	switch {
	case errors.Is(err, os.ErrNotExist) || errors.Is(err, syscall.ECONNREFUSED),
		errors.Is(err, syscall.EINVAL): // a path that is too long for a socket: the lock tells whether one runs
		return errNoBridge
	case err != nil:
		return err
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		text, _ := io.ReadAll(io.LimitReader(resp.Body, 4<<10)) // an empty sentence says it too
		return &remoteError{resp.StatusCode, strings.TrimSpace(string(text))}
	}
	return json.NewDecoder(io.LimitReader(resp.Body, 10<<20)).Decode(into)
}
