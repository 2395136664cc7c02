package sqlite

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"

	"agentbridge/internal/bridge"
)

// prepareDir makes the directory of the database, for this user only.
func prepareDir(path string) error {
	dir := filepath.Dir(path)
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return unwritable(err)
	}
	return nil
}

// preparePrivate makes the database file with mode 0600 where it is missing. The caller has the turn: closing the descriptor
// would drop the locks of another store of this process.
func preparePrivate(path string) error {
	f, err := os.OpenFile(path, os.O_CREATE|os.O_EXCL|os.O_RDWR, 0o600)
	if err == nil {
		return errors.Join(f.Chmod(0o600), f.Close())
	}
	if !errors.Is(err, fs.ErrExist) {
		return unwritable(err)
	}
	return nil
}

// openPrivate opens a file of this user's own, made where it is missing.
func openPrivate(path string) (*os.File, error) {
	f, err := os.OpenFile(path, os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		return nil, unwritable(err)
	}
	return f, nil
}

func unwritable(err error) error {
	return bridge.Errorf(bridge.Unavailable, "the data directory cannot be written: %w", err).
		WithHint("make it and what is in it writable for this user, or name another with --data")
}
