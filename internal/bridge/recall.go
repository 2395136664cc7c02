package bridge

import (
	"context"
	"errors"
	"strings"
)

// callMark stands between an instance and the call of it that took something.
const callMark = "#"

// taker is the instance as it is noted with what the caller takes: with the name of the call, where it has one.
func (c Caller) taker(instance Instance) Instance {
	if c.Call == "" {
		return instance
	}
	return instance + callMark + Instance(c.Call)
}

// bearer is the instance itself, without the call.
func (i Instance) bearer() Instance {
	bare, _, _ := strings.Cut(string(i), callMark)
	return Instance(bare)
}

// Recall undoes what one call took, the one that [Caller.Call] names, because its answer did not reach who made it: a batch waits again,
// as after [Service.GiveBack], and a claimed task is open again, as after [Service.UnclaimTask]. Where the call took nothing, or what it
// took was acked, ended, renewed or lost since, it does nothing, so doing it twice does no harm. The caller sees to it that the call is
// not under way any more.
func (s *Service) Recall(ctx context.Context, c Caller) error {
	if c.Call == "" {
		return Errorf(Invalid, "no call is named").WithHint("name the call whose answer got lost")
	}
	var held []ConversationID
	err := s.store.View(ctx, func(tx Tx) error {
		held = nil
		if _, err := s.authorise(tx, c); err != nil {
			return err
		}
		seats, err := seatsOf(tx, c)
		if err != nil {
			return err
		}
		for _, m := range seats {
			batch, leases, err := takenBy(tx, c, m)
			if err != nil {
				return err
			}
			if len(batch)+len(leases) > 0 {
				held = append(held, m.Conversation)
			}
		}
		return nil
	})
	if err != nil {
		return err
	}
	for _, id := range held {
		err = errors.Join(err, s.store.Update(ctx, InConversation(id), func(tx Tx) error {
			r, err := s.enter(tx, c, id)
			if err != nil {
				return err
			}
			batch, leases, err := takenBy(tx, c, r.me)
			if err != nil || len(batch)+len(leases) == 0 {
				return err
			}
			for _, l := range leases {
				t, err := r.task(l.Task)
				if err != nil {
					return err
				}
				if err := r.unclaim(t); err != nil {
					return err
				}
			}
			if err := r.putBack(r.me.Name, batch, "return"); err != nil {
				return err
			}
			return r.save()
		}))
	}
	return err
}

// takenBy finds what the caller's call took at one of its seats and still holds.
func takenBy(tx Tx, c Caller, m Member) (batch []Delivery, leases []Lease, err error) {
	held, err := tx.Held(m.Conversation, m.Name)
	if err != nil {
		return nil, nil, err
	}
	for _, d := range held {
		if d.Instance == c.taker(c.Instance) {
			batch = append(batch, d)
		}
	}
	all, err := tx.Leases(m.Conversation)
	for _, l := range all {
		if l.Agent == c.cred.agent && l.Instance == c.taker(c.binds()) {
			leases = append(leases, l)
		}
	}
	return batch, leases, err
}
