package cli

import (
	"cmp"
	"context"
	"errors"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"agentbridge/internal/bridge"
	"agentbridge/internal/daemon"
	"agentbridge/internal/workload"
)

// trip starts the client's server as the client would, and sends it a message that it must hear; then it tries the hooks.
func (pt *patient) trip(ctx context.Context, t *trial, dir, hooksOff string) {
	env := slices.Clone(pt.environ)
	if t.own != "" {
		env = append(env, variable("data")+"="+t.own, variable("store")+"="+t.conf.Store)
	}
	var s *scene
	if err := pt.atHub(dir); err != nil {
		pt.d.bad(pt.what, err)
		return
	}
	if pt.server != "" {
		as := *pt.p
		as.as = pt.as
		as.examineHub(ctx, pt.conf, pt.server, pt.d)
	} else {
		if !pt.bearer(ctx, t) {
			return
		}
		name := pt.as
		if name == "" {
			name = hearerName
		}
		var err error
		if s, err = t.stage(ctx, name); err != nil {
			pt.d.bad(pt.what, err)
			return
		}
		defer s.strike(ctx)
		env = append(env, tokenVariable+"="+s.token)
	}
	defer pt.end()
	if player := pt.connect(ctx, t, dir, env); player != nil {
		heard := s == nil || pt.hears(ctx, s, player)
		if err := player.Leave(); err != nil && heard {
			t.log.Info("a client's server ends", "error", err)
		}
		if heard {
			pt.hooks(ctx, s, env, dir, hooksOff)
		}
	}
}

// atHub finds out whether the agent of the client's server is at a hub that it joined.
func (pt *patient) atHub(dir string) error {
	if pt.server != "" || variableOf(pt.environ, tokenVariable) != "" {
		return nil
	}
	name := cmp.Or(pt.as, agentName(filepath.Base(dir)))
	at, joined, err := pt.p.hubOf(pt.conf, name)
	if joined {
		pt.server, pt.as = at.URL, name
	}
	return err
}

// end kills what the server left behind.
func (pt *patient) end() {
	if c := pt.running; c != nil && c.Process != nil {
		_ = c.Cancel()
	}
}

// bearer looks at the token that the client gives its server, which the doctor's own takes the place of.
func (pt *patient) bearer(ctx context.Context, t *trial) bool {
	token := variableOf(pt.environ, tokenVariable)
	if token == "" || t.own != "" {
		return true
	}
	c, err := t.svc.Authenticate(ctx, token, bridge.Origin{Instance: t.store.Instance(), Local: true})
	if err == nil {
		pt.bears = c.Name()
	}
	if err == nil && pt.as != "" && pt.as != c.Name() {
		err = bridge.Errorf(bridge.Invalid, "%s is the token of %q, and --as names %q", tokenVariable, c.Name(), pt.as)
	}
	if err != nil {
		e := bridge.AsError(err)
		pt.refuse(noListener, "", bridge.Errorf(e.Code, "the token that it gives its server: %s", e.Message).
			WithHint("take %s out of %s, or give it a good one: agentbridge token new --name NAME prints one", tokenVariable, pt.File))
	}
	return err == nil
}

// withoutStore leaves out which data directory and store are meant.
func withoutStore(args []string) (kept []string) {
	for i := 0; i < len(args); i++ {
		name, _, valued := strings.Cut(args[i], "=")
		if name != "--data" && name != "--store" {
			kept = append(kept, args[i])
		} else if !valued {
			i++
		}
	}
	return kept
}

// connect starts the server and looks at its tools. nil: it could not, and why is told.
func (pt *patient) connect(ctx context.Context, t *trial, dir string, env []string) *workload.Player {
	args := pt.Args
	if t.own != "" {
		args = withoutStore(args)
	}
	cmd := daemon.Program(ctx, pt.path, args...)
	pt.running = cmd
	said := &lastWords{}
	cmd.Env, cmd.Dir, cmd.Stderr, cmd.WaitDelay = env, dir, said, time.Second
	line := strings.Join(append([]string{pt.Command}, pt.Args...), " ")
	start := time.Now()
	player, err := workload.Connect(ctx, hearerName, cmd)
	if err != nil {
		why, hint := said.error()
		switch {
		case ctx.Err() != nil:
			why, hint = "it does not answer within "+clientTime.String(), "run it by hand and look: "+line
		case why == "":
			why = err.Error()
		}
		if hint == "" {
			hint = pt.again()
		}
		pt.refuse(noListener, "", bridge.Errorf(bridge.Unavailable, "`%s` in %s ends, or does not speak MCP: %s", line, pt.File, why).WithHint("%s", hint))
		return nil
	}
	shook := time.Since(start)
	tools, err := player.Tools(ctx)
	if err == nil && !slices.Contains(toolNames(tools), "check_messages") {
		err = errors.New("it has no tool check_messages")
	}
	if err != nil {
		player.Kill()
		pt.refuse(noListener, "", bridge.Errorf(bridge.Invalid, "`%s` in %s: %w", line, pt.File, err).WithHint("%s", pt.again()))
		return nil
	}
	pt.took("starts", shook, "`%s` answers after %s, with %s", line, milliseconds(shook), some(len(tools), "tool", "tools"))
	return player
}
