package snapshot

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strings"
)

// git runs the git program for one repository: that of dir, or store if it is set.
type git struct {
	dir    string
	store  string
	format string // of object names: sha1 or sha256
	index  string // instead of the repository's, or empty
}

// deaf are settings that override those of the repository: nothing of it is executed, nothing is fetched, nothing is cleaned up.
var deaf = []string{
	"-c", "core.hooksPath=" + os.DevNull, "-c", "core.fsmonitor=false", "-c", "core.untrackedCache=false", "-c", "core.attributesFile=" + os.DevNull,
	"-c", "protocol.allow=never", "-c", "gc.auto=0", "-c", "maintenance.auto=false", "-c", "core.logAllRefUpdates=false", "-c", "core.quotePath=false",
	"-c", "commit.gpgSign=false", "-c", "core.pager=cat", "-c", "submodule.recurse=false", "-c", "core.alternateRefsCommand=",
	"-c", "i18n.commitEncoding=UTF-8",
}

// command is one command of git, not started.
func (g git) command(ctx context.Context, args ...string) *exec.Cmd {
	full := append([]string{"--no-pager", "-C", g.dir}, deaf...)
	full = append(full, "-c", "safe.directory=*") // whoever named the directory answers for it
	if g.store != "" {
		full = append(full, "--git-dir="+g.store)
	}
	cmd := exec.CommandContext(ctx, "git", append(full, args...)...)
	cmd.Env = []string{
		"PATH=" + os.Getenv("PATH"), "SYSTEMROOT=" + os.Getenv("SYSTEMROOT"), "LC_ALL=C", "HOME=" + os.DevNull,
		"GIT_CONFIG_NOSYSTEM=1", "GIT_CONFIG_GLOBAL=" + os.DevNull, "GIT_TERMINAL_PROMPT=0", "GIT_OPTIONAL_LOCKS=0", "GIT_NO_REPLACE_OBJECTS=1",
		"GIT_NO_LAZY_FETCH=1", "GIT_ATTR_NOSYSTEM=1",
		"GIT_AUTHOR_NAME=agentbridge", "GIT_AUTHOR_EMAIL=agentbridge", "GIT_COMMITTER_NAME=agentbridge", "GIT_COMMITTER_EMAIL=agentbridge",
	}
	if g.index != "" {
		cmd.Env = append(cmd.Env, "GIT_INDEX_FILE="+g.index)
	}
	return cmd
}

// run runs one command and gives its stdout. An [Error] of kind [Failed] has git's own last words.
func (g git) run(ctx context.Context, stdin io.Reader, args ...string) ([]byte, error) {
	cmd := g.command(ctx, args...)
	var stderr bytes.Buffer
	cmd.Stdin, cmd.Stderr = stdin, &stderr
	out, err := cmd.Output()
	if err == nil {
		return out, nil
	}
	if ctx.Err() != nil {
		return nil, ctx.Err()
	}
	words := strings.TrimSpace(stderr.String())
	if i := strings.LastIndexByte(words, '\n'); i >= 0 {
		words = words[i+1:]
	}
	var exit *exec.ExitError
	if words == "" || !errors.As(err, &exit) {
		words = err.Error()
	}
	return nil, &Error{Kind: Failed, Message: fmt.Sprintf("git %s: %s", args[0], words), cause: err}
}

func (g git) line(ctx context.Context, args ...string) (string, error) {
	out, err := g.run(ctx, nil, args...)
	return strings.TrimSpace(string(out)), err
}

func (g git) lines(ctx context.Context, args ...string) ([]string, error) {
	out, err := g.line(ctx, args...)
	return strings.Split(out, "\n"), err
}

// records splits what was printed with -z.
func records(out []byte) []string {
	if len(out) == 0 {
		return nil
	}
	return strings.Split(strings.TrimSuffix(string(out), "\x00"), "\x00")
}
