//go:build unix

package workload

import "syscall"

// fileLimit is how many files a process of this user may open. The Go runtime raises its own limit to it.
func fileLimit() (most uint64, known bool) {
	var limit syscall.Rlimit
	if err := syscall.Getrlimit(syscall.RLIMIT_NOFILE, &limit); err != nil {
		return 0, false
	}
	return uint64(limit.Max), true // signed on some systems
}
