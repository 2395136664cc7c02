package corpus

import (
	"fmt"
	"math/rand/v2"
	"net/url"
	"regexp"
	"strconv"
	"strings"
)

// Reviewer makes the corpus of an author who has read neither the redactor nor the house's corpus: secrets of the kinds
// that leak in developers' messages, and clean texts that look like them. The seed chooses the values; the texts around
// them stay the same. A value of several lines is listed line by line, so a mask that forgets one line is seen.
func Reviewer(seed uint64) Corpus {
	g := reviewer{rand.New(rand.NewPCG(seed, 0x7265766965776572))}
	c := Corpus{Name: "reviewer"}
	around := reviewerAround()
	for i, k := range reviewerTokens() {
		places := append([]string{}, k.places...)
		for j := range 5 { // 11 has no factor in common with the number of places, so a kind never gets one twice
			places = append(places, around[(i*7+j*11)%len(around)])
		}
		c.Cases = append(c.Cases, g.secrets(k, places)...)
	}
	for _, kinds := range [][]reviewerKind{
		reviewerNamed(), reviewerServices(), reviewerKeys(), reviewerConfig(), reviewerShells(), reviewerProse(),
	} {
		for _, k := range kinds {
			c.Cases = append(c.Cases, g.secrets(k, k.places)...)
		}
	}
	for _, kinds := range [][]reviewerClean{
		reviewerCode(), reviewerMoreCode(), reviewerPlaceholders(), reviewerRecords(), reviewerDocs(), reviewerPlatform(),
	} {
		for _, k := range kinds {
			for _, text := range k.texts {
				c.Cases = append(c.Cases, Case{Kind: k.name, Text: g.fill(text)})
			}
		}
	}
	return c
}

// A reviewerKind is a kind of secret: a pattern for its value and the texts it is found in. In both «hex:40» stands for an
// invented value, see reviewer.invent; in a place «s» is the secret and «s2» another of its kind.
type reviewerKind struct {
	name, value string
	places      []string
}

// A reviewerClean is a kind of text without a secret.
type reviewerClean struct {
	name  string
	texts []string
}

type reviewer struct{ r *rand.Rand }

func (g reviewer) secrets(k reviewerKind, places []string) []Case {
	var cases []Case
	variable := strings.ToUpper(strings.ReplaceAll(k.name, "-", "_"))
	for _, place := range places {
		c := Case{Kind: k.name}
		value := map[string]string{}
		text := reviewerHole.ReplaceAllStringFunc(place, func(hole string) string {
			name, how, _ := strings.Cut(strings.Trim(hole, "«»"), ":")
			switch name {
			case "s", "s2":
				if value[name] == "" {
					value[name] = g.fill(k.value)
				}
				v := reviewerWritten(value[name], how)
				c.Secrets = append(c.Secrets, reviewerParts(v)...)
				return v
			case "VAR":
				return variable
			}
			return g.invent(name, how)
		})
		c.Text = text
		cases = append(cases, c)
	}
	return cases
}

// reviewerWritten is a value as the text around it has to write it.
func reviewerWritten(v, how string) string {
	switch how {
	case "json":
		return strings.ReplaceAll(v, "\n", `\n`)
	case "indent":
		return strings.ReplaceAll(v, "\n", "\n    ")
	case "diff":
		return strings.ReplaceAll(v, "\n", "\n+")
	case "quote":
		return strings.ReplaceAll(v, "\n", "\n> ")
	case "url":
		return url.QueryEscape(v)
	}
	return v
}

// reviewerParts cuts a block into what is secret in it: its lines, but not its armour and its headers.
func reviewerParts(v string) []string {
	var parts []string
	for line := range strings.SplitSeq(strings.ReplaceAll(v, `\n`, "\n"), "\n") {
		line = strings.Trim(line, " +>")
		if strings.Contains(line, "-----") || strings.Contains(line, ": ") || len(line) < 6 {
			continue
		}
		parts = append(parts, line)
	}
	return parts
}

var reviewerHole = regexp.MustCompile(`«([A-Za-z0-9]+)(:[^»]*)?»`)

func (g reviewer) fill(pattern string) string {
	return reviewerHole.ReplaceAllStringFunc(pattern, func(hole string) string {
		name, arg, _ := strings.Cut(strings.Trim(hole, "«»"), ":")
		return g.invent(name, arg)
	})
}

const (
	reviewerDigits = "0123456789"
	reviewerLower  = "abcdefghijklmnopqrstuvwxyz"
	reviewerUpper  = "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
	reviewerAlnum  = reviewerDigits + reviewerUpper + reviewerLower // the order of base 62 checksums
)

// reviewerSigns are the alphabets of patterns: «hex:40» is forty of "hex".
func reviewerSigns(name string) string {
	return map[string]string{
		"hex": reviewerDigits + "abcdef", "HEX": reviewerDigits + "ABCDEF", "dig": reviewerDigits,
		"low": reviewerLower, "up": reviewerUpper, "an": reviewerAlnum, "ln": reviewerLower + reviewerDigits,
		"un": reviewerUpper + reviewerDigits, "b64": reviewerAlnum + "+/", "url": reviewerAlnum + "-_",
		"b32": reviewerUpper + "234567", "b58": reviewerBase58,
		"strong": reviewerAlnum + reviewerAlnum + "!%*+-=?@^_", "safe": reviewerAlnum + reviewerAlnum + "-_.~",
	}[name]
}

func (g reviewer) signs(n int, alphabet string) string {
	b := make([]byte, n)
	for i := range b {
		b[i] = alphabet[g.r.IntN(len(alphabet))]
	}
	return string(b)
}

func (g reviewer) bytes(n int) []byte {
	b := make([]byte, n)
	for i := range b {
		b[i] = byte(g.r.IntN(256))
	}
	return b
}

func (g reviewer) one(of ...string) string { return of[g.r.IntN(len(of))] }

// invent makes a value for one hole of a pattern. A hole it does not know is a mistake in a pattern and left standing, for
// the test to find.
func (g reviewer) invent(name, arg string) string {
	if signs := reviewerSigns(name); signs != "" {
		n, err := strconv.Atoi(arg)
		if err != nil {
			return "«" + name + ":" + arg + "»"
		}
		return g.signs(n, signs)
	}
	n := func(low, high int) string { return strconv.Itoa(low + g.r.IntN(high-low)) }
	switch name {
	case "uuid":
		return fmt.Sprintf("%s-%s-4%s-%s%s-%s", g.fill("«hex:8»"), g.fill("«hex:4»"), g.fill("«hex:3»"),
			g.one("8", "9", "a", "b"), g.fill("«hex:3»"), g.fill("«hex:12»"))
	case "pw": // a password manager's: letters first and last, so no format or sentence takes a sign of it for its own
		return g.signs(1, reviewerLower+reviewerUpper) + g.signs(11+g.r.IntN(8), reviewerSigns("strong")) + n(10, 99)
	case "upw": // one that fits in a URL as it is
		return g.signs(1, reviewerLower) + g.signs(12+g.r.IntN(8), reviewerSigns("safe")) + n(10, 99)
	case "pass": // a person's
		w := g.word()
		return strings.ToUpper(w[:1]) + w[1:] + g.one("", "-", "_", "@") + g.word() + n(10, 9999) + g.one("", "!", "!!", "*")
	case "short": // a person's who is in a hurry
		return g.word() + n(10, 999)
	case "phrase":
		return g.word() + "-" + g.word() + "-" + g.word() + "-" + g.word() + "-" + n(2, 99)
	case "word":
		return g.word()
	case "user":
		return g.one("app", "deploy", "svc_billing", "reporting", "admin", "root", "ci", "migrator", "readonly")
	case "host":
		return g.one("db", "cache", "mq", "api", "ldap", "ci", "build") + n(1, 40) + "." + g.one("prod", "stage", "corp") + ".example.com"
	case "name":
		return g.one("Anna", "Ben", "Chidi", "Dilan", "Elena", "Farid", "Greta", "Hiro", "Ines", "Jonas")
	case "ip":
		return "10." + n(0, 255) + "." + n(0, 255) + "." + n(1, 255)
	case "n":
		return n(100, 9000)
	case "ver":
		return n(0, 9) + "." + n(0, 30) + "." + n(0, 20)
	case "date":
		return fmt.Sprintf("2026-%02d-%02d", 1+g.r.IntN(12), 1+g.r.IntN(28))
	case "time":
		return fmt.Sprintf("%02d:%02d:%02d", g.r.IntN(24), g.r.IntN(60), g.r.IntN(60))
	}
	return g.structured(name, arg)
}

func (g reviewer) word() string {
	return g.one("harvest", "tiger", "copper", "winter", "saturn", "bicycle", "orchid", "falcon", "marble", "thunder", "lantern",
		"pickle", "velvet", "anchor", "meadow", "rocket", "walnut", "glacier", "puzzle", "hammock", "sunset", "badger", "cobalt", "mango")
}
