package policy_test

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"unicode"

	"github.com/google/go-cmp/cmp"

	"agentbridge/internal/policy"
)

func TestDecide_StepsAreWhatAShellWouldDo(t *testing.T) {
	p := newPolicy(t, policy.Options{})
	type steps = []policy.Step
	one := func(argv ...string) []policy.Command { return []policy.Command{{Argv: argv}} }
	for command, want := range map[string]steps{
		"ls":                    {{Commands: one("ls")}},
		"ls; pwd":               {{Commands: one("ls")}, {Commands: one("pwd")}},
		"ls\npwd":               {{Commands: one("ls")}, {Commands: one("pwd")}},
		"ls && pwd || id":       {{Commands: one("ls")}, {When: policy.IfOK, Commands: one("pwd")}, {When: policy.IfFailed, Commands: one("id")}},
		"ls || pwd && id; date": {{Commands: one("ls")}, {When: policy.IfFailed, Commands: one("pwd")}, {When: policy.IfOK, Commands: one("id")}, {Commands: one("date")}},
		"ls | wc -l | cat":      {{Commands: []policy.Command{{Argv: []string{"ls"}}, {Argv: []string{"wc", "-l"}}, {Argv: []string{"cat"}}}}},
		"cd a/b && ls && cat x": {{When: policy.IfOK, Commands: []policy.Command{{Argv: []string{"ls"}, Dir: "a/b"}}}, {When: policy.IfOK, Commands: []policy.Command{{Argv: []string{"cat", "x"}, Dir: "a/b"}}}},
		"make >out 2>&1 <in":    {{Commands: []policy.Command{{Argv: []string{"make"}, Redirects: []policy.Redirect{{FD: 1, Op: ">", Path: "out"}, {FD: 2, Op: ">&", From: 1}, {FD: 0, Op: "<", Path: "in"}}}}}},
		"make 2>&1 >>out":       {{Commands: []policy.Command{{Argv: []string{"make"}, Redirects: []policy.Redirect{{FD: 2, Op: ">&", From: 1}, {FD: 1, Op: ">>", Path: "out"}}}}}},
		"make &>out":            {{Commands: []policy.Command{{Argv: []string{"make"}, Redirects: []policy.Redirect{{FD: 1, Op: ">", Path: "out"}, {FD: 2, Op: ">&", From: 1}}}}}},
		"make >&2":              {{Commands: []policy.Command{{Argv: []string{"make"}, Redirects: []policy.Redirect{{FD: 1, Op: ">&", From: 2}}}}}},
		"CI=1 V='a b' make":     {{Commands: []policy.Command{{Argv: []string{"make"}, Env: []string{"CI=1", "V=a b"}}}}},
		"ls *.go '*'":           {{Commands: []policy.Command{{Argv: []string{"ls", "*.go", "*"}, Patterns: []int{1}}}}},
		"ls {a,b}.go":           {{Commands: one("ls", "a.go", "b.go")}},
	} {
		d := p.Decide(policy.Restricted, command)
		if d.Verdict != policy.Allow {
			t.Errorf("%q: %s: %s", command, d.Verdict, d.Reason)
		} else if diff := cmp.Diff(want, d.Steps); diff != "" {
			t.Errorf("%q (-want +got):\n%s", command, diff)
		}
	}
}

// A cd that fails would leave what comes next in another directory, so nothing of the line may run there.
func TestDecide_CdBindsAllThatFollows(t *testing.T) {
	p := newPolicy(t, policy.Options{})
	for _, command := range []string{"cd a; ls", "cd a || ls", "ls && cd a && ls", "cd a", "cd a && cd b", "cd a | ls", "cd ../x && ls", "cd a/../../b && ls", "cd *a && ls"} {
		if d := p.Decide(policy.Restricted, command); d.Verdict != policy.Deny {
			t.Errorf("%q: %s", command, d.Verdict)
		}
	}
}

func TestEveryMode_RefusesWhatNobodySees(t *testing.T) {
	p := newPolicy(t, policy.Options{})
	for _, hidden := range []string{
		"\x00", "\x1b[2K", "\r", "\x7f", "\b", "\u0085", "\u00a0", "\u00ad", "\u200b", "\u200e", "\u202e", "\u2060", "\u2066", "\ufeff", "\u3000", "\u2028", "\u3164", "\ufe0f", "\U000e0041", "\ue000", "\x80", "\u034f",
	} {
		for _, mode := range []policy.Mode{policy.Safe, policy.Restricted, policy.Yolo} {
			if d := p.Decide(mode, "echo a"+hidden+"b"); d.Verdict != policy.Deny {
				t.Errorf("%s takes %q", mode, hidden)
			}
		}
	}
	for _, seen := range []string{"é", "日本", "→", "🙂", "\t", "ß", "e\u0301"} {
		if d := p.Decide(policy.Safe, "echo 'a"+seen+"'"); d.Verdict != policy.Allow {
			t.Errorf("%q: %s", seen, d.Reason)
		}
	}
	if d := p.Decide(policy.Yolo, "echo "+strings.Repeat("a", policy.MaxBytes)); d.Verdict != policy.Deny {
		t.Error("a command of any length is taken")
	}
}

func TestYolo_TakesWhatParses(t *testing.T) {
	p := newPolicy(t, policy.Options{})
	for _, command := range []string{"for f in *; do rm $f; done", "curl x | sh", "cat <<EOF\n$(id)\nEOF", "sudo rm -rf /", "ls"} {
		d := p.Decide(policy.Yolo, command)
		if d.Verdict != policy.Allow || d.Script != command || len(d.Steps) > 0 || !strings.Contains(d.Reason, "restricted mode would") {
			t.Errorf("%q: %+v", command, d)
		}
	}
	for _, broken := range []string{"for", "ls 'x", "((", "", "  ", "# x"} {
		if d := p.Decide(policy.Yolo, broken); d.Verdict != policy.Deny || d.Hint == "" {
			t.Errorf("%q: %+v", broken, d)
		}
	}
}

func TestRestricted_AsksWhereAPersonShouldThink(t *testing.T) {
	p := newPolicy(t, policy.Options{})
	for command, want := range map[string]policy.Verdict{
		"git push": policy.Ask, "git push --force": policy.Ask, "rm -rf build": policy.Ask, "rm a": policy.Allow, "npm publish": policy.Ask, "npm test": policy.Allow, "bash -c id": policy.Ask, "bash x.sh": policy.Allow,
		"git reset --hard": policy.Ask, "git reset HEAD a": policy.Allow, "git clean -fdx": policy.Ask, "git clean -n": policy.Allow, "curl x": policy.Ask, "ls && git push": policy.Ask,
		"find . -exec rm {} +": policy.Allow, "timeout 5 git push": policy.Ask, "find . | xargs rm -r": policy.Ask, "env CI=1 git push": policy.Ask,
		"sudo ls": policy.Deny, "docker ps": policy.Deny, "make > .git/hooks/pre-commit": policy.Deny, "cp x .git/config": policy.Deny, "cp x ../y": policy.Deny, "cat /etc/passwd": policy.Deny,
		"rm -r /": policy.Deny, "make > /etc/x": policy.Deny, "make > /tmp/x": policy.Allow, "/usr/bin/make": policy.Deny, "../x": policy.Deny, "./x": policy.Allow, "nonesuch": policy.Deny,
		"LD_PRELOAD=x make": policy.Deny, "PATH=. make": policy.Deny, "env PATH=. make": policy.Deny, "make &": policy.Deny, "make $X": policy.Deny,
	} {
		d := p.Decide(policy.Restricted, command)
		if d.Verdict != want {
			t.Errorf("%q: %s (%s), want %s", command, d.Verdict, d.Reason, want)
		}
		if want == policy.Ask && len(d.Steps) == 0 {
			t.Errorf("%q: a person is asked, and does not see what would be executed", command)
		}
	}
}

func TestNew_TakesRulesAndRefusesBadOnes(t *testing.T) {
	good := policy.Rule{Program: "acme", Mode: policy.Safe, Flags: "-v --to=path", Args: "path", Reason: "looks"}
	p := newPolicy(t, policy.Options{Allow: []policy.Rule{good, {Program: "docker", Words: "ps", Mode: policy.Restricted, Reason: "ours"}}, Deny: []policy.Refusal{{Program: "git", Words: "commit", Reason: "people commit"}}})
	for command, want := range map[string]policy.Verdict{
		"acme -v x": policy.Allow, "acme --to=x y": policy.Allow, "acme --to /etc y": policy.Deny, "acme -w": policy.Deny, "acme x y": policy.Deny, "git commit": policy.Deny, "git status": policy.Allow, "docker ps": policy.Deny,
	} {
		if d := p.Decide(policy.Safe, command); d.Verdict != want {
			t.Errorf("%q: %s (%s), want %s", command, d.Verdict, d.Reason, want)
		}
	}
	for command, want := range map[string]policy.Verdict{"docker ps": policy.Allow, "docker run x": policy.Deny, "git commit -m x": policy.Deny, "git add x": policy.Allow} {
		if d := p.Decide(policy.Restricted, command); d.Verdict != want {
			t.Errorf("%q: %s (%s), want %s", command, d.Verdict, d.Reason, want)
		}
	}
	for name, change := range map[string]func(*policy.Rule){
		"no program": func(r *policy.Rule) { r.Program = "" }, "no reason": func(r *policy.Rule) { r.Reason = "" }, "no mode": func(r *policy.Rule) { r.Mode = 0 },
		"yolo": func(r *policy.Rule) { r.Mode = policy.Yolo }, "kind": func(r *policy.Rule) { r.Args = "thing" }, "flag": func(r *policy.Rule) { r.Flags = "v" }, "flag kind": func(r *policy.Rule) { r.Flags = "-v=thing" },
		"group": func(r *policy.Rule) { r.Flags = "@none" }, "guard": func(r *policy.Rule) { r.Guard = "none" }, "style": func(r *policy.Rule) { r.Style = "none" }, "any in safe mode": func(r *policy.Rule) { r.Flags = "any" },
		"flags with a value": func(r *policy.Rule) { r.Flags = "-vq=text" },
	} {
		bad := good
		change(&bad)
		if _, err := policy.New(policy.Options{Allow: []policy.Rule{bad}}); err == nil {
			t.Errorf("%s: the rule was taken", name)
		}
	}
}

// Whoever keeps a decision gets the same one back.
func TestDecision_SurvivesJSON(t *testing.T) {
	p := newPolicy(t, policy.Options{})
	want := p.Decide(policy.Restricted, "cd a && CI=1 make *.x 2>&1 >out | head && git push")
	text, err := json.Marshal(want)
	if err != nil {
		t.Fatal(err)
	}
	var got policy.Decision
	if err := json.Unmarshal(text, &got); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}

// Paths below the workspace may be written out, and no others.
func TestDecide_KnowsItsWorkspace(t *testing.T) {
	p := newPolicy(t, policy.Options{Workspace: "/home/a/work"})
	for path, want := range map[string]policy.Verdict{
		"/home/a/work": policy.Allow, "/home/a/work/": policy.Allow, "/home/a/work/b/c": policy.Allow, "/home/a/work//b": policy.Allow, "/home/a/workshop": policy.Deny, "/home/a/work/../x": policy.Deny, "/home/a": policy.Deny,
		"/home/a/work/.env": policy.Deny, "/home/a/work/.git/config": policy.Deny, "/": policy.Deny, "b/../../c": policy.Deny, "..": policy.Deny, "./b": policy.Allow, "b//c": policy.Allow, "...": policy.Allow,
	} {
		if d := p.Decide(policy.Safe, "cat "+path); d.Verdict != want {
			t.Errorf("%s: %s (%s), want %s", path, d.Verdict, d.Reason, want)
		}
	}
}

func TestDecision_AReasonIsOneLineWhateverIsInTheCommand(t *testing.T) {
	fake := "\n  runs     [\"ls\"]"
	work := t.TempDir()
	write(t, filepath.Join(work, "--x"+fake+"\x1b[2J"), "", 0o600)
	root, err := os.OpenRoot(work)
	if err != nil {
		t.Fatal(err)
	}
	defer root.Close()
	p := newPolicy(t, policy.Options{Workspace: filepath.ToSlash(work)})
	for _, d := range []policy.Decision{
		p.Decide(policy.Yolo, "git log '--x"+fake+"'"), p.Decide(policy.Yolo, "'a"+fake+"'"), p.Decide(policy.Safe, "sort '--x"+fake+"'"), p.DecideIn(policy.Safe, "sort *", root.FS()),
		p.Decide(policy.Safe, "sort '--"+strings.Repeat("x", 5000)+"'"),
	} {
		if d.Reason == "" || strings.ContainsFunc(d.Reason+d.Hint, unicode.IsControl) || len(d.Reason) > 600 {
			t.Errorf("%q (%q)", d.Reason, d.Hint)
		}
	}
}
