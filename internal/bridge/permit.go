package bridge

import (
	"context"
	"crypto/ed25519"
	"errors"
	"fmt"
	"path/filepath"
	"time"

	"agentbridge/internal/policy"
)

// longestPermit bounds how long commands may be asked for without a person enabling them anew.
const longestPermit = 24 * time.Hour

// A Signature is what a person's approval key makes of something. The key is the person's alone: it is unwrapped on their terminal, for
// this one signature, and no agent and no process of the bridge ever has it.
type Signature func(what []byte) ([]byte, error)

// EnableRequest lets the agents of a conversation ask for commands.
type EnableRequest struct {
	Conversation ConversationID
	Mode         policy.Mode
	Workspace    string        // an absolute path on this machine
	For          time.Duration // at most 24 h
	Auto         bool          // only in safe mode: what it allows needs nobody's yes
	InClient     bool          // a person's yes in the asking agent's program counts, too: see [Service.AnswerCommand]
	Key          ed25519.PublicKey
	Sign         Signature
}

// EnableCommands gives leave. The surface makes sure that it is a person: everything that it takes is read from a terminal. Leave that was
// there is replaced, and what was asked under it is denied.
func (s *Service) EnableCommands(ctx context.Context, q EnableRequest) (p Permit, err error) {
	switch {
	case q.Mode < policy.Safe || q.Mode > policy.Yolo:
		return p, Errorf(Invalid, "there is no such mode").WithHint("safe reads, restricted builds and tests, yolo is a shell")
	case !filepath.IsAbs(q.Workspace) || filepath.Clean(q.Workspace) != q.Workspace:
		return p, Errorf(Invalid, "the workspace is no absolute path").WithHint("name the directory that commands are to run in")
	case q.For <= 0 || q.For > longestPermit:
		return p, Errorf(Invalid, "the time is out of range").WithHint("choose up to %s, as in --for 1h", longestPermit)
	case q.Auto && q.Mode != policy.Safe:
		return p, Errorf(Invalid, "commands run without a yes of yours in safe mode alone").WithHint("leave --auto-approve out, or choose --mode safe")
	case len(q.Key) != ed25519.PublicKeySize || q.Sign == nil:
		return p, Errorf(Internal, "a permit needs a key")
	}
	var now time.Time
	err = s.store.View(ctx, func(tx Tx) error {
		now = tx.Now()
		_, err := s.open(tx, q.Conversation)
		return err
	})
	if err != nil {
		return p, err
	}
	now = now.Truncate(time.Second)
	p = Permit{Conversation: q.Conversation, Mode: q.Mode, Workspace: q.Workspace, Auto: q.Auto, InClient: q.InClient, Key: q.Key, From: now, Until: now.Add(q.For)}
	if p.Signature, err = q.Sign(p.approvable()); err != nil {
		return p, err
	}
	if !p.genuine() {
		return p, Errorf(Internal, "the permit is not signed by its key")
	}
	return p, s.inRoom(ctx, q.Conversation, func(r *room) error {
		if err := r.live(); err != nil {
			return err
		}
		if err := r.endPermit("replaced"); err != nil {
			return err
		}
		if err := r.tx.PutPermit(p); err != nil {
			return err
		}
		r.tx.Notify(Permits)
		f := facts{"mode": p.Mode.String(), "workspace": r.hash("workspace", p.Workspace), "until": stamp(p.Until), "auto": fmt.Sprint(p.Auto), "in_client": fmt.Sprint(p.InClient)}
		if err := r.record(PersonName, "commands_enable", string(r.c.ID), f); err != nil {
			return err
		}
		text := fmt.Sprintf("The person in charge lets you ask for commands until %s, in %s mode: the tool is run_command. Each is run once a person said yes to it.", stamp(p.Until), p.Mode)
		return r.announce(text, r.present()...)
	})
}

// genuine reports whether nobody changed what a permit says.
func (p Permit) genuine() bool {
	return len(p.Key) == ed25519.PublicKeySize && ed25519.Verify(p.Key, p.approvable(), p.Signature)
}

// DisableCommands ends leave at once. What waits is denied, and what runs is not: nobody knows how far it came.
func (s *Service) DisableCommands(ctx context.Context, id ConversationID) error {
	return s.inRoom(ctx, id, func(r *room) error {
		p, err := r.tx.Permit(id)
		if errors.Is(err, NotFound) || err == nil && !p.good(r.now) {
			return Errorf(NotFound, "commands are not enabled in %s", id).WithHint("agentbridge yolo status shows where they are")
		}
		if err != nil {
			return err
		}
		if err := r.endPermit("disabled"); err != nil {
			return err
		}
		if err := r.record(PersonName, "commands_disable", string(id), nil); err != nil {
			return err
		}
		return r.announce("The person in charge does not let you ask for commands any more.", r.present()...)
	})
}

// endPermit ends the permit there is, with what was asked under it and has not begun.
func (r *room) endPermit(why string) error {
	p, err := r.tx.Permit(r.c.ID)
	if errors.Is(err, NotFound) {
		return nil
	}
	if err != nil {
		return err
	}
	if p.EndedAt.IsZero() {
		p.EndedAt = r.now
		r.tx.Notify(Permits)
		if err := r.tx.PutPermit(p); err != nil {
			return err
		}
	}
	for _, state := range []CommandState{CommandWaiting, CommandApproved} {
		open, err := r.tx.Commands(state, 0)
		if err != nil {
			return err
		}
		for _, c := range open {
			if c.Conversation != r.c.ID {
				continue
			}
			c.Word = why
			if err := r.becomes(c, CommandDenied, PersonName, facts{"why": why}); err != nil {
				return err
			}
		}
	}
	return nil
}

// Permits are the leaves that are good now.
func (s *Service) Permits(ctx context.Context) (list []Permit, err error) {
	err = s.store.View(ctx, func(tx Tx) error {
		all, err := tx.Permits(tx.Now())
		list = nil
		for _, p := range all {
			if p.good(tx.Now()) {
				list = append(list, p)
			}
		}
		return err
	})
	return list, err
}

// WatchPermits gives a hint when an agent may ask for commands that could not before, or the other way round. That a permit's time is over
// is no change.
func (s *Service) WatchPermits(ctx context.Context) <-chan struct{} {
	return s.store.Watch(ctx, Permits)
}

// MayAskForCommands reports whether the caller sits in a conversation where commands are enabled.
func (s *Service) MayAskForCommands(ctx context.Context, c Caller) (may bool, err error) {
	err = s.store.View(ctx, func(tx Tx) error {
		may = false
		seats, err := seatsOf(tx, c)
		if err != nil {
			return err
		}
		for _, m := range seats {
			p, err := tx.Permit(m.Conversation)
			if err != nil && !errors.Is(err, NotFound) {
				return err
			}
			may = may || err == nil && p.good(tx.Now())
		}
		return nil
	})
	return may, err
}
