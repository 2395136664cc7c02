package sqlite

import (
	"errors"
	"net"
	"os"

	"golang.org/x/sys/windows"
)

var errHeld error = windows.ERROR_LOCK_VIOLATION

func lock(f *os.File) error { return lockEx(f, windows.LOCKFILE_EXCLUSIVE_LOCK) }
func tryLock(f *os.File) error {
	return lockEx(f, windows.LOCKFILE_EXCLUSIVE_LOCK|windows.LOCKFILE_FAIL_IMMEDIATELY)
}

func tryShare(f *os.File) error { return lockEx(f, windows.LOCKFILE_FAIL_IMMEDIATELY) }

func lockEx(f *os.File, flags uint32) error {
	return windows.LockFileEx(windows.Handle(f.Fd()), flags, 0, 1, 0, new(windows.Overlapped))
}

func unlock(f *os.File) error {
	return windows.UnlockFileEx(windows.Handle(f.Fd()), 0, 1, 0, new(windows.Overlapped))
}

// inbox and socket do not exist here: the poll alone serves.
type inbox struct {
	run, box string
	conn     net.Conn
}

func openInbox(string, string) (*inbox, error) { return nil, errors.ErrUnsupported }

type socket struct{}

func (*socket) send(string, string, []byte) (gone bool) { return false }
func (*socket) close() error                            { return nil }
