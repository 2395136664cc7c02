//go:build unix && !linux

package workload

import (
	"os/exec"
	"syscall"
)

// apart keeps what is typed on the terminal from a process: that is for who started it, and it ends the process itself.
func apart(cmd *exec.Cmd) *exec.Cmd {
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	return cmd
}
