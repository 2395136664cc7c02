package storetest

import (
	"cmp"
	"errors"
	"fmt"
	"slices"
	"testing"

	"agentbridge/internal/bridge"
)

func messageRoundTrips(t *testing.T, e Engine) {
	s := e.start(t)
	get := func(tx bridge.Tx) (bridge.Message, error) { return tx.Message(convID(1), messageID(1)) }
	missing(t, s, "Message", get)

	want := bridge.Message{
		ID: messageID(1), Conversation: convID(1), Seq: 1 << 40, From: "alpha", Role: words, Rank: bridge.Orchestrator, Text: long,
		ActionType: bridge.Proposal, Files: []string{words, "b.go", "a.go", ""}, ReplyTo: messageID(7), SentAt: odd(1), Digest: "d1", Redacted: 3,
	}
	full(t, want, "Redelivered") // what is redelivered is a copy, so no row of the message says it
	bare := bridge.Message{ID: messageID(2), Conversation: convID(1), Seq: 1, Rank: bridge.Worker, Text: words, ActionType: bridge.Info, Files: []string{}}
	put(t, s, bridge.InConversation(convID(1)), func(tx bridge.Tx) error {
		return first(func() error { return tx.AddMessage(want) }, func() error { return tx.AddMessage(bare) })
	})
	want.SentAt = at(1)
	same(t, "Message", look(t, s, get), want)
	missing(t, s, "Message", func(tx bridge.Tx) (bridge.Message, error) { return tx.Message(convID(2), messageID(1)) })
	all := look(t, s, func(tx bridge.Tx) ([]bridge.Message, error) { return tx.Messages(convID(1), 0, 0) })
	same(t, "Messages", all, []bridge.Message{bare, want})
	if all[0].Files == nil {
		t.Error("a message without files has nil for them, which is null in JSON; want an empty slice")
	}
}

func addMessageConflicts(t *testing.T, e Engine) {
	s := e.start(t)
	message := func(conv, id, seq int) bridge.Message {
		return bridge.Message{ID: messageID(id), Conversation: convID(conv), Seq: int64(seq), Rank: bridge.Peer, ActionType: bridge.Info, Text: "first"}
	}
	add := func(m bridge.Message) error {
		return s.Update(t.Context(), bridge.InConversation(m.Conversation), func(tx bridge.Tx) error { return tx.AddMessage(m) })
	}
	for _, c := range []struct {
		conv, id, seq int
		want          error
	}{
		{1, 1, 1, nil},
		{1, 1, 1, bridge.Conflict},
		{1, 1, 2, bridge.Conflict},
		{1, 2, 1, bridge.Conflict},
		{1, 2, 2, nil},
		{2, 1, 1, nil}, // another conversation has its own ids and numbers
	} {
		if err := add(message(c.conv, c.id, c.seq)); !errors.Is(err, c.want) {
			t.Errorf("AddMessage(conversation %d, id %d, seq %d) = %v, want %v", c.conv, c.id, c.seq, err, c.want)
		}
	}
	all := look(t, s, func(tx bridge.Tx) ([]bridge.Message, error) { return tx.Messages(convID(1), 0, 0) })
	same(t, "Messages after conflicts", all, []bridge.Message{message(1, 1, 1), message(1, 2, 2)})
}

func messagesOrder(t *testing.T, e Engine) {
	s := e.start(t)
	put(t, s, bridge.InConversation(convID(1)), func(tx bridge.Tx) error {
		for _, n := range []int{3, 11, 1, 2, 10} { // by number, not by text and not as they came
			if err := tx.AddMessage(bridge.Message{ID: messageID(20 - n), Conversation: convID(1), Seq: int64(n), Rank: bridge.Peer, ActionType: bridge.Info}); err != nil {
				return err
			}
		}
		return tx.AddMessage(bridge.Message{ID: messageID(1), Conversation: convID(2), Seq: 5, Rank: bridge.Peer, ActionType: bridge.Info})
	})
	seq := pluck(func(m bridge.Message) int64 { return m.Seq })
	for _, c := range []struct {
		after int64
		limit int
		want  []int64
	}{
		{0, 0, []int64{1, 2, 3, 10, 11}},
		{2, 0, []int64{3, 10, 11}},
		{1, 2, []int64{2, 3}},
		{11, 5, nil},
	} {
		got := look(t, s, func(tx bridge.Tx) ([]int64, error) { return seq(tx.Messages(convID(1), c.after, c.limit)) })
		same(t, "Messages", got, c.want)
	}
}

// delivery is a copy in that state, with what the state demands.
func delivery(conv int, recipient string, seq int64, state bridge.DeliveryState) bridge.Delivery {
	d := bridge.Delivery{Conversation: convID(conv), Recipient: recipient, Seq: seq, Message: messageID(int(seq)), State: state, At: at(int(seq))}
	switch state {
	case bridge.Delivered:
		d.Attempts, d.Receipt, d.Instance = 1, "rcpt_1", "proc_1"
	case bridge.Acked:
		d.Attempts, d.Receipt, d.Instance, d.How = 1, "rcpt_1", "proc_1", bridge.Implied
	case bridge.Dead:
		d.Reason = bridge.DeadExpired
	}
	return d
}

func addDeliveries(t *testing.T, s bridge.Store, all ...bridge.Delivery) {
	t.Helper()
	put(t, s, bridge.InConversation(all[0].Conversation), func(tx bridge.Tx) error {
		for _, d := range all {
			if err := tx.AddDelivery(d); err != nil {
				return err
			}
		}
		return nil
	})
}

// copies gives all deliveries of a conversation.
func copies(conv int) func(tx bridge.Tx) ([]bridge.Delivery, error) {
	return func(tx bridge.Tx) ([]bridge.Delivery, error) { return tx.Deliveries(convID(conv), 0, 1<<40) }
}

func deliveryRoundTrips(t *testing.T, e Engine) {
	s := e.start(t)
	want := bridge.Delivery{
		Conversation: convID(1), Recipient: "beta", Seq: 1 << 40, Message: messageID(1), State: bridge.Acked, At: odd(1), Reason: bridge.DeadRevoked,
		How: bridge.Explicit, Attempts: 8, Receipt: "rcpt_1", Instance: "proc_1",
	}
	full(t, want)
	addDeliveries(t, s, want)
	want.At = at(1)
	same(t, "Deliveries", look(t, s, copies(1)), []bridge.Delivery{want})

	want = bridge.Delivery{Conversation: convID(1), Recipient: "beta", Seq: 1 << 40, Message: messageID(1), State: bridge.Stored}
	put(t, s, bridge.InConversation(convID(1)), func(tx bridge.Tx) error { return tx.PutDelivery(want) })
	same(t, "Deliveries after PutDelivery", look(t, s, copies(1)), []bridge.Delivery{want})
}

func addDeliveryTwice(t *testing.T, e Engine) {
	s := e.start(t)
	want := delivery(1, "beta", 1, bridge.Delivered)
	addDeliveries(t, s, want)
	err := s.Update(t.Context(), bridge.InConversation(convID(1)), func(tx bridge.Tx) error {
		return tx.AddDelivery(delivery(1, "beta", 1, bridge.Stored))
	})
	if err == nil {
		t.Error("AddDelivery of a key that is taken = nil, want an error")
	}
	same(t, "Deliveries", look(t, s, copies(1)), []bridge.Delivery{want})
}

func putDeliveryMissing(t *testing.T, e Engine) {
	s := e.start(t)
	addDeliveries(t, s, delivery(1, "beta", 1, bridge.Stored))
	for _, d := range []bridge.Delivery{
		delivery(1, "beta", 2, bridge.Stored), delivery(1, "gamma", 1, bridge.Stored), delivery(2, "beta", 1, bridge.Stored),
	} {
		err := s.Update(t.Context(), bridge.InConversation(d.Conversation), func(tx bridge.Tx) error { return tx.PutDelivery(d) })
		if err == nil {
			t.Errorf("PutDelivery(%s, %s, %d) of no copy = nil, want an error", d.Conversation, d.Recipient, d.Seq)
		}
	}
	same(t, "Deliveries", look(t, s, copies(1)), []bridge.Delivery{delivery(1, "beta", 1, bridge.Stored)})
	same(t, "Deliveries elsewhere", look(t, s, copies(2)), []bridge.Delivery{})
}

// assorted are copies in every state, for two recipients in one conversation and for one of them in another.
func assorted(t *testing.T, s bridge.Store) {
	t.Helper()
	addDeliveries(t, s,
		delivery(1, "gamma", 1, bridge.Stored), delivery(1, "beta", 1, bridge.Acked),
		delivery(1, "beta", 10, bridge.Stored), delivery(1, "beta", 9, bridge.Stored),
		delivery(1, "beta", 3, bridge.Delivered), delivery(1, "beta", 2, bridge.Delivered), delivery(1, "beta", 4, bridge.Dead))
	addDeliveries(t, s, delivery(2, "beta", 1, bridge.Stored), delivery(2, "beta", 2, bridge.Delivered))
}

func deliveriesOrder(t *testing.T, e Engine) {
	s := e.start(t)
	assorted(t, s)
	got := look(t, s, func(tx bridge.Tx) ([]bridge.Delivery, error) { return tx.Deliveries(convID(1), 1, 3) })
	same(t, "Deliveries(1, 3)", got, []bridge.Delivery{
		delivery(1, "beta", 1, bridge.Acked), delivery(1, "gamma", 1, bridge.Stored), delivery(1, "beta", 2, bridge.Delivered), delivery(1, "beta", 3, bridge.Delivered),
	})
	got = look(t, s, func(tx bridge.Tx) ([]bridge.Delivery, error) { return tx.Deliveries(convID(1), 5, 8) })
	same(t, "Deliveries(5, 8)", got, []bridge.Delivery{})
}

func waitingHeldBatch(t *testing.T, e Engine) {
	s := e.start(t)
	assorted(t, s)
	seq := pluck(func(d bridge.Delivery) int64 { return d.Seq })
	for what, c := range map[string]struct {
		get  func(tx bridge.Tx) ([]bridge.Delivery, error)
		want []int64
	}{
		"Waiting":          {func(tx bridge.Tx) ([]bridge.Delivery, error) { return tx.Waiting(convID(1), "beta", 0) }, []int64{9, 10}},
		"Waiting, limit 1": {func(tx bridge.Tx) ([]bridge.Delivery, error) { return tx.Waiting(convID(1), "beta", 1) }, []int64{9}},
		"Held":             {func(tx bridge.Tx) ([]bridge.Delivery, error) { return tx.Held(convID(1), "beta") }, []int64{2, 3}},
		"Batch":            {func(tx bridge.Tx) ([]bridge.Delivery, error) { return tx.Batch(convID(1), "beta", "rcpt_1") }, []int64{1, 2, 3}},
		"Batch of another": {func(tx bridge.Tx) ([]bridge.Delivery, error) { return tx.Batch(convID(1), "gamma", "rcpt_1") }, nil},
		"Held by nobody":   {func(tx bridge.Tx) ([]bridge.Delivery, error) { return tx.Held(convID(1), "gamma") }, nil},
	} {
		same(t, what, look(t, s, func(tx bridge.Tx) ([]int64, error) { return seq(c.get(tx)) }), c.want)
	}
}

func unacked(t *testing.T, e Engine) {
	s := e.start(t)
	assorted(t, s)
	for _, c := range []struct {
		limit      int
		recipients []string
		want       []int
	}{
		{100, []string{"beta", "gamma", "delta"}, []int{4, 1, 0}},
		{100, []string{"delta", "beta"}, []int{0, 4}},
		{4, []string{"beta"}, []int{4}},
		{3, []string{"beta", "gamma"}, []int{3, 1}},
		{100, nil, []int{}},
	} {
		got := look(t, s, func(tx bridge.Tx) ([]int, error) { return tx.Unacked(convID(1), c.limit, c.recipients...) })
		same(t, fmt.Sprintf("Unacked, limit %d, of %v", c.limit, c.recipients), got, c.want)
	}
}

func unread(t *testing.T, e Engine) {
	s := e.start(t)
	assorted(t, s)
	addDeliveries(t, s, delivery(3, "beta", 1, bridge.Stored))
	count := func() int {
		return look(t, s, func(tx bridge.Tx) (int, error) { return tx.Unread(agentID(1)) })
	}
	if got := count(); got != 0 {
		t.Errorf("Unread without a seat = %d, want 0", got)
	}
	putMembers(t, s,
		bridge.Member{Conversation: convID(1), Name: "beta", Agent: agentID(1)},
		bridge.Member{Conversation: convID(1), Name: "gamma", Agent: agentID(2)},
		bridge.Member{Conversation: convID(2), Name: "beta", Agent: agentID(1)},
		bridge.Member{Conversation: convID(3), Name: "beta", Agent: agentID(1), RevokedAt: at(1)})
	if got := count(); got != 3 { // two in the first conversation, one in the second; the third seat is revoked
		t.Errorf("Unread = %d, want 3", got)
	}
}

func holders(t *testing.T, e Engine) {
	s := e.start(t)
	same(t, "Holders of nothing", look(t, s, bridge.Tx.Holders), []bridge.Holder{})
	assorted(t, s)
	other := delivery(1, "beta", 7, bridge.Delivered)
	other.Instance, other.Receipt = "proc_2", "rcpt_2"
	addDeliveries(t, s, other)
	got := look(t, s, bridge.Tx.Holders)
	sortHolders(got)
	same(t, "Holders", got, []bridge.Holder{
		{Conversation: convID(1), Recipient: "beta", Instance: "proc_1", Since: at(2)},
		{Conversation: convID(1), Recipient: "beta", Instance: "proc_2", Since: at(7)},
		{Conversation: convID(2), Recipient: "beta", Instance: "proc_1", Since: at(2)},
	})
}

// sortHolders puts holders into an order, because the contract gives them none.
func sortHolders(all []bridge.Holder) {
	slices.SortFunc(all, func(a, b bridge.Holder) int {
		return cmp.Or(cmp.Compare(a.Conversation, b.Conversation), cmp.Compare(a.Recipient, b.Recipient), cmp.Compare(a.Instance, b.Instance))
	})
}
