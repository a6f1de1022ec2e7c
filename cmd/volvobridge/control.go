package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	"github.com/rs/zerolog"

	"volvobridge/bridge"
	"volvobridge/bridge/store"
	"volvobridge/bridge/web"
)

// controlSocket is where a running bridge answers other commands of the program.
const controlSocket = "control.sock"

// serveControl answers on the control socket. Without it the bridge runs too, so
// a failure is only told.
func serveControl(cfg Config, st *store.Store, log zerolog.Logger) func() {
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
	mux := http.NewServeMux()
	mux.HandleFunc("GET /commands", func(w http.ResponseWriter, _ *http.Request) {
		_ = json.NewEncoder(w).Encode(bridge.Ledger(st.Commands(), names(cfg))) // to a program of ours, that may have left
	})
	server := web.Server(mux)
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

// names are the configured names of cars by VIN.
func names(cfg Config) map[string]string {
	all := map[string]string{}
	for _, v := range cfg.Volvo.Vehicles {
		all[strings.ToUpper(v.VIN)] = v.Name
	}
	return all
}

// errNoBridge: nobody answers on the control socket.
var errNoBridge = errors.New("no bridge is running")

// askBridge asks a running bridge for JSON.
func askBridge(ctx context.Context, cfg Config, path string, into any) error {
	socket := filepath.Join(cfg.Store, controlSocket)
	client := http.Client{Timeout: 10 * time.Second, Transport: &http.Transport{
		DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
			return (&net.Dialer{}).DialContext(ctx, "unix", socket)
		}}}
	defer client.CloseIdleConnections()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://bridge"+path, nil)
	if err != nil {
		return err
	}
	resp, err := client.Do(req)
	switch {
	case errors.Is(err, os.ErrNotExist) || errors.Is(err, syscall.ECONNREFUSED):
		return errNoBridge
	case err != nil:
		return err
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		return fmt.Errorf("the running bridge answered %d", resp.StatusCode)
	}
	return json.NewDecoder(io.LimitReader(resp.Body, 10<<20)).Decode(into)
}
