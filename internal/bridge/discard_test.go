package bridge_test

import (
	"slices"
	"testing"

	"agentbridge/internal/bridge"
)

func TestDiscard_ErasesAtOnceAndKeepsTheLog(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		w := newWorld(t)
		a, b := w.agent("alpha"), w.agent("beta")
		id := w.talk(a, b)
		w.say(a, "x")
		if err := w.Discard(w.ctx, id); err != nil {
			t.Fatal(err)
		}
		if list, err := w.List(w.ctx, false); len(list) != 0 || err != nil {
			t.Errorf("List = %v, %v, want nothing", list, err)
		}
		if got, err := w.Check(w.ctx, b, bridge.CheckRequest{}); len(got.Messages) != 0 || err != nil {
			t.Errorf("Check = %v, %v, want nothing", got.Messages, err)
		}
		lines, _ := w.AuditEntries(w.ctx, bridge.AuditFilter{Conversation: id})
		var actions []string
		for _, l := range lines {
			actions = append(actions, l.Action)
		}
		if !slices.Contains(actions, "send") || !slices.Contains(actions, "erase") {
			t.Errorf("entries = %v", actions)
		}
	})
}
