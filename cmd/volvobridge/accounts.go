package main

import (
	"context"
	"fmt"
	"net/http"
	"slices"
	"strings"

	"volvobridge/bridge/account"
	"volvobridge/bridge/entity"
	"volvobridge/bridge/login"
	"volvobridge/bridge/store"
	"volvobridge/cmd/volvobridge/internal/accounts"
	"volvobridge/cmd/volvobridge/internal/config"
	"volvobridge/volvo"
)

// openChains opens the login of each account; nil for one with test tokens.
func openChains(cfg config.Config, st *store.Store, secret func(string)) ([]*login.Chain, error) {
	list := cfg.AccountList()
	chains := make([]*login.Chain, len(list))
	files := accounts.Files(cfg, st)
	for i, a := range list {
		if !a.OAuth() {
			continue
		}
		scopes := a.Scopes
		if len(scopes) == 0 {
			scopes = entity.Scopes(cfg.Commands.Allow)
		}
		chain, err := login.Open(login.Options{Name: accountName(i), File: files[i], Store: st, Scopes: scopes, Secret: secret, OwnsCar: listsOwnCar(a, files[i], st), Explain: entity.Lost, OAuth: newOAuth(a)})
		if err != nil {
			return nil, err
		}
		chains[i] = chain
	}
	return chains, nil
}

// newOAuth logs the application of an account in at Volvo ID.
func newOAuth(a config.Volvo) *volvo.OAuth {
	return volvo.NewOAuth(volvo.OAuthOptions{ClientID: a.ClientID, ClientSecret: a.ClientSecret, RedirectURL: a.RedirectURL,
		AuthURL: a.AuthURL, TokenURL: a.TokenURL, Transport: transport()})
}

// newReader reads with the first API key of an account.
func newReader(a config.Volvo, tokens volvo.TokenSource, shared *http.Transport) *volvo.Client {
	v, _ := buildVersion()
	return volvo.New(volvo.Options{URL: a.APIURL, Key: a.Keys()[0], Tokens: tokens, Transport: shared, UserAgent: "volvobridge/" + v})
}

// listsOwnCar tells whether a login lists a car that is configured for the account, or
// was found in it before; where none is known, any login is ours.
func listsOwnCar(a config.Volvo, file string, st *store.Store) func(context.Context, string) (bool, error) {
	shared := transport()
	return func(ctx context.Context, access string) (bool, error) {
		known := accounts.Cars(a, file, st)
		if len(known) == 0 {
			return true, nil
		}
		tokens := volvo.NewStaticTokens(map[volvo.API]string{volvo.ConnectedVehicle: access})
		list, err := newReader(a, tokens, shared).Vehicles(ctx)
		return slices.ContainsFunc(list.VINs, func(vin string) bool { return slices.Contains(known, strings.ToUpper(vin)) }), err
	}
}

func accountName(i int) string { return fmt.Sprint("account", i+1) }

func transport() *http.Transport { return proxied(volvo.NewTransport()) }

func proxied(t *http.Transport) *http.Transport {
	t.Proxy = http.ProxyFromEnvironment
	return t
}

// accountOptions makes a client for each API key of each account; those of an account
// share connections and tokens.
func accountOptions(cfg config.Config, st *store.Store, chains []*login.Chain) []account.Options {
	v, _ := buildVersion()
	files := accounts.Files(cfg, st)
	var all []account.Options
	for i, c := range cfg.AccountList() {
		a := account.Options{Name: accountName(i), File: files[i], Chain: chains[i]}
		var tokens volvo.TokenSource = a.Chain
		if a.Chain == nil {
			tokens = volvo.NewStaticTokens(c.AccessToken)
			a.Without = slices.DeleteFunc(volvo.APIs(), func(api volvo.API) bool { return c.AccessToken[api] != "" })
			for _, token := range c.AccessToken {
				if ends, ok := volvo.TokenExpiry(token); ok && (a.Ends.IsZero() || ends.Before(a.Ends)) {
					a.Ends = ends
				}
			}
		}
		shared, commands := transport(), proxied(volvo.NewCommandTransport())
		for _, key := range c.Keys() {
			a.Clients = append(a.Clients, volvo.New(volvo.Options{URL: c.APIURL, Key: key, Tokens: tokens,
				CommandTimeout: cfg.Commands.Timeout, Transport: shared, Commands: commands, UserAgent: "volvobridge/" + v}))
			a.KeyIDs = append(a.KeyIDs, config.ShortHash(key))
		}
		for _, vehicle := range c.Vehicles {
			a.Vehicles = append(a.Vehicles, account.Vehicle{VIN: vehicle.VIN, Name: vehicle.Name})
		}
		all = append(all, a)
	}
	return all
}
