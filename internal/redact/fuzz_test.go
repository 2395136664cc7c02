package redact

import (
	"regexp"
	"strings"
	"testing"
)

// Rules that people add may match anything, what others leave and parts of placeholders included.
func FuzzRedactIdempotent_WithCustomRules(f *testing.F) {
	for _, pattern := range []string{
		`ACME-[0-9]{4}`, `[a-z]+`, `.`, `(?i)redacted`, `REDACTED:[a-z]+`, `[0-9a-f]{8}`, `\]`, `:\w{8}\]`, `(?s).+`, `x(\d+)y|(z+)`, `pass\w+=(\S+)`, `\bkey\b.{3,9}`, `^.{5}`, `.{5}$`,
	} {
		for _, text := range []string{
			"", "ACME-1234", "password=hunter2secret9 ACME-0000 key abc", "[REDACTED:password:deadbeef]", "a[REDACTED:a:00000000]b[REDACTED:[REDACTED:a:00000000]", "x123y zzz\x1b[1mx4y",
		} {
			f.Add(pattern, "acme", text, true)
			f.Add(pattern, "", text, false)
		}
	}
	f.Fuzz(func(t *testing.T, pattern, keyword, text string, first bool) {
		rule := Rule{Name: "custom", Pattern: pattern}
		if keyword != "" {
			rule.Keywords = []string{keyword}
		}
		rules := []Rule{rule, {Name: "other", Pattern: `ACME-[0-9]+`}}
		if !first {
			rules[0], rules[1] = rules[1], rules[0]
		}
		s, err := New(Options{Rules: rules})
		if err != nil {
			return
		}
		masked, found, err := s.Redact(key, text)
		if err != nil {
			if masked != "" || found != nil {
				t.Errorf("Redact gave %q, %v beside %v", masked, found, err)
			}
			return
		}
		again, more, err := s.Redact(key, masked)
		if again != masked || len(more) != 0 || err != nil {
			t.Errorf("with %q, Redact(%q) = %q\nthen %q, %v, %v", pattern, text, masked, again, more, err)
		}
	})
}

// What counts as a placeholder is not scanned, so it must be of one form and no other: nothing else may hide in it.
func FuzzPlaceholder(f *testing.F) {
	for _, s := range []string{
		"", "[REDACTED:", "[REDACTED:password:deadbeef]", "[REDACTED:a:00000000]]", "[REDACTED::00000000]", "[REDACTED:a:0000000]", "[REDACTED:a:000000000]", "[REDACTED:A:00000000]",
		"[REDACTED:a b:00000000]", "[REDACTED:[REDACTED:a:00000000]:00000000]", "[redacted:a:00000000]", "[REDACTED:" + strings.Repeat("a", maxKind+1) + ":00000000]", "[REDACTED:a:0000000G]",
	} {
		f.Add(s)
	}
	form := regexp.MustCompile(`^\[REDACTED:[a-z0-9-]{1,24}:[0-9a-f]{8}\]`)
	s := newScanner(f)
	f.Fuzz(func(t *testing.T, text string) {
		n := placeholderLen(text)
		if want := len(form.FindString(text)); n != want {
			t.Fatalf("placeholderLen(%q) = %d, want %d", text, n, want)
		}
		if n == 0 {
			return
		}
		if masked, found, err := s.Redact(key, text[:n]); masked != text[:n] || len(found) != 0 || err != nil {
			t.Errorf("Redact(%q) = %q, %v, %v; want it unchanged", text[:n], masked, found, err)
		}
	})
}
