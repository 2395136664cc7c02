package sqlite

import (
	"context"
	"encoding/binary"
	"time"
)

// start begins to listen to other processes. The caller has the lock.
func (s *Store) start() {
	w := &s.watch
	if w.stop != nil {
		return
	}
	ctx, stop := context.WithCancel(context.Background())
	w.stop = stop
	in, err := openInbox(w.run, box(s.Instance()))
	if err != nil {
		s.opts.Logger.Warn("hints of other processes will be late", "error", err)
	} else {
		w.in = in
		w.loops.Go(w.listen)
	}
	w.loops.Go(func() { s.poll(ctx) })
}

// sign tells other processes that this one watches a topic. The caller has the lock.
func (w *watch) sign(t topic) {
	x := w.topics[t]
	switch {
	case w.in == nil || x.signed || w.all:
	case len(w.topics) > maxSigns:
		w.all = w.in.sign(everyTopic)
	default:
		x.signed = w.in.sign(t.String())
	}
}

// tidy takes back the signs of topics that nobody watched since the last poll, and reports whether anybody watches anything.
func (w *watch) tidy() (watched bool) {
	w.mu.Lock()
	defer w.mu.Unlock()
	for t, x := range w.topics {
		switch {
		case len(x.hints) > 0:
			watched, x.unused = true, false
		case x.unused:
			w.in.unsign(t.String())
			delete(w.topics, t)
		default:
			x.unused = true
		}
	}
	if w.all && len(w.topics) <= maxSigns {
		w.all = false
		for t := range w.topics {
			w.sign(t)
		}
		w.in.unsign(everyTopic)
	}
	return watched
}

// listen wakes for the hints of other processes until the inbox is closed.
func (w *watch) listen() {
	buf := make([]byte, letter)
	for {
		n, err := w.in.conn.Read(buf)
		if err != nil {
			return // closed; were it broken, the poll would serve
		}
		if n == 0 {
			w.wakeAll()
			continue
		}
		var topics []topic
		for b := buf[:n]; len(b) >= 8; b = b[8:] {
			topics = append(topics, topic(binary.BigEndian.Uint64(b)))
		}
		w.wake(topics)
	}
}

// poll wakes everybody after a second in which another process changed the database. What this one commits was announced here, and
// a hub whose every sweep woke a thousand waiting agents would do little else.
func (s *Store) poll(ctx context.Context) {
	w := &s.watch
	tick := time.NewTicker(pollEvery)
	defer tick.Stop()
	var seen int64 // no version is 0
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
		if !w.tidy() {
			continue
		}
		version, err := s.version()
		if err != nil {
			s.opts.Logger.Warn("poll the database", "error", err)
		}
		if version != seen || err != nil {
			w.wakeAll()
		}
		seen = version
	}
}

// version is a number that changes when another process changed the database, or another connection of this one, which do not.
func (s *Store) version() (int64, error) {
	s.writing.Lock()
	defer s.writing.Unlock()
	if s.writer == nil { // who only reads needs it for this alone
		var err error
		if s.writer, err = connectReading(s.path); err != nil {
			return 0, err
		}
	}
	return s.writer.number("PRAGMA data_version")
}
