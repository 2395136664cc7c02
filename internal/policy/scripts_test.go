package policy

import (
	"context"
	goflag "flag"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

var scripts = goflag.Int("scripts", 3000, "how many random scripts for awk and sed are read; those taken are executed")

// Random scripts, made of what could hide a command from one who reads them, are executed where they are taken, by each awk and sed that
// is here. None runs anything or writes.
func TestScripts_ThatAreTakenWriteNothing(t *testing.T) {
	awks, seds := installed(t, "awk", "gawk", "mawk", "original-awk", "busybox awk"), installed(t, "sed -n", "busybox sed -n")
	awkPieces := []string{
		"/", "/", "/", `"`, `"`, "\n", "\n", ";", "{", "}", "(", ")", "[", "]", `\`, "#", " ", "x", "1", "a[1]", "$1", "$", "++", "-", "=", "!", "~", "&&", ",", "print ", "length", "in ", "return ", "?", ":", "<", ">",
		`>"pwned"`, `>"pwned"`, `|"sh"`, `system("touch pwned")`, `system("touch pwned")`, `"touch pwned"|getline`, `[/"]`, "\\\n", "/=", "do ", "@", `/"/`, "/a/", `"/"`, "/1", `\/`, `\"`,
	}
	sedPieces := []string{
		"/", "/", "|", ",", "s", "s/a/b/", "s|a|b|", "y/a/b/", "w pwned", "\nw pwned", "e touch pwned", "w", "e", ";", "\n", "{", "}", "1", "$", "!", "p", "d", ":a", "ba", "t", "b", "[", "]", "[/]", `\`, `\/`, "\\\n", "#", " ", "g", "a\\", "r", "+", "~", "0", "&", "/a/", "/[/",
	}
	r := rand.New(rand.NewPCG(3, 4))
	made := func(pieces []string) string {
		var b strings.Builder
		for range 2 + r.IntN(10) {
			b.WriteString(pieces[r.IntN(len(pieces))])
		}
		return b.String()
	}
	ran := 0
	for range *scripts {
		if p := made(awkPieces); strings.Contains(p, "pwned") {
			if r.IntN(2) == 0 {
				p = "BEGIN{" + p + "}"
			}
			if awk(p) == nil && p[0] != '-' {
				ran += executed(t, awks, p)
			}
		}
		if p := made(sedPieces); strings.Contains(p, "pwned") && sed(p) == nil {
			ran += executed(t, seds, p)
		}
	}
	if ran < *scripts/100 {
		t.Errorf("only %d scripts were executed", ran)
	}
}

// installed are those of some programs that are here, the first of which must be.
func installed(t *testing.T, commands ...string) (found [][]string) {
	for i, c := range commands {
		argv := strings.Fields(c)
		if _, err := exec.LookPath(argv[0]); err == nil {
			found = append(found, argv)
		} else if i == 0 {
			t.Fatalf("%s is missing; install it", argv[0])
		}
	}
	return found
}

func executed(t *testing.T, programs [][]string, script string) int {
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "f"), []byte("a b/c\n\"x\" / [y]\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, argv := range programs {
		ctx, cancel := context.WithTimeout(t.Context(), 300*time.Millisecond) // some go round for ever
		cmd := exec.CommandContext(ctx, argv[0], append(argv[1:len(argv):len(argv)], script, "f")...)
		cmd.Dir, cmd.WaitDelay = dir, 100*time.Millisecond
		cmd.Run()
		cancel()
		if left, err := os.ReadDir(dir); err != nil || len(left) != 1 {
			t.Fatalf("%s %q wrote: %v %v", argv, script, left, err)
		}
	}
	return 1
}
