package cli

import (
	"bytes"
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"strings"
	"time"

	"agentbridge/internal/clients"
	"agentbridge/internal/daemon"
)

// run runs a hook once, in a session of its own that nobody remembers, and gives what it tells its client. One that waits in the
// background is let be for a moment, and then ended.
func (pt *patient) run(ctx context.Context, s *scene, h clients.InstalledHook, env []string, dir string, ends bool) (out string, took time.Duration, err error) {
	limit := hookTime
	if ends {
		limit = quietTime
	}
	ctx, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	session := "doctor-" + rand.Text()
	hook, call, err := h.Trial(pt.Client, session, dir)
	if err != nil {
		return "", 0, err
	}
	if h.Waits() {
		hook.Event = clients.Idle
	}
	defer s.forget(pt.Client, session, pt.as)
	cmd := daemon.Shell(ctx, h.Command)
	var stdout, stderr bytes.Buffer
	cmd.Stdin, cmd.Stdout, cmd.Stderr, cmd.Env, cmd.Dir, cmd.WaitDelay = bytes.NewReader(call), &stdout, &stderr, env, dir, time.Second
	start := time.Now()
	err = cmd.Run()
	took = time.Since(start)
	exit, exited := errors.AsType[*exec.ExitError](err)
	switch {
	case ends && ctx.Err() != nil:
		return stdout.String() + stderr.String(), took, nil
	case ctx.Err() != nil:
		return "", took, fmt.Errorf("it does not end within %s", limit)
	case hook.Event == clients.Idle && exited && exit.ExitCode() == clients.Wake:
		return stderr.String(), took, nil
	case err != nil:
		why := strings.TrimSpace(stderr.String())
		return "", took, fmt.Errorf("%w: %.200s", err, why)
	}
	return strings.TrimSpace(stdout.String()), took, nil
}

// forget takes away what a hook remembers of a session of the doctor's.
func (s *scene) forget(client, session, as string) {
	for _, name := range []string{"", as} {
		path := toldOf(s.t.conf.Data, client, session, name, "").path
		_, _ = os.Remove(path), os.Remove(path+".idle")
	}
}
