//go:build unix && !linux

package sandbox

import (
	"syscall"
	"time"
)

// changed is always now: what is not known is disarmed.
func changed(*syscall.Stat_t) time.Time { return time.Now() }
