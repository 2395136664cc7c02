package creds

import (
	"bytes"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"errors"
	"strings"
	"testing"
	"time"

	"agentbridge/internal/bridge"
)

func isCode(err, code error) bool { return errors.Is(err, code) }

// codeFor writes a code of a hub as the hub would; empty: one that says of none.
func codeFor(hub string) string {
	raw := make([]byte, 24) // id and secret
	rand.Read(raw)
	if hub != "" {
		raw = append(append(raw, 0), hub...)
		sum := sha256.Sum256(raw)
		raw = append(raw, sum[:4]...)
	}
	return "abi1_" + base64.RawURLEncoding.EncodeToString(raw)
}

const testHub = "https://hub.example:7483"

func sealed(t *testing.T, from *Identity, to Machine, now time.Time) (Invite, []byte) {
	t.Helper()
	i, err := from.NewInvite(to, codeFor(testHub), now, time.Time{})
	if err != nil {
		t.Fatal(err)
	}
	text, err := from.Seal(i, to)
	if err != nil {
		t.Fatal(err)
	}
	return i, text
}

func TestOpen_GivesWhatATrustedMachineSentToThisOne(t *testing.T) {
	alpha, beta, now := newIdentity(t), newIdentity(t), time.Now()
	want, text := sealed(t, alpha, beta.Machine(), now)
	got, err := beta.Open(text, []Machine{newIdentity(t).Machine(), alpha.Machine()}, now)
	if err != nil || got != want {
		t.Fatalf("Open = %+v, %v, want %+v", got, err, want)
	}
	if life := want.Expires.Sub(want.Created); life != MaxLife {
		t.Errorf("it is good for %s, want %s", life, MaxLife)
	}
}

func TestSeal_ShowsNothingOfWhatItSeals(t *testing.T) {
	alpha, beta, now := newIdentity(t), newIdentity(t), time.Now()
	i, text := sealed(t, alpha, beta.Machine(), now)
	secrets := []string{i.Code, testHub, "hub.example", string(i.From), string(i.To), i.ID, alpha.Machine().Age, beta.Machine().Age, base64.StdEncoding.EncodeToString(alpha.Machine().Sign)}
	for _, secret := range secrets {
		if bytes.Contains(text, []byte(secret)) {
			t.Errorf("%q is in it in clear", secret)
		}
	}
	short, err := alpha.NewInvite(beta.Machine(), codeFor("https://h.io"), now, time.Time{})
	if err != nil {
		t.Fatal(err)
	}
	other, err := alpha.Seal(short, beta.Machine())
	if err != nil || len(other) != len(text) {
		t.Errorf("sealed with a shorter address it has %d bytes, want %d: its size tells (%v)", len(other), len(text), err)
	}
}

func TestNewInvite_TakesNothingButACodeOfAHub(t *testing.T) {
	alpha, beta, now := newIdentity(t), newIdentity(t).Machine(), time.Now()
	token := "abt1_k1_" + base64.RawURLEncoding.EncodeToString(make([]byte, 48))
	whole := codeFor(testHub)
	for name, code := range map[string]string{"a token": token, "nothing": "", "part of a code": whole[:len(whole)-5], "a code of one machine": codeFor(""), "words": "join us"} {
		if i, err := alpha.NewInvite(beta, code, now, time.Time{}); !isCode(err, bridge.Invalid) {
			t.Errorf("%s: %+v, %v, want invalid", name, i, err)
		} else if code != "" && strings.Contains(bridge.AsError(err).Text(), code) {
			t.Errorf("%s: the error shows it", name)
		}
	}
	if _, err := alpha.NewInvite(beta, whole, now, now.Add(-time.Second)); !isCode(err, bridge.Expired) {
		t.Errorf("one that ended: %v, want expired", err)
	}
	if i, err := alpha.NewInvite(beta, whole, now, now.Add(24*time.Hour)); err != nil || i.Expires.Sub(i.Created) != MaxLife {
		t.Errorf("one that would be good for a day: until %s after it was made, %v, want %s", i.Expires.Sub(i.Created), err, MaxLife)
	}
}

// Whoever can write the repository can put anything there; gamma is trusted by beta, too, but alpha's words are not gamma's to pass on.
func TestOpen_RefusesEverythingElse(t *testing.T) {
	alpha, beta, gamma, stranger := newIdentity(t), newIdentity(t), newIdentity(t), newIdentity(t)
	now := time.Now().Truncate(time.Second)
	good, _ := sealed(t, alpha, beta.Machine(), now)
	as := func(change func(*Invite)) []byte {
		i := good
		change(&i)
		text, err := json.Marshal(i)
		if err != nil {
			t.Fatal(err)
		}
		return text
	}
	seal := func(by *Identity, text []byte, to *Identity) []byte {
		out, err := by.seal(text, to.Machine())
		if err != nil {
			t.Fatal(err)
		}
		return out
	}
	same := as(func(*Invite) {})
	tests := []struct {
		name string
		text []byte
		want error
	}{
		{"by a stranger, in alpha's name", seal(stranger, same, beta), ErrStranger},
		{"by a stranger, in its own name", seal(stranger, as(func(i *Invite) { i.From = stranger.Machine().Fingerprint() }), beta), ErrStranger},
		{"by one who is trusted, in alpha's name", seal(gamma, same, beta), ErrForged},
		{"for another, sealed to this one", seal(alpha, as(func(i *Invite) { i.To = gamma.Machine().Fingerprint() }), beta), ErrForged},
		{"sealed to another", seal(alpha, same, gamma), ErrNotForUs},
		{"good for a day", seal(alpha, as(func(i *Invite) { i.Expires = i.Created.Add(24 * time.Hour) }), beta), ErrForged},
		{"a token", seal(alpha, as(func(i *Invite) { i.Code = "abt1_k1_AAAA" }), beta), ErrForged},
		{"of no hub", seal(alpha, as(func(i *Invite) { i.Code = codeFor("") }), beta), ErrForged},
		{"without an id", seal(alpha, as(func(i *Invite) { i.ID = "" }), beta), ErrForged},
		{"an id that is a path", seal(alpha, as(func(i *Invite) { i.ID = "../../x" }), beta), ErrForged},
		{"of a later version", seal(alpha, []byte(strings.Replace(string(same), `"id"`, `"command":"x","id"`, 1)), beta), ErrForged},
		{"no JSON", seal(alpha, []byte("hello"), beta), ErrForged},
		{"ended long ago", seal(alpha, as(func(i *Invite) { i.Created, i.Expires = now.Add(-time.Hour), now.Add(-50*time.Minute) }), beta), ErrOver},
		{"made in an hour", seal(alpha, as(func(i *Invite) { i.Created, i.Expires = now.Add(time.Hour), now.Add(time.Hour+MaxLife) }), beta), ErrOver},
		{"nothing", nil, ErrNotForUs},
		{"no age file", []byte("age-encryption.org/v2\n"), ErrNotForUs},
		{"a giant", seal(alpha, bytes.Repeat([]byte("x"), maxInvite), beta), ErrNotForUs},
		{"a giant header", []byte("age-encryption.org/v1\n" + strings.Repeat("-> X25519 AAAA\nAAAA\n", 300)), ErrNotForUs},
	}
	for _, test := range tests {
		i, err := beta.Open(test.text, []Machine{alpha.Machine(), gamma.Machine()}, now)
		if err != test.want || i != (Invite{}) {
			t.Errorf("%s: %+v, %v, want %v", test.name, i, err, test.want)
		}
	}
	whole := seal(alpha, same, beta)
	for n := range whole {
		text := bytes.Clone(whole)
		text[n] ^= 0x20
		if i, err := beta.Open(text, []Machine{alpha.Machine()}, now); err == nil {
			t.Fatalf("taken with byte %d changed: %+v", n, i)
		}
		if _, err := beta.Open(whole[:n], []Machine{alpha.Machine()}, now); err == nil {
			t.Fatalf("taken when cut at %d", n)
		}
	}
	if _, err := beta.Open(whole, nil, now); err != ErrStranger {
		t.Errorf("once nobody is trusted any more: %v, want %v", err, ErrStranger)
	}
}

func TestOpen_ClocksMayBeMinutesApart(t *testing.T) {
	alpha, beta, now := newIdentity(t), newIdentity(t), time.Now()
	_, text := sealed(t, alpha, beta.Machine(), now)
	for ahead, want := range map[time.Duration]error{
		0: nil, 5 * time.Minute: nil, -5 * time.Minute: nil, -14 * time.Minute: nil, 24 * time.Minute: nil,
		-16 * time.Minute: ErrOver, 26 * time.Minute: ErrOver, 24 * time.Hour: ErrOver,
	} {
		if _, err := beta.Open(text, []Machine{alpha.Machine()}, now.Add(ahead)); err != want {
			t.Errorf("a clock that is %s ahead: %v, want %v", ahead, err, want)
		}
	}
}

// An old file can be put back at any time: it is remembered for as long as its time is not over by any clock that is taken.
func TestBook_RemembersAnInviteForAsLongAsItCouldComeAgain(t *testing.T) {
	alpha, beta, now := newIdentity(t), newIdentity(t), time.Now()
	var b Book
	old, text := sealed(t, alpha, beta.Machine(), now)
	b.Take(old, now)
	for later := time.Duration(0); later < 3*time.Hour; later += time.Minute {
		at := now.Add(later)
		fresh, _ := sealed(t, alpha, beta.Machine(), at)
		b.Take(fresh, at)
		if i, err := beta.Open(text, []Machine{alpha.Machine()}, at); err == nil && !b.Has(i) {
			t.Fatalf("after %s it would be taken again", later)
		}
	}
	if b.Has(old) || len(b.Taken) > 60 {
		t.Errorf("%d are remembered after hours, the first among them: %t", len(b.Taken), b.Has(old))
	}
}

func FuzzOpen(f *testing.F) {
	beta := newIdentity(f)
	alpha := newIdentity(f)
	i, err := alpha.NewInvite(beta.Machine(), codeFor(testHub), time.Unix(1700000000, 0), time.Time{})
	if err != nil {
		f.Fatal(err)
	}
	good, err := alpha.Seal(i, beta.Machine())
	if err != nil {
		f.Fatal(err)
	}
	f.Add(good)
	f.Add([]byte("age-encryption.org/v1\n-> X25519 " + hex.EncodeToString(make([]byte, 16)) + "\n"))
	f.Fuzz(func(t *testing.T, text []byte) {
		if got, err := beta.Open(text, []Machine{alpha.Machine()}, i.Created); err == nil && got != i {
			t.Fatalf("taken: %+v", got)
		}
		if m, err := ParseCard(alpha.Machine().Fingerprint(), text); err == nil && m.Age != alpha.Machine().Age {
			t.Fatalf("taken: %+v", m)
		}
	})
}
