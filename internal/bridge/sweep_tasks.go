package bridge

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"time"
)

// sweepLeases takes back the tasks whose leases are lost, and tells holders when two thirds of a lease are over.
func (s *Service) sweepLeases(ctx context.Context, rep *SweepReport) error {
	var lost, late []ConversationID
	err := s.store.View(ctx, func(tx Tx) error {
		lost, late = nil, nil
		leases, err := tx.Leases("")
		if err != nil || len(leases) == 0 {
			return err
		}
		seen := remember(tx)
		in, err := watching(seen)
		if err != nil {
			return err
		}
		for _, l := range leases { // by conversation
			if slices.Contains(lost[max(0, len(lost)-1):], l.Conversation) {
				continue // looked at as a whole
			}
			why, err := s.leaseLost(seen, l)
			switch {
			case err != nil:
				return err
			case why != "":
				lost = append(lost, l.Conversation)
			case nudgeDue(l, in, tx.Now()) && !slices.Contains(late[max(0, len(late)-1):], l.Conversation):
				late = append(late, l.Conversation)
			}
		}
		for _, ids := range []*[]ConversationID{&lost, &late} {
			if *ids, err = stillOpen(tx, *ids); err != nil {
				return err
			}
		}
		return nil
	})
	for _, id := range lost {
		err = errors.Join(err, s.sweepRoom(ctx, id, rep, (*room).lapseLost))
	}
	for _, id := range late {
		err = errors.Join(err, s.sweepRoom(ctx, id, rep, (*room).nudge))
	}
	return err
}

// stillOpen leaves those conversations that are open: in others nothing can be done about a lease.
func stillOpen(tx Tx, ids []ConversationID) (open []ConversationID, err error) {
	for _, id := range ids {
		c, err := tx.Conversation(id)
		if err != nil {
			return nil, err
		}
		if phase(c, tx.Now()) == Open {
			open = append(open, id)
		}
	}
	return open, nil
}

// nudgeDue reports whether two thirds of a lease are over and its holder was not told so; claiming and renewing forget that it was.
func nudgeDue(l Lease, in watched, now time.Time) bool {
	return l.NudgedAt.IsZero() && now.Sub(in.counted(l.LeasedAt, now)) >= l.For-l.For/3
}

// nudge tells holders which of their leases end soon, each in one message. Only their own call keeps a lease, so this is the last
// they hear before it is lost.
func (r *room) nudge() (did SweepReport, err error) {
	if r.live() != nil {
		return did, nil
	}
	in, err := watching(r.tx)
	if err != nil {
		return did, err
	}
	leases, err := r.tx.Leases(r.c.ID)
	if err != nil {
		return did, err
	}
	ending := map[string][]string{} // by holder
	for _, l := range leases {
		if !nudgeDue(l, in, r.now) {
			continue
		}
		if why, err := r.s.leaseLost(r.tx, l); err != nil {
			return did, err
		} else if why != "" {
			continue // the next pass takes it back
		}
		t, err := r.tx.Task(l.Conversation, l.Task)
		if err != nil {
			return did, err
		}
		t.NudgedAt = r.now
		if err := r.tx.PutTask(t); err != nil {
			return did, err
		}
		left := in.counted(l.LeasedAt, r.now).Add(l.For).Sub(r.now)
		ending[l.Holder] = append(ending[l.Holder], fmt.Sprintf("%s in %s", l.Task, plain(left.Round(time.Second))))
		did.Nudged++
	}
	for _, holder := range slices.Sorted(maps.Keys(ending)) {
		text := fmt.Sprintf("Your lease ends soon: %s. If you are still at it, update_task with the action renew keeps it; otherwise release, complete or fail it. "+
			"What is not renewed goes to somebody else.", list(ending[holder], 10))
		if err := r.announce(text, holder); err != nil {
			return did, err
		}
	}
	return did, nil
}

// endLeases opens the claimed tasks of a conversation that is over: nobody will end them, and nothing under way is left of it.
func (r *room) endLeases() error {
	leases, err := r.tx.Leases(r.c.ID)
	if err != nil {
		return err
	}
	for _, l := range leases {
		t, err := r.tx.Task(l.Conversation, l.Task)
		if err != nil {
			return err
		}
		t.State, t.ChangedAt = TaskOpen, r.now
		if err := r.tx.PutTask(t); err != nil {
			return err
		}
		if err := r.record(ProgramName, "task_lapse", string(t.ID), leaseFacts(t, facts{"why": "its conversation was over"})); err != nil {
			return err
		}
	}
	return nil
}

// memory is a view that reads once what judging leases and seats reads again and again: ten leases of one agent cost little more than
// one.
type memory struct {
	Tx
	meta     map[string]remembered[[]byte]
	members  map[seat]remembered[Member]
	presence map[AgentID]remembered[[]Presence]
}

type remembered[T any] struct {
	value T
	err   error
}

// remember is for views only: it does not see writes.
func remember(tx Tx) *memory {
	return &memory{tx, map[string]remembered[[]byte]{}, map[seat]remembered[Member]{}, map[AgentID]remembered[[]Presence]{}}
}

func recall[K comparable, T any](known map[K]remembered[T], key K, read func() (T, error)) (T, error) {
	r, ok := known[key]
	if !ok {
		r.value, r.err = read()
		known[key] = r
	}
	return r.value, r.err
}

func (m *memory) Meta(key string) ([]byte, error) {
	return recall(m.meta, key, func() ([]byte, error) { return m.Tx.Meta(key) })
}

func (m *memory) Member(id ConversationID, name string) (Member, error) {
	return recall(m.members, seat{id, name}, func() (Member, error) { return m.Tx.Member(id, name) })
}

func (m *memory) Presence(agent AgentID) ([]Presence, error) {
	return recall(m.presence, agent, func() ([]Presence, error) { return m.Tx.Presence(agent) })
}
