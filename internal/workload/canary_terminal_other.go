//go:build !linux

package workload

import (
	"errors"
	"os/exec"
)

// onTerminal is for Linux.
func onTerminal(*exec.Cmd) ([]byte, error) { return nil, errors.ErrUnsupported }
