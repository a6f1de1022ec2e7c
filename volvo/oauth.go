package volvo

import (
	"bytes"
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	"golang.org/x/oauth2"
)

// Volvo ID's addresses.
const (
	AuthURL  = "https://volvoid.eu.volvocars.com/as/authorization.oauth2"
	TokenURL = "https://volvoid.eu.volvocars.com/as/token.oauth2"
)

const tokenTimeout = 30 * time.Second

// How long a grant lasts: in all, and unused.
const (
	GrantLife = 182 * 24 * time.Hour
	GrantIdle = 7 * 24 * time.Hour
)

// ScopeOpenID is asked for beside the scopes of the resources; with it comes a
// refresh token.
const ScopeOpenID = "openid"

// restrictedScopes must be picked one by one when an application is published;
// the others every application has.
var restrictedScopes = []string{"conve:lock", "conve:unlock", "conve:engine_start_stop", "conve:honk_flash", "location:read"}

// Restricted reports whether an application may lack the scope.
func Restricted(scope string) bool { return slices.Contains(restrictedScopes, scope) }

// OAuthOptions name an application.
type OAuthOptions struct {
	ClientID, ClientSecret string
	// RedirectURL must be the published one, letter by letter.
	RedirectURL       string
	AuthURL, TokenURL string
	// Transport carries the requests; nil: [NewTransport].
	Transport http.RoundTripper
}

// OAuth logs an application in at Volvo ID: authorization code with PKCE. One
// call is one request; nothing is repeated.
type OAuth struct {
	opts   OAuthOptions
	config oauth2.Config
	http   *http.Client
}

// NewOAuth returns the client of Volvo ID.
func NewOAuth(opts OAuthOptions) *OAuth {
	if opts.Transport == nil {
		opts.Transport = NewTransport()
	}
	return &OAuth{
		opts: opts,
		config: oauth2.Config{ClientID: opts.ClientID, ClientSecret: opts.ClientSecret, RedirectURL: opts.RedirectURL,
			// Detecting the style would send a failed request twice, and a refresh token
			// is good for one.
			Endpoint: oauth2.Endpoint{AuthURL: opts.AuthURL, TokenURL: opts.TokenURL, AuthStyle: oauth2.AuthStyleInHeader}},
		// A redirect would carry the secret to whoever it names.
		http: &http.Client{Transport: lenient{opts.Transport}, CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }},
	}
}

// RedirectURL is where Volvo sends a browser after the login.
func (o *OAuth) RedirectURL() string { return o.opts.RedirectURL }

// AuthURL is the address of Volvo's own page.
func (o *OAuth) AuthURL() string { return o.opts.AuthURL }

// Verifier returns a new secret for one login: its digest goes to Volvo with the
// address, itself with the code.
func Verifier() string { return oauth2.GenerateVerifier() }

// Address is the page on which a person agrees to the scopes.
func (o *OAuth) Address(state, verifier string, scopes []string) string {
	config := o.config
	config.Scopes = scopes
	return config.AuthCodeURL(state, oauth2.S256ChallengeOption(verifier))
}

// lenient turns an answer that holds a token into one that the library takes. An
// odd field beside it must not cost a login: the refresh token in it is the only
// one that is still good.
type lenient struct{ http.RoundTripper }

// RoundTrip implements [http.RoundTripper].
func (l lenient) RoundTrip(r *http.Request) (*http.Response, error) {
	resp, err := l.RoundTripper.RoundTrip(r)
	if err != nil || resp.StatusCode != http.StatusOK {
		return resp, err
	}
	body, err := io.ReadAll(io.LimitReader(resp.Body, maxBody))
	resp.Body.Close()
	if err != nil {
		return nil, err
	}
	var fields object
	if json.Unmarshal(body, &fields) == nil && exactText(fields["access_token"]) != "" {
		plain := map[string]any{"token_type": "Bearer"}
		for _, key := range []string{"access_token", "refresh_token", "scope"} {
			if s := exactText(fields[key]); s != "" {
				plain[key] = s
			}
		}
		if n, ok := number(text(fields["expires_in"])); ok && n >= 1 && n < 1e8 {
			plain["expires_in"] = int(n)
		}
		body, _ = json.Marshal(plain) // texts and a number always marshal
		resp.Header.Set("Content-Type", "application/json")
	}
	resp.Body, resp.ContentLength = io.NopCloser(bytes.NewReader(body)), int64(len(body))
	return resp, nil
}

// exactText is a JSON text as it is, empty for anything else.
func exactText(raw json.RawMessage) string {
	var s string
	if json.Unmarshal(raw, &s) != nil {
		return ""
	}
	return s
}

// Token is what Volvo ID hands out.
type Token struct {
	Access string
	// Refresh is good for one refresh; the answer to it holds the next.
	Refresh string
	// Life is the access token's.
	Life time.Duration
	// Scopes that were granted; nil: as asked for.
	Scopes []string
}

const defaultLife = 5 * time.Minute // if the answer does not tell

// Exchange turns the code of a login into tokens.
func (o *OAuth) Exchange(ctx context.Context, code, verifier string) (Token, error) {
	ctx, cancel := o.context(ctx)
	defer cancel()
	t, err := o.config.Exchange(ctx, code, oauth2.VerifierOption(verifier))
	return tokenOf("exchange the code", t, err)
}

// Refresh uses up a refresh token. If the error is none of ErrGrant and
// ErrClient, nobody can say whether Volvo has replaced it.
func (o *OAuth) Refresh(ctx context.Context, refresh string) (Token, error) {
	ctx, cancel := o.context(ctx)
	defer cancel()
	t, err := o.config.TokenSource(ctx, &oauth2.Token{RefreshToken: refresh}).Token()
	return tokenOf("refresh the login", t, err)
}

func (o *OAuth) context(ctx context.Context) (context.Context, context.CancelFunc) {
	return context.WithTimeout(context.WithValue(ctx, oauth2.HTTPClient, o.http), tokenTimeout)
}

func tokenOf(op string, t *oauth2.Token, err error) (Token, error) {
	if err != nil {
		return Token{}, oauthError(op, err)
	}
	if t.RefreshToken == "" {
		return Token{}, &Error{Kind: ErrOutage, Op: op, Status: http.StatusOK, Description: "the answer holds no refresh token"}
	}
	token := Token{Access: t.AccessToken, Refresh: t.RefreshToken, Life: defaultLife}
	if !t.Expiry.IsZero() { // the library counts from the answer
		token.Life = max(time.Second, t.Expiry.Sub(time.Now().Round(0)).Round(time.Second))
	}
	if scopes, ok := t.Extra("scope").(string); ok && scopes != "" {
		token.Scopes = strings.Fields(scopes)
	}
	return token, nil
}

// oauthError sorts what the token endpoint, or the way to it, said.
func oauthError(op string, err error) *Error {
	answer, ok := errors.AsType[*oauth2.RetrieveError](err)
	if !ok {
		if _, sent := errors.AsType[*url.Error](err); sent {
			return &Error{Kind: ErrUnreachable, Op: op, cause: safe(err)}
		}
		return &Error{Kind: ErrOutage, Op: op, Status: http.StatusOK, Description: "the answer holds no token"}
	}
	parsed := parseErrorBody(answer.Body)
	e := &Error{Op: op, Status: answer.Response.StatusCode, Message: parsed.message, Description: parsed.description}
	var fields object
	_ = json.Unmarshal(answer.Body, &fields) // no JSON, no code
	e.Kind = oauthKind(e, exactText(fields["error"]))
	e.Wait = waitOf(e, answer.Response.Header.Get("Retry-After"))
	return e
}

// oauthKind goes by OAuth's own code, which stands nowhere but in "error": the
// same word in another place is no verdict on a login.
func oauthKind(e *Error, code string) error {
	refusal := e.Status == http.StatusBadRequest || e.Status == http.StatusUnauthorized
	switch {
	case refusal && code == "invalid_grant":
		return ErrGrant
	case refusal && (code == "invalid_client" || code == "unauthorized_client"):
		return ErrClient
	case e.Status == http.StatusTooManyRequests:
		return ErrRateLimited
	case e.Status == http.StatusForbidden && strings.Contains(strings.ToLower(e.Text()), "quota"):
		return ErrQuota
	case e.Status == http.StatusBadRequest && e.Message != "":
		return ErrBadRequest
	}
	return ErrOutage
}

// TokenExpiry reads when an access token ends, if it says so itself.
func TokenExpiry(access string) (time.Time, bool) {
	parts := strings.Split(access, ".")
	if len(parts) != 3 {
		return time.Time{}, false
	}
	payload, err := base64.RawURLEncoding.DecodeString(strings.TrimRight(parts[1], "="))
	var claims struct {
		Expires float64 `json:"exp"`
	}
	if err != nil || json.Unmarshal(payload, &claims) != nil || claims.Expires <= 0 || claims.Expires > 1e11 {
		return time.Time{}, false
	}
	return time.Unix(int64(claims.Expires), 0), true
}
