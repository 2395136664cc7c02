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

// commitAnchor commits a file to the git repository it is in, and pushes nothing. Hooks, signing and whatever asks are off, and no
// configuration but the repository's own counts.
func commitAnchor(ctx context.Context, dir, file, subject string) error {
	git := func(args ...string) (string, error) {
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
		out, err := cmd.CombinedOutput()
		if err != nil {
			return "", bridge.Errorf(bridge.Unavailable, "git %s: %w: %s", args[len(args)-1], err, line(masked(string(out)), 200)).
				WithHint("the checkpoint is in %s; commit it yourself, or run this again once git works there", file)
		}
		return string(out), nil
	}
	if _, err := git("add", "--", file); err != nil {
		return err
	}
	changed, err := git("status", "--porcelain", "--", file)
	if err != nil || changed == "" {
		return err
	}
	_, err = git("commit", "--quiet", "--no-verify", "-m", subject, "--", file)
	return err
}
