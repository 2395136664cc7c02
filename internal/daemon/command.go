package daemon

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"slices"
	"strings"
	"time"
)

const (
	commandTime  = 30 * time.Second // a command has so long in all
	commandGrace = time.Second      // then for whatever outlived its shell and holds its output open
	commandTail  = 1024             // bytes of output that are kept, the last ones
)

// withheld are the variables that no command is given: a secret in the environment of a program is one in its crash reports, too. An
// address and a command line may hold one.
var withheld = []string{"AGENTBRIDGE_TOKEN", "AGENTBRIDGE_ALERT_SECRET", "AGENTBRIDGE_ALERT_WEBHOOK", "AGENTBRIDGE_ALERT_COMMAND"}

// A CommandError says how a command failed. Its text holds nothing that the command wrote, for nobody knows what that holds.
type CommandError struct {
	Why    string // exit status 3, killed after 30s
	Output string // the end of what it wrote to stdout and stderr, at most 1 KiB; redact it before it is shown or kept
}

func (e *CommandError) Error() string { return "the command failed: " + e.Why }

// RunCommand runs a command line of the person's own configuration with the system's shell (sh -c, on Windows cmd /C), gives it stdin
// to read and waits for its end. An exit status of 0 is success, everything else a [CommandError].
//
// The command has 30 seconds, or until ctx ends; then it is killed with all processes of its group, that is, all it started, except
// those that went their own way (setsid). What it leaves running in the background when it ends in time goes on, without its output
// being heard. Its environment is ours, without our secrets (AGENTBRIDGE_TOKEN, AGENTBRIDGE_ALERT_…), and with env.
//
// Nobody but a person may choose command, and nothing that others wrote may be part of it: that is what stdin and env are for.
func RunCommand(ctx context.Context, command string, stdin []byte, env ...string) error {
	return runCommand(ctx, commandTime, command, stdin, env...)
}

func runCommand(ctx context.Context, limit time.Duration, command string, stdin []byte, env ...string) error {
	limited, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	cmd := shell(limited, command)
	out := &tail{}
	cmd.Stdin, cmd.Stdout, cmd.Stderr = bytes.NewReader(stdin), out, out // one writer for both: exec then writes from one goroutine
	cmd.Env = append(slices.DeleteFunc(os.Environ(), isWithheld), env...)
	cmd.WaitDelay = commandGrace
	err := cmd.Run()
	failed := func(why string) error { return &CommandError{Why: why, Output: out.String()} }
	exit, exited := errors.AsType[*exec.ExitError](err)
	switch {
	case err == nil, errors.Is(err, exec.ErrWaitDelay) && limited.Err() == nil:
		return nil // the second: it ended well, and what it left in the background still holds its output
	case ctx.Err() != nil:
		return failed("killed, because agentbridge is ending")
	case limited.Err() != nil:
		return failed(fmt.Sprintf("killed after %s", limit))
	case exited:
		return failed(exit.String()) // exit status 3, signal: segmentation fault
	}
	return failed("it could not be started: " + err.Error())
}

func isWithheld(variable string) bool {
	name, _, _ := strings.Cut(variable, "=")
	return slices.ContainsFunc(withheld, func(w string) bool { return strings.EqualFold(name, w) })
}

// tail keeps the end of what is written to it.
type tail struct{ kept []byte }

func (t *tail) Write(p []byte) (int, error) {
	t.kept = append(t.kept, p[max(0, len(p)-commandTail):]...)
	t.kept = t.kept[max(0, len(t.kept)-commandTail):]
	return len(p), nil
}

// String is what was kept as text: a rune that was cut at the front is left out.
func (t *tail) String() string { return strings.ToValidUTF8(string(t.kept), "") }

// Shell prepares a command line for the system's shell as [RunCommand] runs it: when ctx ends, all that it started is killed with it.
func Shell(ctx context.Context, command string) *exec.Cmd { return shell(ctx, command) }

// Program prepares a program as [Shell] prepares a command line. Its Cancel kills what it left behind, also after its end.
func Program(ctx context.Context, path string, args ...string) *exec.Cmd {
	return program(ctx, path, args...)
}
