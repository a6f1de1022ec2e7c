package main

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"sync"
	"time"

	"github.com/rs/zerolog"
	"github.com/spf13/cobra"

	"volvobridge/bridge"
	"volvobridge/bridge/account"
	"volvobridge/bridge/login"
	"volvobridge/bridge/mqtt"
	"volvobridge/bridge/schedule"
	"volvobridge/bridge/store"
	"volvobridge/cmd/volvobridge/internal/config"
	"volvobridge/cmd/volvobridge/internal/control"
	"volvobridge/cmd/volvobridge/internal/logbook"
	"volvobridge/cmd/volvobridge/internal/redact"
)

func newRun() *cobra.Command {
	var file string
	cmd := &cobra.Command{
		Use: "run", Short: "Run the bridge", Args: cobra.NoArgs,
		Long: `Runs the bridge until it gets SIGTERM or SIGINT. Without a configuration it serves the
page that leads through the set-up: open it in a browser.`,
		Example: "  volvobridge run -c config.yaml",
		RunE:    func(cmd *cobra.Command, _ []string) error { return runFile(cmd.Context(), file, cmd.ErrOrStderr()) },
	}
	configFlag(cmd, &file)
	return cmd
}

// runFile runs the bridge of a configuration file. Without one, or with one that lacks
// what a person must enter, it first serves the page that takes it.
func runFile(ctx context.Context, file string, stderr io.Writer) error {
	cfg, err := load(ctx, file)
	lacks, incomplete := errors.AsType[*config.Incomplete](err)
	if err != nil && (!incomplete || cfg.HTTP.Listen == "" || len(cfg.Accounts) > 0) {
		return err
	}
	redactor := redact.New(stderr)
	book := logbook.New(redactor.Line)
	log := newLog(cfg.Log, zerolog.TraceLevel, redactor, book)
	tellSecrets(cfg, redactor)
	st, err := store.Open(cfg.Store)
	if err != nil {
		return &exitError{exitFailure, err}
	}
	f, err := openFront(cfg.HTTP.Listen, log)
	if err != nil {
		return &exitError{exitFailure, errors.Join(err, st.Close())}
	}
	defer f.close()
	if incomplete {
		log.Info().Str("page", f.address()).Str("missing", strings.Join(strings.Fields(lacks.Error()), " ")).Msg("not configured yet: open the page, it leads through the set-up")
		if err := f.setUp(ctx, file, cfg, st, book, redactor); err != nil || ctx.Err() != nil {
			return errors.Join(err, st.Close())
		}
		if cfg, err = load(ctx, file); err != nil {
			return errors.Join(err, st.Close())
		}
		tellSecrets(cfg, redactor)
	}
	return runBridge(ctx, cfg, file, st, f, book, redactor)
}

// runBridge builds everything of the configuration and runs it.
func runBridge(ctx context.Context, cfg config.Config, file string, st *store.Store, f *front, book *logbook.Book, redactor *redact.Redactor) error {
	log := f.log
	tlsCfg, err := tlsConfig(cfg.MQTT)
	if err != nil {
		return &exitError{exitConfig, errors.Join(err, st.Close())}
	}
	logNotes(cfg, st, log)
	chains, err := openChains(cfg, st, redactor.Token)
	if err != nil {
		return &exitError{exitFailure, errors.Join(err, st.Close())}
	}
	own, err := embed(&cfg.MQTT, log)
	if err != nil {
		return &exitError{exitFailure, errors.Join(err, st.Close())}
	}
	if own != nil {
		defer own.Stop()
	}
	opts := bridgeOptions(cfg, st, log, redactor, tlsCfg, chains)
	opts.Tried = sync.OnceFunc(func() { f.systemd.Ready("running") })
	b := bridge.New(opts)
	logins := localLogins{chains}
	healthy := b.Healthy
	if own != nil {
		healthy = func() error { return errors.Join(b.Healthy(), own.Healthy()) }
	}
	examine := f.showBridge(cfg, file, b, healthy, logins, book, redactor)
	stopControl := control.Serve(cfg.Store, controlHandler(cfg, st, b, logins, redactor), log)
	v, _ := buildVersion()
	log.Info().Str("version", v).Msg("started")
	stopFeeding := f.feed(healthy)
	err = b.Run(ctx)
	stopFeeding()
	stopControl()
	f.close()
	examine.wg.Wait()
	logins.wait()
	for _, c := range logins.open() {
		if lost := c.Keep(); lost != nil {
			log.Error().Str("account", c.Name()).Err(lost).Str("hint", "free some space, and log in again with volvobridge login").Msg("the login is lost")
			err = errors.Join(err, lost)
		}
	}
	log.Info().Msg("stopped")
	if err = errors.Join(err, st.Close()); err != nil {
		return &exitError{exitFailure, err}
	}
	return nil
}

// logNotes tells what is odd of the configuration and the store.
func logNotes(cfg config.Config, st *store.Store, log zerolog.Logger) {
	for _, w := range cfg.Warnings {
		log.Warn().Msg(w)
	}
	for _, note := range st.Mended() {
		log.Warn().Str("hint", "log in again if you do not trust those who could read it").Msg(note)
	}
	for _, aside := range st.Notes() {
		log.Warn().Str("file", aside).Str("hint", "what could be read of it was kept").Msg("a broken file was set aside")
	}
}

// newLog writes what is at least of a level to out, and each line as JSON to others.
func newLog(cfg config.Log, least zerolog.Level, out io.Writer, others ...io.Writer) zerolog.Logger {
	level, err := zerolog.ParseLevel(cfg.Level)
	if err != nil {
		level = zerolog.InfoLevel // checked with the configuration
	}
	if cfg.Format == "console" {
		out = zerolog.ConsoleWriter{Out: out, TimeFormat: time.DateTime, NoColor: os.Getenv("NO_COLOR") != "" || !terminal()}
	}
	screen := &zerolog.FilteredLevelWriter{Writer: zerolog.LevelWriterAdapter{Writer: out}, Level: least}
	return zerolog.New(zerolog.MultiLevelWriter(append(others, screen)...)).Level(level).With().Timestamp().Logger()
}

// terminal tells whether the log goes to a person's screen.
func terminal() bool {
	info, err := os.Stderr.Stat()
	return err == nil && info.Mode()&os.ModeCharDevice != 0
}

func tellSecrets(cfg config.Config, redactor *redact.Redactor) {
	for _, a := range cfg.AccountList() {
		redactor.Secret(a.ClientSecret)
		for _, key := range a.Keys() {
			redactor.Secret(key)
		}
		for _, token := range a.AccessToken {
			redactor.Secret(token)
		}
		for _, v := range a.Vehicles {
			redactor.VIN(v.VIN)
		}
	}
	for _, s := range []string{cfg.MQTT.Password, cfg.HTTP.Password, cfg.Commands.PIN} {
		redactor.Secret(s)
	}
}

func bridgeOptions(cfg config.Config, st *store.Store, log zerolog.Logger, redactor *redact.Redactor, tlsCfg *tls.Config, chains []*login.Chain) bridge.Options {
	v, _ := buildVersion()
	return bridge.Options{
		Accounts:      accountOptions(cfg, st, chains),
		MQTT:          bridge.MQTT{Address: brokerAddress(cfg.MQTT), Find: brokerFinder(cfg, redactor), ClientID: cfg.MQTT.ClientID, Topic: cfg.MQTT.Topic, TLS: tlsCfg},
		HomeAssistant: bridge.HomeAssistant{Discovery: cfg.HomeAssistant.Discovery, Prefix: cfg.HomeAssistant.Prefix, StatusTopic: cfg.HomeAssistant.StatusTopic, Language: cfg.HomeAssistant.Language},
		Polling: account.Polling{DailyQuota: cfg.Polling.DailyQuota, Reserve: cfg.Polling.Reserve, PerMinute: cfg.Polling.PerMinute,
			Rules: schedule.Rules{Profile: schedule.Profile(cfg.Polling.Profile), Intervals: cfg.Polling.Intervals, MinInterval: cfg.Polling.MinInterval}},
		Commands: bridge.Commands{Allow: cfg.Commands.Allow, PIN: cfg.Commands.PIN, MaxAge: cfg.Commands.MaxAge,
			AllowPlain: cfg.Commands.AllowPlain, PerMinute: cfg.Commands.PerMinute},
		Store: st, Log: log, Secret: redactor.VIN, Version: v, Host: hostName(), Page: pageAddress(cfg),
	}
}

// hostName is this machine's name; empty if nobody knows.
func hostName() string {
	name, _ := os.Hostname() // only for people
	return name
}

func brokerAddress(m config.MQTT) mqtt.Address {
	return mqtt.Address{URL: m.URL, Username: m.Username, Password: m.Password}
}

// brokerFinder asks Home Assistant's Supervisor for the broker; nil where the configuration
// names it. A user of one's own goes before the one that the Supervisor gives.
func brokerFinder(cfg config.Config, redactor *redact.Redactor) func(context.Context) (mqtt.Address, error) {
	if !cfg.AskBroker {
		return nil
	}
	return func(ctx context.Context) (mqtt.Address, error) {
		address, username, password, err := cfg.Given.Broker(ctx)
		redactor.Secret(password)
		if cfg.MQTT.Username != "" {
			username, password = cfg.MQTT.Username, cfg.MQTT.Password
		}
		return mqtt.Address{URL: address, Username: username, Password: password}, err
	}
}

// tlsConfig reads the broker's CA and our certificate.
func tlsConfig(m config.MQTT) (*tls.Config, error) {
	cfg := &tls.Config{MinVersion: tls.VersionTLS12}
	var err error
	if cfg.RootCAs, err = config.RootCAs(m.CAFile); err != nil {
		return nil, fmt.Errorf("mqtt.ca_file: %w", err)
	}
	if cfg.Certificates, err = config.Certificates(m.CertFile, m.KeyFile); err != nil {
		return nil, fmt.Errorf("mqtt.cert_file: %w", err)
	}
	return cfg, nil
}
