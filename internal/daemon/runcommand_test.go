package daemon

import (
	"strings"
	"testing"

	"agentbridge/internal/sandbox"
)

func TestText_LeavesOutNoPartOfALine(t *testing.T) {
	for name, c := range map[string]struct{ head, tail, want string }{
		"lines":         {"one\ntwo\nghp_x8Kq2mVb7R", "tY4nLw9ZsD3fHj6P\nlast\n", "one\ntwo\n[… 131 bytes left out …]\nlast\n[agentbridge: noted]\n"},
		"one long line": {strings.Repeat("a", 3000), strings.Repeat("b", 3000), strings.Repeat("a", 952) + "\n[… 4196 bytes left out …]\n" + strings.Repeat("b", 952) + "\n[agentbridge: noted]\n"},
		"a short line":  {"a", "b", "\n[… 102 bytes left out …]\n[agentbridge: noted]\n"},
	} {
		got := text(sandbox.Result{Output: []byte(c.head + c.tail), Cut: len(c.head), Omitted: 100}, []string{"", "noted"})
		if got != c.want {
			t.Errorf("%s: %q, want %q", name, got, c.want)
		}
	}
	if got := text(sandbox.Result{Output: []byte("whole")}, nil); got != "whole" {
		t.Errorf("%q", got)
	}
}
