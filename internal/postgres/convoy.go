package postgres

import (
	"slices"
	"strings"
	"sync"
	"time"

	"agentbridge/internal/bridge"
)

// heldUp is what waits for so long that it departs beside those that are under way: somebody's function may take its time.
const heldUp = 20 * time.Millisecond

// gather is how long the first wait for others where twice as many were answered a moment ago: who was answered together comes back together.
const gather = 300 * time.Microsecond

// convoy is where conversations with updates wait to share a transaction. While some are at work others gather, and depart as soon as the work
// is done, when all that those before them still wait for is the server's disk.
type convoy struct {
	most int // at work at once; given by Open

	mu      sync.Mutex // guards all below
	waiting []*queue   // each led by nobody but this convoy
	since   time.Time  // when the first of them came
	working int
	due     int  // how many were answered together a moment ago, and did not come back yet
	gathers bool // a timer has the next depart
	watched bool // a timer looks whether somebody waits for too long
}

// shared reports whether updates of a scope may share a transaction with those of others. What is written in a conversation's scope is all
// of that conversation, so two transactions that share several of them cannot stand in each other's way.
func shared(scope bridge.Scope) bool { return strings.HasPrefix(string(scope), "conv_") }

// board has a queue led that has somebody waiting.
func (s *Store) board(q *queue) {
	if !shared(q.scope) {
		s.active.Go(func() { s.lead(q) })
		return
	}
	c := &s.convoy
	c.mu.Lock()
	defer c.mu.Unlock()
	if len(c.waiting) == 0 {
		c.since = time.Now()
	}
	c.waiting = append(c.waiting, q)
	s.may()
	if len(c.waiting) > 0 && !c.watched {
		c.watched = true
		time.AfterFunc(heldUp, s.relieve)
	}
}

// may has those depart who wait, if it is time. The caller has the lock of convoy, and enters the store.
func (s *Store) may() {
	c := &s.convoy
	switch n := len(c.waiting); {
	case n == 0 || c.working >= c.most:
	case 2*n > c.due:
		s.depart()
	case c.gathers:
	default:
		c.gathers = true
		time.AfterFunc(gather, func() {
			if !s.enter() {
				return
			}
			defer s.active.Done()
			c.mu.Lock()
			defer c.mu.Unlock()
			c.gathers, c.due = false, 0
			s.may()
		})
	}
}

// relieve has those depart who waited for too long.
func (s *Store) relieve() {
	if !s.enter() {
		return
	}
	defer s.active.Done()
	c := &s.convoy
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.watched = len(c.waiting) > 0; !c.watched {
		return
	}
	if time.Since(c.since) >= heldUp {
		s.depart()
	}
	time.AfterFunc(heldUp, s.relieve)
}

// depart commits for those who wait. The caller has the lock of convoy, and enters the store.
func (s *Store) depart() {
	c := &s.convoy
	free := max(1, c.most-c.working)
	n := min((len(c.waiting)+free-1)/free, groupSize)
	queues := c.waiting[:n:n]
	c.waiting, c.since = slices.Clone(c.waiting[n:]), time.Now()
	c.working++
	c.due = max(0, c.due-n)
	worked := sync.OnceFunc(func() {
		c.mu.Lock()
		defer c.mu.Unlock()
		c.working--
		s.may()
	})
	s.active.Go(func() {
		defer worked() // in any case: fn may end this goroutine
		if n > 1 {
			s.together(queues, worked)
			return
		}
		defer s.again(queues[0])
		s.turn(queues[0], worked)
	})
	s.may() // the rest, where more may be at work
}

// answers notes that so many are answered together.
func (c *convoy) answers(n int) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.due = n
}

// again has a queue led on if there is more.
func (s *Store) again(q *queue) {
	if s.turns.more(q) {
		s.board(q)
	}
}

// together commits for several scopes. Those that somebody else has get leaders of their own, and so do all where something failed: each tries
// again for itself.
func (s *Store) together(queues []*queue, worked func()) {
	var ships []*ship
	settled := false
	defer func() {
		var all []*request
		var through []*queue
		if settled {
			s.convoy.answers(len(ships))
		}
		for _, q := range queues {
			i := slices.IndexFunc(ships, func(v *ship) bool { return v.q == q })
			switch {
			case i >= 0 && settled:
				q.finish(ships[i].g)
				all, through = append(all, ships[i].g...), append(through, q)
				continue
			case i >= 0:
				q.undo(ships[i].g)
				q.back(ships[i].g)
			}
			s.active.Go(func() { s.lead(q) })
		}
		s.announce(all)
		for _, q := range through {
			s.again(q)
		}
	}()
	_ = s.transaction(nil, time.Now().Add(s.opts.LockTimeout), func(t *turn) (err error) {
		t.worked = worked
		if ships, err = t.muster(queues); err != nil {
			return err
		}
		for _, v := range ships {
			v.g = v.q.group()
		}
		settled, err = t.convoy(ships)
		return err
	})
}

// muster begins a transaction and locks those scopes that nobody else has. The others are not waited for.
func (t *turn) muster(queues []*queue) (ships []*ship, err error) {
	names := make([]bridge.Scope, len(queues))
	by := map[string]*ship{}
	for i, q := range queues {
		names[i] = q.scope
	}
	const these = ` = ANY (ARRAY(SELECT json_array_elements_text($1::text::json)))`
	args := encode([]any{array(names)})
	var version int64
	if _, err := t.c.trip(
		&call{sql: `BEGIN`},
		&call{sql: readVersion, each: func(r *row) { version = r.int() }},
		&call{sql: `SELECT id FROM scopes WHERE id` + these + ` ORDER BY id FOR UPDATE SKIP LOCKED`, args: args, each: func(r *row) { by[r.text()] = &ship{} }},
		&call{sql: clock, each: func(r *row) { t.now = r.time() }},
		&call{sql: `SELECT ` + conversationColumns + ` FROM conversations WHERE id` + these, args: args, each: func(r *row) {
			c := scanConversation(r)
			if v := by[string(c.ID)]; v != nil {
				v.ahead.conversations = append(v.ahead.conversations, c)
			}
		}},
		&call{sql: `SELECT ` + memberColumns + ` FROM members WHERE conversation` + these + ` ORDER BY conversation, invited_at NULLS FIRST, name`, args: args, each: func(r *row) {
			m := scanMember(r)
			if v := by[string(m.Conversation)]; v != nil {
				v.ahead.members = append(v.ahead.members, m)
			}
		}},
	); err != nil {
		return nil, err
	}
	if err := checkSchema(t.c, version, t.s.opts.Moving); err != nil {
		return nil, err
	}
	t.epoch = t.s.clock.Read(t.now)
	for _, q := range queues {
		if v := by[string(q.scope)]; v != nil {
			v.q, v.ahead.id = q, bridge.ConversationID(q.scope)
			v.ahead.knows.conversation, v.ahead.knows.members = true, true
			ships = append(ships, v)
		}
	}
	return ships, nil
}

// convoy runs and commits all ships. Where they are not settled, nothing was committed, and each scope is to go on alone.
func (t *turn) convoy(ships []*ship) (settled bool, err error) {
	undone := func(err error) (bool, error) {
		for _, v := range ships {
			v.q.undo(v.g)
		}
		return false, err
	}
	jots := true
	for _, v := range ships {
		for _, r := range v.g {
			jots = jots && r.jot
		}
	}
	if err := t.sail(ships); err != nil {
		return undone(err)
	}
	if jots {
		t.c.hold(&call{sql: `SET LOCAL synchronous_commit = off`})
	}
	if err := t.afterwards(ships); err != nil {
		return undone(err)
	}
	good := false
	for _, v := range ships {
		good = good || v.good
	}
	if !good {
		return true, nil
	}
	commit := &call{op: "commit", sql: `COMMIT`}
	t.c.warned = false
	t.worked()
	failed, err := t.c.release(commit)
	if err != nil && failed != nil && failed != commit {
		return undone(blamed(failed, err, false))
	}
	if err = committed(t.c, commit, err); passing(err) {
		return undone(err)
	} else if err != nil {
		for _, v := range ships {
			t.s.abort(v.g, failure("commit", err))
		}
	}
	return true, nil
}
