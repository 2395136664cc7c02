//go:build linux

package sandbox_test

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"agentbridge/internal/sandbox"
)

// armed makes a repository that runs a program when git looks at it, and has the outer one look.
const armed = `
set -e
git init -q %s; cd %s; echo a >a; git add a; git -c user.name=E -c user.email=e commit -qm evil
printf '#!/bin/sh\ntouch '"$OLDPWD"'/ran\n' >.git/evil; chmod +x .git/evil; git config core.fsmonitor "$PWD/.git/evil"
head=$(git rev-parse HEAD); cd "$OLDPWD"
`

const look = "git update-index --add --cacheinfo 160000,$head,%s\n"

func TestRun_RepositoriesThatACommandMakesAreDisarmed(t *testing.T) {
	for name, scripts := range map[string][]string{
		"in one go":          {armed + look},
		"under another name": {strings.ReplaceAll(armed, "%s", "first") + "mv first/.git first/git", "mv first inner; mv inner/git inner/.git; head=$(cat inner/.git/refs/heads/*)\n" + look},
		"behind a lock":      {armed + look + "chmod 000 %s", "chmod 755 %s"},
	} {
		t.Run(name, func(t *testing.T) {
			dir := repository(t)
			s := open(t, sandbox.Options{Workspace: dir})
			var notes strings.Builder
			for _, script := range scripts {
				r := run(t, s, sh(strings.ReplaceAll(script, "%s", "inner")))
				if r.Exit != 0 {
					t.Fatalf("exit status %d: %s", r.Exit, r.Output)
				}
				notes.WriteString(strings.Join(r.Notes, "\n"))
			}
			exec.Command("git", "-C", dir, "status").Run()
			if _, err := os.Stat(filepath.Join(dir, "ran")); err == nil {
				t.Error("git status ran what a command left")
			}
			if !strings.Contains(notes.String(), "inner/.git is now inner/.git.disarmed") {
				t.Errorf("notes %q, want what was disarmed", notes.String())
			}
		})
	}
	// So much for the sandbox; this is what it is against.
	dir := repository(t)
	if out, err := exec.Command("sh", "-c", "cd "+dir+strings.ReplaceAll(armed+look, "%s", "inner")).CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	exec.Command("git", "-C", dir, "status").Run()
	if _, err := os.Stat(filepath.Join(dir, "ran")); err != nil {
		t.Error("git status does not run what is in a repository inside, so this test shows nothing")
	}
}

// The user's own repositories inside are worked in, not taken apart.
func TestRun_RepositoriesThatWereThereStay(t *testing.T) {
	dir := workspace(t)
	for _, name := range []string{"one", "deep/two"} {
		copied := repository(t)
		if err := os.MkdirAll(filepath.Join(dir, filepath.Dir(name)), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.Rename(copied, filepath.Join(dir, name)); err != nil {
			t.Fatal(err)
		}
	}
	s := open(t, sandbox.Options{Workspace: dir})
	git(t, dir, "clone", "-q", "one", "later") // after New, by the user
	for cloned := time.Now(); time.Since(cloned) < 50*time.Millisecond; {
		git(t, dir+"/later", "rev-parse", "HEAD") // the clock of files is coarse
	}
	r := run(t, s, sh(`for d in one deep/two; do (cd $d; echo x >new; git add new; git commit -qm more; git config core.fsmonitor evil; echo evil >.git/hooks/pre-commit; mv .git x; echo ../x >.git/commondir); done; mv deep x; exit 0`))
	for _, name := range []string{"one", "deep/two"} {
		if got := git(t, filepath.Join(dir, name), "log", "--format=%s"); got != "more\nfirst" {
			t.Errorf("the log of %s is %q; output %s", name, got, r.Output)
		}
		for path, text := range listing(t, filepath.Join(dir, name)) {
			if protected(path) && (strings.Contains(text, "evil") || strings.Contains(text, "../x")) {
				t.Errorf("%s of %s is %q", path, name, text)
			}
		}
	}
	if got := git(t, filepath.Join(dir, "later"), "status", "--short"); got != "" || strings.Contains(strings.Join(r.Notes, "\n"), "repository") {
		t.Errorf("the user's clone: %q, notes %q", got, r.Notes)
	}
}
