// Package web serves HTTP: whether the bridge is healthy and ready, the pages of the
// login, how the cars are polled, and metrics.
package web

import (
	"context"
	"fmt"
	"net"
	"net/http"
	"slices"
	"strings"
	"time"
)

// Options configure the handler.
type Options struct {
	// Healthy and Ready return nil or why not.
	Healthy, Ready func() error
	// Hosts are further names that a request's Host may have, beside loopback's.
	Hosts []string
	// Password guards the pages, plain or as a bcrypt hash; empty: none.
	Password string
	// Login logs accounts in.
	Login Login
	// Plans tells how the cars are read; nil: nobody knows.
	Plans func(context.Context) (Plans, error)
	// RedirectURL is what an address begins with that a login ends on.
	RedirectURL string
	// Warn is told of wrong passwords: what, from where, and how often since it was
	// told last; at most once a minute. Nil: nobody is.
	Warn func(what, from string, times int)
}

// New returns the handler of all paths.
func New(opts Options) http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /healthz", report(opts.Healthy))
	mux.HandleFunc("GET /readyz", report(opts.Ready))
	guard := newGate(opts.Password, opts.Warn)
	if opts.Plans != nil {
		mux.HandleFunc("GET /polling", guard.guard(planPage(opts.Plans)))
		mux.HandleFunc("GET /metrics", guard.guard(metrics(opts.Plans).ServeHTTP))
	}
	if opts.Login != nil {
		loginPages(mux, opts.Login, guard, opts.RedirectURL)
		mux.Handle("GET /{$}", http.RedirectHandler("/login", http.StatusFound))
	}
	return knownHost(opts.Hosts, http.NewCrossOriginProtection().Handler(bounded(mux)))
}

const maxBody = 64 << 10

// bounded keeps bodies short: what is pasted is an address.
func bounded(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Body != nil {
			r.Body = http.MaxBytesReader(w, r.Body, maxBody)
		}
		if r.Method == http.MethodPost {
			if err := r.ParseForm(); err != nil {
				http.Error(w, "what was posted can't be read, or is too long", http.StatusRequestEntityTooLarge)
				return
			}
		}
		next.ServeHTTP(w, r)
	})
}

// Server returns a server with limits for clients that dawdle.
func Server(h http.Handler) *http.Server {
	return &http.Server{Handler: h, ReadHeaderTimeout: 5 * time.Second, ReadTimeout: 30 * time.Second, WriteTimeout: 30 * time.Second,
		IdleTimeout: time.Minute, MaxHeaderBytes: 16 << 10}
}

func report(check func() error) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "text/plain; charset=utf-8")
		w.Header().Set("Cache-Control", "no-store")
		if err := check(); err != nil {
			w.WriteHeader(http.StatusServiceUnavailable)
			fmt.Fprintln(w, err)
			return
		}
		fmt.Fprintln(w, "ok")
	}
}

// knownHost turns away requests for names that are not ours: a page elsewhere
// could have its own name point here.
func knownHost(hosts []string, next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		host := r.Host
		if name, _, err := net.SplitHostPort(host); err == nil {
			host = name
		}
		host = strings.ToLower(strings.Trim(host, "[]"))
		ip := net.ParseIP(host)
		// An address can't be pointed elsewhere; only names can.
		if ip != nil || host == "localhost" || slices.ContainsFunc(hosts, func(h string) bool { return strings.EqualFold(h, host) }) {
			next.ServeHTTP(w, r)
			return
		}
		http.Error(w, "this is not a name of this bridge; add it to http.hosts", http.StatusMisdirectedRequest)
	})
}
