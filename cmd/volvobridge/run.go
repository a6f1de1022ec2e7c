package main

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	stdlog "log"
	"net"
	"net/http"
	"os"
	"strings"
	"syscall"
	"time"

	"github.com/rs/zerolog"
	"github.com/spf13/cobra"

	"volvobridge/bridge"
	"volvobridge/bridge/account"
	"volvobridge/bridge/login"
	"volvobridge/bridge/schedule"
	"volvobridge/bridge/store"
	"volvobridge/bridge/web"
	"volvobridge/cmd/volvobridge/internal/config"
	"volvobridge/cmd/volvobridge/internal/control"
	"volvobridge/cmd/volvobridge/internal/redact"
)

func newRun() *cobra.Command {
	var file string
	cmd := &cobra.Command{
		Use: "run", Short: "Run the bridge", Args: cobra.NoArgs,
		Long:    "Runs the bridge until it gets SIGTERM or SIGINT.",
		Example: "  volvobridge run -c config.yaml",
		RunE: func(cmd *cobra.Command, _ []string) error {
			cfg, err := config.Load(file)
			if err != nil {
				return err
			}
			return runBridge(cmd.Context(), cfg, cmd.ErrOrStderr())
		},
	}
	configFlag(cmd, &file)
	return cmd
}

// runBridge builds everything of the configuration and runs it.
func runBridge(ctx context.Context, cfg config.Config, stderr io.Writer) error {
	redactor := redact.New(stderr)
	log := newLog(cfg.Log, redactor)
	tellSecrets(cfg, redactor)
	tlsCfg, err := tlsConfig(cfg.MQTT)
	if err != nil {
		return &exitError{exitConfig, err}
	}
	st, err := store.Open(cfg.Store)
	if err != nil {
		return &exitError{exitFailure, err}
	}
	for _, w := range cfg.Warnings {
		log.Warn().Msg(w)
	}
	for _, note := range st.Mended() {
		log.Warn().Str("hint", "log in again if you do not trust those who could read it").Msg(note)
	}
	for _, aside := range st.Notes() {
		log.Warn().Str("file", aside).Str("hint", "what could be read of it was kept").Msg("a broken file was set aside")
	}
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
	b := bridge.New(bridgeOptions(cfg, st, log, redactor, tlsCfg, chains))
	logins := localLogins{chains}
	healthy := b.Healthy
	if own != nil {
		healthy = func() error { return errors.Join(b.Healthy(), own.Healthy()) }
	}
	stop, err := serve(cfg, b, healthy, logins, log)
	if err != nil {
		return &exitError{exitFailure, errors.Join(err, st.Close())}
	}
	stopControl := control.Serve(cfg.Store, controlHandler(cfg, st, b, logins, redactor), log)
	v, _ := buildVersion()
	log.Info().Str("version", v).Msg("started")
	err = b.Run(ctx)
	stopControl()
	stop()
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

func newLog(cfg config.Log, out io.Writer) zerolog.Logger {
	level, err := zerolog.ParseLevel(cfg.Level)
	if err != nil {
		level = zerolog.InfoLevel // checked with the configuration
	}
	if cfg.Format == "console" {
		out = zerolog.ConsoleWriter{Out: out, TimeFormat: time.DateTime, NoColor: os.Getenv("NO_COLOR") != "" || !terminal()}
	}
	return zerolog.New(out).Level(level).With().Timestamp().Logger()
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
		Accounts: accounts(cfg, st, chains),
		MQTT: bridge.MQTT{URL: cfg.MQTT.URL, Username: cfg.MQTT.Username, Password: cfg.MQTT.Password,
			ClientID: cfg.MQTT.ClientID, Topic: cfg.MQTT.Topic, TLS: tlsCfg},
		HomeAssistant: bridge.HomeAssistant{Discovery: cfg.HomeAssistant.Discovery, Prefix: cfg.HomeAssistant.Prefix, StatusTopic: cfg.HomeAssistant.StatusTopic, Language: cfg.HomeAssistant.Language},
		Polling: account.Polling{DailyQuota: cfg.Polling.DailyQuota, Reserve: cfg.Polling.Reserve, PerMinute: cfg.Polling.PerMinute,
			Rules: schedule.Rules{Profile: schedule.Profile(cfg.Polling.Profile), Intervals: cfg.Polling.Intervals, MinInterval: cfg.Polling.MinInterval}},
		Commands: bridge.Commands{Allow: cfg.Commands.Allow, PIN: cfg.Commands.PIN, MaxAge: cfg.Commands.MaxAge,
			AllowPlain: cfg.Commands.AllowPlain, PerMinute: cfg.Commands.PerMinute},
		Store: st, Log: log, Secret: redactor.VIN, Version: v, Host: hostName(),
	}
}

// hostName is this machine's name; empty if nobody knows.
func hostName() string {
	name, _ := os.Hostname() // only for people
	return name
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

// serverLog has net/http's own lines go through our log, which masks and counts.
func serverLog(log zerolog.Logger) *stdlog.Logger {
	return stdlog.New(lineWriter{log}, "", 0)
}

type lineWriter struct{ log zerolog.Logger }

// Write implements [io.Writer].
func (w lineWriter) Write(line []byte) (int, error) {
	w.log.Debug().Str("what", strings.TrimSpace(string(line))).Msg("web server")
	return len(line), nil
}

// serve starts the web server, if there is to be one, and returns its stop.
func serve(cfg config.Config, b *bridge.Bridge, healthy func() error, logins localLogins, log zerolog.Logger) (func(), error) {
	if cfg.HTTP.Listen == "" {
		return func() {}, nil
	}
	listener, err := net.Listen("tcp", cfg.HTTP.Listen)
	if err != nil {
		if errors.Is(err, syscall.EADDRINUSE) {
			err = fmt.Errorf("%s is in use by another program", cfg.HTTP.Listen)
		}
		return nil, fmt.Errorf("http.listen: %w; choose another address, or leave it empty", err)
	}
	server := web.Server(web.New(web.Options{Healthy: healthy, Ready: b.Ready, Hosts: cfg.HTTP.Hosts, Password: cfg.HTTP.Password,
		Login: logins, Plans: b.Plans, RedirectURL: cfg.AccountList()[0].RedirectURL, Warn: func(what, from string, times int) {
			log.Warn().Str("from", from).Int("times", times).Str("hint", "if that was not you, somebody tries passwords: let fewer reach http.listen").Msg(what)
		}}))
	server.ErrorLog = serverLog(log)
	done := make(chan struct{})
	go func() {
		defer close(done)
		if err := server.Serve(listener); !errors.Is(err, http.ErrServerClosed) {
			log.Error().Err(err).Msg("the web server ended")
		}
	}()
	return func() {
		ctx, cancel := context.WithTimeout(context.Background(), time.Second)
		defer cancel()
		_ = server.Shutdown(ctx) // what is not done by then is cut
		<-done
	}, nil
}
