package policy

import (
	goflag "flag"
	"math/rand/v2"
	"os/exec"
	"slices"
	"strings"
	"testing"
)

var rounds = goflag.Int("rounds", 25, "how many times a hundred random commands are put to bash")

// Random commands, made of what is special to a shell, come out as bash makes them. A hundred at a time, because starting bash takes
// longer than all the rest.
func TestWords_AreBashs_Random(t *testing.T) {
	if _, err := exec.LookPath("bash"); err != nil {
		t.Fatal("bash is missing; install it")
	}
	pieces := []string{
		"a", "b", "x", "1", "..", ".", ",", "{", "}", "{", "}", ",", "'", "'", `"`, `"`, `\`, `\\`, `\"`, `\'`, `\{`, `\,`, `\}`, `\$`, `\ `, " ", " ", "  ", "\t", "~", "=", ":", "/", "-", "--", "*", "?", "[", "]", "!", "^", "#", "%",
		"@", "+", "$'", "$", `\n`, `\t`, "a{b,c}", "{a,b}", "'q q'", `"d d"`, "é", "&&", ";", "if", "then", "x=1", "0", "<", "(", ")", "|", "`", "\\\n",
	}
	r := rand.New(rand.NewPCG(1, 2))
	compared := 0
	for range *rounds {
		var commands []string
		var all [][]string
		for range 1000 {
			var b strings.Builder
			b.WriteString("x ")
			for range 1 + r.IntN(9) {
				b.WriteString(pieces[r.IntN(len(pieces))])
			}
			if got, ok := ours(b.String()); ok && !strings.Contains(b.String(), "#") && len(commands) < 100 {
				commands, all = append(commands, b.String()), append(all, got...)
			}
		}
		compared += len(commands)
		want, understood := bashWords(t, strings.Join(commands, "\n"))
		if understood && slices.EqualFunc(all, want, slices.Equal[[]string]) {
			continue
		}
		for _, c := range commands {
			got, _ := ours(c)
			if want, understood := bashWords(t, c); !understood || !slices.EqualFunc(got, want, slices.Equal[[]string]) {
				t.Errorf("%q: %q, and bash says %q", c, got, want)
			}
		}
	}
	if compared < 90**rounds {
		t.Errorf("only %d commands were compared", compared)
	}
}
