package sqlite

import (
	"errors"
	"slices"
	"time"

	"agentbridge/internal/bridge"
)

// lead takes the turn and commits for all who wait. Others hear of it through the queue.
func (s *Store) lead(r *request) {
	if s.path != memory {
		s.queue.gather()
	}
	if err := s.turn.take(r.ctx, time.Until(r.deadline)); err != nil {
		s.queue.resign(r, err)
		return
	}
	g := s.queue.group()
	s.writing.Lock()
	// Deferred, because fn may end this goroutine (runtime.Goexit, as t.FailNow does): nobody may be left waiting.
	completed := false
	defer func() {
		if !completed {
			s.abort(g, bridge.Errorf(bridge.Unavailable, "the update was cut short").WithHint("try again with the same key"))
		}
		s.through(g)
	}()
	s.commit(g, r.deadline)
	completed = true
}

// through gives a group its answers, and the turn to the next.
func (s *Store) through(g []*request) {
	over := func() {
		s.writing.Unlock()
		s.turn.release()
	}
	if !s.looksAtLog() || !s.enter() {
		over()
		s.queue.finish(g)
		s.announce(g)
		return
	}
	s.queue.answer(g)
	go func() {
		defer s.active.Done()
		s.checkpoint(len(g) > 1)
		over()
		s.queue.handOn()
	}()
	s.announce(g)
}

// commit runs a group in one transaction, and again where that had to be undone for one of them, until it is committed or known to have failed.
func (s *Store) commit(g []*request, deadline time.Time) {
	for todo, apart := g, false; len(todo) > 0; apart = true {
		culprit, undone := s.attempt(todo, deadline, apart)
		if !undone {
			return
		}
		// An error that another's function gave may rest on what is now undone, so they all run again.
		todo = slices.DeleteFunc(slices.Clone(todo), func(r *request) bool { return r == culprit })
		s.queue.undo(todo)
	}
}

// attempt runs a group in one transaction, each apart in a savepoint or not, which is cheaper. It is undone where one fails that was not apart
// and had written, or where the engine dropped the transaction; then its culprit is who that happened to in a savepoint, and has its answer.
func (s *Store) attempt(g []*request, deadline time.Time, apart bool) (culprit *request, undone bool) {
	if err := s.writer.sync(slices.ContainsFunc(g, func(r *request) bool { return !r.jot })); err != nil {
		s.abort(g, failure("begin an update", err))
		return nil, false
	}
	if err := s.retry("begin an update", "BEGIN IMMEDIATE", deadline); err != nil {
		s.abort(g, err)
		return nil, false
	}
	err := s.replaced()
	if err == nil {
		err = checkSchema(s.writer, s.opts.Moving)
	}
	if err != nil {
		s.abort(g, err)
		return nil, false
	}
	now := s.now()
	epoch := s.clock.Read(now)
	good := false
	for _, r := range g {
		if !s.queue.begin(r) {
			continue
		}
		t := &tx{c: s.writer, now: now, epoch: epoch, writes: true}
		switch {
		case len(g) > 1 && apart:
			if dropped := s.runPart(t, r); dropped {
				_ = s.writer.end("ROLLBACK") // fails where there is nothing left to roll back
				return r, true
			}
		default:
			s.run(t, r)
			if failed := r.err != nil || r.panicked != nil; failed && len(g) > 1 && (t.wrote || t.lost != nil) {
				_ = s.writer.end("ROLLBACK") // fails where there is nothing left to roll back
				return nil, true
			}
		}
		good = good || r.err == nil && r.panicked == nil
	}
	if !good || answerEarly() {
		_ = s.writer.end("ROLLBACK")
		return nil, false
	}
	if err := s.beforeCommit(); err != nil {
		s.abort(g, failure("commit", err))
	} else if err := s.retry("commit", "COMMIT", deadline); err != nil {
		s.abort(g, err)
	} else {
		s.afterCommit()
	}
	return nil, false
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
	r.panicked, r.err = call(t, r.fn)
	if t.lost != nil && !errors.Is(r.err, t.lost) {
		r.err = t.lost // fn took no notice; half of it must not stay
	}
	if r.err == nil && r.panicked == nil {
		r.topics = t.topics
	}
}

// call runs fn and catches its panic, which belongs to another goroutine.
func call(t *tx, fn func(bridge.Tx) error) (panicked any, err error) {
	defer func() {
		panicked = recover()
	}()
	return nil, fn(t)
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
