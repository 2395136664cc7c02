package sqlite

import (
	"context"
	"errors"
	"slices"
	"sync"
	"time"

	"agentbridge/internal/bridge"
)

// groupSize is how many updates share a commit at most.
const groupSize = 64

// queue holds the updates of this process in the order they came. The first waiter leads: it takes the turn, runs everybody's
// function each in a savepoint, commits once for all, and hands the lead to the next. Nobody else touches the writer.
type queue struct {
	mu      sync.Mutex // guards all below, and the state and wake of every request
	waiting []*request
	led     bool
}

// request is one caller's update.
type request struct {
	ctx      context.Context
	fn       func(bridge.Tx) error
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
	q.mu.Lock()
	defer q.mu.Unlock()
	q.next(nil)
	for i, r := range g {
		if r.state != left {
			r.state = done
			if i > 0 { // the leader is awake
				r.wake <- struct{}{}
			}
		}
	}
}

// lead takes the turn and commits for all who wait. Others hear of it through finish.
func (s *Store) lead(r *request) {
	if err := s.turn.take(r.ctx, time.Until(r.deadline)); err != nil {
		s.queue.resign(r, err)
		return
	}
	g := s.queue.group()
	// Deferred, because fn may end this goroutine (runtime.Goexit, as t.FailNow does): nobody may be left waiting.
	completed := false
	defer func() {
		if !completed {
			s.abort(g, bridge.Errorf(bridge.Unavailable, "the update was cut short").WithHint("try again with the same key"))
		}
		s.turn.release()
		s.queue.finish(g)
		s.announce(g)
	}()
	s.commit(g, r.deadline)
	completed = true
}

// commit runs a group in one transaction, and again without whoever made the engine drop it, until it is committed or known to
// have failed.
func (s *Store) commit(g []*request, deadline time.Time) {
	for todo := g; len(todo) > 0; {
		culprit := s.attempt(todo, deadline)
		if culprit == nil {
			return
		}
		// An error that another's function gave may rest on what is now undone, so they all run again.
		todo = slices.DeleteFunc(slices.Clone(todo), func(r *request) bool { return r == culprit })
		s.queue.undo(todo)
	}
}

// attempt runs a group in one transaction. Where the engine dropped the transaction it gives the request that it happened to.
func (s *Store) attempt(g []*request, deadline time.Time) (culprit *request) {
	if err := s.retry("begin an update", "BEGIN IMMEDIATE", deadline); err != nil {
		s.abort(g, err)
		return nil
	}
	if err := checkSchema(s.writer); err != nil {
		s.abort(g, err)
		return nil
	}
	now := s.now()
	epoch := s.clock.Read(now)
	good := false
	for _, r := range g {
		if !s.queue.begin(r) {
			continue
		}
		t := &tx{c: s.writer, now: now, epoch: epoch, writes: true}
		if len(g) == 1 {
			s.run(t, r)
		} else if dropped := s.runPart(t, r); dropped {
			_ = s.writer.end("ROLLBACK") // fails where there is nothing left to roll back
			return r
		}
		good = good || r.err == nil && r.panicked == nil
	}
	if !good {
		_ = s.writer.end("ROLLBACK")
	} else if err := s.retry("commit", "COMMIT", deadline); err != nil {
		s.abort(g, err)
	}
	return nil
}

// runPart runs a request in a savepoint, and reports whether the engine dropped the transaction around it: it does so by itself
// when the disk is full or fails.
func (s *Store) runPart(t *tx, r *request) (dropped bool) {
	if err := s.writer.end("SAVEPOINT part"); err != nil {
		r.err = failure("begin an update", err)
		return true
	}
	s.run(t, r)
	if r.err != nil || r.panicked != nil {
		if err := s.writer.end("ROLLBACK TO part"); err != nil {
			return true
		}
	}
	if err := s.writer.end("RELEASE part"); err != nil {
		r.err, r.topics = failure("end an update", err), nil
		return true
	}
	return false
}

func (s *Store) run(t *tx, r *request) {
	r.topics = nil
	r.err, r.panicked = call(t, r.fn)
	if t.lost != nil && !errors.Is(r.err, t.lost) {
		r.err = t.lost // fn took no notice; half of it must not stay
	}
	if r.err == nil && r.panicked == nil {
		r.topics = t.topics
	}
}

// call runs fn and catches its panic, which belongs to another goroutine.
func call(t *tx, fn func(bridge.Tx) error) (err error, panicked any) {
	defer func() {
		panicked = recover()
	}()
	return fn(t), nil
}

// retry runs BEGIN or COMMIT, again while another program is in the way.
func (s *Store) retry(op, sql string, deadline time.Time) error {
	for {
		err := s.writer.end(sql)
		if err == nil {
			return nil
		}
		if !busy(err) || time.Now().After(deadline) {
			return failure(op, err)
		}
		time.Sleep(time.Millisecond) // SQLite has waited by itself, unless it saw no use in it
	}
}

// abort gives a whole group the same answer, after undoing what there was.
func (s *Store) abort(g []*request, err error) {
	_ = s.writer.end("ROLLBACK") // fails where there is nothing to roll back
	for _, r := range g {
		r.err, r.panicked, r.topics = err, nil, nil
	}
}
