package storetest

import (
	"errors"
	"testing"
	"time"

	"agentbridge/internal/bridge"
	"agentbridge/internal/policy"
)

func putPermits(t *testing.T, s bridge.Store, all ...bridge.Permit) {
	t.Helper()
	for _, p := range all {
		put(t, s, bridge.InConversation(p.Conversation), func(tx bridge.Tx) error { return tx.PutPermit(p) })
	}
}

func permitRoundTrips(t *testing.T, e Engine) {
	s := e.start(t)
	get := func(n int) func(tx bridge.Tx) (bridge.Permit, error) {
		return func(tx bridge.Tx) (bridge.Permit, error) { return tx.Permit(convID(n)) }
	}
	err := s.View(t.Context(), func(tx bridge.Tx) error { _, err := tx.Permit(convID(1)); return err })
	if !errors.Is(err, bridge.NotFound) {
		t.Errorf("Permit of nothing = %v", err)
	}
	want := bridge.Permit{
		Conversation: convID(1), Mode: policy.Restricted, Workspace: words, Auto: true, InClient: true, Key: []byte{1, 0, 255}, From: odd(1), Until: odd(2), EndedAt: odd(3), ServedAt: odd(4), Signature: []byte{2},
	}
	full(t, want)
	putPermits(t, s, want)
	want.From, want.Until, want.EndedAt, want.ServedAt = at(1), at(2), at(3), at(4)
	same(t, "Permit", look(t, s, get(1)), want)
	want = bridge.Permit{Conversation: convID(1), Mode: policy.Safe, Until: at(5)}
	putPermits(t, s, want)
	same(t, "Permit after a second PutPermit", look(t, s, get(1)), want)
}

func permitsAreThoseThatLast(t *testing.T, e Engine) {
	s := e.start(t)
	putPermits(t, s,
		bridge.Permit{Conversation: convID(3), Mode: 1, Until: at(5)}, bridge.Permit{Conversation: convID(1), Mode: 1, Until: at(9)},
		bridge.Permit{Conversation: convID(2), Mode: 1, Until: at(9), EndedAt: at(1)})
	id := pluck(func(p bridge.Permit) bridge.ConversationID { return p.Conversation })
	for until, want := range map[time.Time][]bridge.ConversationID{
		at(1): {convID(1), convID(3)}, at(5): {convID(1), convID(3)}, at(6): {convID(1)}, at(10): nil,
	} {
		same(t, "Permits", look(t, s, func(tx bridge.Tx) ([]bridge.ConversationID, error) { return id(tx.Permits(until)) }), want)
	}
}

func command(conv, n, second int, state bridge.CommandState) bridge.Command {
	return bridge.Command{Conversation: convID(conv), ID: commandID(n), Mode: policy.Safe, State: state, ChangedAt: at(second)}
}

func addCommands(t *testing.T, s bridge.Store, all ...bridge.Command) {
	t.Helper()
	for _, c := range all {
		put(t, s, bridge.InConversation(c.Conversation), func(tx bridge.Tx) error { return tx.AddCommand(c) })
	}
}

func commandRoundTrips(t *testing.T, e Engine) {
	s := e.start(t)
	get := func(tx bridge.Tx) (bridge.Command, error) { return tx.Command(convID(1), commandID(1)) }
	want := bridge.Command{
		Conversation: convID(1), ID: commandID(1), Member: "beta", Agent: agentID(1), Text: words, Reason: words, Mode: policy.Yolo, Workspace: words, Verdict: policy.Ask,
		Why: words, State: bridge.CommandRunning, AskedAt: odd(1), ExpiresAt: odd(2), ChangedAt: odd(3), Network: true, Approval: []byte{0, 1}, Word: words, Runner: "proc_1",
		Exit: -1, Output: words, Size: 1 << 40, Cut: true, Outcome: words,
	}
	full(t, want)
	addCommands(t, s, want)
	want.AskedAt, want.ExpiresAt, want.ChangedAt = at(1), at(2), at(3)
	same(t, "Command", look(t, s, get), want)
	want = command(1, 1, 7, bridge.CommandDone)
	put(t, s, bridge.InConversation(convID(1)), func(tx bridge.Tx) error { return tx.PutCommand(want) })
	same(t, "Command after PutCommand", look(t, s, get), want)
}

func commandsConflict(t *testing.T, e Engine) {
	s := e.start(t)
	addCommands(t, s, command(1, 1, 1, bridge.CommandWaiting), command(2, 1, 1, bridge.CommandWaiting)) // an id is one in its conversation
	err := s.Update(t.Context(), bridge.InConversation(convID(1)), func(tx bridge.Tx) error { return tx.AddCommand(command(1, 1, 2, bridge.CommandDone)) })
	if !errors.Is(err, bridge.Conflict) {
		t.Errorf("AddCommand of a taken id = %v", err)
	}
	err = s.Update(t.Context(), bridge.InConversation(convID(1)), func(tx bridge.Tx) error { return tx.PutCommand(command(1, 2, 2, bridge.CommandDone)) })
	if !errors.Is(err, bridge.NotFound) {
		t.Errorf("PutCommand of none = %v", err)
	}
}

func commandsOrder(t *testing.T, e Engine) {
	s := e.start(t)
	addCommands(t, s, command(2, 3, 2, bridge.CommandWaiting), command(1, 1, 4, bridge.CommandWaiting), command(1, 4, 2, bridge.CommandWaiting),
		command(3, 2, 3, bridge.CommandApproved), command(1, 5, 1, bridge.CommandWaiting))
	id := pluck(func(c bridge.Command) bridge.CommandID { return c.ID })
	for _, c := range []struct {
		state bridge.CommandState
		limit int
		want  []bridge.CommandID
	}{
		{bridge.CommandWaiting, 0, []bridge.CommandID{commandID(5), commandID(3), commandID(4), commandID(1)}},
		{bridge.CommandWaiting, 2, []bridge.CommandID{commandID(5), commandID(3)}},
		{bridge.CommandApproved, 0, []bridge.CommandID{commandID(2)}},
		{bridge.CommandLost, 0, nil},
	} {
		same(t, "Commands", look(t, s, func(tx bridge.Tx) ([]bridge.CommandID, error) { return id(tx.Commands(c.state, c.limit)) }), c.want)
	}
	put(t, s, bridge.InConversation(convID(1)), func(tx bridge.Tx) error { return tx.EraseConversation(convID(1)) })
	same(t, "Commands after an erasure", look(t, s, func(tx bridge.Tx) ([]bridge.CommandID, error) { return id(tx.Commands(bridge.CommandWaiting, 0)) }), []bridge.CommandID{commandID(3)})
}
