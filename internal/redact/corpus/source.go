package corpus

import (
	"hash/fnv"
	"math/rand/v2"
)

const (
	digits  = "0123456789"
	lower   = "abcdefghijklmnopqrstuvwxyz"
	upper   = "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
	letters = lower + upper
	hexes   = digits + "abcdef"
	base32  = upper + "234567"
	base36  = lower + digits
	base62  = letters + digits
	base64  = base62 + "+/"
	urls    = base62 + "-_" // base64url
)

// source invents values.
type source struct{ *rand.Rand }

// seeded gives a source of its own for each name, so that a kind added to a corpus leaves the values of the others alone.
func seeded(seed uint64, name string) source {
	h := fnv.New64a()
	h.Write([]byte(name))
	return source{rand.New(rand.NewPCG(seed, h.Sum64()))}
}

// of gives n characters of alphabet, the first and the last of them alphanumeric if the alphabet has such.
func (s source) of(alphabet string, n int) string {
	b := make([]byte, n)
	for i := range b {
		b[i] = alphabet[s.IntN(len(alphabet))]
		for tries := 0; (i == 0 || i == n-1) && !alphanumeric(b[i]) && tries < 100; tries++ {
			b[i] = alphabet[s.IntN(len(alphabet))]
		}
	}
	return string(b)
}

// pick gives one of several.
func pick[T any](s source, of ...T) T { return of[s.IntN(len(of))] }

func alphanumeric(c byte) bool {
	return c >= '0' && c <= '9' || c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z'
}
