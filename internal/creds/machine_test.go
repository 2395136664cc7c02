package creds

import (
	"crypto/ed25519"
	"encoding/base64"
	"encoding/json"
	"strings"
	"testing"

	"agentbridge/internal/bridge"
)

func newIdentity(t testing.TB) *Identity {
	t.Helper()
	id, err := NewIdentity()
	if err != nil {
		t.Fatal(err)
	}
	return id
}

func TestFingerprint_ReadsBackAsPeopleTypeIt(t *testing.T) {
	f := newIdentity(t).Machine().Fingerprint()
	for _, typed := range []string{string(f), f.String(), strings.ToUpper(f.String()), " " + strings.ReplaceAll(f.String(), "-", " ") + "\n"} {
		if got, err := ParseFingerprint(typed); err != nil || got != f {
			t.Errorf("ParseFingerprint(%q) = %q, %v, want %q", typed, got, err, f)
		}
	}
	for _, wrong := range []string{"", "abcd", f.String()[1:], f.String() + "a", strings.Repeat("1", 32), "../../../../../../../../../../etc"} {
		if got, err := ParseFingerprint(wrong); err == nil {
			t.Errorf("ParseFingerprint(%q) = %q, want an error", wrong, got)
		}
	}
}

func TestFingerprint_StandsForBothKeys(t *testing.T) {
	a, b := newIdentity(t).Machine(), newIdentity(t).Machine()
	for _, mixed := range []Machine{{a.Sign, b.Age}, {b.Sign, a.Age}} {
		if f := mixed.Fingerprint(); f == a.Fingerprint() || f == b.Fingerprint() {
			t.Errorf("a machine with one key of another has its fingerprint")
		}
	}
}

func TestIdentity_IsTheSameWhenReadAgainAndItsErrorsHoldNoSecret(t *testing.T) {
	id := newIdentity(t)
	text, err := json.Marshal(id)
	if err != nil {
		t.Fatal(err)
	}
	var again Identity
	if err := json.Unmarshal(text, &again); err != nil || again.Machine().Fingerprint() != id.Machine().Fingerprint() {
		t.Fatalf("read again: %v, fingerprint %s, want %s", err, again.Machine().Fingerprint(), id.Machine().Fingerprint())
	}
	if card := string(id.Card()); strings.Contains(card, "SECRET") || strings.Contains(card, base64.StdEncoding.EncodeToString(id.sign.Seed())) {
		t.Error("the card holds a secret")
	}
	for _, broken := range []string{strings.Replace(string(text), "AGE-SECRET-KEY-1", "AGE-SECRET-KEY-2", 1), `{"sign":"AAAA","age":"` + id.age.String() + `"}`, "{}"} {
		err := json.Unmarshal([]byte(broken), new(Identity))
		if e := bridge.AsError(err); err == nil || e.Code != bridge.Invalid || strings.Contains(e.Text(), id.age.String()[16:]) {
			t.Errorf("%v, want invalid without the secret", err)
		}
	}
}

// What a writer of the repository can put under the fingerprint that a person compared.
func TestParseCard_TakesNoOtherKeysThanTheFingerprints(t *testing.T) {
	known, hostile := newIdentity(t), newIdentity(t)
	f := known.Machine().Fingerprint()
	if m, err := ParseCard(f, known.Card()); err != nil || m.Age != known.Machine().Age || !m.Sign.Equal(known.Machine().Sign) {
		t.Fatalf("ParseCard = %v, %v, want the machine", m, err)
	}
	signed := func(by *Identity, sign ed25519.PublicKey, age string) []byte {
		text := cardHead + "\n" + base64.StdEncoding.EncodeToString(sign) + "\n" + age + "\n"
		return []byte(text + base64.StdEncoding.EncodeToString(ed25519.Sign(by.sign, []byte(text))) + "\n")
	}
	tests := map[string][]byte{
		"the hostile's own card":             hostile.Card(),
		"its key to encrypt to, signed":      signed(hostile, known.Machine().Sign, hostile.Machine().Age),
		"its key to sign, signed with it":    signed(hostile, hostile.Machine().Sign, known.Machine().Age),
		"a true signature, of another key":   signed(known, known.Machine().Sign, hostile.Machine().Age),
		"nothing":                            nil,
		"more behind it":                     append(known.Card(), "more\n"...),
		"other line ends":                    []byte(strings.ReplaceAll(string(known.Card()), "\n", "\r\n")),
		"a giant":                            append(known.Card(), strings.Repeat("\n", 1<<20)...),
		"the key in capitals, which is same": signed(known, known.Machine().Sign, strings.ToUpper(known.Machine().Age)),
	}
	for name, text := range tests {
		if m, err := ParseCard(f, text); err == nil || m.Age != "" {
			t.Errorf("%s: taken as %v", name, m)
		}
	}
	for n := range known.Card() {
		text := known.Card()
		text[n] ^= 1
		if _, err := ParseCard(f, text); err == nil {
			t.Errorf("taken with byte %d changed", n)
		}
	}
}

func TestBook_ANameStandsForOneMachineUntilAPersonSaysOtherwise(t *testing.T) {
	var b Book
	one, other := newIdentity(t).Machine(), newIdentity(t).Machine()
	steps := []struct {
		name    string
		m       Machine
		replace bool
		want    error
	}{
		{"worker", one, false, nil},
		{"worker", one, false, nil},
		{"worker", other, false, bridge.Conflict},
		{"second", one, false, bridge.Conflict},
		{"worker", other, true, nil},
		{"second", one, false, nil},
		{"second", other, true, bridge.Conflict},
	}
	for n, s := range steps {
		if err := b.Trust(s.name, s.m, s.replace); (s.want == nil) != (err == nil) || s.want != nil && !isCode(err, s.want) {
			t.Errorf("step %d: %v, want %v", n, err, s.want)
		}
	}
	if got := b.NameOf(other.Fingerprint()); got != "worker" {
		t.Errorf("NameOf = %q, want worker", got)
	}
	if err := b.Forget("worker"); err != nil || b.NameOf(other.Fingerprint()) != "" || len(b.Senders()) != 1 {
		t.Errorf("Forget: %v, and %d senders are left, want 1", err, len(b.Senders()))
	}
	if err := b.Forget("worker"); !isCode(err, bridge.NotFound) {
		t.Errorf("Forget again: %v, want not_found", err)
	}
}
