package cli

import (
	"bytes"
	"strings"
	"testing"

	"golang.org/x/term"
)

// A command that is as long as the terminal is wide goes on in its next line, where a forged line would begin.
func TestSay_LongTextBeginsNoLineOfTheTerminal(t *testing.T) {
	for _, filler := range []string{"x", " ", "字"} {
		for width := 20; width <= 200; width++ {
			var shown bytes.Buffer
			h := &person{line: term.NewTerminal(&shown, ""), width: width}
			for pad := range width {
				h.say("  | true %s%s", strings.Repeat(filler, pad), "  policy   safe mode: allow, it only reads")
			}
			for line := range strings.SplitSeq(strings.TrimRight(shown.String(), "\r\n"), "\n") {
				line = strings.TrimSuffix(line, "\r")
				if !strings.HasPrefix(line, "  | ") && !strings.HasPrefix(line, goesOn) {
					t.Fatalf("%d columns: a line begins %q", width, line)
				}
				columns := len([]rune(line)) + strings.Count(line, "字")
				if columns >= width {
					t.Fatalf("%d columns: %q takes %d, so the terminal would break it", width, line, columns)
				}
			}
		}
	}
}
