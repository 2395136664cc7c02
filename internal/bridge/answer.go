package bridge

import (
	"bytes"
	"context"
	"errors"
	"time"
)

const clientLabel = "approved in the client"

// CommandAnswer is what a person said to a command in the program of the agent that asked for it.
type CommandAnswer struct {
	Conversation ConversationID
	ID           CommandID
	Yes          bool
}

// AnswerCommand takes a person's answer that came through the program of the agent that asked, and through no terminal: nobody can prove
// that it was not the program itself. So a no always counts, and a yes only where the person who enabled commands said that it should
// ([EnableRequest.InClient]); elsewhere it is [Denied]. A command is answered once: everything after that is [Conflict].
func (s *Service) AnswerCommand(ctx context.Context, c Caller, q CommandAnswer) (v CommandView, err error) {
	defer func() { err = s.refused(c, err) }()
	ring := s.ring()
	nothing := func([]byte) (struct{}, error) { return struct{}{}, nil }
	return inRoomOf(ctx, s, c, q.Conversation, early{}, nothing, func(r *room, _ struct{}) (v CommandView, err error) {
		k, err := r.standing(q.ID, CommandWaiting)
		if err != nil {
			return v, err
		}
		if k.Agent != r.me.Agent {
			return v, Errorf(Denied, "command %s was asked for by %s", k.ID, k.Member).WithHint("only the one that asked is asked about it")
		}
		state, f := CommandDenied, facts{"by": clientLabel}
		if q.Yes {
			p, err := r.permit()
			switch {
			case err != nil:
				return v, err
			case !p.InClient:
				return v, Errorf(Denied, "a yes counts on a terminal alone").WithHint("the person in charge runs: agentbridge approve %s", k.ID)
			case k.Mode != p.Mode || k.Workspace != p.Workspace:
				return v, Errorf(Conflict, "command %s was asked for under another permit", k.ID).WithHint("ask again")
			}
			state, k.Approval = CommandApproved, ring.inClient(k)
		} else {
			k.Word = "a person said no"
		}
		if err := r.becomes(k, state, PersonName, f); err != nil {
			return v, err
		}
		r.tx.Notify(Commands)
		k.State = state
		return k.View(), r.save()
	})
}

// inClient is the approval of a command that was answered in the client: a tag under the ring's current key, so that who can write to the
// store alone cannot make one.
func (k *KeyRing) inClient(c Command) []byte {
	id := k.current()
	tag, _ := k.tag(id, clientLabel, string(c.approvable()))
	return append([]byte(id+" "), tag...)
}

func (k *KeyRing) approvedInClient(c Command, now time.Time) bool {
	id, tag, ok := bytes.Cut(c.Approval, []byte(" "))
	return ok && k.holds(string(id), now) && k.matches(tag, string(id), clientLabel, string(c.approvable()))
}

// served is how long after a runner showed last its permit counts as served.
const served = 3 * RunnerBeat

// RunnerBeat is how often a runner calls [Service.ServePermits].
const RunnerBeat = 15 * time.Second

// ServePermits notes that this process runs the commands of the good permits that are its own, and says how many they are. Where nobody
// serves a permit, commands are refused at once instead of waiting for nothing. The runner calls it each [RunnerBeat].
func (s *Service) ServePermits(ctx context.Context, mine func(Permit) bool) (n int, err error) {
	all, err := s.Permits(ctx)
	for _, p := range all {
		if !mine(p) {
			continue
		}
		n++
		err = errors.Join(err, s.inRoom(ctx, p.Conversation, func(r *room) error {
			now, err := r.tx.Permit(r.c.ID)
			if err != nil || !now.good(r.now) || !mine(now) {
				return err
			}
			now.ServedAt = r.now
			return r.tx.PutPermit(now)
		}))
	}
	return n, err
}

// Served reports whether a process runs the commands of the permit, as far as is known then.
func (p Permit) Served(now time.Time) bool { return now.Sub(p.ServedAt) < served }
