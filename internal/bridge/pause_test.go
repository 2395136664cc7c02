package bridge_test

import (
	"testing"
	"time"

	"agentbridge/internal/bridge"
)

func TestPause_RefusesWhatBeginsAndLetsFinishWhatWasBegun(t *testing.T) {
	w := newWorld(t)
	a, b, c := w.agent("alpha"), w.agent("beta"), w.agent("gamma")
	made, err := w.Create(w.ctx, a, bridge.CreateRequest{Partners: partners("beta", "gamma")})
	if err != nil {
		t.Fatal(err)
	}
	id := made.Conversation
	if _, err := w.Join(w.ctx, b, bridge.JoinRequest{Code: made.Invites[0].Code}); err != nil {
		t.Fatal(err)
	}
	var leases []bridge.ClaimTaskResult
	for range 4 {
		leases = append(leases, w.claim(b, w.todo(a, "x")))
	}
	open := w.todo(a, "open")
	w.say(a, "before")
	for range 2 { // twice is not an error
		if err := w.Pause(w.ctx, id); err != nil {
			t.Fatal(err)
		}
	}

	_, err = w.Send(w.ctx, a, bridge.SendRequest{Message: "x"})
	want(t, err, bridge.Paused, "agentbridge resume")
	_, err = w.AddTask(w.ctx, a, bridge.AddTaskRequest{Title: "x"})
	want(t, err, bridge.Paused, "agentbridge resume")
	_, err = w.ClaimTask(w.ctx, b, bridge.ClaimTaskRequest{})
	want(t, err, bridge.Paused, "agentbridge resume")
	_, err = w.ClaimTask(w.ctx, b, bridge.ClaimTaskRequest{Task: open})
	want(t, err, bridge.Paused, "agentbridge resume")
	_, err = w.Create(w.ctx, a, bridge.CreateRequest{Conversation: id, Partners: partners("delta")})
	want(t, err, bridge.Paused, "agentbridge resume")

	got := w.check(b, bridge.CheckRequest{})
	if list := texts(got); len(list) != 2 || list[0] != "before" {
		t.Errorf("beta reads %q", list)
	}
	if err := w.Ack(w.ctx, b, got.Receipt, bridge.Explicit); err != nil {
		t.Error(err)
	}
	if _, err := w.SetStatus(w.ctx, b, bridge.StatusRequest{Status: bridge.Waiting}); err != nil {
		t.Error(err)
	}
	for i, action := range []bridge.TaskAction{bridge.RenewTask, bridge.CompleteTask, bridge.FailTask, bridge.ReleaseTask} {
		w.end(b, leases[i], action, "")
	}
	w.update(a, bridge.UpdateTaskRequest{Task: leases[0].Task.ID, Action: bridge.AssignTask})
	w.update(a, bridge.UpdateTaskRequest{Task: leases[0].Task.ID, Action: bridge.CancelTask})
	if _, err := w.Partners(w.ctx, a, bridge.PartnersRequest{}); err != nil {
		t.Error(err)
	}
	if _, err := w.ListTasks(w.ctx, a, bridge.ListTasksRequest{}); err != nil {
		t.Error(err)
	}
	if _, err := w.Join(w.ctx, c, bridge.JoinRequest{Code: made.Invites[1].Code}); err != nil {
		t.Error(err)
	}
	if _, err := w.Say(w.ctx, bridge.SendRequest{Message: "wait for me"}); err != nil {
		t.Error(err)
	}
	if by := w.paused(); by != bridge.PersonName {
		t.Errorf("paused by %q", by)
	}

	for range 2 {
		if err := w.Resume(w.ctx, id); err != nil {
			t.Fatal(err)
		}
	}
	w.say(a, "after")
	w.claim(b, open)
	for action, n := range map[string]int{"pause": 1, "resume": 1} {
		lines, err := w.AuditEntries(w.ctx, bridge.AuditFilter{Actions: []string{action}, Agent: bridge.PersonName})
		if err != nil || len(lines) != n {
			t.Errorf("%d entries of %s, %v", len(lines), action, err)
		}
	}
}

func TestPause_OnlyOpenConversations(t *testing.T) {
	w := newWorld(t)
	a, b := w.agent("alpha"), w.agent("beta")
	id := w.talk(a, b)
	if err := w.Close(w.ctx, id); err != nil {
		t.Fatal(err)
	}
	want(t, w.Pause(w.ctx, id), bridge.Expired, "new conversation")
	want(t, w.Resume(w.ctx, id), bridge.Expired, "new conversation")
	want(t, w.Pause(w.ctx, "conv_0000000000000000"), bridge.NotFound, "agentbridge list")
}

func TestResume_WakesWhoWaitsForWork(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		w := newWorld(t)
		a, b := w.agent("alpha"), w.agent("beta")
		one := w.talk(a, b)
		w.talk(a, b) // so that beta may wait at all
		task := w.addTask(a, bridge.AddTaskRequest{Conversation: one, Title: "x"}).Task
		if err := w.Pause(w.ctx, one); err != nil {
			t.Fatal(err)
		}
		start, got := time.Now(), make(chan bridge.ClaimTaskResult)
		go func() {
			res, err := w.ClaimTask(w.ctx, b, bridge.ClaimTaskRequest{Wait: 4 * minute})
			if err != nil {
				t.Error(err)
			}
			got <- res
		}()
		time.Sleep(minute)
		if err := w.Resume(w.ctx, one); err != nil {
			t.Fatal(err)
		}
		if res := <-got; res.Task == nil || res.Task.ID != task || time.Since(start) > minute+time.Second {
			t.Errorf("after %s beta got %+v", time.Since(start), res.Task)
		}
	})
}
