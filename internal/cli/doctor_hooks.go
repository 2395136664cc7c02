package cli

import (
	"cmp"
	"context"
	"os"
	"path/filepath"
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
	case !slices.Contains(clients.HookClients, pt.Client):
		return
	case len(pt.Hooks) == 0:
		pt.refuse(deafness, ", hooks", bridge.Errorf(bridge.NotFound, "it has no hooks of agentbridge: its model notices messages only while it waits in check_messages").
			WithHint("%s", pt.again()))
		return
	case off != "":
		pt.refuse(deafness, ", hooks", bridge.Errorf(bridge.Invalid, "its hooks are turned off by %s", off).WithHint("take that out of the file"))
		return
	case s == nil:
		pt.d.good(pt.what+", hooks", "not tried: they would be told of what waits for %s at the hub, and nothing of it is touched", cmp.Or(pt.as, "the agent"))
		return
	}
	pt.lacking()
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

// lacking tells which hooks are not there. Without one at a turn's end, or one that waits, nothing wakes a model that stopped.
func (pt *patient) lacking() {
	lacks := strings.Join(pt.Lacks(), ", ")
	stops := slices.ContainsFunc(pt.Hooks, func(h clients.InstalledHook) bool {
		hook, err := clients.ParseHook(pt.Client, h.Event)
		return h.Waits() || err == nil && hook.Event == clients.TurnEnd
	})
	switch {
	case lacks == "":
	case stops:
		pt.d.good(pt.what+", hooks", "none for %s; %s puts them there", lacks, pt.again())
	default:
		pt.refuse(deafness, ", hooks", bridge.Errorf(bridge.NotFound, "nothing wakes a model that stopped: there is none for %s", lacks).WithHint("%s", pt.again()))
	}
}

func ofProject(e string) bool {
	name, _, _ := strings.Cut(e, "=")
	return strings.HasSuffix(name, "_PROJECT_DIR") || name == tokenVariable
}

// silent reports whether a hook says nothing while nothing is unread.
func (pt *patient) silent(ctx context.Context, s *scene, h clients.InstalledHook, env []string, dir string) bool {
	name := ", hook " + h.Event
	if e := pt.otherAgent(h, dir); e != nil {
		pt.refuse(deafness, name, e)
		return false
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

// otherAgent is why a hook looks for messages to another agent than the server's. The trial does not show that: it gives both a token of
// its own.
func (pt *patient) otherAgent(h clients.InstalledHook, dir string) *bridge.Error {
	servers, hooks := variableOf(pt.environ, tokenVariable), os.Getenv(tokenVariable)
	name, here := h.Agent(), agentName(filepath.Base(dir))
	switch {
	case servers == hooks && (servers != "" || name == pt.as || pt.Scope == clients.Project && cmp.Or(name, here) == cmp.Or(pt.as, here)):
		return nil
	case servers == hooks:
		who := func(as string) string { return cmp.Or(as, "each directory's own agent") }
		return bridge.Errorf(bridge.Invalid, "it looks for messages to %s, and the server is %s", who(name), who(pt.as)).WithHint("%s", pt.again())
	case hooks != "":
		return bridge.Errorf(bridge.Invalid, "it looks for messages to the agent of %s, which the client does not hand on to its server", tokenVariable).
			WithHint("write %s into the server's env in %s, too", tokenVariable, pt.File)
	case name == "" || name != pt.bears:
		return bridge.Errorf(bridge.Invalid, "its server gets a token, and the hook does not").
			WithHint("set %s for the whole client, or take it out of %s and name the agent with --as", tokenVariable, pt.File)
	}
	return nil
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
