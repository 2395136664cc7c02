package postgres

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
		INSERT INTO tasks (`+taskColumns+`) VALUES
			($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17, $18, $19, $20, $21, $22, $23, $24, $25, $26, $27)`,
		string(k.Conversation), k.N, string(k.ID), k.Title, int64(k.Priority), int64(k.Blockers), k.AssignTo, flag(k.Reassign),
		k.Lease.Microseconds(), k.AddedBy, micros(k.AddedAt), k.Digest, int64(k.Redacted), string(k.State), micros(k.ChangedAt),
		int64(k.Attempts), k.Ended, k.Holder, string(k.Agent), string(k.Instance), k.Fence, micros(k.LeasedAt), micros(k.NudgedAt),
		list(k.Files), list(k.After), k.Detail, k.Result)
	for _, after := range k.After {
		if err == nil {
			err = t.exec("add a task", `INSERT INTO task_after (conversation, after, n) VALUES ($1, $2, $3) ON CONFLICT DO NOTHING`,
				string(k.Conversation), string(after), k.N)
		}
	}
	return err
}

func (t *tx) PutTask(k bridge.Task) error {
	return t.put("put a task", `
		UPDATE tasks SET title = $1, priority = $2, blockers = $3, assign_to = $4, reassign = $5, lease = $6, added_by = $7, added_at = $8,
			digest = $9, redacted = $10, state = $11, changed_at = $12, attempts = $13, ended = $14, holder = $15, agent = $16, instance = $17,
			fence = $18, leased_at = $19, nudged_at = $20, files = $21, detail = $22, result = $23
		WHERE conversation = $24 AND id = $25`,
		k.Title, int64(k.Priority), int64(k.Blockers), k.AssignTo, flag(k.Reassign), k.Lease.Microseconds(), k.AddedBy, micros(k.AddedAt),
		k.Digest, int64(k.Redacted), string(k.State), micros(k.ChangedAt), int64(k.Attempts), k.Ended, k.Holder, string(k.Agent),
		string(k.Instance), k.Fence, micros(k.LeasedAt), micros(k.NudgedAt), list(k.Files), k.Detail, k.Result,
		string(k.Conversation), string(k.ID))
}

func (t *tx) Task(id bridge.ConversationID, task bridge.TaskID) (bridge.Task, error) {
	return one(t, "read a task", scanTask, `SELECT `+taskColumns+` FROM tasks WHERE conversation = $1 AND id = $2`, string(id), string(task))
}

func (t *tx) Tasks(id bridge.ConversationID, state bridge.TaskState, after int64, limit int) ([]bridge.Task, error) {
	if state == "" {
		return many(t, "list tasks", scanTask, `SELECT `+taskColumns+` FROM tasks WHERE conversation = $1 AND n > $2 ORDER BY n LIMIT $3`,
			string(id), after, atMost(limit))
	}
	return many(t, "list tasks", scanTask, `
		SELECT `+taskColumns+` FROM tasks WHERE conversation = $1 AND state = $2 AND n > $3 ORDER BY n LIMIT $4`,
		string(id), string(state), after, atMost(limit))
}

// Ready looks in two places of the index, for what is assigned to the member and what is to nobody, and merges them: it reads no more
// than limit tasks of each. The two have nothing in common, not even where the member has no name.
func (t *tx) Ready(id bridge.ConversationID, member string, limit int) ([]bridge.Task, error) {
	const ready = `(SELECT ` + taskColumns + ` FROM tasks WHERE state = 'open' AND blockers = 0 AND conversation = $1`
	const best = ` ORDER BY priority DESC, n LIMIT $3)`
	return many(t, "list ready tasks", scanTask, ready+` AND assign_to = ''`+best+`
		UNION ALL `+ready+` AND assign_to = $2 AND assign_to <> ''`+best+`
		ORDER BY priority DESC, n LIMIT $3`,
		string(id), member, atMost(limit))
}

func (t *tx) Assigned(id bridge.ConversationID, member string) ([]bridge.Task, error) {
	return many(t, "list assigned tasks", scanTask, `
		SELECT `+taskColumns+` FROM tasks
		WHERE conversation = $1 AND assign_to = $2 AND state = 'open' AND assign_to <> '' ORDER BY n`, string(id), member)
}

func (t *tx) Movable(id bridge.ConversationID, member string, limit int) ([]bridge.Task, error) {
	return many(t, "list movable tasks", scanTask, `
		SELECT `+taskColumns+` FROM tasks
		WHERE conversation = $1 AND assign_to = $2 AND state = 'open' AND assign_to <> '' AND reassign <> 0 ORDER BY n LIMIT $3`,
		string(id), member, atMost(limit))
}

func (t *tx) Dependents(id bridge.ConversationID, task bridge.TaskID) ([]bridge.Task, error) {
	return many(t, "list dependent tasks", scanTask, `
		SELECT `+qualified("k", taskColumns)+` FROM task_after a JOIN tasks k ON k.conversation = a.conversation AND k.n = a.n
		WHERE a.conversation = $1 AND a.after = $2 ORDER BY a.n`, string(id), string(task))
}

func (t *tx) Leases(id bridge.ConversationID) ([]bridge.Lease, error) {
	const leases = `SELECT conversation, id, holder, agent, instance, leased_at, lease, nudged_at FROM tasks
		WHERE state = 'claimed'`
	if id == "" {
		return many(t, "list leases", scanLease, leases+` ORDER BY conversation, n`)
	}
	return many(t, "list leases", scanLease, leases+` AND conversation = $1 ORDER BY n`, string(id))
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
		`SELECT state, count(*) FROM tasks WHERE conversation = $1 GROUP BY state`, string(id))
	return counts, err
}
