package redact

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"regexp"
	"regexp/syntax"
	"slices"
	"strings"
)

// A Rule is one that people add to the built-in ones.
type Rule struct {
	// Name is the kind of what the rule finds: in kebab-case, at most 24 characters, and not that of a built-in rule.
	Name string

	// Pattern is a regular expression of package regexp. It must not match nothing. A match longer than 8 KiB may be missed. What
	// it may cost grows with its size and counts against the text, so New refuses one of several hundred characters or classes in
	// a row, written out or in braces.
	Pattern string

	// Keywords are words of at least 3 bytes, in any case of letters: the pattern is tried only on text that holds one. None:
	// on all text, which is slower.
	Keywords []string

	// Group is the group of Pattern that is the secret; 0: the first that took part or, without groups, the whole match.
	Group int

	// Entropy is the least that a secret has, in bits a byte; random letters and digits have 3.5 and more. 0: any.
	Entropy float64
}

// customRules checks and compiles rules.
func customRules(rules []Rule) ([]rule, error) {
	var out []rule
	for i, r := range rules {
		// Texts are redacted by one process and again by the next: names must fit the placeholder.
		p := placeholderOpen + r.Name + ":01234567]"
		if placeholderLen(p) != len(p) || strings.Trim(r.Name, "-") != r.Name || strings.Contains(r.Name, "--") {
			return nil, fmt.Errorf("redaction rule %d: name %q is not kebab-case of at most %d characters", i+1, r.Name, maxKind)
		}
		if slices.ContainsFunc(rules[:i], func(o Rule) bool { return o.Name == r.Name }) {
			return nil, fmt.Errorf("redaction rule %s: there are two of that name", r.Name)
		}
		if r.Name == kindKnown || slices.ContainsFunc(general().rules, func(b rule) bool { return b.kind == r.Name }) {
			return nil, fmt.Errorf("redaction rule %s: a built-in rule has that name and goes on beside this one; choose a name of your own, such as acme-key", r.Name)
		}
		sweep, err := r.compile()
		if err != nil {
			return nil, fmt.Errorf("redaction rule %s: %w", r.Name, err)
		}
		out = append(out, rule{kind: r.Name, sweep: sweep})
	}
	return out, nil
}

func (r Rule) compile() (sweeper, error) {
	if r.Pattern == "" {
		return nil, fmt.Errorf("the pattern is missing")
	}
	tree, err := syntax.Parse(r.Pattern, syntax.Perl)
	if err != nil {
		problem := "it is too large"
		if e, ok := errors.AsType[*syntax.Error](err); ok {
			problem = e.Code.String() // without the pattern: somebody may have written a secret there
		}
		return nil, fmt.Errorf("the pattern is no regular expression: %s", problem)
	}
	re, err := regexp.Compile(r.Pattern)
	if err != nil {
		return nil, fmt.Errorf("the pattern is too large for a regular expression")
	}
	if mayBeEmpty(tree) {
		return nil, fmt.Errorf("the pattern matches nothing at all, so it would match everywhere")
	}
	if r.Group < 0 || r.Group > re.NumSubexp() {
		return nil, fmt.Errorf("the pattern has %d groups, so the secret cannot be group %d", re.NumSubexp(), r.Group)
	}
	if r.Entropy < 0 || r.Entropy > 8 {
		return nil, fmt.Errorf("the entropy is not between 0 and 8 bits")
	}
	var words []string
	for _, w := range r.Keywords {
		if len(w) < 3 || !Valid(w) || Sanitise(w) != w {
			return nil, fmt.Errorf("keyword %q is not a word of 3 characters or more", w)
		}
		words = append(words, asciiLower(w))
	}
	cost, err := priceOf(tree, re.NumSubexp())
	if err != nil {
		return nil, err
	}
	return r.sweeper(re, words, cost), nil
}

// mayBeEmpty reports whether re may match the empty string somewhere.
func mayBeEmpty(re *syntax.Regexp) bool {
	switch re.Op {
	case syntax.OpLiteral, syntax.OpCharClass, syntax.OpAnyChar, syntax.OpAnyCharNotNL, syntax.OpNoMatch:
		return false
	case syntax.OpPlus, syntax.OpCapture:
		return mayBeEmpty(re.Sub[0])
	case syntax.OpRepeat:
		return re.Min == 0 || mayBeEmpty(re.Sub[0])
	case syntax.OpConcat:
		return !slices.ContainsFunc(re.Sub, func(sub *syntax.Regexp) bool { return !mayBeEmpty(sub) })
	case syntax.OpAlternate:
		return slices.ContainsFunc(re.Sub, mayBeEmpty)
	default:
		return true
	}
}

// sweeper makes the sweep of a checked rule. It searches windows, so that a pattern that reads far for each match has a price.
func (r Rule) sweeper(re *regexp.Regexp, words []string, cost price) sweeper {
	const window = maxMatch
	filter := compileKeywords(words)
	return func(text string, left *budget, found func(start, stop int)) error {
		hit := len(words) == 0
		for range filter.in(text) {
			hit = true
			break
		}
		for at := 0; hit && at < len(text); {
			part := text[at:runeAt(text, at+window)]
			loc := re.FindStringSubmatchIndex(part)
			read := len(part)
			if loc != nil && cost.reach < maxMatch/2 { // otherwise it may have looked for a longer match to the end
				read = min(read, loc[0]+cost.reach)
			}
			if !left.take(cost.search(read)) {
				return ErrCostly
			}
			if loc == nil {
				at = runeAt(text, max(at+1, at+len(part)-cost.overlap()))
				if len(part) < window {
					break
				}
				continue
			}
			start, stop := loc[0], loc[1]
			for g := 2; g < len(loc); g += 2 {
				if loc[g] >= 0 && (r.Group == 0 || g == 2*r.Group) {
					start, stop = loc[g], loc[g+1]
					break
				}
			}
			if secret := part[start:stop]; secret != "" && bits(secret) >= r.Entropy {
				found(at+start, at+stop)
			}
			at += loc[1]
		}
		return nil
	}
}

const hashPrefix = "sha256:"

// Hash gives what to write down of a secret that is harmless, in place of the secret. From the hash of a secret that is
// short or common, the secret can be guessed.
func Hash(secret string) string {
	sum := sha256.Sum256([]byte(secret))
	return hashPrefix + hex.EncodeToString(sum[:])
}

func parseHash(hash string) (sum [sha256.Size]byte, err error) {
	digits, ok := strings.CutPrefix(hash, hashPrefix)
	raw, err := hex.DecodeString(digits)
	if !ok || err != nil || len(raw) != len(sum) {
		// Not shown: it may be the secret itself.
		return sum, fmt.Errorf("an allowed secret is not given as %s and 64 hex digits", hashPrefix)
	}
	return [sha256.Size]byte(raw), nil
}

func (s *Scanner) allowed(secret string) bool {
	return len(s.allow) > 0 && s.allow[sha256.Sum256([]byte(secret))]
}
