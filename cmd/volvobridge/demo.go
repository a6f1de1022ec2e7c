package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"github.com/rs/zerolog"
	"github.com/spf13/cobra"

	"volvobridge/bridge"
	"volvobridge/bridge/store"
	"volvobridge/cmd/volvobridge/internal/broker"
	"volvobridge/cmd/volvobridge/internal/config"
	"volvobridge/cmd/volvobridge/internal/redact"
	"volvobridge/volvo"
	"volvobridge/volvo/simulator"
)

const (
	demoFactor = 30
	demoRead   = 10 * time.Second
	firstPort  = 1883
	lastPort   = 1983
)

func newDemo() *cobra.Command {
	return &cobra.Command{
		Use: "demo", Short: "See it work: no account, no car, no broker", Args: cobra.NoArgs,
		Long: `Runs everything in one process: a simulated cloud with three cars that live through
their days thirty times faster than a clock, an MQTT broker on this machine, and the
bridge between them. It needs no configuration and leaves nothing behind.`,
		Example: "  volvobridge demo",
		RunE: func(cmd *cobra.Command, _ []string) error {
			if err := demo(cmd.Context(), cmd.OutOrStdout(), cmd.ErrOrStderr()); err != nil {
				return &exitError{exitFailure, err}
			}
			return nil
		},
	}
}

// demo runs cloud, broker and bridge until ctx ends.
func demo(ctx context.Context, stdout, stderr io.Writer) (err error) {
	dir, err := os.MkdirTemp("", "volvobridge-demo-")
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(dir)) }()

	cloud := simulator.New(simulator.Options{Seed: uint64(time.Now().YearDay()), Factor: demoFactor, PerMinute: -1, CommandsPerMinute: -1, PerDay: -1})
	cloudListener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return err
	}
	defer serveCloud(cloud, cloudListener)()

	brokerListener, err := listenNear(firstPort, lastPort)
	if err != nil {
		return err
	}
	own, err := broker.Start(brokerListener, "", "", func(string, error) {})
	if err != nil {
		return err
	}
	defer own.Stop()

	cfg := demoConfig(cloud, cloudListener.Addr().String(), brokerListener.Addr().String(), dir)
	st, err := store.Open(cfg.Store)
	if err != nil {
		return err
	}
	redactor := redact.New(stderr)
	log := newLog(cfg.Log, redactor).Level(zerolog.WarnLevel)
	tellSecrets(cfg, redactor)
	chains, err := openChains(cfg, st, redactor.Token)
	if err != nil {
		return err
	}
	b := bridge.New(bridgeOptions(cfg, st, log, redactor, nil, chains))
	fmt.Fprint(stdout, demoHelp(cfg, brokerListener.Addr().String()))
	shown := make(chan struct{})
	go func() {
		defer close(shown)
		showCars(ctx, cloud, stdout)
	}()
	err = b.Run(ctx)
	<-shown
	return errors.Join(err, st.Close())
}

// listenNear takes the first free port of loopback from a range.
func listenNear(first, last int) (net.Listener, error) {
	var err error
	for port := first; port <= last; port++ {
		var l net.Listener
		if l, err = net.Listen("tcp", fmt.Sprintf("127.0.0.1:%d", port)); err == nil {
			return l, nil
		}
	}
	return nil, fmt.Errorf("no port from %d to %d is free: %w", first, last, err)
}

// demoConfig is the configuration of the demo: everything allowed, and read fast.
func demoConfig(cloud *simulator.Cloud, api, broker, dir string) config.Config {
	cfg := config.Defaults()
	cfg.Volvo.APIURL, cfg.Volvo.APIKey = "http://"+api, cloud.Key()
	cfg.Volvo.AccessToken = config.AccessToken{}
	for _, a := range volvo.APIs() {
		cfg.Volvo.AccessToken[a] = cloud.AccessToken()
	}
	for i, name := range []string{"EX30", "XC60", "XC90"} {
		cfg.Volvo.Vehicles = append(cfg.Volvo.Vehicles, config.Vehicle{VIN: cloud.VINs()[i], Name: name})
	}
	cfg.MQTT.URL = "mqtt://" + broker
	cfg.Polling.DailyQuota, cfg.Polling.Reserve, cfg.Polling.PerMinute = 1e9, 0, 1e6
	cfg.Polling.Intervals = map[volvo.Resource]time.Duration{}
	for _, r := range volvo.Resources() {
		switch r {
		case volvo.Details, volvo.Commands, volvo.EnergyCapabilities:
		case volvo.Brakes, volvo.EngineWarnings:
			cfg.Polling.Intervals[r] = time.Minute
		default:
			cfg.Polling.Intervals[r] = demoRead
		}
	}
	cfg.Commands.Allow, cfg.Commands.AllowPlain, cfg.Commands.PerMinute = volvo.AllCommands(), true, 1e6
	cfg.HTTP.Listen = ""
	cfg.Store = filepath.Join(dir, "data")
	return cfg
}

func demoHelp(cfg config.Config, broker string) string {
	host, port, _ := net.SplitHostPort(broker) // a listener's own address
	var b strings.Builder
	fmt.Fprintf(&b, "Three simulated Volvos, thirty times faster than life. Stop with Ctrl-C.\n\n")
	taken := ""
	if port != strconv.Itoa(firstPort) {
		taken = fmt.Sprintf(" (%d is in use)", firstPort)
	}
	fmt.Fprintf(&b, "  Broker           %s%s\n", broker, taken)
	fmt.Fprintf(&b, "  See everything   mosquitto_sub -p %[1]s -v -t '%[2]s/#' -T '%[2]s/+/image/+'\n", port, cfg.MQTT.Topic)
	fmt.Fprintf(&b, "  Lock a car       mosquitto_pub -p %s -t %s/ex30/lock/set -m LOCK\n", port, cfg.MQTT.Topic)
	fmt.Fprintf(&b, "  Home Assistant   Settings > Devices & services > Add integration > MQTT: broker %s, port %s;\n", host, port)
	fmt.Fprintf(&b, "                   on another machine, first: ssh -N -L %s:%s <this machine>\n\n", port, broker)
	return b.String()
}

// showCars prints a line a car whenever it does something else.
func showCars(ctx context.Context, cloud *simulator.Cloud, out io.Writer) {
	last := map[string]string{}
	for {
		for _, vin := range cloud.VINs() {
			cloud.Car(vin, func(c *simulator.Car) {
				what, details := c.Describe()
				if last[vin] != what {
					fmt.Fprintf(out, "%s  %-5s %-34s %s\n", c.Now().Format("Mon 15:04"), c.Model(), what, details)
					last[vin] = what
				}
			})
		}
		select {
		case <-time.After(500 * time.Millisecond):
		case <-ctx.Done():
			return
		}
	}
}
