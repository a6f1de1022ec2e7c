package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"time"

	"github.com/spf13/cobra"

	"volvobridge/volvo/simulator"
)

func newSimulate() *cobra.Command {
	opts := simulator.Options{}
	var listen string
	var reference, unlimited bool
	cmd := &cobra.Command{
		Use: "simulate", Short: "Run a simulated Volvo cloud", Args: cobra.NoArgs,
		Long: `Runs a cloud with three cars that live (an electric one, a plug-in hybrid and one
with petrol), which answers as Volvo's does: the APIs, the limits, the login.

` + simulator.FaultHelp,
		Example: "  volvobridge simulate --listen 127.0.0.1:8800",
		RunE: func(cmd *cobra.Command, _ []string) error {
			if opts.Factor <= 0 {
				return &exitError{exitConfig, errors.New("--factor must be more than 0")}
			}
			if reference {
				opts.Form = simulator.Reference
			}
			if unlimited {
				opts.PerMinute, opts.CommandsPerMinute, opts.PerDay = -1, -1, -1
			}
			l, err := net.Listen("tcp", listen)
			if err != nil {
				if _, _, bad := net.SplitHostPort(listen); bad != nil {
					err = errors.New("write host:port, such as 127.0.0.1:8811")
				}
				return &exitError{exitFailure, fmt.Errorf("--listen: %w", err)}
			}
			return simulate(cmd.Context(), opts, l, cmd.OutOrStdout())
		},
	}
	f := cmd.Flags()
	f.StringVar(&listen, "listen", "127.0.0.1:8800", "the `address` to listen on")
	f.Uint64Var(&opts.Seed, "seed", 1, "of the cars' lives")
	f.Float64Var(&opts.Factor, "factor", 1, "how many times faster than a clock the cars live")
	f.BoolVar(&reference, "reference", false, "answer as the published reference prints it")
	f.BoolVar(&unlimited, "unlimited", false, "no limits of calls")
	f.IntVar(&opts.PerMinute, "per-minute", 0, "limit of calls a minute (Volvo's: 100)")
	f.IntVar(&opts.CommandsPerMinute, "commands-per-minute", 0, "limit of commands a minute (Volvo's: 10)")
	f.IntVar(&opts.PerDay, "per-day", 0, "limit of calls a day (Volvo's: 10000)")
	f.DurationVar(&opts.OAuth.Life, "token-life", 0, "of an access token (Volvo's: 299s)")
	f.DurationVar(&opts.OAuth.Grace, "grace", 0, "how long a used refresh token is still good")
	f.StringSliceVar(&opts.OAuth.Published, "scopes", nil, "the scopes that the application published (all)")
	return cmd
}

// simulate serves a cloud until ctx ends.
func simulate(ctx context.Context, opts simulator.Options, l net.Listener, out io.Writer) error {
	cloud := simulator.New(opts)
	fmt.Fprintf(out, "The simulated cloud listens on %s\n\n", l.Addr())
	fmt.Fprintf(out, "  volvo:\n    api_url: http://%s\n    api_key: %s\n    access_token: %s\n\n", reachable(l.Addr()), cloud.Key(), cloud.AccessToken())
	fmt.Fprintf(out, "or, to log in:\n\n  volvo:\n    api_url: http://%[1]s\n    api_key: %[2]s\n    client_id: simulated-client\n    client_secret: simulated-secret\n"+
		"    auth_url: http://%[1]s/as/authorization.oauth2\n    token_url: http://%[1]s/as/token.oauth2\n\n", reachable(l.Addr()), cloud.Key())
	for _, vin := range cloud.VINs() {
		cloud.Car(vin, func(c *simulator.Car) { fmt.Fprintf(out, "  %s  %s\n", vin, c.Model()) })
	}
	fmt.Fprintf(out, "\n  Faults: volvobridge simulate --help\n")
	stop := serveCloud(cloud, l)
	<-ctx.Done()
	stop()
	return nil
}

// serveCloud serves a cloud on a listener and returns its stop.
func serveCloud(cloud http.Handler, l net.Listener) func() {
	server := &http.Server{Handler: cloud, ReadHeaderTimeout: 5 * time.Second, ErrorLog: log.New(io.Discard, "", 0)}
	done := make(chan struct{})
	go func() {
		defer close(done)
		if err := server.Serve(l); !errors.Is(err, http.ErrServerClosed) {
			log.Print(err)
		}
	}()
	return func() {
		_ = server.Close() // what is under way is simulated too
		<-done
	}
}
