package storetest

import (
	"cmp"
	"errors"
	"maps"
	"slices"
	"time"

	"agentbridge/internal/bridge"
)

// The model's rows of conversations.

func (m *model) Conversation(id bridge.ConversationID) (bridge.Conversation, error) {
	return get(m.conversations, id)
}

func (m *model) Conversations() ([]bridge.Conversation, error) {
	return pick(maps.Values(m.conversations), func(bridge.Conversation) bool { return true },
		func(a, b bridge.Conversation) int { return b.CreatedAt.Compare(a.CreatedAt) }, 0), nil
}

func (m *model) DueConversations(until time.Time, limit int) ([]bridge.ConversationID, error) {
	due := pick(maps.Values(m.conversations), func(c bridge.Conversation) bool { return !c.DueAt.IsZero() && !c.DueAt.After(until) },
		func(a, b bridge.Conversation) int { return a.DueAt.Compare(b.DueAt) }, limit)
	return pluck(func(c bridge.Conversation) bridge.ConversationID { return c.ID })(due, nil)
}

func (m *model) PutConversation(c bridge.Conversation) error {
	m.conversations[c.ID] = c
	return nil
}

func (m *model) EraseConversation(id bridge.ConversationID) error {
	maps.DeleteFunc(m.members, func(k memberKey, _ bridge.Member) bool { return k.conversation == id })
	maps.DeleteFunc(m.invites, func(_ string, i bridge.Invite) bool { return i.Conversation == id })
	maps.DeleteFunc(m.messages, func(k messageKey, _ bridge.Message) bool { return k.conversation == id })
	maps.DeleteFunc(m.deliveries, func(k deliveryKey, _ bridge.Delivery) bool { return k.conversation == id })
	maps.DeleteFunc(m.tasks, func(k taskKey, _ bridge.Task) bool { return k.conversation == id })
	maps.DeleteFunc(m.alerts, func(_ bridge.AlertID, a bridge.Alert) bool { return a.Conversation == id })
	maps.DeleteFunc(m.commands, func(k commandKey, _ bridge.Command) bool { return k.conversation == id })
	delete(m.permits, id)
	maps.DeleteFunc(m.charges, func(a bridge.Account, _ []time.Time) bool { return a.Conversation == id })
	return nil
}

func (m *model) Member(id bridge.ConversationID, name string) (bridge.Member, error) {
	return get(m.members, memberKey{id, name})
}

func (m *model) Members(id bridge.ConversationID) ([]bridge.Member, error) {
	return pick(maps.Values(m.members), func(r bridge.Member) bool { return r.Conversation == id }, func(a, b bridge.Member) int {
		return cmp.Or(a.InvitedAt.Compare(b.InvitedAt), cmp.Compare(a.Name, b.Name))
	}, 0), nil
}

func (m *model) Memberships(agent bridge.AgentID) ([]bridge.Member, error) {
	return pick(maps.Values(m.members), func(r bridge.Member) bool { return r.Agent == agent && r.RevokedAt.IsZero() },
		func(a, b bridge.Member) int {
			return cmp.Or(cmp.Compare(a.Conversation, b.Conversation), cmp.Compare(a.Name, b.Name))
		}, 0), nil
}

func (m *model) PutMember(r bridge.Member) error {
	m.members[memberKey{r.Conversation, r.Name}] = r
	return nil
}

func (m *model) Invite(id string) (bridge.Invite, error) { return get(m.invites, id) }

func (m *model) Invites(id bridge.ConversationID) ([]bridge.Invite, error) {
	return m.invitesWhere(func(i bridge.Invite) bool { return i.Conversation == id }), nil
}

func (m *model) InvitesNamed(name string) ([]bridge.Invite, error) {
	return m.invitesWhere(func(i bridge.Invite) bool { return i.Name == name && i.UsedAt.IsZero() && !i.Void }), nil
}

func (m *model) invitesWhere(belongs func(bridge.Invite) bool) []bridge.Invite {
	return pick(maps.Values(m.invites), belongs, func(a, b bridge.Invite) int { return a.CreatedAt.Compare(b.CreatedAt) }, 0)
}

func (m *model) PutInvite(i bridge.Invite) error {
	m.invites[i.ID] = i
	return nil
}

func (m *model) AddMessage(r bridge.Message) error {
	if _, err := m.Message(r.Conversation, r.ID); err == nil {
		return bridge.Conflict
	}
	key := messageKey{r.Conversation, r.Seq}
	if _, taken := m.messages[key]; taken {
		return bridge.Conflict
	}
	m.messages[key] = r
	return nil
}

func (m *model) Message(id bridge.ConversationID, message bridge.MessageID) (bridge.Message, error) {
	for key, r := range m.messages {
		if key.conversation == id && r.ID == message {
			return r, nil
		}
	}
	return bridge.Message{}, bridge.NotFound
}

func (m *model) Messages(id bridge.ConversationID, after int64, limit int) ([]bridge.Message, error) {
	return pick(maps.Values(m.messages), func(r bridge.Message) bool { return r.Conversation == id && r.Seq > after },
		func(a, b bridge.Message) int { return cmp.Compare(a.Seq, b.Seq) }, limit), nil
}

// errKey is what a write of a delivery says whose key is taken or missing. The contract names no code for it.
var errKey = errors.New("no such copy, or one too many")

func (m *model) AddDelivery(d bridge.Delivery) error {
	key := deliveryKey{d.Conversation, d.Recipient, d.Seq}
	if _, taken := m.deliveries[key]; taken {
		return errKey
	}
	m.deliveries[key] = d
	return nil
}

func (m *model) PutDelivery(d bridge.Delivery) error {
	key := deliveryKey{d.Conversation, d.Recipient, d.Seq}
	if _, there := m.deliveries[key]; !there {
		return errKey
	}
	m.deliveries[key] = d
	return nil
}

func (m *model) copies(id bridge.ConversationID, belongs func(bridge.Delivery) bool, limit int) []bridge.Delivery {
	return pick(maps.Values(m.deliveries), func(d bridge.Delivery) bool { return d.Conversation == id && belongs(d) },
		func(a, b bridge.Delivery) int {
			return cmp.Or(cmp.Compare(a.Seq, b.Seq), cmp.Compare(a.Recipient, b.Recipient))
		}, limit)
}

func (m *model) Deliveries(id bridge.ConversationID, from, to int64) ([]bridge.Delivery, error) {
	return m.copies(id, func(d bridge.Delivery) bool { return from <= d.Seq && d.Seq <= to }, 0), nil
}

func (m *model) Waiting(id bridge.ConversationID, recipient string, limit int) ([]bridge.Delivery, error) {
	return m.copies(id, func(d bridge.Delivery) bool { return d.Recipient == recipient && d.State == bridge.Stored }, limit), nil
}

func (m *model) Held(id bridge.ConversationID, recipient string) ([]bridge.Delivery, error) {
	return m.copies(id, func(d bridge.Delivery) bool { return d.Recipient == recipient && d.State == bridge.Delivered }, 0), nil
}

func (m *model) Batch(id bridge.ConversationID, recipient string, receipt bridge.Receipt) ([]bridge.Delivery, error) {
	return m.copies(id, func(d bridge.Delivery) bool { return d.Recipient == recipient && d.Receipt == receipt }, 0), nil
}

func (m *model) Unacked(id bridge.ConversationID, limit int, recipients ...string) ([]int, error) {
	counts := []int{}
	for _, recipient := range recipients {
		counts = append(counts, len(m.copies(id, func(d bridge.Delivery) bool {
			return d.Recipient == recipient && (d.State == bridge.Stored || d.State == bridge.Delivered)
		}, limit)))
	}
	return counts, nil
}

func (m *model) Unread(agent bridge.AgentID) (int, error) {
	n := 0
	seats, _ := m.Memberships(agent)
	for _, seat := range seats {
		waiting, _ := m.Waiting(seat.Conversation, seat.Name, 0)
		n += len(waiting)
	}
	return n, nil
}

func (m *model) Holders() ([]bridge.Holder, error) {
	since := map[bridge.Holder]time.Time{}
	for _, d := range m.deliveries {
		if d.State != bridge.Delivered {
			continue
		}
		h := bridge.Holder{Conversation: d.Conversation, Recipient: d.Recipient, Instance: d.Instance}
		if oldest, seen := since[h]; !seen || d.At.Before(oldest) {
			since[h] = d.At
		}
	}
	all := slices.Collect(maps.Keys(since))
	for i, h := range all {
		all[i].Since = since[h]
	}
	return all, nil
}
