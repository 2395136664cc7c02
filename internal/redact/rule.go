package redact

import (
	"math"
	"regexp"
	"slices"
	"strings"
)

// A rule finds one kind of secret. It is tried at each of its keywords, in any case of letters. What it reads it must find to be a
// secret, or rule out for later tries, or else it must stop early: text full of keywords must not take quadratic time.
//
// Most rules are an expression; one that needs more than an expression can say is a finder.
type rule struct {
	kind     string
	keywords []string // lower case

	// expr matches from the keyword on, or from a number of bytes before it. The first group that took part is the secret,
	// or without groups the whole match.
	expr    string
	before  int
	edge    bool              // the match does not continue a word
	entropy float64           // the least, in bits a character
	judge   func(string) bool // says of a match whether it is a secret

	find finder // instead of the above
}

// A finder gives the bounds of the secret that the keyword text[at:end] announces, if there is one. Where ok is false, a stop
// beyond at says that the rule has read so far and need not be tried again before.
type finder func(text string, at, end int) (start, stop int, ok bool)

// compile prepares rules, which are listed most specific first.
func compile(rules []rule) *Scanner {
	s := &Scanner{rules: slices.Clone(rules)}
	ids := make(map[string]int)
	var words []string
	for i := range s.rules {
		r := &s.rules[i]
		if r.find == nil {
			r.find = r.matcher()
		}
		for _, w := range r.keywords {
			id, ok := ids[w]
			if !ok {
				id = len(words)
				ids[w] = id
				words = append(words, w)
				s.byWord = append(s.byWord, nil)
			}
			s.byWord[id] = append(s.byWord[id], i)
		}
	}
	s.keywords = compileKeywords(words)
	return s
}

// matcher makes a finder of the rule's expression.
func (r *rule) matcher() finder {
	re := regexp.MustCompile(`\A(?:` + r.expr + `)`)
	before, edge, entropy, judge := r.before, r.edge, r.entropy, r.judge
	return func(text string, at, _ int) (int, int, bool) {
		at -= before
		if at < 0 || edge && !startsWord(text, at) {
			return 0, 0, false
		}
		loc := re.FindStringSubmatchIndex(text[at:])
		if loc == nil {
			return 0, 0, false
		}
		start, stop := loc[0], loc[1]
		for g := 2; g < len(loc); g += 2 {
			if loc[g] >= 0 {
				start, stop = loc[g], loc[g+1]
				break
			}
		}
		secret := text[at+start : at+stop]
		if isBlank(secret) || entropy > 0 && bits(secret) < entropy || judge != nil && !judge(secret) {
			return 0, at + stop, false
		}
		return at + start, at + stop, true
	}
}

// exactRules masks values wherever they appear. They come first: nothing is more specific.
func exactRules(values []string) []rule {
	var rules []rule
	for _, v := range values {
		v = Sanitise(v)
		if len(v) < MinExact {
			continue // what was invisible has no place in sanitised text
		}
		rules = append(rules, rule{
			kind:     "known-secret",
			keywords: []string{asciiLower(v[:MinExact])},
			find: func(text string, at, _ int) (int, int, bool) {
				if !strings.HasPrefix(text[at:], v) {
					return 0, 0, false
				}
				return at, at + len(v), true
			},
		})
	}
	return rules
}

// startsWord reports whether text[at:] does not continue a word. The letter of an escape such as \n, in text that is JSON
// or source code, and that of %20 are no part of a word.
func startsWord(text string, at int) bool {
	if at == 0 || !isAlnum(text[at-1]) {
		return true
	}
	if at >= 2 && text[at-2] == '\\' {
		return strings.IndexByte("nrt", text[at-1]) >= 0
	}
	return at >= 3 && text[at-3] == '%' && isHex(text[at-2]) && isHex(text[at-1])
}

// bits is the Shannon entropy of s, in bits a byte.
func bits(s string) float64 {
	var count [256]int
	for i := range len(s) {
		count[s[i]]++
	}
	sum := 0.0
	for _, n := range count {
		if n > 0 {
			p := float64(n) / float64(len(s))
			sum -= p * math.Log2(p)
		}
	}
	return sum
}

func isLower(c byte) bool { return c >= 'a' && c <= 'z' }
func isUpper(c byte) bool { return c >= 'A' && c <= 'Z' }
func isDigit(c byte) bool { return c >= '0' && c <= '9' }
func isAlpha(c byte) bool { return isLower(c) || isUpper(c) }
func isAlnum(c byte) bool { return isAlpha(c) || isDigit(c) }
func isHex(c byte) bool   { return isDigit(c) || c >= 'a' && c <= 'f' || c >= 'A' && c <= 'F' }

// asciiLower folds like the keyword automaton does, so that offsets stay: strings.ToLower may change lengths.
func asciiLower(s string) string {
	b := []byte(s)
	for i, c := range b {
		if isUpper(c) {
			b[i] = c + 'a' - 'A'
		}
	}
	return string(b)
}
