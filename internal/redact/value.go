package redact

import (
	"regexp"
	"strings"
	"unicode/utf8"
)

// A value is what may be a secret, and how it was found: bytes start to stop of the text.
type value struct {
	start, stop int
	quote       bool   // it stands in quotation marks
	bare        bool   // it needs none: NAME=value, ?name=value, --name value, X-Name: value
	form        form   // how it is bound to
	name        string // its name, if it has one
}

// maxValue bounds how much of a value is read and judged. What is read and then let go must be short, or text full of names
// would take quadratic time; what is found to be a secret is then read to its end.
const maxValue = 128

// maxQuoted bounds how far the end of a quotation is looked for, on either side of a mark.
const maxQuoted = 2048

// head is as much of the value as is judged.
func (v value) head(text string) string {
	return text[v.start:min(v.stop, v.start+maxValue)]
}

// end gives where the value ends, however long it is.
func (v value) end(text string) int {
	if v.quote {
		return v.stop
	}
	return v.start + wordLen(text[v.start:], len(text))
}

// valueAt gives the value that begins at text[i]: a quoted string, or what a shell, YAML, a query or a sentence would take
// for one word. The bounds are of the value itself, without quotation marks and the punctuation behind it.
func valueAt(text string, i int) value {
	j := i
	if j+1 < len(text) && strings.IndexByte("bBrRfFuUNL@$", text[j]) >= 0 && isQuote(text[j+1]) {
		j++ // the prefix of a string in Python, C, C#, bash
	}
	for j < len(text) && text[j] == '\\' {
		j++
	}
	if j < len(text) && isQuote(text[j]) {
		if closes(text, j) {
			return value{start: j, stop: j}
		}
		if start, stop, ok := quoted(text, j, text[i:j]); ok {
			return value{start: start, stop: stop, quote: true}
		}
		j++ // it never ends: what follows is all there is
		return value{start: j, stop: j + wordLen(text[j:], maxValue)}
	}
	for _, pair := range [...][2]string{{"“", "”"}, {"‘", "’"}, {"«", "»"}, {"„", "“"}} {
		if rest, ok := strings.CutPrefix(text[i:], pair[0]); ok {
			if n := strings.Index(rest[:min(len(rest), maxQuoted)], pair[1]); n >= 0 {
				start := i + len(pair[0])
				return value{start: start, stop: start + n, quote: true}
			}
		}
	}
	return value{start: i, stop: i + wordLen(text[i:], maxValue)}
}

func isQuote(c byte) bool { return c == '"' || c == '\'' || c == '`' }

// quoted gives the bounds of the string that the mark at text[j] opens. Behind backslashes, in a string within a string, the
// closing mark has as many.
func quoted(text string, j int, before string) (int, int, bool) {
	mark := text[j]
	slashes := before[strings.LastIndexFunc(before, func(r rune) bool { return r != '\\' })+1:]
	if strings.HasPrefix(text[j:], strings.Repeat(string(mark), 3)) {
		j += 2
	}
	start := j + 1
	for k := start; k < len(text) && k-start < maxQuoted && text[k] != '\n'; k++ {
		switch {
		case text[k] == mark && slashes == "":
			return start, k, true
		case text[k] == mark && strings.HasSuffix(text[start:k], slashes):
			return start, k - len(slashes), true
		case text[k] == '\\' && slashes == "" && mark != '`':
			k++
		}
	}
	return 0, 0, false
}

// joint is how a program goes on behind a string.
var joint = regexp.MustCompile(`\A(?:[ \t]*[+,.%][ \t]*["'\x60(A-Za-z_]|[ \t]*[);}\]])`)

// closes reports whether the quotation mark text[j] ends a string that began on its line before the name: "password=" + p.
func closes(text string, j int) bool {
	if !joint.MatchString(text[j+1:]) {
		return false
	}
	line := text[max(0, j-maxQuoted):j]
	line = line[strings.LastIndexByte(line, '\n')+1:]
	return strings.Count(line, text[j:j+1])%2 == 1
}

// wordLen gives the length of the unquoted value at the start of s, or of as much of it as limit allows.
func wordLen(s string, limit int) int {
	n := 0
	depth := 0 // of brackets opened within the value
scan:
	for n < min(len(s), limit) {
		switch c := s[n]; {
		case c <= ' ' || isQuote(c) || c == '<' && n > 0 || c == '>':
			break scan
		case c == '\\' && n+1 < len(s) && strings.IndexByte(`nrt"'\`, s[n+1]) >= 0:
			break scan
		case strings.IndexByte(",;&|", c) >= 0 && n > 0 && endsItem(s[n+1:]):
			break scan
		case strings.IndexByte("([{", c) >= 0:
			depth++
		case strings.IndexByte(")]}", c) >= 0:
			if depth == 0 && (c == '}' || n+1 == len(s) || !isAlnum(s[n+1])) {
				break scan
			}
			depth--
		}
		n++
	}
	for n < len(s) && !utf8.RuneStart(s[n]) {
		n--
	}
	for n > 0 && strings.IndexByte(",.;:?|*&", s[n-1]) >= 0 {
		n--
	}
	return n
}

// endsItem reports whether a separator before s ends an item: what follows is another name=value, or no word at all.
func endsItem(s string) bool {
	if s == "" || s[0] <= ' ' || strings.IndexByte(`"'\{[(<`, s[0]) >= 0 {
		return true
	}
	n := 0
	for n < len(s) && n < maxName && (isAlnum(s[n]) || strings.IndexByte("_-.", s[n]) >= 0) {
		n++
	}
	return n > 0 && n < len(s) && (s[n] == '=' || s[n] == ':')
}
