package cli

import (
	"context"
	"errors"
	"io"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"time"

	"agentbridge/internal/bridge"
)

// What lies in the data directory lets its reader act as any agent of this machine, so it is for its owner alone.

// dataDir makes the data directory, which only its owner can look into. A lax mode is tightened, but not that of a directory that
// holds other things than agentbridge's: its owner may have wanted it so.
func dataDir(path string, log *slog.Logger) error { return privateDir(path, holdsOurs(path), log) }

// privateDir makes a directory that only its owner can look into, and tightens a lax mode of one that is ours.
func privateDir(path string, ours bool, log *slog.Logger) error {
	if err := os.MkdirAll(path, 0o700); err != nil {
		return bridge.Errorf(bridge.Invalid, "make data directory: %w", err).WithHint("choose a directory that you can write to with --data DIR")
	}
	info, err := os.Stat(path)
	if err != nil {
		return bridge.Errorf(bridge.Invalid, "look at data directory: %w", err).WithHint("choose another with --data DIR")
	}
	if !owned(info) {
		return bridge.Errorf(bridge.Denied, "data directory %s belongs to another user", path).WithHint("choose one of your own with --data DIR")
	}
	if !lax(info) {
		return nil
	}
	if !ours {
		return bridge.Errorf(bridge.Denied, "data directory %s is open to other users (mode %04o)", path, info.Mode().Perm()).
			WithHint("run chmod 700 %s, if nothing else uses it, or choose another with --data DIR", path)
	}
	if err := os.Chmod(path, 0o700); err != nil {
		return bridge.Errorf(bridge.Denied, "tighten data directory: %w", err).WithHint("run chmod 700 %s", path)
	}
	log.Warn("data directory was open to other users; tightened to 0700", "path", path)
	return nil
}

// holdsOurs reports whether a directory is agentbridge's, or empty.
func holdsOurs(path string) bool {
	if _, err := os.Lstat(filepath.Join(path, keyFile)); err == nil {
		return true
	}
	entries, err := os.ReadDir(path)
	for _, e := range entries {
		if e.Name() != fileName && e.Name() != agentsDir { // a machine whose agents are all at hubs has nothing else
			return false
		}
	}
	return err == nil
}

// readPrivate reads a small file that only its owner may read. A lax mode is tightened.
func readPrivate(path string, log *slog.Logger) ([]byte, error) {
	f, err := os.Open(path)
	if err != nil {
		if errors.Is(err, fs.ErrNotExist) {
			return nil, err
		}
		return nil, bridge.Errorf(bridge.Denied, "%w", err).WithHint("it must be readable by you")
	}
	defer f.Close()
	info, err := f.Stat()
	switch {
	case err != nil:
		return nil, bridge.Errorf(bridge.Unavailable, "%w", err)
	case !info.Mode().IsRegular() || !owned(info):
		return nil, bridge.Errorf(bridge.Denied, "%s is not a file of yours", path).WithHint("remove it, or choose another directory with --data DIR")
	case lax(info):
		if err := f.Chmod(0o600); err != nil {
			return nil, bridge.Errorf(bridge.Denied, "tighten mode: %w", err).WithHint("run chmod 600 %s", path)
		}
		log.Warn("file with a secret was open to other users; tightened to 0600", "path", path)
	}
	text, err := io.ReadAll(io.LimitReader(f, 64<<10))
	if err != nil {
		return nil, bridge.Errorf(bridge.Unavailable, "%w", err)
	}
	return text, nil
}

// writePrivate puts a file in place whole, on disk, mode 0600. Where replace is not set and there is one already, it gives
// [fs.ErrExist] and leaves it alone: of several processes, one succeeds.
func writePrivate(path string, text []byte, replace bool) (err error) {
	f, err := os.CreateTemp(filepath.Dir(path), ".new-*") // O_EXCL, 0600
	if err != nil {
		return bridge.Errorf(bridge.Invalid, "%w", err).WithHint("the data directory must be writable; choose another with --data DIR")
	}
	defer os.Remove(f.Name())
	_, err = f.Write(text)
	err = errors.Join(err, f.Sync(), f.Close())
	if err != nil {
		return bridge.Errorf(bridge.Unavailable, "%w", err).WithHint("is the disk full?")
	}
	if replace {
		err = os.Rename(f.Name(), path)
	} else {
		err = os.Link(f.Name(), path)
	}
	if errors.Is(err, fs.ErrExist) {
		return fs.ErrExist
	}
	if err == nil {
		err = syncDir(filepath.Dir(path))
	}
	if err != nil {
		return bridge.Errorf(bridge.Unavailable, "%w", err)
	}
	return nil
}

// lockFile waits for its turn among processes, a few seconds at most.
func lockFile(ctx context.Context, path string) (release func() error, err error) {
	f, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return nil, bridge.Errorf(bridge.Invalid, "%w", err).WithHint("the data directory must be writable; choose another with --data DIR")
	}
	ctx, cancel := context.WithTimeout(ctx, 5*time.Second)
	defer cancel()
	for !tryLock(f, true) {
		select {
		case <-ctx.Done():
			f.Close()
			return nil, bridge.Errorf(bridge.Unavailable, "lock %s: another process holds it", path).WithHint("try again; if it stays so, a stopped agentbridge process holds it")
		case <-time.After(5 * time.Millisecond):
		}
	}
	return f.Close, nil
}
