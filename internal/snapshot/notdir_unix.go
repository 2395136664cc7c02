//go:build !windows

package snapshot

import (
	"errors"
	"syscall"
)

// notDirectory reports whether a path could not be because a part of it is a file.
func notDirectory(err error) bool { return errors.Is(err, syscall.ENOTDIR) }
