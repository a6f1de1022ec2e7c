package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	stdlog "log"
	"net"
	"net/http"
	"net/url"
	"os"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/rs/zerolog"

	"volvobridge/bridge"
	"volvobridge/bridge/web"
	"volvobridge/cmd/volvobridge/internal/config"
	"volvobridge/cmd/volvobridge/internal/logbook"
	"volvobridge/cmd/volvobridge/internal/redact"
	"volvobridge/cmd/volvobridge/internal/systemd"
)

// front is the web server. What it serves may change: first the set-up, then the bridge.
type front struct {
	listener net.Listener // nil: there is to be none
	server   *http.Server
	handler  atomic.Pointer[http.Handler]
	ctx      context.Context // of streams
	end      context.CancelFunc
	done     chan struct{}
	log      zerolog.Logger
	systemd  systemd.Notifier
}

// openFront listens, unless the address is empty. Until something is shown it answers that
// the bridge starts.
func openFront(address string, log zerolog.Logger) (*front, error) {
	if address == "" {
		return newFront(nil, log), nil
	}
	listener, err := net.Listen("tcp", address)
	if err != nil {
		if errors.Is(err, syscall.EADDRINUSE) {
			err = fmt.Errorf("%s is in use by another program", address)
		}
		return nil, fmt.Errorf("http.listen: %w; choose another address, or leave it empty", err)
	}
	return newFront(listener, log), nil
}

// newFront serves on a listener; nil: nowhere.
func newFront(listener net.Listener, log zerolog.Logger) *front {
	f := &front{listener: listener, log: log, done: make(chan struct{}), systemd: systemd.New(os.Getenv)}
	f.ctx, f.end = context.WithCancel(context.Background())
	if listener == nil {
		close(f.done)
		return f
	}
	f.show(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Retry-After", "1")
		http.Error(w, "the bridge starts; try again in a moment", http.StatusServiceUnavailable)
	}))
	f.server = web.Server(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { (*f.handler.Load()).ServeHTTP(w, r) }))
	f.server.ErrorLog = serverLog(f.log)
	go func() {
		defer close(f.done)
		if err := f.server.Serve(listener); !errors.Is(err, http.ErrServerClosed) {
			f.log.Error().Err(err).Msg("the web server ended")
		}
	}()
	return f
}

// show has the server serve something else.
func (f *front) show(h http.Handler) { f.handler.Store(&h) }

// feed tells systemd's watchdog that all is well, until the returned stop.
func (f *front) feed(healthy func() error) (stop func()) {
	ctx, cancel := context.WithCancel(f.ctx)
	var wg sync.WaitGroup
	wg.Go(func() { f.systemd.Feed(ctx, healthy) })
	return func() { cancel(); wg.Wait() }
}

// close ends the server.
func (f *front) close() {
	f.systemd.Stopping()
	f.end()
	if f.server != nil {
		ctx, cancel := context.WithTimeout(context.Background(), time.Second)
		defer cancel()
		_ = f.server.Shutdown(ctx) // what is not done by then is cut
		_ = f.server.Close()       // streams, if any are left
	}
	<-f.done
}

// address is the page's, for a person on this machine.
func (f *front) address() string { return "http://" + reachable(f.listener.Addr()) + "/" }

// pageAddress is the page's as others reach it: by the first of its own names, else by the
// address that it listens on, or this machine's name.
func pageAddress(cfg config.Config) string {
	if cfg.Given != nil {
		return cfg.Given.Page
	}
	h := cfg.HTTP
	host, port, err := net.SplitHostPort(h.Listen)
	if err != nil || port == "0" {
		return ""
	}
	ip := net.ParseIP(host)
	switch {
	case len(h.Hosts) > 0:
		host = h.Hosts[0]
	case host == "" || ip != nil && ip.IsUnspecified():
		host = cmp.Or(hostName(), "localhost")
	}
	return "http://" + net.JoinHostPort(host, port) + "/"
}

// siteOptions are what every site has that this program shows.
func siteOptions(cfg config.Config, log zerolog.Logger, book *logbook.Book, redactor *redact.Redactor) web.Options {
	v, _ := buildVersion()
	opts := web.Options{Hosts: cfg.HTTP.Hosts, Password: cfg.HTTP.Password, PublicMetrics: cfg.HTTP.PublicMetrics, Version: v, Log: book, Redact: redactor.Text,
		RedirectURL: cfg.AccountList()[0].RedirectURL, Warn: func(what, from string, times int) {
			log.Warn().Str("from", from).Int("times", times).Str("hint", "if that was not you, somebody tries passwords: let fewer reach http.listen").Msg(what)
		}}
	if cfg.LanguageSet {
		opts.Language = cfg.HomeAssistant.Language
	}
	if cfg.Given != nil {
		opts.Proxy = cfg.Given.Proxy
	}
	for _, a := range cfg.AccountList() {
		if u, err := url.Parse(a.RedirectURL); err == nil && u.Hostname() != "" {
			opts.Hosts = append(slices.Clone(opts.Hosts), u.Hostname()) // a login ends there
		}
		if u, err := url.Parse(a.AuthURL); err == nil && u.Host != "" && a.OAuth() {
			if origin := u.Scheme + "://" + u.Host; !slices.Contains(opts.LoginOrigins, origin) {
				opts.LoginOrigins = append(opts.LoginOrigins, origin)
			}
		}
	}
	return opts
}

// showBridge has the server serve the page of a bridge.
func (f *front) showBridge(cfg config.Config, file string, b *bridge.Bridge, healthy func() error, logins localLogins, book *logbook.Book, redactor *redact.Redactor) *checks {
	opts := siteOptions(cfg, f.log, book, redactor)
	opts.Healthy, opts.Ready, opts.Bridge, opts.Login = healthy, b.Ready, bridge.NewPage(b), logins
	examine := newChecks(f.ctx, cfg, file)
	opts.Check = examine
	f.show(web.New(f.ctx, opts))
	return examine
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
