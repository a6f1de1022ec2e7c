// Package redact masks what must never leave the program: secrets that it is told of,
// and what looks like a token, a key, a VIN or a position.
package redact

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

// Redactor is the last thing before the log's bytes leave the program: it masks
// every secret it was told of, and what looks like one.
type Redactor struct {
	out io.Writer

	mu      sync.RWMutex
	secrets [][]byte            // longest first: one may hold another
	words   map[string]struct{} // VINs, in lower case
	tokens  [][]byte            // the last ones
}

// Mask stands for what must not be seen.
const Mask = "***"

var (
	mask = []byte(Mask)
	// A VIN, a JSON web token, a key of 32 hex digits, a position.
	vinLike   = regexp.MustCompile(`\b[A-HJ-NPR-Za-hj-npr-z0-9]{17}\b`)
	jwtLike   = regexp.MustCompile(`\beyJ[A-Za-z0-9_-]{8,}\.[A-Za-z0-9_-]+\.[A-Za-z0-9_-]*`)
	keyLike   = regexp.MustCompile(`\b[0-9a-fA-F]{32}\b`)
	spotLike  = regexp.MustCompile(`-?\b\d{1,3}\.\d{4,}\b|-?\b\d{1,3}\.\d{2,}\s*[,;/ ]\s*-?\d{1,3}\.\d{2,}\b`)
	plainWord = regexp.MustCompile(`[A-Za-z0-9]{5,}`)
	isWord    = regexp.MustCompile(`^[A-Za-z0-9]{5,17}$`)
	hasDigit  = regexp.MustCompile(`[0-9]`)
)

// New returns one that writes to out.
func New(out io.Writer) *Redactor { return &Redactor{out: out} }

// Secret adds a text that must never be seen, in either letter case.
func (r *Redactor) Secret(s string) {
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

// VIN adds a VIN. There may be thousands: each line is looked through once for all.
func (r *Redactor) VIN(s string) {
	if !isWord.MatchString(s) {
		r.Secret(s)
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

// Token adds a text that is soon replaced by another: only the last ones are kept.
func (r *Redactor) Token(s string) {
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
func (r *Redactor) Write(line []byte) (int, error) {
	if _, err := r.out.Write(r.Line(line)); err != nil {
		return 0, err
	}
	return len(line), nil
}

// Findings masks what doctor found, text by text: what it is made of stays whole.
func (r *Redactor) Findings(list []doctor.Finding) []doctor.Finding {
	masked := slices.Clone(list)
	for i := range masked {
		f := &masked[i]
		for _, s := range []*string{&f.Area, &f.What, &f.Found, &f.Advice} {
			*s = r.Text(*s)
		}
		f.Fields = r.Texts(f.Fields)
	}
	return masked
}

// Texts masks the values of a map.
func (r *Redactor) Texts(m map[string]string) map[string]string {
	masked := maps.Clone(m)
	for key, s := range masked {
		masked[key] = r.Text(s)
	}
	return masked
}

// Text masks a text.
func (r *Redactor) Text(s string) string { return string(r.Line([]byte(s))) }

// Line returns what may be seen of a line.
func (r *Redactor) Line(line []byte) []byte {
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
