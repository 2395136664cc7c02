package bridge

import (
	"cmp"
	"context"
	"errors"
	"slices"
	"time"
)

// ClaimTask gives the caller a lease on a task: on the one that is named, or on the best that is ready in its open conversations, which
// is the one with the highest priority, and the oldest of those. It waits for one as long as it may; without a name it gives no task then,
// with one it tells why not. Two callers never hold the same task, and the token of a later lease is always greater.
//
// Claiming what the caller's instance holds already gives the same lease again, and Again says so. So where an answer got lost, the same
// call with the task's id is safe. A lease that is lost is found here too: nobody needs to sweep for it.
//
// When ctx is cancelled, or nobody knows whether it was committed, ClaimTask gives back what it had taken.
func (s *Service) ClaimTask(ctx context.Context, c Caller, q ClaimTaskRequest) (res ClaimTaskResult, err error) {
	defer func() { err = s.refused(c, err) }()
	if q.Wait < 0 || q.Wait > maxWait {
		return res, Errorf(Invalid, "wait_seconds is out of range").WithHint("choose 0 to %d, and call again to wait longer", int(maxWait.Seconds()))
	}
	if err := s.begin(ctx, c, Read); err != nil {
		return res, err
	}
	if err := s.redoUnclaim(ctx, c); err != nil {
		return res, err
	}
	if q.Task != "" {
		if q.Conversation, err = s.whereIs(ctx, c, q); err != nil {
			return res, err
		}
	}
	// Watch first, then look: a task that comes in between must not be missed.
	watching, stop := context.WithCancel(ctx)
	defer stop()
	var hint <-chan struct{}
	if q.Wait > 0 {
		hint = s.store.Watch(watching, q.topic(c))
	}
	timeout := time.NewTimer(q.Wait)
	defer timeout.Stop()
	for last := q.Wait == 0; ; {
		res, err = s.claimNow(ctx, c, q)
		later, wait := errors.AsType[notYet](err)
		switch {
		case last && wait:
			return res, later.error
		case last || !wait && (err != nil || res.Task != nil):
			return res, err
		}
		select {
		case <-hint:
		case <-timeout.C:
			last = true // and look once more: a lease that is over wakes nobody
		case <-ctx.Done():
			return ClaimTaskResult{}, ctx.Err()
		}
	}
}

// topic is what a claim waits for: work of any kind, or whatever may happen to the one task.
func (q ClaimTaskRequest) topic(c Caller) Topic {
	if q.Task != "" {
		return Feed(q.Conversation)
	}
	return Work(c.cred.agent)
}

// notYet is a refusal that can pass: whoever has time waits, and looks again.
type notYet struct{ error }

func (n notYet) Unwrap() error { return n.error }

// whereIs finds the conversation of the task that a claim names, among the caller's.
func (s *Service) whereIs(ctx context.Context, c Caller, q ClaimTaskRequest) (at ConversationID, err error) {
	err = s.store.View(ctx, func(tx Tx) error {
		seats, err := s.rooms(tx, c, q.Conversation)
		if err != nil {
			return err
		}
		for _, r := range seats {
			_, err := findTask(tx, r.c.ID, q.Task)
			if err == nil {
				at = r.c.ID
				return nil
			}
			if !errors.Is(err, NotFound) {
				return err
			}
		}
		return noTask(q.Conversation)
	})
	return at, err
}

// rooms are the caller's conversations: the one named, or all that can still be read.
func (s *Service) rooms(tx Tx, c Caller, id ConversationID) ([]*room, error) {
	ids, err := s.mine(tx, c, id)
	if err != nil {
		return nil, err
	}
	list := make([]*room, len(ids))
	for i, id := range ids {
		if list[i], err = s.enter(tx, c, id); err != nil {
			return nil, err
		}
	}
	return list, nil
}

// claimNow claims what the request asks for, if it can be had now.
func (s *Service) claimNow(ctx context.Context, c Caller, q ClaimTaskRequest) (res ClaimTaskResult, err error) {
	if q.Task != "" {
		return s.claimIn(ctx, c, q.Conversation, q.Task)
	}
	for {
		found, err := s.openings(ctx, c, q.Conversation)
		if err != nil || len(found.ready)+len(found.lapsed) == 0 {
			return ClaimTaskResult{Unread: found.unread}, err
		}
		for _, id := range found.lapsed {
			if err := s.takeBackLost(ctx, id); err != nil {
				return res, err
			}
		}
		for _, id := range found.ready {
			if res, err = s.claimIn(ctx, c, id, ""); err != nil || res.Task != nil {
				return res, err
			}
		}
		// What lapsed is open again, or another was faster: look again.
	}
}

// openings is where a caller may find work.
type openings struct {
	ready  []ConversationID // where a task is ready for it, the best first
	lapsed []ConversationID // where somebody lost a lease; looked for only where nothing is ready
	unread int
}

// openings finds where there is work for the caller, in one of its conversations or in all, and changes nothing. Where it may claim in
// none of them, it says why not.
func (s *Service) openings(ctx context.Context, c Caller, in ConversationID) (found openings, err error) {
	err = s.store.View(ctx, func(tx Tx) error {
		found = openings{}
		all, err := s.rooms(tx, c, in)
		if err != nil {
			return err
		}
		if all, err = whereToClaim(all); err != nil {
			return err
		}
		if found.ready, err = readyIn(tx, all); err != nil {
			return err
		}
		if len(found.ready) == 0 {
			if found.lapsed, err = s.lapsedIn(tx, all); err != nil {
				return err
			}
		}
		found.unread, err = unreadOf(tx, c)
		return err
	})
	return found, err
}

// whereToClaim keeps the conversations in which the caller may claim. If there are none it says why not.
func whereToClaim(all []*room) (open []*room, err error) {
	err = Errorf(Invalid, "you are in no conversation").WithHint("create_conversation makes one, join_conversation takes an invite")
	for _, r := range slices.Backward(all) {
		if no := r.mayClaim(); no != nil {
			err = no
		} else {
			open = append(open, r)
		}
	}
	if len(open) > 0 {
		return open, nil
	}
	return nil, err
}

// mayClaim refuses a seat that can claim nothing here now.
func (r *room) mayClaim() error {
	return cmp.Or(r.live(), r.running(), r.may(Worker, "claim tasks"))
}

// readyIn finds the conversations that have a task ready for the caller, the one with the best first.
func readyIn(tx Tx, all []*room) (ids []ConversationID, err error) {
	var best []Task
	for _, r := range all {
		first, err := tx.Ready(r.c.ID, r.me.Name, 1)
		if err != nil {
			return nil, err
		}
		best = append(best, first...)
	}
	slices.SortStableFunc(best, func(a, b Task) int {
		return cmp.Or(cmp.Compare(b.Priority, a.Priority), a.AddedAt.Compare(b.AddedAt))
	})
	for _, t := range best {
		ids = append(ids, t.Conversation)
	}
	return ids, nil
}

// lapsedIn finds the conversations in which somebody lost a lease.
func (s *Service) lapsedIn(tx Tx, all []*room) (ids []ConversationID, err error) {
	seen := remember(tx)
	for _, r := range all {
		leases, err := tx.Leases(r.c.ID)
		if err != nil {
			return nil, err
		}
		for _, l := range leases {
			why, err := s.leaseLost(seen, l)
			if err != nil {
				return nil, err
			}
			if why != "" {
				ids = append(ids, r.c.ID)
				break
			}
		}
	}
	return ids, nil
}

// takeBackLost takes back what is held in a conversation by leases that are lost.
func (s *Service) takeBackLost(ctx context.Context, id ConversationID) error {
	return s.inRoom(ctx, id, func(r *room) error {
		_, err := r.lapseLost()
		return err
	})
}
