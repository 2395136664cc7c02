package policy

import (
	"slices"
)

// awk refuses programs that run others, read or write files, or load code: an awk program can do all of that. Where a slash may
// begin an expression or divide, both are tried, and both must be harmless.
func awk(program string) error {
	return awkFrom(program, 0, awkState{regex: true}, new(int))
}

// awkState is what awkFrom knows of the text before.
type awkState struct {
	regex    bool // a slash here begins an expression
	doubtful bool // or does it?
	depth    int  // of parentheses
	printing int  // 1 + depth at which a print began that has not ended; 0 for none
}

const (
	awkHint   = "print and count in awk; run other programs beside it, in a pipe"
	awkGuess  = "write it more plainly: put expressions in parentheses"
	maxAwkTry = 64
)

// awkFalls are words that reach out of the program. In a string they are harmless, and so not looked at there.
var awkFalls = []string{"system", "getline", "ARGV", "ARGC", "SYMTAB", "FUNCTAB", "PROCINFO", "ENVIRON"}

// awkBefore are keywords behind which a slash begins an expression.
var awkBefore = []string{"print", "printf", "return", "in", "if", "while", "do", "else", "exit", "delete", "case", "BEGIN", "END"}

func awkFrom(text string, i int, s awkState, tries *int) error {
	if *tries++; *tries > maxAwkTry {
		return refuse("the awk program has too many slashes to tell what they are", awkGuess)
	}
	for i < len(text) {
		c := text[i]
		switch {
		case c == ' ' || c == '\t':
			i++
			continue
		case c == '\n': // it may end a statement or not
			s.regex, s.doubtful = false, true
			i++
			continue
		case c == '\\':
			if i+1 >= len(text) || text[i+1] != '\n' {
				return refuse("the awk program has a backslash outside of strings", awkGuess)
			}
			i += 2
			continue
		case c == '#':
			for i < len(text) && text[i] != '\n' {
				i++
			}
			continue
		case c == '"':
			end, err := awkString(text, i)
			if err != nil {
				return err
			}
			i, s.regex, s.doubtful = end, false, false
			continue
		case c == '/':
			if s.regex || s.doubtful {
				end, err := awkRegex(text, i)
				if err != nil && (s.regex || err != errNoRegex) {
					return err
				}
				if s.doubtful && err == nil {
					as := s
					as.regex, as.doubtful = false, false
					if err := awkFrom(text, end, as, tries); err != nil {
						return err
					}
				}
				if s.regex && !s.doubtful {
					i, s.regex = end, false
					continue
				}
			}
			i, s.regex, s.doubtful = i+1, true, false // it divides
			continue
		case isLetter(c):
			end := i
			for end < len(text) && (isLetter(text[end]) || text[end] >= '0' && text[end] <= '9') {
				end++
			}
			name := text[i:end]
			if slices.Contains(awkFalls, name) {
				return refuse("the awk program uses %s", awkHint, name)
			}
			if name == "print" || name == "printf" {
				s.printing = 1 + s.depth
			}
			s.regex, s.doubtful = slices.Contains(awkBefore, name), name == "length"
			i = end
			continue
		case c >= '0' && c <= '9' || c == '.' || c == ']' || c == '$':
			s.regex, s.doubtful = false, c == '$'
		case c == ')':
			if s.depth--; s.depth < 0 {
				return refuse("the awk program has a ) without a (", awkGuess)
			}
			s.regex, s.doubtful = false, true
		case c == '(':
			s.depth++
			s.regex, s.doubtful = true, false
		case c == '+' || c == '-':
			s.regex, s.doubtful = false, true // a++ / 2, or a + /x/
		case c == ';' || c == '}':
			s.printing, s.regex, s.doubtful = 0, true, false
		case c == '|':
			if i+1 >= len(text) || text[i+1] != '|' {
				return refuse("the awk program has a pipe to another program", awkHint)
			}
			i++
			s.regex, s.doubtful = true, false
		case c == '>':
			if s.printing > 0 && s.depth < s.printing {
				return refuse("the awk program may write a file", "put the comparison in parentheses, or put { } around what is printed")
			}
			s.regex, s.doubtful = true, false
		case c == '@' || c == '`' || c == '\'' || c >= 0x80 || c < ' ':
			return refuse("the awk program has %q outside of strings", awkHint, string(c))
		default: // { , ! ~ & = < * % ^ ? :
			s.regex, s.doubtful = true, false
		}
		i++
	}
	return nil
}

func isLetter(c byte) bool { return 'a' <= c && c <= 'z' || 'A' <= c && c <= 'Z' || c == '_' }

// awkString gives the end of a string.
func awkString(text string, i int) (int, error) {
	for i++; i < len(text); i++ {
		switch text[i] {
		case '\\':
			i++
			if i < len(text) && text[i] == '\n' {
				return 0, refuse("a string of the awk program goes over lines", awkGuess)
			}
		case '\n':
			return 0, refuse("a string of the awk program goes over lines", awkGuess)
		case '"':
			return i + 1, nil
		}
	}
	return 0, refuse("a string of the awk program has no end", awkGuess)
}

// errNoRegex says that what a slash begins is no expression, in any awk.
var errNoRegex = refuse("an expression of the awk program has no end", awkGuess)

// awkRegex gives the end of an expression. Awks differ in whether a slash in brackets ends it, so there is none.
func awkRegex(text string, i int) (int, error) {
	brackets := false
	for i++; i < len(text); i++ {
		switch text[i] {
		case '\\':
			if i++; i < len(text) && text[i] == '\n' {
				return 0, refuse("an expression of the awk program goes over lines", awkGuess)
			}
		case '[':
			brackets = true
		case ']':
			brackets = false
		case '\n':
			return 0, errNoRegex
		case '/':
			if brackets {
				return 0, refuse("an expression of the awk program has a slash in brackets", `write \/`)
			}
			return i + 1, nil
		}
	}
	return 0, errNoRegex
}
