package cli

import (
	"io/fs"
	"os"

	"golang.org/x/sys/windows"
)

// tryLock locks a file for as long as it is open, alone or with others that share it, and reports whether it could at once.
func tryLock(f *os.File, alone bool) bool {
	var flags uint32 = windows.LOCKFILE_FAIL_IMMEDIATELY
	if alone {
		flags |= windows.LOCKFILE_EXCLUSIVE_LOCK
	}
	return windows.LockFileEx(windows.Handle(f.Fd()), flags, 0, 1, 0, new(windows.Overlapped)) == nil
}

func unlock(f *os.File) {
	windows.UnlockFileEx(windows.Handle(f.Fd()), 0, 1, 0, new(windows.Overlapped))
}

// lax is false: modes say nothing here, and a profile's directories are its owner's.
func lax(fs.FileInfo) bool { return false }

// syncDir does nothing: directories cannot be flushed here, and NTFS logs its names itself.
func syncDir(string) error { return nil }

// owned is true: modes say nothing here, and a profile's directories are its owner's.
func owned(fs.FileInfo) bool { return true }
