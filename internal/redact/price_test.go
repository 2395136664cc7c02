package redact

import (
	"errors"
	"strings"
	"testing"
)

// What people may write and what a text may hold, both at their worst: a message of the usual length is scanned all the same, and the
// longest text is refused after a while.
func TestRedact_ChargesARuleByItsSize(t *testing.T) {
	for _, tt := range []struct{ pattern, unit string }{
		{`[a-z]{190}1`, "a"},
		{`(?:.*a){60}b`, "a"},
		{strings.Repeat(`(a)?`, 30) + `b`, "a"},
	} {
		s, err := New(Options{Rules: []Rule{{Name: "acme", Pattern: tt.pattern}}})
		if err != nil {
			t.Errorf("New with %.40s: %v", tt.pattern, err)
			continue
		}
		size := maxRuled
		if testing.Short() {
			size /= 10
		}
		text := strings.Repeat(tt.unit, size/len(tt.unit))
		if masked, _, err := s.Redact(key, text); masked != text || err != nil {
			t.Errorf("Redact with %.40s of %d hostile bytes: %d bytes, %v", tt.pattern, len(text), len(masked), err)
		}
		if testing.Short() {
			continue
		}
		if masked, _, err := s.Redact(key, strings.Repeat(tt.unit, MaxBytes/len(tt.unit))); masked != "" || !errors.Is(err, ErrCostly) {
			t.Errorf("Redact with %.40s of the longest text: %d bytes, %v; want it refused", tt.pattern, len(masked), err)
		}
	}
}

func TestNew_RefusesARuleThatATextCouldKeepBusy(t *testing.T) {
	for _, pattern := range []string{
		`(?:a?){1000}b`, `[a-z]{1000}1`, `(?:[a-z]+ ?){500}!`, `(?:.*a){200}b`, strings.Repeat(`(a)?`, 100) + `b`, strings.Repeat(`[a-z]{1000}`, 20) + `1`,
	} {
		_, err := New(Options{Rules: []Rule{{Name: "acme", Pattern: pattern, Keywords: []string{"acme"}}}})
		if err == nil || !strings.Contains(err.Error(), "rule acme") || !strings.Contains(err.Error(), "write less in braces") || strings.Contains(err.Error(), pattern) {
			t.Errorf("New with %.40s: %v; want it refused, with a way out", pattern, err)
		}
	}
}

// A list of what a rule finds costs no more than a text without any.
func TestRedact_RulesMayMatchOften(t *testing.T) {
	s, err := New(Options{Rules: []Rule{{Name: "acme-badge", Pattern: `AC-\d{5}`}, {Name: "acme-digest", Pattern: `\b[a-f0-9]{64}\b`}}})
	if err != nil {
		t.Fatal(err)
	}
	digest := seeded("often", 0).of(hexes, 64)
	const n = 2000
	masked, found, err := s.Redact(key, strings.Repeat("AC-12345\n"+digest+"\n", n))
	if err != nil || len(found) != 2*n || strings.Contains(masked, "12345\n") || strings.Contains(masked, digest) {
		t.Errorf("%d findings, %v; want %d", len(found), err, 2*n)
	}
}

// Where one window ends and the next begins, nothing is missed. That a beginning or an end of a word is seen there is no harm.
func TestRedact_RulesSeeAcrossWindows(t *testing.T) {
	s, err := New(Options{Rules: []Rule{{Name: "acme-badge", Pattern: `\bAÇ-é\d{3}\b`}, {Name: "acme-page", Pattern: `\BSeite\w\b`}, {Name: "acme-keys", Pattern: `🔑{5}`}}})
	if err != nil {
		t.Fatal(err)
	}
	for before := maxMatch - 90; before < maxMatch+10; before++ {
		for text, secret := range map[string]string{" AÇ-é123 ": "AÇ-é123", "xSeite9 ": "Seite9", "  🔑🔑🔑🔑🔑 ": "🔑🔑🔑🔑🔑"} {
			text = strings.Repeat(" ", before) + text + strings.Repeat(" ", maxMatch)
			_, found, err := s.Redact(key, text)
			got := ""
			if len(found) == 1 {
				got = text[found[0].Start:found[0].End]
			}
			if err != nil || len(found) > 1 || got != secret {
				t.Errorf("behind %d bytes: %d findings, %q, %v; want %q", before, len(found), got, err, secret)
			}
		}
	}
}
