package mcpserver

import (
	"context"
	"encoding/json"
	"maps"
	"math/rand/v2"
	"time"

	"github.com/modelcontextprotocol/go-sdk/mcp"
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
	// maxTaskID is the longest id, in bytes: it travels in a header.
	maxTaskID = 2048
)

// waitTask is a call that waits as a task: what its id holds.
type waitTask struct {
	Tool      string         `json:"tool"`
	Arguments map[string]any `json:"arguments"`
	Created   int64          `json:"created"` // in milliseconds since 1970
	Wait      int            `json:"wait"`    // in seconds
	Nonce     uint64         `json:"nonce"`   // no two calls are one task
}

func (w waitTask) created() time.Time { return time.UnixMilli(w.Created).UTC() }
func (w waitTask) ends() time.Time    { return w.created().Add(time.Duration(w.Wait) * time.Second) }

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
		ResultType: "complete", ID: id, Status: status, CreatedAt: w.created(), LastUpdatedAt: w.created(),
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
	w := waitTask{Tool: c.tool.name, Arguments: maps.Clone(c.arguments), Created: time.Now().UnixMilli(), Wait: c.number(waitArgument), Nonce: rand.Uint64()}
	delete(w.Arguments, waitArgument)
	if c.tool.acks {
		w.Arguments[ackArgument] = noAck // what is acked is acked now
	}
	what, err := json.Marshal(w)
	if err != nil {
		return result{}, err
	}
	id := s.svc.Seal(c.caller, taskPurpose, what)
	if len(id) > maxTaskID {
		return c.tool.call(s, ctx, c)
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

// attempt makes the call without waiting. later: there is nothing yet, but it may still come.
func (s *Server) attempt(ctx context.Context, c *call) (res result, later bool, err error) {
	res, err = c.tool.call(s, ctx, c)
	if err == nil || cancelled(err) {
		return res, res.nothing, err
	}
	ready, refusal := c.tool.await(s, ctx, c, 0)
	return res, !ready && refusal == nil, err
}
