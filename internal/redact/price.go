package redact

import (
	"fmt"
	"regexp/syntax"
	"unicode/utf8"
)

// A price is what a search for a pattern that people wrote costs. Package regexp does no more than one step for each byte that it
// reads and each instruction of the pattern, and its time keeps to that: measured on patterns made to be slow, of 5 to 2000
// instructions, a step takes 4 to 7 ns, and in proportion longer with many groups.
type price struct {
	weight int // steps for each byte read, at most
	reach  int // how many bytes a match has at most, or half of maxMatch if that is less: as far a search reads beyond its beginning
}

const (
	// searchWork is what a search costs that reads nothing: it clears some memory.
	searchWork = 8
	// stepsPerWork is how many steps are as much work as a short try.
	stepsPerWork = 20
	// maxRuled is how long a text every rule must be able to scan with half of the budget, whatever is in it: the longest
	// message that the bridge takes unless told otherwise, in bytes.
	maxRuled = 200_000
)

// priceOf tells the price of a pattern with so many groups. It refuses one that a text could keep busy for too long.
func priceOf(tree *syntax.Regexp, groups int) (price, error) {
	prog, err := syntax.Compile(tree.Simplify())
	if err != nil {
		return price{}, fmt.Errorf("the pattern is too large for a regular expression")
	}
	p := price{weight: len(prog.Inst), reach: reach(tree)}
	p.weight += p.weight * groups / 64
	most := maxWork / 2 * stepsPerWork / maxRuled * (maxMatch - p.overlap()) / maxMatch
	if p.weight > most {
		return price{}, fmt.Errorf("the pattern is too large to be tried on long texts: it has %d steps, and %d are allowed; write less in braces, as {40,} for {400}, or fewer groups",
			p.weight, most)
	}
	return p, nil
}

// search is what a search costs that reads n bytes.
func (p price) search(n int) int { return searchWork + n*p.weight/stepsPerWork }

// overlap is how much of a window the next reads again: a match that ends beyond the first, and a character on either side of it.
func (p price) overlap() int { return min(p.reach+2*utf8.UTFMax, maxMatch/2) }

// reach bounds how many bytes a match has.
func reach(re *syntax.Regexp) (n int) {
	const most = maxMatch / 2
	switch re.Op {
	case syntax.OpLiteral:
		n = len(re.Rune) * utf8.UTFMax // of either case, and one may be longer than the other
	case syntax.OpCharClass, syntax.OpAnyChar, syntax.OpAnyCharNotNL:
		n = utf8.UTFMax
	case syntax.OpStar, syntax.OpPlus:
		n = most
	case syntax.OpRepeat:
		if n = most; re.Max >= 0 {
			n = re.Max * reach(re.Sub[0])
		}
	case syntax.OpAlternate:
		for _, sub := range re.Sub {
			n = max(n, reach(sub))
		}
	default: // one after the other; what stands for a place has no length
		for _, sub := range re.Sub {
			n = min(n+reach(sub), most)
		}
	}
	return min(n, most)
}
