package bridge

import (
	"context"
	"fmt"
	"time"

	"agentbridge/internal/audit"
)

// UpdateTask does what the action says, and gives the task as it is then.
//
// Renew, complete, fail and release are the holder's. They need the token of the lease, and are [LeaseLost] once the lease is lost, also
// while nobody else has the task. Complete and fail are final; release opens the task again and leaves the result for the next holder, but
// a task whose attempts are spent fails. Cancel and assign are for orchestrators and whoever added the task; they take the lease from a
// holder. Assign does so unless the holder is who it is assigned to.
//
// The same call again gives the same answer and changes nothing more, so it is safe after [Unavailable]. Another end of what has ended is
// [Conflict].
func (s *Service) UpdateTask(ctx context.Context, c Caller, q UpdateTaskRequest) (res UpdateTaskResult, err error) {
	defer func() { err = s.refused(c, err) }()
	if err := checkUpdate(q); err != nil {
		return res, err
	}
	type cleaned struct {
		result   string
		redacted int
	}
	clean := func(key []byte) (in cleaned, err error) {
		in.result, in.redacted, err = s.door.take(key, "the result", q.Result, s.conf.MaxMessage)
		return in, err
	}
	look := early{len(q.Result), func(r *room) error { return r.foresee(q) }}
	res, err = inRoomOf(ctx, s, c, q.Conversation, look, clean, func(r *room, in cleaned) (res UpdateTaskResult, err error) {
		res.Redacted = in.redacted
		if res.Unread, err = unreadOf(r.tx, c); err != nil {
			return res, err
		}
		t, err := r.task(q.Task)
		if err != nil {
			return res, err
		}
		q := q // fn may run again
		q.Result = in.result
		if t, err = r.change(t, q, c); err != nil {
			return res, err
		}
		if res.Task, err = s.taskView(r.tx, t); err != nil {
			return res, err
		}
		return res, r.save()
	})
	if err == nil {
		s.seen(ctx, c)
	}
	return res, err
}

// checkUpdate refuses what fits no task.
func checkUpdate(q UpdateTaskRequest) error {
	switch q.Action {
	case CompleteTask, FailTask, ReleaseTask, CancelTask:
	case RenewTask, AssignTask:
		if q.Result != "" {
			return Errorf(Invalid, "%s takes no result", q.Action).WithHint("leave result out; send tells partners how it goes")
		}
	default:
		return Errorf(Invalid, "there is no such action").WithHint("choose renew, complete, fail, release, cancel or assign")
	}
	switch {
	case q.Task == "":
		return Errorf(Invalid, "no task is named").WithHint("pass the task_id")
	case q.AssignTo != "" && q.Action != AssignTask:
		return Errorf(Invalid, "assign_to is only for assign").WithHint("leave assign_to out, or choose the action assign")
	case q.LeaseToken <= 0 && q.Action != CancelTask && q.Action != AssignTask:
		return Errorf(Invalid, "lease_token is missing").WithHint("pass the lease_token that claim_task gave with the task; if it is lost, claim_task with the task_id gives it again")
	}
	return nil
}

// foresee refuses a change that comes with a text before the text is looked at. What has ended is for [room.change]: only the text
// says whether it is a repetition.
func (r *room) foresee(q UpdateTaskRequest) error {
	t, err := r.task(q.Task)
	if err != nil || t.State.Final() || t.Ended != "" {
		return err
	}
	if q.Action != CancelTask {
		if _, err := r.holds(t, q, "nothing ends so"); err != nil {
			return err
		}
	}
	if q.Action == CancelTask || q.Action == ReleaseTask {
		return r.spent(Change, func() (bool, error) { return false, nil })
	}
	return nil
}

// change does what the request says to a task.
func (r *room) change(t Task, q UpdateTaskRequest, c Caller) (Task, error) {
	if err := r.may(Worker, "update tasks"); err != nil {
		return t, err
	}
	if q.Action == CancelTask || q.Action == AssignTask {
		if r.by.Rank != "" { // who may add no tasks may not undo the seat's either
			if err := r.may(Peer, string(q.Action)+" tasks"); err != nil {
				return t, err
			}
		}
		if t.AddedBy != r.me.Name {
			if err := r.may(Orchestrator, string(q.Action)+" a task that another added"); err != nil {
				return t, AsError(err).WithHint("ask %s, who added it", t.AddedBy)
			}
		}
		if q.Action == CancelTask {
			return r.cancel(t, q.Result)
		}
		return r.assign(t, q.AssignTo)
	}
	end := audit.ContentHash(r.c.Key, "task end", string(q.Action), q.Result)
	if again, err := r.holds(t, q, end); err != nil || again {
		return t, err
	}
	if err := r.live(); err != nil {
		return t, err
	}
	switch q.Action {
	case RenewTask:
		return r.renew(t, c)
	case ReleaseTask:
		return r.release(t, q.Result, end)
	}
	// An end is not charged: there is one a claim, and what is done must not get lost because too much was said.
	return r.finish(t, q, end)
}

// holds refuses whoever does not hold the task by that token now. Again says that the lease was ended in just this way before.
func (r *room) holds(t Task, q UpdateTaskRequest, end string) (again bool, err error) {
	switch mine := t.Holder == r.me.Name && t.Agent == r.me.Agent; {
	case q.LeaseToken > r.c.LastFence:
		return false, Errorf(Invalid, "that lease_token was never given").WithHint("pass the lease_token that claim_task gave with the task")
	case q.LeaseToken != t.Fence:
		return false, r.overtaken(t, mine)
	case !mine:
		return false, Errorf(Denied, "the lease on task %s is %s's", t.ID, t.Holder).WithHint("only its holder can %s it; claim_task gives you work of your own", q.Action)
	case t.Ended == end:
		return true, nil
	case t.Ended != "":
		return false, Errorf(Conflict, "you ended your lease on task %s already, in another way: it is %s", t.ID, t.State).WithHint("an end cannot be changed; list_tasks shows it, send tells partners more")
	case t.State != TaskClaimed:
		return false, r.overtaken(t, mine)
	}
	why, err := r.s.leaseLost(r.tx, t.lease())
	if err != nil || why == "" {
		return false, err
	}
	return false, Errorf(LeaseLost, "your lease on task %s is lost: %s", t.ID, why).WithHint("claim_task with its task_id gives it to you again, if nobody was faster; stop working on it otherwise")
}

// overtaken says what became of a task whose lease is not the caller's any more.
func (r *room) overtaken(t Task, mine bool) error {
	what, hint := "", "stop working on it; claim_task gives you other work"
	switch {
	case t.State == TaskClaimed && mine:
		what, hint = "you claimed it again since", "use the lease_token of your newest claim_task"
	case t.State == TaskClaimed:
		what = t.Holder + " holds it now"
	case t.State == TaskOpen && t.AssignTo != "" && t.AssignTo != r.me.Name:
		what = "it is assigned to " + t.AssignTo + " now"
	case t.State == TaskOpen:
		what, hint = "it is open again", "claim_task with its task_id gives it to you again, if nobody was faster; stop working on it otherwise"
	default:
		what = "it " + endedAs[t.State]
	}
	return Errorf(LeaseLost, "your lease on task %s is lost: %s", t.ID, what).WithHint("%s", hint)
}

// renew makes a lease count from now. Leases have no entries.
func (r *room) renew(t Task, c Caller) (Task, error) {
	if err := r.charge(Change); err != nil {
		return t, err
	}
	t.LeasedAt, t.NudgedAt = r.now, time.Time{}
	if r.mayCarryOn(t.lease(), c) {
		t.Instance = c.binds()
	}
	return t, r.tx.PutTask(t)
}

// finish ends a task for good.
func (r *room) finish(t Task, q UpdateTaskRequest, end string) (Task, error) {
	t.State, t.ChangedAt, t.Result, t.Ended = TaskDone, r.now, q.Result, end
	if q.Action == FailTask {
		t.State = TaskFailed
	}
	if err := r.tx.PutTask(t); err != nil {
		return t, err
	}
	if err := r.record(r.me.Name, "task_"+string(q.Action), string(t.ID), leaseFacts(t, facts{"result": r.hash("result", t.Result)})); err != nil {
		return t, err
	}
	r.progress()
	if err := r.tellAdder(t, fmt.Sprintf("Task %s %s, says %s: list_tasks shows the result.", t.ID, endedAs[t.State], t.Holder)); err != nil {
		return t, err
	}
	return t, r.settle(t)
}

// release gives a task back, with a note for the next holder.
func (r *room) release(t Task, note, end string) (Task, error) {
	if err := r.charge(Change); err != nil {
		return t, err
	}
	t.Ended = end
	if note != "" {
		t.Result = note
	}
	if err := r.record(r.me.Name, "task_release", string(t.ID), leaseFacts(t, facts{"result": r.hash("result", note)})); err != nil {
		return t, err
	}
	r.progress()
	t, err := r.reopen(t, "its holder released it")
	if err != nil || t.State != TaskOpen || t.AssignTo == "" {
		return t, err
	}
	return t, r.tellAdder(t, fmt.Sprintf("%s released task %s, which is assigned to %s only: assign it to another, or to nobody, which is whoever is free.", r.me.Name, t.ID, t.AssignTo))
}

// cancel ends a task that is not wanted any more.
func (r *room) cancel(t Task, reason string) (Task, error) {
	switch {
	case t.State == TaskCancelled && (reason == "" || reason == t.Result):
		return t, nil
	case t.State.Final():
		return t, r.ended(t)
	}
	if err := r.live(); err != nil {
		return t, err
	}
	if err := r.charge(Change); err != nil {
		return t, err
	}
	held := t.State == TaskClaimed
	t.State, t.ChangedAt, t.Result = TaskCancelled, r.now, reason
	if err := r.tx.PutTask(t); err != nil {
		return t, err
	}
	if err := r.record(r.me.Name, "task_cancel", string(t.ID), leaseFacts(t, facts{"result": r.hash("result", reason)})); err != nil {
		return t, err
	}
	r.progress()
	text := fmt.Sprintf("Task %s was cancelled by %s.", t.ID, r.me.Name)
	if held {
		if err := r.tellHolder(t, text+" It is not yours any more: stop working on it."); err != nil {
			return t, err
		}
	}
	if !held || t.Holder != t.AddedBy {
		if err := r.tellAdder(t, text); err != nil {
			return t, err
		}
	}
	return t, r.settle(t)
}

// ended refuses to change what has ended.
func (r *room) ended(t Task) error {
	return Errorf(Conflict, "task %s has ended already: it %s", t.ID, endedAs[t.State]).WithHint("add a new task for what is still to be done")
}

// assign gives a task to a member by name, or to whoever is free.
func (r *room) assign(t Task, name string) (Task, error) {
	if t.State.Final() {
		return t, r.ended(t)
	}
	m, err := r.assignee(name)
	if err != nil {
		return t, err
	}
	if held := t.State == TaskClaimed && t.Holder != name; t.AssignTo == name && !held {
		return t, nil
	}
	if err := r.live(); err != nil {
		return t, err
	}
	if err := r.charge(Change); err != nil {
		return t, err
	}
	r.progress()
	return r.assignTo(t, m, r.me.Name)
}
