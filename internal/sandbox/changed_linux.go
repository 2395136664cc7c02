package sandbox

import (
	"syscall"
	"time"
)

// changed is when a file was last made, renamed or changed. No command can set it.
func changed(stat *syscall.Stat_t) time.Time { return time.Unix(stat.Ctim.Unix()) }
