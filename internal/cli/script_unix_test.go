//go:build unix

package cli

import (
	"bytes"
	"strconv"
	"syscall"

	"github.com/rogpeppe/go-internal/testscript"
)

// detached CODE COMMAND… runs a command that has no controlling terminal.
func detached(ts *testscript.TestScript, neg bool, args []string) {
	want, err := strconv.Atoi(args[0])
	ts.Check(err)
	var stderr bytes.Buffer
	cmd := command(ts, args[1:])
	cmd.Stderr = &stderr
	cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true}
	err = cmd.Run()
	ts.Logf("%s", stderr.String())
	wantStatus(ts, want, err, stderr.String())
}
