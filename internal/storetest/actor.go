package storetest

import (
	"context"
	"errors"
	"fmt"
	"hash/fnv"
	"slices"
	"strings"

	"agentbridge/internal/audit"
	"agentbridge/internal/bridge"
)

// actor does calls on a store, in this process or in another, one at a time.
type actor interface{ do(c call) answer }

// call is something to be done. Which fields count depends on Op.
type call struct {
	Op           string
	Key          string                `json:",omitempty"`
	Topic        bridge.Topic          `json:",omitempty"`
	Conversation bridge.ConversationID `json:",omitempty"`
	Member       string                `json:",omitempty"`
	Receipt      bridge.Receipt        `json:",omitempty"`
	Limit        int                   `json:",omitempty"`
}

// answer is what came of a call.
type answer struct {
	Seqs    []int64 `json:",omitempty"`
	Text    string  `json:",omitempty"`
	Err     string  `json:",omitempty"`
	Unknown bool    `json:",omitempty"` // it was done or it was not
}

// crew are the members of every conversation in these stories. They are only so many, and all have joined.
var crew = [...]string{"alpha", "beta", "gamma"}

// local is an actor with a handle of its own. What it does to conversations is what the rules do, as far as the store can tell:
// the same rows, read and written in one update, so that [Invariants] hold.
type local struct {
	store bridge.Store
	hints <-chan struct{}
}

func (l *local) do(c call) (a answer) {
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	update := func(fn func(tx bridge.Tx) error) error {
		return l.store.Update(ctx, bridge.InConversation(c.Conversation), fn)
	}
	var err error
	switch c.Op {
	case "hello":
	case "count":
		err = l.store.Update(ctx, bridge.Deployment, count(c.Key))
	case "notify":
		err = l.store.Update(ctx, bridge.Deployment, func(tx bridge.Tx) error {
			tx.Notify(c.Topic)
			return count("n")(tx)
		})
	case "watch":
		l.hints = l.store.Watch(context.Background(), c.Topic)
	case "await":
		select {
		case <-l.hints:
		case <-ctx.Done():
			err = errors.New("no hint came")
		}
	case "send":
		err = update(func(tx bridge.Tx) error { return send(tx, c, &a) })
	case "lease":
		err = update(func(tx bridge.Tx) error { return lease(tx, c, &a) })
	case "ack":
		err = update(func(tx bridge.Tx) error { return ack(tx, c, &a) })
	case "add":
		err = update(func(tx bridge.Tx) error { return addJob(tx, c, &a) })
	case "claim":
		err = update(func(tx bridge.Tx) error { return claim(tx, c, &a) })
	case "end":
		err = update(func(tx bridge.Tx) error { return end(tx, c, &a) })
	case "lapse":
		err = update(func(tx bridge.Tx) error { return lapse(tx, c, &a) })
	case "jobs":
		err = l.store.View(ctx, func(tx bridge.Tx) (err error) { a.Text, err = tellJobs(tx, c.Conversation); return err })
	case "look":
		err = l.store.View(ctx, func(tx bridge.Tx) (err error) { a.Text, err = tell(tx, c.Conversation); return err })
	default:
		err = fmt.Errorf("no such call: %q", c.Op)
	}
	if err != nil {
		a = answer{Err: err.Error(), Unknown: errors.Is(err, bridge.Unavailable)}
	}
	return a
}

// room gives the conversation, which is made on first use.
func room(tx bridge.Tx, id bridge.ConversationID) (bridge.Conversation, error) {
	c, err := tx.Conversation(id)
	if !errors.Is(err, bridge.NotFound) {
		return c, err
	}
	c = bridge.Conversation{ID: id, CreatedAt: tx.Now(), Key: make([]byte, 32)}
	for i, name := range crew {
		m := bridge.Member{Conversation: id, Name: name, Rank: bridge.Peer, Agent: agentID(i), InvitedAt: tx.Now(), JoinedAt: tx.Now()}
		if err := tx.PutMember(m); err != nil {
			return c, err
		}
	}
	return c, record(tx, &c, crew[0], "create", string(id))
}

// record appends an entry and stores the conversation with its new head.
func record(tx bridge.Tx, c *bridge.Conversation, actor, action, subject string) error {
	var head audit.Head
	if len(c.Head) > 0 {
		if err := head.UnmarshalBinary(c.Head); err != nil {
			return err
		}
	}
	e := audit.Entry{Log: string(c.ID), N: head.Size, At: tx.Now(), Actor: actor, Action: action, Subject: subject}
	line := bridge.LogEntry{Log: e.Log, N: e.N, At: e.At, Actor: actor, Action: action, Record: e.Record()}
	if err := tx.AddEntry(line); err != nil {
		return err
	}
	var err error
	if c.Head, err = head.Append(line.Record).MarshalBinary(); err != nil {
		return err
	}
	c.SeenAt = tx.Now()
	return tx.PutConversation(*c)
}

// send adds a message for everybody else, once for a member and key.
func send(tx bridge.Tx, c call, a *answer) error {
	conversation, err := room(tx, c.Conversation)
	if err != nil {
		return err
	}
	hash := fnv.New64a()
	fmt.Fprintf(hash, "%s\n%s", c.Member, c.Key)
	id := bridge.MessageID(fmt.Sprintf("msg_%016x", hash.Sum64()))
	if m, err := tx.Message(c.Conversation, id); !errors.Is(err, bridge.NotFound) {
		a.Seqs = []int64{m.Seq} // sent before
		return err
	}
	members, err := tx.Members(c.Conversation)
	if err != nil {
		return err
	}
	account := bridge.Account{Conversation: c.Conversation, Holder: c.Member, Kind: bridge.Write}
	n, _, err := tx.Charges(account, 100)
	if err != nil {
		return err
	}
	if err := tx.Charge(account, n, 100); err != nil {
		return err
	}
	conversation.LastSeq++
	m := bridge.Message{
		ID: id, Conversation: c.Conversation, Seq: conversation.LastSeq, From: c.Member, Rank: bridge.Peer, Text: c.Key, ActionType: bridge.Info,
		SentAt: tx.Now(), Digest: c.Key,
	}
	if err := tx.AddMessage(m); err != nil {
		return err
	}
	for _, r := range members {
		if r.Name == c.Member {
			continue
		}
		d := bridge.Delivery{Conversation: c.Conversation, Recipient: r.Name, Seq: m.Seq, Message: id, State: bridge.Stored, At: tx.Now()}
		if err := tx.AddDelivery(d); err != nil {
			return err
		}
		tx.Notify(bridge.Inbox(r.Agent))
	}
	tx.Notify(bridge.Feed(c.Conversation))
	a.Seqs = []int64{m.Seq}
	return record(tx, &conversation, c.Member, "send", string(id))
}

// lease hands out the oldest copies that wait, as one batch; asked again for that batch, it tells it again.
func lease(tx bridge.Tx, c call, a *answer) error {
	batch, err := tx.Batch(c.Conversation, c.Member, c.Receipt)
	if err != nil {
		return err
	}
	if len(batch) == 0 {
		if batch, err = tx.Waiting(c.Conversation, c.Member, c.Limit); err != nil {
			return err
		}
		for _, d := range batch {
			d.State, d.At, d.Receipt, d.Instance = bridge.Delivered, tx.Now(), c.Receipt, "proc_1"
			d.Attempts++
			if err := tx.PutDelivery(d); err != nil {
				return err
			}
		}
	}
	a.Seqs, err = pluck(func(d bridge.Delivery) int64 { return d.Seq })(batch, nil)
	return err
}

// ack ends the copies of a batch.
func ack(tx bridge.Tx, c call, a *answer) error {
	batch, err := tx.Batch(c.Conversation, c.Member, c.Receipt)
	if err != nil {
		return err
	}
	acked := false
	for _, d := range batch {
		if d.State != bridge.Delivered {
			continue
		}
		acked, d.State, d.How, d.At = true, bridge.Acked, bridge.Explicit, tx.Now()
		if err := tx.PutDelivery(d); err != nil {
			return err
		}
	}
	if acked {
		conversation, err := tx.Conversation(c.Conversation)
		if err != nil {
			return err
		}
		if err := record(tx, &conversation, c.Member, "ack", string(c.Receipt)); err != nil {
			return err
		}
	}
	a.Seqs, err = pluck(func(d bridge.Delivery) int64 { return d.Seq })(batch, nil)
	return err
}

// tell gives the whole conversation in a line: number, key and every copy's state and batch.
func tell(tx bridge.Tx, id bridge.ConversationID) (string, error) {
	messages, err := tx.Messages(id, 0, 0)
	if err != nil {
		return "", err
	}
	copies, err := tx.Deliveries(id, 0, int64(len(messages)))
	if err != nil {
		return "", err
	}
	var l ledger
	for _, m := range messages {
		l = append(l, line{key: m.Text})
	}
	for _, d := range copies {
		state := string(d.State)
		if d.Receipt != "" {
			state += "/" + string(d.Receipt)
		}
		l[d.Seq-1].copies[slices.Index(crew[:], d.Recipient)] = state
	}
	return l.String(), nil
}

// ledger is a conversation as its members see it: its messages in order.
type ledger []line

type line struct {
	key    string
	copies [len(crew)]string // state and batch; empty for the sender
}

func (l ledger) String() string {
	var b strings.Builder
	for i, line := range l {
		fmt.Fprintf(&b, "%d %s ", i+1, line.key)
		for who, state := range line.copies {
			if state != "" {
				fmt.Fprintf(&b, "%s=%s ", crew[who], state)
			}
		}
		b.WriteString("; ")
	}
	return strings.ReplaceAll(b.String(), " ; ", "; ")
}
