package corpus

import (
	"encoding/base64"
	"fmt"
	"hash/crc32"
	"hash/fnv"
	"math/rand/v2"
	"regexp"
	"strconv"
	"strings"
)

const (
	digits  = "0123456789"
	lower   = "abcdefghijklmnopqrstuvwxyz"
	upper   = "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
	letters = lower + upper
	hexes   = digits + "abcdef"
	base62  = digits + upper + lower
)

// alphabets are the letters of a pattern's {w36}.
var alphabets = map[string]string{
	"d": digits, "l": lower, "L": letters, "h": hexes, "H": digits + "ABCDEF", "w": base62, "a": lower + digits, "U": upper + digits,
	"B": upper + "234567", "u": base62 + "-_", "b": base62 + "+/", "x": "qpzry9x8gf2tvdw0s3jn54khce6mua7l", // bech32
	"p": base62 + "!%^~_+.-", "s": base62 + "!@#$%^&*(-_=+)",
}

// source invents values.
type source struct{ *rand.Rand }

// seeded gives a source of its own for each name, so that a kind added to a corpus leaves the values of the others alone.
func seeded(seed uint64, name string) source {
	h := fnv.New64a()
	h.Write([]byte(name))
	return source{rand.New(rand.NewPCG(seed, h.Sum64()))}
}

// of gives n characters of alphabet, the first and the last of them alphanumeric.
func (s source) of(alphabet string, n int) string {
	b := make([]byte, n)
	for i := range b {
		for b[i] == 0 || (i == 0 || i == n-1) && !strings.ContainsRune(base62, rune(b[i])) {
			b[i] = alphabet[s.IntN(len(alphabet))]
		}
	}
	return string(b)
}

func pick[T any](s source, of ...T) T { return of[s.IntN(len(of))] }

var hole = regexp.MustCompile(`\{(?:([a-zA-Z])(\d+)|@([a-z0-9]+))\}`)

// fill replaces each hole of a pattern by an invented value: {w36} by 36 characters of the alphabet w, {@uuid} by what macro
// says. So a table of shapes is one line a shape, and holds nothing that looks like a secret.
func (s source) fill(pattern string) string {
	var b strings.Builder
	for {
		at := hole.FindStringSubmatchIndex(pattern)
		if at == nil {
			return b.String() + pattern
		}
		b.WriteString(pattern[:at[0]])
		if at[6] >= 0 {
			b.WriteString(s.macro(pattern[at[6]:at[7]], b.String()))
		} else if alphabet, ok := alphabets[pattern[at[2]:at[3]]]; ok {
			n, _ := strconv.Atoi(pattern[at[4]:at[5]])
			b.WriteString(s.of(alphabet, n))
		} else {
			b.WriteString(pattern[at[0]:at[1]])
		}
		pattern = pattern[at[1]:]
	}
}

func (s source) macro(name, before string) string {
	switch name {
	case "crc": // GitHub and npm: the CRC-32 of what follows the prefix, in six digits of base 62
		sum := crc32.ChecksumIEEE([]byte(before[strings.LastIndexByte(before, '_')+1:]))
		var b [6]byte
		for i := range b {
			b[len(b)-1-i] = base62[sum%62]
			sum /= 62
		}
		return string(b[:])
	case "uuid":
		return s.fill("{h8}-{h4}-4{h3}-") + pick(s, "8", "9", "a", "b") + s.fill("{h3}-{h12}")
	case "jwt":
		claims := fmt.Sprintf(`{"sub":"%s","iss":"https://%s","iat":%d,"exp":%d}`, s.of(digits, 10), s.fill("{@host}"), 1700000000+s.IntN(9e7), 1800000000+s.IntN(9e7))
		return b64url(`{"alg":"`+pick(s, "HS256", "RS256", "ES256")+`","typ":"JWT"}`) + "." + b64url(claims) + "." + s.of(alphabets["u"], 43)
	case "jwthalf": // as a log cuts it off, in the signature
		whole := s.macro("jwt", "")
		return whole[:len(whole)-20]
	case "age":
		return strings.ToUpper(s.of(alphabets["x"], 58))
	case "pem": // the lines between BEGIN and END
		var lines []string
		for range 12 + s.IntN(8) {
			lines = append(lines, s.of(alphabets["b"], 64))
		}
		return strings.Join(append(lines, s.of(alphabets["b"], 30)+"=="), "\n")
	case "pemline": // the same, in a JSON string
		return strings.ReplaceAll(s.macro("pem", ""), "\n", `\n`)
	case "b64": // of some 60 bytes
		return base64.StdEncoding.EncodeToString([]byte(s.of(hexes, 61)))
	case "basic": // user:password, as HTTP sends it
		return base64.StdEncoding.EncodeToString([]byte(s.fill("{@user}:{@pw}")))
	case "pw": // from a password generator
		return s.of(alphabets["p"], 12+s.IntN(6))
	case "human": // as people make them up: a word or two, a number, a sign
		word := pick(s, words...)
		return strings.ToUpper(word[:1]) + word[1:] + pick(s, "", "-", "_") + pick(s, words...) + s.of(digits, 2+s.IntN(3)) + pick(s, "!", "?", "", "#")
	case "passphrase":
		return strings.Join([]string{pick(s, words...), pick(s, words...), pick(s, words...), pick(s, words...)}, "-")
	case "word":
		return pick(s, words...)
	case "user":
		return pick(s, "app", "svc_orders", "deploy", "alice", "root", "ci-bot", "readonly", "admin")
	case "host":
		return pick(s, "db", "cache", "api", "mq", "vault") + pick(s, "01", "-eu", ".internal", "") + pick(s, ".example.com", ".corp.example", ".example.net")
	case "var":
		return pick(s, "client", "resp", "cfg", "opts")
	default:
		panic("corpus: no macro " + name)
	}
}

var words = []string{
	"amber", "basalt", "cobalt", "delta", "ember", "falcon", "granite", "harbor", "indigo", "juniper", "kestrel", "lagoon", "meadow", "nectar", "orchid",
	"pepper", "quartz", "raven", "saddle", "timber", "umbra", "velvet", "walnut", "yonder", "zephyr", "copper", "marble", "sparrow", "thunder", "willow",
}

func b64url(s string) string { return base64.RawURLEncoding.EncodeToString([]byte(s)) }
