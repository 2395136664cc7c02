package cli

import (
	"bytes"
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"slices"
	"strings"
	"time"

	"github.com/modelcontextprotocol/go-sdk/mcp"

	"agentbridge/internal/bridge"
	"agentbridge/internal/clients"
	"agentbridge/internal/daemon"
	"agentbridge/internal/workload"
)

// How long the doctor lets a check_messages begin to wait before it sends, how long it looks at a hook that should only wait, and how
// often it asks a hook that was silent where it should speak: one that a busy machine made late says nothing.
const (
	settleTime = 150 * time.Millisecond
	quietTime  = 300 * time.Millisecond
	hookTries  = 3
	hookTime   = 3 * time.Second
)

// hears sends a message while the client's server waits for one.
func (pt *patient) hears(ctx context.Context, s *scene, player *workload.Player) bool {
	text, fault := "agentbridge doctor "+rand.Text(), pt.again()
	type answer struct {
		at  time.Time
		err error
	}
	heard := make(chan answer, 1)
	go func() {
		for {
			res, err := player.Check(ctx, int(clientTime/time.Second))
			if err != nil || slices.ContainsFunc(res.Messages, func(m bridge.Message) bool { return strings.Contains(m.Text, text) }) {
				heard <- answer{time.Now(), err}
				return
			}
			if ctx.Err() != nil {
				heard <- answer{time.Now(), ctx.Err()}
				return
			}
		}
	}()
	select {
	case a := <-heard: // it did not even wait
		pt.refuse(deafness, "", bridge.Errorf(bridge.Unavailable, "its check_messages fails: %w", a.err).WithHint("%s", fault))
		return false
	case <-time.After(settleTime):
	}
	start := time.Now()
	if err := s.send(ctx, text); err != nil {
		pt.d.bad(pt.what, err)
		player.Kill()
		<-heard
		return false
	}
	a := <-heard
	if a.err != nil {
		pt.refuse(deafness, "", bridge.Errorf(bridge.Unavailable, "a message does not wake its waiting check_messages: %w", a.err).
			WithHint("look whether all processes are of one version, and whether the store is on a local disk"))
		return false
	}
	_, _ = player.Check(ctx, 0) // acks it
	took := a.at.Sub(start)
	pt.took("hears", took, "a message wakes its waiting check_messages after %s", milliseconds(took))
	return true
}

// took notes what went well, and how long it took.
func (pt *patient) took(what string, took time.Duration, format string, args ...any) {
	pt.d.Findings = append(pt.d.Findings, finding{
		What: pt.what + ", " + what, OK: true, Says: masked(fmt.Sprintf(format, args...)), Took: float64(took.Round(10*time.Microsecond).Microseconds()) / 1000,
	})
}

func milliseconds(d time.Duration) string { return fmt.Sprintf("%.1f ms", d.Seconds()*1000) }

// hooks runs each hook as the client would: with nothing unread it must be silent, and with something unread it must say so.
func (pt *patient) hooks(ctx context.Context, s *scene, env []string, dir, off string) {
	switch {
	case !slices.Contains(clients.HookClients, pt.Client) || s == nil:
		return
	case len(pt.Hooks) == 0:
		pt.refuse(deafness, ", hooks", bridge.Errorf(bridge.NotFound, "it has no hooks of agentbridge: its model notices messages only while it waits in check_messages").
			WithHint("%s", pt.again()))
		return
	case off != "":
		pt.refuse(deafness, ", hooks", bridge.Errorf(bridge.Invalid, "its hooks are turned off by %s", off).WithHint("take that out of the file"))
		return
	}
	hookEnv := append(slices.DeleteFunc(os.Environ(), ofProject), env[len(pt.environ):]...) // hooks get all that the client has
	silent := map[int]bool{}
	for i, h := range pt.Hooks {
		silent[i] = pt.silent(ctx, s, h, hookEnv, dir)
	}
	if err := s.send(ctx, "agentbridge doctor tries hooks"); err != nil {
		pt.d.bad(pt.what+", hooks", err)
		return
	}
	for i, h := range pt.Hooks {
		if silent[i] {
			pt.wakes(ctx, s, h, hookEnv, dir)
		}
	}
}

func ofProject(e string) bool {
	name, _, _ := strings.Cut(e, "=")
	return strings.HasSuffix(name, "_PROJECT_DIR") || name == tokenVariable
}

// silent reports whether a hook says nothing while nothing is unread.
func (pt *patient) silent(ctx context.Context, s *scene, h clients.InstalledHook, env []string, dir string) bool {
	name := ", hook " + h.Event
	for i, word := range strings.Fields(h.Command) {
		if as, ok := strings.CutPrefix(word, "--as"); ok {
			if as = strings.TrimPrefix(as, "="); as == "" && i+1 < len(strings.Fields(h.Command)) {
				as = strings.Fields(h.Command)[i+1]
			}
			if as != pt.as && pt.as != "" {
				pt.refuse(deafness, name, bridge.Errorf(bridge.Invalid, "it looks for messages to %s, and the server is %s", as, pt.as).WithHint("%s", pt.again()))
				return false
			}
		}
	}
	out, _, err := pt.run(ctx, s, h, env, dir, h.Waits())
	switch {
	case err != nil:
		pt.refuse(deafness, name, bridge.Errorf(bridge.Unavailable, "`%s` in %s fails: %w", h.Command, h.File, err).WithHint("%s", pt.again()))
	case out != "":
		pt.refuse(deafness, name, bridge.Errorf(bridge.Invalid, "`%s` in %s talks with nothing unread: %.200s", h.Command, h.File, out).WithHint("%s", pt.again()))
	}
	return err == nil && out == ""
}

// wakes looks whether a hook says that something is unread.
func (pt *patient) wakes(ctx context.Context, s *scene, h clients.InstalledHook, env []string, dir string) {
	name := "hook " + h.Event
	if h.Waits() {
		name += " (idle)"
	}
	for range hookTries {
		out, took, err := pt.run(ctx, s, h, env, dir, false)
		if err == nil && strings.Contains(out, "check_messages") && strings.Contains(out, "unread") {
			pt.took(name, took, "silent with nothing unread, and says so after %s where something waits", milliseconds(took))
			return
		}
	}
	pt.refuse(deafness, ", "+name, bridge.Errorf(bridge.Unavailable, "`%s` in %s is silent though a message waits", h.Command, h.File).
		WithHint("look whether it has the server's --data and --as; %s writes it anew", pt.again()))
}

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

func toolNames(tools []*mcp.Tool) (names []string) {
	for _, t := range tools {
		names = append(names, t.Name)
	}
	return names
}

// lastWords keeps what a process said last.
type lastWords struct{ text []byte }

func (w *lastWords) Write(p []byte) (int, error) {
	w.text = append(w.text, p...)
	w.text = w.text[max(0, len(w.text)-4096):]
	return len(p), nil
}

// error reads what an agentbridge says before it ends.
func (w *lastWords) error() (why, hint string) {
	for line := range strings.Lines(string(w.text)) {
		line = strings.TrimSpace(line)
		if said, ok := strings.CutPrefix(line, "error: "); ok {
			why = said
		} else if said, ok := strings.CutPrefix(line, "hint: "); ok {
			hint = said
		} else if why == "" && line != "" {
			why = line
		}
	}
	return why, hint
}
