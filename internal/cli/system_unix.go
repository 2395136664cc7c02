//go:build unix

package cli

import (
	"errors"
	"io/fs"
	"os"
	"syscall"
)

// tryLock locks a file for as long as it is open, alone or with others that share it, and reports whether it could at once.
func tryLock(f *os.File, alone bool) bool {
	how := syscall.LOCK_SH
	if alone {
		how = syscall.LOCK_EX
	}
	for {
		if err := syscall.Flock(int(f.Fd()), how|syscall.LOCK_NB); err != syscall.EINTR {
			return err == nil
		}
	}
}

func unlock(f *os.File) { syscall.Flock(int(f.Fd()), syscall.LOCK_UN) }

// lax reports whether others than the owner have any right to the file.
func lax(info fs.FileInfo) bool { return info.Mode().Perm()&0o077 != 0 }

// syncDir brings the names in a directory to disk.
func syncDir(path string) error {
	d, err := os.Open(path)
	if err != nil {
		return err
	}
	return errors.Join(d.Sync(), d.Close())
}

// owned reports whether the file is the current user's.
func owned(info fs.FileInfo) bool {
	stat, ok := info.Sys().(*syscall.Stat_t)
	return ok && int(stat.Uid) == os.Geteuid()
}
