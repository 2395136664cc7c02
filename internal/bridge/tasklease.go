package bridge

import (
	"cmp"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"time"
)

// leaseLost is the one function that judges a lease: it says why it is lost, or nothing while it holds. Time counts only while somebody
// was watching. It judges what it sees now: an agent that was silent and is back before anybody looked has kept what it held.
func (s *Service) leaseLost(tx Tx, l Lease) (why string, err error) {
	in, err := watching(tx)
	if err != nil {
		return "", err
	}
	now := tx.Now()
	if now.Sub(in.counted(l.LeasedAt, now)) >= l.For {
		return "its time was over", nil
	}
	m, err := tx.Member(l.Conversation, l.Holder)
	switch {
	case err != nil && !errors.Is(err, NotFound):
		return "", err
	case err != nil || !m.Present() || m.Agent != l.Agent:
		return "its holder was revoked", nil
	case l.Instance.bearer() == "":
		return "", nil // a shell's command: that it ended means nothing
	}
	all, err := tx.Presence(l.Agent)
	switch {
	case err != nil:
		return "", err
	case s.dead(l.Instance) && !s.mayCome(all, l.Instance, in, now):
		return "its holder's process had ended", nil
	case unheard(now, in, s.best(all), s.conf):
		return "its holder had fallen silent", nil
	}
	return "", nil
}

// mayCome reports whether an instance ended in order so lately that its client may be starting it anew.
func (s *Service) mayCome(all []Presence, instance Instance, in watched, now time.Time) bool {
	return slices.ContainsFunc(all, func(p Presence) bool {
		return p.Instance == instance && !p.EndedAt.IsZero() && now.Sub(in.counted(p.EndedAt, now)) < s.conf.SilentAfter
	})
}

// lapseLost takes back the tasks of this conversation whose leases are lost. It tells how many are open again, how many of them were
// given to others, and how many failed.
func (r *room) lapseLost() (did SweepReport, err error) {
	leases, err := r.tx.Leases(r.c.ID)
	if err != nil {
		return did, err
	}
	var lapsed []Task
	for _, l := range leases {
		why, err := r.s.leaseLost(r.tx, l)
		if err != nil {
			return did, err
		}
		if why == "" {
			continue
		}
		t, err := r.tx.Task(l.Conversation, l.Task)
		if err != nil {
			return did, err
		}
		if t, err = r.lapse(t, why); err != nil {
			return did, err
		}
		if t.State == TaskFailed {
			did.Failed++
			continue
		}
		did.Reopened++
		lapsed = append(lapsed, t)
	}
	var tasks fates
	err = r.passOn(lapsed, &tasks)
	did.Reassigned = tasks.moved()
	return did, err
}

// lapse takes a claimed task from a holder that lost its lease: it is open again or, after its last attempt, failed. Its holder is told.
func (r *room) lapse(t Task, why string) (Task, error) {
	if err := r.record(ProgramName, "task_lapse", string(t.ID), leaseFacts(t, facts{"why": why})); err != nil {
		return t, err
	}
	t, err := r.reopen(t, why)
	if err != nil {
		return t, err
	}
	return t, r.tellHolder(t, fmt.Sprintf("Your lease on task %s is lost: %s. It is %s now, and nothing can be done with the old lease_token.", t.ID, why, t.State))
}

// reopen makes a claimed task open again, or failed where its attempts are spent. Everything that gives a task back ends here.
func (r *room) reopen(t Task, why string) (Task, error) {
	t.State, t.ChangedAt = TaskOpen, r.now
	if t.Attempts < r.s.conf.TaskAttempts {
		r.call(t)
		return t, r.tx.PutTask(t)
	}
	left := t.Result
	t.State, t.Result = TaskFailed, fmt.Sprintf("Given up by the bridge after %d attempts; the last ended because %s.", t.Attempts, why)
	if left != "" {
		t.Result += " The last holder left: " + left
	}
	if err := r.tx.PutTask(t); err != nil {
		return t, err
	}
	if err := r.record(ProgramName, "task_fail", string(t.ID), leaseFacts(t, facts{"why": "attempts", "result": r.hash("result", t.Result)})); err != nil {
		return t, err
	}
	if err := r.settle(t); err != nil {
		return t, err
	}
	text := fmt.Sprintf("Task %s failed: it was claimed %d times and never ended; the last time because %s.", t.ID, t.Attempts, why)
	if !slices.Contains(r.alarmed(AlertTaskFailed, t.Holder), t.AddedBy) { // who hears the alert needs no second message
		if err := r.tellAdder(t, text); err != nil {
			return t, err
		}
	}
	return t, r.alert(AlertTaskFailed, t.Holder, t.ID, text)
}

// assignTo gives a task to a seat, or to whoever is free where that is the zero seat. It takes it from a holder that is not who it is
// given to. Both are told.
func (r *room) assignTo(t Task, m Member, actor string) (Task, error) {
	f := facts{"to": m.Name, "from": t.AssignTo}
	taken := t.State == TaskClaimed && t.Holder != m.Name
	if taken {
		f = leaseFacts(t, f)
		t.State, t.ChangedAt = TaskOpen, r.now
	}
	t.AssignTo = m.Name
	if err := r.tx.PutTask(t); err != nil {
		return t, err
	}
	if err := r.record(actor, "task_assign", string(t.ID), f); err != nil {
		return t, err
	}
	r.call(t)
	if taken {
		text := fmt.Sprintf("Task %s is not yours any more: %s assigned it to %s. Stop working on it.", t.ID, actor, cmp.Or(m.Name, "whoever is free"))
		if err := r.tellHolder(t, text); err != nil {
			return t, err
		}
	}
	return t, r.tellAssignee(t, m)
}

// settle does for the others what follows from the end of a task: those that come after it lose a blocker, or can never begin.
func (r *room) settle(t Task) error {
	after, err := r.tx.Dependents(r.c.ID, t.ID)
	if err != nil {
		return err
	}
	stuck := map[string][]string{} // by adder
	for _, d := range after {
		switch {
		case d.State.Final():
		case t.State != TaskDone:
			stuck[d.AddedBy] = append(stuck[d.AddedBy], string(d.ID))
		default:
			d.Blockers--
			if err := r.tx.PutTask(d); err != nil {
				return err
			}
			if err := r.unblocked(d); err != nil {
				return err
			}
		}
	}
	return r.tellStuck(t, stuck)
}

// unblocked wakes and tells those who waited for a task to become ready.
func (r *room) unblocked(t Task) error {
	if t.Blockers > 0 {
		return nil
	}
	r.call(t)
	if t.AssignTo == "" || t.AssignTo == r.me.Name {
		return nil
	}
	return r.announce(fmt.Sprintf("Task %s, which is assigned to you, can be claimed now: what it waited for is done.", t.ID), t.AssignTo)
}

// call wakes everybody who waits for work and may claim this task, if it can be claimed.
func (r *room) call(t Task) {
	if t.State != TaskOpen || t.Blockers > 0 {
		return
	}
	for _, m := range r.all {
		if m.Present() && rights[m.Rank] >= rights[Worker] && (t.AssignTo == "" || t.AssignTo == m.Name) {
			r.tx.Notify(Work(m.Agent))
		}
	}
}

// leaseFacts are what an entry holds of a task's newest lease.
func leaseFacts(t Task, f facts) facts {
	f["holder"], f["fence"], f["attempts"] = t.Holder, strconv.FormatInt(t.Fence, 10), strconv.Itoa(t.Attempts)
	return f
}
