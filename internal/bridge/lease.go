package bridge

import (
	"context"
	"errors"
	"slices"
)

// lease hands what waits in these conversations to the caller's instance, one conversation after another. A lease is a Jot: nobody
// was promised more than that it is known while anybody lives.
func (s *Service) lease(ctx context.Context, c Caller, q CheckRequest, ids []ConversationID) (CheckResult, error) {
	receipt, unread := s.ring().newReceipt(c.cred.agent), 0
	b := batch{limit: q.Limit}
	for _, id := range ids {
		if len(b.messages) == b.limit || b.text >= maxBatchText {
			b.more = true
			break
		}
		take := func(tx Tx) (taking, error) { return s.take(tx, c, id, receipt, b) }
		// Whoever waits for it may go; whether it was leased must be known all the same, to give it back.
		lasting := context.WithoutCancel(ctx)
		taken, err := commit(lasting, s.store.Jot, InConversation(id), take)
		if errors.Is(err, errLapsed) { // what comes back has entries, so it is an update of its own
			if err = s.reclaimOwn(ctx, c, id); err == nil {
				taken, err = commit(lasting, s.store.Jot, InConversation(id), take)
			}
		}
		if err == nil {
			b, unread = taken.batch, taken.unread
			err = ctx.Err()
		}
		if err != nil {
			s.undo(ctx, c, receipt, err)
			return CheckResult{}, err
		}
	}
	return b.result(receipt, unread), nil
}

// errLapsed says that an instance that lapsed holds something, which must come back first.
var errLapsed = errors.New("an instance that lapsed holds deliveries")

// reclaimOwn takes back what instances of the caller that lapsed hold.
func (s *Service) reclaimOwn(ctx context.Context, c Caller, id ConversationID) error {
	return s.store.Update(ctx, InConversation(id), func(tx Tx) error {
		r, err := s.enter(tx, c, id)
		if err != nil {
			return err
		}
		if _, _, err := r.reclaim(r.me.Name); err != nil {
			return err
		}
		return r.save()
	})
}

// undo gives back at once what a check took, or may have taken, before it failed: nobody will see its receipt. Because a commit of
// unknown outcome may still happen, and giving back may fail, the instance's next check gives it back again.
func (s *Service) undo(ctx context.Context, c Caller, receipt Receipt, failed error) {
	if err := s.GiveBack(context.WithoutCancel(ctx), c, receipt); err != nil || errors.Is(failed, Unavailable) {
		s.mu.Lock()
		defer s.mu.Unlock()
		s.unseen[c.Instance] = append(s.unseen[c.Instance], receipt)
	}
}

// redo gives back what an earlier check of the instance could not.
func (s *Service) redo(ctx context.Context, c Caller) error {
	s.mu.Lock()
	receipts := s.unseen[c.Instance]
	delete(s.unseen, c.Instance)
	s.mu.Unlock()
	for i, receipt := range receipts {
		if err := s.GiveBack(ctx, c, receipt); err != nil {
			s.mu.Lock()
			defer s.mu.Unlock()
			s.unseen[c.Instance] = append(s.unseen[c.Instance], receipts[i:]...)
			return err
		}
	}
	return nil
}

// taking is what a batch became, and how much waits for the caller in all its conversations then.
type taking struct {
	batch  batch
	unread int
}

// take leases what waits in one conversation to the caller's instance, as far as the batch has room.
func (s *Service) take(tx Tx, c Caller, id ConversationID, receipt Receipt, b batch) (t taking, err error) {
	b.messages = slices.Clone(b.messages)
	r, err := s.enter(tx, c, id)
	if err != nil {
		return t, err
	}
	if lapsed, err := s.holdsLapsed(tx, r.me); err != nil {
		return t, err
	} else if lapsed {
		return t, errLapsed
	}
	waiting, err := tx.Waiting(id, r.me.Name, b.limit-len(b.messages)+1)
	if err != nil {
		return t, err
	}
	taken, err := b.fill(tx, waiting)
	if err != nil {
		return t, err
	}
	unread, err := unreadOf(tx, c)
	if err != nil {
		return t, err
	}
	for _, d := range taken {
		d.State, d.At, d.Receipt, d.Instance = Delivered, r.now, receipt, c.taker(c.Instance)
		d.Attempts++
		if seeded(bugNotDelivered) {
			continue
		}
		if err := tx.PutDelivery(d); err != nil {
			return t, err
		}
	}
	if len(taken) > 0 { // no entry: a lease is none. Followers see that it was delivered.
		tx.Notify(Feed(id))
		tx.Notify(Everything)
	}
	return taking{b, unread - len(taken)}, nil
}
