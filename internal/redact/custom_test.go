package redact

import (
	"encoding/base64"
	"encoding/hex"
	"errors"
	"net/url"
	"strings"
	"testing"
	"time"
)

func TestNew_TakesRulesThatPeopleAdd(t *testing.T) {
	s, err := New(Options{Rules: []Rule{
		{Name: "acme-badge", Pattern: `AC-\d{5}`},
		{Name: "acme-page", Pattern: `page/(\d+)|Seite (\d+)`, Keywords: []string{"PAGE", "seite"}},
		{Name: "acme-note", Pattern: `(note)=(\w+)`, Group: 2, Entropy: 3},
	}})
	if err != nil {
		t.Fatal(err)
	}
	for _, tt := range []struct{ text, kind, secret string }{
		{"badge AC-12345.", "acme-badge", "AC-12345"},
		{"see Page/4711", "", ""},
		{"see page/4711", "acme-page", "4711"},
		{"siehe Seite 4711", "acme-page", "4711"},
		{"note=aaaaaaaa", "", ""},
		{"note=qhw8zkp2", "acme-note", "qhw8zkp2"},
		{strings.Repeat("x ", 20_000) + "AC-12345 " + strings.Repeat("x ", 20_000), "acme-badge", "AC-12345"},
	} {
		if tt.kind != "" {
			wantSecret(t, s, tt.text, tt.kind, tt.secret)
		} else if masked, _, err := s.Redact(key, tt.text); masked != tt.text || err != nil {
			t.Errorf("Redact(%q) = %q, %v; want it unchanged", tt.text, masked, err)
		}
	}
	// Ours and theirs: the people's rule names what both find.
	token := "AC-12345" + seeded("both", 0).of(base62, 20)
	wantSecret(t, s, "api_key="+token, "acme-badge", token)
}

func TestNew_RefusesRulesThatAreWrong(t *testing.T) {
	for _, tt := range []struct {
		rule Rule
		want string
	}{
		{Rule{Pattern: "a"}, "name"},
		{Rule{Name: "Acme", Pattern: "a"}, "kebab-case"},
		{Rule{Name: "-acme", Pattern: "a"}, "kebab-case"},
		{Rule{Name: "ac--me", Pattern: "a"}, "kebab-case"},
		{Rule{Name: strings.Repeat("a", maxKind+1), Pattern: "a"}, "kebab-case"},
		{Rule{Name: "acme"}, "missing"},
		{Rule{Name: "acme", Pattern: "se" + "cret("}, "missing closing )"},
		{Rule{Name: "acme", Pattern: "a*"}, "nothing at all"},
		{Rule{Name: "acme", Pattern: `\b`}, "nothing at all"},
		{Rule{Name: "acme", Pattern: "a|b?"}, "nothing at all"},
		{Rule{Name: "acme", Pattern: "(?:a{0,3})"}, "nothing at all"},
		{Rule{Name: "acme", Pattern: "(a)", Group: 2}, "1 groups"},
		{Rule{Name: "acme", Pattern: "(a)", Group: -1}, "1 groups"},
		{Rule{Name: "acme", Pattern: "a", Entropy: 9}, "entropy"},
		{Rule{Name: "acme", Pattern: "a", Keywords: []string{"ok-word", "ab"}}, "keyword"},
		{Rule{Name: "acme", Pattern: "a", Keywords: []string{"a\x1b[0mbc"}}, "keyword"},
		{Rule{Name: "twice", Pattern: "a"}, "two of that name"},
	} {
		_, err := New(Options{Rules: []Rule{{Name: "twice", Pattern: "x"}, tt.rule}})
		if err == nil || !strings.Contains(err.Error(), tt.want) || strings.Contains(err.Error(), "se"+"cret(") {
			t.Errorf("New with %+v: %v; want an error about %q, without the pattern", tt.rule, err, tt.want)
		}
	}
}

// A reader of [REDACTED:kind:…] must be able to tell whose rule it was.
func TestNew_RefusesTheNameOfABuiltInRule(t *testing.T) {
	names := []string{"known-secret"}
	for _, r := range general().rules {
		names = append(names, r.kind)
	}
	for _, name := range names {
		_, err := New(Options{Rules: []Rule{{Name: "acme", Pattern: "x"}, {Name: name, Pattern: "y"}}})
		if err == nil || !strings.Contains(err.Error(), "rule "+name) || !strings.Contains(err.Error(), "choose a name of your own") {
			t.Errorf("New with a rule of the name %s: %v; want it refused, with a way out", name, err)
		}
	}
}

func TestNew_AllowsByHash(t *testing.T) {
	r := seeded("allow", 0)
	harmless, live := r.password(), r.of(base62, 20)
	s, err := New(Options{Exact: []string{live}, Allow: []string{Hash(harmless), Hash(live)}})
	if err != nil {
		t.Fatal(err)
	}
	if text := "password=" + harmless + " ok"; func() string { m, _, _ := s.Redact(key, text); return m }() != text {
		t.Errorf("Redact of an allowed password changed %q", text)
	}
	wantSecret(t, s, "password="+harmless+"x", "password", harmless+"x")
	wantSecret(t, s, "it is "+live+".", "known-secret", live)
	for _, hash := range []string{"", harmless, "sha256:", "sha256:12", "md5:" + strings.Repeat("a", 32), "sha256:" + strings.Repeat("g", 64)} {
		if _, err := New(Options{Allow: []string{hash}}); err == nil || strings.Contains(err.Error(), harmless) {
			t.Errorf("New with the hash %q: %v; want an error without it", hash, err)
		}
	}
}

func TestNew_FindsKnownSecretsInOtherClothes(t *testing.T) {
	secret := seeded("clothes", 0).of(letters, 9) + `&"/` + seeded("clothes", 1).of(base62, 12)
	s, err := New(Options{Exact: []string{secret}})
	if err != nil {
		t.Fatal(err)
	}
	forms := []string{secret, url.QueryEscape(secret), url.PathEscape(secret), strings.ReplaceAll(secret, `"`, `\"`), hex.EncodeToString([]byte(secret))}
	for _, around := range []string{"", "u", "us", "user:", "a longer name:"} {
		for _, enc := range []*base64.Encoding{base64.StdEncoding, base64.URLEncoding, base64.RawURLEncoding} {
			forms = append(forms, enc.EncodeToString([]byte(around+secret+around)))
		}
	}
	for _, form := range forms {
		wantSecret(t, s, "see ("+form+"), ok", "known-secret", form)
	}
}

// Programs disagree about the case of hex digits, and people mix it when they retype.
func TestNew_FindsKnownSecretsInHexOfAnyCase(t *testing.T) {
	secret := seeded("hex", 0).of(letters, 9) + "/~" + seeded("hex", 1).of(base62, 12) + ">>>???" // holds what differs between the alphabets of base64
	s, err := New(Options{Exact: []string{secret}})
	if err != nil {
		t.Fatal(err)
	}
	lower := hex.EncodeToString([]byte(secret))
	mixed := []byte(lower)
	for i := 0; i < len(mixed); i += 3 {
		mixed[i] = strings.ToUpper(lower)[i]
	}
	forms := []string{
		lower, strings.ToUpper(lower), string(mixed), strings.ToUpper(lower[:2]) + lower[2:], "00FFab" + strings.ToUpper(lower) + "0Dd",
		base64.StdEncoding.EncodeToString([]byte(secret)), base64.URLEncoding.EncodeToString([]byte(secret)),
	}
	if strings.ContainsAny(forms[6], "+/") || !strings.ContainsAny(forms[5], "+/") {
		t.Fatalf("the secret is the same in both alphabets: %s", forms[5])
	}
	for _, form := range forms {
		wantSecret(t, s, "siehe «"+form+"»\nok", "known-secret", form)
	}
	for _, escaped := range []string{url.QueryEscape(secret), url.PathEscape(secret)} {
		wantSecret(t, s, "see ("+escaped+"), ok", "known-secret", escaped)
		small := percent.ReplaceAllStringFunc(escaped, strings.ToLower)
		wantSecret(t, s, "see ("+small+"), ok", "known-secret", small)
	}
	// One digit is another: not the secret.
	other := []byte(strings.ToUpper(lower))
	other[len(other)-1] ^= 1
	if masked, _, err := s.Redact(key, "see "+string(other)+" ok"); err != nil || strings.Contains(masked, "known-secret") {
		t.Errorf("Redact of another hex string = %q, %v", masked, err)
	}
}

func TestNew_KnowsTheEnvironmentByItsNames(t *testing.T) {
	value := seeded("environ", 0).of(letters[:26], 14) // so plain that no rule would find it
	for name, want := range map[string]bool{
		"APP_TOKEN": true, "SECRET": true, "DB_PASSWORD": true, "MYPASSWORD": true, "SIGNING_KEY": true, "KEY_1": true, "AWS_CREDENTIALS": true, "ENCRYPTION_KEY_V2": true,
		"EDITOR": false, "TOKEN_FILE": false, "SECRET_PATH": false, "KEYBOARD": false, "MONKEY": false, "PASSAGE": false,
	} {
		s, err := New(Options{Environ: []string{name + "=" + value}})
		if err != nil {
			t.Fatal(err)
		}
		if masked, _, err := s.Redact(key, "so "+value+" it is"); err != nil || strings.Contains(masked, value) == want {
			t.Errorf("with %s, Redact gave %q, %v; masked is to be %v", name, masked, err, want)
		}
	}
	for _, value := range []string{"/home/bob/keys/id_rsa", "${OTHER_VARIABLE}", "changeme-changeme", "123456789012345", "too-short"} {
		s, err := New(Options{Environ: []string{"APP_SECRET=" + value}})
		if err != nil {
			t.Fatal(err)
		}
		if masked, _, err := s.Redact(key, "so "+value+" it is"); err != nil || !strings.Contains(masked, value) {
			t.Errorf("with the value %q, Redact gave %q, %v; want it unchanged", value, masked, err)
		}
	}
}

// What is made to keep the scanner busy is refused after a while, not scanned for minutes and never passed through.
func TestRedact_EndsInBoundedTime(t *testing.T) {
	s, err := New(Options{Rules: []Rule{{Name: "custom", Pattern: `a.*b|c`}}})
	if err != nil {
		t.Fatal(err)
	}
	size, most := MaxBytes, 20*time.Second
	if testing.Short() { // under the race detector everything takes ten times as long, and some of it fifty
		size, most = MaxBytes/16, time.Minute
	}
	refused := 0
	for _, unit := range []string{
		"password=", "password=password", "[REDACTED:", "eyJaaaaaaaaaa-", "sk-", "secret token key ", "ac", "_", "auth=(", "xoxo-", "Cookie: a=b; ", "aA1!aA1! pw ", "webhookb2/",
	} {
		began := time.Now()
		masked, found, err := s.Redact(key, strings.Repeat(unit, size/len(unit)))
		if took := time.Since(began); took > most {
			t.Errorf("Redact of many %q took %v", unit, took)
		}
		if err != nil {
			refused++
			if masked != "" || found != nil || !errors.Is(err, ErrCostly) && !errors.Is(err, ErrTangled) {
				t.Errorf("Redact of many %q = %.20q…, %d findings, %v; want nothing to pass on", unit, masked, len(found), err)
			}
		}
	}
	if refused == 0 {
		t.Error("no text was refused; the budget has no effect")
	}
}
