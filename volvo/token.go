package volvo

import (
	"context"
	"sync"
)

// StaticTokens are test tokens of the developer portal: one for each API, or
// one for all. They can't be refreshed, so a 401 ends the use of that API.
type StaticTokens struct {
	mu       sync.Mutex
	tokens   map[API]string
	rejected map[API]bool
}

// NewStaticTokens returns a source of the given tokens.
func NewStaticTokens(tokens map[API]string) *StaticTokens {
	return &StaticTokens{tokens: tokens, rejected: map[API]bool{}}
}

// Token implements [TokenSource].
func (s *StaticTokens) Token(_ context.Context, api API, _ bool) (string, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	op := "use the access token of " + string(api)
	switch {
	case s.tokens[api] == "":
		return "", &Error{Kind: ErrLogin, Op: op, Description: "none is configured"}
	case s.rejected[api]:
		return "", &Error{Kind: ErrLogin, Op: op, Description: "Volvo rejected it"}
	}
	return s.tokens[api], nil
}

// Accept implements [TokenSource].
func (s *StaticTokens) Accept(API, string) {}

// Reject implements [TokenSource].
func (s *StaticTokens) Reject(api API, token string) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.tokens[api] == token {
		s.rejected[api] = true
	}
	return ErrLogin
}
