package redact

import (
	"hash/fnv"
	"math/rand/v2"
	"strings"
	"testing"
)

// No secret is written down in these tests, or scanners would flag the repository: each is made here, when it is needed,
// from the shape of its kind. The same seed makes the same secret, so a failure can be repeated.

const (
	hexes   = "0123456789abcdef"
	base36  = "abcdefghijklmnopqrstuvwxyz0123456789"
	upper   = "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567"
	base62  = letters + digits
	urls    = base62 + "-_"
	base64s = base62 + "+/"
)

// source makes random strings.
type source struct{ *rand.Rand }

func seeded(name string, n int) source {
	h := fnv.New64a()
	h.Write([]byte(name))
	return source{rand.New(rand.NewPCG(h.Sum64(), uint64(n)))}
}

// of gives n characters of alphabet, the first and last of which are alphanumeric.
func (s source) of(alphabet string, n int) string {
	b := make([]byte, n)
	for i := range b {
		for b[i] == 0 || (i == 0 || i == n-1) && !isAlnum(b[i]) {
			b[i] = alphabet[s.IntN(len(alphabet))]
		}
	}
	return string(b)
}

// password gives what a password generator would.
func (s source) password() string {
	return s.of(base62, 4) + s.of(digits, 1) + s.of(base62+"!^~", 5) + s.of(letters, 1)
}

// key gives the body of a PEM block of n lines.
func (s source) key(n int) string {
	var lines []string
	for range n {
		lines = append(lines, s.of(base64s, 64))
	}
	return strings.Join(append(lines, s.of(base64s, 22)+"=="), "\n")
}

func pem(label, body string) string {
	const dashes = "-----"
	return dashes + "BEGIN " + label + dashes + "\n" + body + "\n" + dashes + "END " + label + dashes
}

var key = []byte("a key of the tests")

func newScanner(t testing.TB) *Scanner {
	t.Helper()
	s, err := New(Options{})
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// wantSecret checks that Redact finds exactly secret, and nothing else, in text.
func wantSecret(t *testing.T, s *Scanner, text, kind, secret string) {
	t.Helper()
	masked, found, err := s.Redact(key, text)
	if err != nil {
		t.Errorf("Redact(%q): %v", text, err)
		return
	}
	clean := Sanitise(text)
	if len(found) != 1 || found[0].Kind != kind || clean[found[0].Start:found[0].End] != secret {
		t.Errorf("Redact(%q) = %q, %v; want the one %s %q", text, masked, found, kind, secret)
		return
	}
	again, more, err := s.Redact(key, masked)
	if again != masked || len(more) != 0 || err != nil {
		t.Errorf("Redact(%q) = %q, %v, %v; want it unchanged", masked, again, more, err)
	}
}
