// Package systemd tells systemd how the program is, as a unit of Type=notify wants it. Where
// it is not run by systemd, it does nothing.
package systemd

import (
	"context"
	"net"
	"os"
	"strconv"
	"time"
)

// Notifier tells one systemd.
type Notifier struct {
	socket   string
	watchdog time.Duration
}

// New finds systemd by the variables that it sets.
func New(getenv func(string) string) Notifier {
	n := Notifier{socket: getenv("NOTIFY_SOCKET")}
	micros, err := strconv.ParseInt(getenv("WATCHDOG_USEC"), 10, 64)
	if pid := getenv("WATCHDOG_PID"); err == nil && micros > 0 && (pid == "" || pid == strconv.Itoa(os.Getpid())) {
		n.watchdog = time.Duration(micros) * time.Microsecond
	}
	return n
}

// Ready says that the program does its work, and how it is, in words.
func (n Notifier) Ready(status string) { n.tell("READY=1\nSTATUS=" + status) }

// Stopping says that the program ends.
func (n Notifier) Stopping() { n.tell("STOPPING=1") }

// Feed tells the watchdog that the program is well, for as long as it is; systemd starts it
// anew when it hears nothing for too long. It returns with ctx.
func (n Notifier) Feed(ctx context.Context, healthy func() error) {
	if n.socket == "" || n.watchdog == 0 {
		return
	}
	tick := time.NewTicker(n.watchdog / 3)
	defer tick.Stop()
	for {
		if healthy() == nil {
			n.tell("WATCHDOG=1")
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			return
		}
	}
}

func (n Notifier) tell(state string) {
	if n.socket == "" {
		return
	}
	name := n.socket
	if name[0] == '@' { // of the abstract kind
		name = "\x00" + name[1:]
	}
	conn, err := net.DialUnix("unixgram", nil, &net.UnixAddr{Name: name, Net: "unixgram"})
	if err != nil {
		return // nobody to tell
	}
	defer conn.Close()
	_, _ = conn.Write([]byte(state)) // systemd notices by itself that it hears nothing
}
