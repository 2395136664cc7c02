package daemon

import (
	"context"
	"os/exec"
	"syscall"
)

// shell prepares a command line to run. There are no process groups here that could be killed as a whole: only the shell is.
func shell(ctx context.Context, command string) *exec.Cmd {
	cmd := exec.CommandContext(ctx, "cmd")
	// As it is written: cmd has quoting rules of its own.
	cmd.SysProcAttr = &syscall.SysProcAttr{CmdLine: `cmd /C "` + command + `"`, HideWindow: true}
	return cmd
}

// program prepares a program to run in the same way.
func program(ctx context.Context, path string, args ...string) *exec.Cmd {
	return exec.CommandContext(ctx, path, args...)
}
