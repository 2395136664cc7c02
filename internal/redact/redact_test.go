package redact

import (
	"errors"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"
)

func TestRedact_GivesEqualSecretsEqualPlaceholders(t *testing.T) {
	s := newScanner(t)
	a, b := seeded("equal", 1).password(), seeded("equal", 2).password()
	masked, found, err := s.Redact(key, "password="+a+"\nsame: https://x:"+a+"@h/\npassword="+b)
	if err != nil || len(found) != 3 {
		t.Fatalf("Redact = %q, %v, %v; want three findings", masked, found, err)
	}
	var marks []string
	for rest := masked; ; {
		i := strings.Index(rest, placeholderOpen)
		if i < 0 {
			break
		}
		n := placeholderLen(rest[i:])
		marks = append(marks, rest[i+n-9:i+n-1])
		rest = rest[i+n:]
	}
	if len(marks) != 3 || marks[0] != marks[1] || marks[0] == marks[2] {
		t.Errorf("%q has marks %v; want the first two equal and the third another", masked, marks)
	}
	other, _, err := s.Redact([]byte("the key of another conversation"), "password="+a)
	if err != nil || strings.Contains(other, marks[0]) {
		t.Errorf("Redact under another key = %q, %v; want another mark than %s", other, err, marks[0])
	}
}

func TestRedact_NamesOverlapsByTheMostSpecific(t *testing.T) {
	s := newScanner(t)
	token := "ghp_" + seeded("overlap", 0).of(base62, 36)
	for _, c := range []string{"password=§", "https://x:§@github.com/", "Authorization: Bearer §", "GITHUB_TOKEN=§"} {
		wantSecret(t, s, strings.ReplaceAll(c, "§", token), "github-token", token)
	}
	wantSecret(t, s, "password=\"x!"+token+"!y\"", "github-token", "x!"+token+"!y")
}

func TestRedact_MasksLongSecretsToTheirEnd(t *testing.T) {
	s := newScanner(t)
	for n := 100; n < 9000; n += 301 {
		r := seeded("long", n)
		blob, dotted := r.of(base64s, n), r.of(base62+".,;-", n)
		wantSecret(t, s, "    client-key-data: "+blob+"\n    x: 1", "api-key", blob)
		wantSecret(t, s, "SECRET="+dotted+" next", "secret", dotted)
		wantSecret(t, s, "Authorization: Bearer "+blob+", ok", "bearer-token", blob)
		token := "eyJ" + r.of(urls, 30) + ".eyJ" + r.of(urls, n) + "." + r.of(urls, 342)
		wantSecret(t, s, "got "+token+".", "jwt", token)
	}
}

func TestRedact_RefusesWhatItCannotScan(t *testing.T) {
	s := newScanner(t)
	for _, tt := range []struct {
		text string
		want error
	}{
		{"a\xffb", ErrNotText},
		{"a\x00b", ErrNotText},
		{strings.Repeat("a", MaxBytes+1), ErrTooLong},
		{strings.Repeat("a", MaxBytes), nil},
	} {
		masked, found, err := s.Redact(key, tt.text)
		if !errors.Is(err, tt.want) || err != nil && (masked != "" || found != nil) {
			t.Errorf("Redact(%.8q…) = %.8q…, %v, %v; want %v and nothing to pass on", tt.text, masked, found, err, tt.want)
		}
	}
	if masked, _, err := s.Redact(key[:MinKey-1], "text"); err == nil || masked != "" {
		t.Errorf("Redact with a short key = %q, %v; want an error", masked, err)
	}
}

func TestNew_MasksExactSecretsAnywhere(t *testing.T) {
	r := seeded("exact", 0)
	live, env, word := r.of(letters, 20), r.of(base62, 20), "correct-horse-battery-staple"
	s, err := New(Options{
		Exact: []string{live, word},
		Environ: []string{
			"BRIDGE_TOKEN=" + env, "DATABASE_URL=postgres://bob:" + env[4:] + "x@db/x", "HOME=/home/bob/with/a/long/path", "SHORT_PASSWORD=hunter2", "=C:=x", "BAD=\xff",
		},
	})
	if err != nil {
		t.Fatal(err)
	}
	for _, secret := range []string{live, env, word, env[4:] + "x"} {
		for _, c := range []string{"§", "x§y", "see §.", "{\"a\":\"§\"}"} {
			wantSecret(t, s, strings.ReplaceAll(c, "§", secret), "known-secret", secret)
		}
	}
	for _, text := range []string{"hunter2", "/home/bob/with/a/long/path", strings.ToUpper(word)} {
		if masked, found, err := s.Redact(key, text); masked != text || err != nil {
			t.Errorf("Redact(%q) = %q, %v, %v; want it unchanged", text, masked, found, err)
		}
	}
}

func TestNew_RefusesShortExactSecrets(t *testing.T) {
	_, err := New(Options{Exact: []string{"hunter2"}})
	if err == nil || strings.Contains(err.Error(), "hunter2") {
		t.Errorf("New with a short exact secret: %v; want an error without it", err)
	}
}

func TestScanner_ServesManyAtOnce(t *testing.T) {
	s := newScanner(t)
	text := dirty(4000)
	want, _, err := s.Redact(key, text)
	if err != nil {
		t.Fatal(err)
	}
	var wg sync.WaitGroup
	for range 8 {
		wg.Go(func() {
			for range 20 {
				if got, _, err := s.Redact(key, text); got != want || err != nil {
					t.Errorf("Redact gave another answer in parallel, or %v", err)
				}
			}
		})
	}
	wg.Wait()
}

func TestRules_HaveKindsThatFitAPlaceholder(t *testing.T) {
	for _, r := range append(builtin(), exactRules([]string{"a secret of some length"}, true)...) {
		if p := placeholderOpen + r.kind + ":01234567]"; placeholderLen(p) != len(p) {
			t.Errorf("kind %q does not fit the placeholder's grammar", r.kind)
		}
		if len(r.keywords) == 0 && r.sweep == nil || slices.Contains(r.keywords, "") {
			t.Errorf("rule %q has no keyword or an empty one", r.kind)
		}
		for _, w := range r.keywords {
			if w != asciiLower(w) {
				t.Errorf("rule %q: keyword %q is not lower case", r.kind, w)
			}
		}
	}
}

// A rule that reads on without finding anything takes seconds to minutes for these texts, not milliseconds.
func TestRedact_IsNotSlowedDownByHostileText(t *testing.T) {
	s := newScanner(t)
	units := hostile()
	for _, r := range builtin() {
		units = append(units, r.keywords...)
	}
	size, most := 50_000, 2*time.Second
	if testing.Short() { // under the race detector everything takes ten times as long
		size, most = 4_000, 10*time.Second
	}
	for _, unit := range units {
		began := time.Now()
		if _, _, err := s.Redact(key, strings.Repeat(unit, size/len(unit))); err != nil && !errors.Is(err, ErrCostly) {
			t.Errorf("Redact of many %q: %v", unit, err)
		}
		if took := time.Since(began); took > most {
			t.Errorf("Redact of many %q took %v", unit, took)
		}
	}
}

// hostile gives what, repeated, is made to cost: keywords without secrets, and values that are read and let go.
func hostile() []string {
	return []string{
		"token=(", "token=a.", "token=x-", "password=\"(", "password is ", "password x", "password: aaaa", "pwd“", "x://a:b", "://", "otpauth://a?", "eyJ.", "eyJaaaaaaaaaa.x ",
		"sk-", "sk-a-", "glpat-", "pypi-", "mysql -p", "curl -u a:", "jdbc:oracle:x:a/", "identified by '", "Cookie: a=", "authorization: bearer ", "\x1b]", "\x1b]0;", "\u200d",
		"oathtool -a", "echo -aecho", " login -a", "codecov -t ", "totp(", "token-a:", "keys=[\"aaaaaaaaaaaaaaaaaaaa\",", "chat.googleapis.com/v1/spaces/a/messages?&&&", "a a / a to login ", "WIFI:S:a;",
		"-----BEGIN " + "PRIVATE KEY-----", "-----BEGIN " + "PRIVATE KEY-----\naaaaaaaaaaaaaaaa", "[REDACTED:", "password=[REDACTED:a:00000000]",
	}
}

// seeds are texts for the fuzzers to vary.
func seeds() []string {
	r := seeded("seeds", 0)
	out := []string{
		"", "plain", "password=" + r.password(), "password=[REDACTED:password:deadbeef]", "[REDACTED:[REDACTED:a:00000000]", "password is \"" + r.password() + "\" [REDACTED:x:0123abcd]y",
		pem("RSA "+"PRIVATE KEY", r.key(2)), "https://a:b@c:d@e/", "secret=\x1b[31m" + r.of(base62, 20), "пароль password=\u0915\u094d\u200d\u0937123456\u200d x",
		"token=" + r.of(base62, 20) + "password=" + r.password() + "&api_key=" + r.of(hexes, 32), dirty(1500),
	}
	for _, tokens := range shapes(r) {
		out = append(out, strings.Join(tokens, " "), strings.Join(tokens, ""))
	}
	return out
}

func FuzzRedactIdempotent(f *testing.F) {
	for _, text := range seeds() {
		f.Add(text)
	}
	s := newScanner(f)
	f.Fuzz(func(t *testing.T, text string) {
		masked, found, err := s.Redact(key, text)
		if err != nil {
			if masked != "" || found != nil {
				t.Errorf("Redact gave %q, %v beside %v", masked, found, err)
			}
			return
		}
		clean := Sanitise(text)
		end := 0
		for _, f := range found {
			if f.Start < end || f.End <= f.Start || f.End > len(clean) || !Valid(clean[f.Start:f.End]) {
				t.Fatalf("finding %v after %d in %d bytes", f, end, len(clean))
			}
			end = f.End
		}
		again, more, err := s.Redact(key, masked)
		if again != masked || len(more) != 0 || err != nil {
			t.Errorf("Redact(%q) = %q\nthen %q, %v, %v", text, masked, again, more, err)
		}
	})
}

func FuzzSanitiseIdempotent(f *testing.F) {
	for _, text := range seeds() {
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, text string) {
		if !Valid(text) {
			return
		}
		clean := Sanitise(text)
		if again := Sanitise(clean); again != clean || !Valid(clean) || len(clean) > len(text) {
			t.Errorf("Sanitise(%q) = %q, then %q", text, clean, again)
		}
	})
}

const cleanText = `I looked at internal/bridge/send.go: the password check is fine, but the token is read before the lease is renewed.
Run "go test ./internal/bridge -run TestSend" and see https://example.com/issues/42. The secret is that Update may run fn twice;
so the session key must be computed outside, and the author of the task passes ctx along. func (s *Service) Send(ctx context.Context,
token string) error { return s.store.Update(ctx, scope, func(tx Tx) error { return nil }) }. Commit 3f2a9c1d4e5b6a7f8091a2b3c4d5e6f7.
`

func clean(n int) string { return strings.Repeat(cleanText, n/len(cleanText)+1)[:n] }

// dirty gives n bytes of ordinary text with a secret in every second line.
func dirty(n int) string {
	r := seeded("dirty", n)
	var b strings.Builder
	for b.Len() < n {
		b.WriteString(cleanText[:220] + "\npassword=" + r.password() + "\n" + cleanText[220:400] + "\nuse ghp_" + r.of(base62, 36) + " now\n")
	}
	return b.String()[:n]
}

func benchmarkRedact(b *testing.B, text string) {
	s := newScanner(b)
	b.SetBytes(int64(len(text)))
	b.ReportAllocs()
	for b.Loop() {
		if _, _, err := s.Redact(key, text); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkRedact_Clean200B(b *testing.B) { benchmarkRedact(b, clean(200)) }
func BenchmarkRedact_Clean10K(b *testing.B)  { benchmarkRedact(b, clean(10_000)) }
func BenchmarkRedact_Dirty10K(b *testing.B)  { benchmarkRedact(b, dirty(10_000)) }

func BenchmarkRedact_Hostile50K(b *testing.B) {
	for _, unit := range hostile() {
		b.Run(strings.TrimSpace(unit), func(b *testing.B) { benchmarkRedact(b, strings.Repeat(unit, 50_000/len(unit))) })
	}
}

func BenchmarkSanitise_Clean10K(b *testing.B) {
	text := clean(10_000)
	b.SetBytes(int64(len(text)))
	b.ReportAllocs()
	for b.Loop() {
		Sanitise(text)
	}
}
