package main

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"net/http"

	"volvobridge/bridge"
	"volvobridge/volvo"
)

// openChains opens the login of each account; nil for one with test tokens.
func openChains(cfg Config, st bridge.TokenStore, secret func(string)) []*bridge.Chain {
	list := cfg.accountList()
	chains := make([]*bridge.Chain, len(list))
	same := map[string]int{}
	for i, a := range list {
		if !a.oauth() {
			continue
		}
		scopes := a.Scopes
		if len(scopes) == 0 {
			scopes = bridge.Scopes(cfg.Commands.Allow)
		}
		// By the application, not by the place in the list: lists are reordered.
		file := shortHash(a.ClientID)
		if same[file]++; same[file] > 1 {
			file += fmt.Sprint("_", same[file])
		}
		chains[i] = bridge.OpenChain(bridge.ChainOptions{Name: accountName(i), File: file, Store: st, Scopes: scopes, Secret: secret,
			OAuth: volvo.NewOAuth(volvo.OAuthOptions{ClientID: a.ClientID, ClientSecret: a.ClientSecret, RedirectURL: a.RedirectURL,
				AuthURL: a.AuthURL, TokenURL: a.TokenURL, Transport: transport()})})
	}
	return chains
}

func accountName(i int) string { return fmt.Sprint("account", i+1) }

// shortHash tells secrets apart without naming them.
func shortHash(secret string) string {
	sum := sha256.Sum256([]byte(secret))
	return hex.EncodeToString(sum[:6])
}

func transport() *http.Transport {
	t := volvo.NewTransport()
	t.Proxy = http.ProxyFromEnvironment
	return t
}

// accounts makes a client for each API key of each account; those of an account
// share connections and tokens.
func accounts(cfg Config, chains []*bridge.Chain) []bridge.Account {
	v, _ := buildVersion()
	var all []bridge.Account
	for i, c := range cfg.accountList() {
		a := bridge.Account{Name: accountName(i), Chain: chains[i]}
		var tokens volvo.TokenSource = a.Chain
		if a.Chain == nil {
			tokens = volvo.NewStaticTokens(c.AccessToken)
			for _, token := range c.AccessToken {
				if ends, ok := volvo.TokenExpiry(token); ok && (a.Ends.IsZero() || ends.Before(a.Ends)) {
					a.Ends = ends
				}
			}
		}
		shared := transport()
		for _, key := range c.keys() {
			a.Clients = append(a.Clients, volvo.New(volvo.Options{URL: c.APIURL, Key: key, Tokens: tokens,
				CommandTimeout: cfg.Commands.Timeout, Transport: shared, UserAgent: "volvobridge/" + v}))
			a.KeyIDs = append(a.KeyIDs, shortHash(key))
		}
		for _, vehicle := range c.Vehicles {
			a.Vehicles = append(a.Vehicles, bridge.Vehicle{VIN: vehicle.VIN, Name: vehicle.Name})
		}
		all = append(all, a)
	}
	return all
}
