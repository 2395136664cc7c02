package bridge

import (
	"context"
	"errors"
)

// ackAll acks what a check's request names.
func (s *Service) ackAll(ctx context.Context, c Caller, q CheckRequest) error {
	if q.Ack != "" {
		if err := s.Ack(ctx, c, q.Ack, Explicit); err != nil {
			return err
		}
	}
	for _, receipt := range q.Implied {
		if err := s.Ack(ctx, c, receipt, Implied); err != nil && !errors.Is(err, LeaseLost) && !errors.Is(err, Expired) && !errors.Is(err, Invalid) {
			return err
		}
	}
	return nil
}

// Ack ends the deliveries of a batch, however late, unless the batch was handed out again since, or the seat was revoked: then it
// returns [LeaseLost]. Where all of it was declared dead meanwhile, and the senders were told so, it returns [Expired]. Acking twice is
// not an error. Each conversation's part is one idempotent update: after [Unavailable] the same call
// is safe.
func (s *Service) Ack(ctx context.Context, c Caller, receipt Receipt, how How) error {
	ids, left, err := s.parts(ctx, c, receipt)
	switch {
	case err != nil:
		return err
	case left == "":
		return Errorf(LeaseLost, "that batch is not yours any more: it was handed out again, or your seat was revoked").
			WithHint("go on with check_messages without that receipt")
	case left == Dead:
		return Errorf(Expired, "that batch was declared dead before you acked it, and its senders were told").
			WithHint("go on with check_messages; tell the senders if you acted on it")
	}
	for _, id := range ids {
		err := s.store.Update(ctx, InConversation(id), func(tx Tx) error {
			return s.ackPart(tx, c, id, receipt, how)
		})
		if err != nil {
			return err
		}
	}
	return nil
}

// parts finds the conversations where a batch has deliveries that are not acked yet, and what else is left of it: dead if that is all,
// empty if nothing is known under its receipt.
func (s *Service) parts(ctx context.Context, c Caller, receipt Receipt) (ids []ConversationID, left DeliveryState, err error) {
	if err := s.ring().checkReceipt(receipt, c.cred.agent); err != nil {
		return nil, "", err
	}
	err = s.store.View(ctx, func(tx Tx) error {
		ids, left = nil, ""
		if _, err := s.authorise(tx, c); err != nil {
			return err
		}
		seats, err := seatsOf(tx, c)
		if err != nil {
			return err
		}
		for _, m := range seats {
			deliveries, err := tx.Batch(m.Conversation, m.Name, receipt)
			if err != nil {
				return err
			}
			open := false
			for _, d := range deliveries {
				open = open || d.State == Stored || d.State == Delivered
				if left == "" || d.State != Dead {
					left = d.State
				}
			}
			if open {
				ids = append(ids, m.Conversation)
			}
		}
		return nil
	})
	return ids, left, err
}

// inBatch enters a conversation and reads what a batch holds of it.
func (s *Service) inBatch(tx Tx, c Caller, id ConversationID, receipt Receipt) (*room, []Delivery, error) {
	r, err := s.enter(tx, c, id)
	if err != nil {
		return nil, nil, err
	}
	deliveries, err := tx.Batch(id, r.me.Name, receipt)
	return r, deliveries, err
}

// ackPart acks one conversation's part of a batch.
func (s *Service) ackPart(tx Tx, c Caller, id ConversationID, receipt Receipt, how How) error {
	r, deliveries, err := s.inBatch(tx, c, id, receipt)
	if err != nil {
		return err
	}
	var acked []Delivery
	for _, d := range deliveries {
		// Stored: it was taken back from this instance, and nobody else has it yet.
		if d.State != Delivered && d.State != Stored {
			continue
		}
		d.State, d.At, d.How = Acked, r.now, how
		if seeded(bugAckForgotten) {
			d.State = Stored
		}
		if err := tx.PutDelivery(d); err != nil {
			return err
		}
		acked = append(acked, d)
	}
	if len(acked) == 0 {
		return nil
	}
	if err := r.record(r.me.Name, "ack", string(receipt), facts{"seqs": seqs(acked), "how": string(how)}); err != nil {
		return err
	}
	return r.save()
}

// GiveBack makes a batch wait again whose answer did not reach the client: the call was cancelled or the connection broke. It
// comes to whoever checks next, marked redelivered. Giving back what was acked, or is another's by now, does nothing.
func (s *Service) GiveBack(ctx context.Context, c Caller, receipt Receipt) error {
	ids, _, err := s.parts(ctx, c, receipt)
	if err != nil {
		return err
	}
	for _, id := range ids {
		err = errors.Join(err, s.store.Update(ctx, InConversation(id), func(tx Tx) error {
			r, deliveries, err := s.inBatch(tx, c, id, receipt)
			if err != nil {
				return err
			}
			var held []Delivery
			for _, d := range deliveries {
				if d.State == Delivered && c.speaksFor(d.Instance, c.Instance) {
					held = append(held, d)
				}
			}
			if err := r.putBack(r.me.Name, held, "return"); err != nil || len(held) == 0 {
				return err
			}
			return r.save()
		}))
	}
	return err
}
