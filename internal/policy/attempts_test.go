package policy_test

import (
	"context"
	"crypto/sha256"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"agentbridge/internal/policy"
)

// Whatever safe mode takes is executed in a workspace full of traps: programs with the names of others, files with the names of flags,
// links that lead out, and a git configuration that names a trap wherever it can. Afterwards nothing was written, no trap ran, and
// nothing from outside was shown.
func TestSafe_WhatPassesOnlyReads(t *testing.T) {
	lab := newLab(t)
	p := newPolicy(t, policy.Options{Workspace: filepath.ToSlash(lab.work)})
	root, err := os.OpenRoot(lab.work)
	if err != nil {
		t.Fatal(err)
	}
	defer root.Close()
	before := lab.state(t)
	refused, ran := 0, 0
	for _, command := range append(corpus(t, "attempts.txt"), corpus(t, "ordinary_safe.txt")...) {
		d := p.DecideIn(policy.Safe, command, root.FS())
		if d.Verdict != policy.Allow {
			refused++
			continue
		}
		if strings.HasPrefix(command, "sleep ") {
			continue
		}
		out, started := lab.run(t, d.Steps)
		if started {
			ran++
		}
		if strings.Contains(out, outside) {
			t.Errorf("%q shows what is outside of the workspace", command)
		}
		if after := lab.state(t); after != before {
			t.Fatalf("%q changed something:\n%s", command, difference(before, after))
		}
	}
	// Not all programs are everywhere, but without most of them this proves nothing.
	if refused < 800 || ran < 300 {
		t.Errorf("%d commands were refused and %d ran, want at least 800 and 300: install file, jq, unzip and xxd", refused, ran)
	}
}

const outside = "WHAT-IS-OUTSIDE"

type lab struct{ dir, work string }

func newLab(t *testing.T) lab {
	dir := t.TempDir()
	l := lab{dir, filepath.Join(dir, "work")}
	for _, name := range []string{"work/sub/sub2", "work/gitfile", "home/.ssh", "out", "canary"} {
		if err := os.MkdirAll(filepath.Join(dir, name), 0o700); err != nil {
			t.Fatal(err)
		}
	}
	for _, name := range []string{"out/secret", "out/hostname", "home/.ssh/id_rsa"} {
		write(t, filepath.Join(dir, name), outside+"\n", 0o600)
	}
	trap := filepath.Join(l.work, "trap")
	for _, name := range []string{
		"trap", "ls", "cat", "grep", "sort", "gzip", "pr", "head", "gpg", "less", "sh", "xz", "ssh", "rsh", "git-evil", "awk", "wc", "which", "x", "file", "sed", "unzip", "find",
	} {
		write(t, filepath.Join(l.work, name), "#!/bin/sh\necho \"$0 $*\" >> "+dir+"/canary/ran\ncat\n", 0o700)
	}
	for _, name := range []string{
		"-o", "-i", "-e", "-f", "-w", "-ofoo", "-exec", "-delete", "-printf", "-fprint", "--pre=trap", "--to-command=trap", "--output=pwned", "--compress-program=trap",
		"--checkpoint-action=exec=trap", "--files0-from=a.txt", `system("touch pwned")`, "w pwned", "e touch pwned",
	} {
		write(t, filepath.Join(l.work, name), "x\n", 0o600)
	}
	for _, name := range []string{"a.txt", "b.txt", "sub/a.txt", "sub/sub2/c.txt", "m.jq"} {
		write(t, filepath.Join(l.work, name), "a\ntouch pwned\nx b/c\n", 0o600)
	}
	write(t, filepath.Join(l.work, "a.json"), `{"env":1}`, 0o600)
	write(t, filepath.Join(l.work, "a.go"), "package a\n", 0o600)
	write(t, filepath.Join(l.work, ".gitattributes"), "* diff=evil filter=evil\n", 0o600)
	write(t, filepath.Join(l.work, "gitfile/.git"), "gitdir: ../.git\n", 0o600)
	if err := os.Symlink("../out", filepath.Join(l.work, "link")); err != nil {
		t.Fatal(err)
	}
	l.git(t, "init", "-q", "-b", "main")
	l.git(t, "add", "a.txt", "b.txt", "sub", "a.go")
	l.git(t, "commit", "-q", "-m", "one")
	write(t, filepath.Join(l.work, "a.txt"), "two\n", 0o600)
	l.git(t, "commit", "-q", "-am", "two")
	l.git(t, "tag", "v1.0.0")
	write(t, filepath.Join(l.work, "a.txt"), "three\n", 0o600)
	for _, hook := range []string{"post-index-change", "fsmonitor-watchman", "reference-transaction"} {
		write(t, filepath.Join(l.work, ".git/hooks", hook), "#!/bin/sh\n"+trap+" "+hook+"\n", 0o700)
	}
	for _, key := range []string{
		"core.fsmonitor", "core.pager", "pager.log", "core.editor", "core.sshCommand", "core.askPass", "diff.external", "diff.evil.command", "diff.evil.textconv", "gpg.program",
		"gpg.ssh.program", "core.alternateRefsCommand", "credential.helper", "alias.log", "alias.evil", "interactive.diffFilter", "core.gitProxy", "remote.origin.uploadpack",
	} {
		l.git(t, "config", key, trap)
	}
	for _, pair := range [][2]string{
		{"log.showSignature", "true"},
		{"format.pretty", "%G? %h"},
		{"pretty.evil", "%G?"},
		{"diff.submodule", "log"},
		{"submodule.recurse", "true"},
		{"protocol.ext.allow", "always"},
		{"remote.origin.url", "ext::sh -c touch% pwned"},
	} {
		l.git(t, "config", pair[0], pair[1])
	}
	return l
}

func (l lab) git(t *testing.T, args ...string) {
	t.Helper()
	cmd := exec.Command("git", args...)
	cmd.Dir = l.work
	cmd.Env = append(os.Environ(), "GIT_CONFIG_GLOBAL=/dev/null", "GIT_AUTHOR_NAME=a", "GIT_AUTHOR_EMAIL=a@a", "GIT_COMMITTER_NAME=a", "GIT_COMMITTER_EMAIL=a@a")
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("git %s: %v\n%s", args, err, out)
	}
}

// run executes steps as a runner would, but for the sandbox: that is what this test is about.
func (l lab) run(t *testing.T, steps []policy.Step) (out string, started bool) {
	ctx, cancel := context.WithTimeout(t.Context(), 5*time.Second)
	defer cancel()
	ok := true
	for _, step := range steps {
		if step.When == policy.IfOK && !ok || step.When == policy.IfFailed && ok {
			continue
		}
		input := ""
		for _, c := range step.Commands {
			cmd := exec.CommandContext(ctx, c.Argv[0], c.Argv[1:]...)
			cmd.Dir = filepath.Join(l.work, c.Dir)
			cmd.Env = append([]string{"PATH=" + os.Getenv("PATH"), "HOME=" + filepath.Join(l.dir, "home")}, c.Env...)
			cmd.Stdin = strings.NewReader(input)
			cmd.WaitDelay = time.Second
			for _, r := range c.Redirects {
				if r.Op == "<" {
					text, _ := os.ReadFile(filepath.Join(cmd.Dir, r.Path))
					cmd.Stdin = strings.NewReader(string(text))
				}
			}
			var both strings.Builder
			cmd.Stdout, cmd.Stderr = &both, &both
			err := cmd.Run()
			started = started || cmd.Process != nil
			ok, input = err == nil, both.String()
		}
		out += input
	}
	return out, started
}

// state is what there is, in one text.
func (l lab) state(t *testing.T) string {
	var out strings.Builder
	err := filepath.WalkDir(l.dir, func(name string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		sum := ""
		if d.Type().IsRegular() {
			text, err := os.ReadFile(name)
			if err != nil {
				return err
			}
			sum = fmt.Sprintf("%x", sha256.Sum256(text))
		}
		fmt.Fprintln(&out, name, d.Type(), sum)
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return out.String()
}

func difference(before, after string) string {
	old := map[string]bool{}
	for line := range strings.Lines(before) {
		old[line] = true
	}
	var out strings.Builder
	for line := range strings.Lines(after) {
		if !old[line] {
			out.WriteString(line)
		}
	}
	return out.String()
}
