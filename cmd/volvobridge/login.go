package main

import (
	"bufio"
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"runtime"
	"strings"
	"sync/atomic"
	"time"

	"github.com/spf13/cobra"

	"volvobridge/bridge/login"
	"volvobridge/bridge/store"
	"volvobridge/bridge/web"
	"volvobridge/cmd/volvobridge/internal/config"
	"volvobridge/cmd/volvobridge/internal/control"
)

const (
	loginPatience = 10 * time.Minute // as long as the address is good
	loginPoll     = time.Second
)

func newLogin() *cobra.Command {
	var file, account string
	var browser bool
	cmd := &cobra.Command{
		Use: "login", Short: "Log in at Volvo ID", Args: cobra.NoArgs,
		Long: `Prints the address of Volvo's login page. After the login the browser is sent to
volvo.redirect_url: if that is this machine, all is done; else paste the address
that the browser ends on. A running bridge goes on with the new login at once.`,
		Example: "  volvobridge login -c config.yaml\n  volvobridge login --account account2",
		RunE: func(cmd *cobra.Command, _ []string) error {
			cfg, err := loadForStore(cmd.Context(), file)
			if err != nil {
				return err
			}
			p := prompt{in: cmd.InOrStdin(), out: cmd.OutOrStdout(), browser: browser}
			if err := logIn(cmd.Context(), cfg, account, p); err != nil {
				return &exitError{exitFailure, err}
			}
			return nil
		},
	}
	configFlag(cmd, &file)
	cmd.Flags().StringVar(&account, "account", "", "the `name` of the account, if there are several: account1, account2, ...")
	cmd.Flags().BoolVar(&browser, "browser", true, "open a browser, where there is one")
	return cmd
}

// prompt is the person.
type prompt struct {
	in      io.Reader
	out     io.Writer
	browser bool
}

// logIn logs an account in, through the running bridge if there is one.
func logIn(ctx context.Context, cfg config.Config, account string, p prompt) error {
	ctx, cancel := context.WithTimeout(ctx, loginPatience)
	defer cancel()
	var l logins = remoteLogins{cfg}
	var st *store.Store
	states, err := l.accounts(ctx)
	if errors.Is(err, control.ErrNoBridge) {
		if st, err = store.Open(cfg.Store); err != nil {
			return err
		}
		defer st.Close()
		chains, err := openChains(cfg, st, nil)
		if err != nil {
			return err
		}
		local := localLogins{chains}
		defer local.wait() // before the store is closed
		l = local
		if states, err = l.accounts(ctx); err != nil {
			return err
		}
	} else if err != nil {
		return err
	}
	if account, err = chooseAccount(states, account); err != nil {
		return err
	}
	s := &session{logins: l, prompt: p, account: account, done: make(chan step, 4)}
	if err := s.run(ctx); err != nil {
		return err
	}
	if st != nil && st.Problem() != nil {
		return fmt.Errorf("the login was good, but can't be kept: %w", st.Problem())
	}
	return nil
}

func chooseAccount(states []loginState, wanted string) (string, error) {
	var names, needed []string
	for _, s := range states {
		names = append(names, s.Name)
		if s.Required {
			needed = append(needed, s.Name)
		}
	}
	switch {
	case len(names) == 0:
		return "", errors.New("volvo.access_token is set: there is nothing to log in to; set client_id and client_secret instead")
	case wanted != "":
		return wanted, nil
	case len(names) == 1:
		return names[0], nil
	case len(needed) == 1:
		return needed[0], nil
	}
	return "", fmt.Errorf("there are several accounts; name one with --account: %s", strings.Join(names, ", "))
}

// session is one login on the screen.
type session struct {
	logins
	prompt
	account string
	before  time.Time // the login of before
	done    chan step
	asked   atomic.Bool // whether a login is to be used that listed none of the cars
}

// step is something that ended: a paste, a redirect, a login elsewhere.
type step struct {
	outcome login.Outcome
	err     error
	ended   bool // nothing more can be typed
}

func (s *session) run(ctx context.Context) error {
	address, err := s.begin(ctx, s.account)
	if err != nil {
		return err
	}
	s.before = s.loggedIn(ctx)
	stop, listening := s.listen(ctx, address.RedirectURL)
	defer stop()
	s.show(address, listening)
	go s.type_(ctx)
	go s.watch(ctx)
	typing, last := true, error(nil)
	for {
		var e step
		select {
		case e = <-s.done:
		case <-ctx.Done():
			if errors.Is(ctx.Err(), context.DeadlineExceeded) {
				return errors.New("nobody logged in within 10 minutes; run volvobridge login again")
			}
			return errors.New("stopped before the login was done")
		}
		switch {
		case e.ended && last != nil:
			return errors.New("nobody logged in")
		case e.ended && !listening && !s.remote():
			return errors.New("nobody can paste here, and nothing answers on volvo.redirect_url; run it in a terminal")
		case e.ended:
			typing = false
			fmt.Fprintf(s.out, "\nNobody can paste here; waiting for the browser until %s.\n", address.Until.Local().Format("15:04"))
		case e.outcome.Foreign && typing:
			last = errors.New("the login listed none of the cars")
			s.asked.Store(true)
			fmt.Fprint(s.out, "\nThis login lists none of your cars, so the one before is kept and used. If it is meant, type yes\nand press Enter; else run volvobridge login again with the Volvo ID that they are linked to.\n")
		case e.outcome.Foreign:
			return errors.New("this login lists none of your cars; the one before is kept and used")
		case e.err != nil && !typing:
			return e.err
		case e.err != nil:
			last = e.err
			fmt.Fprintf(s.out, "\nThat did not work: %v.\n", e.err)
			if !spent(e.err) {
				fmt.Fprintln(s.out, "\nPaste again:")
				continue
			}
			if address, err = s.begin(ctx, s.account); err != nil {
				return err
			}
			s.show(address, listening)
		case e.outcome.Next != nil:
			fmt.Fprintf(s.out, "\nYour application has not published every scope. Without these it can go on:\n%s", bullets(e.outcome.Lost))
			s.show(*e.outcome.Next, listening)
		case e.outcome.Done:
			fmt.Fprintf(s.out, "\nLogged in: %s. A running bridge goes on at once; else start one: volvobridge run.\n", e.outcome.Account)
			if len(e.outcome.Lost) > 0 {
				fmt.Fprintf(s.out, "Volvo did not grant:\n%s", bullets(e.outcome.Lost))
			}
			return nil
		}
	}
}

// remote: a running bridge may take the redirect itself.
func (s *session) remote() bool {
	_, remote := s.logins.(remoteLogins)
	return remote
}

func bullets(lines []string) string {
	var b strings.Builder
	for _, line := range lines {
		fmt.Fprintf(&b, "  - %s\n", line)
	}
	return b.String()
}

// show prints an address and opens it where there is a browser.
func (s *session) show(a login.Address, listening bool) {
	fmt.Fprintf(s.out, "\nOpen this address in a browser and log in with your Volvo ID, within ten minutes:\n\n  %s\n\n", a.URL)
	if !listening {
		fmt.Fprintf(s.out, "Afterwards the browser is sent to %s, which it may not be able to open: that is all right.\n", a.RedirectURL)
	}
	fmt.Fprintf(s.out, "If the page says \"invalid redirect_uri\", volvo.redirect_url is not the registered one; if it says\n\"unknown or invalid client_id\", compare client_id, and look whether the application is published.\n\n")
	fmt.Fprintf(s.out, "If nothing happens here afterwards, paste the address that the browser ended on, and press Enter:\n")
	if s.browser {
		openBrowser(a.URL)
	}
}

// openBrowser opens a page where there is a screen. Where not, the address is
// printed anyway.
func openBrowser(address string) {
	name := ""
	switch {
	case runtime.GOOS == "darwin":
		name = "open"
	case os.Getenv("DISPLAY") != "" || os.Getenv("WAYLAND_DISPLAY") != "":
		name = "xdg-open"
	default:
		return
	}
	cmd := exec.Command(name, address)
	if cmd.Start() == nil {
		go func() { _ = cmd.Wait() }() // its end says nothing
	}
}

// listen answers on the redirect address, if that is this machine. In a running
// bridge it is its own web server that answers.
func (s *session) listen(ctx context.Context, redirect string) (stop func(), listening bool) {
	u, err := url.Parse(redirect)
	if err != nil || u.Scheme != "http" || !config.Loopback(u.Hostname()) || u.Port() == "" {
		return func() {}, false
	}
	hosts := []string{u.Hostname()}
	if u.Hostname() == "localhost" { // a browser may take either
		hosts = []string{"127.0.0.1", "::1"}
	}
	answer := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		host, _, err := net.SplitHostPort(r.Host)
		if err != nil {
			host = r.Host
		}
		if !config.Loopback(strings.Trim(host, "[]")) {
			http.Error(w, "this page answers to this machine only", http.StatusMisdirectedRequest)
			return
		}
		q := r.URL.Query()
		if r.Method != http.MethodGet || cmp.Or(r.URL.Path, "/") != cmp.Or(u.Path, "/") || q.Get("code") == "" && q.Get("error") == "" {
			http.Error(w, "this page is for Volvo's answer to a login", http.StatusNotFound)
			return
		}
		outcome, err := s.finish(ctx, "http://"+r.Host+r.URL.RequestURI())
		w.Header().Set("Cache-Control", "no-store")
		w.Header().Set("Referrer-Policy", "no-referrer")
		text := "Logged in. You can close this page."
		if err != nil {
			w.WriteHeader(http.StatusBadRequest)
			text = "That did not work: " + err.Error() + "."
		} else if outcome.Foreign {
			text = "This login lists none of your cars. The terminal asks whether it is meant."
		} else if outcome.Next != nil {
			text = "Your application lacks a scope. The terminal shows a second address."
		}
		fmt.Fprintln(w, text)
		if f, ok := w.(http.Flusher); ok {
			f.Flush() // before the program ends
		}
		if err == nil || outcome.Foreign || spent(err) { // else it was not about a login of ours: anybody can call this
			s.done <- step{outcome: outcome, err: err}
		}
	})
	server := web.Server(answer)
	for _, host := range hosts {
		l, err := net.Listen("tcp", net.JoinHostPort(host, u.Port()))
		if err != nil {
			continue // IPv6 may be off; a running bridge answers there itself
		}
		listening = true
		go func() { _ = server.Serve(l) }() // ends with Shutdown
	}
	return func() {
		ctx, cancel := context.WithTimeout(context.Background(), time.Second)
		defer cancel()
		_ = server.Shutdown(ctx) // what is left is cut with the program
	}, listening
}

// type_ takes what is pasted, a line each.
func (s *session) type_(ctx context.Context) {
	lines := bufio.NewScanner(s.in)
	for lines.Scan() {
		if strings.TrimSpace(lines.Text()) == "" {
			continue
		}
		if s.asked.Load() && strings.EqualFold(strings.TrimSpace(lines.Text()), "yes") {
			outcome, err := s.confirm(ctx, s.account)
			s.done <- step{outcome: outcome, err: err}
			continue
		}
		outcome, err := s.finish(ctx, lines.Text())
		s.done <- step{outcome: outcome, err: err}
	}
	s.done <- step{ended: true}
}

// watch notices a login that the running bridge took itself.
func (s *session) watch(ctx context.Context) {
	for {
		select {
		case <-time.After(loginPoll):
		case <-ctx.Done():
			return
		}
		if at := s.loggedIn(ctx); !at.IsZero() && at.After(s.before) {
			time.Sleep(loginPoll / 2) // let one that was made here tell it itself
			s.done <- step{outcome: login.Outcome{Account: s.account, Done: true}}
			return
		}
	}
}

func (s *session) loggedIn(ctx context.Context) time.Time {
	states, _ := s.accounts(ctx) // asked again in a moment
	for _, state := range states {
		if state.Name == s.account {
			return state.LoggedIn
		}
	}
	return time.Time{}
}

// remoteLogins are those of the running bridge.
type remoteLogins struct{ cfg config.Config }

func (r remoteLogins) accounts(ctx context.Context) (states []loginState, err error) {
	err = control.Ask(ctx, r.cfg.Store, "/login", &states)
	return states, err
}

func (r remoteLogins) begin(ctx context.Context, account string) (a login.Address, err error) {
	err = control.Call(ctx, r.cfg.Store, http.MethodPost, "/login/begin", url.Values{"account": {account}}, &a)
	return a, err
}

func (r remoteLogins) confirm(ctx context.Context, account string) (o login.Outcome, err error) {
	err = control.Call(ctx, r.cfg.Store, http.MethodPost, "/login/confirm", url.Values{"account": {account}}, &o)
	return o, err
}

func (r remoteLogins) finish(ctx context.Context, pasted string) (o login.Outcome, err error) {
	err = control.Call(ctx, r.cfg.Store, http.MethodPost, "/login/finish", url.Values{"pasted": {pasted}}, &o)
	return o, err
}
