package storetest

import (
	"context"
	"sync"
	"testing"
	"time"

	"agentbridge/internal/bridge"
)

// Plan decides which points of a [Faulty] store break. It is asked at each point as it is reached: n counts the points of the
// store's life from 0, over all updates, and what says which it is:
//
//   - the name of a Tx method that writes ("PutMember", "AddEntry", "Charge", "EraseConversation" …): the write is not done and
//     says Unavailable, as an engine does that lost its disk; the transaction is lost;
//   - "commit", when fn has returned nil: nothing is kept, and Update says Unavailable;
//   - "answer", when the update is committed, on disk, and its hints are on their way: Update says Unavailable all the same, as
//     it does when the answer to a commit got lost.
//
// Calls come one at a time.
type Plan func(n int, what string) (broken bool)

// At is the plan that breaks one point.
func At(point int) Plan { return func(n int, _ string) bool { return n == point } }

// Faulty gives a store that breaks where the plan says and is otherwise the one it wraps. Reads never break. Where fn passes over
// the error of a broken write and returns nil, nothing is kept and Update says Unavailable, for such a transaction is lost.
// Where the engine runs fn again, the points it reaches count again.
//
// Every error of its making is [bridge.Unavailable], the one after which a caller may try the same call again. So a rule is right
// if, with any one point broken and calls repeated with the same keys, its story ends as it does with none; see [BreakEach].
func Faulty(s bridge.Store, plan Plan) bridge.Store { return &faulty{Store: s, plan: plan} }

// BreakEach runs a story over and over, each time with one point more left whole before the one that breaks: first the very first
// point of the store, then the second, until a run breaks nothing because it has no more points. That last run is the story as
// it should be. A story begins with a new store each time and wraps it once: Faulty(store, plan). With -short it breaks every fifth
// point.
func BreakEach(t *testing.T, story func(t *testing.T, plan Plan)) {
	t.Helper()
	step := 1
	if testing.Short() {
		step = 5
	}
	for point, more := 0, true; more; point += step {
		name := ""
		t.Run("", func(t *testing.T) {
			more = false
			story(t, func(n int, what string) bool {
				if n == point {
					more, name = true, what
				}
				return n == point
			})
			if t.Failed() && more {
				t.Logf("point %d was broken: %s", point, name)
			}
		})
		if t.Failed() {
			return // the other points would say the same at length
		}
	}
}

type faulty struct {
	bridge.Store
	plan Plan

	mu sync.Mutex // guards n, and calls of plan
	n  int
}

// reach asks the plan about the next point.
func (s *faulty) reach(what string) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	n := s.n
	s.n++
	if s.plan(n, what) {
		return bridge.Errorf(bridge.Unavailable, "point %d, %s, was broken for a test", n, what)
	}
	return nil
}

func (s *faulty) Update(ctx context.Context, scope bridge.Scope, fn func(bridge.Tx) error) error {
	return s.run(ctx, scope, fn, s.Store.Update)
}

func (s *faulty) Jot(ctx context.Context, scope bridge.Scope, fn func(bridge.Tx) error) error {
	return s.run(ctx, scope, fn, s.Store.Jot)
}

// run runs an update whose points can break.
func (s *faulty) run(ctx context.Context, scope bridge.Scope, fn func(bridge.Tx) error, update func(context.Context, bridge.Scope, func(bridge.Tx) error) error) error {
	err := update(ctx, scope, func(tx bridge.Tx) error {
		f := &faultyTx{Tx: tx, store: s}
		if err := fn(f); err != nil {
			return err
		}
		if f.lost != nil {
			return f.lost
		}
		return s.reach("commit")
	})
	if err != nil {
		return err
	}
	return s.reach("answer")
}

// faultyTx is a transaction whose writes can break.
type faultyTx struct {
	bridge.Tx
	store *faulty
	lost  error // of the write that broke; the transaction can do nothing more
}

func (tx *faultyTx) write(what string, do func() error) error {
	if tx.lost == nil {
		tx.lost = tx.store.reach(what)
	}
	if tx.lost != nil {
		return tx.lost
	}
	return do()
}

func (tx *faultyTx) PutMeta(key string, value []byte) error {
	return tx.write("PutMeta", func() error { return tx.Tx.PutMeta(key, value) })
}

func (tx *faultyTx) PutAgent(a bridge.Agent) error {
	return tx.write("PutAgent", func() error { return tx.Tx.PutAgent(a) })
}

func (tx *faultyTx) PutToken(k bridge.Token) error {
	return tx.write("PutToken", func() error { return tx.Tx.PutToken(k) })
}

func (tx *faultyTx) PutConversation(c bridge.Conversation) error {
	return tx.write("PutConversation", func() error { return tx.Tx.PutConversation(c) })
}

func (tx *faultyTx) EraseConversation(id bridge.ConversationID) error {
	return tx.write("EraseConversation", func() error { return tx.Tx.EraseConversation(id) })
}

func (tx *faultyTx) PutMember(m bridge.Member) error {
	return tx.write("PutMember", func() error { return tx.Tx.PutMember(m) })
}

func (tx *faultyTx) PutInvite(i bridge.Invite) error {
	return tx.write("PutInvite", func() error { return tx.Tx.PutInvite(i) })
}

func (tx *faultyTx) AddMessage(m bridge.Message) error {
	return tx.write("AddMessage", func() error { return tx.Tx.AddMessage(m) })
}

func (tx *faultyTx) AddDelivery(d bridge.Delivery) error {
	return tx.write("AddDelivery", func() error { return tx.Tx.AddDelivery(d) })
}

func (tx *faultyTx) PutDelivery(d bridge.Delivery) error {
	return tx.write("PutDelivery", func() error { return tx.Tx.PutDelivery(d) })
}

func (tx *faultyTx) AddTask(k bridge.Task) error {
	return tx.write("AddTask", func() error { return tx.Tx.AddTask(k) })
}

func (tx *faultyTx) PutTask(k bridge.Task) error {
	return tx.write("PutTask", func() error { return tx.Tx.PutTask(k) })
}

func (tx *faultyTx) PutPermit(p bridge.Permit) error {
	return tx.write("PutPermit", func() error { return tx.Tx.PutPermit(p) })
}

func (tx *faultyTx) AddCommand(c bridge.Command) error {
	return tx.write("AddCommand", func() error { return tx.Tx.AddCommand(c) })
}

func (tx *faultyTx) PutCommand(c bridge.Command) error {
	return tx.write("PutCommand", func() error { return tx.Tx.PutCommand(c) })
}

func (tx *faultyTx) AddAlert(a bridge.Alert) error {
	return tx.write("AddAlert", func() error { return tx.Tx.AddAlert(a) })
}

func (tx *faultyTx) PutSending(s bridge.Sending) error {
	return tx.write("PutSending", func() error { return tx.Tx.PutSending(s) })
}

func (tx *faultyTx) DropSendings(before time.Time) error {
	return tx.write("DropSendings", func() error { return tx.Tx.DropSendings(before) })
}

func (tx *faultyTx) TouchPresence(agent bridge.AgentID, instance bridge.Instance, at time.Time) error {
	return tx.write("TouchPresence", func() error { return tx.Tx.TouchPresence(agent, instance, at) })
}

func (tx *faultyTx) PutPresence(p bridge.Presence) error {
	return tx.write("PutPresence", func() error { return tx.Tx.PutPresence(p) })
}

func (tx *faultyTx) DropPresence(before time.Time) error {
	return tx.write("DropPresence", func() error { return tx.Tx.DropPresence(before) })
}

func (tx *faultyTx) Charge(a bridge.Account, n int64, keep int) error {
	return tx.write("Charge", func() error { return tx.Tx.Charge(a, n, keep) })
}

func (tx *faultyTx) AddEntry(e bridge.LogEntry) error {
	return tx.write("AddEntry", func() error { return tx.Tx.AddEntry(e) })
}
