// Command volvobridge brings Volvos into Home Assistant over MQTT.
package main

import (
	"context"
	"fmt"
	"os"
	"os/signal"
	"runtime/debug"
	"syscall"

	"github.com/rs/zerolog"

	"volvobridge/cmd/volvobridge/internal/app"
)

// gcPercent trades a little of a processor that idles for memory that is short on
// the machines this runs on.
const gcPercent = 40

func main() {
	signals := []os.Signal{os.Interrupt, syscall.SIGTERM, syscall.SIGHUP}
	running := len(os.Args) > 1 && os.Args[1] == "run"
	if running {
		// The bridge outlives the terminal that it was started from, and the end of a pipe
		// that its log goes into.
		signal.Ignore(syscall.SIGHUP, syscall.SIGPIPE)
		signals = signals[:2]
		zerolog.ErrorHandler = func(error) {} // else it would complain to where nobody listens
	}
	ctx, stop := signal.NotifyContext(context.Background(), signals...)
	if os.Getenv("GOGC") == "" {
		debug.SetGCPercent(gcPercent)
	}
	given, err := app.Enter(os.Getenv, running)
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(exitConfig)
	}
	code := run(context.WithValue(ctx, givenKey{}, given), os.Args[1:], os.Stdout, os.Stderr)
	stop()
	os.Exit(code)
}
