package bridge_test

import (
	"slices"
	"testing"
	"time"

	"agentbridge/internal/bridge"
)

func (w *world) assign(adder bridge.Caller, to string, reassign bool) bridge.TaskID {
	w.t.Helper()
	return w.addTask(adder, bridge.AddTaskRequest{Title: "x", AssignTo: to, Reassign: &reassign}).Task
}

func (w *world) assigned(want string, tasks ...bridge.TaskID) {
	w.t.Helper()
	for _, id := range tasks {
		if v := w.task(id); v.State != bridge.TaskOpen || v.AssignTo != want {
			w.t.Errorf("task is %s and assigned to %q, want %q", v.State, v.AssignTo, want)
		}
	}
}

// progress shows that the models of these callers are at work.
func (w *world) progress(callers ...bridge.Caller) {
	w.t.Helper()
	for _, c := range callers {
		if err := w.Heartbeat(w.ctx, c, bridge.Pulse{Progress: true}); err != nil {
			w.t.Fatal(err)
		}
	}
}

func TestReassign_GoesToWhoeverIsBestOff(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		w := newWorld(t)
		a, b, c, d, e := w.remote("alpha"), w.remote("beta"), w.remote("gamma"), w.remote("delta"), w.remote("epsilon")
		w.talk(a, b, c, d, e)
		w.claim(c, w.todo(a, "keeps gamma busy"))
		w.watched(3*minute, a, b, c, d, e) // all idle by now
		w.progress(a, c, d)
		stays := w.assign(a, "beta", false)
		var tasks []bridge.TaskID
		for range 5 {
			tasks = append(tasks, w.assign(a, "beta", true))
		}
		rep := w.watched(46*time.Second, a, c, d, e)
		if rep.Reassigned != 5 {
			t.Errorf("sweeps = %+v", rep)
		}
		w.assigned("beta", stays)
		var got []string
		for _, id := range tasks {
			got = append(got, w.task(id).AssignTo)
		}
		// delta before alpha, who leads; gamma only once it has no more than they; never epsilon, who is idle.
		if want := []string{"delta", "alpha", "delta", "gamma", "alpha"}; !slices.Equal(got, want) {
			t.Errorf("assigned to %q, want %q", got, want)
		}
		w.told(d, string(tasks[0])+" is assigned to you", string(tasks[2]))
	})
}

func TestReassign_PassesOverWhoCannotClaimOrIsNotThere(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		w := newWorld(t)
		a, b, c, d, e := w.remote("alpha"), w.remote("beta"), w.remote("gamma"), w.remote("delta"), w.remote("epsilon")
		made, err := w.Create(w.ctx, a, bridge.CreateRequest{Partners: []bridge.Partner{{Name: "beta"}, {Name: "gamma", Rank: bridge.Observer}, {Name: "delta"}, {Name: "epsilon"}, {Name: "invited"}}})
		if err != nil {
			t.Fatal(err)
		}
		for i, agent := range []bridge.Caller{b, c, d, e} {
			if _, err := w.Join(w.ctx, agent, bridge.JoinRequest{Code: made.Invites[i].Code}); err != nil {
				t.Fatal(err)
			}
		}
		if err := w.RevokeMember(w.ctx, made.Conversation, "epsilon"); err != nil {
			t.Fatal(err)
		}
		tasks := []bridge.TaskID{w.assign(a, "beta", true), w.assign(a, "invited", true)}
		if _, err := w.SetStatus(w.ctx, d, bridge.StatusRequest{Status: bridge.Blocked}); err != nil {
			t.Fatal(err)
		}
		w.watched(minute, a, c, d, e)
		w.assigned("alpha", tasks[0]) // rather than delta, who says it is blocked
		w.assigned("invited", tasks[1])
	})
}

func TestReassign_WaitsUntilSomebodyIsThere(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		w := newWorld(t)
		a, b, c := w.remote("alpha"), w.remote("beta"), w.remote("gamma")
		w.talk(a, b, c)
		task := w.assign(a, "beta", true)
		w.watched(10 * minute)
		w.assigned("beta", task)
		waits := make(chan bridge.ClaimTaskResult)
		go func() {
			res, err := w.ClaimTask(w.ctx, c, bridge.ClaimTaskRequest{Wait: minute})
			if err != nil {
				t.Error(err)
			}
			waits <- res
		}()
		rep := w.watched(10*time.Second, c)
		if rep.Reassigned != 1 {
			t.Errorf("sweeps = %+v", rep)
		}
		if got := <-waits; got.Task == nil || got.Task.ID != task {
			t.Errorf("gamma, who waits for work, claimed %+v", got.Task)
		}
	})
}

func TestReassign_TakesWhatAHungHolderLetLapse(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		w := newWorld(t)
		a, b, c := w.remote("alpha"), w.remote("beta"), w.remote("gamma")
		w.talk(a, b, c)
		five := 5
		task := w.addTask(a, bridge.AddTaskRequest{Title: "x", AssignTo: "beta", LeaseMinutes: &five}).Task
		waiting := w.assign(a, "beta", true)
		lease := w.claim(b, task)
		rep := w.watched(5*minute+10*time.Second, a, b, c) // beta's process lives, its model does nothing
		if rep.Reopened != 1 || rep.Reassigned != 1 || rep.Silenced != 0 {
			t.Errorf("sweeps = %+v", rep)
		}
		w.assigned("gamma", task)
		w.assigned("beta", waiting) // it never began this one, and may be waiting for something
		_, err := w.UpdateTask(w.ctx, b, holders(lease, bridge.CompleteTask, ""))
		want(t, err, bridge.LeaseLost, "")
	})
}

func TestReassign_LeavesAWorkingHolderWhatItLetLapse(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		w := newWorld(t)
		a, b, c := w.remote("alpha"), w.remote("beta"), w.remote("gamma")
		w.talk(a, b, c)
		one := 1
		task := w.addTask(a, bridge.AddTaskRequest{Title: "x", AssignTo: "beta", LeaseMinutes: &one}).Task
		w.claim(b, task)
		for range 10 {
			w.progress(b)
			w.watched(30*time.Second, a, b, c)
		}
		w.assigned("beta", task)
	})
}

func TestReassign_BetweenCommandsOfAShellTakesNothing(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		w := newWorld(t)
		a, b := w.remote("alpha"), passing(w.agent("beta"))
		w.talk(a, b)
		waiting := w.assign(a, "beta", true)
		five := 5
		begun := w.addTask(a, bridge.AddTaskRequest{Title: "x", AssignTo: "beta", LeaseMinutes: &five}).Task
		w.claim(b, begun)
		w.watched(4*minute, a)
		if v := w.task(begun); v.State != bridge.TaskClaimed {
			t.Errorf("after four minutes without a command the task is %s", v.State)
		}
		w.assigned("beta", waiting)
		w.watched(2*minute, a)
		w.assigned("alpha", waiting, begun) // it is gone
	})
}

func TestReassign_OfManyTasksGoesOnWithTheNextSweep(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		w := newWorld(t, func(o *bridge.Options) { o.Config.Limits = bridge.NoLimits })
		a, b := w.remote("alpha"), w.remote("beta")
		w.talk(a, b)
		for range 120 {
			w.assign(a, "beta", true)
		}
		time.Sleep(minute)
		w.progress(a)
		if first, second, third := w.sweep(), w.sweep(), w.sweep(); first.Reassigned != 100 || second.Reassigned != 20 || third.Reassigned != 0 {
			t.Errorf("moved %d, %d, %d", first.Reassigned, second.Reassigned, third.Reassigned)
		}
	})
}

func TestRevokeMember_OpensItsTasks(t *testing.T) {
	w := newWorld(t, fewAttempts(2))
	a, b, c := w.agent("alpha"), w.agent("beta"), w.agent("gamma")
	id := w.talk(a, b, c)
	held, spent := w.todo(a, "held"), w.todo(a, "spent")
	pinned := w.assign(a, "beta", false)
	waiting := w.assign(a, "beta", true)
	w.claim(b, held)
	w.end(b, w.claim(b, spent), bridge.ReleaseTask, "")
	w.claim(b, spent)
	w.claim(b, pinned)
	if err := w.RevokeMember(w.ctx, id, "beta"); err != nil {
		t.Fatal(err)
	}
	w.assigned("", held, pinned, waiting)
	if v := w.task(spent); v.State != bridge.TaskFailed || len(w.alerts(bridge.AlertTaskFailed)) != 1 {
		t.Errorf("task = %+v", v)
	}
	if got := w.claim(c, held); got.Task == nil {
		t.Error("gamma cannot have it")
	}
	if rep := w.sweep(); rep.Reopened+rep.Reassigned != 0 {
		t.Errorf("then %+v", rep)
	}
}

func TestReassign_TasksThatStayKeepNoneThatMay(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		w := newWorld(t, func(o *bridge.Options) { o.Config.Limits = bridge.NoLimits })
		a, b, c := w.agent("alpha"), w.agent("beta"), w.agent("gamma")
		w.talk(a, b, c)
		for range 100 {
			w.assign(a, "beta", false)
		}
		last := w.assign(a, "beta", true)
		w.kill(b)
		if rep := w.watched(5*time.Second, a, c); rep.Reassigned != 1 {
			t.Errorf("%d tasks moved, want 1", rep.Reassigned)
		}
		w.assigned("gamma", last)
		if rep := w.watched(5*time.Second, a, c); rep.Reassigned != 0 {
			t.Errorf("then %d more", rep.Reassigned)
		}
	})
}

func TestReassign_WhatStaysNeitherHoldsUpOthersNorKeepsTheSweepBusy(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		w := newWorld(t, plenty)
		a, b, c := w.agent("alpha"), w.agent("beta"), w.agent("gamma")
		id := w.talk(a, b, c)
		for range 100 {
			w.assign(a, "beta", false)
		}
		movable := w.assign(a, "beta", true)
		w.kill(b)
		w.watched(minute, a, c)
		w.assigned("gamma", movable)
		w.unmoved(id, a, c)
	})
}

// unmoved fails if sweeps that find nothing to do commit anything in a conversation.
func (w *world) unmoved(id bridge.ConversationID, present ...bridge.Caller) {
	w.t.Helper()
	hint := w.WatchFeed(w.t.Context(), id)
	for range 5 {
		w.watched(5*time.Second, present...)
		select {
		case <-hint:
			w.t.Error("a sweep with nothing to do committed")
		default:
		}
	}
}

func TestReassign_LeavesWhatAnIdleMemberGaveBack(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		w := newWorld(t)
		a, b, c := w.agent("alpha"), w.agent("beta"), w.agent("gamma")
		id := w.talk(a, b, c)
		unseen, handed := w.assign(a, "beta", true), w.assign(a, "beta", true)
		lease := w.claim(b, unseen)
		if err := w.UnclaimTask(w.ctx, b, lease.Task.Conversation, unseen, lease.LeaseToken); err != nil {
			t.Fatal(err)
		}
		w.claim(b, handed)
		for _, to := range []string{"gamma", "beta"} {
			w.update(a, bridge.UpdateTaskRequest{Conversation: id, Task: handed, Action: bridge.AssignTask, AssignTo: to})
		}
		w.watched(4*minute, a, b, c)
		w.progress(c)
		w.watched(10*time.Second, a, b, c)
		w.assigned("beta", unseen, handed) // neither lapsed
		w.unmoved(id, a, b, c)
	})
}

func TestReassign_WhatLapsedWhenNobodyElseWasThereStaysUntilItsHolderIsLost(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		w := newWorld(t)
		a, b := w.agent("alpha"), w.agent("beta")
		id := w.talk(a, b)
		five := 5
		task := w.addTask(a, bridge.AddTaskRequest{Title: "x", AssignTo: "beta", LeaseMinutes: &five}).Task
		w.claim(b, task)
		w.kill(a)
		w.watched(6*minute, b) // hung, and alpha is dead
		w.assigned("beta", task)
		back := anew(a)
		w.progress(back)
		w.watched(10*time.Second, back, b)
		w.unmoved(id, back, b)
		w.assigned("beta", task)
		w.kill(b)
		w.watched(minute, back)
		w.assigned("alpha", task)
	})
}
