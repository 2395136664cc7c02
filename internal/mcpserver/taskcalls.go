package mcpserver

import (
	"context"
	"fmt"
	"strings"
	"time"

	"agentbridge/internal/bridge"
)

func (s *Server) addTask(ctx context.Context, c *call) (result, error) {
	q := bridge.AddTaskRequest{
		Conversation: c.conversation(), Title: c.text("title"), Detail: c.text("detail"), AssignTo: c.text("assign_to"),
		Priority: c.number("priority"), After: taskIDs(c.texts("after")), Files: c.texts("files_involved"), Key: c.text("key"),
	}
	if reassign, ok := c.arguments["reassign"].(bool); ok {
		q.Reassign = &reassign
	}
	if c.given("lease_minutes") {
		minutes := c.number("lease_minutes")
		q.LeaseMinutes = &minutes
	}
	res, err := s.svc.AddTask(ctx, c.caller, q)
	if err != nil {
		return result{}, err
	}
	var b strings.Builder
	fmt.Fprintf(&b, "Added as %s.", res.Task)
	if res.Duplicate {
		b.WriteString(" It was there already: this key was used before.")
	}
	masked(&b, res.Redacted)
	overlaps(&b, res.Overlap)
	return result{shape: &res, text: b.String() + unread(res.Unread)}, nil
}

// claimTask gets work, waiting for some. Its answer holds the claim: a client that does not get the answer does not hold the task.
func (s *Server) claimTask(ctx context.Context, c *call) (result, error) {
	q := bridge.ClaimTaskRequest{Conversation: c.conversation(), Task: bridge.TaskID(c.text("task_id"))}
	res, left, err := wait(ctx, waiting{c, c.seconds(waitArgument)}, func(ctx context.Context, atMost time.Duration) (bridge.ClaimTaskResult, error) {
		q.Wait = atMost
		return s.svc.ClaimTask(ctx, c.caller, q)
	})
	if left {
		res = bridge.ClaimTaskResult{}
		res.Unread, err = s.svc.Unread(ctx, c.caller)
	}
	if err != nil {
		return result{}, err
	}
	if res.Again { // whatever becomes of the answer that gave it first, it has it now
		s.answers.used(c.line, res.Task.ID, res.LeaseToken)
	} else if res.Task != nil {
		if err := s.hold(c, held{claim: claim{res.Task.Conversation, res.Task.ID, res.LeaseToken}}); err != nil {
			return result{}, err
		}
	}
	return result{shape: &res, text: claimText(res), nothing: res.Task == nil}, nil
}

// awaitTask waits for what a claim would give.
func (s *Server) awaitTask(ctx context.Context, c *call, atMost time.Duration) (bool, error) {
	return s.svc.AwaitTask(ctx, c.caller, bridge.ClaimTaskRequest{Conversation: c.conversation(), Task: bridge.TaskID(c.text("task_id")), Wait: atMost})
}

func (s *Server) updateTask(ctx context.Context, c *call) (result, error) {
	q := bridge.UpdateTaskRequest{
		Conversation: c.conversation(), Task: bridge.TaskID(c.text("task_id")), Action: bridge.TaskAction(c.text("action")),
		LeaseToken: int64(c.number("lease_token")), Result: c.text("result"), AssignTo: c.text("assign_to"),
	}
	s.answers.used(c.line, q.Task, q.LeaseToken)
	res, err := s.svc.UpdateTask(ctx, c.caller, q)
	if err != nil {
		return result{}, err
	}
	var b strings.Builder
	b.WriteString(facts(res.Task) + ".")
	masked(&b, res.Redacted)
	return result{shape: &res, text: b.String() + unread(res.Unread)}, nil
}

func (s *Server) listTasks(ctx context.Context, c *call) (result, error) {
	res, err := s.svc.ListTasks(ctx, c.caller, bridge.ListTasksRequest{
		Conversation: c.conversation(), State: bridge.TaskState(c.text("state")), Limit: c.number("limit"), Cursor: c.text("cursor"),
	})
	if err != nil {
		return result{}, err
	}
	var b strings.Builder
	if len(res.Tasks) == 0 {
		b.WriteString("No tasks.\n")
	}
	for _, t := range res.Tasks {
		t.Detail = "" // for who claims it
		fmt.Fprintf(&b, "%s\n%s\n", facts(t), bridge.FrameTask(t))
	}
	if res.Cursor != "" {
		fmt.Fprintf(&b, "There are more: cursor %s\n", res.Cursor)
	}
	return result{shape: &res, text: strings.TrimSuffix(b.String(), "\n") + unread(res.Unread)}, nil
}

func claimText(res bridge.ClaimTaskResult) string {
	if res.Task == nil {
		return "No task is ready. Call claim_task again to go on waiting." + unread(res.Unread)
	}
	var b strings.Builder
	fmt.Fprintf(&b, "%s, lease_token %d.", facts(*res.Task), res.LeaseToken)
	overlaps(&b, res.Overlap)
	fmt.Fprintf(&b, "\n%s", bridge.FrameTask(*res.Task))
	return b.String() + unread(res.Unread)
}

// facts is what the bridge itself knows of a task: nothing in it was written by an agent.
func facts(t bridge.TaskView) string {
	var b strings.Builder
	fmt.Fprintf(&b, "%s %s %s", t.ID, t.Conversation, t.State)
	switch {
	case t.State == bridge.TaskClaimed && t.LeaseExpiresAt != nil:
		fmt.Fprintf(&b, " by %s until %s", t.Holder, clock(*t.LeaseExpiresAt))
	case t.State == bridge.TaskOpen && t.AssignTo != "":
		fmt.Fprintf(&b, " for %s", t.AssignTo)
	case t.State == bridge.TaskDone:
		fmt.Fprintf(&b, " by %s", t.Holder)
	case t.State.Final() && t.Holder != "":
		fmt.Fprintf(&b, ", last held by %s", t.Holder)
	}
	for i, blocker := range t.BlockedBy {
		b.WriteString([]string{"; waits for ", ", "}[min(i, 1)])
		fmt.Fprintf(&b, "%s (%s)", blocker.Task, blocker.State)
	}
	return b.String()
}

func taskIDs(texts []string) (ids []bridge.TaskID) {
	for _, t := range texts {
		ids = append(ids, bridge.TaskID(t))
	}
	return ids
}
