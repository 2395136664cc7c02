package audit

import (
	"bytes"
	"encoding/base64"
	"errors"
	"fmt"
	"strings"
	"testing"

	"golang.org/x/mod/sumdb/note"
	"golang.org/x/mod/sumdb/tlog"
	"pgregory.net/rapid"
)

func newKey(t interface{ Fatal(...any) }) *Signer {
	s, err := NewKey()
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func sign(t interface{ Fatal(...any) }, s *Signer, log string, h Head) []byte {
	note, err := Checkpoint{Origin: Origin(s.Name(), log), Size: h.Size, Root: h.Root()}.Sign(s)
	if err != nil {
		t.Fatal(err)
	}
	return note
}

func TestSigner_SurvivesItsText(t *testing.T) {
	for range 50 { // base64 has plus signs now and then
		s := newKey(t)
		again, err := ParseSigner(s.Private())
		if err != nil {
			t.Fatal(err)
		}
		if again.Name() != s.Name() || again.Verifier().String() != s.Verifier().String() {
			t.Fatalf("read back %s with %s, want %s with %s", again, again.Verifier(), s, s.Verifier())
		}
		public, err := ParseVerifier(s.Verifier().String())
		if err != nil {
			t.Fatal(err)
		}
		if _, err := OpenCheckpoint(sign(t, again, sampleLog, Head{}), public); err != nil {
			t.Fatal(err)
		}
	}
}

func TestSigner_DoesNotShowTheKey(t *testing.T) {
	s := newKey(t)
	secret := s.Private()[strings.LastIndex(s.Private(), s.Name())+len(s.Name()):]
	for _, format := range []string{"%v", "%s", "%+v", "%q", "%x"} {
		if text := fmt.Sprintf(format, s); strings.Contains(text, secret) {
			t.Errorf("%s prints %s", format, text)
		}
	}
	for i := range len(s.Private()) {
		damaged := s.Private()[:i] + "!" + s.Private()[i+1:]
		if _, err := ParseSigner(damaged); err == nil {
			t.Errorf("ParseSigner took a key with byte %d changed", i)
		} else if text := err.Error(); strings.Contains(text, secret[1:9]) || strings.Contains(text, secret[20:30]) {
			t.Errorf("byte %d changed: %v shows the key", i, err)
		}
	}
}

func TestOpenCheckpoint_GivesWhatWasSigned(t *testing.T) {
	key := newKey(t)
	rapid.Check(t, func(t *rapid.T) {
		want := Checkpoint{
			Origin: Origin(key.Name(), rapid.StringMatching(`[a-z0-9_]{1,30}`).Draw(t, "log")),
			Size:   rapid.Int64Range(0, maxSize).Draw(t, "size"),
			Root:   tlog.Hash(rapid.SliceOfN(rapid.Byte(), 32, 32).Draw(t, "root")),
		}
		text, err := want.Sign(key)
		if err != nil {
			t.Fatal(err)
		}
		got, err := OpenCheckpoint(text, newKey(t).Verifier(), key.Verifier(), key.Verifier())
		if err != nil || got != want {
			t.Fatalf("OpenCheckpoint = %+v, %v; want %+v", got, err, want)
		}
		at := rapid.IntRange(0, len(text)-1).Draw(t, "byte")
		damaged := bytes.Clone(text)
		damaged[at] ^= 1 << rapid.IntRange(0, 7).Draw(t, "bit")
		// The last digit of base64 may have bits that mean nothing, so only another meaning must be refused.
		if got, err := OpenCheckpoint(damaged, key.Verifier()); err == nil && got != want {
			t.Fatalf("OpenCheckpoint accepted %q for %q", damaged, text)
		}
	})
}

func TestOpenCheckpoint_SaysWhatIsWrong(t *testing.T) {
	key, other := newKey(t), newKey(t)
	good := string(sign(t, key, sampleLog, headOf(logOf(5))))
	body, signature, _ := strings.Cut(good, "\n\n")
	resigned := func(change func(lines []string) []string) string {
		text, err := note.Sign(&note.Note{Text: strings.Join(change(strings.Split(body, "\n")), "\n") + "\n"}, key.note)
		if err != nil {
			t.Fatal(err)
		}
		return string(text)
	}
	line := func(n int, text string) string {
		return resigned(func(lines []string) []string { lines[n] = text; return lines })
	}
	root := strings.Split(body, "\n")[2]
	tests := []struct {
		name, text string
		want       error
	}{
		{"good", good, nil},
		{"a witness signed it, too", good + "— witness.example/w " + base64.StdEncoding.EncodeToString(make([]byte, 76)) + "\n", nil},
		{"extension lines", resigned(func(l []string) []string { return append(l, "more", "and more") }), nil},
		{"empty log", string(sign(t, key, sampleLog, Head{})), nil},
		{"nothing", "", ErrNotCheckpoint},
		{"words", "hello\n", ErrNotCheckpoint},
		{"no signature", body + "\n", ErrNotCheckpoint},
		{"two lines", resigned(func(l []string) []string { return l[:2] }), ErrNotCheckpoint},
		{"no origin", line(0, ""), ErrNotCheckpoint},
		{"empty extension line", resigned(func(l []string) []string { return append(l, "", "more") }), ErrNotCheckpoint},
		{"size with a zero before", line(1, "05"), ErrNotCheckpoint},
		{"size with a sign", line(1, "+5"), ErrNotCheckpoint},
		{"negative size", line(1, "-5"), ErrNotCheckpoint},
		{"no size", line(1, "five"), ErrNotCheckpoint},
		{"size out of range", line(1, "9223372036854775807"), ErrNotCheckpoint},
		{"short root", line(2, "AAAA"), ErrNotCheckpoint},
		{"root without its padding", line(2, strings.TrimRight(root, "=")), ErrNotCheckpoint},
		{"root with spare bits", line(2, root[:42]+"B="), ErrNotCheckpoint},
		{"other key", string(sign(t, other, sampleLog, Head{})), ErrOtherKey},
		{"other key and no checkpoint", strings.Replace(string(sign(t, other, sampleLog, Head{})), "\n0\n", "\nx\n", 1), ErrNotCheckpoint},
		{"other size", strings.Replace(good, "\n5\n", "\n6\n", 1), ErrBadSignature},
		{"signature of another text", "x" + body + "\n\n" + signature, ErrBadSignature},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			if _, err := OpenCheckpoint([]byte(test.text), key.Verifier()); !errors.Is(err, test.want) {
				t.Errorf("OpenCheckpoint(%q) = %v, want %v", test.text, err, test.want)
			}
		})
	}
	if _, err := OpenCheckpoint([]byte(good)); !errors.Is(err, ErrOtherKey) {
		t.Errorf("OpenCheckpoint without keys = %v, want %v", err, ErrOtherKey)
	}
}

func TestCheckpoint_SignRefusesWhatCannotBeReadBack(t *testing.T) {
	key := newKey(t)
	for _, c := range []Checkpoint{{}, {Origin: "a\nb"}, {Origin: "a", Size: -1}, {Origin: "a", Size: maxSize + 1}, {Origin: "a\x01"}} {
		text, err := c.Sign(key)
		if err == nil {
			_, err = OpenCheckpoint(text, key.Verifier())
		}
		if err == nil {
			t.Errorf("%+v was signed", c)
		}
	}
}

func FuzzOpenCheckpoint(f *testing.F) {
	key := newKey(f)
	f.Add("origin\n5\nAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=\n")
	f.Add("origin\n0\n47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=\nmore\n")
	f.Add("\n\n")
	f.Fuzz(func(t *testing.T, body string) {
		// As the text of a note that is well signed, and as a note.
		OpenCheckpoint([]byte(body), key.Verifier())
		text, err := note.Sign(&note.Note{Text: body}, key.note)
		if err != nil {
			return
		}
		c, err := OpenCheckpoint(text, key.Verifier())
		if err != nil {
			return
		}
		if !strings.HasPrefix(body, c.body()) || c.Size < 0 || c.Origin == "" {
			t.Errorf("%q was read as %+v", body, c)
		}
	})
}
