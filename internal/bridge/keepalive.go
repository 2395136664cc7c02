package bridge

import (
	"context"
	"errors"
	"slices"
	"time"
)

// KeepAlive is what a keep-alive learns of its agent: counts, times and the names of members, and nothing that anybody wrote.
type KeepAlive struct {
	Name   string `json:"name"`   // the agent's own
	Unread int    `json:"unread"` // what waits for it
	// From names who sent the newest of that, sorted, at most [mostNamed] of them; null where nothing waits.
	From []string `json:"from"`
	// NewestAt is when the newest of that began to wait; null: nothing waits. It moves on with every message, also where the count
	// stays the same because others were read meanwhile.
	NewestAt *time.Time `json:"newest_at"`
	// Log is how many entries the deployment's log has. It only grows: where it is less than before, the store is an older copy of itself.
	Log       int64     `json:"log_entries"`
	ExpiresAt time.Time `json:"expires_at"` // of the token
	// TokenEnds says that the token will not go on after that, because its key ends; see [Service.SucceedToken].
	TokenEnds bool    `json:"token_ends,omitempty"`
	Heartbeat float64 `json:"heartbeat_seconds"` // a keep-alive hears from the bridge at least this often
}

// keepAlivePause is the least time between two looks: a burst of messages is one change.
const keepAlivePause = 100 * time.Millisecond

// KeepAlive tells what waits for the caller: at once, whenever that changed, and every [Config.Heartbeat] as a sign of life. It goes
// on until ctx ends, tell fails, or the caller's token is not good any more, and gives that error; a revoked token ends it at once.
//
// It renews the token at two thirds of its life. It is no heartbeat, for whoever calls it knows whether somebody listens, and never
// progress: it acks nothing, leases nothing and renews no task.
func (s *Service) KeepAlive(ctx context.Context, c Caller, tell func(KeepAlive) error) error {
	watching, stop := context.WithCancel(ctx)
	defer stop()
	hint := s.WatchInbox(watching, c) // first, so that nothing is missed between a look and the wait
	beat := time.NewTicker(s.conf.Heartbeat)
	defer beat.Stop()
	var last KeepAlive
	for alive := true; ; {
		now, err := s.keepAlive(ctx, c)
		if err != nil {
			return s.refused(c, err)
		}
		if alive || !now.same(last) {
			if err := tell(now); err != nil {
				return err
			}
			last = now
		}
		if err := sleep(ctx, min(keepAlivePause, s.conf.Heartbeat)); err != nil {
			return err
		}
		select {
		case <-hint:
			alive = false
		case <-beat.C:
			alive = true
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// Waiting tells once what waits for the caller, as [Service.KeepAlive] does, and changes nothing but that it renews the token where it
// is time. It is for who has no time: one read.
func (s *Service) Waiting(ctx context.Context, c Caller) (KeepAlive, error) {
	k, err := s.keepAlive(ctx, c)
	return k, s.refused(c, err)
}

// keepAlive looks, and renews the caller's token where it is time.
func (s *Service) keepAlive(ctx context.Context, c Caller) (k KeepAlive, err error) {
	var due, mortal bool
	var now time.Time
	err = s.store.View(ctx, func(tx Tx) error {
		k = KeepAlive{Name: c.cred.name, Heartbeat: s.conf.Heartbeat.Seconds()}
		token, err := s.authorise(tx, c)
		if err != nil {
			return err
		}
		k.ExpiresAt = token.until
		log, err := head(tx, DeploymentLog)
		if err != nil {
			return err
		}
		k.Log = log.Size
		now = tx.Now()
		due = !now.Before(token.until.Add(-s.conf.TokenTTL / 3))
		_, forever, _ := s.ring().lasts(token.KeyID)
		mortal = !forever && token.Parent == ""
		if k.Unread, err = unreadOf(tx, c); err != nil || k.Unread == 0 {
			return err
		}
		k.NewestAt, k.From, err = newest(tx, c)
		return err
	})
	if err != nil || !due {
		return k, err
	}
	expires, err := s.RenewToken(ctx, c)
	switch {
	case err == nil:
		k.ExpiresAt = expires
		k.TokenEnds = mortal && expires.Before(now.Add(s.conf.TokenTTL/3))
	case errors.Is(err, Denied), errors.Is(err, Expired), ctx.Err() != nil:
		return k, err
	default: // a third of its life is left to try again
		s.log.Warn("renew token", "agent", c.cred.agent, "error", err)
	}
	return k, nil
}

// Of what waits for an agent, only so many of the newest at each seat are looked at for who sent them, and so many names are told.
const (
	mostNamed  = 5
	mostLooked = 20
)

// newest is when the last of what waits for an agent began to wait, and who sent the newest; nil where nothing waits.
func newest(tx Tx, c Caller) (at *time.Time, from []string, err error) {
	seats, err := seatsOf(tx, c)
	if err != nil {
		return nil, nil, err
	}
	for _, m := range seats {
		waiting, err := tx.Waiting(m.Conversation, m.Name, 0)
		if err != nil {
			return nil, nil, err
		}
		for _, d := range waiting { // not only the last: one that came back is older and waits anew
			if at == nil || d.At.After(*at) {
				at = &d.At
			}
		}
		for _, d := range waiting[max(0, len(waiting)-mostLooked):] {
			sent, err := tx.Message(d.Conversation, d.Message)
			if err != nil {
				return nil, nil, err
			}
			if !slices.Contains(from, sent.From) && len(from) < mostNamed {
				from = append(from, sent.From)
			}
		}
	}
	slices.Sort(from)
	return at, from, nil
}

// same reports whether nothing changed that anybody acts on.
func (k KeepAlive) same(last KeepAlive) bool {
	moved := (k.NewestAt == nil) != (last.NewestAt == nil) || k.NewestAt != nil && !k.NewestAt.Equal(*last.NewestAt)
	return k.Unread == last.Unread && !moved
}

// sleep waits, unless ctx ends first.
func sleep(ctx context.Context, d time.Duration) error {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}
