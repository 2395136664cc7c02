package sqlite

import (
	"context"
	"fmt"
	"path/filepath"
	"testing"
	"time"

	"agentbridge/internal/bridge"
)

func TestSmoke(t *testing.T) {
	for _, path := range []string{memory, filepath.Join(t.TempDir(), "a b?c", "bridge.db")} {
		s, err := Open(t.Context(), path, Options{})
		if err != nil {
			t.Fatal(err)
		}
		if err := s.Update(t.Context(), "x", send(1, true)); err != nil {
			t.Fatal(err)
		}
		for i := range 5 {
			if err := s.Update(t.Context(), "x", send(int64(i+2), false)); err != nil {
				t.Fatal(err)
			}
		}
		if err := s.View(t.Context(), func(tx bridge.Tx) error {
			h, err := tx.Holders()
			fmt.Println(h, err)
			n, err := tx.Unread("agent_b")
			fmt.Println(n, err)
			l, err := tx.Logs()
			fmt.Println(l, err)
			n, err = tx.Unacked("conv_1", "beta", 3)
			fmt.Println(n, err)
			m, err := tx.Messages("conv_1", 2, 2)
			fmt.Println(len(m), m[0].SentAt, err)
			return nil
		}); err != nil {
			t.Fatal(err)
		}
		if err := s.Close(); err != nil {
			t.Fatal(err)
		}
	}
}

// send is about what one send does: 7 reads, 5 writes.
func send(seq int64, first bool) func(tx bridge.Tx) error {
	return func(tx bridge.Tx) error {
		conv := bridge.ConversationID("conv_1")
		if first {
			if err := tx.PutConversation(bridge.Conversation{ID: conv, CreatedAt: tx.Now(), Key: make([]byte, 32)}); err != nil {
				return err
			}
			for _, n := range []string{"a", "b"} {
				if err := tx.PutMember(bridge.Member{Conversation: conv, Name: n + "eta", Agent: bridge.AgentID("agent_" + n), JoinedAt: tx.Now()}); err != nil {
					return err
				}
				if err := tx.PutToken(bridge.Token{ID: bridge.TokenID(n), Agent: bridge.AgentID("agent_" + n), Tag: make([]byte, 32), Seal: make([]byte, 32)}); err != nil {
					return err
				}
			}
		}
		if _, err := tx.Token("a"); err != nil {
			return err
		}
		c, err := tx.Conversation(conv)
		if err != nil {
			return err
		}
		if seq == 0 {
			seq = c.LastSeq + 1
		}
		if _, err := tx.Members(conv); err != nil {
			return err
		}
		id := bridge.MessageID(fmt.Sprintf("msg_%016x", seq*7919))
		if _, err := tx.Message(conv, id); err == nil {
			return fmt.Errorf("there")
		}
		acc := bridge.Account{Conversation: conv, Holder: "aeta", Kind: bridge.Write}
		n, _, err := tx.Charges(acc, 100, 500, 2000)
		if err != nil {
			return err
		}
		if _, err := tx.Unacked(conv, "beta", 1000); err != nil {
			return err
		}
		if err := tx.Charge(acc, n, 2000); err != nil {
			return err
		}
		if err := tx.AddMessage(bridge.Message{ID: id, Conversation: conv, Seq: seq, From: "aeta", Text: "hello there, this is a text of a usual length, I would say", ActionType: bridge.Info, SentAt: tx.Now(), Digest: "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"}); err != nil {
			return err
		}
		if err := tx.AddDelivery(bridge.Delivery{Conversation: conv, Recipient: "beta", Seq: seq, Message: id, State: bridge.Stored, At: tx.Now()}); err != nil {
			return err
		}
		if err := tx.AddEntry(bridge.LogEntry{Log: string(conv), N: seq, At: tx.Now(), Actor: "aeta", Action: "send", Record: make([]byte, 200)}); err != nil {
			return err
		}
		if seq > 10 {
			if err := tx.PutDelivery(bridge.Delivery{Conversation: conv, Recipient: "beta", Seq: seq - 5, State: bridge.Acked, At: tx.Now()}); err != nil {
				return err
			}
		}
		c.LastSeq = seq
		c.SeenAt = tx.Now()
		tx.Notify(bridge.Inbox("agent_b"))
		return tx.PutConversation(c)
	}
}

func BenchmarkUpdate_Alone(b *testing.B) {
	s, err := Open(b.Context(), filepath.Join(b.TempDir(), "bridge.db"), Options{})
	if err != nil {
		b.Fatal(err)
	}
	defer s.Close()
	if err := s.Update(b.Context(), "x", send(1, true)); err != nil {
		b.Fatal(err)
	}
	var in time.Duration
	for b.Loop() {
		if err := s.Update(b.Context(), "x", func(tx bridge.Tx) error {
			start := time.Now()
			defer func() { in += time.Since(start) }()
			return send(0, false)(tx)
		}); err != nil {
			b.Fatal(err)
		}
	}
	b.ReportMetric(float64(in.Microseconds())/float64(b.N), "µs-in-fn/op")
}

func BenchmarkUpdate_Hundred(b *testing.B) {
	s, err := Open(b.Context(), filepath.Join(b.TempDir(), "bridge.db"), Options{})
	if err != nil {
		b.Fatal(err)
	}
	defer s.Close()
	if err := s.Update(b.Context(), "x", send(1, true)); err != nil {
		b.Fatal(err)
	}
	b.SetParallelism(50)
	b.RunParallel(func(pb *testing.PB) {
		for pb.Next() {
			if err := s.Update(context.Background(), "x", send(0, false)); err != nil {
				b.Error(err)
			}
		}
	})
	b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "updates/s")
}
