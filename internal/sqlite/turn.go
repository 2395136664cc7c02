package sqlite

import (
	"context"
	"errors"
	"os"
	"sync"
	"time"

	"agentbridge/internal/bridge"
)

// turn is the right to write. Processes hand it over in the order they asked, by locks on two files that are never unlinked:
// SQLite's own busy handler starves the unlucky. Who wants the turn first takes the place of the next, and gives that up on
// getting the turn. One lock alone would go to whoever just gave it up and asks again, since the kernel wakes the others too late
// (measured: half the throughput, waits five times as long).
//
// Within the process one goroutine at a time asks for it; the queue sees to that. In memory there are no other processes, but
// views share the one connection with updates, so they take turns too.
type turn struct {
	sem chan struct{} // in memory: holds the one turn

	// On disk: the locks. Each contender has descriptors of its own, since a shared one excludes nobody.
	holder, next *os.File

	mu     sync.Mutex // guards all below
	asking bool       // a goroutine stands in the kernel's queue
	waiter chan error // who gets what it got; nil: nobody any more
	closed bool
}

// newTurn makes the turn of a database, or one of this process alone where there is none.
func newTurn(database string) (*turn, error) {
	if database == "" {
		return &turn{sem: make(chan struct{}, 1)}, nil
	}
	holder, err := openPrivate(database + ".lock")
	if err != nil {
		return nil, err
	}
	next, err := openPrivate(database + ".next")
	if err != nil {
		return nil, errors.Join(err, holder.Close())
	}
	return &turn{holder: holder, next: next}, nil
}

// take waits for the turn: so long at most, and while ctx lasts. Its error means that nothing was taken.
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
		err = bridge.Errorf(bridge.Unavailable, "another process holds the store and does not give it up").
			WithHint("look for a stopped agentbridge process (state T in ps) and continue or kill it, then try again")
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

// ask takes the turn if it is free, and gives no channel then. Otherwise a goroutine queues for it in the kernel. That queue cannot
// be left, so who stops waiting leaves the goroutine there, for whoever asks next.
func (t *turn) ask() (<-chan error, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.closed {
		return nil, closed()
	}
	if !t.asking {
		next, err := t.try()
		if !errors.Is(err, errHeld) {
			return nil, failure("take the turn", err)
		}
		t.asking = true
		go t.queue(next)
	}
	t.waiter = make(chan error, 1)
	return t.waiter, nil
}

// try takes the turn if nobody has it or is next. Where somebody has it, the place of the next may be taken.
func (t *turn) try() (next bool, err error) {
	if err := tryLock(t.next); err != nil {
		return false, err
	}
	if err := tryLock(t.holder); errors.Is(err, errHeld) {
		return true, err
	} else {
		return false, errors.Join(err, unlock(t.next))
	}
}

// queue waits for the turn and gives it to the waiter, or back where there is none any more.
func (t *turn) queue(next bool) {
	var err error
	if !next {
		err = lock(t.next)
	}
	if err == nil {
		err = errors.Join(lock(t.holder), unlock(t.next))
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	t.asking = false
	switch {
	case t.waiter != nil:
		t.waiter <- failure("take the turn", err)
		t.waiter = nil
	case t.closed:
		_, _ = t.holder.Close(), t.next.Close() // nobody is left to tell
	case err == nil:
		t.release()
	}
}

// release gives the turn to the next.
func (t *turn) release() {
	if t.sem != nil {
		<-t.sem
		return
	}
	_ = unlock(t.holder) // fails only for a descriptor that is none
}

// close gives up the lock files. A goroutine that still queues behind a stopped process closes them when that one goes on or
// dies.
func (t *turn) close() error {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.closed = true
	if t.asking || t.sem != nil {
		return nil
	}
	return errors.Join(t.holder.Close(), t.next.Close())
}
