package main

import (
	"bytes"
	"cmp"
	"io"
	"maps"
	"regexp"
	"slices"
	"strings"
	"sync"
	"volvobridge/bridge/doctor"
	"volvobridge/cmd/volvobridge/internal/config"
)

// redactor is the last thing before the log's bytes leave the program: it masks
// every secret it was told of, and what looks like one.
type redactor struct {
	out io.Writer

	mu      sync.RWMutex
	secrets [][]byte            // longest first: one may hold another
	words   map[string]struct{} // VINs, in lower case
	tokens  [][]byte            // the last ones
}

var (
	mask = []byte("***")
	// A VIN, a JSON web token, a key of 32 hex digits, a position.
	vinLike   = regexp.MustCompile(`\b[A-HJ-NPR-Za-hj-npr-z0-9]{17}\b`)
	jwtLike   = regexp.MustCompile(`\beyJ[A-Za-z0-9_-]{8,}\.[A-Za-z0-9_-]+\.[A-Za-z0-9_-]*`)
	keyLike   = regexp.MustCompile(`\b[0-9a-fA-F]{32}\b`)
	spotLike  = regexp.MustCompile(`-?\b\d{1,3}\.\d{4,}\b|-?\b\d{1,3}\.\d{2,}\s*[,;/ ]\s*-?\d{1,3}\.\d{2,}\b`)
	plainWord = regexp.MustCompile(`[A-Za-z0-9]{5,}`)
	isWord    = regexp.MustCompile(`^[A-Za-z0-9]{5,17}$`)
	hasDigit  = regexp.MustCompile(`[0-9]`)
)

func newRedactor(out io.Writer) *redactor { return &redactor{out: out} }

// secret adds a text that must never be seen, in either letter case.
func (r *redactor) secret(s string) {
	if len(s) < config.MinSecret {
		return
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, form := range [][]byte{[]byte(s), bytes.ToLower([]byte(s)), bytes.ToUpper([]byte(s))} {
		if !slices.ContainsFunc(r.secrets, func(known []byte) bool { return bytes.Equal(known, form) }) {
			r.secrets = append(r.secrets, form)
		}
	}
	slices.SortFunc(r.secrets, func(a, b []byte) int { return cmp.Compare(len(b), len(a)) })
}

// vin adds a VIN. There may be thousands: each line is looked through once for all.
func (r *redactor) vin(s string) {
	if !isWord.MatchString(s) {
		r.secret(s)
		return
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.words == nil {
		r.words = map[string]struct{}{}
	}
	r.words[strings.ToLower(s)] = struct{}{}
}

const mostTokens = 100

// token adds a text that is soon replaced by another: only the last ones are kept.
func (r *redactor) token(s string) {
	if len(s) < config.MinSecret {
		return
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	if slices.ContainsFunc(r.tokens, func(known []byte) bool { return string(known) == s }) {
		return
	}
	r.tokens = append(r.tokens[max(0, len(r.tokens)-mostTokens+1):], []byte(s))
}

// Write masks one line and passes it on. It reports the length that it was given.
func (r *redactor) Write(line []byte) (int, error) {
	if _, err := r.out.Write(r.redact(line)); err != nil {
		return 0, err
	}
	return len(line), nil
}

// findings masks what doctor found, text by text: what it is made of stays whole.
func (r *redactor) findings(list []doctor.Finding) []doctor.Finding {
	masked := slices.Clone(list)
	for i := range masked {
		f := &masked[i]
		for _, s := range []*string{&f.Area, &f.What, &f.Found, &f.Advice} {
			*s = r.text(*s)
		}
		f.Fields = r.texts(f.Fields)
	}
	return masked
}

func (r *redactor) texts(m map[string]string) map[string]string {
	masked := maps.Clone(m)
	for key, s := range masked {
		masked[key] = r.text(s)
	}
	return masked
}

func (r *redactor) text(s string) string { return string(r.redact([]byte(s))) }

func (r *redactor) redact(line []byte) []byte {
	r.mu.RLock()
	defer r.mu.RUnlock()
	masked := line
	for _, s := range slices.Concat(r.secrets, r.tokens) {
		masked = bytes.ReplaceAll(masked, s, mask)
	}
	if len(r.words) > 0 {
		masked = plainWord.ReplaceAllFunc(masked, func(word []byte) []byte {
			if _, secret := r.words[strings.ToLower(string(word))]; secret {
				return mask
			}
			return word
		})
	}
	masked = jwtLike.ReplaceAll(masked, mask)
	masked = keyLike.ReplaceAll(masked, mask)
	masked = spotLike.ReplaceAll(masked, mask)
	return vinLike.ReplaceAllFunc(masked, func(word []byte) []byte {
		if hasDigit.Match(word) { // a word of 17 letters is no VIN
			return mask
		}
		return word
	})
}
