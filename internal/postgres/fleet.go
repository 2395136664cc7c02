package postgres

import (
	"slices"
	"sync"

	"agentbridge/internal/bridge"
)

// fleet runs the updates of several scopes in one transaction, each scope's on a goroutine of its own, and gathers what they ask: one trip to
// the server carries the questions of all. They share nothing but the connection: each scope has its turn, and writes only what is its own.
//
// Nothing of an update is sent before its function has succeeded, so one that fails is undone by forgetting it. An update that reads
// after it wrote, or fails after it wrote, cannot be done so: it and those of its scope after it are left for later.
type fleet struct {
	c *conn

	mu      sync.Mutex // guards all below
	moved   sync.Cond  // a ship stopped: it asks, or is through
	running int
	asks    []*ask
	broken  error // what ended the transaction
}

// ask is a trip that a ship wants.
type ask struct {
	calls    []*call
	answered chan struct{}
}

// ship is one scope on a fleet: those of its updates that share the commit.
type ship struct {
	q      *queue
	g      []*request
	ahead  ahead
	writes []*call    // of updates that succeeded, not sent yet
	later  []*request // the last of g, which have to run one after another
	good   bool       // one succeeded, so there is something to commit
}

// sail runs what can run together. Its error is one that ended the transaction.
func (t *turn) sail(ships []*ship) error {
	f := &fleet{c: t.c, running: len(ships)}
	f.moved.L = &f.mu
	var wg sync.WaitGroup
	for _, s := range ships {
		wg.Go(func() {
			defer f.stops() // in any case: fn may end this goroutine
			s.run(t, f)
		})
	}
	for f.trip() {
	}
	wg.Wait()
	return f.broken
}

// trip waits until every ship asks or is through, and makes one trip for those that ask. It reports whether there were any.
func (f *fleet) trip() bool {
	f.mu.Lock()
	for f.running > 0 {
		f.moved.Wait()
	}
	asks, broken := f.asks, f.broken
	f.asks = nil
	f.running = len(asks)
	f.mu.Unlock()
	if len(asks) == 0 {
		return false
	}
	if broken == nil {
		var calls []*call
		for _, a := range asks {
			calls = append(calls, a.calls...)
		}
		if failed, err := f.c.trip(calls...); err != nil {
			f.mu.Lock()
			f.broken = blamed(failed, err, false)
			f.mu.Unlock()
		}
	}
	for _, a := range asks {
		close(a.answered)
	}
	return true
}

// stops says that a ship asks no more.
func (f *fleet) stops() {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.running--
	f.moved.Signal()
}

// ask makes calls in the next trip. Its error is what ended the transaction.
func (f *fleet) ask(calls []*call) error {
	a := &ask{calls: calls, answered: make(chan struct{})}
	f.mu.Lock()
	f.asks = append(f.asks, a)
	f.running--
	f.moved.Signal()
	f.mu.Unlock()
	<-a.answered
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.broken
}

// run runs a scope's updates, one after another, as far as they can run with those of others.
func (s *ship) run(t *turn, f *fleet) {
	for i, r := range s.g {
		if !s.q.begin(r) {
			continue
		}
		ended := true // by fn, with this goroutine
		r.err = bridge.Errorf(bridge.Unavailable, "the update was cut short").WithHint("try again with the same key")
		defer func() {
			if ended {
				s.later = s.g[i+1:]
			}
		}()
		before := s.ahead
		x := &tx{now: t.now, epoch: t.epoch, writes: true, ahead: &s.ahead, fleet: f, ship: s}
		r.panicked, r.err = protect(x, r.fn)
		ended = false
		failed := r.err != nil || r.panicked != nil
		switch {
		case x.lost != nil || failed && len(x.own) > 0:
			s.ahead = before
			s.q.undo(s.g[i : i+1])
			s.later = s.g[i:]
			return
		case !failed:
			s.writes, s.good, r.topics = append(s.writes, x.own...), true, x.topics
		}
	}
}

// afterwards runs what could not run together, and gives all that is still to be sent.
func (t *turn) afterwards(ships []*ship) error {
	slices.SortFunc(ships, func(a, b *ship) int { // whoever else writes rows of several scopes does it in this order
		if a.q.scope < b.q.scope {
			return -1
		}
		return 1
	})
	for _, s := range ships {
		for _, k := range s.writes {
			t.c.hold(k)
		}
	}
	for _, s := range ships {
		for _, r := range s.later {
			if !s.q.begin(r) {
				continue
			}
			x := &tx{c: t.c, now: t.now, epoch: t.epoch, writes: true, ahead: &s.ahead, part: true}
			if err := t.run(x, r, false); err != nil {
				return err
			}
			s.good = s.good || r.err == nil && r.panicked == nil
		}
	}
	return nil
}
