package bridge_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"agentbridge/internal/bridge"
)

func (w *world) update(c bridge.Caller, q bridge.UpdateTaskRequest) bridge.UpdateTaskResult {
	w.t.Helper()
	res, err := w.UpdateTask(w.ctx, c, q)
	if err != nil {
		w.t.Fatal(err)
	}
	return res
}

// end does to a task what only its holder may.
func (w *world) end(c bridge.Caller, lease bridge.ClaimTaskResult, action bridge.TaskAction, result string) bridge.UpdateTaskResult {
	w.t.Helper()
	return w.update(c, holders(lease, action, result))
}

func holders(lease bridge.ClaimTaskResult, action bridge.TaskAction, result string) bridge.UpdateTaskRequest {
	return bridge.UpdateTaskRequest{Conversation: lease.Task.Conversation, Task: lease.Task.ID, Action: action, LeaseToken: lease.LeaseToken, Result: result}
}

func fewAttempts(n int) option {
	return func(o *bridge.Options) { o.Config.TaskAttempts = n }
}

func TestUpdateTask_AnEndIsFinalAndMayBeRepeated(t *testing.T) {
	for action, state := range map[bridge.TaskAction]bridge.TaskState{bridge.CompleteTask: bridge.TaskDone, bridge.FailTask: bridge.TaskFailed} {
		w := newWorld(t)
		a, b := w.agent("alpha"), w.agent("beta")
		w.talk(a, b)
		lease := w.claim(b, w.todo(a, "x"))
		first, second := w.end(b, lease, action, "so it is"), w.end(b, lease, action, "so it is")
		if fmt.Sprint(first) != fmt.Sprint(second) || first.Task.State != state || first.Task.Result != "so it is" || first.Task.Holder != "beta" {
			t.Errorf("%s = %+v, then %+v", action, first, second)
		}
		if n := w.entries(lease.Task.ID, "task_"+string(action)); n != 1 {
			t.Errorf("%d entries", n)
		}
		w.told(a, map[bridge.TaskState]string{bridge.TaskDone: "is done, says beta", bridge.TaskFailed: "failed, says beta"}[state])
		for _, other := range []bridge.UpdateTaskRequest{
			holders(lease, action, "otherwise"), holders(lease, action, ""), holders(lease, bridge.ReleaseTask, "so it is"),
			holders(lease, bridge.RenewTask, ""),
			{Task: lease.Task.ID, Action: bridge.CancelTask},
			{Task: lease.Task.ID, Action: bridge.AssignTask, AssignTo: "alpha"},
		} {
			who := b
			if other.LeaseToken == 0 {
				who = a
			}
			_, err := w.UpdateTask(w.ctx, who, other)
			want(t, err, bridge.Conflict, "")
		}
		if v := w.task(lease.Task.ID); v.Result != "so it is" || v.State != state {
			t.Errorf("then %+v", v)
		}
	}
}

func TestUpdateTask_OneWhoEndsItsOwnTaskIsNotTold(t *testing.T) {
	w := newWorld(t)
	a, b := w.agent("alpha"), w.agent("beta")
	w.talk(a, b)
	w.end(a, w.claim(a, w.todo(a, "x")), bridge.CompleteTask, "")
	w.told(a)
	w.told(b)
}

func TestUpdateTask_BadArgumentsHaveAWayOut(t *testing.T) {
	w := newWorld(t)
	a, b, c := w.agent("alpha"), w.agent("beta"), w.agent("gamma")
	w.talk(a, b, c)
	task := w.todo(a, "x")
	lease := w.claim(b, task)
	for name, bad := range map[string]struct {
		who  bridge.Caller
		q    bridge.UpdateTaskRequest
		code bridge.Code
		hint string
	}{
		"no action":             {b, bridge.UpdateTaskRequest{Task: task}, bridge.Invalid, "renew"},
		"no task":               {b, bridge.UpdateTaskRequest{Action: bridge.CancelTask}, bridge.Invalid, "task_id"},
		"no token":              {b, bridge.UpdateTaskRequest{Task: task, Action: bridge.CompleteTask}, bridge.Invalid, "claim_task"},
		"a token below 0":       {b, bridge.UpdateTaskRequest{Task: task, Action: bridge.RenewTask, LeaseToken: -1}, bridge.Invalid, "claim_task"},
		"a token never given":   {b, bridge.UpdateTaskRequest{Task: task, Action: bridge.RenewTask, LeaseToken: 99}, bridge.Invalid, "claim_task"},
		"an unknown task":       {b, bridge.UpdateTaskRequest{Task: "task_x", Action: bridge.RenewTask, LeaseToken: 1}, bridge.NotFound, "list_tasks"},
		"another's token":       {c, holders(lease, bridge.CompleteTask, ""), bridge.Denied, "holder"},
		"result for renew":      {b, holders(lease, bridge.RenewTask, "x"), bridge.Invalid, "send"},
		"assign_to for release": {b, bridge.UpdateTaskRequest{Task: task, Action: bridge.ReleaseTask, LeaseToken: 1, AssignTo: "gamma"}, bridge.Invalid, "assign"},
		"a result too long":     {b, holders(lease, bridge.CompleteTask, strings.Repeat("x", 50_001)), bridge.Invalid, "file"},
		"cancel by a worker":    {b, bridge.UpdateTaskRequest{Task: task, Action: bridge.CancelTask}, bridge.Denied, "ask alpha"},
		"assign by a worker":    {b, bridge.UpdateTaskRequest{Task: task, Action: bridge.AssignTask, AssignTo: "gamma"}, bridge.Denied, "ask alpha"},
		"assign to nobody":      {a, bridge.UpdateTaskRequest{Task: task, Action: bridge.AssignTask, AssignTo: "nobody"}, bridge.NotFound, "beta, gamma"},
	} {
		t.Run(name, func(t *testing.T) {
			res, err := w.UpdateTask(w.ctx, bad.who, bad.q)
			if err == nil {
				t.Fatalf("%+v", res)
			}
			want(t, err, bad.code, bad.hint)
		})
	}
	w.end(b, lease, bridge.CompleteTask, "")
}

func TestUpdateTask_AnOldTokenIsLost(t *testing.T) {
	w := newWorld(t)
	a, b, c := w.agent("alpha"), w.agent("beta"), w.agent("gamma")
	w.talk(a, b, c)
	for name, story := range map[string]struct {
		then func(lease bridge.ClaimTaskResult)
		what string
	}{
		"claimed by another": {func(l bridge.ClaimTaskResult) { w.end(b, l, bridge.ReleaseTask, ""); w.claim(c, l.Task.ID) }, "gamma holds it"},
		"claimed again":      {func(l bridge.ClaimTaskResult) { w.end(b, l, bridge.ReleaseTask, ""); w.claim(b, l.Task.ID) }, "you claimed it again"},
		"done by another": {func(l bridge.ClaimTaskResult) {
			w.end(b, l, bridge.ReleaseTask, "")
			w.end(c, w.claim(c, l.Task.ID), bridge.CompleteTask, "")
		}, "it is done"},
		"cancelled": {func(l bridge.ClaimTaskResult) {
			w.update(a, bridge.UpdateTaskRequest{Task: l.Task.ID, Action: bridge.CancelTask})
		}, "was cancelled"},
		"assigned to another": {func(l bridge.ClaimTaskResult) {
			w.update(a, bridge.UpdateTaskRequest{Task: l.Task.ID, Action: bridge.AssignTask, AssignTo: "gamma"})
		}, "assigned to gamma"},
		"for whoever is free": {func(l bridge.ClaimTaskResult) {
			w.update(a, bridge.UpdateTaskRequest{Task: l.Task.ID, Action: bridge.AssignTask})
		}, "open again"},
	} {
		lease := w.claim(b, w.todo(a, "x"))
		story.then(lease)
		before := w.task(lease.Task.ID)
		for _, action := range []bridge.TaskAction{bridge.RenewTask, bridge.CompleteTask, bridge.FailTask, bridge.ReleaseTask} {
			if name == "cancelled" && action == bridge.RenewTask {
				continue
			}
			text := "late"
			if action == bridge.RenewTask {
				text = ""
			}
			_, err := w.UpdateTask(w.ctx, b, holders(lease, action, text))
			want(t, err, bridge.LeaseLost, "")
			if !strings.Contains(err.Error(), story.what) {
				t.Errorf("%s: %s: %v, want it to say %q", name, action, err, story.what)
			}
		}
		if after := w.task(lease.Task.ID); fmt.Sprint(before.LeaseExpiresAt, before.State, before.Result, before.Holder) != fmt.Sprint(after.LeaseExpiresAt, after.State, after.Result, after.Holder) {
			t.Errorf("%s: a late holder made %+v of %+v", name, after, before)
		}
	}
}

func TestUpdateTask_ReleaseLeavesANoteForTheNextHolder(t *testing.T) {
	w := newWorld(t)
	a, b, c := w.agent("alpha"), w.agent("beta"), w.agent("gamma")
	w.talk(a, b, c)
	lease := w.claim(b, w.todo(a, "x"))
	for range 2 {
		if got := w.end(b, lease, bridge.ReleaseTask, "half done"); got.Task.State != bridge.TaskOpen || got.Task.Result != "half done" {
			t.Errorf("released: %+v", got.Task)
		}
	}
	if n := w.entries(lease.Task.ID, "task_release"); n != 1 {
		t.Errorf("%d entries", n)
	}
	_, err := w.UpdateTask(w.ctx, b, holders(lease, bridge.ReleaseTask, "other"))
	want(t, err, bridge.Conflict, "")
	next := w.claim(c, "")
	if next.Task.Result != "half done" || next.Task.Attempts != 2 {
		t.Errorf("gamma got %+v", next.Task)
	}
	w.end(c, next, bridge.ReleaseTask, "")
	if v := w.task(lease.Task.ID); v.Result != "half done" {
		t.Errorf("a release without a note: %+v", v)
	}
	w.told(a)
	pinned := w.addTask(a, bridge.AddTaskRequest{Title: "beta's", AssignTo: "beta"}).Task
	w.end(b, w.claim(b, pinned), bridge.ReleaseTask, "")
	w.told(a, "assign it to another")
}

func TestUpdateTask_ReleaseAfterTheLastAttemptFails(t *testing.T) {
	w := newWorld(t, fewAttempts(2))
	a, b := w.agent("alpha"), w.agent("beta")
	w.talk(a, b)
	task := w.todo(a, "x")
	after := w.todo(a, "y", task)
	w.end(b, w.claim(b, task), bridge.ReleaseTask, "")
	last := w.claim(b, task)
	for range 2 {
		if got := w.end(b, last, bridge.ReleaseTask, "too hard"); got.Task.State != bridge.TaskFailed || !strings.Contains(got.Task.Result, "2 attempts") || !strings.Contains(got.Task.Result, "too hard") {
			t.Errorf("released: %+v", got.Task)
		}
	}
	w.told(a, string(after)+" waits for "+string(task)+", which failed", "failed: it was claimed 2 times")
	if alerts := w.alerts(bridge.AlertTaskFailed); len(alerts) != 1 || alerts[0].Task != task || alerts[0].Member != "beta" {
		t.Errorf("alerts = %+v", alerts)
	}
}

// alerts are those of a kind that were ever raised.
func (w *world) alerts(kind bridge.AlertKind) (list []bridge.Alert) {
	w.t.Helper()
	err := w.store.View(w.ctx, func(tx bridge.Tx) error {
		all, err := tx.Alerts(time.Time{}, 0)
		for _, a := range all {
			if a.Kind == kind {
				list = append(list, a)
			}
		}
		return err
	})
	if err != nil {
		w.t.Fatal(err)
	}
	return list
}

func TestUpdateTask_CancelTakesItFromEverybody(t *testing.T) {
	w := newWorld(t)
	a, b, c := w.agent("alpha"), w.agent("beta"), w.agent("gamma")
	w.talk(a, b, c)
	task := w.todo(a, "x")
	after := w.todo(a, "y", task)
	w.claim(b, task)
	cancel := bridge.UpdateTaskRequest{Task: task, Action: bridge.CancelTask, Result: "not wanted"}
	for range 2 {
		if got := w.update(a, cancel); got.Task.State != bridge.TaskCancelled || got.Task.Result != "not wanted" || got.Task.Holder != "" {
			t.Errorf("cancelled: %+v", got.Task)
		}
	}
	cancel.Result = "" // whoever cancels it again for no other reason
	w.update(a, cancel)
	cancel.Result = "another reason"
	_, err := w.UpdateTask(w.ctx, a, cancel)
	want(t, err, bridge.Conflict, "new task")
	w.told(b, "cancelled by alpha. It is not yours any more")
	w.told(a, string(after)+" waits for "+string(task)+", which was cancelled")
	if res := w.claim(c, ""); res.Task != nil {
		t.Errorf("gamma got %+v", res.Task)
	}
}

func TestUpdateTask_WhoeverAddedATaskMayCancelAndAssignIt(t *testing.T) {
	w := newWorld(t)
	a, b := w.agent("alpha"), w.agent("beta")
	w.talk(a, b) // two peers: nobody is an orchestrator
	one, two := w.todo(a, "1"), w.todo(a, "2")
	w.update(a, bridge.UpdateTaskRequest{Task: one, Action: bridge.AssignTask, AssignTo: "beta"})
	w.update(a, bridge.UpdateTaskRequest{Task: two, Action: bridge.CancelTask})
	_, err := w.UpdateTask(w.ctx, b, bridge.UpdateTaskRequest{Task: one, Action: bridge.CancelTask})
	want(t, err, bridge.Denied, "ask alpha")
	w.told(b, string(one)+" is assigned to you")
}

func TestUpdateTask_AssignMovesATask(t *testing.T) {
	w := newWorld(t)
	a, b, c := w.agent("alpha"), w.agent("beta"), w.agent("gamma")
	w.talk(a, b, c)
	task := w.todo(a, "x")
	assign := func(to string) bridge.TaskView {
		t.Helper()
		return w.update(a, bridge.UpdateTaskRequest{Task: task, Action: bridge.AssignTask, AssignTo: to}).Task
	}
	assign("beta")
	assign("beta")
	w.told(b, "is assigned to you: claim_task")
	lease := w.claim(b, task)
	if got := assign("beta"); got.State != bridge.TaskClaimed {
		t.Errorf("assigned to its holder: %+v", got)
	}
	w.told(b)
	w.end(b, lease, bridge.RenewTask, "")
	for range 2 {
		if got := assign("gamma"); got.State != bridge.TaskOpen || got.AssignTo != "gamma" {
			t.Errorf("assigned to gamma: %+v", got)
		}
	}
	w.told(b, "not yours any more: alpha assigned it to gamma")
	w.told(c, "is assigned to you")
	_, err := w.ClaimTask(w.ctx, b, bridge.ClaimTaskRequest{Task: task})
	want(t, err, bridge.Denied, "assign")
	w.claim(c, task)
	if got := assign(""); got.State != bridge.TaskOpen || got.AssignTo != "" {
		t.Errorf("assigned to whoever is free: %+v", got)
	}
	w.told(c, "assigned it to whoever is free")
	lease = w.claim(b, "")
	if got := assign("beta"); got.State != bridge.TaskClaimed || got.AssignTo != "beta" { // of its own accord, then for it
		t.Errorf("assigned to its holder: %+v", got)
	}
	w.told(b)
	w.end(b, lease, bridge.CompleteTask, "")
	if n := w.entries(task, "task_assign"); n != 4 {
		t.Errorf("%d entries", n)
	}
}

func TestUpdateTask_AnEndUnblocksOrStrandsWhatComesAfter(t *testing.T) {
	w := newWorld(t)
	a, b, c := w.agent("alpha"), w.agent("beta"), w.agent("gamma")
	w.talk(a, b, c)
	one, two, bad := w.todo(a, "1"), w.todo(a, "2"), w.todo(a, "bad")
	both := w.addTask(a, bridge.AddTaskRequest{Title: "both", AssignTo: "gamma", After: []bridge.TaskID{one, two}}).Task
	var stuck []bridge.TaskID
	for range 3 {
		stuck = append(stuck, w.todo(a, "stuck", bad, one))
	}
	w.update(a, bridge.UpdateTaskRequest{Task: stuck[2], Action: bridge.CancelTask}) // nothing more is to be said of it
	w.notices(c)
	w.end(b, w.claim(b, one), bridge.CompleteTask, "")
	w.told(c)
	w.end(b, w.claim(b, two), bridge.CompleteTask, "")
	w.told(c, string(both)+", which is assigned to you, can be claimed now")
	w.notices(a)
	w.end(b, w.claim(b, bad), bridge.FailTask, "")
	w.told(a, "failed, says beta", fmt.Sprintf("%s, %s wait for %s, which failed: cancel it or add it anew", stuck[0], stuck[1], bad))
	if got := w.claim(c, ""); got.Task == nil || got.Task.ID != both {
		t.Errorf("gamma got %+v", got.Task)
	}
	if got := w.claim(b, ""); got.Task != nil {
		t.Errorf("beta got %+v", got.Task)
	}
}

func TestUpdateTask_AnEndIsNotChargedButTalkIs(t *testing.T) {
	w := newWorld(t, strict)
	a, b := w.agent("alpha"), w.agent("beta")
	w.talk(a, b)
	lease := w.claim(b, w.todo(a, "x"))
	for range 10 {
		w.end(b, lease, bridge.RenewTask, "")
	}
	for _, action := range []bridge.TaskAction{bridge.RenewTask, bridge.ReleaseTask} {
		_, err := w.UpdateTask(w.ctx, b, holders(lease, action, ""))
		want(t, err, bridge.RateLimited, "wait")
	}
	w.end(b, lease, bridge.CompleteTask, "")
}
