package redact

import (
	"math"
	"regexp"
	"regexp/syntax"
	"slices"
	"strings"
	"sync"
	"unicode/utf8"
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
	source  func() string // makes the expression, in place of expr, when it is first needed
	group   int           // the secret, where it is not the first group that took part
	before  int
	edge    bool              // the match does not continue a word
	exactly bool              // the secret has no shape of its own, so it is one only if no word goes on behind it
	entropy float64           // the least, in bits a character
	judge   func(string) bool // says of a match whether it is a secret

	find finder // instead of the above

	sweep  sweeper // instead of all that
	always bool    // even what is allowed is a secret
	weak   bool    // counts only where no other rule finds something
}

// A finder gives the bounds of the secret that the keyword text[at:end] announces, if there is one. Where ok is false, a stop
// beyond at says that the rule has read so far and need not be tried again before, and start how many bytes were read in vain.
type finder func(text string, at, end int) (start, stop int, ok bool)

// A sweeper calls found for every secret in a text, wherever it is. It is for what has no keyword, and it pays for its work.
type sweeper func(text string, left *budget, found func(start, stop int)) error

// A ruleSet is rules and the automaton of their keywords.
type ruleSet struct {
	rules    []rule
	keywords *keywords
	byWord   [][]int // by keyword: the rules to try, by index
}

// compile prepares rules, which are listed most specific first.
func compile(rules []rule) *ruleSet {
	s := &ruleSet{rules: slices.Clone(rules)}
	ids := make(map[string]int)
	var words []string
	for i := range s.rules {
		r := &s.rules[i]
		if r.find == nil && r.sweep == nil {
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

// maxMatch bounds how much of a text an expression reads at one place.
const maxMatch = 16 << 10

// matcher makes a finder of the rule's expression, which is compiled when a keyword is met for the first time: a process
// that starts, answers and ends needs few of them.
func (r *rule) matcher() finder {
	source := r.source
	if source == nil {
		source = func() string { return r.expr }
	}
	compiled := sync.OnceValue(func() program { return compileExpr(source()) })
	return func(text string, at, end int) (int, int, bool) {
		from := at - r.before
		if from < 0 || r.edge && !startsWord(text, from) {
			return 0, 0, false
		}
		to := runeAt(text, end+maxMatch)
		if r.exactly {
			to = runeAt(text, end+maxName+maxValue)
		}
		loc, vain := compiled().match(text[from:to])
		if loc == nil {
			return vain, 0, false
		}
		start, stop := from+loc[0], from+loc[1]
		for g := 2; g < len(loc); g += 2 {
			if loc[g] >= 0 && (r.group == 0 || g == 2*r.group) {
				start, stop = from+loc[g], from+loc[g+1]
				break
			}
		}
		secret := text[start:stop]
		if r.exactly && continues(text, stop) {
			return 0, 0, false
		}
		if isBlank(secret) || r.entropy > 0 && bits(secret) < r.entropy || r.judge != nil && !r.judge(secret) {
			return 0, stop, false
		}
		if !r.exactly && (r.source != nil || stop == to) {
			stop += runLen(text[stop:], stop == to)
		}
		return start, stop, true
	}
}

// A program is a compiled expression.
type program struct {
	re     *regexp.Regexp
	prefix string // what every match begins with
	far    bool   // it may read far and then not match
	dotted bool   // ... and reads more than letters, digits, "_" and "-"
}

func compileExpr(expr string) program {
	p := program{re: regexp.MustCompile(`\A(?:` + expr + `)`), dotted: strings.ContainsAny(expr, "/%")}
	tree, err := syntax.Parse(expr, syntax.Perl)
	p.far = err != nil || readsFar(tree)
	p.prefix, _ = regexp.MustCompile(expr).LiteralPrefix()
	return p
}

// match matches at the start of s. Without a match it tells how many bytes it may have read in vain.
func (p program) match(s string) (loc []int, vain int) {
	if !strings.HasPrefix(s, p.prefix) {
		return nil, 0
	}
	loc = p.re.FindStringSubmatchIndex(s)
	if loc == nil && p.far {
		return nil, runLen(s[len(p.prefix):], p.dotted)
	}
	return loc, 0
}

// readsFar reports whether an expression may read without end and then not match: there is something behind a repetition.
func readsFar(re *syntax.Regexp) bool {
	endless := re.Op == syntax.OpStar || re.Op == syntax.OpPlus || re.Op == syntax.OpRepeat && re.Max < 0
	if endless {
		return readsFar(re.Sub[0])
	}
	for i, sub := range re.Sub {
		last := re.Op != syntax.OpConcat || i == len(re.Sub)-1
		if readsFar(sub) || !last && hasEndless(sub) {
			return true
		}
	}
	return false
}

func hasEndless(re *syntax.Regexp) bool {
	return re.Op == syntax.OpStar || re.Op == syntax.OpPlus || re.Op == syntax.OpRepeat && re.Max < 0 || slices.ContainsFunc(re.Sub, hasEndless)
}

// runeAt gives the offset i, or the next at which a character of text begins or text ends.
func runeAt(text string, i int) int {
	for i < len(text) && !utf8.RuneStart(text[i]) {
		i++
	}
	return min(i, len(text))
}

// continues reports whether a word goes on at text[i:].
func continues(text string, i int) bool {
	if i == len(text) {
		return false
	}
	return isAlnum(text[i]) || text[i] == '_' || strings.IndexByte("-+/.=", text[i]) >= 0 && i+1 < len(text) && isAlnum(text[i+1])
}

// runLen gives how far a token goes on at the start of s; a dotted one has more kinds of characters.
func runLen(s string, dotted bool) int {
	n := 0
	for n < len(s) && (isAlnum(s[n]) || s[n] == '_' || s[n] == '-' || dotted && strings.IndexByte(".+/=%~", s[n]) >= 0) {
		n++
	}
	for n > 0 && s[n-1] == '.' {
		n--
	}
	return n
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
