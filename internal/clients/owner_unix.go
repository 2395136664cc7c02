//go:build unix

package clients

import (
	"os"
	"syscall"
)

// own gives a new file the owner of the one that it will replace, as far as we may: under sudo the settings stay their user's.
func own(target string, f *os.File) {
	info, err := os.Stat(target)
	if err != nil {
		return
	}
	if was, ok := info.Sys().(*syscall.Stat_t); ok && (int(was.Uid) != os.Geteuid() || int(was.Gid) != os.Getegid()) {
		f.Chown(int(was.Uid), int(was.Gid)) // who may not is the owner, or will see a file of his own
	}
}
