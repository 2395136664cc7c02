package mcpserver

import (
	"context"
	"sync"
)

// maxEnded is how many tasks a server remembers. Of one that it forgot, a late poll starts over: it finds what is there then.
const maxEnded = 4096

// endedTasks remembers how tasks ended, so that each ends once. The zero value is ready.
type endedTasks struct {
	mu    sync.Mutex // guards all below
	tasks map[string]*endedTask
	order []string // the oldest first
}

// endedTask is what is known of a task: how it ended, if it did.
type endedTask struct {
	turn      chan struct{} // polls of one task go one after the other
	cancelled context.Context
	cancel    context.CancelFunc

	mu    sync.Mutex // guards all below
	state *taskState // nil: it did not
	by    *exchange  // whose answer holds the result, where that holds anything
}

func (w *endedTasks) of(id string) *endedTask {
	w.mu.Lock()
	defer w.mu.Unlock()
	if e := w.tasks[id]; e != nil {
		return e
	}
	if w.tasks == nil {
		w.tasks = map[string]*endedTask{}
	}
	if len(w.order) == maxEnded {
		delete(w.tasks, w.order[0])
		w.order = w.order[1:]
	}
	e := &endedTask{turn: make(chan struct{}, 1)}
	e.cancelled, e.cancel = context.WithCancel(context.Background())
	w.tasks[id], w.order = e, append(w.order, id)
	return e
}

func (e *endedTask) enter(ctx context.Context) error {
	select {
	case e.turn <- struct{}{}:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

func (e *endedTask) leave() { <-e.turn }

func (e *endedTask) end() (*taskState, *exchange) {
	e.mu.Lock()
	defer e.mu.Unlock()
	return e.state, e.by
}

// or is how the task ended, or else this state.
func (e *endedTask) or(state *taskState) *taskState {
	if ended, _ := e.end(); ended != nil && e.cancelled.Err() != nil {
		return ended
	}
	return state
}

// endWith ends the task so, unless it was cancelled, and gives how it ended.
func (e *endedTask) endWith(state *taskState, by *exchange) *taskState {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.cancelled.Err() == nil {
		e.state, e.by = state, by
	}
	return e.state
}

// cancelWith ends the task so, and gives the exchange whose answer holds the result that it had.
func (e *endedTask) cancelWith(state *taskState) (by *exchange) {
	e.mu.Lock()
	defer e.mu.Unlock()
	by, e.by, e.state = e.by, nil, state
	e.cancel()
	return by
}
