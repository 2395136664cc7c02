package creds

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync/atomic"
	"time"
	"unicode"

	"agentbridge/internal/bridge"
)

const (
	gitTime    = 60 * time.Second // for one command of git
	maxOutput  = 4 << 20
	maxFetched = 16 << 20 // of a branch, packed
	maxSaid    = 300      // characters of git's own words
)

// git runs the installed git on a bare repository of its own, which is made for one use and thrown away. Nothing of it is ever checked
// out, so names, modes, links, attributes, filters and submodules in what was fetched have no effect.
type git struct {
	path string // of the program
	dir  string
}

// findGit looks for a git that can be told to read no configuration but its own.
func findGit(ctx context.Context) (string, error) {
	path, err := exec.LookPath("git")
	if err != nil {
		return "", bridge.Errorf(bridge.Unavailable, "git is not installed, or not on PATH").WithHint("install it: apt install git, brew install git, or git-scm.com")
	}
	out, err := git{path: path}.run(ctx, nil, "version")
	if err != nil {
		return "", err
	}
	var major, minor int
	if _, err := fmt.Sscanf(string(out), "git version %d.%d", &major, &minor); err != nil || major < 2 || major == 2 && minor < 32 {
		return "", bridge.Errorf(bridge.Unavailable, "git is older than 2.32, and would read the user's configuration").WithHint("install a newer one")
	}
	return path, nil
}

// passed are the variables of our environment that git and ssh may need. None of git's own is among them.
var passed = []string{
	"PATH", "HOME", "USER", "LOGNAME", "TMPDIR", "SSH_AUTH_SOCK", "HTTPS_PROXY", "https_proxy", "NO_PROXY", "no_proxy", "ALL_PROXY", "all_proxy",
	"SYSTEMROOT", "SYSTEMDRIVE", "USERPROFILE", "PATHEXT", "TEMP", "TMP", "COMSPEC", "PROGRAMDATA",
}

func environment() (env []string) {
	for _, name := range passed {
		if value, ok := os.LookupEnv(name); ok {
			env = append(env, name+"="+value)
		}
	}
	return append(env, "LC_ALL=C",
		"GIT_CONFIG_NOSYSTEM=1", "GIT_CONFIG_SYSTEM="+os.DevNull, "GIT_CONFIG_GLOBAL="+os.DevNull, "GIT_ATTR_NOSYSTEM=1",
		"GIT_ALLOW_PROTOCOL=file:ssh:https", "GIT_PROTOCOL_FROM_USER=0",
		"GIT_TERMINAL_PROMPT=0", "SSH_ASKPASS_REQUIRE=never", "GCM_INTERACTIVE=never",
		"GIT_SSH_VARIANT=ssh", "GIT_SSH_COMMAND=ssh -o BatchMode=yes -o StrictHostKeyChecking=yes -o ConnectTimeout=10 -o ClearAllForwardings=yes -o PermitLocalCommand=no",
		"GIT_NO_REPLACE_OBJECTS=1", "GIT_OPTIONAL_LOCKS=0", "GIT_PAGER=cat",
		"GIT_AUTHOR_NAME=agentbridge", "GIT_AUTHOR_EMAIL=agentbridge@localhost", "GIT_COMMITTER_NAME=agentbridge", "GIT_COMMITTER_EMAIL=agentbridge@localhost",
	)
}

// settled holds against whatever a repository's own configuration says.
var settled = []string{
	"core.hooksPath=" + os.DevNull, "core.fsmonitor=false", "core.askPass=", "core.pager=cat", "core.alternateRefsCommand=true", "credential.helper=",
	"gc.auto=0", "maintenance.auto=false", "fetch.unpackLimit=1", "protocol.version=2", "protocol.ext.allow=never", "submodule.recurse=false",
	"fetch.recurseSubmodules=false", "push.recurseSubmodules=no", "push.gpgSign=false", "commit.gpgSign=false", "http.followRedirects=initial",
}

// far is what git starts at the other end where that is a directory of this machine: hooks are off there, too.
func far(program string) string {
	return "git -c core.hooksPath=" + os.DevNull + " -c gc.auto=0 -c receive.autogc=false -c core.fsmonitor=false -c core.alternateRefsCommand=true " + program
}

// run gives what a git command printed. An error is a [bridge.Error].
func (g git) run(ctx context.Context, stdin []byte, args ...string) ([]byte, error) {
	ctx, cancel := context.WithTimeoutCause(ctx, gitTime, errGitTime)
	defer cancel()
	whole := []string{"--no-pager"}
	if g.dir != "" {
		whole = append(whole, "--git-dir="+g.dir)
	}
	for _, setting := range settled {
		whole = append(whole, "-c", setting)
	}
	cmd := exec.CommandContext(ctx, g.path, append(whole, args...)...)
	alone(cmd)
	cmd.WaitDelay = 2 * time.Second
	cmd.Env, cmd.Dir, cmd.Stdin = environment(), g.dir, bytes.NewReader(stdin)
	stdout, stderr := &bounded{most: maxOutput, over: cancel}, &bounded{most: 64 << 10}
	cmd.Stdout, cmd.Stderr = stdout, stderr
	err := cmd.Run()
	switch {
	case stdout.cut:
		return nil, tooBig()
	case err == nil:
		return stdout.kept, nil
	case errors.Is(context.Cause(ctx), errGitTime):
		return nil, bridge.Errorf(bridge.Unavailable, "git gave no answer within %s", gitTime).WithHint("is the way to the repository open?")
	case ctx.Err() != nil:
		return nil, context.Cause(ctx)
	}
	return nil, explain(string(stderr.kept))
}

// errBehind is a push that came after another's.
var errBehind = bridge.Errorf(bridge.Unavailable, "others write to the repository all the time").WithHint("try again; `git ls-remote ADDRESS` shows whether its branch moves")

var errGitTime = errors.New("git took too long")

func tooBig() error {
	return bridge.Errorf(bridge.Invalid, "the branch holds more than agentbridge ever puts there").
		WithHint("somebody else writes to it; look at its history, remove the branch, and run `agentbridge creds init` on each machine again")
}

// fetching ends a fetch that brings more than it may.
func (g git) fetching(ctx context.Context, args ...string) error {
	ctx, cancel := context.WithCancel(ctx)
	var over atomic.Bool
	watched := make(chan struct{})
	go func() {
		defer close(watched)
		for tick := time.NewTicker(20 * time.Millisecond); ; {
			select {
			case <-tick.C:
				if size(g.dir) > maxFetched {
					over.Store(true)
					cancel()
				}
			case <-ctx.Done():
				tick.Stop()
				return
			}
		}
	}()
	_, err := g.run(ctx, nil, args...)
	cancel()
	<-watched
	if over.Load() || size(g.dir) > maxFetched {
		return tooBig()
	}
	return err
}

// size is how much a directory holds, in bytes.
func size(dir string) (sum int64) {
	_ = filepath.WalkDir(dir, func(_ string, d fs.DirEntry, err error) error {
		if err == nil && d.Type().IsRegular() {
			if info, err := d.Info(); err == nil {
				sum += info.Size()
			}
		}
		return nil // what is gone meanwhile holds nothing
	})
	return sum
}

// explain makes an error of what git said. What the other end said is left out: anybody may have written it.
func explain(said string) error {
	var own []string
	for line := range strings.Lines(said) {
		if line = strings.TrimSpace(line); line != "" && !strings.HasPrefix(line, "remote:") && !strings.HasPrefix(line, "hint:") {
			own = append(own, line)
		}
	}
	text := strings.Map(func(r rune) rune {
		if !unicode.IsPrint(r) {
			return ' '
		}
		return r
	}, strings.Join(own, "; "))
	has := func(any ...string) bool {
		for _, part := range any {
			if strings.Contains(text, part) {
				return true
			}
		}
		return false
	}
	switch {
	case has("(fetch first)", "(non-fast-forward)", "cannot lock ref", "failed to update ref", "reference already exists", "incorrect old value", "(stale info)"):
		return errBehind
	case has("dubious ownership"):
		return bridge.Errorf(bridge.Denied, "the repository belongs to another user of this machine").WithHint("reach it through ssh, or have a directory of your own")
	case has("REMOTE HOST IDENTIFICATION HAS CHANGED", "Host key verification failed"):
		return bridge.Errorf(bridge.Denied, "ssh does not know the host of the repository, or it has another key than before").
			WithHint("connect with ssh once by hand, and compare the fingerprint of its key")
	case has("Permission denied (", "could not read Username", "could not read Password", "Authentication failed", "terminal prompts disabled"):
		return bridge.Errorf(bridge.Denied, "the repository lets nobody in without a key, and nobody is asked here").
			WithHint("for ssh: a key in the agent or without a passphrase. For https: ~/.netrc")
	case has("does not appear to be a git repository", "not a git repository", "Repository not found", "repository not found", "' not found"):
		return bridge.Errorf(bridge.NotFound, "there is no git repository at that address, or none that you may see").WithHint("make one with git init --bare, or name another with `agentbridge creds init ADDRESS`")
	case has("Permission denied", "insufficient permission", "Read-only file system", "denied to", "not have permission", "unable to create temporary", "protected branch", "pre-receive hook declined"):
		return bridge.Errorf(bridge.Denied, "you may not write to the repository").WithHint("creds init and push need to write; pull and watch only read")
	case has("Could not resolve host", "Connection refused", "Connection timed out", "unable to access", "No route to host", "unexpected disconnect", "Could not read from remote repository"):
		return bridge.Errorf(bridge.Unavailable, "the repository cannot be reached").WithHint("is the way to it open? `git ls-remote ADDRESS` says more")
	}
	if r := []rune(text); len(r) > maxSaid {
		text = string(r[:maxSaid])
	}
	return bridge.Errorf(bridge.Unavailable, "git: %s", text).WithHint("the same command is safe to try again; `git ls-remote ADDRESS` says more")
}

// bounded keeps what is written to it, up to a size, and then says so.
type bounded struct {
	kept []byte // not a bytes.Buffer inside: that could be read into past the bound
	most int
	over func()
	cut  bool
}

func (b *bounded) Write(p []byte) (int, error) {
	room := max(0, b.most-len(b.kept))
	if room < len(p) {
		b.cut = true
		if b.over != nil {
			b.over()
		}
	}
	b.kept = append(b.kept, p[:min(room, len(p))]...)
	return len(p), nil
}
