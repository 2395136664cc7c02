package cli

import (
	"context"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"agentbridge/internal/bridge"
	"agentbridge/internal/workload"
)

// trial is the bridge that clients are tried in: that of this machine, or one of its own where there is none yet, or none that can be
// written.
type trial struct {
	*opened
	own string // its directory; empty: it is that of this machine
}

func (p *program) trialStore(ctx context.Context, conf *config) (*trial, error) {
	path, err := conf.storePath()
	if err != nil {
		return nil, err
	}
	if _, err := os.Stat(path); err == nil {
		if o, err := p.openAt(ctx, conf, existing); err == nil {
			return &trial{opened: o}, nil
		}
	}
	dir, err := os.MkdirTemp("", "agentbridge-doctor-")
	if err != nil {
		return nil, bridge.Errorf(bridge.Denied, "try clients: %w", err).WithHint("set TMPDIR to a directory that can be written")
	}
	own := *conf
	own.Data, own.Store = dir, "sqlite:"+filepath.Join(dir, storeFile)
	o, err := p.openAt(ctx, &own, fresh)
	if err != nil {
		return nil, errors.Join(err, os.RemoveAll(dir))
	}
	return &trial{opened: o, own: dir}, nil
}

func (t *trial) close() {
	_ = t.opened.close()
	if t.own != "" {
		_ = os.RemoveAll(t.own)
	}
}

// scene is a conversation of two agents of the doctor's own. One bears the name that the client's agent has, and is not it: nothing
// that waits for an agent is touched.
type scene struct {
	t              *trial
	id             bridge.ConversationID
	doctor, hearer bridge.Caller
	token          string // the hearer's
}

const (
	doctorName = "doctor"
	hearerName = "doctor-listener"
)

// stage makes a scene. Who makes it strikes it.
func (t *trial) stage(ctx context.Context, name string) (*scene, error) {
	s := &scene{t: t}
	agent := func(name string) (c bridge.Caller, token string, err error) {
		if token, _, err = t.svc.NewAgent(ctx, name, false); err != nil {
			return c, "", err
		}
		c, err = t.svc.Authenticate(ctx, token, bridge.Origin{Instance: t.store.Instance(), Local: true})
		return c, token, err
	}
	var err error
	if s.doctor, _, err = agent(doctorName); err != nil {
		return nil, err
	}
	if s.hearer, s.token, err = agent(name); err != nil {
		return nil, errors.Join(err, t.svc.RevokeToken(ctx, s.doctor.Token()))
	}
	made, err := t.svc.Create(ctx, s.doctor, bridge.CreateRequest{
		Name: doctorName, Role: "doctor", Title: "agentbridge doctor tries a client", TTLMinutes: 5, Partners: []bridge.Partner{{Name: hearerName, Role: "listener"}},
	})
	if err == nil {
		s.id = made.Conversation
		_, err = t.svc.Join(ctx, s.hearer, bridge.JoinRequest{Code: made.Invites[0].Code})
	}
	if err != nil {
		s.strike(ctx)
		return nil, err
	}
	return s, nil
}

// strike ends the conversation and the tokens, and erases what was said.
func (s *scene) strike(ctx context.Context) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), farewell)
	defer cancel()
	if s.id != "" {
		s.drain(ctx, s.doctor)
		s.drain(ctx, s.hearer)
		if err := s.t.svc.Discard(ctx, s.id); err != nil {
			s.t.log.Warn("erase the doctor's conversation", "error", err)
		}
	}
	for _, c := range []bridge.Caller{s.doctor, s.hearer} {
		if err := s.t.svc.RevokeToken(ctx, c.Token()); err != nil {
			s.t.log.Warn("end the doctor's token", "error", err)
		}
	}
}

// drain reads everything, so that nothing is dead and nobody is told of it.
func (s *scene) drain(ctx context.Context, c bridge.Caller) {
	var last bridge.Receipt
	for range 10 {
		res, err := s.t.svc.Check(ctx, c, bridge.CheckRequest{Ack: last, Limit: 50})
		if err != nil || res.Receipt == "" {
			return
		}
		last = res.Receipt
	}
}

// farewell is how long cleaning up may take.
const farewell = 3 * time.Second

func (s *scene) send(ctx context.Context, text string) error {
	_, err := s.t.svc.Send(ctx, s.doctor, bridge.SendRequest{Conversation: s.id, Message: text})
	return err
}

// trip starts the client's server as the client would, and sends it a message that it must hear; then it tries the hooks.
func (pt *patient) trip(ctx context.Context, t *trial, dir, hooksOff string) {
	env := slices.Clone(pt.environ)
	if t.own != "" {
		env = append(env, variable("data")+"="+t.own, variable("store")+"="+t.conf.Store)
	}
	var s *scene
	if pt.server == "" {
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

// bearer looks at the token that the client gives its server, which the doctor's own takes the place of.
func (pt *patient) bearer(ctx context.Context, t *trial) bool {
	token := variableOf(pt.environ, tokenVariable)
	if token == "" || t.own != "" {
		return true
	}
	c, err := t.svc.Authenticate(ctx, token, bridge.Origin{Instance: t.store.Instance(), Local: true})
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
	cmd := exec.CommandContext(ctx, pt.path, args...)
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
