package cli

import (
	"os"

	"golang.org/x/sys/unix"
)

// dropTyped drops what was typed at a terminal and not read yet. 1 is FREAD of sys/fcntl.h: what waits to be read.
func dropTyped(tty *os.File) { _ = unix.IoctlSetPointerInt(int(tty.Fd()), unix.TIOCFLUSH, 1) }
