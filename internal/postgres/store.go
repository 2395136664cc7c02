// Package postgres keeps the bridge's rows in a PostgreSQL database that any number of hubs share.
package postgres

import (
	"context"
	"errors"
	"log/slog"
	"runtime"
	"sync"
	"time"

	"agentbridge/internal/bridge"
)

// Options are what a [Store] can be told. The zero value is ready to use.
type Options struct {
	Logger      *slog.Logger  // nil: silent
	LockTimeout time.Duration // how long an update waits for its turn or for the server to come back; 0: 10 s
	Moving      bool          // a store that is being moved is opened, too; see [Store.Mark]
	Existing    bool          // where there are no tables, make none: [bridge.NotFound]
}

// Store is a [bridge.Store] in one schema of a PostgreSQL database. Make it with [Open].
//
// Updates of a scope run one after another, over all processes: they lock the scope's row. Those of other scopes go on. Updates of one
// scope that wait together in one process are committed together, which saves both trips and waits for the disk.
type Store struct {
	at   *address
	opts Options

	server  Server
	reading bool // nothing is written; see [OpenReading]

	clock  bridge.Clock
	turns  turns
	convoy convoy
	pool   *pool
	watch  watch
	post   post
	self   process

	mu     sync.Mutex // guards closed, and that active does not grow after it
	closed bool
	active sync.WaitGroup
}

var _ bridge.Store = (*Store)(nil)

// Open opens the database at a postgres:// address and makes its tables where there are none, in the schema that search_path names first,
// or in "agentbridge". Other parameters are libpq's (sslmode, target_session_attrs, several hosts, …) and pool_max_conns,
// pool_max_conn_lifetime and pool_max_conn_idle_time.
//
// An address that cannot be understood, a server older than 14 and a schema of another program or of a newer agentbridge are
// [bridge.Invalid]; a server that is away, refuses the user, or only reads is [bridge.Unavailable]. No error holds the password.
func Open(ctx context.Context, dsn string, opts Options) (*Store, error) {
	s, err := prepare(dsn, opts)
	if err != nil {
		return nil, err
	}
	if err := s.open(ctx); err != nil {
		return nil, errors.Join(err, s.pool.close())
	}
	return s, nil
}

func prepare(dsn string, opts Options) (*Store, error) {
	if opts.Logger == nil {
		opts.Logger = slog.New(slog.DiscardHandler)
	}
	if opts.LockTimeout == 0 {
		opts.LockTimeout = 10 * time.Second
	}
	at, err := parse(dsn, opts.LockTimeout)
	if err != nil {
		return nil, err
	}
	return &Store{at: at, opts: opts, pool: newPool(at), convoy: convoy{most: max(2, runtime.NumCPU()/2)}, self: process{name: newName()}, post: post{quit: make(chan struct{})}}, nil
}

// open makes the schema, in a transaction that locks others out, so that of many processes that start at once one makes it.
func (s *Store) open(ctx context.Context) (err error) {
	c, err := s.pool.get(ctx, updating)
	if err != nil {
		return failure("open the database", err)
	}
	defer func() { s.pool.put(c, updating) }()
	if s.server, err = s.at.inspect(c); err != nil {
		return failure("open the database", err)
	}
	s.server.warn(s.opts.Logger)
	switch version, err := versionOf(c, s.at.schema); {
	case s.opts.Moving && version == bridge.StoreMoving:
		return nil
	case err != nil:
		return failure("open the database", err)
	case version == 0 && s.opts.Existing:
		return s.at.empty()
	case version == schema:
		return nil
	}
	return failure("open the database", migrate(c, s.at.schema))
}

// View implements [bridge.Store]. A connection that the server had dropped in the meantime costs nothing but time; one that is lost while
// fn runs is [bridge.Unavailable].
func (s *Store) View(ctx context.Context, fn func(bridge.Tx) error) error {
	if !s.enter() {
		return closed()
	}
	defer s.active.Done()
	if err := ctx.Err(); err != nil {
		return err
	}
	deadline := time.Now().Add(s.opts.LockTimeout)
	for pause := firstPause; ; pause = min(2*pause, longestPause) {
		began, err := s.view(ctx, fn)
		if began || err == nil {
			return err
		}
		if !passing(err) || time.Now().Add(pause).After(deadline) {
			return failure("begin a view", err)
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(pause):
		}
	}
}

// view runs fn on a snapshot, and reports whether it did.
func (s *Store) view(ctx context.Context, fn func(bridge.Tx) error) (began bool, err error) {
	c, err := s.pool.get(ctx, viewing)
	if err != nil {
		return false, err
	}
	defer func() { s.pool.put(c, viewing) }() // fn may panic; what is still in a transaction is given up
	var now time.Time
	if _, err := c.trip(
		&call{sql: `BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY`},
		&call{sql: clock, each: func(r *row) { now = r.time() }},
	); err != nil {
		if gone(err) {
			s.pool.lost(c)
		}
		return false, err
	}
	t := &tx{c: c, now: now, epoch: s.clock.Read(now)}
	if err = fn(t); err == nil {
		err = t.lost
	}
	if t.lost == nil {
		_, _ = c.trip(&call{sql: `ROLLBACK`}) // nothing was written
	}
	return true, err
}

// Update implements [bridge.Store].
//
// A caller whose ctx ends before its fn ran gets ctx's error, and fn will not run. One whose ctx ends later gets
// [bridge.Unavailable] and does not know. A panic of fn is rolled back and raised again in its own caller. While the server is away,
// updates wait for it up to the lock timeout; where the answer to a commit was lost, or a standby was not waited for, the outcome
// is Unavailable at once.
func (s *Store) Update(ctx context.Context, scope bridge.Scope, fn func(bridge.Tx) error) error {
	return s.update(ctx, scope, fn, false)
}

// Jot implements [bridge.Store]. It commits without waiting for the disk or a standby, unless it shares its commit with an Update. A crash
// of the database server counts as a power failure.
func (s *Store) Jot(ctx context.Context, scope bridge.Scope, fn func(bridge.Tx) error) error {
	return s.update(ctx, scope, fn, true)
}

func (s *Store) update(ctx context.Context, scope bridge.Scope, fn func(bridge.Tx) error, jot bool) error {
	if !s.enter() {
		return closed()
	}
	defer s.active.Done()
	if s.reading {
		return bridge.Errorf(bridge.Unavailable, "this process only reads the store").WithHint("write from another")
	}
	if err := ctx.Err(); err != nil {
		return err
	}
	r := &request{ctx: ctx, fn: fn, jot: jot, deadline: time.Now().Add(s.opts.LockTimeout), wake: make(chan struct{}, 1)}
	q, leads := s.turns.join(scope, r)
	if leads {
		s.board(q)
	}
	if left, err := q.await(r); left {
		return err
	}
	if r.panicked != nil {
		panic(r.panicked)
	}
	return r.err
}

// Close implements [bridge.Store].
func (s *Store) Close() error {
	s.mu.Lock()
	was := s.closed
	s.closed = true
	s.mu.Unlock()
	if was {
		return nil
	}
	s.active.Wait()
	s.post.close() // what was committed is still announced
	s.watch.close()
	s.goodbye()
	return s.pool.close()
}

// enter reports whether the store is open, and keeps it so until active.Done.
func (s *Store) enter() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if !s.closed {
		s.active.Add(1)
	}
	return !s.closed
}
