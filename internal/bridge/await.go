package bridge

import (
	"context"
	"errors"
	"fmt"
	"time"

	"agentbridge/internal/audit"
)

// AwaitMessages waits until a check with this request would find something, for q.Wait at most, and reports whether it would. It changes
// nothing: it acks, leases and charges nothing, and is no sign that the caller's model did anything. It is for clients' programs that
// ask again and again on behalf of a call that their model made. A refusal is what the check would be refused with.
func (s *Service) AwaitMessages(ctx context.Context, c Caller, q CheckRequest) (ready bool, err error) {
	if err := checkBounds(&q); err != nil {
		return false, err
	}
	return await(ctx, q.Wait, func(ctx context.Context) <-chan struct{} { return s.WatchInbox(ctx, c) }, func() (bool, error) {
		var found look
		err := aside(func() (err error) { found, err = s.look(ctx, c, q); return err })
		return len(found.waiting) > 0, err
	})
}

// AwaitTask waits until a claim with this request would get a task, for q.Wait at most, and reports whether it would. Like
// [Service.AwaitMessages] it changes nothing. A refusal that can pass, such as a task that another holds, is none here.
func (s *Service) AwaitTask(ctx context.Context, c Caller, q ClaimTaskRequest) (ready bool, err error) {
	if q.Task != "" {
		if q.Conversation, err = s.whereIs(ctx, c, q); err != nil {
			return false, err
		}
	}
	return await(ctx, q.Wait, func(ctx context.Context) <-chan struct{} { return s.store.Watch(ctx, q.topic(c)) }, func() (bool, error) {
		if q.Task == "" {
			found, err := s.openings(ctx, c, q.Conversation)
			return len(found.ready)+len(found.lapsed) > 0, err
		}
		err := s.store.View(ctx, func(tx Tx) error {
			r, err := s.enter(tx, c, q.Conversation)
			if err != nil {
				return err
			}
			_, err = r.pick(c, q.Task)
			return err
		})
		if _, later := errors.AsType[notYet](err); later {
			return false, nil
		}
		if errors.Is(err, errLeaseLapsed) {
			err = nil
		}
		return err == nil, err
	})
}

// Mark is how far a conversation has come, for whoever follows it. The zero Mark is before everything.
type Mark struct {
	Entries int64 `json:"entries"` // in its log
	Phase   Phase `json:"phase"`
}

// AwaitChange waits until one of the caller's conversations is not where it was seen, for so long at most, and gives where it is. Like
// [Service.AwaitMessages] it changes nothing. Whoever is no member any more is refused as [Service.Conversation] refuses.
func (s *Service) AwaitChange(ctx context.Context, c Caller, id ConversationID, seen Mark, atMost time.Duration) (now Mark, err error) {
	_, err = await(ctx, atMost, func(ctx context.Context) <-chan struct{} { return s.WatchFeed(ctx, id) }, func() (bool, error) {
		err := s.store.View(ctx, func(tx Tx) error {
			r, err := s.enter(tx, c, id)
			if err != nil {
				return err
			}
			var head audit.Head
			if err := head.UnmarshalBinary(r.c.Head); err != nil {
				return fmt.Errorf("log %s: %w", id, err)
			}
			now = Mark{head.Size, phase(r.c, tx.Now())}
			return nil
		})
		return now != seen, err
	})
	return now, err
}

// await looks until something is there, for so long at most; at least once.
func await(ctx context.Context, atMost time.Duration, watch func(context.Context) <-chan struct{}, look func() (bool, error)) (bool, error) {
	watching, stop := context.WithCancel(ctx)
	defer stop()
	var hint <-chan struct{}
	if atMost > 0 {
		hint = watch(watching) // first, so that nothing is missed between a look and the wait
	}
	timeout := time.NewTimer(atMost)
	defer timeout.Stop()
	for last := atMost <= 0; ; {
		if ready, err := look(); ready || err != nil || last {
			return ready, err
		}
		select {
		case <-hint:
		case <-timeout.C:
			last = true // and look once more: a lease that is over wakes nobody
		case <-ctx.Done():
			return false, ctx.Err()
		}
	}
}
