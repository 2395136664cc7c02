package redact

import (
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"net/url"
	"regexp"
	"slices"
	"strings"
)

// kindKnown is the kind of what is masked wherever it appears.
const kindKnown = "known-secret"

// exactRules mask values wherever they appear, as they are and in the forms that a program gives them on their way: escaped
// for a URL or JSON, in base64 of either alphabet whatever precedes them, in hex in any case of letters. They come first: nothing
// is more specific.
func exactRules(values []string, always bool) []rule {
	type spelling struct {
		text    string
		anyCase bool // then text is lower case
	}
	var rules []rule
	seen := make(map[spelling]bool)
	add := func(v spelling, wide func(byte) bool) {
		if len(v.text) < MinExact || seen[v] {
			return // what was invisible has no place in sanitised text
		}
		seen[v] = true
		begins := strings.HasPrefix
		if v.anyCase {
			begins = hasFoldedPrefix
		}
		rules = append(rules, rule{
			kind: kindKnown, keywords: []string{asciiLower(v.text[:MinExact])}, always: always,
			find: func(text string, at, _ int) (int, int, bool) {
				if !begins(text[at:], v.text) {
					return 0, 0, false
				}
				stop := at + len(v.text)
				for wide != nil && at > 0 && wide(text[at-1]) {
					at--
				}
				for wide != nil && stop < len(text) && (wide(text[stop]) || text[stop] == '=') {
					stop++
				}
				return at, stop, true
			},
		})
	}
	exactly := func(v string) { add(spelling{v, false}, nil) }
	for _, v := range values {
		v = Sanitise(v)
		if len(v) < MinExact {
			continue
		}
		exactly(v)
		for _, escaped := range []string{url.QueryEscape(v), url.PathEscape(v)} {
			exactly(escaped)
			exactly(percent.ReplaceAllStringFunc(escaped, strings.ToLower)) // some programs write %2f
		}
		exactly(escapes.Replace(v))
		if quoted, err := json.Marshal(v); err == nil { // escapes what HTML would take, too
			exactly(string(quoted[1 : len(quoted)-1]))
		}
		for _, coded := range inBase64(v) {
			add(spelling{coded, false}, isBase64)
		}
		add(spelling{hex.EncodeToString([]byte(v)), true}, isHex)
	}
	return rules
}

var percent = regexp.MustCompile(`%[0-9A-F]{2}`)

// escapes are how JSON and most languages write what would end a string.
var escapes = strings.NewReplacer(`\`, `\\`, `"`, `\"`, "\n", `\n`, "\t", `\t`)

// inBase64 gives what base64 makes of v wherever it stands in what is encoded: of its first and last characters, those that
// depend on what surrounds it are left out.
func inBase64(v string) []string {
	var out []string
	for _, enc := range []*base64.Encoding{base64.RawStdEncoding, base64.RawURLEncoding} {
		for before := range 3 {
			coded := enc.EncodeToString(append(make([]byte, before), v...))
			from := (before*8 + 5) / 6
			to := (before + len(v)) * 8 / 6
			out = append(out, coded[from:to])
		}
	}
	return out
}

func isBase64(c byte) bool { return isAlnum(c) || strings.IndexByte("+/-_", c) >= 0 }

// known gives the secrets among the values of an environment.
func (s *Scanner) known(environ []string) ([]string, error) {
	var known []string
	for _, pair := range environ {
		if !Valid(pair) || len(pair) > MaxBytes {
			continue // such a value cannot pass Redact either
		}
		pair = Sanitise(pair)
		name, value, _ := strings.Cut(pair, "=")
		if namesSecret(name) && len(value) >= MinExact && isCredential(value) && !isOrdinary(value) && !isPath(value) && !isNumber(value) {
			known = append(known, value)
			continue
		}
		found, err := s.find(pair)
		if err != nil {
			return nil, fmt.Errorf("scan environment: %w", err)
		}
		for _, f := range found {
			if f.End-f.Start >= MinExact {
				known = append(known, pair[f.Start:f.End])
			}
		}
	}
	slices.Sort(known)
	return slices.Compact(known), nil
}

// secretNames are the words of a variable's name that tell of a secret.
var secretNames = wordSet(`token tokens secret secrets password passwords passwd passphrase pass pw key keys apikey privatekey accesskey
	credential credentials creds auth pat dsn cookie otp pin salt`)

// namesSecret reports whether a variable's name tells that its value is a secret: API_TOKEN does, TOKEN_FILE does not.
func namesSecret(name string) bool {
	words := strings.FieldsFunc(asciiLower(name), func(r rune) bool { return r == '_' || r == '-' || r == '.' })
	if len(words) == 0 || about[words[len(words)-1]] {
		return false
	}
	return slices.ContainsFunc(words, func(w string) bool { return secretNames[strings.TrimRight(w, digits)] }) ||
		strings.HasSuffix(words[len(words)-1], "password") || strings.HasSuffix(words[len(words)-1], "token") || strings.HasSuffix(words[len(words)-1], "secret")
}
