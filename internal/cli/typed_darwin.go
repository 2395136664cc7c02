package cli

import "golang.org/x/sys/unix"

// dropTyped drops what was typed at a terminal and not read yet. 1 is FREAD of sys/fcntl.h: what waits to be read.
func dropTyped(fd int) { _ = unix.IoctlSetPointerInt(fd, unix.TIOCFLUSH, 1) }
