package sqlite

import (
	"context"
	"errors"
	"os"
	"sync"
	"time"

	"agentbridge/internal/bridge"
)

// turn is the right to write. Processes hand it over in the order they asked, by a lock on a file that is never unlinked: SQLite's
// own busy handler starves the unlucky. Within the process only one goroutine at a time asks for it; the group sees to that.
//
// In memory there are no other processes, but views share the one connection with updates, so they take turns too.
type turn struct {
	sem chan struct{} // in memory: holds the one turn
	f   *os.File      // on disk; its own descriptor, since a shared one excludes nobody

	mu     sync.Mutex // guards all below
	asking bool       // a goroutine is blocked in the kernel, in the queue for the lock
	waiter chan error // who gets what it got; nil: nobody any more
	closed bool
}

// newTurn makes a turn over a lock file, or over nothing but this process where path is empty.
func newTurn(path string) (*turn, error) {
	if path == "" {
		return &turn{sem: make(chan struct{}, 1)}, nil
	}
	f, err := openPrivate(path)
	return &turn{f: f}, err
}

// take waits for the turn until the deadline, or as long as ctx lasts. Its error means that nothing was taken.
func (t *turn) take(ctx context.Context, wait time.Duration) error {
	if t.sem != nil {
		select {
		case t.sem <- struct{}{}:
			return nil
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	got, err := t.ask()
	if got == nil || err != nil {
		return err
	}
	timer := time.NewTimer(wait)
	defer timer.Stop()
	select {
	case err := <-got:
		return err
	case <-timer.C:
		err = errStuck()
	case <-ctx.Done():
		err = ctx.Err()
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.waiter == nil { // it came in this very moment
		return <-got
	}
	t.waiter = nil
	return err
}

// ask tries the lock, and queues for it in the kernel where it is held: no goroutine can leave that queue, so it is another one
// that waits, and it stays there for whoever asks next.
func (t *turn) ask() (<-chan error, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.closed {
		return nil, closed()
	}
	if !t.asking {
		err := tryLock(t.f)
		if !errors.Is(err, errHeld) {
			return nil, failure("take the turn", err)
		}
	}
	got := make(chan error, 1)
	t.waiter = got
	if !t.asking {
		t.asking = true
		go t.queue()
	}
	return got, nil
}

func (t *turn) queue() {
	err := lock(t.f)
	t.mu.Lock()
	defer t.mu.Unlock()
	t.asking = false
	switch {
	case t.waiter != nil:
		t.waiter <- failure("take the turn", err)
		t.waiter = nil
	case t.closed:
		_ = t.f.Close()
	case err == nil:
		_ = unlock(t.f)
	}
}

// release gives the turn to the next.
func (t *turn) release() {
	if t.sem != nil {
		<-t.sem
		return
	}
	_ = unlock(t.f) // fails only for a descriptor that is none
}

// close gives up the lock file. A goroutine that still queues behind a stopped process ends when that one does.
func (t *turn) close() error {
	if t.f == nil {
		return nil
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	t.closed = true
	if t.asking {
		return nil
	}
	return t.f.Close()
}

func errStuck() error {
	return bridge.Errorf(bridge.Unavailable, "another process holds the store and does not give it up").
		WithHint("look for a stopped agentbridge process (state T in ps) and continue or kill it, then try again")
}
