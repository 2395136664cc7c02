package sqlite

import (
	"errors"
	"fmt"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"agentbridge/internal/bridge"
)

const (
	room  = bridge.ConversationID("conv_0000000000000001")
	alpha = bridge.AgentID("agent_000000000000000a")
	beta  = bridge.AgentID("agent_000000000000000b")
)

// furnish makes a conversation of two that has so many messages, all read.
func furnish(b *testing.B, s *Store, messages int) {
	b.Helper()
	if err := s.Update(b.Context(), bridge.Deployment, func(tx bridge.Tx) error {
		for name, id := range map[string]bridge.AgentID{"alpha": alpha, "beta": beta} {
			if err := errors.Join(
				tx.PutMember(bridge.Member{Conversation: room, Name: name, Agent: id, JoinedAt: tx.Now()}),
				tx.PutToken(bridge.Token{ID: bridge.TokenID(name), Agent: id, Tag: make([]byte, 32), Seal: make([]byte, 32), CreatedAt: tx.Now()}),
			); err != nil {
				return err
			}
		}
		return tx.PutConversation(bridge.Conversation{ID: room, CreatedAt: tx.Now(), LastSeq: int64(messages), Key: make([]byte, 32), Head: make([]byte, 300)})
	}); err != nil {
		b.Fatal(err)
	}
	if err := s.writer.script(fmt.Sprintf(`
		BEGIN;
		CREATE TEMP TABLE old AS WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < %d)
			SELECT i, 'conv_' || format('%%016x', i %% 100 + 1) AS conversation, 'msg_' || format('%%016x', (i * 2654435761) %% 4294967296) AS id FROM n WHERE %[1]d > 0;
		INSERT INTO messages SELECT conversation, i, id, 'alpha', 'r', 'peer', hex(zeroblob(100)), 'info', NULL, '', 0, hex(zeroblob(32)), 0 FROM old;
		INSERT INTO deliveries SELECT conversation, i, 'beta', id, 'acked', 0, '', 'explicit', 1, 'rcpt_' || i / 10, 'proc_1' FROM old;
		INSERT INTO entries SELECT conversation, i, 0, 'alpha', 'send', zeroblob(200) FROM old;
		DROP TABLE old;
		COMMIT;`, messages)); err != nil {
		b.Fatal(err)
	}
}

// send does about what the rules do for one message: 7 reads and 6 writes.
func send(tx bridge.Tx) error {
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
		tx.AddDelivery(bridge.Delivery{Conversation: room, Recipient: "beta", Seq: c.LastSeq, Message: id, State: bridge.Stored, At: tx.Now()}),
		tx.AddEntry(bridge.LogEntry{Log: string(room), N: c.LastSeq, At: tx.Now(), Actor: "alpha", Action: "send", Record: make([]byte, 200)}),
		tx.PutConversation(c), tx.PutGrown(bridge.Grown{Conversation: room, Size: c.LastSeq}))
}

// check does about what the rules do for one look into an inbox: it acks what is held and takes what waits.
func check(tx bridge.Tx) error {
	if _, err := tx.Token("beta"); err != nil {
		return err
	}
	seats, err := tx.Memberships(beta)
	if err != nil {
		return err
	}
	for _, seat := range seats {
		held, err := tx.Held(seat.Conversation, seat.Name)
		if err != nil {
			return err
		}
		for _, d := range held {
			d.State, d.At, d.How = bridge.Acked, tx.Now(), bridge.Explicit
			if err := tx.PutDelivery(d); err != nil {
				return err
			}
		}
		waiting, err := tx.Waiting(seat.Conversation, seat.Name, 50)
		if err != nil {
			return err
		}
		for _, d := range waiting {
			if _, err := tx.Message(d.Conversation, d.Message); err != nil {
				return err
			}
			d.State, d.At, d.Receipt, d.Instance, d.Attempts = bridge.Delivered, tx.Now(), "rcpt_1", "proc_1", 1
			if err := tx.PutDelivery(d); err != nil {
				return err
			}
		}
	}
	_, err = tx.Unread(beta)
	return err
}

// timed runs fn as an update and gives how long it took, and how much of that was fn.
func timed(b *testing.B, s *Store, fn func(bridge.Tx) error) (whole, inside time.Duration) {
	start := time.Now()
	if err := s.Update(b.Context(), bridge.InConversation(room), func(tx bridge.Tx) error {
		defer func(start time.Time) { inside = time.Since(start) }(time.Now())
		return fn(tx)
	}); err != nil {
		b.Fatal(err)
	}
	return time.Since(start), inside
}

func median(all []time.Duration) float64 {
	slices.Sort(all)
	return float64(all[len(all)/2].Nanoseconds()) / 1000
}

// BenchmarkSendAndCheck gives the medians of one send and of one check, alone, over histories of different length.
func BenchmarkSendAndCheck(b *testing.B) {
	for _, messages := range []int{0, 1_000_000} {
		b.Run(fmt.Sprintf("history=%d", messages), func(b *testing.B) {
			s, err := Open(b.Context(), filepath.Join(b.TempDir(), "bridge.db"), Options{})
			if err != nil {
				b.Fatal(err)
			}
			defer s.Close()
			furnish(b, s, messages)
			var sends, insides, checks []time.Duration
			for b.Loop() {
				whole, inside := timed(b, s, send)
				sends, insides = append(sends, whole), append(insides, inside)
				whole, _ = timed(b, s, check)
				checks = append(checks, whole)
			}
			b.ReportMetric(median(sends), "µs-send-p50")
			b.ReportMetric(median(insides), "µs-statements-p50")
			b.ReportMetric(median(checks), "µs-check-p50")
		})
	}
}

// BenchmarkSend_FromHundred gives how many sends a second a hundred callers of one process get done.
func BenchmarkSend_FromHundred(b *testing.B) {
	s, err := Open(b.Context(), filepath.Join(b.TempDir(), "bridge.db"), Options{})
	if err != nil {
		b.Fatal(err)
	}
	defer s.Close()
	furnish(b, s, 0)
	b.SetParallelism(50)
	b.RunParallel(func(pb *testing.PB) {
		for n := 0; pb.Next(); n++ {
			fn := send
			if n%10 == 0 {
				fn = check // or the inbox gets long
			}
			if err := s.Update(b.Context(), bridge.InConversation(room), fn); err != nil {
				b.Error(err)
			}
		}
	})
	b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "updates/s")
}

// BenchmarkView gives the cost of one look.
func BenchmarkView(b *testing.B) {
	s, err := Open(b.Context(), filepath.Join(b.TempDir(), "bridge.db"), Options{})
	if err != nil {
		b.Fatal(err)
	}
	defer s.Close()
	furnish(b, s, 0)
	for b.Loop() {
		if err := s.View(b.Context(), func(tx bridge.Tx) error { _, err := tx.Conversation(room); return err }); err != nil {
			b.Fatal(err)
		}
	}
}
