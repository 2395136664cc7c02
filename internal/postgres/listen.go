package postgres

import (
	"context"
	"errors"
	"time"

	"github.com/jackc/pgx/v5/pgconn"
)

// pollEvery is how often the listening connection asks the server for something, which also shows that it still hears.
const pollEvery = 2 * time.Second

// start begins to listen to other processes. The caller has the lock of watch.
func (s *Store) start() {
	w := &s.watch
	if w.stop != nil || w.ended {
		return
	}
	ctx, stop := context.WithCancel(background)
	w.stop = stop
	w.loops.Go(func() { s.listen(ctx) })
}

// listen hears other processes until ctx ends, over a new connection whenever one was lost.
func (s *Store) listen(ctx context.Context) {
	warned := false
	for pause := firstPause; ; pause = min(2*pause, time.Second) {
		began := time.Now()
		err := s.hear(ctx)
		if ctx.Err() != nil {
			return
		}
		if time.Since(began) > pollEvery {
			pause, warned = firstPause, false // it had worked
		}
		if !warned {
			s.opts.Logger.Warn("hints of other hubs are late until the server is back", "error", failure("listen", err))
			warned = true
		}
		select {
		case <-ctx.Done():
			return
		case <-time.After(pause):
		}
	}
}

// hear listens over one connection until it is lost.
func (s *Store) hear(ctx context.Context) error {
	dialing, cancel := context.WithTimeout(ctx, s.at.patience)
	defer cancel()
	c, err := s.at.dial(dialing)
	if err != nil {
		return err
	}
	defer c.close()
	c.hints = func(n *pgconn.Notification) { s.heard(n.Payload) }
	// Nobody was promised a beat, and this connection writes nothing else.
	if err := c.script("SET synchronous_commit = off; LISTEN " + s.at.channel()); err != nil {
		return err
	}
	s.watch.wakeAll() // for what was committed before it listened
	for {
		if err := s.poll(c); err != nil {
			return err
		}
		if err := c.wait(ctx, pollEvery); err != nil {
			return err
		}
	}
}

// wait takes notifications for as long as that.
func (c *conn) wait(ctx context.Context, long time.Duration) error {
	_ = c.raw.Conn().SetDeadline(time.Time{})
	ctx, cancel := context.WithTimeout(ctx, long)
	defer cancel()
	for {
		if err := c.raw.WaitForNotification(ctx); err != nil {
			if ctx.Err() == nil || !errors.Is(err, context.DeadlineExceeded) || c.raw.IsClosed() {
				return err
			}
			return nil
		}
	}
}

// heard wakes for another process's hint. Its own waited for no notification.
func (s *Store) heard(payload string) {
	from, topics, all := read(payload)
	switch {
	case from == string(s.self.name):
	case all:
		s.watch.wakeAll()
	default:
		s.watch.wake(topics)
	}
}
