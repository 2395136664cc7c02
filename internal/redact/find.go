package redact

import (
	"cmp"
	"slices"
	"strings"
	"unicode/utf8"
)

// maxPasses is how often text between masked secrets is looked at again. Ordinary text needs two passes.
const maxPasses = 16

// A span is a stretch of text, with the rule that found it or, for a placeholder, -1.
type span struct {
	start, end int
	rule       int
}

// find gives the secrets in text, sorted and disjoint.
//
// Masking a secret gives the text around it new edges, and something there may now be a secret too. So the stretches that
// are left are scanned again, each alone, until nothing more is found: that makes Redact idempotent whatever the rules are,
// and it is why a rule never sees a placeholder.
func (s *Scanner) find(text string) ([]Finding, error) {
	var hidden []span // placeholders and what is found, sorted and disjoint
	for at := 0; ; {
		i := strings.Index(text[at:], placeholderOpen)
		if i < 0 {
			break
		}
		n := placeholderLen(text[at+i:])
		if n > 0 {
			hidden = append(hidden, span{at + i, at + i + n, -1})
		}
		at += i + max(n, 1)
	}

	left := budget(maxWork)
	stretches := between(hidden, []span{{0, len(text), -1}})
	for range maxPasses {
		var fresh []span
		var split []span // the stretches in which something was found
		for _, st := range stretches {
			spans, err := s.scan(text[st.start:st.end], st.start, &left)
			if err != nil {
				return nil, err
			}
			if len(spans) > 0 {
				fresh = append(fresh, merge(text, spans)...)
				split = append(split, st)
			}
		}
		if len(fresh) == 0 {
			return s.findings(hidden), nil
		}
		hidden = append(hidden, fresh...)
		slices.SortFunc(hidden, byStart)
		stretches = between(fresh, split)
	}
	return nil, ErrTangled
}

// between gives what is left of stretches without hidden, each span of which lies within one of them.
func between(hidden, stretches []span) []span {
	var out []span
	for _, st := range stretches {
		at := st.start
		for len(hidden) > 0 && hidden[0].start < st.end {
			if hidden[0].start > at {
				out = append(out, span{at, hidden[0].start, -1})
			}
			at = hidden[0].end
			hidden = hidden[1:]
		}
		if at < st.end {
			out = append(out, span{at, st.end, -1})
		}
	}
	return out
}

// scan tries the rules on one stretch of text, which begins at offset base.
func (s *Scanner) scan(text string, base int, left *budget) ([]span, error) {
	var spans []span
	keep := func(start, end, rule int) {
		if rule < len(s.own.rules) && s.own.rules[rule].always || !s.allowed(text[start:end]) {
			spans = append(spans, span{base + start, base + end, rule})
		}
	}
	if err := s.own.scan(text, left, keep); err != nil {
		return nil, err
	}
	first := len(s.own.rules) // the own rules come first
	err := s.general.scan(text, left, func(start, end, rule int) { keep(start, end, first+rule) })
	return s.withoutWeak(spans), err
}

// withoutWeak drops what a weak rule found where another found something, too: that one knows better what the secret is.
func (s *Scanner) withoutWeak(spans []span) []span {
	weak := func(f span) bool { return f.rule >= len(s.own.rules) && s.general.rules[f.rule-len(s.own.rules)].weak }
	if !slices.ContainsFunc(spans, weak) {
		return spans
	}
	slices.SortFunc(spans, byStart)
	out := spans[:0:0]
	end, lastWeak := 0, 0 // where the strong spans so far end, and how many at the end of out are weak and may yet be dropped
	for _, f := range spans {
		if weak(f) {
			if f.start >= end {
				out = append(out, f)
				lastWeak++
			}
			continue
		}
		for lastWeak > 0 && out[len(out)-1].end > f.start {
			out = out[:len(out)-1]
			lastWeak--
		}
		out = append(out, f)
		end, lastWeak = max(end, f.end), 0
	}
	return out
}

// scan calls found for every secret in text, in no order.
func (s *ruleSet) scan(text string, left *budget, found func(start, end, rule int)) error {
	for r := range s.rules {
		if sweep := s.rules[r].sweep; sweep != nil {
			if err := sweep(text, left, func(start, end int) { found(start, end, r) }); err != nil {
				return err
			}
		}
	}
	var done []int // by rule: how far it has read; made when there is something to remember
	for at, word := range s.keywords.in(text) {
		for _, r := range s.byWord[word] {
			if done != nil && at < done[r] {
				continue
			}
			start, end, ok := s.rules[r].find(text, at, at+len(s.keywords.words[word]))
			work := 1
			if !ok {
				work += start / workRun
			}
			if !left.take(work) {
				return ErrCostly
			}
			if end > at {
				if done == nil {
					done = make([]int, len(s.rules))
				}
				done[r] = end
			}
			if ok {
				found(start, end, r)
			}
		}
	}
	return nil
}

// A budget is how much work is left that may be spent on a text. It is counted, not timed, so that a text that is refused
// once is refused always.
type budget int

const (
	// maxWork is about a second's worth, or some on a slow machine. Ordinary text of MaxBytes takes a fiftieth of it.
	maxWork = 8_000_000
	// workRun is how many bytes an expression reads in the time of a short try.
	workRun = 2
)

func (b *budget) take(work int) bool {
	*b -= budget(work)
	return *b >= 0
}

// merge sorts spans and makes one of those that overlap. The earliest rule among them, which is the most specific, names it.
func merge(text string, spans []span) []span {
	slices.SortFunc(spans, byStart)
	out := spans[:0]
	for _, f := range spans {
		// A joiner behind the secret belonged to its last character. Left behind the placeholder, Sanitise would remove it.
		for f.end < len(text) {
			r, n := utf8.DecodeRuneInString(text[f.end:])
			if !isJoiner(r) && !isVariation(r) {
				break
			}
			f.end += n
		}
		if n := len(out); n > 0 && f.start < out[n-1].end {
			out[n-1].end = max(out[n-1].end, f.end)
			out[n-1].rule = min(out[n-1].rule, f.rule)
			continue
		}
		out = append(out, f)
	}
	return out
}

func (s *Scanner) findings(spans []span) []Finding {
	var out []Finding
	for _, f := range spans {
		if f.rule >= 0 {
			out = append(out, Finding{Kind: s.kind(f.rule), Start: f.start, End: f.end})
		}
	}
	return out
}

func (s *Scanner) kind(rule int) string {
	if own := len(s.own.rules); rule >= own {
		return s.general.rules[rule-own].kind
	}
	return s.own.rules[rule].kind
}

func byStart(a, b span) int {
	return cmp.Or(cmp.Compare(a.start, b.start), cmp.Compare(b.end, a.end))
}
