package workload

import (
	"context"

	"agentbridge/internal/bridge"
)

// The tools for tasks, as an agent's model calls them. What is zero is left out of the call.

// AddTask adds a task.
func (p *Player) AddTask(ctx context.Context, q bridge.AddTaskRequest) (res bridge.AddTaskResult, err error) {
	a := arguments{}
	put(a, "conversation_id", q.Conversation)
	put(a, "title", q.Title)
	put(a, "detail", q.Detail)
	put(a, "assign_to", q.AssignTo)
	put(a, "key", q.Key)
	if q.Reassign != nil {
		a["reassign"] = *q.Reassign
	}
	if q.Priority != 0 {
		a["priority"] = q.Priority
	}
	if len(q.After) > 0 {
		a["after"] = q.After
	}
	if len(q.Files) > 0 {
		a["files_involved"] = q.Files
	}
	if q.LeaseMinutes != nil {
		a["lease_minutes"] = *q.LeaseMinutes
	}
	err = p.Call(ctx, "add_task", a, &res)
	return res, err
}

// ClaimTask claims a task, waiting for one.
func (p *Player) ClaimTask(ctx context.Context, q bridge.ClaimTaskRequest) (res bridge.ClaimTaskResult, err error) {
	a := arguments{}
	put(a, "conversation_id", q.Conversation)
	put(a, "task_id", q.Task)
	if q.Wait > 0 {
		a["wait_seconds"] = int(q.Wait.Seconds())
	}
	err = p.Call(ctx, "claim_task", a, &res)
	return res, err
}

// UpdateTask changes a task.
func (p *Player) UpdateTask(ctx context.Context, q bridge.UpdateTaskRequest) (res bridge.UpdateTaskResult, err error) {
	a := arguments{}
	put(a, "conversation_id", q.Conversation)
	put(a, "task_id", q.Task)
	put(a, "action", q.Action)
	put(a, "result", q.Result)
	put(a, "assign_to", q.AssignTo)
	if q.LeaseToken != 0 {
		a["lease_token"] = q.LeaseToken
	}
	err = p.Call(ctx, "update_task", a, &res)
	return res, err
}

// AllTasks lists a conversation's tasks, all pages of them.
func (p *Player) AllTasks(ctx context.Context, id bridge.ConversationID) (all []bridge.TaskView, err error) {
	for cursor := ""; ; {
		a := arguments{"limit": 100}
		put(a, "conversation_id", id)
		put(a, "cursor", cursor)
		var page bridge.ListTasksResult
		if err := p.Call(ctx, "list_tasks", a, &page); err != nil {
			return nil, err
		}
		all = append(all, page.Tasks...)
		if cursor = page.Cursor; cursor == "" {
			return all, nil
		}
	}
}

// arguments are a call's.
type arguments map[string]any

// put adds a text that is not empty.
func put[T ~string](a arguments, name string, text T) {
	if text != "" {
		a[name] = text
	}
}
