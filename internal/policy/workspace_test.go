package policy_test

import (
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"testing/fstest"

	"agentbridge/internal/policy"
)

func TestDecideIn_PutsInWhatPatternsMatch(t *testing.T) {
	p := newPolicy(t, policy.Options{})
	files := fstest.MapFS{"a.go": {}, "b.go": {}, ".c.go": {}, "d/x.go": {}, "d/y.txt": {}, "e f/z.go": {}, "s*r": {}, "sur": {}}
	for command, want := range map[string]string{
		"ls *.go":         "ls a.go b.go",
		"ls */*.go":       "ls d/x.go e f/z.go",
		"ls ./?.go":       "ls ./a.go ./b.go",
		"ls d/*":          "ls d/x.go d/y.txt",
		"ls .*.go":        "ls .c.go",
		"ls */":           "ls d/ e f/",
		"ls none*":        "ls none*",
		"ls 's*'*":        "ls s*r",
		"cd d && ls *.go": "ls x.go",
		`ls "e f"/*`:      "ls e f/z.go",
	} {
		d := p.DecideIn(policy.Safe, command, files)
		if d.Verdict != policy.Allow {
			t.Errorf("%s: %s: %s", command, d.Verdict, d.Reason)
		} else if got := strings.Join(d.Steps[0].Commands[0].Argv, " "); got != want {
			t.Errorf("%s: %q, want %q", command, got, want)
		}
	}
}

// A pattern that matches without end is given up, not worked through.
func TestDecideIn_PatternsHaveAnEnd(t *testing.T) {
	p := newPolicy(t, policy.Options{})
	files := fstest.MapFS{}
	for i := range 5000 {
		files[strconv.Itoa(i)] = &fstest.MapFile{}
	}
	for _, command := range []string{"ls *", "ls 1* 2* 3* 4* 5* 6* 7* 8* 9*"} {
		if d := p.DecideIn(policy.Safe, command, files); d.Verdict != policy.Deny || !strings.Contains(d.Reason, "4096") {
			t.Errorf("%s: %s: %s", command, d.Verdict, d.Reason)
		}
	}
}

// Whoever can name a file must not thereby name a flag.
func TestDecideIn_FileNamesAreNoFlags(t *testing.T) {
	p := newPolicy(t, policy.Options{})
	for name, command := range map[string]string{
		"--compress-program=sh": "sort *", "-o": "sort *", "--pre=x": "rg a *", ".env": "cat .*", "id_rsa": "cat *",
	} {
		files := fstest.MapFS{name: {}, "a": {}}
		if d := p.DecideIn(policy.Safe, command, files); d.Verdict != policy.Deny {
			t.Errorf("%s with a file %q: %+v", command, name, d)
		}
	}
}

func TestDecideIn_LinksLeadNowhere(t *testing.T) {
	p := newPolicy(t, policy.Options{})
	dir := t.TempDir()
	for name, to := range map[string]string{"out": "/etc", "file": "/etc/hostname", "up": "..", "in": "sub", "sub/deep": "../.."} {
		if err := os.MkdirAll(filepath.Join(dir, "sub"), 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.Symlink(to, filepath.Join(dir, name)); err != nil {
			t.Fatal(err)
		}
	}
	root, err := os.OpenRoot(dir)
	if err != nil {
		t.Fatal(err)
	}
	defer root.Close()
	for command, want := range map[string]policy.Verdict{
		"cat out/hostname": policy.Deny, "cat file": policy.Deny, "ls up": policy.Deny, "cat up/x": policy.Deny, "cat sub/deep/x": policy.Deny,
		"cd out && ls": policy.Deny, "cd in && cat ../x": policy.Deny, "cat < file": policy.Deny, "cat f*": policy.Deny, "grep a file": policy.Deny,
		"ls in": policy.Allow, "ls sub": policy.Allow, "cat nothing": policy.Allow, "cd sub && cat ../x": policy.Allow,
	} {
		if d := p.DecideIn(policy.Safe, command, root.FS()); d.Verdict != want {
			t.Errorf("%s: %s (%s), want %s", command, d.Verdict, d.Reason, want)
		}
	}
}

// The workspace's own git configuration tries to run a program in every way that is known; what safe mode allows is executed.
func TestSafeGit_RunsNothingOfTheWorkspace(t *testing.T) {
	if _, err := exec.LookPath("git"); err != nil {
		t.Fatal("git is missing; install it")
	}
	p := newPolicy(t, policy.Options{})
	dir := t.TempDir()
	canary := filepath.Join(dir, "canary")
	trap := filepath.Join(dir, "trap")
	write(t, trap, "#!/bin/sh\necho \"$0 $*\" >> "+canary+"\ncat\n", 0o700)
	work := filepath.Join(dir, "work")
	git := func(args ...string) {
		cmd := exec.Command("git", append([]string{"-C", work}, args...)...)
		cmd.Env = append(os.Environ(), "GIT_CONFIG_GLOBAL=/dev/null", "GIT_AUTHOR_NAME=a", "GIT_AUTHOR_EMAIL=a@a", "GIT_COMMITTER_NAME=a", "GIT_COMMITTER_EMAIL=a@a")
		if out, err := cmd.CombinedOutput(); err != nil {
			t.Fatalf("git %s: %v\n%s", args, err, out)
		}
	}
	if err := os.Mkdir(work, 0o700); err != nil {
		t.Fatal(err)
	}
	git("init", "-q", "-b", "main")
	write(t, filepath.Join(work, "a.go"), "one\n", 0o600)
	write(t, filepath.Join(work, "README.md"), "one\n", 0o600)
	git("add", ".")
	git("commit", "-q", "-m", "one")
	write(t, filepath.Join(work, "a.go"), "two\n", 0o600)
	git("commit", "-q", "-am", "two")
	git("tag", "v1.0.0")
	write(t, filepath.Join(work, "a.go"), "three\n", 0o600)
	write(t, filepath.Join(work, ".gitattributes"), "* diff=evil filter=evil merge=evil\n", 0o600)
	for _, hook := range []string{"post-index-change", "fsmonitor-watchman", "reference-transaction", "pre-auto-gc", "post-checkout"} {
		write(t, filepath.Join(work, ".git/hooks", hook), "#!/bin/sh\n"+trap+" "+hook+"\n", 0o700)
	}
	for _, key := range []string{
		"core.fsmonitor", "core.pager", "pager.log", "pager.diff", "pager.status", "pager.branch", "core.editor", "core.sshCommand", "core.askPass", "diff.external",
		"diff.evil.command", "diff.evil.textconv", "gpg.program", "gpg.ssh.program", "core.alternateRefsCommand", "credential.helper", "alias.log",
		"alias.status", "interactive.diffFilter", "sequence.editor", "trailer.x.command", "uploadpack.packObjectsHook",
	} {
		git("config", key, trap)
	}
	git("config", "log.showSignature", "true")
	git("config", "format.pretty", "%G? %h")
	git("config", "pretty.evil", "%G?")
	git("config", "diff.submodule", "log")

	// The traps work: without the policy, git falls into them.
	fell := exec.Command("git", "-C", work, "diff")
	if fell.Run(); !there(canary) {
		t.Fatal("the trap does not work, so this test proves nothing")
	}
	if err := os.Remove(canary); err != nil {
		t.Fatal(err)
	}
	root, err := os.OpenRoot(work)
	if err != nil {
		t.Fatal(err)
	}
	defer root.Close()
	ran := 0
	for _, command := range corpus(t, "ordinary_safe.txt") {
		if !strings.HasPrefix(command, "git ") {
			continue
		}
		d := p.DecideIn(policy.Safe, command, root.FS())
		if d.Verdict != policy.Allow {
			t.Errorf("%s: %s: %s", command, d.Verdict, d.Reason)
			continue
		}
		argv := d.Steps[0].Commands[0]
		cmd := exec.Command(argv.Argv[0], argv.Argv[1:]...)
		cmd.Dir, cmd.Env = work, append([]string{"PATH=" + os.Getenv("PATH"), "HOME=/nonexistent"}, argv.Env...)
		out, err := cmd.CombinedOutput()
		if text := string(out); err != nil && (strings.Contains(text, "usage:") || strings.Contains(text, "unknown option") || strings.Contains(text, "unrecognized")) {
			t.Errorf("%s: git does not take what the guard puts in: %s", command, out)
		}
		if there(canary) {
			said, _ := os.ReadFile(canary)
			t.Errorf("%s ran %s", command, said)
			os.Remove(canary)
		}
		ran++
	}
	if ran < 50 {
		t.Errorf("only %d git commands ran", ran)
	}

	for name, config := range map[string]string{
		"filter": "[filter \"evil\"]\n\tclean = x\n", "include": "[include]\n\tpath = x\n", "promisor": "[remote \"o\"]\n\tpromisor = true\n",
		"worktree": "[core]\n\tworktree = /etc\n", "inline": "[FILTER \"evil\"] clean = x\n",
	} {
		files := fstest.MapFS{".git/HEAD": {}, ".git/config": {Data: []byte(config)}}
		if d := p.DecideIn(policy.Safe, "git status", files); d.Verdict != policy.Deny || !strings.Contains(d.Hint, "restricted") {
			t.Errorf("%s: %+v", name, d)
		}
	}
	for _, file := range []string{".git", "sub/.git", ".git/commondir", ".git/info/attributes"} {
		files := fstest.MapFS{file: {Data: []byte("gitdir: /x")}, "sub/a": {}}
		if d := p.DecideIn(policy.Safe, "cd sub && git status", files); d.Verdict != policy.Deny {
			t.Errorf("%s: %+v", file, d)
		}
	}
	if !slices.Contains([]policy.Verdict{policy.Deny}, p.DecideIn(policy.Safe, "git log", fstest.MapFS{"HEAD": {}, "objects/x": {}, "config": {}}).Verdict) {
		t.Error("a bare repository was taken")
	}
}

func write(t *testing.T, name, text string, mode os.FileMode) {
	t.Helper()
	if err := os.WriteFile(name, []byte(text), mode); err != nil {
		t.Fatal(err)
	}
	if err := os.Chmod(name, mode); err != nil {
		t.Fatal(err)
	}
}

func there(name string) bool {
	_, err := os.Stat(name)
	return err == nil
}
