package storetest

import (
	"cmp"
	"context"
	"fmt"
	"iter"
	"regexp"
	"slices"
	"testing"
	"time"

	"agentbridge/internal/audit"
	"agentbridge/internal/bridge"
)

// Invariants checks whatever must be true of a store after any story, however it went: numbers without gaps, copies in legal
// states, tasks with one holder at a time, logs that verify against their heads, and lists that agree with each other. It reads one snapshot and changes nothing.
//
// It knows the rules' rows, so it is for stores that the rules, or the histories of this suite, have written.
func Invariants(t testing.TB, s bridge.Store) {
	t.Helper()
	err := s.View(context.WithoutCancel(t.Context()), func(tx bridge.Tx) error { return inspect(tx, t.Errorf) })
	if err != nil {
		t.Errorf("invariants: read the store: %v", err)
	}
}

// inspect tells fail what is wrong with a store. Its own errors are of reading.
func inspect(tx bridge.Tx, fail func(format string, args ...any)) error {
	i := &inspection{
		tx: tx, fail: fail, known: map[string]bool{bridge.DeploymentLog: true}, erased: map[bridge.ConversationID]bool{},
		unread: map[bridge.AgentID]int{}, held: map[bridge.Holder]bool{},
	}
	return i.store()
}

// inspection is on its way through a store.
type inspection struct {
	tx   bridge.Tx
	fail func(format string, args ...any)

	known  map[string]bool // logs that belong to something
	erased map[bridge.ConversationID]bool
	unread map[bridge.AgentID]int // stored copies, by seats
	held   map[bridge.Holder]bool // without Since
	leases []bridge.Lease         // of each conversation in turn
	seats  []bridge.Member        // that the watchdog looks at
}

func (i *inspection) store() error {
	conversations, err := i.tx.Conversations()
	if err != nil {
		return err
	}
	slices.SortFunc(conversations, func(a, b bridge.Conversation) int { return cmp.Compare(a.ID, b.ID) })
	for _, c := range conversations {
		i.known[string(c.ID)] = true
		if err := i.conversation(c); err != nil {
			return fmt.Errorf("%s: %w", c.ID, err)
		}
	}
	head, err := i.tx.Meta("head")
	if verdict(err) == "other" {
		return err
	}
	if err := i.log(bridge.DeploymentLog, head); err != nil {
		return err
	}
	logs, err := i.tx.Logs()
	if err != nil {
		return err
	}
	for _, log := range logs {
		if !i.known[log] {
			i.fail("log %s belongs to no conversation", log)
		}
	}
	return first(i.agents, i.watched, func() error { return i.heads(conversations) })
}

// agents checks what is counted over conversations against what was found in them.
func (i *inspection) agents() error {
	agents, err := i.tx.Agents()
	if err != nil {
		return err
	}
	known := map[bridge.AgentID]bool{}
	for _, a := range agents {
		known[a.ID] = true
	}
	for agent, want := range i.unread {
		got, err := i.tx.Unread(agent)
		if err != nil {
			return err
		}
		if got != want {
			i.fail("agent %s has %d unread, and %d copies are stored for its seats", agent, got, want)
		}
	}
	tokens, err := i.tx.Tokens("")
	if err != nil {
		return err
	}
	for _, k := range tokens {
		if !known[k.Agent] {
			i.fail("token %s is of agent %q, who is not there", k.ID, k.Agent)
		}
	}
	holders, err := i.tx.Holders()
	if err != nil {
		return err
	}
	for _, h := range holders {
		h.Since = time.Time{}
		if !i.held[h] {
			i.fail("%s is said to hold copies for %s in %s, or said so twice", h.Instance, h.Recipient, h.Conversation)
		}
		delete(i.held, h)
	}
	for h := range i.held {
		i.fail("%s holds copies for %s in %s, and is not among the holders", h.Instance, h.Recipient, h.Conversation)
	}
	return nil
}

func (i *inspection) conversation(c bridge.Conversation) error {
	members, err := i.tx.Members(c.ID)
	if err != nil {
		return err
	}
	messages, err := i.tx.Messages(c.ID, 0, 0)
	if err != nil {
		return err
	}
	copies, err := i.tx.Deliveries(c.ID, 0, 1<<62)
	if err != nil {
		return err
	}
	invites, err := i.tx.Invites(c.ID)
	if err != nil {
		return err
	}
	tasks, err := i.tx.Tasks(c.ID, "", 0, 0)
	if err != nil {
		return err
	}
	if !c.ErasedAt.IsZero() {
		i.erased[c.ID] = true
		if n := len(members) + len(messages) + len(copies) + len(invites) + len(tasks); n > 0 || c.Title != "" || c.SpokeBy != "" || len(c.Key) > 0 {
			i.fail("%s is erased, and has %d rows, the title %q and a key of %d bytes", c.ID, n, c.Title, len(c.Key))
		}
		return i.log(string(c.ID), c.Head)
	}
	i.messages(c, messages)
	seats := i.members(c, members)
	i.copies(c, messages, copies, seats)
	if err := i.lists(c, members, copies); err != nil {
		return err
	}
	i.pause(c, seats)
	i.tasks(c, tasks, seats)
	if err := i.taskLists(c, tasks, members); err != nil {
		return err
	}
	leases, err := i.tx.Leases(c.ID)
	if err != nil {
		return err
	}
	i.leases = append(i.leases, leases...)
	for _, v := range invites {
		if _, ok := seats[v.Name]; !ok {
			i.fail("%s: an invite is for %q, who has no seat", c.ID, v.Name)
		}
	}
	return i.log(string(c.ID), c.Head)
}

func (i *inspection) messages(c bridge.Conversation, messages []bridge.Message) {
	ids := map[bridge.MessageID]bool{}
	for n, m := range messages {
		if m.Seq != int64(n+1) {
			i.fail("%s: message %s is number %d, want %d", c.ID, m.ID, m.Seq, n+1)
		}
		if m.Conversation != c.ID || ids[m.ID] {
			i.fail("%s: message %d has the id %s of another, or is of %s", c.ID, m.Seq, m.ID, m.Conversation)
		}
		ids[m.ID] = true
	}
	if c.LastSeq != int64(len(messages)) {
		i.fail("%s: the last number is %d, and there are %d messages", c.ID, c.LastSeq, len(messages))
	}
}

var memberName = regexp.MustCompile(`^[A-Za-z0-9._-]{1,64}$`)

func (i *inspection) members(c bridge.Conversation, members []bridge.Member) map[string]bridge.Member {
	seats := map[string]bridge.Member{}
	for _, m := range members {
		if _, twice := seats[m.Name]; twice || !memberName.MatchString(m.Name) || m.Name == bridge.PersonName || m.Name == bridge.ProgramName {
			i.fail("%s: the name %q is there twice, or cannot be a member's", c.ID, m.Name)
		}
		if m.Present() && m.Agent == "" {
			i.fail("%s: %s has joined as nobody", c.ID, m.Name)
		}
		if !m.SilentAt.IsZero() && m.JoinedAt.IsZero() {
			i.fail("%s: %s is silent since %v, and has not joined", c.ID, m.Name, m.SilentAt)
		}
		if m.Present() && c.BuriedAt.IsZero() {
			i.seats = append(i.seats, m)
		}
		seats[m.Name] = m
	}
	if len(members) > 64 {
		i.fail("%s has %d members", c.ID, len(members))
	}
	return seats
}

func (i *inspection) copies(c bridge.Conversation, messages []bridge.Message, copies []bridge.Delivery, seats map[string]bridge.Member) {
	type key struct {
		recipient string
		seq       int64
	}
	seen := map[key]bool{}
	for _, d := range copies {
		at := fmt.Sprintf("%s: the copy of %d for %s", c.ID, d.Seq, d.Recipient)
		if d.Seq < 1 || d.Seq > int64(len(messages)) || messages[d.Seq-1].ID != d.Message {
			i.fail("%s is of message %s, which is not that one", at, d.Message)
		} else if messages[d.Seq-1].From == d.Recipient {
			i.fail("%s went to its own sender", at)
		}
		if _, ok := seats[d.Recipient]; !ok {
			i.fail("%s is for nobody who has a seat", at)
		}
		if k := (key{d.Recipient, d.Seq}); seen[k] {
			i.fail("%s is there twice", at)
		} else {
			seen[k] = true
		}
		legal := (d.How != "") == (d.State == bridge.Acked) && (d.Reason != "") == (d.State == bridge.Dead)
		switch d.State {
		case bridge.Stored, bridge.Dead:
		case bridge.Delivered, bridge.Acked:
			legal = legal && d.Receipt != "" && d.Instance != "" && d.Attempts > 0
		default:
			legal = false
		}
		if !legal {
			i.fail("%s is in no legal state: %+v", at, d)
		}
	}
}

// lists checks what the engine lists by state against all copies.
func (i *inspection) lists(c bridge.Conversation, members []bridge.Member, copies []bridge.Delivery) error {
	for _, m := range members {
		var stored, delivered []int64
		for _, d := range copies {
			switch {
			case d.Recipient != m.Name:
			case d.State == bridge.Stored:
				stored = append(stored, d.Seq)
			case d.State == bridge.Delivered:
				delivered = append(delivered, d.Seq)
				i.held[bridge.Holder{Conversation: c.ID, Recipient: d.Recipient, Instance: d.Instance}] = true
			}
		}
		if m.Agent != "" && m.RevokedAt.IsZero() {
			i.unread[m.Agent] += len(stored)
		}
		seq := pluck(func(d bridge.Delivery) int64 { return d.Seq })
		waiting, err := seq(i.tx.Waiting(c.ID, m.Name, 0))
		if err != nil {
			return err
		}
		held, err := seq(i.tx.Held(c.ID, m.Name))
		if err != nil {
			return err
		}
		unacked, err := i.tx.Unacked(c.ID, len(copies)+1, m.Name)
		if err != nil {
			return err
		}
		if diff(waiting, stored) != "" || diff(held, delivered) != "" || unacked[0] != len(stored)+len(delivered) {
			i.fail("%s: for %s wait %v, are held %v and are unacked %d, and the copies say %v and %v", c.ID, m.Name, waiting, held, unacked[0], stored, delivered)
		}
	}
	return nil
}

// log verifies a log, and that its columns say what its records say.
func (i *inspection) log(name string, head []byte) error {
	entries, err := i.tx.Entries(name, 0, 0)
	if err != nil {
		return err
	}
	var h audit.Head // of the empty log, which has none stored
	if len(head) > 0 {
		if err := h.UnmarshalBinary(head); err != nil {
			i.fail("log %s: %v", name, err)
		}
	}
	if _, err := audit.Verify(name, h, records(entries)); err != nil {
		i.fail("log %s: %v", name, err)
	}
	for n, e := range entries {
		r, err := audit.ParseRecord(e.Record)
		if err != nil {
			continue // Verify has said so
		}
		if e.N != int64(n) || r.N != e.N || !r.At.Equal(e.At) || r.Actor != e.Actor || r.Action != e.Action {
			i.fail("log %s: entry %d is (%d, %v, %s, %s), and its record says %+v", name, n, e.N, e.At, e.Actor, e.Action, r)
		}
	}
	return nil
}

func records(entries []bridge.LogEntry) iter.Seq2[[]byte, error] {
	return func(yield func([]byte, error) bool) {
		for _, e := range entries {
			if !yield(e.Record, nil) {
				return
			}
		}
	}
}
