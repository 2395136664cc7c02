package postgres

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"strings"
	"sync"
	"time"

	"agentbridge/internal/bridge"
)

// deadAfter is how long a process is watched without counting on before it counts as dead.
const deadAfter = 10 * time.Second

// process is how other processes know this one: by a name, and by a row in which it counts on while it lives. The same look shows it
// who else does. Nobody's clock decides: only how long this process has seen that another one stood still.
type process struct {
	name bridge.Instance // given by Open

	mu     sync.Mutex // guards all below
	there  bool       // it has a row
	beat   int64
	polled time.Time // when the last look succeeded
	peers  map[bridge.Instance]peer
	gone   map[bridge.Instance]bool // asked for and without a row: names are not used twice
}

// peer is another process as it was seen.
type peer struct {
	beat  int64
	since time.Time // when that number was first seen
	dead  bool
}

// Instance names this process, or rather this Store in it, and makes its row. Where none can be made the name is given all the same,
// and others may think the process dead until it has one: what it holds may then be delivered twice, but never lost.
func (s *Store) Instance() bridge.Instance {
	if s.self.arrives() {
		if err := s.hello(); err != nil {
			s.opts.Logger.Error("no row proves this process alive", "error", failure("say hello", err))
		}
	}
	s.watch.mu.Lock()
	defer s.watch.mu.Unlock()
	s.start()
	return s.self.name
}

func newName() bridge.Instance {
	id := make([]byte, 8)
	_, _ = rand.Read(id) // never fails
	return bridge.Instance("proc_" + hex.EncodeToString(id))
}

// arrives notes that the process has a row, and reports whether it had none.
func (p *process) arrives() bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	was := p.there
	p.there = true
	return !was
}

const countOn = `INSERT INTO processes (instance, beat) VALUES ($1, $2) ON CONFLICT (instance) DO UPDATE SET beat = excluded.beat`

// hello makes the process's row at once.
func (s *Store) hello() error {
	c, err := s.pool.get(background, updating)
	if err != nil {
		return err
	}
	defer s.pool.put(c, updating)
	_, err = c.trip(&call{sql: countOn, args: encode([]any{string(s.self.name), int64(0)})})
	return err
}

// goodbye takes the row away.
func (s *Store) goodbye() {
	if s.self.arrives() {
		return // it never was there
	}
	ctx, cancel := context.WithTimeout(background, pollEvery)
	defer cancel()
	c, err := s.pool.get(ctx, updating)
	if err != nil {
		return // others will see that it stands still
	}
	defer s.pool.put(c, updating)
	_, _ = c.trip(&call{sql: `DELETE FROM processes WHERE instance = $1`, args: encode([]any{string(s.self.name)})})
}

// poll counts on and looks at the others. Where one is gone, everybody wakes: it may have committed what it could not announce.
func (s *Store) poll(c *conn) error {
	p := &s.self
	p.mu.Lock()
	p.there = true
	p.beat++
	beat := p.beat
	p.mu.Unlock()
	began := time.Now()
	seen := map[bridge.Instance]int64{}
	if _, err := c.trip(
		&call{sql: `SELECT instance, beat FROM processes`, each: func(r *row) { seen[bridge.Instance(r.text())] = r.int() }},
		&call{sql: countOn, args: encode([]any{string(p.name), beat})},
	); err != nil {
		return err
	}
	gone, buried := p.look(seen, began)
	if gone || beat%15 == 0 { // once in a while all the same: who does not watch has no row, and dies unseen
		s.watch.wakeAll()
	}
	for instance, beat := range buried {
		if _, err := c.trip(&call{sql: `DELETE FROM processes WHERE instance = $1 AND beat = $2`, args: encode([]any{string(instance), beat})}); err != nil {
			return err
		}
	}
	return nil
}

// look takes in what a poll saw: whether somebody is gone since the last, and whose rows are to be taken away.
func (p *process) look(seen map[bridge.Instance]int64, now time.Time) (gone bool, buried map[bridge.Instance]int64) {
	p.mu.Lock()
	defer p.mu.Unlock()
	blind := now.Sub(p.polled) > 2*pollEvery // nobody could count on while the server was away
	p.polled = now
	peers := map[bridge.Instance]peer{}
	buried = map[bridge.Instance]int64{}
	for instance, beat := range seen {
		delete(p.gone, instance) // it was only stopped, for longer than its row is kept
		was, known := p.peers[instance]
		if !known || was.beat != beat || blind {
			peers[instance] = peer{beat: beat, since: now}
			continue
		}
		if !was.dead && now.Sub(was.since) >= deadAfter && instance != p.name {
			was.dead, gone = true, true
		}
		if now.Sub(was.since) >= 6*deadAfter && instance != p.name {
			buried[instance] = beat
		}
		peers[instance] = was
	}
	for instance, was := range p.peers {
		if _, there := seen[instance]; !there && !was.dead {
			gone = true
		}
	}
	p.peers = peers
	return gone, buried
}

// Dead reports whether instance is a process that is known to have ended: it has no row any more, or has not counted on for ten seconds
// while this process watched. It is never true for this process, nor for a token, nor where nobody can tell.
func (s *Store) Dead(instance bridge.Instance) bool {
	p := &s.self
	if !strings.HasPrefix(string(instance), "proc_") || instance == p.name {
		return false
	}
	p.mu.Lock()
	peer, watched := p.peers[instance]
	watched = watched && time.Since(p.polled) <= 2*pollEvery
	known := p.gone[instance]
	p.mu.Unlock()
	if watched || known {
		return peer.dead || !watched
	}
	ctx, cancel := context.WithTimeout(background, deadWait)
	defer cancel()
	gone, err := s.isGone(ctx, instance)
	if err != nil || !gone {
		return false
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.gone == nil || len(p.gone) >= 10_000 {
		p.gone = map[bridge.Instance]bool{}
	}
	p.gone[instance] = true
	return true
}

// deadWait is how long [Store.Dead], which may be asked in the midst of a transaction, waits for an answer.
const deadWait = 250 * time.Millisecond

// isGone reports whether a process has no row. Its first act was to make one.
func (s *Store) isGone(ctx context.Context, instance bridge.Instance) (bool, error) {
	if !s.enter() {
		return false, closed()
	}
	defer s.active.Done()
	c, err := s.pool.get(ctx, asking)
	if err != nil {
		return false, err
	}
	defer s.pool.put(c, asking)
	n, err := c.number(`SELECT count(*) FROM processes WHERE instance = $1`, string(instance))
	return n == 0, err
}
