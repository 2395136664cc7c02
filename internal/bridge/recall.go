package bridge

import (
	"context"
	"errors"
	"slices"
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

// speaksFor reports whether what an instance took is the caller's to give back: it is the caller's own, or both came over the network, by a
// token that may have got a successor since. Whoever names a receipt or a lease token was given it.
func (c Caller) speaksFor(i, own Instance) bool {
	far := func(i Instance) bool { return strings.HasPrefix(string(i), instanceHTTP) }
	return i.bearer() == own || far(i) && far(own)
}

// Recall undoes what one call took, the one that [Caller.Call] names, because its answer did not reach who made it: a batch waits again,
// as after [Service.GiveBack], and a claimed task is open again, as after [Service.UnclaimTask]. Where the call took nothing, or what it
// took was acked, ended, renewed or lost since, it does nothing, so doing it twice does no harm. The caller sees to it that the call is
// not under way any more.
func (s *Service) Recall(ctx context.Context, c Caller) error {
	if c.Call == "" {
		return Errorf(Invalid, "no call is named").WithHint("name the call whose answer got lost")
	}
	// By the name alone, which nobody else can have: the token may have got a successor since.
	named := func(i Instance) bool { return strings.HasSuffix(string(i), callMark+c.Call) }
	return s.returnAll(ctx, c, func(tx Tx, m Member) (taken, error) { return takenBy(tx, c, m, named, named) })
}

// Reclaim makes all batches wait again that the caller's instance holds, whatever calls took them. It is for a process that begins where
// another ended without a word, and whose instance does not say which process it was: a token, as on HTTP. Claims stay: whoever claims
// such a task by its id carries on with it.
func (s *Service) Reclaim(ctx context.Context, c Caller) error {
	return s.returnAll(ctx, c, func(tx Tx, m Member) (taken, error) {
		return takenBy(tx, c, m, func(i Instance) bool { return i.bearer() == c.Instance }, func(Instance) bool { return false })
	})
}

// taken is what one of the caller's seats holds.
type taken struct {
	batch  []Delivery
	leases []Lease
}

func (t taken) nothing() bool { return len(t.batch)+len(t.leases) == 0 }

// takenBy finds what instances like these hold at a seat.
func takenBy(tx Tx, c Caller, m Member, holds, bound func(Instance) bool) (t taken, err error) {
	held, err := tx.Held(m.Conversation, m.Name)
	if err != nil {
		return t, err
	}
	t.batch = slices.DeleteFunc(held, func(d Delivery) bool { return !holds(d.Instance) })
	leases, err := tx.Leases(m.Conversation)
	t.leases = slices.DeleteFunc(leases, func(l Lease) bool { return l.Agent != c.cred.agent || !bound(l.Instance) })
	return t, err
}

// returnAll gives back what find finds at the caller's seats, each conversation's part in an update of its own.
func (s *Service) returnAll(ctx context.Context, c Caller, find func(Tx, Member) (taken, error)) error {
	var at []ConversationID
	err := s.store.View(ctx, func(tx Tx) error {
		at = nil
		if _, err := s.authorise(tx, c); err != nil {
			return err
		}
		seats, err := seatsOf(tx, c)
		if err != nil {
			return err
		}
		for _, m := range seats {
			t, err := find(tx, m)
			if err != nil {
				return err
			}
			if !t.nothing() {
				at = append(at, m.Conversation)
			}
		}
		return nil
	})
	for _, id := range at {
		err = errors.Join(err, s.store.Update(ctx, InConversation(id), func(tx Tx) error {
			r, err := s.enter(tx, c, id)
			if err != nil {
				return err
			}
			t, err := find(tx, r.me)
			if err != nil || t.nothing() {
				return err
			}
			return r.giveBack(t)
		}))
	}
	return err
}

// giveBack makes wait again, and opens again, what the seat me held.
func (r *room) giveBack(t taken) error {
	for _, l := range t.leases {
		task, err := r.task(l.Task)
		if err != nil {
			return err
		}
		if err := r.unclaim(task); err != nil {
			return err
		}
	}
	if err := r.putBack(r.me.Name, t.batch, "return"); err != nil {
		return err
	}
	return r.save()
}
