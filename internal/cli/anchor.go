package cli

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"

	"agentbridge/internal/audit"
	"agentbridge/internal/bridge"
)

// An anchor is a place where checkpoints are kept, one after another: a file that grows, or such a file in a git repository.

// anchorMax is how much of a file of checkpoints is read; one has about 200 bytes.
const anchorMax = 64 << 20

// anchored is a checkpoint that was read from a file.
type anchored struct {
	audit.Checkpoint
	log  string
	note []byte
	from string
}

// mark is what the log must continue.
func (k anchored) mark() bridge.AuditMark {
	return bridge.AuditMark{Log: k.log, Mark: audit.Mark{Size: k.Size, Root: k.Root, From: k.from}}
}

// readCheckpoints reads the signed checkpoints of a text, one after another, empty lines between.
func readCheckpoints(name string, text []byte, keys []*audit.Verifier) (list []anchored, err error) {
	for n, note := range splitNotes(text) {
		cp, log, err := openCheckpoint(note, keys)
		if err != nil {
			return nil, bridge.Errorf(bridge.Invalid, "checkpoint %d of %s: %w", n+1, name, err).
				WithHint("it must be whole, and signed with this store's audit key; name another with --key FILE")
		}
		list = append(list, anchored{cp, log, note, fmt.Sprintf("checkpoint %d of %s", n+1, name)})
	}
	if len(list) == 0 && len(bytes.TrimSpace(text)) > 0 {
		return nil, bridge.Errorf(bridge.Invalid, "%s holds no checkpoint", name).WithHint("agentbridge audit checkpoint prints one")
	}
	return list, nil
}

// splitNotes cuts a text after each signature block. What follows the last is a note, too, so that it is looked at and refused.
func splitNotes(text []byte) (notes [][]byte) {
	var note []byte
	signed := false
	for line := range bytes.Lines(text) {
		is := bytes.HasPrefix(line, []byte("\u2014 "))
		if signed && !is {
			notes, note, signed = append(notes, note), nil, false
		}
		if len(note) == 0 && len(bytes.TrimSpace(line)) == 0 {
			continue
		}
		note, signed = append(note, line...), signed || is
	}
	if len(note) > 0 {
		notes = append(notes, note)
	}
	return notes
}

// openCheckpoint gives a checkpoint that one of the keys signed, and of which log it is.
func openCheckpoint(note []byte, keys []*audit.Verifier) (cp audit.Checkpoint, log string, err error) {
	if cp, err = audit.OpenCheckpoint(note, keys...); err != nil {
		return cp, "", err
	}
	for _, k := range keys {
		log := cp.Origin[strings.LastIndex(cp.Origin, "/")+1:]
		if log != "" && audit.Origin(k.Name(), log) == cp.Origin {
			return cp, log, nil
		}
	}
	return cp, "", fmt.Errorf("its origin %q names no log of the key's", cp.Origin)
}

// appendCheckpoint adds a checkpoint to a file that only its owner can write, on disk, unless the file ends with the same of this log.
// Others that write to it wait.
func appendCheckpoint(ctx context.Context, path string, take func(before []byte) (note []byte, err error)) error {
	info, err := os.Lstat(path)
	made := errors.Is(err, fs.ErrNotExist)
	if err == nil && info.IsDir() {
		return bridge.Errorf(bridge.Invalid, "%s is a directory", path).WithHint("name a file in it: --append %s", filepath.Join(path, "checkpoints.txt"))
	}
	if err == nil && !info.Mode().IsRegular() {
		return bridge.Errorf(bridge.Denied, "%s is not a plain file", path).WithHint("name the file itself, not a link to it")
	}
	f, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE|os.O_APPEND, 0o644)
	if err != nil {
		return bridge.Errorf(bridge.Invalid, "%w", err).WithHint("name a file that you can write, in a directory that is there")
	}
	defer f.Close()
	for deadline := time.Now().Add(5 * time.Second); !tryLock(f, true); {
		if time.Now().After(deadline) || ctx.Err() != nil {
			return bridge.Errorf(bridge.Unavailable, "lock %s: another process holds it", path).WithHint("try again")
		}
		time.Sleep(5 * time.Millisecond)
	}
	now, err := f.Stat()
	switch {
	case err != nil:
		return bridge.Errorf(bridge.Unavailable, "%w", err)
	case !made && !os.SameFile(info, now), !now.Mode().IsRegular() || !owned(now):
		return bridge.Errorf(bridge.Denied, "%s is not a file of yours", path).WithHint("name a file of your own")
	case now.Mode().Perm()&0o022 != 0:
		return bridge.Errorf(bridge.Denied, "%s can be written by others (mode %04o)", path, now.Mode().Perm()).WithHint("chmod go-w %s; what others can write proves nothing", path)
	}
	before, err := io.ReadAll(io.LimitReader(f, anchorMax))
	if err != nil {
		return bridge.Errorf(bridge.Unavailable, "read %s: %w", path, err)
	}
	note, err := take(before)
	if err != nil || note == nil {
		return err
	}
	if len(before) > 0 {
		note = append([]byte("\n"), note...)
	}
	if _, err := f.Write(note); err != nil {
		return bridge.Errorf(bridge.Unavailable, "write %s: %w", path, err)
	}
	err = f.Sync()
	if err == nil && made {
		err = syncDir(filepath.Dir(path))
	}
	if err != nil {
		return bridge.Errorf(bridge.Unavailable, "write %s: %w", path, err)
	}
	return nil
}

// commitAnchor commits a file to the git repository it is in, and pushes nothing. It puts the commit together from its parts, because
// git's own way there runs programs that the repository names: hooks, filters, monitors, signers. What is staged stays as it is, but for
// that file.
func commitAnchor(ctx context.Context, dir, file, subject string) error {
	scratch, err := os.MkdirTemp("", "agentbridge-index-")
	if err != nil {
		return bridge.Errorf(bridge.Unavailable, "%w", err)
	}
	defer os.RemoveAll(scratch)
	run := func(index string, args ...string) (string, error) {
		args = append([]string{
			"--no-pager", "-C", dir, "-c", "core.hooksPath=/dev/null", "-c", "core.fsmonitor=false", "-c", "commit.gpgsign=false",
			"-c", "user.name=agentbridge", "-c", "user.email=agentbridge@localhost", "-c", "protocol.allow=never",
		}, args...)
		cmd := exec.CommandContext(ctx, "git", args...)
		for _, v := range os.Environ() {
			if !strings.HasPrefix(v, "GIT_") {
				cmd.Env = append(cmd.Env, v)
			}
		}
		cmd.Env = append(cmd.Env, "GIT_TERMINAL_PROMPT=0", "GIT_CONFIG_GLOBAL=/dev/null", "GIT_CONFIG_NOSYSTEM=1", "GIT_EDITOR=true")
		if index != "" {
			cmd.Env = append(cmd.Env, "GIT_INDEX_FILE="+index)
		}
		out, err := cmd.Output()
		return strings.TrimSpace(string(out)), err
	}
	failed := func(what string, err error) error {
		said := ""
		if exit, ok := errors.AsType[*exec.ExitError](err); ok {
			said = ": " + line(masked(string(exit.Stderr)), 200)
		}
		return bridge.Errorf(bridge.Unavailable, "git %s: %w%s", what, err, said).
			WithHint("the checkpoint is in %s; commit it yourself, or run this again once git works there", file)
	}
	top, err := filepath.Abs(dir)
	if err != nil {
		return bridge.Errorf(bridge.Invalid, "%w", err)
	}
	name, err := filepath.Rel(top, file)
	if err != nil {
		return bridge.Errorf(bridge.Invalid, "%w", err)
	}
	blob, err := run("", "hash-object", "-w", "--no-filters", "--", file)
	if err != nil {
		return failed("hash-object", err)
	}
	entry := "100644," + blob + "," + filepath.ToSlash(name)
	index := filepath.Join(scratch, "index")
	parent, err := run("", "rev-parse", "--verify", "--quiet", "HEAD")
	made := []string{"commit-tree", "--no-gpg-sign", "-m", subject}
	old := "0000000000000000000000000000000000000000" // there is no commit yet
	if err == nil {
		made, old = append(made, "-p", parent), parent
		if _, err := run(index, "read-tree", parent); err != nil {
			return failed("read-tree", err)
		}
	}
	if _, err := run(index, "update-index", "--add", "--cacheinfo", entry); err != nil {
		return failed("update-index", err)
	}
	tree, err := run(index, "write-tree")
	if err != nil {
		return failed("write-tree", err)
	}
	if was, err := run("", "rev-parse", "--verify", "--quiet", parent+"^{tree}"); err == nil && was == tree {
		return nil // it is committed already
	}
	commit, err := run("", append(made, tree)...)
	if err != nil {
		return failed("commit-tree", err)
	}
	if _, err := run("", "update-ref", "-m", subject, "HEAD", commit, old); err != nil {
		return failed("update-ref", err)
	}
	if _, err := run("", "update-index", "--add", "--cacheinfo", entry); err != nil {
		return failed("update-index", err)
	}
	return nil
}
