package cli

import (
	"context"
	"errors"
	"os"
	"time"

	"agentbridge/internal/bridge"
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
	if _, err := os.Stat(path); err == nil || conf.onPostgres() {
		if o, err := p.openAt(ctx, conf, existing); err == nil {
			return &trial{opened: o}, nil
		}
	}
	dir, err := os.MkdirTemp("", "agentbridge-doctor-")
	if err != nil {
		return nil, bridge.Errorf(bridge.Denied, "try clients: %w", err).WithHint("set TMPDIR to a directory that can be written")
	}
	own := *conf
	own.Data, own.Store = dir, ownStore(dir)
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
