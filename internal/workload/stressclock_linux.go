package workload

import (
	"syscall"
	"time"
)

// sleep sleeps as exactly as the system can. The runtime's own timers are up to a millisecond late in a process with nothing else to do, and
// that would count as the bridge's latency.
func sleep(d time.Duration) {
	if d > 0 {
		pause := syscall.NsecToTimespec(int64(d))
		_ = syscall.Nanosleep(&pause, nil) // interrupted: a little early, and whoever asked looks again
	}
}
