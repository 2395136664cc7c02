package mcpserver

import (
	"context"
	"encoding/json"
	"fmt"
	"time"

	"github.com/modelcontextprotocol/go-sdk/jsonrpc"
	"github.com/modelcontextprotocol/go-sdk/mcp"
)

// taskParams are those of the extension's three methods.
type taskParams struct {
	mcp.ParamsBase
	ID string `json:"taskId"`
}

// taskAck says that a request was understood.
type taskAck struct {
	mcp.ResultBase
	ResultType string `json:"resultType"`
}

// addTaskMethods registers the extension's methods.
func (s *Server) addTaskMethods() {
	for method, serve := range map[string]func(context.Context, string, waitTask) (mcp.Result, error){
		"tasks/get": s.getTask, "tasks/cancel": s.cancelTask, "tasks/update": s.updateWaiting,
	} {
		err := mcp.AddReceivingCustomMethod(s.mcp, method, func(ctx context.Context, _ *mcp.ServerSession, p *taskParams) (mcp.Result, error) {
			w, err := s.taskOf(ctx, method, p)
			if err != nil {
				return nil, err
			}
			return serve(ctx, p.ID, w)
		})
		if err != nil {
			panic(err) // the SDK has a method of that name by now
		}
	}
}

// taskOf finds the task that a request is about.
func (s *Server) taskOf(ctx context.Context, method string, p *taskParams) (w waitTask, err error) {
	x := exchangeFrom(ctx)
	if p == nil || p.Meta[mcp.MetaKeyProtocolVersion] == nil {
		return w, &jsonrpc.Error{Code: jsonrpc.CodeMethodNotFound, Message: fmt.Sprintf("method not found: %q", method)}
	}
	if !keepsTasks(p.Meta) {
		needed := &mcp.ClientCapabilities{}
		needed.AddExtension(tasksExtension, nil)
		data, err := json.Marshal(mcp.MissingRequiredClientCapabilityData{RequiredCapabilities: needed})
		if err != nil {
			return w, err
		}
		return w, &jsonrpc.Error{Code: mcp.CodeMissingRequiredClientCapabilities, Message: "missing required client capability: " + tasksExtension, Data: data}
	}
	if x.about != "" && x.about != p.ID {
		return w, &jsonrpc.Error{Code: mcp.CodeHeaderMismatch, Message: "the Mcp-Name header does not name the task"}
	}
	what, ok := s.svc.Unseal(x.caller, taskPurpose, p.ID)
	if ok {
		w, ok = readWaitTask(what)
	}
	if !ok || !time.Now().Before(w.created.Add(taskTTL)) {
		return w, noSuchTask()
	}
	return w, nil
}

func noSuchTask() error {
	return &jsonrpc.Error{Code: jsonrpc.CodeInvalidParams, Message: "there is no such task; call the tool again"}
}

// getTask answers a poll: at once where the task has ended or can end now, otherwise within [taskHold].
func (s *Server) getTask(ctx context.Context, id string, w waitTask) (mcp.Result, error) {
	c, ok := w.call(exchangeFrom(ctx))
	if !ok {
		return nil, noSuchTask()
	}
	e := s.waits.of(id)
	if err := e.enter(ctx); err != nil {
		return nil, err
	}
	defer e.leave()
	if state := s.endOf(ctx, e); state != nil {
		return state, nil
	}
	ready, err := s.holdPoll(ctx, e, c, time.Until(w.ends()))
	if err != nil {
		return nil, err
	}
	if !ready && time.Now().Before(w.ends()) {
		return e.or(w.state(id, "working")), nil
	}
	res, later, err := s.attempt(ctx, c)
	if later && time.Now().Before(w.ends()) {
		return e.or(w.state(id, "working")), nil // another of the agent's calls was faster
	}
	state := w.state(id, "completed")
	if state.Result, err = s.answer(ctx, c, res, err); err != nil {
		return nil, err
	}
	return s.end(e, c.exchange, state), nil
}

// holdPoll waits for what a task waits for, as long as a poll may. ready: it is there, or there is a refusal to be told.
func (s *Server) holdPoll(ctx context.Context, e *endedTask, c *call, left time.Duration) (ready bool, err error) {
	ctx, stop := c.attend(ctx)
	defer stop()
	holding, done := context.WithCancel(ctx)
	defer done()
	defer context.AfterFunc(c.leaving, done)()
	defer context.AfterFunc(e.cancelled, done)()
	ready, err = c.tool.await(s, holding, c, max(0, min(taskHold, left)))
	if cancelled(err) {
		return false, ctx.Err()
	}
	return ready || err != nil, nil
}

// cancelTask ends a task, and takes back what its result held where the model may never see it.
func (s *Server) cancelTask(_ context.Context, id string, w waitTask) (mcp.Result, error) {
	if by := s.waits.of(id).cancelWith(w.state(id, "cancelled")); by != nil {
		s.giveBack(by.caller, s.answers.takeBack(by))
	}
	return &taskAck{ResultType: "complete"}, nil
}

// updateWaiting takes answers to questions. A task that only waits asks none, and what was not asked is ignored.
func (s *Server) updateWaiting(context.Context, string, waitTask) (mcp.Result, error) {
	return &taskAck{ResultType: "complete"}, nil
}

// endOf is how a task ended; nil: it did not, or the client cannot have what it ended with, which was given back.
func (s *Server) endOf(ctx context.Context, e *endedTask) *taskState {
	state, by := e.end()
	if by == nil || s.answers.had(ctx, by) {
		return state
	}
	return nil
}

// end notes how a task ended, in the answer of x, and gives how: it may have been cancelled before.
func (s *Server) end(e *endedTask, x *exchange, state *taskState) *taskState {
	var by *exchange
	if s.answers.holds(x) {
		by = x
	}
	if was := e.endWith(state, by); was != state {
		s.giveBack(x.caller, s.answers.takeBack(x))
		return was
	}
	return state
}
