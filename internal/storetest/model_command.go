package storetest

import (
	"cmp"
	"maps"
	"time"

	"agentbridge/internal/bridge"
)

// The model's rows of permits and commands.

type commandKey struct {
	conversation bridge.ConversationID
	id           bridge.CommandID
}

func (m *model) Permit(id bridge.ConversationID) (bridge.Permit, error) { return get(m.permits, id) }

func (m *model) Permits(until time.Time) ([]bridge.Permit, error) {
	return pick(maps.Values(m.permits), func(p bridge.Permit) bool { return p.EndedAt.IsZero() && !p.Until.Before(until) },
		func(a, b bridge.Permit) int { return cmp.Compare(a.Conversation, b.Conversation) }, 0), nil
}

func (m *model) PutPermit(p bridge.Permit) error {
	m.permits[p.Conversation] = p
	return nil
}

func (m *model) AddCommand(c bridge.Command) error {
	if _, taken := m.commands[commandKey{c.Conversation, c.ID}]; taken {
		return bridge.Conflict
	}
	m.commands[commandKey{c.Conversation, c.ID}] = c
	return nil
}

func (m *model) PutCommand(c bridge.Command) error {
	if _, err := m.Command(c.Conversation, c.ID); err != nil {
		return err
	}
	m.commands[commandKey{c.Conversation, c.ID}] = c
	return nil
}

func (m *model) Command(id bridge.ConversationID, command bridge.CommandID) (bridge.Command, error) {
	return get(m.commands, commandKey{id, command})
}

func (m *model) Commands(state bridge.CommandState, limit int) ([]bridge.Command, error) {
	return pick(maps.Values(m.commands), func(c bridge.Command) bool { return c.State == state },
		func(a, b bridge.Command) int {
			return cmp.Or(a.ChangedAt.Compare(b.ChangedAt), cmp.Compare(a.ID, b.ID), cmp.Compare(a.Conversation, b.Conversation))
		}, limit), nil
}
