package main

import (
	"context"
	"errors"
	"sync"

	"github.com/rs/zerolog"

	"volvobridge/bridge/doctor"
	"volvobridge/bridge/login"
	"volvobridge/bridge/mqtt"
	"volvobridge/bridge/store"
	"volvobridge/bridge/web"
	"volvobridge/cmd/volvobridge/internal/config"
	"volvobridge/cmd/volvobridge/internal/logbook"
	"volvobridge/cmd/volvobridge/internal/redact"
	"volvobridge/cmd/volvobridge/internal/setup"
	"volvobridge/volvo"
)

// setUp serves the page that takes a first configuration, and returns when it is written.
func (f *front) setUp(ctx context.Context, file string, cfg config.Config, st *store.Store, book *logbook.Book, redactor *redact.Redactor) error {
	applied := &application{st: st, redactor: redactor, ctx: ctx}
	steps := setup.New(file, cfg, setup.Means{
		TryBroker: func(ctx context.Context, m config.MQTT) error { return tryBroker(ctx, m, f.log) },
		FindBroker: func(ctx context.Context) (none bool, err error) {
			_, err = brokerFinder(cfg, redactor)(ctx)
			if unfound, ok := errors.AsType[*mqtt.Unfound](err); ok {
				return unfound.None, errors.New(unfound.Found + ". " + unfound.Advice)
			}
			return false, err
		},
		Tokens: applied.open, LoggedIn: applied.loggedIn,
		OAuth:  newOAuth,
		Client: func(v config.Volvo, tokens volvo.TokenSource) *volvo.Client { return newReader(v, tokens, transport()) },
		Secret: redactor.Secret, VIN: redactor.VIN,
	})
	cfg.Volvo.AccessToken = nil // the page must lead to Volvo's login
	opts := siteOptions(cfg, f.log, book, redactor)
	opts.Healthy = func() error { return nil }
	opts.Ready = func() error { return errors.New("not set up yet") }
	opts.Setup, opts.Login = steps, applied
	f.show(web.New(f.ctx, opts))
	f.systemd.Ready("not configured yet: open " + f.address())
	defer f.feed(opts.Healthy)()
	select {
	case <-ctx.Done():
	case <-steps.Done:
		f.log.Info().Msg("set up; the bridge starts")
	}
	if err := applied.close(); err != nil {
		return &exitError{exitFailure, err}
	}
	return nil
}

// tryBroker does with a broker what the bridge will.
func tryBroker(ctx context.Context, m config.MQTT, log zerolog.Logger) error {
	if m.URL == config.Embedded {
		own, err := embed(&m, log)
		if err == nil {
			own.Stop()
		}
		return err
	}
	d := &examiner{cfg: config.Defaults()}
	d.cfg.MQTT = m
	d.broker(ctx)
	for _, f := range d.findings {
		if f.Result == doctor.ResultProblem {
			return errors.New(f.Found + ". " + f.Advice)
		}
	}
	return nil
}

// application is the login of the application that was entered. It implements
// [web.Login].
type application struct {
	st       *store.Store
	redactor *redact.Redactor
	ctx      context.Context // of the program

	mu    sync.Mutex
	logIn localLogins
	stop  context.CancelFunc
	wg    sync.WaitGroup
}

// open takes another application in place of the one before.
func (a *application) open(cfg config.Config) (volvo.TokenSource, error) {
	if err := a.close(); err != nil {
		return nil, err
	}
	if !cfg.Volvo.OAuth() {
		return volvo.NewStaticTokens(cfg.Volvo.AccessToken), nil
	}
	chains, err := openChains(cfg, a.st, a.redactor.Token)
	if err != nil {
		return nil, err
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	a.logIn = localLogins{chains}
	var ctx context.Context
	ctx, a.stop = context.WithCancel(a.ctx)
	for _, c := range a.logIn.open() {
		a.wg.Go(func() { c.Run(ctx, func(login.Event) {}) })
	}
	return chains[0], nil
}

// close ends what open began, and keeps the login.
func (a *application) close() error {
	a.mu.Lock()
	logIn, stop := a.logIn, a.stop
	a.logIn, a.stop = localLogins{}, nil
	a.mu.Unlock()
	if stop != nil {
		stop()
	}
	a.wg.Wait()
	logIn.wait()
	var err error
	for _, c := range logIn.open() {
		err = errors.Join(err, c.Keep())
	}
	return err
}

func (a *application) current() localLogins {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.logIn
}

func (a *application) loggedIn() bool {
	states, _ := a.current().accounts(a.ctx) // never fails here
	return len(states) > 0 && !states[0].Required
}

// Accounts implements [web.Login].
func (a *application) Accounts() []web.LoginAccount { return a.current().Accounts() }

// Begin implements [web.Login].
func (a *application) Begin(ctx context.Context, account string) (string, error) {
	return a.current().Begin(ctx, account)
}

// Finish implements [web.Login].
func (a *application) Finish(ctx context.Context, pasted string) (web.LoginOutcome, error) {
	return a.current().Finish(ctx, pasted)
}

// Confirm implements [web.Login].
func (a *application) Confirm(ctx context.Context, account string) (web.LoginOutcome, error) {
	return a.current().Confirm(ctx, account)
}

// Published implements [web.Login].
func (a *application) Published(pasted string) bool { return a.current().Published(pasted) }
