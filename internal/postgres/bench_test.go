//go:build postgres

package postgres

import (
	"errors"
	"fmt"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"agentbridge/internal/bridge"
)

func roomOf(n int) bridge.ConversationID {
	return bridge.ConversationID(fmt.Sprintf("conv_%016x", n))
}

const (
	alpha = bridge.AgentID("agent_000000000000000a")
	beta  = bridge.AgentID("agent_000000000000000b")
)

// furnish makes conversations of two.
func furnish(b *testing.B, s *Store, rooms int) {
	b.Helper()
	if err := s.Update(b.Context(), bridge.Deployment, func(tx bridge.Tx) error {
		for name, id := range map[string]bridge.AgentID{"alpha": alpha, "beta": beta} {
			if err := tx.PutToken(bridge.Token{ID: bridge.TokenID(name), Agent: id, Tag: make([]byte, 32), Seal: make([]byte, 32), CreatedAt: tx.Now()}); err != nil {
				return err
			}
		}
		for n := range rooms {
			room := roomOf(n)
			if err := errors.Join(
				tx.PutMember(bridge.Member{Conversation: room, Name: "alpha", Agent: alpha, JoinedAt: tx.Now()}),
				tx.PutMember(bridge.Member{Conversation: room, Name: "beta", Agent: beta, JoinedAt: tx.Now()}),
				tx.PutConversation(bridge.Conversation{ID: room, CreatedAt: tx.Now(), Key: make([]byte, 32), Head: make([]byte, 300)}),
			); err != nil {
				return err
			}
		}
		return nil
	}); err != nil {
		b.Fatal(err)
	}
}

// send does about what the rules do for one message: 7 reads and 6 writes.
func send(room bridge.ConversationID) func(tx bridge.Tx) error {
	return func(tx bridge.Tx) error {
		account := bridge.Account{Conversation: room, Holder: "alpha", Kind: bridge.Write}
		_, err1 := tx.Token("alpha")
		c, err2 := tx.Conversation(room)
		_, err3 := tx.Member(room, "alpha")
		_, err4 := tx.Members(room)
		n, _, err5 := tx.Charges(account, 100, 500, 2000)
		if err := errors.Join(err1, err2, err3, err4, err5); err != nil {
			return err
		}
		c.LastSeq++
		c.SeenAt = tx.Now()
		id := bridge.MessageID(fmt.Sprintf("msg_%016x", uint64(c.LastSeq)*0x9E3779B97F4A7C15))
		if _, err := tx.Message(room, id); !errors.Is(err, bridge.NotFound) {
			return errors.Join(err, bridge.Conflict)
		}
		if _, err := tx.Unacked(room, 1000, "beta"); err != nil {
			return err
		}
		tx.Notify(bridge.Inbox(beta))
		return errors.Join(
			tx.Charge(account, n, 2000),
			tx.AddMessage(bridge.Message{
				ID: id, Conversation: room, Seq: c.LastSeq, From: "alpha", Role: "builder", Rank: bridge.Peer,
				Text: "the parser is done; its tests are in parse_test.go, please look at the last one", ActionType: bridge.Info, SentAt: tx.Now(), Digest: "0123456789abcdef0123456789abcdef",
			}),
			tx.AddDelivery(bridge.Delivery{Conversation: room, Recipient: "beta", Seq: c.LastSeq, Message: id, State: bridge.Acked, At: tx.Now()}),
			tx.AddEntry(bridge.LogEntry{Log: string(room), N: c.LastSeq, At: tx.Now(), Actor: "alpha", Action: "send", Record: make([]byte, 200)}),
			tx.PutConversation(c), tx.PutGrown(bridge.Grown{Conversation: room, Size: c.LastSeq}))
	}
}

// BenchmarkSend gives how many sends a second so many callers get done, in so many conversations, over one hub or two.
func BenchmarkSend(b *testing.B) {
	for _, c := range []struct{ hubs, callers, rooms int }{{1, 1, 1}, {1, 16, 1}, {1, 16, 16}, {1, 100, 16}, {2, 16, 16}, {2, 100, 16}, {2, 16, 1}} {
		b.Run(fmt.Sprintf("hubs=%d/callers=%d/conversations=%d", c.hubs, c.callers, c.rooms), func(b *testing.B) {
			dsn := fresh(b)
			var hubs []*Store
			for range c.hubs {
				hubs = append(hubs, start(b, dsn, Options{}))
			}
			furnish(b, hubs[0], c.rooms)
			var left atomic.Int64
			left.Store(int64(b.N))
			var wg sync.WaitGroup
			b.ResetTimer()
			for n := range c.callers {
				wg.Go(func() {
					s, fn := hubs[n%c.hubs], send(roomOf(n%c.rooms))
					for left.Add(-1) >= 0 {
						if err := s.Update(b.Context(), bridge.InConversation(roomOf(n%c.rooms)), fn); err != nil {
							b.Error(err)
						}
					}
				})
			}
			wg.Wait()
			b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "sends/s")
		})
	}
}

// BenchmarkWake gives how long an update in one hub takes, and how long from its begin until a watcher at another is woken.
func BenchmarkWake(b *testing.B) {
	dsn := fresh(b)
	s, other := start(b, dsn, Options{}), start(b, dsn, Options{})
	hints := s.Watch(b.Context(), bridge.Everything)
	var updates, took []time.Duration
	for b.Loop() {
		start := time.Now()
		if err := other.Update(b.Context(), bridge.Deployment, func(tx bridge.Tx) error { tx.Notify(bridge.Everything); return tx.PutMeta("n", nil) }); err != nil {
			b.Fatal(err)
		}
		updates = append(updates, time.Since(start))
		<-hints
		took = append(took, time.Since(start))
	}
	slices.Sort(took)
	slices.Sort(updates)
	b.ReportMetric(float64(updates[len(updates)/2].Microseconds()), "µs-update-p50")
	b.ReportMetric(float64(took[len(took)/2].Microseconds()), "µs-p50")
	b.ReportMetric(float64(took[len(took)*99/100].Microseconds()), "µs-p99")
}
