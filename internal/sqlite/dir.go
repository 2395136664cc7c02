package sqlite

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"

	"agentbridge/internal/bridge"
)

// prepareDirs makes the data directory and the run directory for this user only, unless the disk is one that SQLite cannot work
// on. That is looked at before SQLite opens anything, since it could already do harm.
func prepareDirs(path, run string) error {
	if err := refuseRemote(path); err != nil {
		return err
	}
	dir := filepath.Dir(path)
	_, err := os.Stat(dir)
	made := errors.Is(err, fs.ErrNotExist)
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return unwritable(err)
	}
	// DIR/bridge.db means that DIR is ours. The directory of a file with another name may well be somebody's home.
	if made || filepath.Base(path) == "bridge.db" {
		if err := tighten(dir, 0o700); err != nil {
			return err
		}
	}
	if err := os.MkdirAll(run, 0o700); err != nil {
		return unwritable(err)
	}
	return tighten(run, 0o700)
}

// prepareFiles makes the database with mode 0600 where it is missing; SQLite gives its other files the same mode. The caller has
// the turn: closing the new file's descriptor would drop the locks of another store of this process.
func prepareFiles(path string) error {
	f, err := os.OpenFile(path, os.O_CREATE|os.O_EXCL|os.O_RDWR, 0o600)
	switch {
	case err == nil:
		return errors.Join(f.Close(), tighten(path, 0o600))
	case !errors.Is(err, fs.ErrExist):
		return unwritable(err)
	}
	for _, name := range []string{path, path + "-wal", path + "-shm"} {
		if err := tighten(name, 0o600); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return err
		}
	}
	return nil
}

// openPrivate opens a file for this user only, made where it is missing.
func openPrivate(path string) (*os.File, error) {
	f, err := os.OpenFile(path, os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		return nil, unwritable(err)
	}
	if err := tighten(path, 0o600); err != nil {
		return nil, errors.Join(err, f.Close())
	}
	return f, nil
}

// tighten takes away the rights of others, whatever the umask gave them. A directory that many share (/tmp) stays as it is.
func tighten(path string, mode fs.FileMode) error {
	info, err := os.Stat(path)
	if err != nil {
		return unwritable(err)
	}
	if info.Mode()&fs.ModeSticky != 0 || info.Mode().Perm()&^mode == 0 {
		return nil
	}
	if err := os.Chmod(path, mode); err != nil {
		return unwritable(err)
	}
	return nil
}

func unwritable(err error) error {
	return bridge.Errorf(bridge.Unavailable, "the data directory cannot be used: %w", err).
		WithHint("make it and what is in it this user's own and writable, or name another with --data")
}

// refuseRemote looks at the file system of path, or of the nearest directory above it that exists.
func refuseRemote(path string) error {
	for {
		kind, err := fileSystem(path)
		switch {
		case errors.Is(err, fs.ErrNotExist) && path != filepath.Dir(path):
			path = filepath.Dir(path)
		case err != nil:
			return unwritable(err)
		default:
			return refuse(kind)
		}
	}
}

// refuse says no to file systems that several machines share: neither their locks nor their shared memory keep SQLite's database
// whole. FUSE (0x65735546) is let through: most of it is local and encrypted or merged, and sshfs, alone among its kind, works for
// the processes of one machine.
func refuse(kind uint32) error {
	name, remote := map[uint32]string{
		0x6969:     "NFS",
		0x517B:     "SMB",
		0xFF534D42: "CIFS",
		0xFE534D42: "SMB2",
		0x01021997: "9p",
	}[kind]
	if !remote {
		return nil
	}
	return bridge.Errorf(bridge.Invalid, "the data directory is on a network file system (%s)", name).
		WithHint("put it on a local disk with --data DIR; for several machines run agentbridge serve on one of them")
}
