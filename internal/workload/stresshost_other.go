//go:build !unix

package workload

import "os/exec"

// fileLimit is not known where the system has none.
func fileLimit() (most uint64, known bool) { return 0, false }

func apart(cmd *exec.Cmd) *exec.Cmd { return cmd }
