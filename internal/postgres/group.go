package postgres

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"time"

	"agentbridge/internal/bridge"
)

// How long an update waits before it tries again what failed for the engine's own reasons.
const (
	firstPause   = 2 * time.Millisecond
	longestPause = 100 * time.Millisecond
)

// lead commits for all who wait in a queue, until nobody does.
func (s *Store) lead(q *queue) {
	// Deferred, because fn may end this goroutine (runtime.Goexit, as t.FailNow does): nobody may be left waiting.
	completed := false
	defer func() {
		if !completed && s.turns.more(q) {
			s.active.Go(func() { s.lead(q) })
		}
	}()
	for s.turns.more(q) {
		s.turn(q, func() {})
	}
	completed = true
}

// turn takes the scope's turn and commits for those who wait by then. It calls worked when all it still waits for is the commit, and maybe again.
func (s *Store) turn(q *queue, worked func()) {
	var g []*request
	answered := false
	defer func() {
		if !answered {
			s.abort(g, bridge.Errorf(bridge.Unavailable, "the update was cut short").WithHint("try again with the same key"))
		}
		q.finish(g)
		s.announce(g)
	}()
	first := q.first()
	if first == nil {
		answered = true
		return
	}
	err := s.persist(first.deadline, func() error {
		return s.transaction(q, first.deadline, func(t *turn) error {
			t.worked = worked
			if g == nil {
				g = q.group()
			}
			return t.commit(g)
		})
	})
	if errors.Is(err, errSplit) {
		err = nil
		for i := range g {
			s.alone(q, g[i:i+1], g[i].deadline)
		}
	}
	if err != nil {
		if g == nil {
			g = q.group()
		}
		s.abort(g, failure("begin an update", err))
	}
	answered = true
}

// alone commits a single request: as it is, and with care if that was believed too much.
func (s *Store) alone(q *queue, g []*request, deadline time.Time) {
	try := func(careful bool) error {
		return s.persist(deadline, func() error {
			return s.transaction(q, deadline, func(t *turn) error {
				t.careful = careful
				return t.commit(g)
			})
		})
	}
	err := try(false)
	if errors.Is(err, errSplit) {
		err = try(true)
	}
	if err != nil {
		s.abort(g, failure("update", err))
	}
}

// persist does something again while it fails for reasons that pass. Where the time is over before or in the midst of a try, what made
// that necessary is the answer.
func (s *Store) persist(deadline time.Time, do func() error) error {
	err := do()
	for pause := firstPause; passing(err); pause = min(2*pause, longestPause) {
		rest := pause/2 + rand.N(pause) // not in step with whoever it was in the way of
		if time.Now().Add(rest).After(deadline) {
			break
		}
		time.Sleep(rest)
		if again := do(); !errors.Is(again, context.DeadlineExceeded) || !away(again) {
			err = again
		}
	}
	return err
}

// turn is a transaction that has its scope's turn.
type turn struct {
	s       *Store
	q       *queue
	c       *conn
	now     time.Time
	epoch   time.Time
	ahead   ahead
	careful bool
	worked  func() // told before the commit
}

// transaction takes a scope's turn, does something, and gives the turn back, with what was not committed undone.
func (s *Store) transaction(q *queue, deadline time.Time, do func(*turn) error) error {
	ctx, cancel := context.WithDeadline(background, deadline)
	defer cancel()
	c, err := s.pool.get(ctx, updating)
	if err != nil {
		if errors.Is(err, errNoneFree) {
			err = bridge.Errorf(bridge.Unavailable, "every connection to the database was busy for too long").
				WithHint("try again; pool_max_conns in --store allows more")
		}
		return err
	}
	ended := false
	defer func() {
		if !ended && !c.raw.IsClosed() && c.raw.TxStatus() != 'I' {
			c.held = nil
			_, _ = c.trip(&call{sql: `ROLLBACK`})
		}
		s.pool.put(c, updating)
	}()
	t := &turn{s: s, q: q, c: c, worked: func() {}}
	if q == nil {
		// the caller takes the turns it wants
	} else if err := t.take(); err != nil {
		if gone(err) {
			s.pool.lost(c)
		}
		return err
	}
	if err = do(t); gone(err) || c.raw.IsClosed() {
		s.pool.lost(c)
	}
	ended = c.idle()
	return err
}

// clock is the time by the server when it comes to it, in microseconds.
const clock = `SELECT (extract(epoch FROM clock_timestamp()) * 1000000)::bigint`

// take begins a transaction and locks the scope's row. The time is read after the lock was had.
func (t *turn) take() error {
	lock := call{sql: `SELECT 1::bigint FROM scopes WHERE id = $1 FOR UPDATE`, args: encode([]any{string(t.q.scope)})}
	var version int64
	read := call{sql: readVersion, each: func(r *row) { version = r.int() }}
	tell := call{sql: clock, each: func(r *row) { t.now = r.time() }}
	after := append([]*call{&tell}, t.ahead.calls(t.q.scope)...)
	_, err := t.c.trip(append([]*call{{sql: `BEGIN`}, &read, &lock}, after...)...)
	if err == nil && lock.rows == 0 {
		t.ahead = ahead{} // it was read without the lock
		after = append([]*call{&tell}, t.ahead.calls(t.q.scope)...)
		add := call{sql: `INSERT INTO scopes (id) VALUES ($1) ON CONFLICT DO NOTHING`, args: lock.args}
		_, err = t.c.trip(append([]*call{&add, &lock}, after...)...)
	}
	if err != nil {
		return err
	}
	t.epoch = t.s.clock.Read(t.now)
	return checkSchema(t.c, version, t.s.opts.Moving)
}

// errSplit says that one of a group spoiled it for all: each is to run alone, or, where it was alone, with care.
var errSplit = errors.New("run each alone")

// commit runs a group and commits what succeeded. Where it gives no error, every request has its answer.
func (t *turn) commit(g []*request) error {
	if !slices.ContainsFunc(g, func(r *request) bool { return !r.jot }) {
		t.c.hold(&call{sql: `SET LOCAL synchronous_commit = off`})
	}
	good := false
	for _, r := range g {
		if !t.q.begin(r) {
			continue
		}
		x := &tx{c: t.c, now: t.now, epoch: t.epoch, writes: true, ahead: &t.ahead, careful: t.careful, part: len(g) > 1}
		if err := t.run(x, r, len(g) == 1); err != nil {
			t.q.undo(g)
			return err
		}
		good = good || r.err == nil && r.panicked == nil
	}
	if !good {
		return nil
	}
	commit := &call{op: "commit", sql: `COMMIT`}
	t.c.warned = false
	t.worked()
	failed, err := t.c.release(commit)
	if err != nil && failed != nil && failed != commit {
		t.q.undo(g)
		return blamed(failed, err, t.careful)
	}
	if err = committed(t.c, commit, err); passing(err) {
		t.q.undo(g)
		return err
	} else if err != nil {
		t.s.abort(g, failure("commit", err))
	}
	return nil
}

// run runs one request's function. Its error is one that ends the transaction.
func (t *turn) run(x *tx, r *request, alone bool) error {
	from := len(t.c.held)
	r.panicked, r.err = protect(x, r.fn)
	if (r.err != nil || r.panicked != nil) && !x.careful && len(t.c.held) > from {
		x.flush() // what it made of answers that were only believed does not count before they are known
	}
	switch {
	case x.lost != nil && (!alone || errors.Is(x.lost, errSplit) || passing(x.lost)):
		if r.panicked == nil && passing(x.lost) {
			return x.lost
		}
		return errSplit
	case x.lost != nil && !errors.Is(r.err, x.lost):
		r.err = x.lost // fn took no notice; half of it must not stay
	case r.err == nil && r.panicked == nil:
		r.topics = x.topics
	}
	if x.part && x.begun {
		if r.err != nil || r.panicked != nil {
			t.c.hold(&call{op: "undo an update", sql: `ROLLBACK TO SAVEPOINT part`})
		}
		t.c.hold(&call{op: "end an update", sql: `RELEASE SAVEPOINT part`})
	}
	return nil
}

// protect runs fn and catches its panic, which belongs to another goroutine.
func protect(x *tx, fn func(bridge.Tx) error) (panicked any, err error) {
	defer func() {
		panicked = recover()
	}()
	return nil, fn(x)
}

// blamed is what the failure of a call means for its transaction. A key that was taken or a row that was missing was only believed
// otherwise, unless care was taken.
func blamed(failed *call, err error, careful bool) error {
	if failed == nil && passing(err) {
		return err
	} else if failed == nil {
		return failure("update", err)
	}
	if c := code(err); !careful && (c == uniqueViolation || c == divisionByZero) {
		return errSplit
	}
	if passing(err) {
		return fmt.Errorf("%s: %w", failed.op, err)
	}
	return failure(failed.op, err)
}

// committed says whether a commit was one. A warning is one about a standby that was not waited for: then it is on one disk only.
func committed(c *conn, commit *call, err error) error {
	switch {
	case err != nil && conflicted(err):
		return err
	case err != nil:
		return bridge.Errorf(bridge.Unavailable, "the answer to a commit was lost, so it may be done or not: %w", said(err)).
			WithHint("try again with the same key")
	case commit.tag != "COMMIT":
		return bridge.Errorf(bridge.Unavailable, "the server did not commit").WithHint("try again with the same key")
	case c.warned:
		return bridge.Errorf(bridge.Unavailable, "the server committed without waiting for its standby").
			WithHint("try again with the same key, and look why the standby is not there")
	}
	return nil
}

// abort gives a whole group the same answer.
func (s *Store) abort(g []*request, err error) {
	for _, r := range g {
		r.err, r.panicked, r.topics = err, nil, nil
	}
}
