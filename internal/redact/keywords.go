package redact

import (
	"iter"
	"slices"
)

// A keywords automaton finds every occurrence of a set of keywords in one pass, whatever their number, without regard to
// ASCII case (Aho and Corasick, 1975). It is what makes clean text cheap: a rule is tried only where one of its keywords is.
//
// The automaton itself knows only how keywords begin, and what follows is compared. So it is small enough to be built at every
// start of a process, and to stay in a processor's cache.
type keywords struct {
	words []string   // folded
	class [256]uint8 // bytes that no keyword holds share class 0
	width uint32     // number of classes
	next  []uint32   // by state's row + class: the next state's row, and atEnd
	ends  [][]int    // by state: the keywords whose beginning ends there
}

// maxBeginning is how many bytes of a keyword the automaton knows.
const maxBeginning = 4

func beginning(word string) string { return word[:min(len(word), maxBeginning)] }

// atEnd marks a step into a state where a beginning ends, so that the common step needs no second look.
const atEnd = 1 << 31

// compileKeywords builds the automaton of words, which hold no upper case.
func compileKeywords(words []string) *keywords {
	a := &keywords{words: words, width: 1}
	for _, w := range words {
		for _, c := range []byte(beginning(w)) {
			if a.class[c] == 0 {
				a.class[c] = uint8(a.width)
				a.width++
			}
		}
	}
	for c := byte('a'); c <= 'z'; c++ {
		a.class[c-'a'+'A'] = a.class[c]
	}

	// A trie of the words; row 0 is the root, and a step to it means that there is none.
	a.grow()
	for id, w := range words {
		row := uint32(0)
		for _, c := range []byte(beginning(w)) {
			step := row + uint32(a.class[c])
			if a.next[step] == 0 {
				a.next[step] = a.grow()
			}
			row = a.next[step]
		}
		a.ends[row/a.width] = append(a.ends[row/a.width], id)
	}
	a.link()
	return a
}

func (a *keywords) grow() uint32 {
	row := uint32(len(a.next))
	a.next = append(a.next, make([]uint32, a.width)...)
	a.ends = append(a.ends, nil)
	return row
}

// link fills in, breadth first, the steps the trie lacks: those of the longest suffix that is itself in the trie.
func (a *keywords) link() {
	fail := make([]uint32, len(a.ends))
	queue := []uint32{0}
	for len(queue) > 0 {
		row := queue[0]
		queue = queue[1:]
		suffix := fail[row/a.width]
		for class := range a.width {
			child, fallback := &a.next[row+class], a.next[suffix+class]
			if row == 0 {
				fallback = 0
			}
			if *child == 0 {
				*child = fallback
				continue
			}
			i := *child / a.width
			fail[i] = fallback
			a.ends[i] = slices.Concat(a.ends[i], a.ends[fallback/a.width])
			queue = append(queue, *child)
		}
	}
	for i, row := range a.next {
		if a.ends[row/a.width] != nil {
			a.next[i] |= atEnd
		}
	}
}

// in yields the offset and the number of every keyword in s, ordered by where their beginnings end.
func (a *keywords) in(s string) iter.Seq2[int, int] {
	return func(yield func(at, word int) bool) {
		row := uint32(0)
		for i := range len(s) {
			row = a.next[row+uint32(a.class[s[i]])]
			if row&atEnd == 0 {
				continue
			}
			row &^= atEnd
			for _, id := range a.ends[row/a.width] {
				w := a.words[id]
				at := i + 1 - min(len(w), maxBeginning)
				if len(w) > maxBeginning && !hasFoldedPrefix(s[i+1:], w[maxBeginning:]) {
					continue
				}
				if !yield(at, id) {
					return
				}
			}
		}
	}
}

// hasFoldedPrefix reports whether s begins with prefix, which holds no upper case, without regard to ASCII case.
func hasFoldedPrefix(s, prefix string) bool {
	if len(s) < len(prefix) {
		return false
	}
	for i := range len(prefix) {
		c := s[i]
		if isUpper(c) {
			c += 'a' - 'A'
		}
		if c != prefix[i] {
			return false
		}
	}
	return true
}
