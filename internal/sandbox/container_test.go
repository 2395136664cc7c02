//go:build unix

package sandbox

import (
	"os/exec"
	"slices"
	"strings"
	"testing"
)

// No engine runs in the tests: what they are told is compared with what was meant.
func TestContainer_IsToldEveryWall(t *testing.T) {
	o := Options{Workspace: "/w", Image: "image", Limits: Defaults}
	g := &guard{root: "/w", pinned: []string{"/w/.git"}, frozen: []string{"/w/.git/config", "/elsewhere/.git/config"}, empty: []string{"/w/.claude"}}
	cmd := Command{Steps: Pipe([][]string{{"make", "test"}}...), Dir: "sub"}
	for _, engine := range []string{"docker", "podman"} {
		c := &container{options: o, name: engine}
		told := strings.Join(c.arguments("name", cmd, g), " ") + " "
		for _, want := range []string{
			"--network none ", "--read-only ", "--cap-drop ALL ", "--security-opt no-new-privileges ", "--pull never ", "--pids-limit 1024 ", "--memory 4294967296 ",
			"--memory-swap 4294967296 ", "--ulimit fsize=1073741824 ", "size=1073741824 ", "--workdir /w/sub ",
			"--volume /w:/w:rw ", "--volume /w/.git:/w/.git:rw ", "--volume /w/.git/config:/w/.git/config:ro ", "--volume /w/.claude:/w/.claude:ro ", "--entrypoint /bin/sh image -c (exec env 'make' 'test') ",
		} {
			if !strings.Contains(told, want) {
				t.Errorf("%s is not told %q: %s", engine, want, told)
			}
		}
		if strings.Contains(told, "/elsewhere") {
			t.Errorf("%s is told of a repository outside the workspace: %s", engine, told)
		}
		if cmd := (Command{Steps: cmd.Steps, Network: true}); slices.Contains(c.arguments("name", cmd, g), "none") {
			t.Errorf("%s is told to have no network where it was asked for", engine)
		}
		readOnly := strings.Join(c.arguments("name", Command{Steps: cmd.Steps, ReadOnly: true}, new(guard)), " ")
		if !strings.Contains(readOnly, "--volume /w:/w:ro ") || strings.Contains(readOnly, ":rw ") {
			t.Errorf("%s may write what is to be read only: %s", engine, readOnly)
		}
	}
}

// A shell in the container takes the command apart as it was put together.
func TestLine_IsWhatAShellSplitsAgain(t *testing.T) {
	words := []string{"a b", "'", `"$HOME"`, "`id`", "*", "", "\n", "\\", "|", "-n", "é"}
	steps := Pipe(append([]string{"printf", "%s\x01"}, words...), []string{"cat"})
	steps = append(steps, Step{When: IfFailed, Stages: []Stage{{Argv: []string{"echo", "not"}}}}, Step{When: IfOK, Stages: []Stage{{
		Argv: []string{"sh", "-c", `echo "$A" $PWD >&2`}, Env: []string{"A=it's"}, Dir: "usr", Redirects: []Redirect{{FD: 2, Op: ">&", From: 1}},
	}}})
	cmd := exec.Command("sh", "-c", line(steps))
	cmd.Dir = "/"
	out, err := cmd.Output()
	if want := strings.Join(words, "\x01") + "\x01it's /usr\n"; err != nil || string(out) != want {
		t.Errorf("the shell made %q of it (%v), want %q", out, err, want)
	}
}
