package sqlite

import (
	"context"
	"runtime"
	"slices"
	"sync"
	"time"

	"agentbridge/internal/bridge"
)

// groupSize is how many updates share a commit at most.
const groupSize = 64

// queue holds the updates of this process in the order they came. The first waiter leads: it takes the turn, runs everybody's
// function, commits once for all, and hands the lead to the next. Nobody else touches the writer.
type queue struct {
	mu      sync.Mutex // guards all below, and the state and wake of every request
	waiting []*request
	led     bool

	answered time.Time // when the last group was
	due      int       // how many of it did not come back yet; 0 where it was one alone
}

// comeBack is how long a leader waits for those who were answered together: they often come back together. It looks so many times at most,
// which is about as long.
const (
	comeBack      = 60 * time.Microsecond
	comeBackLooks = 400
)

// gather waits for them. It gives the processor to whoever has use for it, and does not sleep, because that would last longer.
func (q *queue) gather() {
	for look := 0; look < comeBackLooks && q.expects(); look++ {
		runtime.Gosched()
	}
}

func (q *queue) expects() bool {
	q.mu.Lock()
	defer q.mu.Unlock()
	return q.due > 0 && time.Since(q.answered) < comeBack
}

// request is one caller's update.
type request struct {
	ctx      context.Context
	fn       func(bridge.Tx) error
	jot      bool          // nobody was promised that it is on disk
	deadline time.Time     // for the turn
	wake     chan struct{} // one slot: look at state
	state    state

	topics   []bridge.Topic
	err      error
	panicked any
}

type state int

const (
	queued  state = iota // in the queue, or in a group but not begun
	leading              // has the lead; still in the queue
	running              // fn runs, or ran and is not committed
	done                 // err is the answer
	left                 // its caller stopped waiting
)

// join queues a request and reports whether it leads.
func (q *queue) join(r *request) (leads bool) {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.waiting = append(q.waiting, r)
	q.due = max(0, q.due-1)
	if !q.led {
		q.led, r.state = true, leading
	}
	return r.state == leading
}

// await waits until r has its answer or the lead, and says which. Where its caller stops waiting first, the state is left and the
// error says what became of it.
func (q *queue) await(r *request) (state, error) {
	select {
	case <-r.wake:
	case <-r.ctx.Done():
	}
	q.mu.Lock()
	defer q.mu.Unlock()
	switch {
	case r.state == done || r.state == leading && r.ctx.Err() == nil:
		return r.state, nil
	case r.state == running:
		r.state = left
		return left, bridge.Errorf(bridge.Unavailable, "stopped waiting while the update was under way: %w", r.ctx.Err()).
			WithHint("try again with the same key")
	case r.state == leading:
		q.next(r)
	}
	q.remove(r)
	r.state = left
	return left, r.ctx.Err()
}

// next hands the lead on to the first waiter but r.
func (q *queue) next(r *request) {
	q.led = false
	for _, w := range q.waiting {
		if w != r {
			q.led, w.state = true, leading
			w.wake <- struct{}{}
			return
		}
	}
}

// resign ends the lead of one that did not get the turn.
func (q *queue) resign(r *request, err error) {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.next(r)
	q.remove(r)
	r.state, r.err = done, err
}

func (q *queue) remove(r *request) {
	q.waiting = slices.DeleteFunc(q.waiting, func(w *request) bool { return w == r })
}

// group takes those out of the queue that will share a commit, the leader first.
func (q *queue) group() []*request {
	q.mu.Lock()
	defer q.mu.Unlock()
	n := min(len(q.waiting), groupSize)
	g := slices.Clone(q.waiting[:n])
	q.waiting = slices.Delete(q.waiting, 0, n)
	return g
}

// begin reports whether r's caller still wants it. From here on its outcome is unknown until the commit.
func (q *queue) begin(r *request) bool {
	q.mu.Lock()
	defer q.mu.Unlock()
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

// finish ends a group: the lead goes on first, so that the next commit starts while these answers travel.
func (q *queue) finish(g []*request) {
	q.handOn()
	q.answer(g)
}

// handOn gives the lead to the next.
func (q *queue) handOn() {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.next(nil)
}

// answer wakes a group with its answers.
func (q *queue) answer(g []*request) {
	q.mu.Lock()
	defer q.mu.Unlock()
	if q.due = 0; len(g) > 1 {
		q.answered, q.due = time.Now(), len(g)
	}
	for i, r := range g {
		if r.state != left {
			r.state = done
			if i > 0 { // the leader is awake
				r.wake <- struct{}{}
			}
		}
	}
}
