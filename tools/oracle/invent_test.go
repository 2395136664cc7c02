package oracle_test

import (
	"math/rand/v2"
	"regexp"
	"regexp/syntax"
	"slices"
	"strings"
)

// invent makes a text that expr matches, leaving aside what stands around it: anchors and word boundaries are not looked at,
// so the caller has to see whether it really matches.
func invent(r *rand.Rand, expr *regexp.Regexp) string {
	// Most rules match any case, for names; vendors write what they make in the case that the expression is written in.
	tree, err := syntax.Parse(strings.ReplaceAll(expr.String(), "(?i)", ""), syntax.Perl)
	if err != nil {
		panic(err) // it was compiled
	}
	var b strings.Builder
	grow(r, &b, tree)
	return b.String()
}

func grow(r *rand.Rand, b *strings.Builder, e *syntax.Regexp) {
	repeat := func(least, most int) {
		if most < 0 || most > least+6 {
			most = least + 6
		}
		for range least + r.IntN(most-least+1) {
			grow(r, b, e.Sub[0])
		}
	}
	switch e.Op {
	case syntax.OpLiteral:
		b.WriteString(string(e.Rune))
	case syntax.OpCharClass:
		b.WriteRune(letter(r, e.Rune))
	case syntax.OpAnyChar, syntax.OpAnyCharNotNL:
		b.WriteByte('.') // in an address, somebody forgot the backslash
	case syntax.OpStar:
		repeat(0, -1)
	case syntax.OpPlus:
		repeat(1, -1)
	case syntax.OpQuest:
		repeat(0, 1)
	case syntax.OpRepeat:
		repeat(e.Min, e.Max)
	case syntax.OpAlternate:
		grow(r, b, e.Sub[r.IntN(len(e.Sub))])
	default: // a capture, a sequence, or something empty
		for _, sub := range e.Sub {
			grow(r, b, sub)
		}
	}
}

// letter gives one of ranges: of ASCII, and printable, where there is such.
func letter(r *rand.Rand, ranges []rune) rune {
	if slices.Equal(ranges, []rune("09AFaf")) {
		ranges = []rune("09af") // nobody mixes the cases of hex digits
	}
	var seen []rune
	for i := 0; i < len(ranges); i += 2 {
		for c := max(ranges[i], ' '); c <= min(ranges[i+1], '~'); c++ {
			seen = append(seen, c)
		}
	}
	if len(seen) == 0 {
		return ranges[0]
	}
	return seen[r.IntN(len(seen))]
}
