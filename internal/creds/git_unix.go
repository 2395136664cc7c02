//go:build unix

package creds

import (
	"errors"
	"os"
	"os/exec"
	"syscall"
)

// alone puts a command into a process group of its own, which is killed as a whole: git starts others.
func alone(cmd *exec.Cmd) {
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	cmd.Cancel = func() error {
		err := syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL)
		if errors.Is(err, syscall.ESRCH) {
			return os.ErrProcessDone
		}
		return err
	}
}
