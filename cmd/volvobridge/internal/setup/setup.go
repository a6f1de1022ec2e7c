// Package setup takes a first configuration from the page: it tries what is entered, keeps
// it in memory, and writes it at the end.
package setup

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net"
	"net/url"
	"slices"
	"strings"
	"sync"
	"time"

	"volvobridge/bridge/entity"
	"volvobridge/bridge/web"
	"volvobridge/cmd/volvobridge/internal/config"
	"volvobridge/volvo"
)

// Means are how the program does what a step needs.
type Means struct {
	// TryBroker connects, subscribes and publishes; the error says what does not work.
	TryBroker func(ctx context.Context, m config.MQTT) error
	// FindBroker asks Home Assistant for the broker; nil: the configuration names it. An
	// error says in words why it is not known; none tells that there is no broker.
	FindBroker func(ctx context.Context) (none bool, err error)
	// Tokens opens the login of the configuration, or its test tokens. It is called again
	// when the application changes.
	Tokens func(cfg config.Config) (volvo.TokenSource, error)
	// LoggedIn tells whether there is a login.
	LoggedIn func() bool
	// OAuth and Client speak to Volvo.
	OAuth  func(v config.Volvo) *volvo.OAuth
	Client func(v config.Volvo, tokens volvo.TokenSource) *volvo.Client
	// Secret is told what must never be logged.
	Secret func(string)
	VIN    func(string)
}

const (
	tryPatience  = 20 * time.Second
	findEvery    = 10 * time.Second
	findPatience = 3 * time.Second // while a page waits
)

// Setup is a set-up under way. It implements [web.Setup].
type Setup struct {
	file  string
	means Means
	// Done is closed when the configuration is written.
	Done chan struct{}

	mu         sync.Mutex
	cfg        config.Config
	broker     web.SetupBroker // as it was entered last
	volvo      web.SetupVolvo  // the same
	brokerDone bool
	volvoDone  bool
	tokens     volvo.TokenSource
	vins       []string
	cars       []web.SetupCar
	trouble    string
	lookedAt   time.Time // for a broker
	found      bool
	where      string
}

// New begins a set-up with what is configured already.
func New(file string, cfg config.Config, means Means) *Setup {
	v := cfg.Volvo
	return &Setup{file: file, cfg: cfg, means: means, Done: make(chan struct{}), brokerDone: cfg.AskBroker, broker: web.SetupBroker{URL: cfg.MQTT.URL, Username: cfg.MQTT.Username, Password: cfg.MQTT.Password},
		volvo: web.SetupVolvo{ClientID: v.ClientID, ClientSecret: v.ClientSecret, APIKey: v.APIKey, RedirectURL: v.RedirectURL}}
}

// State implements [web.Setup].
func (s *Setup) State(ctx context.Context) web.SetupState {
	service, none, noService := s.service(ctx)
	s.mu.Lock()
	defer s.mu.Unlock()
	v := s.cfg.Volvo
	state := web.SetupState{Broker: s.broker, BrokerDone: s.brokerDone, Found: s.listens(), Volvo: s.volvo, VolvoDone: s.volvoDone, Scopes: entity.Scopes(volvo.AllCommands()), Done: s.where != "", Where: s.where, Fixed: s.fixed()}
	state.Service, state.None, state.NoService = service && s.cfg.AskBroker, none, noService
	for _, c := range volvo.AllCommands() {
		state.Commands = append(state.Commands, web.SetupCommand{Command: c, Allowed: slices.Contains(s.cfg.Commands.Allow, c)})
	}
	if s.volvoDone && s.where == "" && (!v.OAuth() || s.means.LoggedIn()) {
		s.list(ctx)
		state.LoggedIn, state.Cars, state.Trouble = true, s.cars, s.trouble
	}
	return state
}

// service asks Home Assistant for the broker, if it is to: nobody waits behind it.
func (s *Setup) service(ctx context.Context) (asked, none bool, problem string) {
	s.mu.Lock()
	asked = s.cfg.AskBroker
	s.mu.Unlock()
	if !asked {
		return false, false, ""
	}
	ctx, cancel := context.WithTimeout(ctx, findPatience)
	defer cancel()
	none, err := s.means.FindBroker(ctx)
	if err != nil {
		problem = err.Error()
	}
	return true, none, problem
}

// fields are the fields of the page, and the keys that they are for.
var fields = map[string]string{"api_key": "volvo.api_key", "client_id": "volvo.client_id", "client_secret": "volvo.client_secret", "redirect_url": "volvo.redirect_url",
	"vehicles": "volvo.vehicles", "allow": "commands.allow", "pin": "commands.pin", "url": "mqtt.url", "username": "mqtt.username", "broker-password": "mqtt.password"}

// fixed are the fields that something else sets.
func (s *Setup) fixed() map[string]string {
	all := map[string]string{}
	for field, key := range fields {
		if by := s.cfg.Variable(key); by != "" {
			all[field] = by
		}
	}
	return all
}

// listens tells whether a broker answers at the address. It is looked for now and then.
func (s *Setup) listens() bool {
	if now := time.Now(); !s.brokerDone && now.Sub(s.lookedAt) > findEvery {
		s.lookedAt, s.found = now, false
		if u, err := url.Parse(s.cfg.MQTT.URL); err == nil && u.Host != "" && config.Loopback(u.Hostname()) {
			conn, err := net.DialTimeout("tcp", u.Host, time.Second)
			if s.found = err == nil; s.found {
				conn.Close()
			}
		}
	}
	return s.found
}

// Broker implements [web.Setup].
func (s *Setup) Broker(ctx context.Context, b web.SetupBroker) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if b.Password == "" && b.Username == s.broker.Username && b.Username != "" {
		b.Password = s.broker.Password // entered before, and not shown again
	}
	for key, field := range map[string]struct{ entered, set *string }{"mqtt.url": {&b.URL, &s.cfg.MQTT.URL}, "mqtt.username": {&b.Username, &s.cfg.MQTT.Username}, "mqtt.password": {&b.Password, &s.cfg.MQTT.Password}} {
		if s.cfg.Variable(key) != "" {
			*field.entered = *field.set // the page shows no field for it
		}
	}
	s.broker = b
	tried := s.cfg
	tried.MQTT.URL, tried.MQTT.Username, tried.MQTT.Password = b.URL, b.Username, b.Password
	if !strings.Contains(b.URL, "://") && b.URL != config.Embedded {
		tried.MQTT.URL = "mqtt://" + b.URL
	}
	if u, err := url.Parse(tried.MQTT.URL); err == nil && u.Host != "" && u.Port() == "" && (u.Scheme == "mqtt" || u.Scheme == "mqtts") {
		u.Host += map[string]string{"mqtt": ":1883", "mqtts": ":8883"}[u.Scheme]
		tried.MQTT.URL = u.String()
	}
	s.means.Secret(tried.MQTT.Password)
	if err := tried.Check("mqtt."); err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, tryPatience)
	defer cancel()
	if err := s.means.TryBroker(ctx, tried.MQTT); err != nil {
		return err
	}
	tried.AskBroker = false
	s.cfg, s.brokerDone = tried, true
	return nil
}

// Volvo implements [web.Setup].
func (s *Setup) Volvo(ctx context.Context, v web.SetupVolvo) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	v.APIKey, v.ClientSecret = cmp.Or(v.APIKey, s.volvo.APIKey), cmp.Or(v.ClientSecret, s.volvo.ClientSecret) // entered before, and not shown again
	v.RedirectURL = cmp.Or(v.RedirectURL, s.volvo.RedirectURL)
	if s.cfg.Variable("volvo.client_id") != "" {
		v.ClientID = s.cfg.Volvo.ClientID // the page shows no field for it
	}
	if s.cfg.Variable("commands.allow") != "" {
		v.Allow = s.cfg.Commands.Allow
	}
	s.volvo = v
	tried := s.cfg
	a := &tried.Volvo
	a.ClientID, a.ClientSecret, a.APIKey, a.RedirectURL, a.AccessToken = v.ClientID, v.ClientSecret, v.APIKey, v.RedirectURL, nil
	if v.AccessToken != "" {
		a.ClientID, a.ClientSecret, a.AccessToken = "", "", config.AccessToken{}
		for _, api := range volvo.APIs() {
			a.AccessToken[api] = v.AccessToken
		}
	}
	tried.Commands.Allow = v.Allow
	for _, secret := range []string{a.APIKey, a.ClientSecret, v.AccessToken} {
		s.means.Secret(secret)
	}
	if err := errors.Join(tried.Check("volvo."), tried.Check("commands.")); err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, tryPatience)
	defer cancel()
	if err := s.ask(ctx, *a); err != nil {
		return err
	}
	tokens, err := s.means.Tokens(tried)
	if err != nil {
		return err
	}
	s.cfg, s.tokens, s.volvoDone, s.vins, s.cars = tried, tokens, true, nil, nil
	return nil
}

// ask has Volvo look at the application and the key. A token that nobody has handed out is
// refused in one way, a wrong key or secret in another; what can't be reached says nothing.
func (s *Setup) ask(ctx context.Context, v config.Volvo) error {
	const nobody = "volvobridge-asks-whether-this-is-known"
	if v.OAuth() {
		_, err := s.means.OAuth(v).Refresh(ctx, nobody)
		switch {
		case errors.Is(err, volvo.ErrClient):
			return errors.New("Volvo does not know this client ID with this client secret: copy both once more; the secret is shown once only, a new one can be made in the portal")
		case errors.Is(err, volvo.ErrUnreachable):
			return unreachable(err)
		}
	}
	tokens := map[volvo.API]string{volvo.ConnectedVehicle: nobody}
	if !v.OAuth() {
		tokens = v.AccessToken
	}
	_, err := s.means.Client(v, volvo.NewStaticTokens(tokens)).Vehicles(ctx)
	fault, failed := errors.AsType[*volvo.Error](err)
	switch {
	case failed && fault.APIKey():
		return errors.New("Volvo refuses this API key: copy \"VCC API key - Primary\" of the application once more")
	case errors.Is(err, volvo.ErrUnreachable):
		return unreachable(err)
	case failed && !v.OAuth():
		return errors.New("Volvo does not take this test token: " + fault.Advice() + " Make a new one in the portal; it is good for about an hour")
	}
	return nil
}

func unreachable(err error) error {
	return fmt.Errorf("Volvo can't be reached from here: %w; check the network, DNS and the clock of this machine", err)
}

// list finds the cars of the login.
func (s *Setup) list(ctx context.Context) {
	if len(s.cars) > 0 {
		return
	}
	ctx, cancel := context.WithTimeout(ctx, tryPatience)
	defer cancel()
	client := s.means.Client(s.cfg.Volvo, s.tokens)
	list, err := client.Vehicles(ctx)
	switch {
	case err != nil:
		s.trouble = err.Error()
		if fault, ok := errors.AsType[*volvo.Error](err); ok {
			s.trouble = fault.Advice()
		}
		return
	case len(list.VINs) == 0:
		s.trouble = "this Volvo ID has no car: log in with the one that the car is linked to in the Volvo app"
		return
	}
	s.trouble, s.vins = "", list.VINs
	for _, vin := range s.vins {
		s.means.VIN(vin)
		car := web.SetupCar{Model: "Volvo", VINEnd: vin[max(0, len(vin)-4):]}
		if details, err := client.Read(ctx, vin, volvo.Details); err == nil && details["descriptions.model"].HasValue() {
			car.Model = entity.Brief(details["descriptions.model"].Value)
			car.Name = car.Model
		}
		for _, other := range s.cars {
			if other.Name == car.Name {
				car.Name = strings.TrimSpace(car.Name + " " + car.VINEnd)
			}
		}
		s.cars = append(s.cars, car)
	}
}

// Finish implements [web.Setup].
func (s *Setup) Finish(_ context.Context, c web.SetupCars) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if !s.brokerDone || !s.volvoDone || len(s.cars) == 0 {
		return errors.New("the steps before are not done")
	}
	tried := s.cfg
	if s.cfg.Variable("commands.pin") == "" {
		tried.Commands.PIN = c.PIN
	}
	s.means.Secret(c.PIN)
	tried.Volvo.Vehicles = nil
	for i, vin := range s.vins {
		name := ""
		if i < len(c.Names) {
			name = c.Names[i]
		}
		tried.Volvo.Vehicles = append(tried.Volvo.Vehicles, config.Vehicle{VIN: vin, Name: name})
	}
	if err := tried.Check(""); err != nil {
		return err
	}
	where, err := config.Write(s.file, s.cfg, changes(tried))
	if err != nil {
		return err
	}
	s.where = where
	close(s.Done)
	return nil
}

// changes are the keys to write: those that a person entered.
func changes(cfg config.Config) []config.Change {
	var changes []config.Change
	add := func(key string, value any) {
		if value != "" && cfg.Variable(key) == "" {
			changes = append(changes, config.Change{Key: key, Value: value})
		}
	}
	add("volvo.api_key", cfg.Volvo.APIKey)
	add("volvo.client_id", cfg.Volvo.ClientID)
	add("volvo.client_secret", cfg.Volvo.ClientSecret)
	add("volvo.redirect_url", cfg.Volvo.RedirectURL)
	add("volvo.access_token", cfg.Volvo.AccessToken[volvo.ConnectedVehicle])
	add("volvo.vehicles", cfg.Volvo.Vehicles)
	add("commands.allow", cfg.Commands.Allow)
	if !cfg.AskBroker {
		add("mqtt.url", cfg.MQTT.URL)
		add("mqtt.username", cfg.MQTT.Username)
		add("mqtt.password", cfg.MQTT.Password)
	}
	add("commands.pin", cfg.Commands.PIN)
	return changes
}
