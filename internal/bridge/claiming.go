package bridge

import (
	"cmp"
	"context"
	"errors"
	"strings"
	"sync/atomic"
	"time"
)

// claimIn claims a task of one conversation: the one that is named, or the best that is ready; none if nothing is.
func (s *Service) claimIn(ctx context.Context, c Caller, id ConversationID, task TaskID) (res ClaimTaskResult, err error) {
	// What the last try claimed. Where nobody knows whether it was committed, it may have been.
	var tried atomic.Pointer[Task]
	claim := func(tx Tx) (res ClaimTaskResult, err error) {
		tried.Store(nil)
		res, fresh, err := s.claim(tx, c, id, task)
		tried.Store(fresh)
		return res, err
	}
	// Whoever waits for it may go; whether it was claimed must be known all the same, to give it back.
	lasting := context.WithoutCancel(ctx)
	for {
		res, err = commit(lasting, s.store.Update, InConversation(id), claim)
		if !errors.Is(err, errLeaseLapsed) {
			break
		}
		if err := s.takeBackLost(ctx, id); err != nil { // it has entries of its own, so it is an update of its own
			return ClaimTaskResult{}, err
		}
	}
	if err == nil {
		err = ctx.Err()
	}
	if err == nil {
		return res, nil
	}
	if fresh := tried.Load(); fresh != nil {
		s.undoClaim(ctx, c, *fresh, err)
	}
	return ClaimTaskResult{}, err
}

// errLeaseLapsed says that the task that was asked for is held by a lease that is lost, and must come back first.
var errLeaseLapsed = errors.New("the task's lease is lost")

// claim leases a task to the caller's instance in one transaction. Fresh is the task if it was not the caller's before.
func (s *Service) claim(tx Tx, c Caller, id ConversationID, task TaskID) (res ClaimTaskResult, fresh *Task, err error) {
	r, err := s.enter(tx, c, id)
	if err != nil {
		return res, nil, err
	}
	if res.Unread, err = unreadOf(tx, c); err != nil {
		return res, nil, err
	}
	t, err := r.pick(c, task)
	if err != nil || t.ID == "" {
		return res, nil, err
	}
	if res.Overlap, err = r.overlap(t.Files); err != nil {
		return res, nil, err
	}
	if res.Again = t.State == TaskClaimed; res.Again {
		t, err = r.carryOn(t, c)
	} else {
		t, err = r.lend(t, c)
		fresh = &t
	}
	if err != nil {
		return res, nil, err
	}
	v, err := s.taskView(tx, t)
	if err != nil {
		return res, nil, err
	}
	res.Task, res.LeaseToken = &v, t.Fence
	return res, fresh, r.save()
}

// pick finds the task to be claimed: the one that is named, which may be the caller's already, or the best that is ready.
func (r *room) pick(c Caller, task TaskID) (Task, error) {
	if task != "" {
		t, err := r.task(task)
		if err != nil {
			return t, err
		}
		return t, r.available(c, t)
	}
	if err := r.mayClaim(); err != nil {
		return Task{}, err
	}
	ready, err := r.tx.Ready(r.c.ID, r.me.Name, 1)
	if err != nil || len(ready) == 0 {
		return Task{}, err
	}
	return ready[0], nil
}

// available refuses a claim of a task that the caller cannot have now: with [notYet] where that can pass.
func (r *room) available(c Caller, t Task) error {
	if err := r.may(Worker, "claim tasks"); err != nil {
		return err
	}
	if t.State == TaskClaimed {
		why, err := r.s.leaseLost(r.tx, t.lease())
		switch {
		case err != nil:
			return err
		case why != "":
			return cmp.Or(r.mayClaim(), errLeaseLapsed)
		case t.Agent == c.cred.agent && r.mayCarryOn(t.lease(), c):
			return nil
		}
	}
	if err := r.mayClaim(); err != nil {
		return err
	}
	switch {
	case t.State.Final():
		return Errorf(Conflict, "task %s has ended: it %s", t.ID, endedAs[t.State]).WithHint("claim_task without task_id gives what is ready; list_tasks shows what there is")
	case t.State == TaskClaimed:
		return notYet{Errorf(Conflict, "task %s is held by %s", t.ID, t.Holder).
			WithHint("its lease ends at %s if it is not renewed; wait with wait_seconds, or claim_task without task_id", stamp(t.LeasedAt.Add(t.Lease)))}
	case t.AssignTo != "" && t.AssignTo != r.me.Name:
		return notYet{Errorf(Denied, "task %s is assigned to %s", t.ID, t.AssignTo).WithHint("claim_task without task_id gives what you may have; %s can assign it to you", t.AddedBy)}
	case t.Blockers > 0:
		return r.blocked(t)
	}
	return nil
}

// blocked says what a task waits for.
func (r *room) blocked(t Task) error {
	list, err := blockedBy(r.tx, t)
	if err != nil {
		return err
	}
	if first := list[0]; first.State.Final() {
		return Errorf(Conflict, "task %s waits for task %s, which %s", t.ID, first.Task, endedAs[first.State]).WithHint("it can never begin: %s can cancel it or add it anew", t.AddedBy)
	}
	var ids []string
	for _, b := range list {
		ids = append(ids, string(b.Task))
	}
	return notYet{Errorf(Conflict, "task %s waits for %s", t.ID, strings.Join(ids, ", ")).WithHint("wait with wait_seconds, or claim_task without task_id")}
}

// binds is what must live for a lease of this caller to hold: nothing where its process ends with the call.
func (c Caller) binds() Instance {
	if c.Passing {
		return ""
	}
	return c.Instance
}

// mayCarryOn reports whether the caller may carry on with a lease of its agent: it is its own already, a shell's, or that of a process that
// ended in order.
func (r *room) mayCarryOn(l Lease, c Caller) bool {
	holder := l.Instance.bearer()
	return holder == "" || holder == c.binds() || r.s.dead(holder)
}

// carryOn binds a lease of the caller's agent to the caller's instance, under the same token.
func (r *room) carryOn(t Task, c Caller) (Task, error) {
	if t.Instance.bearer() == c.binds() || !r.mayCarryOn(t.lease(), c) {
		return t, nil
	}
	t.Instance = c.binds()
	return t, r.tx.PutTask(t)
}

// lend gives the caller a lease on an open task, under a new token.
func (r *room) lend(t Task, c Caller) (Task, error) {
	if r.c.LastFence == 0 || !seeded(bugSameToken) {
		r.c.LastFence++
	}
	t.State, t.ChangedAt, t.Ended = TaskClaimed, r.now, ""
	t.Attempts++
	t.Holder, t.Agent, t.Instance, t.Fence, t.LeasedAt, t.NudgedAt = r.me.Name, r.me.Agent, c.taker(c.binds()), r.c.LastFence, r.now, time.Time{}
	lent := t
	if seeded(bugTwoHolders) {
		lent.State = TaskOpen
	}
	if err := r.tx.PutTask(lent); err != nil {
		return t, err
	}
	r.progress()
	return t, r.record(r.me.Name, "task_claim", string(t.ID), leaseFacts(t, facts{}))
}

// UnclaimTask gives a claim back whose answer did not reach the client, as if it had never been made. Only a claim that was not
// [ClaimTaskResult.Again] is given back. Giving back what has ended, or is another's by now, does nothing.
func (s *Service) UnclaimTask(ctx context.Context, c Caller, id ConversationID, task TaskID, leaseToken int64) error {
	return s.unclaim(ctx, c, id, task, leaseToken, time.Time{})
}

// unclaim gives back a claim of the caller's instance: of that token and, where it is given, of that time. The time is for claims of
// which nobody knows whether they were committed: another may have got the token.
func (s *Service) unclaim(ctx context.Context, c Caller, id ConversationID, task TaskID, token int64, at time.Time) error {
	return s.store.Update(ctx, InConversation(id), func(tx Tx) error {
		r, err := s.enter(tx, c, id)
		if err != nil {
			return err
		}
		t, err := r.task(task)
		if err != nil {
			return err
		}
		mine := t.State == TaskClaimed && t.Fence == token && t.Agent == c.cred.agent && c.speaksFor(t.Instance, c.binds())
		if !mine || !at.IsZero() && !at.Equal(t.LeasedAt) {
			return nil
		}
		if err := r.unclaim(t); err != nil {
			return err
		}
		return r.save()
	})
}

// unclaim opens a task again as if it had never been claimed.
func (r *room) unclaim(t Task) error {
	t.State, t.ChangedAt = TaskOpen, r.now
	t.Attempts--
	if err := r.tx.PutTask(t); err != nil {
		return err
	}
	r.call(t)
	return r.record(ProgramName, "task_unclaim", string(t.ID), leaseFacts(t, facts{}))
}

// undoClaim gives back at once what a claim took, or may have taken, before it failed. As with a batch, what may have been committed
// all the same, or cannot be given back now, is given back before the instance's next claim.
func (s *Service) undoClaim(ctx context.Context, c Caller, t Task, failed error) {
	if err := s.unclaim(context.WithoutCancel(ctx), c, t.Conversation, t.ID, t.Fence, t.LeasedAt); err != nil || errors.Is(failed, Unavailable) {
		s.mu.Lock()
		defer s.mu.Unlock()
		s.unclaimed[c.Instance] = append(s.unclaimed[c.Instance], t)
	}
}

// redoUnclaim gives back what an earlier claim of the instance could not.
func (s *Service) redoUnclaim(ctx context.Context, c Caller) error {
	s.mu.Lock()
	tasks := s.unclaimed[c.Instance]
	delete(s.unclaimed, c.Instance)
	s.mu.Unlock()
	for i, t := range tasks {
		// Where the caller has no seat any more, the revocation opened its tasks.
		if err := s.unclaim(ctx, c, t.Conversation, t.ID, t.Fence, t.LeasedAt); err != nil && !errors.Is(err, NotFound) && !errors.Is(err, Denied) {
			s.mu.Lock()
			defer s.mu.Unlock()
			s.unclaimed[c.Instance] = append(s.unclaimed[c.Instance], tasks[i:]...)
			return err
		}
	}
	return nil
}
