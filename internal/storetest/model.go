package storetest

import (
	"cmp"
	"iter"
	"maps"
	"slices"
	"strings"
	"time"

	"agentbridge/internal/bridge"
)

// model says what a transaction's reads give, in the plainest way: maps and sorting. Engines are compared with it. It is a
// [bridge.Tx], so that the same steps can be put to both.
type model struct {
	now           time.Time
	meta          map[string][]byte
	agents        map[bridge.AgentID]bridge.Agent
	tokens        map[bridge.TokenID]bridge.Token
	conversations map[bridge.ConversationID]bridge.Conversation
	members       map[memberKey]bridge.Member
	invites       map[string]bridge.Invite
	messages      map[messageKey]bridge.Message
	deliveries    map[deliveryKey]bridge.Delivery
	presence      map[presenceKey]bridge.Presence
	charges       map[bridge.Account][]time.Time // latest first; zero: forgotten
	entries       map[entryKey]bridge.LogEntry
	grown         map[bridge.ConversationID]bridge.Grown
	tasks         map[taskKey]bridge.Task
	alerts        map[bridge.AlertID]bridge.Alert
	sendings      map[sendingKey]bridge.Sending
	permits       map[bridge.ConversationID]bridge.Permit
	commands      map[commandKey]bridge.Command
}

type memberKey struct {
	conversation bridge.ConversationID
	name         string
}

type messageKey struct {
	conversation bridge.ConversationID
	seq          int64
}

type deliveryKey struct {
	conversation bridge.ConversationID
	recipient    string
	seq          int64
}

type presenceKey struct {
	agent    bridge.AgentID
	instance bridge.Instance
}

type entryKey struct {
	log string
	n   int64
}

func newModel() *model {
	return &model{
		meta:          map[string][]byte{},
		agents:        map[bridge.AgentID]bridge.Agent{},
		tokens:        map[bridge.TokenID]bridge.Token{},
		conversations: map[bridge.ConversationID]bridge.Conversation{},
		members:       map[memberKey]bridge.Member{},
		invites:       map[string]bridge.Invite{},
		messages:      map[messageKey]bridge.Message{},
		deliveries:    map[deliveryKey]bridge.Delivery{},
		presence:      map[presenceKey]bridge.Presence{},
		charges:       map[bridge.Account][]time.Time{},
		entries:       map[entryKey]bridge.LogEntry{},
		grown:         map[bridge.ConversationID]bridge.Grown{},
		tasks:         map[taskKey]bridge.Task{},
		alerts:        map[bridge.AlertID]bridge.Alert{},
		sendings:      map[sendingKey]bridge.Sending{},
		permits:       map[bridge.ConversationID]bridge.Permit{},
		commands:      map[commandKey]bridge.Command{},
	}
}

// clone gives a copy to work on, as of a time. Rows are never changed in place, so the maps are all there is to copy.
func (m *model) clone(now time.Time) *model {
	return &model{
		now: now, meta: maps.Clone(m.meta), agents: maps.Clone(m.agents), tokens: maps.Clone(m.tokens),
		conversations: maps.Clone(m.conversations), members: maps.Clone(m.members), invites: maps.Clone(m.invites),
		messages: maps.Clone(m.messages), deliveries: maps.Clone(m.deliveries), presence: maps.Clone(m.presence),
		charges: maps.Clone(m.charges), entries: maps.Clone(m.entries), tasks: maps.Clone(m.tasks), alerts: maps.Clone(m.alerts),
		sendings: maps.Clone(m.sendings), grown: maps.Clone(m.grown), permits: maps.Clone(m.permits), commands: maps.Clone(m.commands),
	}
}

// get gives one row of a map.
func get[K comparable, R any](rows map[K]R, key K) (R, error) {
	row, ok := rows[key]
	if !ok {
		return row, bridge.NotFound
	}
	return row, nil
}

// pick gives those rows that belong, in order, up to a limit; limit 0 means all.
func pick[R any](rows iter.Seq[R], belongs func(R) bool, order func(a, b R) int, limit int) []R {
	picked := slices.SortedFunc(filter(rows, belongs), order)
	if limit > 0 && len(picked) > limit {
		picked = picked[:limit]
	}
	return picked
}

func filter[R any](rows iter.Seq[R], belongs func(R) bool) iter.Seq[R] {
	return func(yield func(R) bool) {
		for r := range rows {
			if belongs(r) && !yield(r) {
				return
			}
		}
	}
}

func (m *model) Now() time.Time      { return m.now }
func (m *model) Epoch() time.Time    { return time.Time{} }
func (m *model) Notify(bridge.Topic) {}

func (m *model) Meta(key string) ([]byte, error) { return get(m.meta, key) }

func (m *model) PutMeta(key string, value []byte) error {
	m.meta[key] = value
	return nil
}

func (m *model) Agent(id bridge.AgentID) (bridge.Agent, error) { return get(m.agents, id) }

func (m *model) Agents() ([]bridge.Agent, error) {
	return m.agentsWhere(func(bridge.Agent) bool { return true }), nil
}

func (m *model) AgentsNamed(name string) ([]bridge.Agent, error) {
	return m.agentsWhere(func(a bridge.Agent) bool { return a.Name == name }), nil
}

func (m *model) agentsWhere(belongs func(bridge.Agent) bool) []bridge.Agent {
	return pick(maps.Values(m.agents), belongs, func(a, b bridge.Agent) int {
		return cmp.Or(strings.Compare(a.Name, b.Name), cmp.Compare(a.ID, b.ID))
	}, 0)
}

func (m *model) PutAgent(a bridge.Agent) error {
	m.agents[a.ID] = a
	return nil
}

func (m *model) Token(id bridge.TokenID) (bridge.Token, error) { return get(m.tokens, id) }

func (m *model) Tokens(agent bridge.AgentID) ([]bridge.Token, error) {
	return pick(maps.Values(m.tokens), func(k bridge.Token) bool { return agent == "" || k.Agent == agent },
		func(a, b bridge.Token) int { return a.CreatedAt.Compare(b.CreatedAt) }, 0), nil
}

func (m *model) PutToken(k bridge.Token) error {
	m.tokens[k.ID] = k
	return nil
}

func (m *model) Presence(agent bridge.AgentID) ([]bridge.Presence, error) {
	return pick(maps.Values(m.presence), func(p bridge.Presence) bool { return p.Agent == agent },
		func(a, b bridge.Presence) int { return cmp.Compare(a.Instance, b.Instance) }, 0), nil
}

func (m *model) PutPresence(p bridge.Presence) error {
	m.presence[presenceKey{p.Agent, p.Instance}] = p
	return nil
}

func (m *model) DropPresence(before time.Time) error {
	maps.DeleteFunc(m.presence, func(_ presenceKey, p bridge.Presence) bool { return p.HeartbeatAt.Before(before) })
	return nil
}

func (m *model) Charges(a bridge.Account, back ...int) (int64, []time.Time, error) {
	times := make([]time.Time, len(back))
	for i, b := range back {
		if b <= len(m.charges[a]) {
			times[i] = m.charges[a][b-1]
		}
	}
	return int64(len(m.charges[a])), times, nil
}

func (m *model) Charge(a bridge.Account, n int64, keep int) error {
	times := append([]time.Time{m.now}, m.charges[a]...)
	if keep < len(times) {
		times[keep] = time.Time{}
	}
	m.charges[a] = times
	return nil
}

// DropCharges keeps the numbers of those that stay. The latest that stays is the latest there is.
func (m *model) DropCharges(before time.Time) error {
	for a, times := range m.charges {
		if a.Conversation != "" {
			continue
		}
		kept := slices.Clone(times)
		for i, at := range kept {
			if at.Before(before) {
				kept[i] = time.Time{}
			}
		}
		for len(kept) > 0 && kept[0].IsZero() {
			kept = kept[1:]
		}
		m.charges[a] = kept
	}
	return nil
}

func (m *model) PutGrown(g bridge.Grown) error {
	m.grown[g.Conversation] = g
	return nil
}

func (m *model) Grown(limit int) ([]bridge.Grown, error) {
	return pick(maps.Values(m.grown), func(bridge.Grown) bool { return true },
		func(a, b bridge.Grown) int { return cmp.Compare(a.Conversation, b.Conversation) }, limit), nil
}

func (m *model) DropGrown(g bridge.Grown) error {
	maps.DeleteFunc(m.grown, func(_ bridge.ConversationID, o bridge.Grown) bool {
		return o.Conversation == g.Conversation && o.Size <= g.Size
	})
	return nil
}

func (m *model) AddEntry(e bridge.LogEntry) error {
	key := entryKey{e.Log, e.N}
	if _, taken := m.entries[key]; taken {
		return bridge.Conflict
	}
	m.entries[key] = e
	return nil
}

func (m *model) Entries(log string, from int64, limit int) ([]bridge.LogEntry, error) {
	return pick(maps.Values(m.entries), func(e bridge.LogEntry) bool { return e.Log == log && e.N >= from },
		func(a, b bridge.LogEntry) int { return cmp.Compare(a.N, b.N) }, limit), nil
}

func (m *model) Logs() ([]string, error) {
	names := map[string]bool{}
	for key := range m.entries {
		names[key.log] = true
	}
	return slices.Sorted(maps.Keys(names)), nil
}
