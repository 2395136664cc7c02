package bridge_test

import (
	"fmt"
	"testing"

	"agentbridge/internal/bridge"
)

func TestOverlap_NamesTasksThatOthersHoldAndMessagesTheySentLately(t *testing.T) {
	w := newWorld(t)
	a, b, c := w.agent("alpha"), w.agent("beta"), w.agent("gamma")
	w.talk(a, b, c)
	add := func(files ...string) bridge.AddTaskResult {
		return w.addTask(a, bridge.AddTaskRequest{Title: "x", Files: files})
	}
	held, open, done := add("a.go", "b.go").Task, add("a.go").Task, add("a.go").Task
	w.claim(b, held)
	w.end(b, w.claim(b, done), bridge.CompleteTask, "")
	sent, err := w.Send(w.ctx, c, bridge.SendRequest{Message: "on it", Files: []string{"b.go"}, To: []string{"alpha"}})
	if err != nil {
		t.Fatal(err)
	}
	expect := func(what string, got []bridge.Overlap, want ...bridge.Overlap) {
		t.Helper()
		if fmt.Sprint(got) != fmt.Sprint(want) {
			t.Errorf("%s overlaps with %+v, want %+v", what, got, want)
		}
	}
	expect("gamma's send", sent.Overlap, bridge.Overlap{File: "b.go", From: "beta", Task: held})
	expect("alpha's task", add("b.go", "c.go").Overlap, bridge.Overlap{File: "b.go", From: "beta", Task: held}, bridge.Overlap{File: "b.go", From: "gamma", Message: sent.Message})
	expect("gamma's claim", w.claim(c, open).Overlap, bridge.Overlap{File: "a.go", From: "beta", Task: held})
	expect("beta's claim, once more,", w.claim(b, held).Overlap, bridge.Overlap{File: "a.go", From: "gamma", Task: open}, bridge.Overlap{File: "b.go", From: "gamma", Message: sent.Message})
	expect("a task without files", add().Overlap)
}
