// Package logintest is what tests of logins share: a store without a disk, a cloud
// without a network, and somebody who agrees on Volvo's page.
package logintest

import (
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"sync"
	"testing"
	"volvobridge/bridge/login"
	"volvobridge/volvo"
)

// RedirectURL is where the identity server sends the browser.
const RedirectURL = "http://localhost:8099/oauth/callback"

// Tokens is a store without a disk.
type Tokens struct {
	mu sync.Mutex
	// Token is the one that is kept.
	Token login.Token
	// Saved are the first thousand that were saved.
	Saved []login.Token
	fail  error
}

// Current is what is kept now.
func (m *Tokens) Current() login.Token {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.Token
}

// LoadToken implements the store of a chain.
func (m *Tokens) LoadToken(string) ([]byte, bool, []string, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	data, err := json.Marshal(m.Token)
	return data, m.Token.Refresh != "", nil, err
}

// Open opens one, which can't fail without a disk.
func Open(t testing.TB, opts login.Options) *login.Chain {
	t.Helper()
	c, err := login.Open(opts)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// Fail has every save fail with an error from now on; nil: none.
func (m *Tokens) Fail(err error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.fail = err
}

// SaveToken implements the store of a chain.
func (m *Tokens) SaveToken(_ string, token []byte, _ bool) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.fail == nil {
		var t login.Token
		if err := json.Unmarshal(token, &t); err != nil {
			return err
		}
		m.Token = t
		if len(m.Saved) < 1000 {
			m.Saved = append(m.Saved, t)
		}
	}
	return m.fail
}

// Agree opens an address as a browser does, and returns where it ends.
func Agree(t testing.TB, cloud http.Handler, address string) string {
	t.Helper()
	u, err := url.Parse(address)
	if err != nil {
		t.Fatal(err)
	}
	w := httptest.NewRecorder()
	cloud.ServeHTTP(w, httptest.NewRequest(http.MethodGet, u.RequestURI(), nil))
	if w.Code == http.StatusOK {
		w = httptest.NewRecorder()
		cloud.ServeHTTP(w, httptest.NewRequest(http.MethodPost, u.RequestURI(), nil))
	}
	return w.Result().Header.Get("Location")
}

// OAuth is the simulated application at the identity server of a cloud.
func OAuth(cloud http.Handler) *volvo.OAuth {
	return volvo.NewOAuth(volvo.OAuthOptions{ClientID: "simulated-client", ClientSecret: "simulated-secret", RedirectURL: RedirectURL,
		AuthURL: "https://id/as/authorization.oauth2", TokenURL: "https://id/as/token.oauth2", Transport: Through{Handler: cloud}})
}

// Through answers requests with a handler, without a network.
type Through struct{ Handler http.Handler }

// RoundTrip implements [http.RoundTripper].
func (t Through) RoundTrip(r *http.Request) (*http.Response, error) {
	if r.Body == nil {
		r.Body = http.NoBody
	}
	w := httptest.NewRecorder()
	if err := Serve(t.Handler, w, r); err != nil {
		return nil, err
	}
	if err := r.Context().Err(); err != nil {
		return nil, err
	}
	return w.Result(), nil
}

// Serve turns an aborted answer into a lost connection.
func Serve(h http.Handler, w http.ResponseWriter, r *http.Request) (err error) {
	defer func() {
		if p := recover(); p == http.ErrAbortHandler {
			err = io.EOF
		} else if p != nil {
			panic(p)
		}
	}()
	h.ServeHTTP(w, r)
	return nil
}
