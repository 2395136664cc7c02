package policy

import (
	"regexp"
	"strings"
)

const sedHint = "safe mode takes addresses with p d q s y = and the like; other scripts run in restricted mode"

// sed takes scripts that only print and change what passes through. GNU's e runs commands, and w writes files, also behind s: so
// this reads the language and takes what it knows.
func sed(script string) error {
	s := &sedReader{text: script}
	for depth := 0; ; {
		s.skip(" \t\n;")
		switch {
		case s.done() && depth == 0:
			return nil
		case s.done():
			return refuse("the sed script has a { without a }", sedHint)
		case s.text[s.at] == '#':
			for !s.done() && s.text[s.at] != '\n' {
				s.at++
			}
			continue
		}
		if err := s.addresses(); err != nil {
			return err
		}
		if s.done() {
			return refuse("the sed script ends in an address", sedHint)
		}
		c := s.text[s.at]
		s.at++
		switch {
		case c == '{':
			depth++
			continue
		case c == '}':
			if depth--; depth < 0 {
				return refuse("the sed script has a } without a {", sedHint)
			}
		case strings.IndexByte("pPdDnNgGhHxz=lqQ", c) >= 0:
			s.skip(" \t")
			if strings.IndexByte("lqQ", c) >= 0 {
				s.skip("0123456789")
			}
		case c == ':' || c == 'b' || c == 't' || c == 'T':
			s.skip(" \t")
			s.skip("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_")
			if !s.done() && s.text[s.at] != ';' && s.text[s.at] != '\n' { // seds differ in what else ends a label
				return refuse("the sed script has a label that does not end in ; or a line break", sedHint)
			}
		case c == 's' || c == 'y':
			if err := s.substitution(c); err != nil {
				return err
			}
		default:
			return refuse("the sed script uses %q", sedHint, string(c))
		}
		s.skip(" \t")
		if !s.done() && strings.IndexByte(";\n}#", s.text[s.at]) < 0 {
			return refuse("the sed script has %q where a command should have ended", sedHint, s.text[s.at:s.at+1])
		}
	}
}

type sedReader struct {
	text string
	at   int
}

func (s *sedReader) done() bool { return s.at >= len(s.text) }

func (s *sedReader) skip(set string) (skipped string) {
	from := s.at
	for !s.done() && strings.IndexByte(set, s.text[s.at]) >= 0 {
		s.at++
	}
	return s.text[from:s.at]
}

// addresses reads up to two addresses and a !.
func (s *sedReader) addresses() error {
	const numbers = "0123456789"
	for n := range 2 {
		if n == 1 {
			s.skip("+~") // the second may be relative
		}
		switch {
		case s.skip(numbers) != "":
			if n == 0 && s.skip("~") != "" {
				s.skip(numbers)
			}
		case s.skip("$") != "":
		case !s.done() && s.text[s.at] == '/':
			s.at++
			if err := s.until('/', true); err != nil {
				return err
			}
			s.skip("IM")
		case n == 1:
			return refuse("the sed script has an address that is not understood", sedHint)
		}
		s.skip(" \t")
		if n == 1 || s.done() || s.text[s.at] != ',' {
			break
		}
		s.at++
		s.skip(" \t")
	}
	if s.skip("!") != "" {
		s.skip(" \t")
	}
	return nil
}

// until reads up to a delimiter. Seds differ in whether brackets hide it, so there it must not be.
func (s *sedReader) until(delimiter byte, expression bool) error {
	brackets := false
	for ; !s.done(); s.at++ {
		switch c := s.text[s.at]; {
		case c == '\n':
			return refuse("the sed script goes over lines", sedHint)
		case c == '\\':
			if s.at++; s.done() || s.text[s.at] == '\n' {
				return refuse("the sed script goes over lines", sedHint)
			}
		case c == delimiter:
			if brackets {
				return refuse("the sed script has its delimiter in brackets", "choose another delimiter: s|a|b|")
			}
			s.at++
			return nil
		case c == '[' && expression:
			brackets = true
		case c == ']':
			brackets = false
		}
	}
	return refuse("the sed script has an expression without an end", sedHint)
}

func (s *sedReader) substitution(c byte) error {
	if s.done() || strings.IndexByte("/|,:#@!%_+=~^", s.text[s.at]) < 0 {
		return refuse("the sed script has an unusual delimiter", "choose s/a/b/ or s|a|b|")
	}
	delimiter := s.text[s.at]
	s.at++
	if err := s.until(delimiter, c == 's'); err != nil {
		return err
	}
	if err := s.until(delimiter, false); err != nil {
		return err
	}
	if c == 's' {
		s.skip("gpiIM0123456789")
	}
	return nil
}

var (
	jqLoads = regexp.MustCompile(`^(?:\s|#[^\n]*\n)*(module|import|include)\b`)
	jqReads = regexp.MustCompile(`\.?\b(modulemeta|env)\b|\$ENV`)
)

// jq refuses programs that load other files, a module or data that is imported, and those that show the environment.
func jq(program string) error {
	hit := jqLoads.FindString(program)
	for _, other := range jqReads.FindAllString(program, -1) {
		if other[0] != '.' { // .env is a field
			hit = other
		}
	}
	if hit != "" {
		return refuse("the jq program uses %s, which reads more than its input", "name the files as arguments", strings.TrimSpace(hit))
	}
	return nil
}
