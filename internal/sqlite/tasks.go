package sqlite

import (
	"time"

	"agentbridge/internal/bridge"
)

const taskColumns = `conversation, n, id, title, priority, blockers, assign_to, reassign, lease, added_by, added_at, digest, redacted,
	state, changed_at, attempts, ended, holder, agent, instance, fence, leased_at, nudged_at, files, after, detail, result`

func scanTask(r *row) bridge.Task {
	return bridge.Task{
		Conversation: bridge.ConversationID(r.text()),
		N:            r.int(),
		ID:           bridge.TaskID(r.text()),
		Title:        r.text(),
		Priority:     int(r.int()),
		Blockers:     int(r.int()),
		AssignTo:     r.text(),
		Reassign:     r.bool(),
		Lease:        time.Duration(r.int()) * time.Microsecond,
		AddedBy:      r.text(),
		AddedAt:      r.time(),
		Digest:       r.text(),
		Redacted:     int(r.int()),
		State:        bridge.TaskState(r.text()),
		ChangedAt:    r.time(),
		Attempts:     int(r.int()),
		Ended:        r.text(),
		Holder:       r.text(),
		Agent:        bridge.AgentID(r.text()),
		Instance:     bridge.Instance(r.text()),
		Fence:        r.int(),
		LeasedAt:     r.time(),
		NudgedAt:     r.time(),
		Files:        scanList[string](r),
		After:        scanList[bridge.TaskID](r),
		Detail:       r.text(),
		Result:       r.text(),
	}
}

func (t *tx) AddTask(k bridge.Task) error {
	err := t.add("add a task", `
		INSERT INTO tasks (`+taskColumns+`) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)
		ON CONFLICT DO NOTHING`,
		string(k.Conversation), k.N, string(k.ID), k.Title, int64(k.Priority), int64(k.Blockers), k.AssignTo, flag(k.Reassign),
		k.Lease.Microseconds(), k.AddedBy, micros(k.AddedAt), k.Digest, int64(k.Redacted), string(k.State), micros(k.ChangedAt),
		int64(k.Attempts), k.Ended, k.Holder, string(k.Agent), string(k.Instance), k.Fence, micros(k.LeasedAt), micros(k.NudgedAt),
		list(k.Files), list(k.After), k.Detail, k.Result)
	for _, after := range k.After {
		if err == nil {
			err = t.exec("add a task", `INSERT INTO task_after (conversation, after, n) VALUES (?, ?, ?) ON CONFLICT DO NOTHING`,
				string(k.Conversation), string(after), k.N)
		}
	}
	return err
}

func (t *tx) PutTask(k bridge.Task) error {
	n, err := t.change("put a task", `
		UPDATE tasks SET title = ?, priority = ?, blockers = ?, assign_to = ?, reassign = ?, lease = ?, added_by = ?, added_at = ?, digest = ?,
			redacted = ?, state = ?, changed_at = ?, attempts = ?, ended = ?, holder = ?, agent = ?, instance = ?, fence = ?, leased_at = ?,
			nudged_at = ?, files = ?, detail = ?, result = ?
		WHERE conversation = ? AND id = ?`,
		k.Title, int64(k.Priority), int64(k.Blockers), k.AssignTo, flag(k.Reassign), k.Lease.Microseconds(), k.AddedBy, micros(k.AddedAt),
		k.Digest, int64(k.Redacted), string(k.State), micros(k.ChangedAt), int64(k.Attempts), k.Ended, k.Holder, string(k.Agent),
		string(k.Instance), k.Fence, micros(k.LeasedAt), micros(k.NudgedAt), list(k.Files), k.Detail, k.Result,
		string(k.Conversation), string(k.ID))
	if err == nil && n == 0 {
		return bridge.Errorf(bridge.NotFound, "put a task: there is none")
	}
	return err
}

func (t *tx) Task(id bridge.ConversationID, task bridge.TaskID) (bridge.Task, error) {
	return one(t, "read a task", scanTask, `SELECT `+taskColumns+` FROM tasks WHERE conversation = ? AND id = ?`, string(id), string(task))
}

func (t *tx) Tasks(id bridge.ConversationID, state bridge.TaskState, after int64, limit int) ([]bridge.Task, error) {
	if state == "" {
		return many(t, "list tasks", scanTask, `SELECT `+taskColumns+` FROM tasks WHERE conversation = ? AND n > ? ORDER BY n LIMIT +?`,
			string(id), after, atMost(limit))
	}
	return many(t, "list tasks", scanTask, `
		SELECT `+taskColumns+` FROM tasks INDEXED BY tasks_by_state WHERE conversation = ? AND state = ? AND n > ? ORDER BY n LIMIT +?`,
		string(id), string(state), after, atMost(limit))
}

// Ready looks in two places of the index, for what is assigned to the member and what is to nobody, and merges them: it reads no more
// than limit tasks of each. The two have nothing in common, not even where the member has no name.
func (t *tx) Ready(id bridge.ConversationID, member string, limit int) ([]bridge.Task, error) {
	const ready = `SELECT ` + taskColumns + ` FROM tasks INDEXED BY tasks_ready WHERE state = 'open' AND blockers = 0 AND conversation = ?`
	return many(t, "list ready tasks", scanTask, ready+` AND assign_to = ''
		UNION ALL `+ready+` AND assign_to = ? AND assign_to <> ''
		ORDER BY priority DESC, n LIMIT +?`,
		string(id), string(id), member, atMost(limit))
}

func (t *tx) Assigned(id bridge.ConversationID, member string) ([]bridge.Task, error) {
	return many(t, "list assigned tasks", scanTask, `
		SELECT `+taskColumns+` FROM tasks INDEXED BY tasks_assigned
		WHERE conversation = ? AND assign_to = ? AND state = 'open' AND assign_to <> '' ORDER BY n`, string(id), member)
}

func (t *tx) Movable(id bridge.ConversationID, member string, limit int) ([]bridge.Task, error) {
	return many(t, "list movable tasks", scanTask, `
		SELECT `+taskColumns+` FROM tasks INDEXED BY tasks_assigned
		WHERE conversation = ? AND assign_to = ? AND state = 'open' AND assign_to <> '' AND reassign ORDER BY n LIMIT +?`,
		string(id), member, atMost(limit))
}

func (t *tx) Dependents(id bridge.ConversationID, task bridge.TaskID) ([]bridge.Task, error) {
	return many(t, "list dependent tasks", scanTask, `
		SELECT `+qualified("k", taskColumns)+` FROM task_after a CROSS JOIN tasks k ON k.conversation = a.conversation AND k.n = a.n
		WHERE a.conversation = ? AND a.after = ? ORDER BY a.n`, string(id), string(task))
}

func (t *tx) Leases(id bridge.ConversationID) ([]bridge.Lease, error) {
	const leases = `SELECT conversation, id, holder, agent, instance, leased_at, lease, nudged_at FROM tasks INDEXED BY tasks_claimed
		WHERE state = 'claimed'`
	if id == "" {
		return many(t, "list leases", scanLease, leases+` ORDER BY conversation, n`)
	}
	return many(t, "list leases", scanLease, leases+` AND conversation = ? ORDER BY n`, string(id))
}

func scanLease(r *row) bridge.Lease {
	return bridge.Lease{
		Conversation: bridge.ConversationID(r.text()),
		Task:         bridge.TaskID(r.text()),
		Holder:       r.text(),
		Agent:        bridge.AgentID(r.text()),
		Instance:     bridge.Instance(r.text()),
		LeasedAt:     r.time(),
		For:          time.Duration(r.int()) * time.Microsecond,
		NudgedAt:     r.time(),
	}
}

func (t *tx) CountTasks(id bridge.ConversationID) (map[bridge.TaskState]int, error) {
	counts := map[bridge.TaskState]int{}
	err := t.query("count tasks", func(r *row) { counts[bridge.TaskState(r.text())] = int(r.int()) },
		`SELECT state, count(*) FROM tasks INDEXED BY tasks_by_state WHERE conversation = ? GROUP BY state`, string(id))
	return counts, err
}
