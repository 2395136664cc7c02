package storetest

import (
	"cmp"
	"maps"
	"slices"
	"strings"
	"time"

	"agentbridge/internal/bridge"
)

// The model's rows of tasks and alerts.

type taskKey struct {
	conversation bridge.ConversationID
	id           bridge.TaskID
}

type sendingKey struct {
	sink  string
	alert bridge.AlertID
}

func (m *model) AddTask(k bridge.Task) error {
	for _, old := range m.tasks {
		if old.Conversation == k.Conversation && (old.ID == k.ID || old.N == k.N) {
			return bridge.Conflict
		}
	}
	m.tasks[taskKey{k.Conversation, k.ID}] = k
	return nil
}

func (m *model) PutTask(k bridge.Task) error {
	old, err := m.Task(k.Conversation, k.ID)
	if err != nil {
		return err
	}
	k.N, k.After = old.N, old.After
	m.tasks[taskKey{k.Conversation, k.ID}] = k
	return nil
}

func (m *model) Task(id bridge.ConversationID, task bridge.TaskID) (bridge.Task, error) {
	return get(m.tasks, taskKey{id, task})
}

func (m *model) Tasks(id bridge.ConversationID, state bridge.TaskState, after int64, limit int) ([]bridge.Task, error) {
	return m.tasksWhere(func(k bridge.Task) bool {
		return k.Conversation == id && (state == "" || k.State == state) && k.N > after
	}, byNumber, limit), nil
}

func (m *model) Ready(id bridge.ConversationID, member string, limit int) ([]bridge.Task, error) {
	return m.tasksWhere(func(k bridge.Task) bool {
		return k.Conversation == id && k.State == bridge.TaskOpen && k.Blockers == 0 && (k.AssignTo == "" || k.AssignTo == member)
	}, func(a, b bridge.Task) int { return cmp.Or(cmp.Compare(b.Priority, a.Priority), cmp.Compare(a.N, b.N)) }, limit), nil
}

func (m *model) Assigned(id bridge.ConversationID, member string) ([]bridge.Task, error) {
	return m.tasksWhere(func(k bridge.Task) bool {
		return k.Conversation == id && k.State == bridge.TaskOpen && k.AssignTo == member && member != ""
	}, byNumber, 0), nil
}

func (m *model) Movable(id bridge.ConversationID, member string, limit int) ([]bridge.Task, error) {
	return m.tasksWhere(func(k bridge.Task) bool {
		return k.Conversation == id && k.State == bridge.TaskOpen && k.AssignTo == member && member != "" && k.Reassign
	}, byNumber, limit), nil
}

func (m *model) Dependents(id bridge.ConversationID, task bridge.TaskID) ([]bridge.Task, error) {
	return m.tasksWhere(func(k bridge.Task) bool { return k.Conversation == id && slices.Contains(k.After, task) }, byNumber, 0), nil
}

func (m *model) Leases(id bridge.ConversationID) ([]bridge.Lease, error) {
	claimed := m.tasksWhere(func(k bridge.Task) bool {
		return (id == "" || k.Conversation == id) && k.State == bridge.TaskClaimed
	}, func(a, b bridge.Task) int {
		return cmp.Or(cmp.Compare(a.Conversation, b.Conversation), cmp.Compare(a.N, b.N))
	}, 0)
	return pluck(func(k bridge.Task) bridge.Lease {
		return bridge.Lease{
			Conversation: k.Conversation, Task: k.ID, Holder: k.Holder, Agent: k.Agent, Instance: k.Instance,
			LeasedAt: k.LeasedAt, For: k.Lease, NudgedAt: k.NudgedAt,
		}
	})(claimed, nil)
}

func (m *model) CountTasks(id bridge.ConversationID) (map[bridge.TaskState]int, error) {
	counts := map[bridge.TaskState]int{}
	for _, k := range m.tasks {
		if k.Conversation == id {
			counts[k.State]++
		}
	}
	return counts, nil
}

func (m *model) tasksWhere(belongs func(bridge.Task) bool, order func(a, b bridge.Task) int, limit int) []bridge.Task {
	return pick(maps.Values(m.tasks), belongs, order, limit)
}

func byNumber(a, b bridge.Task) int { return cmp.Compare(a.N, b.N) }

func (m *model) Seats() ([]bridge.Member, error) {
	return pick(maps.Values(m.members), func(s bridge.Member) bool {
		c, ok := m.conversations[s.Conversation]
		return ok && c.BuriedAt.IsZero() && c.ErasedAt.IsZero() && s.Present()
	}, func(a, b bridge.Member) int {
		return cmp.Or(cmp.Compare(a.Conversation, b.Conversation), strings.Compare(a.Name, b.Name))
	}, 0), nil
}

func (m *model) AddAlert(a bridge.Alert) error {
	if _, taken := m.alerts[a.ID]; taken {
		return bridge.Conflict
	}
	m.alerts[a.ID] = a
	return nil
}

func (m *model) Alerts(since time.Time, limit int) ([]bridge.Alert, error) {
	return pick(maps.Values(m.alerts), func(a bridge.Alert) bool { return !a.At.Before(since) }, func(a, b bridge.Alert) int {
		return cmp.Or(a.At.Compare(b.At), cmp.Compare(a.ID, b.ID))
	}, limit), nil
}

func (m *model) PutSending(s bridge.Sending) error {
	m.sendings[sendingKey{s.Sink, s.Alert}] = s
	return nil
}

func (m *model) Sendings(sink string) ([]bridge.Sending, error) {
	return pick(maps.Values(m.sendings), func(s bridge.Sending) bool { return s.Sink == sink },
		func(a, b bridge.Sending) int { return cmp.Compare(a.Alert, b.Alert) }, 0), nil
}

func (m *model) DropSendings(before time.Time) error {
	maps.DeleteFunc(m.sendings, func(k sendingKey, _ bridge.Sending) bool {
		a, ok := m.alerts[k.alert]
		return !ok || a.At.Before(before)
	})
	return nil
}

func (m *model) TouchPresence(agent bridge.AgentID, instance bridge.Instance, at time.Time) error {
	key := presenceKey{agent, instance}
	p, ok := m.presence[key]
	if !ok {
		p = bridge.Presence{Agent: agent, Instance: instance, StartedAt: at}
	}
	if at.After(p.HeartbeatAt) {
		p.HeartbeatAt = at
	}
	if at.After(p.EndedAt) {
		p.EndedAt = time.Time{}
	}
	m.presence[key] = p
	return nil
}
