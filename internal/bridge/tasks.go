package bridge

import (
	"cmp"
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"agentbridge/internal/audit"
)

// Bounds of a task. Its title is bounded as a conversation's is, its detail as a message.
const (
	maxPriority  = 1_000_000 // either way
	maxAfter     = 50
	maxTaskLease = 24 * time.Hour
)

// AddTask adds a task, its charge and its audit entry together, and answers when they are on disk. Whoever it is assigned to is told;
// whoever may claim it and waits for work wakes up.
//
// A request without a key gets one before the first try. After [Unavailable] the caller may add the same with the same key again: there
// is one task, and Duplicate says that it was there.
func (s *Service) AddTask(ctx context.Context, c Caller, q AddTaskRequest) (res AddTaskResult, err error) {
	defer func() { err = s.refused(c, err) }()
	given := q.Key != ""
	if err := checkAdd(&q); err != nil {
		return res, err
	}
	look := early{textBytes(q.Files, q.Title, q.Detail), func(r *room) error {
		return r.spent(Change, func() (bool, error) {
			_, err := r.tx.Task(r.c.ID, taskID(r.c.Key, r.me, q.Key))
			return found(err)
		})
	}}
	clean := func(key []byte) (Task, error) { return s.cleanTask(key, q) }
	res, err = inRoomOf(ctx, s, c, q.Conversation, look, clean, func(r *room, t Task) (AddTaskResult, error) {
		unread, err := unreadOf(r.tx, c)
		if err != nil {
			return AddTaskResult{}, err
		}
		res, err := r.add(t, q.Key)
		res.Unread = unread
		return res, err
	})
	err = unknown(err, q.Key, given)
	if err == nil {
		s.seen(ctx, c)
	}
	return res, err
}

// checkAdd refuses what no conversation could take, and completes the request.
func checkAdd(q *AddTaskRequest) error {
	if q.Key == "" {
		q.Key = rand.Text()
	}
	if err := cmp.Or(checkFiles(q.Files), checkKey(q.Key)); err != nil {
		return err
	}
	q.After = slices.Clone(q.After)
	slices.Sort(q.After)
	q.After = slices.Compact(q.After)
	switch minutes := q.LeaseMinutes; {
	case q.Priority > maxPriority || q.Priority < -maxPriority:
		return Errorf(Invalid, "priority is out of range").WithHint("choose -%d to %d; higher goes first, and 0 is usual", maxPriority, maxPriority)
	case len(q.After) > maxAfter:
		return Errorf(Invalid, "after names %d tasks, and %d are allowed", len(q.After), maxAfter).WithHint("add a task that comes after some of them, and name that one")
	case minutes != nil && (*minutes < 1 || *minutes > int(maxTaskLease.Minutes())):
		return Errorf(Invalid, "lease_minutes is out of range").
			WithHint("choose 1 to %d, or leave it out; whoever works longer renews the lease", int(maxTaskLease.Minutes()))
	}
	return nil
}

// cleanTask lets a task's texts in.
func (s *Service) cleanTask(key []byte, q AddTaskRequest) (t Task, err error) {
	t = Task{
		AssignTo: q.AssignTo, Reassign: q.Reassign == nil || *q.Reassign, Priority: q.Priority, After: q.After, Lease: s.conf.TaskLease,
	}
	if q.LeaseMinutes != nil {
		t.Lease = time.Duration(*q.LeaseMinutes) * time.Minute
	}
	var titled, detailed, filed int
	if t.Title, titled, err = s.door.take(key, "the title", q.Title, maxTitle); err != nil {
		return t, err
	}
	switch {
	case strings.TrimSpace(t.Title) == "":
		return t, Errorf(Invalid, "the task has no title").WithHint("say in title what is to be done")
	case strings.Contains(t.Title, "\n"):
		return t, Errorf(Invalid, "the title has more than one line").WithHint("put all but the first into detail")
	}
	if t.Detail, detailed, err = s.door.take(key, "the detail", q.Detail, s.conf.MaxMessage); err != nil {
		return t, err
	}
	if t.Files, filed, err = s.cleanFiles(key, q.Files); err != nil {
		return t, err
	}
	t.Redacted = titled + detailed + filed
	// Over the masked texts, as a message's, and over what was asked: a default that changed makes no other task.
	parts := []string{"task", t.Title, t.Detail, t.AssignTo, strconv.FormatBool(t.Reassign), strconv.Itoa(t.Priority), fmt.Sprint(t.After), "default"}
	if q.LeaseMinutes != nil {
		parts[len(parts)-1] = t.Lease.String()
	}
	t.Digest = audit.ContentHash(key, append(parts, t.Files...)...)
	return t, nil
}

// taskID is the same for the same adder and key, as a message's is.
func taskID(key []byte, adder Member, idempotency string) TaskID {
	return TaskID("task_" + audit.ContentHash(key, "task id", adder.Name, string(adder.Agent), idempotency)[:16])
}

// add stores a task of the seat me. It is the only way a task comes into being.
func (r *room) add(t Task, key string) (res AddTaskResult, err error) {
	t.ID, t.Conversation = taskID(r.c.Key, r.me, key), r.c.ID
	if slices.Contains(t.After, t.ID) {
		return res, Errorf(Invalid, "task %s would come after itself, which is a cycle", t.ID).WithHint("leave it out of after")
	}
	if old, err := r.tx.Task(r.c.ID, t.ID); err == nil {
		return r.addedAlready(old, t)
	} else if !errors.Is(err, NotFound) {
		return res, err
	}
	if err := cmp.Or(r.live(), r.running(), r.may(Peer, "add tasks")); err != nil {
		return res, err
	}
	assignee, err := r.assignee(t.AssignTo)
	if err != nil {
		return res, err
	}
	if t.Blockers, err = r.blockers(t.After); err != nil {
		return res, err
	}
	if err := r.charge(Change); err != nil {
		return res, err
	}
	overlap, err := r.overlap(t.Files)
	if err != nil {
		return res, err
	}
	r.c.LastTask++
	t.N, t.AddedBy, t.AddedAt, t.State, t.ChangedAt = r.c.LastTask, r.me.Name, r.now, TaskOpen, r.now
	if err := r.tx.AddTask(t); err != nil {
		return res, err
	}
	f := facts{"to": t.AssignTo, "content": t.Digest, "after": spaced(t.After)}
	if t.Redacted > 0 {
		f["redacted"] = strconv.Itoa(t.Redacted)
	}
	if err := r.record(r.me.Name, "task_add", string(t.ID), f); err != nil {
		return res, err
	}
	r.call(t)
	r.progress()
	if err := r.tellAssignee(t, assignee); err != nil {
		return res, err
	}
	return AddTaskResult{Conversation: r.c.ID, Task: t.ID, Redacted: t.Redacted, Overlap: overlap}, r.save()
}

// addedAlready answers a retry as its first try was answered, or refuses other content under its key.
func (r *room) addedAlready(old, t Task) (res AddTaskResult, err error) {
	if old.Digest != t.Digest {
		return res, Errorf(Conflict, "the key was used for another task (%s)", old.ID).WithHint("use a new key for a new task; repeat a key only to retry the same add_task")
	}
	return AddTaskResult{Conversation: r.c.ID, Task: old.ID, Redacted: old.Redacted, Duplicate: true}, nil
}

// assignee finds the seat that a task is to be assigned to; none for no name. It need not be taken yet.
func (r *room) assignee(name string) (Member, error) {
	if name == "" {
		return Member{}, nil
	}
	m, ok := r.member(name)
	switch {
	case !ok:
		return m, Errorf(NotFound, "there is no member %s in %s; nothing was done", r.s.quote(name), r.c.ID).
			WithHint("assign to %s, or to nobody, which is whoever is free", strings.Join(r.workers(), ", "))
	case rights[m.Rank] < rights[Worker]:
		return m, Errorf(Invalid, "%s is an observer and cannot do tasks", name).
			WithHint("assign to %s, or to nobody, which is whoever is free", strings.Join(r.workers(), ", "))
	}
	return m, nil
}

// workers are the names of those who may do tasks, once they have joined.
func (r *room) workers() (names []string) {
	for _, m := range r.all {
		if m.RevokedAt.IsZero() && rights[m.Rank] >= rights[Worker] {
			names = append(names, m.Name)
		}
	}
	return names
}

// blockers counts those of the tasks that are not done. Tasks can only come after tasks that are there, so there are no cycles.
func (r *room) blockers(after []TaskID) (n int, err error) {
	for _, id := range after {
		t, err := findTask(r.tx, r.c.ID, id)
		switch {
		case errors.Is(err, NotFound):
			return 0, Errorf(NotFound, "after names a task that is not in %s; nothing was added", r.c.ID).
				WithHint("a task can only come after tasks that were added before, in the same conversation; list_tasks shows them")
		case err != nil:
			return 0, err
		case t.State == TaskFailed || t.State == TaskCancelled:
			return 0, Errorf(Conflict, "task %s is %s, so what comes after it could never begin", id, t.State).WithHint("add that one anew first, or leave it out of after")
		case t.State != TaskDone:
			n++
		}
	}
	return n, nil
}

// task reads a task, for somebody who may have its id from anywhere.
func (r *room) task(id TaskID) (Task, error) {
	t, err := findTask(r.tx, r.c.ID, id)
	if errors.Is(err, NotFound) {
		return t, noTask(r.c.ID)
	}
	return t, err
}

// findTask asks the store only for what could be an id: it may be anything.
func findTask(tx Tx, in ConversationID, id TaskID) (Task, error) {
	if strings.Trim(string(id), nameAlphabet) != "" {
		return Task{}, NotFound
	}
	return tx.Task(in, id)
}

// noTask does not show what was asked for: nobody checked what it is.
func noTask(id ConversationID) error {
	where := "in your conversations"
	if id != "" {
		where = "in " + string(id)
	}
	return Errorf(NotFound, "there is no such task %s", where).WithHint("pass a task_id as add_task or list_tasks gave it")
}

// spaced is a list as an entry holds it.
func spaced(ids []TaskID) string {
	var b strings.Builder
	for i, id := range ids {
		if i > 0 {
			b.WriteByte(' ')
		}
		b.WriteString(string(id))
	}
	return b.String()
}
