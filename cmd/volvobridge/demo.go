package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/url"
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
	"volvobridge/cmd/volvobridge/internal/control"
	"volvobridge/cmd/volvobridge/internal/logbook"
	"volvobridge/cmd/volvobridge/internal/redact"
	"volvobridge/volvo"
	"volvobridge/volvo/simulator"
)

const (
	demoFactor = 30
	demoRead   = 3 * time.Second
	firstPort  = 1883
	lastPort   = 1983
	firstPage  = 8099
	lastPage   = 8199
	demoTopic  = "volvo-demo" // on a broker of one's own
)

func newDemo() *cobra.Command {
	var mqtt config.MQTT
	cmd := &cobra.Command{
		Use: "demo", Short: "See it work: no account, no car, no broker", Args: cobra.NoArgs,
		Long: `Runs everything in one process: a simulated cloud with three cars that live through
their days thirty times faster than a clock, an MQTT broker on this machine, the bridge
between them, and its page. It needs no configuration and leaves nothing behind.

With --mqtt the cars appear on a broker of your own, such as Home Assistant's, below a topic
of their own; at the end every trace of them is removed from it.`,
		Example: "  volvobridge demo\n  VOLVOBRIDGE_MQTT_PASSWORD=secret volvobridge demo --mqtt mqtt://homeassistant.local:1883 --username me",
		RunE: func(cmd *cobra.Command, _ []string) error {
			if err := demo(cmd.Context(), mqtt, cmd.OutOrStdout(), cmd.ErrOrStderr()); err != nil {
				return &exitError{exitFailure, err}
			}
			return nil
		},
	}
	cmd.Flags().StringVar(&mqtt.URL, "mqtt", "", "the `address` of a broker of one's own, such as mqtt://localhost:1883")
	cmd.Flags().StringVar(&mqtt.Username, "username", "", "the user `name` at that broker; its password comes from VOLVOBRIDGE_MQTT_PASSWORD")
	return cmd
}

// demo runs cloud, broker, bridge and page until ctx ends.
func demo(ctx context.Context, mqtt config.MQTT, stdout, stderr io.Writer) (err error) {
	dir, err := os.MkdirTemp("", "volvobridge-demo-")
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(dir)) }()

	cloud := simulator.New(simulator.Options{Seed: uint64(time.Now().YearDay()), Factor: demoFactor, Scene: true, PerMinute: -1, CommandsPerMinute: -1, PerDay: -1})
	cloudListener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return err
	}
	defer serveCloud(cloud, cloudListener)()

	cfg := demoConfig(cloud, cloudListener.Addr().String(), dir)
	if mqtt.URL == "" {
		stop, err := ownBroker(&cfg.MQTT)
		if err != nil {
			return err
		}
		defer stop()
	} else {
		mqtt.Password = os.Getenv("VOLVOBRIDGE_MQTT_PASSWORD")
		cfg.MQTT.URL, cfg.MQTT.Username, cfg.MQTT.Password = mqtt.URL, mqtt.Username, mqtt.Password
		cfg.MQTT.Topic, cfg.MQTT.ClientID = demoTopic, fmt.Sprintf("volvobridge-demo-%d", os.Getpid())
		if err := cfg.Check("mqtt."); err != nil {
			return err
		}
	}
	page, err := listenNear(firstPage, lastPage)
	if err != nil {
		return err
	}
	return runDemo(ctx, cfg, cloud, page, stdout, stderr)
}

// ownBroker starts the demo's own broker.
func ownBroker(m *config.MQTT) (stop func(), err error) {
	listener, err := listenNear(firstPort, lastPort)
	if err != nil {
		return nil, err
	}
	own, err := broker.Start(listener, "", "", func(string, error) {})
	if err != nil {
		return nil, err
	}
	m.URL = "mqtt://" + listener.Addr().String()
	return own.Stop, nil
}

// runDemo runs the bridge of the demo and its page.
func runDemo(ctx context.Context, cfg config.Config, cloud *simulator.Cloud, listener net.Listener, stdout, stderr io.Writer) (err error) {
	cfg.HTTP.Listen = listener.Addr().String()
	st, err := store.Open(cfg.Store)
	if err != nil {
		return errors.Join(err, listener.Close())
	}
	redactor := redact.New(stderr)
	book := logbook.New(redactor.Line)
	log := newLog(cfg.Log, zerolog.WarnLevel, redactor, book)
	tellSecrets(cfg, redactor)
	chains, err := openChains(cfg, st, redactor.Token)
	if err != nil {
		return errors.Join(err, listener.Close(), st.Close())
	}
	b := bridge.New(bridgeOptions(cfg, st, log, redactor, nil, chains))
	f := newFront(listener, log)
	logins := localLogins{chains}
	examine := f.showBridge(cfg, "the demo", b, b.Healthy, logins, book, redactor)
	stopControl := control.Serve(cfg.Store, controlHandler(cfg, st, b, logins, redactor), log)
	fmt.Fprint(stdout, demoHelp(cfg, f.address()))
	shown := make(chan struct{})
	go func() {
		defer close(shown)
		showCars(ctx, cloud, stdout)
	}()
	err = b.Run(ctx)
	<-shown
	stopControl()
	f.close()
	examine.wg.Wait()
	if cfg.MQTT.Topic == demoTopic {
		err = errors.Join(err, removeDemo(bridgeOptions(cfg, st, log, redactor, nil, chains)))
	}
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
func demoConfig(cloud *simulator.Cloud, api, dir string) config.Config {
	cfg := config.Defaults()
	cfg.Volvo.APIURL, cfg.Volvo.APIKey = "http://"+api, cloud.Key()
	cfg.Volvo.AccessToken = config.AccessToken{}
	for _, a := range volvo.APIs() {
		cfg.Volvo.AccessToken[a] = cloud.AccessToken()
	}
	for i, name := range []string{"EX30", "XC60", "XC90"} {
		cfg.Volvo.Vehicles = append(cfg.Volvo.Vehicles, config.Vehicle{VIN: cloud.VINs()[i], Name: name})
	}
	cfg.Polling.DailyQuota, cfg.Polling.Reserve, cfg.Polling.PerMinute, cfg.Polling.MinInterval = 1e9, 0, 1e6, demoRead
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
	cfg.Store = filepath.Join(dir, "data")
	return cfg
}

func demoHelp(cfg config.Config, page string) string {
	u, _ := url.Parse(cfg.MQTT.URL) // made here, or checked
	host, port := u.Hostname(), cmp.Or(u.Port(), "1883")
	at := "-p " + port
	if cfg.MQTT.Topic == demoTopic {
		at = "-h " + host + " " + at
	}
	var b strings.Builder
	fmt.Fprintf(&b, "Three simulated Volvos, thirty times faster than life. Stop with Ctrl-C.\n\n")
	taken := ""
	if port != strconv.Itoa(firstPort) && cfg.MQTT.Topic != demoTopic {
		taken = fmt.Sprintf(" (%d is in use)", firstPort)
	}
	fmt.Fprintf(&b, "  Page             %s\n", page)
	fmt.Fprintf(&b, "  Broker           %s%s\n", net.JoinHostPort(host, port), taken)
	fmt.Fprintf(&b, "  See everything   mosquitto_sub %[1]s -v -t '%[2]s/#' -T '%[2]s/+/image/+'\n", at, cfg.MQTT.Topic)
	fmt.Fprintf(&b, "  Lock a car       mosquitto_pub %s -t %s/ex30/lock/set -m LOCK\n", at, cfg.MQTT.Topic)
	if cfg.MQTT.Topic == demoTopic {
		fmt.Fprintf(&b, "  Home Assistant   shows them by itself, if it uses this broker; they go with this program\n\n")
		return b.String()
	}
	fmt.Fprintf(&b, "  Home Assistant   Settings > Devices & services > Add integration > MQTT: broker %s, port %s;\n", host, port)
	fmt.Fprintf(&b, "                   on another machine, first: ssh -N -L %s:%s:%s <this machine>\n", port, host, port)
	fmt.Fprintf(&b, "                   if it has a broker already: volvobridge demo --mqtt mqtt://<that broker>\n\n")
	return b.String()
}

// removeDemo removes the demo's cars and its bridge from a broker.
func removeDemo(opts bridge.Options) error {
	ctx, cancel := context.WithTimeout(context.Background(), removePatience)
	defer cancel()
	if err := bridge.RemoveAll(ctx, opts); err != nil {
		return fmt.Errorf("the demo's cars could not be removed from the broker: %w; start and stop the demo once more when it can be reached", err)
	}
	return nil
}

const removePatience = 20 * time.Second

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
