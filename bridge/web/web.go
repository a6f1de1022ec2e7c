// Package web serves HTTP: the page on which a person sees the cars, sends commands, sets
// the bridge up, logs in and finds out what is wrong; whether the bridge is healthy and
// ready; and metrics.
//
// A page is rendered here, whole, and readable without JavaScript. Parts of it are sent
// again over a stream of server-sent events when they change. Every link is relative, so
// that the page works below any path of a proxy.
package web

import (
	"context"
	"fmt"
	"net"
	"net/http"
	"net/netip"
	"slices"
	"strings"
	"sync"
	"time"
)

// Options configure the site.
type Options struct {
	// Healthy and Ready return nil or why not.
	Healthy, Ready func() error
	// Hosts are further names that a request's Host may have, beside loopback's.
	Hosts []string
	// Password guards the pages, plain or as a bcrypt hash; empty: none.
	Password string
	// PublicMetrics lets everybody read the metrics.
	PublicMetrics bool
	// Proxy is the address of the proxy that asks for a password itself and shows the page
	// in a frame: Home Assistant's ingress. Without a Password nobody else is let in, but for
	// this machine. The zero address: there is no proxy.
	Proxy netip.Addr
	// Language of the pages; empty: the browser's.
	Language string
	// Version is the program's.
	Version string

	// Bridge is the running bridge; nil: none runs yet.
	Bridge Bridge
	// Login logs accounts in; nil: there is none to log in.
	Login Login
	// LoginOrigins are where the login's form may lead: the origins of Volvo's own pages.
	LoginOrigins []string
	// RedirectURL is what an address begins with that a login ends on.
	RedirectURL string
	// Check examines everything; nil: nobody can.
	Check Check
	// Log returns the last lines of the log, the oldest first; nil: there is none.
	Log Log
	// Setup takes a first configuration; nil: there is one.
	Setup Setup
	// Redact masks what must not be seen in what Volvo answered; nil: nothing is shown.
	Redact func(string) string
	// Warn is told of wrong passwords: what, from where, and how often since it was
	// told last; at most once a minute. Nil: nobody is.
	Warn func(what, from string, times int)
}

// site is the handler of all paths.
type site struct {
	opts    Options
	gate    *gate
	pages   []page
	handler http.Handler
	streams streams

	mu       sync.Mutex
	last     View
	lastAt   time.Time
	cost     time.Duration // of the last view
	rendered map[string]rendered
}

// New returns the handler of all paths. Its streams end with ctx.
func New(ctx context.Context, opts Options) http.Handler {
	s := &site{opts: opts, gate: newGate(opts.Password, opts.Warn), streams: streams{end: ctx.Done()}, rendered: map[string]rendered{}}
	mux := http.NewServeMux()
	mux.HandleFunc("GET /healthz", report(opts.Healthy))
	mux.HandleFunc("GET /readyz", report(opts.Ready))
	mux.HandleFunc("GET /icon.svg", icon)
	mux.HandleFunc("POST /enter", s.enter)
	mux.HandleFunc("POST /leave", s.leave)
	if opts.Bridge != nil {
		s.pages = append(s.pages, page{"", "Cars", carsPage, true}, page{"why", "Why", whyPage, true}, page{"commands", "Commands", commandsPage, false}, page{"entities", "Entities", entitiesPage, true})
		mux.HandleFunc("GET /{$}", s.guard(s.show(s.pages[0])))
		mux.HandleFunc("GET /setup", func(w http.ResponseWriter, _ *http.Request) { seeOther(w, "./") }) // from a set-up that has ended
		mux.HandleFunc("POST /cars/{car}/{entity}", s.guard(s.command))
		mux.HandleFunc("GET /cars/{car}/picture/{kind}", s.guard(s.picture))
		mux.HandleFunc("GET /metrics", s.guardMetrics(s.metrics()))
	}
	if opts.Setup != nil {
		s.pages = append(s.pages, page{"setup", "Set-up", setupPage, false})
		mux.HandleFunc("GET /{$}", s.guard(func(w http.ResponseWriter, _ *http.Request) { seeOther(w, "setup") }))
		mux.HandleFunc("POST /setup/{step}", s.guard(s.takeSetup))
	}
	if opts.Login != nil && opts.Setup == nil {
		s.pages = append(s.pages, page{"login", "Login", loginPage, false})
	}
	if opts.Check != nil {
		s.pages = append(s.pages, page{"check", "Check", checkPage, false})
		mux.HandleFunc("POST /check", s.guard(func(w http.ResponseWriter, _ *http.Request) { opts.Check.Start(); seeOther(w, "check") }))
		mux.HandleFunc("GET /check/bundle", s.guard(s.bundle))
	}
	if opts.Log != nil {
		s.pages = append(s.pages, page{"log", "Log", logPage, false})
	}
	for _, p := range s.pages {
		if p.path != "" {
			mux.HandleFunc("GET /"+p.path, s.guard(s.show(p)))
		}
	}
	if opts.Login != nil {
		s.loginPaths(mux)
	}
	mux.HandleFunc("GET /stream", s.guard(s.stream))
	s.handler = s.knownHost(s.insiders(http.NewCrossOriginProtection().Handler(bounded(mux))))
	return s
}

// ServeHTTP implements [http.Handler].
func (s *site) ServeHTTP(w http.ResponseWriter, r *http.Request) { s.handler.ServeHTTP(w, r) }

// show answers with a page.
func (s *site) show(p page) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		sheet := s.sheet(r)
		if err := sheet.look(r.Context()); err != nil {
			s.busy(w)
			return
		}
		sheet.write(w, http.StatusOK, sheet.t(p.title), p.path, p.body(sheet))
	}
}

func (s *site) busy(w http.ResponseWriter) {
	w.Header().Set("Retry-After", "2")
	http.Error(w, "the bridge is busy or stops; try again in a moment", http.StatusServiceUnavailable)
}

const (
	patience = 5 * time.Second        // for the loop of the bridge
	young    = 100 * time.Millisecond // a view may serve several who ask
	share    = 20                     // of the loop's time, one in so many goes into views
)

// look fills in the view. The loop is asked rarely enough that commands don't notice.
func (s *sheet) look(ctx context.Context) error {
	site := s.site
	if site.opts.Bridge == nil {
		return nil
	}
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	site.mu.Lock()
	defer site.mu.Unlock()
	began := time.Now()
	if began.Sub(site.lastAt) > max(young, share*site.cost) || s.request.Method != http.MethodGet {
		view, err := site.opts.Bridge.View(ctx)
		if err != nil {
			return err
		}
		site.last, site.lastAt, site.cost = view, time.Now(), time.Since(began)
	}
	s.view = site.last
	return nil
}

// car finds a car of the view by its level in topics.
func (s *sheet) car(level string) *Car {
	for i := range s.view.Cars {
		if s.view.Cars[i].Level == level {
			return &s.view.Cars[i]
		}
	}
	return nil
}

func (s *site) picture(w http.ResponseWriter, r *http.Request) {
	data, mediaType := s.opts.Bridge.Picture(r.Context(), r.PathValue("car"), r.PathValue("kind"))
	if !slices.Contains([]string{"image/png", "image/jpeg", "image/webp"}, mediaType) {
		http.NotFound(w, r)
		return
	}
	s.protect(w, r)
	w.Header().Set("Cache-Control", "private, max-age=300")
	w.Header().Set("Content-Type", mediaType)
	_, _ = w.Write(data) // the browser may have left
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
	var crowd crowd
	return &http.Server{Handler: h, ReadHeaderTimeout: 5 * time.Second, ReadTimeout: 30 * time.Second, WriteTimeout: 30 * time.Second,
		IdleTimeout: time.Minute, MaxHeaderBytes: 16 << 10, ConnState: crowd.changed}
}

// crowd bounds the connections: when there are too many, the oldest that has not asked
// for anything yet is closed, so that whoever asks is always answered.
type crowd struct {
	mu      sync.Mutex
	silent  []net.Conn // that asked for nothing yet, the oldest first
	talking map[net.Conn]bool
}

const mostConnections = 250

func (c *crowd) changed(conn net.Conn, state http.ConnState) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.talking == nil {
		c.talking = map[net.Conn]bool{}
	}
	c.silent = slices.DeleteFunc(c.silent, func(x net.Conn) bool { return x == conn })
	switch state {
	case http.StateNew, http.StateIdle:
		delete(c.talking, conn)
		c.silent = append(c.silent, conn)
	case http.StateActive:
		c.talking[conn] = true
	default:
		delete(c.talking, conn)
	}
	if len(c.silent) > 0 && len(c.silent)+len(c.talking) > mostConnections {
		oldest := c.silent[0]
		c.silent = c.silent[1:]
		oldest.Close()
	}
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

// proxied tells whether a request comes through Home Assistant's ingress. A header says
// nothing: anybody can send one.
func (s *site) proxied(r *http.Request) bool {
	from, err := netip.ParseAddrPort(r.RemoteAddr)
	return err == nil && s.opts.Proxy.IsValid() && from.Addr().Unmap() == s.opts.Proxy
}

// knownHost turns away requests for names that are not ours: a page elsewhere
// could have its own name point here.
func (s *site) knownHost(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		host := r.Host
		if name, _, err := net.SplitHostPort(host); err == nil {
			host = name
		}
		host = strings.ToLower(strings.Trim(host, "[]"))
		ip := net.ParseIP(host)
		// An address can't be pointed elsewhere; only names can.
		if ip != nil || host == "localhost" || s.proxied(r) || slices.ContainsFunc(s.opts.Hosts, func(h string) bool { return strings.EqualFold(h, host) }) {
			next.ServeHTTP(w, r)
			return
		}
		http.Error(w, "this is not a name of this bridge; add it to http.hosts", http.StatusMisdirectedRequest)
	})
}
