package bridge_test

import (
	"fmt"
	"maps"
	"slices"
	"testing"

	"agentbridge/internal/bridge"
	"agentbridge/internal/storetest"
)

// TestEveryWriteOfTasksBrokenTwice is the story of tasks, broken at each point in turn: see [TestEveryWriteBrokenTwice]. What was
// unavailable is called again with the same arguments, and everything ends as if each call had run once.
func TestEveryWriteOfTasksBrokenTwice(t *testing.T) {
	storetest.BreakEach(t, func(t *testing.T, plan storetest.Plan) {
		w, a, b, id := brokenWorld(t, plan)
		add := func(q bridge.AddTaskRequest) bridge.TaskID {
			t.Helper()
			q.Conversation, q.Key = id, q.Title
			res, err := insist(t, func() (bridge.AddTaskResult, error) { return w.AddTask(w.ctx, a, q) })
			if err != nil {
				t.Fatal(err)
			}
			return res.Task
		}
		claim := func(c bridge.Caller, task bridge.TaskID) bridge.ClaimTaskResult {
			t.Helper()
			res, err := insist(t, func() (bridge.ClaimTaskResult, error) {
				return w.ClaimTask(w.ctx, c, bridge.ClaimTaskRequest{Conversation: id, Task: task})
			})
			if err != nil || res.Task == nil {
				t.Fatalf("claimed %+v, %v", res.Task, err)
			}
			return res
		}
		update := func(c bridge.Caller, q bridge.UpdateTaskRequest) {
			t.Helper()
			q.Conversation = id
			if _, err := insist(t, func() (bridge.UpdateTaskResult, error) { return w.UpdateTask(w.ctx, c, q) }); err != nil {
				t.Fatalf("%s: %v", q.Action, err)
			}
		}
		end := func(c bridge.Caller, lease bridge.ClaimTaskResult, action bridge.TaskAction, result string) {
			t.Helper()
			update(c, holders(lease, action, result))
		}

		one := add(bridge.AddTaskRequest{Title: "one"})
		two := add(bridge.AddTaskRequest{Title: "two", After: []bridge.TaskID{one}})
		three := add(bridge.AddTaskRequest{Title: "three", After: []bridge.TaskID{two}, AssignTo: "beta"})
		lease := claim(b, "") // the only one that is ready
		end(b, lease, bridge.RenewTask, "")
		end(b, lease, bridge.CompleteTask, "first")
		end(b, claim(b, two), bridge.ReleaseTask, "not mine")
		lease = claim(b, two)
		_, err := insist(t, func() (any, error) { return nil, w.UnclaimTask(w.ctx, b, id, two, lease.LeaseToken) })
		if err != nil {
			t.Fatal(err)
		}
		end(b, claim(b, two), bridge.FailTask, "cannot be done")
		for _, to := range []string{"alpha", "", "beta"} {
			update(a, bridge.UpdateTaskRequest{Task: three, Action: bridge.AssignTask, AssignTo: to})
		}
		update(a, bridge.UpdateTaskRequest{Task: three, Action: bridge.CancelTask, Result: "no use"})
		four := add(bridge.AddTaskRequest{Title: "four", Files: []string{"f"}})
		claim(b, four)
		update(a, bridge.UpdateTaskRequest{Task: four, Action: bridge.AssignTask}) // takes it from beta
		claim(b, four)
		w.kill(b)
		end(a, claim(a, four), bridge.CompleteTask, "by another")

		var got []string
		tasks, err := w.Tasks(w.ctx, id, 0, 0)
		if err != nil {
			t.Fatal(err)
		}
		for _, v := range tasks {
			got = append(got, fmt.Sprintf("%s %s after %d by %q: %s", v.Title, v.State, v.Attempts, v.Holder, v.Result))
		}
		if want := []string{
			"one done after 1 by \"beta\": first", "two failed after 2 by \"beta\": cannot be done", "three cancelled after 0 by \"\": no use",
			"four done after 3 by \"alpha\": by another",
		}; !slices.Equal(got, want) {
			t.Errorf("tasks = %q\nwant %q", got, want)
		}
		if told := w.noticed(id); told["alpha"] != 3 || told["beta"] != 4 {
			t.Errorf("notices = %v", told)
		}
		effects := map[string]int{}
		for _, task := range []bridge.TaskID{one, two, three, four} {
			for _, action := range []string{"add", "claim", "unclaim", "complete", "fail", "release", "assign", "cancel", "lapse"} {
				effects[action] += w.entries(task, "task_"+action)
			}
		}
		effects["claim"] -= effects["unclaim"] // a claim whose answer got lost was given back
		delete(effects, "unclaim")
		if want := map[string]int{"add": 4, "claim": 6, "complete": 2, "fail": 1, "release": 1, "assign": 4, "cancel": 1, "lapse": 1}; !maps.Equal(effects, want) {
			t.Errorf("entries = %v, want %v", effects, want)
		}
		w.holdsTogether()
	})
}

// noticed counts what the bridge told each member.
func (w *world) noticed(id bridge.ConversationID) map[string]int {
	w.t.Helper()
	told := map[string]int{}
	messages, err := w.Messages(w.ctx, id, 0, 0)
	if err != nil {
		w.t.Fatal(err)
	}
	err = w.store.View(w.ctx, func(tx bridge.Tx) error {
		for _, m := range messages {
			deliveries, err := tx.Deliveries(id, m.Seq, m.Seq)
			if err != nil {
				return err
			}
			for _, d := range deliveries {
				if m.From == bridge.ProgramName {
					told[d.Recipient]++
				}
			}
		}
		return nil
	})
	if err != nil {
		w.t.Fatal(err)
	}
	return told
}
