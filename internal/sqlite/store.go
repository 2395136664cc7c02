// Package sqlite keeps the bridge's rows in a SQLite file that any number of processes share.
package sqlite

import (
	"context"
	"errors"
	"io/fs"
	"log/slog"
	"path/filepath"
	"sync"
	"sync/atomic"
	"time"

	"agentbridge/internal/bridge"
)

// memory is the path of a store that lives in this process only.
const memory = ":memory:"

// Options are what a [Store] can be told. The zero value is ready to use.
type Options struct {
	Now         func() time.Time // the engine's clock; nil: time.Now
	Logger      *slog.Logger     // nil: silent
	LockTimeout time.Duration    // how long an update waits for its turn; 0: 10 s
	Moving      bool             // a store that is being moved is opened, too; see [Store.Mark]
}

// Store is a [bridge.Store] in one SQLite file. Make it with [Open].
//
// Updates of all processes run one after another in the order they asked, whatever their scope. Those of one process that wait
// together are committed together, so a hundred callers cost little more than one.
type Store struct {
	path   string // or memory
	runDir string // the run directory; none in memory
	opts   Options

	file fs.FileInfo // what was opened; nil in memory
	told atomic.Bool // the log knows that it is not at path any more

	clock   bridge.Clock
	turn    *turn
	queue   queue
	pool    *pool
	commits atomic.Int64
	watch   watch
	self    process

	writing sync.Mutex // guards writer, which changes rows only for who has the turn, too
	writer  *conn
	reading bool // nothing is written; see [OpenReading]

	mu     sync.Mutex // guards closed, and that active does not grow after it
	closed bool
	active sync.WaitGroup
}

var _ bridge.Store = (*Store)(nil)

// Open opens the database at path and makes it where there is none; ":memory:" is a private store without files, which starts no
// goroutine and so serves tests in a synctest bubble. It takes the turn to do so: with a stopped process holding it, Open is
// [bridge.Unavailable] after the lock timeout. A file that is no database, another program's or a newer agentbridge's, and a
// directory on a network file system, are [bridge.Invalid].
func Open(ctx context.Context, path string, opts Options) (*Store, error) {
	if opts.Now == nil {
		opts.Now = systemClock
	}
	if opts.Logger == nil {
		opts.Logger = slog.New(slog.DiscardHandler)
	}
	if opts.LockTimeout == 0 {
		opts.LockTimeout = 10 * time.Second
	}
	s := &Store{path: path, opts: opts}
	database := ""
	if path != memory {
		abs, err := filepath.Abs(path)
		if err != nil {
			return nil, bridge.Errorf(bridge.Invalid, "find the database: %w", err)
		}
		s.path, s.runDir, database = abs, filepath.Join(filepath.Dir(abs), "run"), abs
		if err := prepareDirs(abs, s.runDir); err != nil {
			return nil, err
		}
	}
	s.pool, s.watch.run = newPool(s.path, s.replaced), s.runDir
	var err error
	if s.turn, err = newTurn(database); err != nil {
		return nil, err
	}
	if err := s.open(ctx); err != nil {
		return nil, errors.Join(err, s.turn.close())
	}
	return s, nil
}

// open makes the writer, with the turn taken, so that of many processes that start at once one makes the schema.
func (s *Store) open(ctx context.Context) (err error) {
	if err := s.turn.take(ctx, s.opts.LockTimeout); err != nil {
		return err
	}
	defer s.turn.release()
	if s.path != memory {
		if err := prepareFiles(s.path); err != nil {
			return err
		}
	}
	if s.writer, err = connect(s.path); err != nil {
		return failure("open the database", err)
	}
	if err := migrate(s.writer, s.opts.Moving); err != nil {
		return errors.Join(failure("open the database", err), s.writer.close())
	}
	if err := s.opened(); err != nil {
		return errors.Join(err, s.writer.close())
	}
	return nil
}

// now is the engine's clock as the seam wants it.
func (s *Store) now() time.Time { return s.opts.Now().UTC().Truncate(time.Microsecond) }

// View implements [bridge.Store]. Once the file is not where it was opened, all of View, Update and Jot are [bridge.Unavailable].
func (s *Store) View(ctx context.Context, fn func(bridge.Tx) error) error {
	if !s.enter() {
		return closed()
	}
	defer s.active.Done()
	if err := ctx.Err(); err != nil {
		return err
	}
	if s.path == memory {
		if err := s.turn.take(ctx, s.opts.LockTimeout); err != nil {
			return err
		}
		defer s.turn.release()
		_, err := s.view(s.writer, fn)
		return err
	}
	if err := s.replaced(); err != nil {
		return err
	}
	c, err := s.pool.get(ctx)
	if err != nil {
		return err
	}
	failed := true // unless view comes to its end: fn may panic
	defer func() { s.pool.put(c, failed) }()
	failed, err = s.view(c, fn)
	return err
}

// view runs fn on a snapshot, and reports whether the connection failed.
func (s *Store) view(c *conn, fn func(bridge.Tx) error) (failed bool, err error) {
	if err := c.end("BEGIN"); err != nil {
		return true, failure("begin a view", err)
	}
	defer func() { failed = c.end("ROLLBACK") != nil || failed }() // nothing was written
	now := s.now()
	t := &tx{c: c, now: now, epoch: s.clock.Read(now)}
	if err = fn(t); err == nil {
		err = t.lost
	}
	return t.lost != nil, err
}

// Update implements [bridge.Store]. Scopes make no difference here: there is one writer at a time.
//
// A caller whose ctx ends before its fn ran gets ctx's error, and fn will not run. One whose ctx ends later gets
// [bridge.Unavailable] and does not know. A panic of fn is rolled back and raised again in its own caller.
func (s *Store) Update(ctx context.Context, _ bridge.Scope, fn func(bridge.Tx) error) error {
	return s.update(ctx, fn, false)
}

// Jot implements [bridge.Store]. It commits without waiting for the disk, unless it shares its commit with an Update.
func (s *Store) Jot(ctx context.Context, _ bridge.Scope, fn func(bridge.Tx) error) error {
	return s.update(ctx, fn, true)
}

func (s *Store) update(ctx context.Context, fn func(bridge.Tx) error, jot bool) error {
	if !s.enter() {
		return closed()
	}
	defer s.active.Done()
	if s.reading {
		return bridge.Errorf(bridge.Unavailable, "this process only reads the store")
	}
	if err := ctx.Err(); err != nil {
		return err
	}
	r := &request{ctx: ctx, fn: fn, jot: jot, deadline: time.Now().Add(s.opts.LockTimeout), wake: make(chan struct{}, 1)}
	if leads := s.queue.join(r); leads {
		s.lead(r)
	} else if became, err := s.queue.await(r); became == left {
		return err
	} else if became == leading {
		s.lead(r)
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
	err := errors.Join(s.watch.close(), s.self.close(s.runDir), s.pool.close())
	if s.writer != nil { // who only reads may have none
		err = errors.Join(err, s.writer.close())
	}
	return errors.Join(err, s.turn.close())
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
