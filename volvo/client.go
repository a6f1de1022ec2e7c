package volvo

import (
	"bytes"
	"context"
	"crypto/tls"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptrace"
	"net/url"
	"strings"
	"sync/atomic"
	"time"
)

const (
	maxBody     = 1 << 20
	readTimeout = 30 * time.Second
)

// TokenSource hands out access tokens.
type TokenSource interface {
	// Token returns a token for api, or an *Error that says why there is none. For
	// a command it tries harder: the token must last, and an earlier failure is no
	// answer.
	Token(ctx context.Context, api API, command bool) (string, error)
	// Accept tells that api took token.
	Accept(api API, token string)
	// Reject tells that api answered 401 to token. It returns what that means:
	// ErrLogin, ErrRenewed if the next call gets another token, or ErrOutage.
	Reject(api API, token string) error
}

// Options configure a [Client].
type Options struct {
	// URL is the origin of the API, such as https://api.volvocars.com.
	URL string
	// Key is the application's VCC API key.
	Key string
	// Tokens hands out access tokens.
	Tokens TokenSource
	// CommandTimeout bounds one POST. Volvo keeps it open until the car answers.
	CommandTimeout time.Duration
	// Transport carries the requests; nil: [NewTransport].
	Transport http.RoundTripper
	// Commands carries the POSTs; nil: [NewCommandTransport], or Transport if that
	// is given.
	Commands http.RoundTripper
	// UserAgent names the program.
	UserAgent string
}

// Client calls Volvo's APIs with one API key. One call is one request: nothing
// is repeated, neither by the client nor by the transport. It is safe for
// concurrent use.
type Client struct {
	opts     Options
	reads    *http.Client
	commands *http.Client
	images   *http.Client
}

// NewTransport returns a transport that keeps connections; clients share one.
func NewTransport() *http.Transport {
	return &http.Transport{
		DialContext:           (&net.Dialer{Timeout: 10 * time.Second, KeepAlive: 30 * time.Second}).DialContext,
		TLSClientConfig:       &tls.Config{MinVersion: tls.VersionTLS12},
		TLSHandshakeTimeout:   10 * time.Second,
		ForceAttemptHTTP2:     true,
		MaxIdleConnsPerHost:   8,
		IdleConnTimeout:       90 * time.Second,
		ExpectContinueTimeout: time.Second,
		ReadBufferSize:        4 << 10,
		WriteBufferSize:       2 << 10,
	}
}

// NewCommandTransport returns a transport for POSTs. It speaks HTTP/1.1 only: over
// HTTP/2 the standard library sends a request again when the server refused its
// stream or is going away, which it can't know to be true, and without asking
// whether the command is still wanted.
func NewCommandTransport() *http.Transport {
	t := NewTransport()
	t.Protocols = new(http.Protocols)
	t.Protocols.SetHTTP1(true)
	t.ForceAttemptHTTP2 = false
	t.IdleConnTimeout = 15 * time.Second // a connection that died unseen costs a command
	return t
}

// New returns a client.
func New(opts Options) *Client {
	if opts.Commands == nil {
		opts.Commands = opts.Transport
	}
	if opts.Commands == nil {
		opts.Commands = NewCommandTransport()
	}
	if opts.Transport == nil {
		opts.Transport = NewTransport()
	}
	opts.URL = strings.TrimRight(opts.URL, "/")
	c := &Client{opts: opts}
	// A redirect would carry the token and the key to whoever it names.
	refuse := func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
	c.reads = &http.Client{Transport: opts.Transport, CheckRedirect: refuse}
	c.commands = &http.Client{Transport: opts.Commands, CheckRedirect: refuse}
	c.images = &http.Client{Transport: opts.Transport, CheckRedirect: c.checkImageRedirect}
	return c
}

// Vehicles lists the account's cars.
func (c *Client) Vehicles(ctx context.Context) (VehicleList, error) {
	const op = "list vehicles"
	body, err := c.get(ctx, op, ConnectedVehicle, vehiclesPath)
	if err != nil {
		return VehicleList{}, err
	}
	cars, err := DecodeVehicles(body)
	if err != nil {
		return VehicleList{}, &Error{Kind: ErrOutage, Op: op, Status: http.StatusOK, cause: err}
	}
	return cars, nil
}

// Read reads one resource of a car.
func (c *Client) Read(ctx context.Context, vin string, r Resource) (Readings, error) {
	op := "read " + string(r)
	e, ok := r.endpoint()
	if !ok {
		return nil, &Error{Kind: ErrBadRequest, Op: op, Description: "no such resource"}
	}
	body, err := c.get(ctx, op, e.api, e.prefix+"/"+url.PathEscape(vin)+e.suffix)
	if err != nil {
		return nil, err
	}
	readings, err := e.decode(body)
	if err != nil {
		return nil, &Error{Kind: ErrOutage, Op: op, Status: http.StatusOK, cause: err}
	}
	return readings, nil
}

// Invoke sends one command, once. RuntimeMinutes counts for EngineStart only.
func (c *Client) Invoke(ctx context.Context, vin string, command Command, runtimeMinutes int) (Answer, error) {
	op := "invoke " + command.Segment()
	if !command.Known() {
		return Answer{}, &Error{Kind: ErrBadRequest, Op: op, Description: "no such command"}
	}
	var payload []byte
	if command == EngineStart {
		payload, _ = json.Marshal(map[string]int{"runtimeMinutes": runtimeMinutes}) // a map of int always marshals
	}
	ctx, cancel := context.WithTimeout(ctx, c.opts.CommandTimeout)
	defer cancel()
	path := vehiclesPath + "/" + url.PathEscape(vin) + "/commands/" + command.Segment()
	body, err := c.do(ctx, op, ConnectedVehicle, http.MethodPost, path, payload)
	if err != nil {
		return Answer{}, err
	}
	answer, err := DecodeAnswer(body)
	if err != nil {
		return Answer{}, &Error{Kind: ErrOutage, Op: op, Status: http.StatusOK, MayHaveActed: true, cause: err}
	}
	return answer, nil
}

func (c *Client) get(ctx context.Context, op string, api API, path string) ([]byte, error) {
	ctx, cancel := context.WithTimeout(ctx, readTimeout)
	defer cancel()
	return c.do(ctx, op, api, http.MethodGet, path, nil)
}

// do sends one request and returns the body of a 200.
func (c *Client) do(ctx context.Context, op string, api API, method, path string, payload []byte) ([]byte, error) {
	post := method == http.MethodPost
	token, err := c.token(ctx, api, post)
	if err != nil {
		e, ok := errors.AsType[*Error](err)
		if !ok {
			return nil, &Error{Kind: ErrUnreachable, Op: op, NotSent: true, cause: err}
		}
		unsent := *e
		unsent.NotSent = true
		return nil, &unsent
	}
	var connecting, connected atomic.Bool
	ctx = httptrace.WithClientTrace(ctx, &httptrace.ClientTrace{
		GetConn: func(string) { connecting.Store(true) },
		GotConn: func(httptrace.GotConnInfo) { connected.Store(true) },
	})
	req, err := http.NewRequestWithContext(ctx, method, c.opts.URL+path, bytes.NewReader(payload))
	if err != nil {
		return nil, &Error{Kind: ErrBadRequest, Op: op, cause: errors.New("volvo.api_url is no address")}
	}
	if len(payload) == 0 {
		req.Body, req.GetBody, req.ContentLength = http.NoBody, nil, 0
	}
	c.header(req, token)
	client := c.reads
	if post {
		client = c.commands
	}
	resp, err := client.Do(req)
	if err != nil {
		sent := connected.Load() || !connecting.Load()
		return nil, &Error{Kind: ErrUnreachable, Op: op, MayHaveActed: post && sent, cause: safe(err)}
	}
	defer resp.Body.Close()
	return c.answer(op, api, token, post, resp)
}

const commandTokenWait = 10 * time.Second

// token waits for a token, for a command not long: it would be late.
func (c *Client) token(ctx context.Context, api API, command bool) (string, error) {
	if command {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, commandTokenWait)
		defer cancel()
	}
	return c.opts.Tokens.Token(ctx, api, command)
}

func (c *Client) header(req *http.Request, token string) {
	req.Header.Set("Authorization", "Bearer "+token)
	req.Header.Set("vcc-api-key", c.opts.Key)
	req.Header.Set("Accept", "application/json")
	req.Header.Set("Content-Type", "application/json")
	req.Header.Set("User-Agent", c.opts.UserAgent)
}

// answer reads the response up to the limit and sorts good from bad.
func (c *Client) answer(op string, api API, token string, post bool, resp *http.Response) ([]byte, error) {
	body, err := io.ReadAll(io.LimitReader(resp.Body, maxBody+1))
	if resp.StatusCode < 200 || resp.StatusCode > 299 {
		e := newStatusError(op, post, resp, body[:min(len(body), maxBody)])
		if resp.StatusCode == http.StatusUnauthorized && e.Kind == ErrLogin {
			e.Kind = c.opts.Tokens.Reject(api, token)
		}
		return nil, e
	}
	c.opts.Tokens.Accept(api, token)
	if err != nil {
		return nil, &Error{Kind: ErrUnreachable, Op: op, Status: resp.StatusCode, MayHaveActed: post, cause: safe(err)}
	}
	if len(body) > maxBody {
		return nil, &Error{Kind: ErrOutage, Op: op, Status: resp.StatusCode, MayHaveActed: post,
			cause: fmt.Errorf("the answer is larger than %d bytes", maxBody)}
	}
	return body, nil
}

// safe strips the address from a transport error: it holds the VIN.
func safe(err error) error {
	if e, ok := errors.AsType[*url.Error](err); ok {
		return e.Err
	}
	return err
}
