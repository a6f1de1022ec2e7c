package systemd

import (
	"context"
	"errors"
	"net"
	"path/filepath"
	"sync/atomic"
	"testing"
	"time"
)

// TestNotify: what systemd hears, in order; the watchdog hears nothing from one that is ill.
func TestNotify(t *testing.T) {
	socket := filepath.Join(t.TempDir(), "notify")
	conn, err := net.ListenUnixgram("unixgram", &net.UnixAddr{Name: socket, Net: "unixgram"})
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	hear := func() string {
		b := make([]byte, 200)
		_ = conn.SetReadDeadline(time.Now().Add(20 * time.Second))
		n, err := conn.Read(b)
		if err != nil {
			t.Fatal(err)
		}
		return string(b[:n])
	}
	variables := map[string]string{"NOTIFY_SOCKET": socket, "WATCHDOG_USEC": "30000"}
	n := New(func(name string) string { return variables[name] })
	n.Ready("running")
	if got := hear(); got != "READY=1\nSTATUS=running" {
		t.Errorf("%q", got)
	}
	var ill atomic.Bool
	asked := make(chan bool)
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan struct{})
	go func() {
		n.Feed(ctx, func() error {
			if ill.Load() {
				select {
				case asked <- true:
				case <-ctx.Done():
				}
				return errors.New("the loop does not turn")
			}
			return nil
		})
		close(done)
	}()
	if got := hear() + hear(); got != "WATCHDOG=1WATCHDOG=1" {
		t.Errorf("%q", got)
	}
	ill.Store(true)
	<-asked
	<-asked
	cancel()
	<-done
	n.Stopping()
	for got := hear(); got != "STOPPING=1"; got = hear() {
		if got != "WATCHDOG=1" { // from before it fell ill
			t.Errorf("%q", got)
		}
	}
	New(func(string) string { return "" }).Feed(context.Background(), func() error { t.Error("asked without a watchdog"); return nil })
	New(func(string) string { return "" }).Ready("nobody hears it")
}
