//go:build unix

package daemon

import (
	"context"
	"errors"
	"os"
	"os/exec"
	"syscall"
)

// shell prepares a command line to run in a process group of its own, which is killed as a whole.
func shell(ctx context.Context, command string) *exec.Cmd {
	return program(ctx, "sh", "-c", command)
}

// program prepares a program to run in the same way.
func program(ctx context.Context, path string, args ...string) *exec.Cmd {
	cmd := exec.CommandContext(ctx, path, args...)
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	cmd.Cancel = func() error {
		err := syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL)
		if errors.Is(err, syscall.ESRCH) {
			return os.ErrProcessDone
		}
		return err
	}
	return cmd
}
