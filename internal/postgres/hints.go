package postgres

import (
	"maps"
	"strconv"
	"strings"
	"sync"
	"time"
)

// letter is the longest payload of a notification that servers take.
const letter = 7999

// anyTopic is the payload that wakes everybody.
const anyTopic = "*"

// post tells other processes, after a commit and outside of it: a notification inside would make all commits of the server queue up. What
// comes together while one is on its way travels in the next. It has a connection of its own, so that no update keeps a hint waiting.
type post struct {
	mu      sync.Mutex // guards all below
	pending map[topic]bool
	going   bool
	done    sync.WaitGroup

	quit chan struct{} // closed when nobody waits for hints any more
	conn *conn         // of the goroutine that is going
}

// send has a hint sent to every other process.
func (s *Store) send(topics []topic) {
	p := &s.post
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.pending == nil {
		p.pending = map[topic]bool{}
	}
	for _, t := range topics {
		p.pending[t] = true
	}
	if !p.going {
		p.going = true
		p.done.Go(s.deliver)
	}
}

// deliver sends what is pending until there is nothing more.
func (s *Store) deliver() {
	p := &s.post
	for {
		p.mu.Lock()
		pending := p.pending
		p.pending = nil
		p.going = len(pending) > 0
		p.mu.Unlock()
		if len(pending) == 0 {
			return
		}
		err := s.notify(pending)
		if err == nil {
			continue
		}
		s.opts.Logger.Warn("hints to other hubs are late", "error", failure("notify", err))
		p.mu.Lock()
		if p.pending == nil {
			p.pending = pending
		} else {
			maps.Copy(p.pending, pending)
		}
		p.mu.Unlock()
		select {
		case <-p.quit: // who listens finds that this process is gone, and wakes all
			return
		case <-time.After(time.Second):
		}
	}
}

// notify sends hints in one trip, and once more where the connection was lost.
func (s *Store) notify(pending map[topic]bool) (err error) {
	calls := []*call{
		{sql: `BEGIN`},
		{sql: `SET LOCAL synchronous_commit = off`}, // a hint need not be on disk
		{sql: `SELECT pg_notify($1, $2)`, args: encode([]any{s.at.channel(), payload(string(s.self.name), pending)})},
		{sql: `COMMIT`},
	}
	for range 2 {
		if s.post.conn == nil {
			if s.post.conn, err = s.at.dial(background); err != nil {
				continue
			}
		}
		if _, err = s.post.conn.trip(calls...); err == nil {
			return nil
		}
		_ = s.post.conn.close()
		s.post.conn = nil
	}
	return err
}

// payload says hints in one notification: the sender's name, then the topics.
func payload(from string, topics map[topic]bool) string {
	var b strings.Builder
	b.WriteString(from)
	for t := range topics {
		word := " " + t.String()
		if b.Len()+len(word) > letter {
			return from + " " + anyTopic // for hundreds of topics, everybody looks
		}
		b.WriteString(word)
	}
	return b.String()
}

// read takes a notification apart. One that cannot be read is for everybody.
func read(payload string) (from string, topics []topic, all bool) {
	from, rest, _ := strings.Cut(payload, " ")
	for word := range strings.FieldsSeq(rest) {
		n, err := strconv.ParseUint(word, 36, 64)
		if err != nil {
			return from, nil, true
		}
		topics = append(topics, topic(n))
	}
	return from, topics, false
}

// close waits until what was pending is sent.
func (p *post) close() {
	close(p.quit)
	p.done.Wait()
	if p.conn != nil {
		_ = p.conn.close()
	}
}
