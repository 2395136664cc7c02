package policy

import (
	"strings"

	"mvdan.cc/sh/v3/syntax"
)

// word is one argument, after bash's quoting and braces. Patterns stay.
type word struct {
	text    string
	pattern string // for path.Match where the text holds an unquoted * or ?; empty for all others
}

const (
	maxBraced = 64 // words that one word's braces may make

	hintLiteral = "write out what it stands for"
	hintQuote   = "put it in single quotes if it is meant as it stands"
)

// spelled is a word's bytes, and which of them bash takes as they are.
type spelled struct {
	text   []byte
	quoted []bool
	empty  bool // a pair of quotes with nothing in it makes a word, too
}

func (s *spelled) add(text string, quoted bool) {
	for i := range len(text) {
		s.text = append(s.text, text[i])
		s.quoted = append(s.quoted, quoted)
	}
	s.empty = s.empty || quoted
}

// words gives what bash would make of a word, but for patterns: one word, or several where there are braces.
func words(w *syntax.Word) ([]word, error) {
	if len(w.Parts) == 1 { // most are as simple as that
		switch part := w.Parts[0].(type) {
		case *syntax.Lit:
			if !strings.ContainsAny(part.Value, "\\*?[{~") {
				return []word{{text: part.Value}}, nil
			}
		case *syntax.SglQuoted:
			if !part.Dollar {
				return []word{{text: part.Value}}, nil
			}
		}
	}
	var s spelled
	for _, part := range w.Parts {
		if err := s.part(part); err != nil {
			return nil, err
		}
	}
	all := []spelled{s}
	if strings.IndexByte(string(s.text), '{') >= 0 {
		var err error
		if all, err = s.braces(); err != nil {
			return nil, err
		}
	}
	out := make([]word, len(all))
	for i, one := range all {
		var err error
		if out[i], err = one.word(); err != nil {
			return nil, err
		}
	}
	return out, nil
}

func (s *spelled) part(part syntax.WordPart) error {
	switch part := part.(type) {
	case *syntax.Lit:
		for text := part.Value; text != ""; {
			i := strings.IndexByte(text, '\\')
			if i < 0 {
				s.add(text, false)
				return nil
			}
			if i == len(text)-1 {
				return refuse("a word ends in a backslash", hintQuote)
			}
			s.add(text[:i], false)
			if text[i+1] != '\n' {
				s.add(text[i+1:i+2], true)
			}
			text = text[i+2:]
		}
		return nil
	case *syntax.SglQuoted:
		if part.Dollar {
			return s.ansi(part.Value)
		}
		s.empty = true
		s.add(part.Value, true)
		return nil
	case *syntax.DblQuoted:
		if part.Dollar {
			return refuse(`$"…" is translated by the shell`, "leave out the dollar")
		}
		s.empty = true
		for _, inner := range part.Parts {
			lit, ok := inner.(*syntax.Lit)
			if !ok {
				return expansion(inner)
			}
			s.doubleQuoted(lit.Value)
		}
		return nil
	}
	return expansion(part)
}

// doubleQuoted adds what stands between double quotes, where a backslash escapes only what is special there.
func (s *spelled) doubleQuoted(text string) {
	for {
		i := strings.IndexByte(text, '\\')
		if i < 0 || i == len(text)-1 {
			s.add(text, true)
			return
		}
		s.add(text[:i], true)
		switch text[i+1] {
		case '\n':
		case '$', '`', '"', '\\':
			s.add(text[i+1:i+2], true)
		default:
			s.add(text[i:i+2], true)
		}
		text = text[i+2:]
	}
}

// ansi adds the text of $'…', where it has only escapes that everybody reads alike.
func (s *spelled) ansi(text string) error {
	s.empty = true
	for i := 0; i < len(text); i++ {
		if text[i] != '\\' {
			s.add(text[i:i+1], true)
			continue
		}
		if i++; i == len(text) {
			return refuse("$'…' ends in a backslash", hintLiteral)
		}
		known := map[byte]string{'t': "\t", 'n': "\n", '\\': "\\", '\'': "'", '"': `"`}[text[i]]
		if known == "" {
			return refuse(`$'…' holds an escape that hides what it is: \%c`, hintLiteral, text[i])
		}
		s.add(known, true)
	}
	return nil
}

// expansion refuses what only a shell can work out.
func expansion(part syntax.WordPart) error {
	switch part := part.(type) {
	case *syntax.ParamExp:
		if part.Param != nil {
			return refuse("$%s is only known to a shell", hintLiteral+", or put it in single quotes", part.Param.Value)
		}
		return refuse("a variable is only known to a shell", hintLiteral)
	case *syntax.CmdSubst:
		return refuse("$(…) runs a command inside another", "run it first, then use what it printed")
	case *syntax.ArithmExp:
		return refuse("$((…)) is worked out by a shell", hintLiteral)
	case *syntax.ProcSubst:
		return refuse("<(…) runs a command inside another", "run it first, then use what it printed")
	case *syntax.ExtGlob:
		return refuse("an extended pattern needs a shell", hintQuote)
	}
	return refuse("%T needs a shell", hintLiteral, part)
}

// braces writes out a{b,c}d. Only plain groups: no groups in groups, no a..z.
func (s *spelled) braces() ([]spelled, error) {
	var groups [][2]int // of each pair of unquoted braces
	open, comma, opens, closes, commas, dots := -1, false, 0, 0, 0, false
	strange := false
	for i, c := range s.text {
		if s.quoted[i] {
			continue
		}
		switch c {
		case '{':
			strange = strange || open >= 0
			open, comma, opens = i, false, opens+1
		case ',':
			if open >= 0 {
				comma, commas = true, commas+1
			}
		case '.':
			dots = dots || i > 0 && s.text[i-1] == '.'
		case '}':
			closes++
			if open < 0 || !comma {
				strange = true
				break
			}
			groups = append(groups, [2]int{open, i})
			open = -1
		}
	}
	if opens == 0 || closes == 0 || commas == 0 && !dots {
		return []spelled{*s}, nil // braces that are just characters: {}, {a}, a{b
	}
	if strange || open >= 0 || dots {
		return nil, refuse("these braces are too much for one look", "write the words out")
	}
	all, from := []spelled{{}}, 0
	for _, g := range groups {
		var next []spelled
		for _, head := range all {
			for at := g[0] + 1; at <= g[1]; {
				end := at
				for end < g[1] && (s.text[end] != ',' || s.quoted[end]) {
					end++
				}
				next = append(next, head.plus(s, from, g[0]).plus(s, at, end))
				at = end + 1
			}
		}
		if len(next) > maxBraced {
			return nil, refuse("these braces make more than %d words", "write fewer", maxBraced)
		}
		all, from = next, g[1]+1
	}
	for i := range all {
		if all[i] = all[i].plus(s, from, len(s.text)); len(all[i].text) == 0 {
			return nil, refuse("these braces make an empty word", "write the words out")
		}
	}
	return all, nil
}

// plus is the word with bytes of another behind it.
func (s spelled) plus(from *spelled, start, end int) spelled {
	text := append(append([]byte{}, s.text...), from.text[start:end]...)
	return spelled{text, append(append([]bool{}, s.quoted...), from.quoted[start:end]...), true}
}

func (s *spelled) word() (word, error) {
	w := word{text: string(s.text)}
	if len(s.text) == 0 && !s.empty {
		return w, refuse("a word is empty", "put it in quotes if that is meant")
	}
	globbed := false
	for i, c := range s.text {
		if s.quoted[i] {
			continue
		}
		switch c {
		case '*', '?':
			globbed = true
		case '[':
			if len(s.text) > 1 && strings.IndexByte(w.text[i:], ']') >= 0 {
				return w, refuse("[…] is a pattern of the shell", hintQuote)
			}
		case '~':
			if i == 0 || s.text[i-1] == '=' || s.text[i-1] == ':' {
				return w, refuse("~ stands for somebody's home directory", "name a path in the workspace, or "+hintQuote)
			}
		}
	}
	if !globbed {
		return w, nil
	}
	var pattern strings.Builder
	for i, c := range s.text {
		if strings.IndexByte(`*?[\`, c) >= 0 && (s.quoted[i] || c == '[' || c == '\\') {
			pattern.WriteByte('\\')
		}
		pattern.WriteByte(c)
	}
	w.pattern = pattern.String()
	return w, nil
}
