//go:build unix

package sqlite

import (
	"os"
	"syscall"
)

var errHeld error = syscall.EWOULDBLOCK

func lock(f *os.File) error    { return flock(f, syscall.LOCK_EX) }
func tryLock(f *os.File) error { return flock(f, syscall.LOCK_EX|syscall.LOCK_NB) }
func unlock(f *os.File) error  { return flock(f, syscall.LOCK_UN) }

// tryShare succeeds where nobody holds the lock alone.
func tryShare(f *os.File) error { return flock(f, syscall.LOCK_SH|syscall.LOCK_NB) }

func flock(f *os.File, how int) error {
	for {
		err := syscall.Flock(int(f.Fd()), how)
		if err != syscall.EINTR {
			return err
		}
	}
}
