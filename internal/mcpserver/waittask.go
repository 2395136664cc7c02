package mcpserver

import (
	"context"
	"errors"
	"math/rand/v2"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/modelcontextprotocol/go-sdk/mcp"

	"agentbridge/internal/bridge"
)

// tasksExtension is the name of SEP-2663. Where a client keeps MCP tasks, a call that has to wait is one: it returns at once, the client's
// program asks for the result from time to time, and the result wakes the model. The task only waits. What it waits for is acked, leased
// or claimed within the request that the result answers, so a task that nobody asks about holds nothing.
//
// Nothing of a task is kept here but how it ended: its id holds the call, sealed for the caller's agent. So tasks need no bounds, and one
// lives on when its process is started anew or another hub is asked.
const tasksExtension = "io.modelcontextprotocol/tasks"

const (
	taskPurpose = "wait"
	taskTTL     = 24 * time.Hour
	// A poll answers as soon as there is a result, and otherwise when it waited so long; the client asks again after the pause.
	taskHold  = 2 * time.Second
	taskPause = 500 * time.Millisecond
	// maxTaskID is the longest id, in bytes, that Claude Code 2.1.330 takes for one [tried].
	maxTaskID = 128
)

// waitTask is a call that waits as a task: what its id holds.
type waitTask struct {
	mark         string // of the tool
	created      time.Time
	wait         time.Duration
	nonce        uint32 // no two calls are one task
	limit        int
	conversation string
	task         string
}

// taskOfCall is the task that a call becomes.
func taskOfCall(c *call) waitTask {
	return waitTask{
		mark: c.tool.mark, created: time.Now().UTC().Truncate(time.Millisecond), wait: c.seconds(waitArgument), nonce: rand.Uint32(),
		limit: c.number("limit"), conversation: c.text("conversation_id"), task: c.text("task_id"),
	}
}

// call is the call that a poll makes for a task. It acks nothing: what the call acked was acked when it was made. Ok is false for what
// another version made.
func (w waitTask) call(x *exchange) (c *call, ok bool) {
	i := slices.IndexFunc(tools, func(t tool) bool { return t.await != nil && t.mark == w.mark })
	if i < 0 {
		return nil, false
	}
	c = &call{exchange: x, tool: tools[i], arguments: map[string]any{}}
	for name, text := range map[string]string{"conversation_id": w.conversation, "task_id": w.task} {
		if text != "" {
			c.arguments[name] = text
		}
	}
	if w.limit != 0 {
		c.arguments["limit"] = float64(w.limit)
	}
	if c.tool.acks {
		c.arguments[ackArgument] = noAck
	}
	return c, true
}

// text writes a task down; ids are short, see [maxTaskID].
func (w waitTask) text() []byte {
	number := func(n int64) string { return strconv.FormatInt(n, 36) }
	return []byte(strings.Join([]string{
		w.mark, number(w.created.UnixMilli()), number(int64(w.wait / time.Second)), number(int64(w.nonce)), number(int64(w.limit)), w.conversation, w.task,
	}, "."))
}

// readWaitTask reads what text wrote.
func readWaitTask(text []byte) (w waitTask, ok bool) {
	fields := strings.Split(string(text), ".")
	if len(fields) != 7 {
		return w, false
	}
	var numbers [4]int64
	for i := range numbers {
		n, err := strconv.ParseInt(fields[1+i], 36, 64)
		if err != nil {
			return w, false
		}
		numbers[i] = n
	}
	return waitTask{
		mark: fields[0], created: time.UnixMilli(numbers[0]).UTC(), wait: time.Duration(numbers[1]) * time.Second, nonce: uint32(numbers[2]),
		limit: int(numbers[3]), conversation: fields[5], task: fields[6],
	}, true
}

func (w waitTask) ends() time.Time { return w.created.Add(w.wait) }

// taskState is the shape of a task, of the extension's schema; with ResultType "task" it creates one.
type taskState struct {
	mcp.ResultBase
	ResultType    string              `json:"resultType"`
	ID            string              `json:"taskId"`
	Status        string              `json:"status"`
	StatusMessage string              `json:"statusMessage,omitempty"`
	CreatedAt     time.Time           `json:"createdAt"`
	LastUpdatedAt time.Time           `json:"lastUpdatedAt"`
	TTL           int64               `json:"ttlMs"`
	PollInterval  int64               `json:"pollIntervalMs"`
	Result        *mcp.CallToolResult `json:"result,omitempty"`
}

func (w waitTask) state(id, status string) *taskState {
	state := &taskState{
		ResultType: "complete", ID: id, Status: status, CreatedAt: w.created, LastUpdatedAt: w.created,
		TTL: taskTTL.Milliseconds(), PollInterval: taskPause.Milliseconds(),
	}
	if status != "working" {
		state.LastUpdatedAt = time.Now().UTC().Truncate(time.Millisecond)
	}
	return state
}

// keepsTasks reports whether the client says with this request that it can keep tasks.
func keepsTasks(meta mcp.Meta) bool {
	capabilities, _ := meta[mcp.MetaKeyClientCapabilities].(map[string]any)
	extensions, _ := capabilities["extensions"].(map[string]any)
	_, ok := extensions[tasksExtension]
	return ok
}

// begin makes a call that may wait, without waiting. Where there is nothing yet it is a task from now on, and that is the answer.
func (s *Server) begin(ctx context.Context, c *call) (res result, err error) {
	w := taskOfCall(c)
	id := s.svc.Seal(c.caller, taskPurpose, w.text())
	if len(id) > maxTaskID || strings.Contains(w.conversation+w.task, ".") {
		return c.tool.call(s, ctx, c) // ids of ours are not like that
	}
	delete(c.arguments, waitArgument)
	res, later, err := s.attempt(ctx, c)
	if later {
		c.postponed = w.state(id, "working")
		c.postponed.ResultType, c.postponed.StatusMessage = "task", "waiting for "+c.tool.awaited
		return result{}, nil
	}
	return res, err
}

// attempt makes the call without waiting. later: there is nothing yet, but it may still come. Of refusals only those of a claim can pass,
// because another holds the task or it waits for others; a receipt that is not good would be good for nothing later.
func (s *Server) attempt(ctx context.Context, c *call) (res result, later bool, err error) {
	res, err = c.tool.call(s, ctx, c)
	if !errors.Is(err, bridge.Conflict) && !errors.Is(err, bridge.Denied) || c.tool.acks {
		return res, err == nil && res.nothing, err
	}
	ready, refusal := c.tool.await(s, ctx, c, 0)
	return res, !ready && refusal == nil, err
}
