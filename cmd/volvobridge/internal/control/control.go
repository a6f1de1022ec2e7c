// Package control is the socket in the store's folder on which a running bridge answers
// the other commands of the program: HTTP, for who can read the store.
package control

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
	"volvobridge/bridge/web"

	"github.com/rs/zerolog"
)

// socketFile is where a running bridge answers other commands of the program.
const (
	socketFile = "control.sock"
	timeout    = 5 * time.Minute // a doctor's round takes its time
)

// Serve answers on the control socket. Without it the bridge runs too, so
// a failure is only told.
func Serve(store string, handler http.Handler, log zerolog.Logger) func() {
	path := filepath.Join(store, socketFile)
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
	server.WriteTimeout = timeout
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

// Error is a sentence of the running bridge.
type Error struct {
	Status int
	text   string
}

// Error implements error.
func (e *Error) Error() string { return e.text }

// ErrNoBridge says that nobody answers on the control socket.
var ErrNoBridge = errors.New("no bridge is running")

// Ask asks a running bridge for JSON.
func Ask(ctx context.Context, store string, path string, into any) error {
	return Call(ctx, store, http.MethodGet, path, nil, into)
}

// Call makes a request to a running bridge; a form is posted.
func Call(ctx context.Context, store string, method, path string, form url.Values, into any) error {
	socket := filepath.Join(store, socketFile)
	client := http.Client{Timeout: timeout, Transport: &http.Transport{
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
		return ErrNoBridge
	case err != nil:
		return err
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		text, _ := io.ReadAll(io.LimitReader(resp.Body, 4<<10)) // an empty sentence says it too
		return &Error{resp.StatusCode, strings.TrimSpace(string(text))}
	}
	return json.NewDecoder(io.LimitReader(resp.Body, 10<<20)).Decode(into)
}
