// Package redact sanitises text and finds and masks secrets in it.
//
// Text goes through three steps: [Sanitise] makes it what it looks like, the rules find secrets in it, and each secret is
// replaced by a placeholder. What is sent, stored, logged or digested is the result, never the original. The rules want to
// miss nothing, unlike those of a linter, which want to disturb nobody: there is no comment that turns a rule off.
package redact

import (
	"crypto/sha256"
	"errors"
	"fmt"
	"strings"
	"sync"
	"unicode/utf8"
)

// MaxBytes is the longest text that Redact takes.
const MaxBytes = 1 << 20

// MinExact is the shortest secret, in bytes, that is masked wherever it appears: a shorter one could be an ordinary word.
const MinExact = 12

// MinKey is the shortest key, in bytes, that Redact takes.
const MinKey = 16

// What Redact refuses rather than pass through unscanned. All are compared with errors.Is.
var (
	ErrNotText = errors.New("text is not valid UTF-8 or holds a NUL; send text, or encode binary data")
	ErrTooLong = fmt.Errorf("text is longer than the %d bytes that can be scanned; send it in parts", MaxBytes)
	// ErrTangled is about text that shows a new secret each time one is masked; nobody writes such text by accident.
	ErrTangled = errors.New("text nests too many secrets to be masked; send it in parts")
	// ErrCostly is about text made to keep a scanner busy.
	ErrCostly = errors.New("text takes too long to be scanned; send it in parts")
)

// Options adds to the built-in rules. The zero value adds nothing.
type Options struct {
	// Exact are secrets to mask wherever they appear, with or without a telling context: live tokens of our own, say.
	// New refuses one shorter than MinExact.
	Exact []string

	// Environ is the process's own environment, as os.Environ gives it. Of its values of at least MinExact bytes, those of
	// variables whose name tells of a secret, and what the rules find in others, are treated like Exact. A path or a
	// reference is no secret, whatever the name says.
	Environ []string

	// Rules are tried before the built-in ones. New refuses one that is not valid; see Rule.
	Rules []Rule

	// Allow are hashes of secrets that are known to be harmless, as Hash gives them. Rules let them pass; those of Exact
	// are masked all the same.
	Allow []string
}

// A Finding is one secret: bytes Start to End of the sanitised text, without the words that gave it away.
type Finding struct {
	Kind       string // stable, in kebab-case: "password", "github-token"
	Start, End int
}

// A Scanner finds and masks secrets. Any number of goroutines may use it at once.
type Scanner struct {
	own     *ruleSet // what the options add; it comes first
	general *ruleSet
	allow   map[[sha256.Size]byte]bool
}

// general is compiled once, when it is first needed: it is the same for all scanners, and never changes.
var general = sync.OnceValue(func() *ruleSet { return compile(builtin()) })

// New makes a scanner. The first takes some milliseconds; a process keeps one.
func New(opts Options) (*Scanner, error) {
	s := &Scanner{own: compile(nil), general: general(), allow: make(map[[sha256.Size]byte]bool)}
	own, err := customRules(opts.Rules)
	if err != nil {
		return nil, err
	}
	for _, hash := range opts.Allow {
		sum, err := parseHash(hash)
		if err != nil {
			return nil, err
		}
		s.allow[sum] = true
	}
	for i, e := range opts.Exact {
		if len(e) < MinExact {
			return nil, fmt.Errorf("exact secret %d has %d bytes; give at least %d, or leave it to the rules", i, len(e), MinExact)
		}
	}
	exact := exactRules(opts.Exact, true)
	known, err := s.known(opts.Environ)
	if err != nil {
		return nil, err
	}
	exact = append(exact, exactRules(known, false)...)
	s.own = compile(append(exact, own...))
	return s, nil
}

// Valid reports whether s is text that can be scanned: UTF-8 without NUL.
func Valid(s string) bool {
	return strings.IndexByte(s, 0) < 0 && utf8.ValidString(s)
}

// Redact sanitises text and replaces every secret found in it by [REDACTED:kind:h8]. h8 is the first 8 hex digits of
// HMAC-SHA256(key, secret), so under one key equal secrets are recognisably equal; a key of its own for each conversation
// keeps them apart between conversations, and the key must be secret, at least MinKey bytes, or short passwords could be
// guessed from h8. found tells what was masked, in order, in offsets of the sanitised (not the masked) text.
//
// Not taken for secrets are values that somebody has blanked out, references such as ${PASSWORD}, words that everyone knows for
// placeholders or defaults, such as "changeme", and whatever holds the first twelve letters of the alphabet in a row, as the
// examples of documents do: ghp_abcdefghijklmnopqrstuvwxyz0123456789. Those of Options.Exact are masked all the same.
//
// Redact is idempotent: a placeholder is text like any other, but never redacted again. On an error nothing is returned to
// pass on; the error holds nothing of the text.
func (s *Scanner) Redact(key []byte, text string) (masked string, found []Finding, err error) {
	if len(key) < MinKey {
		return "", nil, fmt.Errorf("redaction key has %d bytes; give at least %d random ones", len(key), MinKey)
	}
	if len(text) > MaxBytes {
		return "", nil, ErrTooLong
	}
	if !Valid(text) {
		return "", nil, ErrNotText
	}
	text = Sanitise(text)
	found, err = s.find(text)
	if err != nil {
		return "", nil, err
	}
	if len(found) == 0 {
		return text, nil, nil
	}
	return mask(key, text, found), found, nil
}
