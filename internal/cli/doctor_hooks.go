package cli

import (
	"context"
	"os"
	"slices"
	"strings"
	"time"

	"agentbridge/internal/bridge"
	"agentbridge/internal/clients"
)

// How long the doctor lets a check_messages begin to wait before it sends, how long it looks at a hook that should only wait, and how
// often it asks a hook that was silent where it should speak: one that a busy machine made late says nothing.
const (
	settleTime = 150 * time.Millisecond
	quietTime  = 300 * time.Millisecond
	hookTries  = 3
	hookTime   = 3 * time.Second
)

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
