package postgres

import (
	"context"
	"slices"
	"sync"
	"time"

	"agentbridge/internal/bridge"
)

// groupSize is how many updates share a commit at most: as many savepoints as a server keeps track of at hand.
const groupSize = 64

// turns holds the queues of the scopes that have one.
type turns struct {
	mu     sync.Mutex // guards queues, and that a queue is led from the time it is there
	queues map[bridge.Scope]*queue
}

// queue holds this process's updates of one scope in the order they came. Its leader takes the scope's turn, runs everybody's function,
// each in a savepoint, commits once for all, and goes on while there are more.
type queue struct {
	scope bridge.Scope

	mu      sync.Mutex // guards all below, and the state of every request
	waiting []*request
}

// request is one caller's update.
type request struct {
	ctx      context.Context
	fn       func(bridge.Tx) error
	jot      bool          // nobody was promised that it is on disk
	deadline time.Time     // for the turn
	wake     chan struct{} // one slot: it is done
	state    state

	topics   []bridge.Topic
	err      error
	panicked any
}

type state int

const (
	queued  state = iota // in the queue, or in a group but not begun
	running              // fn runs, or ran and is not committed
	done                 // err is the answer
	left                 // its caller stopped waiting
)

// join queues a request, and reports whether the queue needs a leader.
func (t *turns) join(scope bridge.Scope, r *request) (q *queue, leads bool) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.queues == nil {
		t.queues = map[bridge.Scope]*queue{}
	}
	q = t.queues[scope]
	if q == nil {
		q, leads = &queue{scope: scope}, true
		t.queues[scope] = q
	}
	q.mu.Lock()
	defer q.mu.Unlock()
	q.waiting = append(q.waiting, r)
	return q, leads
}

// more reports whether the queue needs its leader still. If not, the next to come starts another.
func (t *turns) more(q *queue) bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	q.mu.Lock()
	defer q.mu.Unlock()
	if len(q.waiting) == 0 {
		delete(t.queues, q.scope)
	}
	return len(q.waiting) > 0
}

// await waits until r has its answer. Where its caller stops waiting first, it has left, and the error says what became of it.
func (q *queue) await(r *request) (gone bool, err error) {
	select {
	case <-r.wake:
	case <-r.ctx.Done():
	}
	q.mu.Lock()
	defer q.mu.Unlock()
	switch r.state {
	case done:
		return false, nil
	case running:
		r.state = left
		return true, bridge.Errorf(bridge.Unavailable, "stopped waiting while the update was under way: %w", r.ctx.Err()).
			WithHint("try again with the same key")
	}
	q.waiting = slices.DeleteFunc(q.waiting, func(w *request) bool { return w == r })
	r.state = left
	return true, r.ctx.Err()
}

// first gives the one that has waited longest.
func (q *queue) first() *request {
	q.mu.Lock()
	defer q.mu.Unlock()
	if len(q.waiting) == 0 {
		return nil
	}
	return q.waiting[0]
}

// group takes those out of the queue that will share a commit.
func (q *queue) group() []*request {
	q.mu.Lock()
	defer q.mu.Unlock()
	n := min(len(q.waiting), groupSize)
	g := slices.Clone(q.waiting[:n])
	q.waiting = slices.Delete(q.waiting, 0, n)
	return g
}

// back puts a group in front again, to be taken out anew.
func (q *queue) back(g []*request) {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.waiting = append(slices.DeleteFunc(slices.Clone(g), func(r *request) bool { return r.state == left }), q.waiting...)
}

// begin reports whether r's caller still wants it. From here on its outcome is unknown until the commit.
func (q *queue) begin(r *request) bool {
	q.mu.Lock()
	defer q.mu.Unlock()
	r.topics, r.panicked = nil, nil
	if r.state == left {
		return false
	}
	if r.err = r.ctx.Err(); r.err != nil {
		return false
	}
	r.state = running
	return true
}

// undo puts those that were not committed back to where they had not begun.
func (q *queue) undo(g []*request) {
	q.mu.Lock()
	defer q.mu.Unlock()
	for _, r := range g {
		if r.state == running {
			r.state = queued
		}
	}
}

// finish gives a group its answers.
func (q *queue) finish(g []*request) {
	q.mu.Lock()
	defer q.mu.Unlock()
	for _, r := range g {
		if r.state != left {
			r.state = done
			r.wake <- struct{}{}
		}
	}
}
