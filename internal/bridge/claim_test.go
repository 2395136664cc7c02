package bridge_test

import (
	"errors"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"agentbridge/internal/bridge"
)

func (w *world) claim(c bridge.Caller, task bridge.TaskID) bridge.ClaimTaskResult {
	w.t.Helper()
	res, err := w.ClaimTask(w.ctx, c, bridge.ClaimTaskRequest{Task: task})
	if err != nil {
		w.t.Fatal(err)
	}
	return res
}

// entries counts the entries of an action about a task.
func (w *world) entries(task bridge.TaskID, action string) (n int) {
	w.t.Helper()
	lines, err := w.AuditEntries(w.ctx, bridge.AuditFilter{Actions: []string{action}})
	if err != nil {
		w.t.Fatal(err)
	}
	for _, l := range lines {
		if l.Subject == string(task) {
			n++
		}
	}
	return n
}

// passing is a caller as a shell's command makes one.
func passing(c bridge.Caller) bridge.Caller {
	c.Passing = true
	return c
}

func TestClaimTask_GivesTheBestThatIsReady(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		w := newWorld(t)
		a, b, c := w.agent("alpha"), w.agent("beta"), w.agent("gamma")
		one, two := w.talk(a, b, c), w.talk(a, b, c)
		add := func(id bridge.ConversationID, title string, priority int, to string, after ...bridge.TaskID) bridge.TaskID {
			time.Sleep(time.Second)
			return w.addTask(a, bridge.AddTaskRequest{Conversation: id, Title: title, Priority: priority, AssignTo: to, After: after}).Task
		}
		low := add(two, "low", -1, "")
		add(one, "blocked", 9, "", add(one, "gamma's", 9, "gamma"))
		add(two, "first", 0, "")
		add(one, "second", 0, "beta")
		add(two, "third", 0, "")
		add(one, "best", 1, "")
		var got []string
		for range 7 {
			if res := w.claim(b, ""); res.Task != nil {
				got = append(got, res.Task.Title)
			}
		}
		if want := []string{"best", "first", "second", "third", "low"}; !slices.Equal(got, want) {
			t.Errorf("claimed %q, want %q", got, want)
		}
		if v := w.task(low); v.State != bridge.TaskClaimed || v.Holder != "beta" || v.Attempts != 1 || !v.LeaseExpiresAt.Equal(time.Now().UTC().Add(30*minute)) {
			t.Errorf("task = %+v", v)
		}
		_, err := w.ClaimTask(w.ctx, b, bridge.ClaimTaskRequest{Conversation: one, Task: low})
		want(t, err, bridge.NotFound, "list_tasks") // it is in the other
		if res, err := w.ClaimTask(w.ctx, c, bridge.ClaimTaskRequest{Conversation: two}); err != nil || res.Task != nil {
			t.Errorf("in the other conversation gamma finds %+v, %v", res.Task, err)
		}
	})
}

func TestClaimTask_TokensGrowOverTheConversation(t *testing.T) {
	w := newWorld(t)
	a, b := w.agent("alpha"), w.agent("beta")
	w.talk(a, b)
	one, two := w.todo(a, "1"), w.todo(a, "2")
	last := int64(0)
	for _, task := range []bridge.TaskID{one, two, one, two, two} {
		got := w.claim(b, task)
		if got.LeaseToken <= last {
			t.Errorf("token %d after %d", got.LeaseToken, last)
		}
		last = got.LeaseToken
		w.end(b, got, bridge.ReleaseTask, "")
	}
}

func TestClaimTask_SaysWhyNot(t *testing.T) {
	w := newWorld(t)
	a, b, c, o := w.agent("alpha"), w.agent("beta"), w.agent("gamma"), w.agent("omega")
	made, err := w.Create(w.ctx, a, bridge.CreateRequest{Partners: append(partners("beta", "gamma"), bridge.Partner{Name: "omega", Rank: bridge.Observer})})
	if err != nil {
		t.Fatal(err)
	}
	for i, agent := range []bridge.Caller{b, c, o} {
		if _, err := w.Join(w.ctx, agent, bridge.JoinRequest{Code: made.Invites[i].Code}); err != nil {
			t.Fatal(err)
		}
	}
	held, done, failed := w.todo(a, "held"), w.todo(a, "done"), w.todo(a, "failed")
	waits, stuck := w.todo(a, "waits", held, done), w.todo(a, "stuck", held, failed)
	gammas := w.addTask(a, bridge.AddTaskRequest{Title: "gamma's", AssignTo: "gamma"}).Task
	w.claim(c, held)
	w.end(c, w.claim(c, done), bridge.CompleteTask, "")
	w.end(c, w.claim(c, failed), bridge.FailTask, "")
	for name, bad := range map[string]struct {
		who  bridge.Caller
		q    bridge.ClaimTaskRequest
		code bridge.Code
		hint string
	}{
		"held":                {b, bridge.ClaimTaskRequest{Task: held}, bridge.Conflict, "lease ends at"},
		"done":                {b, bridge.ClaimTaskRequest{Task: done}, bridge.Conflict, "list_tasks"},
		"failed":              {b, bridge.ClaimTaskRequest{Task: failed}, bridge.Conflict, "list_tasks"},
		"waits":               {b, bridge.ClaimTaskRequest{Task: waits}, bridge.Conflict, "wait_seconds"},
		"waits for a failed":  {b, bridge.ClaimTaskRequest{Task: stuck}, bridge.Conflict, "alpha can cancel it"},
		"another's":           {b, bridge.ClaimTaskRequest{Task: gammas}, bridge.Denied, "assign it"},
		"unknown":             {b, bridge.ClaimTaskRequest{Task: "task_0123456789abcdef"}, bridge.NotFound, "list_tasks"},
		"no id at all":        {b, bridge.ClaimTaskRequest{Task: "\x00\xff"}, bridge.NotFound, "list_tasks"},
		"a wait below 0":      {b, bridge.ClaimTaskRequest{Wait: -1}, bridge.Invalid, "240"},
		"a wait too long":     {b, bridge.ClaimTaskRequest{Wait: 241 * time.Second}, bridge.Invalid, "240"},
		"an observer":         {o, bridge.ClaimTaskRequest{}, bridge.Denied, "ask alpha"},
		"an observer, by id":  {o, bridge.ClaimTaskRequest{Task: held}, bridge.Denied, "ask alpha"},
		"in no conversation":  {w.agent("eve"), bridge.ClaimTaskRequest{}, bridge.Invalid, "join_conversation"},
		"not a member":        {w.agent("eve"), bridge.ClaimTaskRequest{Conversation: made.Conversation}, bridge.Denied, "invite"},
		"not a member, by id": {w.agent("eve"), bridge.ClaimTaskRequest{Task: held}, bridge.NotFound, "list_tasks"},
	} {
		t.Run(name, func(t *testing.T) {
			res, err := w.ClaimTask(w.ctx, bad.who, bad.q)
			if err == nil {
				t.Fatalf("claimed %+v", res.Task)
			}
			want(t, err, bad.code, bad.hint)
		})
	}
	if v := w.task(stuck); v.State != bridge.TaskOpen || v.Attempts != 0 {
		t.Errorf("task = %+v", v)
	}
}

func TestClaimTask_IsRefusedWherePausedOrOver(t *testing.T) {
	w := newWorld(t)
	a, b := w.agent("alpha"), w.agent("beta")
	one, two := w.talk(a, b), w.talk(a, b)
	task := w.addTask(a, bridge.AddTaskRequest{Conversation: one, Title: "1"}).Task
	held := w.addTask(a, bridge.AddTaskRequest{Conversation: one, Title: "held"}).Task
	first := w.claim(b, held)
	if err := w.Pause(w.ctx, one); err != nil {
		t.Fatal(err)
	}
	if res := w.claim(b, ""); res.Task != nil {
		t.Errorf("claimed %+v in a paused conversation", res.Task)
	}
	_, err := w.ClaimTask(w.ctx, b, bridge.ClaimTaskRequest{Conversation: one, Wait: minute})
	want(t, err, bridge.Paused, "resume")
	_, err = w.ClaimTask(w.ctx, b, bridge.ClaimTaskRequest{Task: task, Wait: minute})
	want(t, err, bridge.Paused, "resume")
	if again := w.claim(b, held); again.LeaseToken != first.LeaseToken {
		t.Errorf("what beta holds: %+v", again)
	}
	for _, action := range []bridge.TaskAction{bridge.RenewTask, bridge.CompleteTask} {
		if _, err := w.UpdateTask(w.ctx, b, bridge.UpdateTaskRequest{Conversation: one, Task: held, Action: action, LeaseToken: first.LeaseToken}); err != nil {
			t.Errorf("%s while paused: %v", action, err)
		}
	}
	if err := w.Resume(w.ctx, one); err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(w.Close(w.ctx, one), w.Close(w.ctx, two)); err != nil {
		t.Fatal(err)
	}
	_, err = w.ClaimTask(w.ctx, b, bridge.ClaimTaskRequest{})
	want(t, err, bridge.Expired, "new conversation")
}

func TestClaimTask_AWaitEndsAtOnceWhenThereIsWork(t *testing.T) {
	for name, story := range map[string]func(w *world, a, b bridge.Caller) (before bridge.TaskID, then func()){
		"added": func(w *world, a, _ bridge.Caller) (bridge.TaskID, func()) { return "", func() { w.todo(a, "x") } },
		"assigned": func(w *world, a, b bridge.Caller) (bridge.TaskID, func()) {
			task := w.addTask(a, bridge.AddTaskRequest{Title: "x", AssignTo: "alpha"}).Task
			return task, func() {
				w.update(a, bridge.UpdateTaskRequest{Task: task, Action: bridge.AssignTask, AssignTo: "beta"})
			}
		},
		"for whoever is free": func(w *world, a, b bridge.Caller) (bridge.TaskID, func()) {
			task := w.addTask(a, bridge.AddTaskRequest{Title: "x", AssignTo: "alpha"}).Task
			return task, func() { w.update(a, bridge.UpdateTaskRequest{Task: task, Action: bridge.AssignTask}) }
		},
		"unblocked": func(w *world, a, b bridge.Caller) (bridge.TaskID, func()) {
			first := w.todo(a, "first")
			held := w.claim(a, first)
			return w.todo(a, "x", first), func() { w.end(a, held, bridge.CompleteTask, "") }
		},
		"released": func(w *world, a, b bridge.Caller) (bridge.TaskID, func()) {
			task := w.todo(a, "x")
			held := w.claim(a, task)
			return task, func() { w.end(a, held, bridge.ReleaseTask, "") }
		},
		"given back": func(w *world, a, b bridge.Caller) (bridge.TaskID, func()) {
			task := w.todo(a, "x")
			held := w.claim(a, task)
			return task, func() {
				if err := w.UnclaimTask(w.ctx, a, held.Task.Conversation, task, held.LeaseToken); err != nil {
					w.t.Error(err)
				}
			}
		},
	} {
		for _, named := range []bool{false, true} {
			t.Run(name, func(t *testing.T) {
				inBubble(t, func(t *testing.T) {
					w := newWorld(t)
					a, b := w.agent("alpha"), w.agent("beta")
					w.talk(a, b)
					task, then := story(w, a, b)
					if !named {
						task = ""
					} else if task == "" {
						return // what is not there yet cannot be named
					}
					start, got := time.Now(), make(chan bridge.ClaimTaskResult)
					go func() {
						res, err := w.ClaimTask(w.ctx, b, bridge.ClaimTaskRequest{Task: task, Wait: 4 * minute})
						if err != nil {
							t.Error(err)
						}
						got <- res
					}()
					time.Sleep(10 * time.Second)
					then()
					if res := <-got; res.Task == nil || res.Task.Title != "x" || time.Since(start) != 10*time.Second {
						t.Errorf("after %s: %+v", time.Since(start), res)
					}
				})
			})
		}
	}
}

func TestClaimTask_AWaitEndsWithNothingOrTheReason(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		w := newWorld(t)
		a, b := w.agent("alpha"), w.agent("beta")
		w.talk(a, b)
		held := w.todo(a, "held")
		lease := w.claim(passing(a), held)
		start := time.Now()
		res, err := w.ClaimTask(w.ctx, b, bridge.ClaimTaskRequest{Wait: 20 * time.Second})
		if err != nil || res.Task != nil || time.Since(start) != 20*time.Second {
			t.Errorf("after %s: %+v, %v", time.Since(start), res, err)
		}
		start = time.Now()
		_, err = w.ClaimTask(w.ctx, b, bridge.ClaimTaskRequest{Task: held, Wait: 20 * time.Second})
		want(t, err, bridge.Conflict, "lease ends at")
		if time.Since(start) != 20*time.Second {
			t.Errorf("the reason came after %s", time.Since(start))
		}
		errs := make(chan error)
		start = time.Now()
		go func() {
			_, err := w.ClaimTask(w.ctx, b, bridge.ClaimTaskRequest{Task: held, Wait: 4 * minute})
			errs <- err
		}()
		time.Sleep(10 * time.Second)
		w.end(a, lease, bridge.CompleteTask, "")
		err = <-errs
		want(t, err, bridge.Conflict, "list_tasks")
		if time.Since(start) != 10*time.Second {
			t.Errorf("that it ended was told after %s", time.Since(start))
		}
	})
}

func TestClaimTask_AWaitFindsALeaseThatEndsMeanwhileWithoutASweep(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		w := newWorld(t)
		a, b := w.agent("alpha"), w.agent("beta")
		w.talk(a, b)
		one := 1
		task := w.addTask(a, bridge.AddTaskRequest{Title: "x", LeaseMinutes: &one}).Task
		w.claim(passing(a), task)
		for _, named := range []bridge.TaskID{"", task} {
			res, err := w.ClaimTask(w.ctx, passing(b), bridge.ClaimTaskRequest{Task: named, Wait: 2 * minute})
			if err != nil || res.Task == nil || res.Task.Holder != "beta" {
				t.Errorf("claimed %+v, %v", res.Task, err)
			}
			time.Sleep(minute)
		}
		w.told(a, "lost: its time was over")
	})
}

func TestClaimTask_ManyWhoWaitGetATaskEachAndNoneTwice(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		w := newWorld(t, noLimits)
		a := w.agent("alpha")
		var crew []bridge.Caller
		for _, name := range []string{"b1", "b2", "b3", "b4", "b5", "b6", "b7", "b8"} {
			crew = append(crew, w.agent(name))
		}
		w.talk(a, crew...)
		for round, tasks := range []int{1, 2, 5, 8} {
			var mu sync.Mutex
			var wg sync.WaitGroup
			got := map[bridge.TaskID]string{}
			for _, c := range crew {
				wg.Go(func() {
					res, err := w.ClaimTask(w.ctx, c, bridge.ClaimTaskRequest{Wait: 30 * time.Second})
					mu.Lock()
					defer mu.Unlock()
					switch {
					case err != nil:
						t.Error(err)
					case res.Task != nil && got[res.Task.ID] != "":
						t.Errorf("%s and %s both hold %s", got[res.Task.ID], c.Name(), res.Task.ID)
					case res.Task != nil:
						got[res.Task.ID] = c.Name()
					}
				})
			}
			synctest.Wait()
			for range tasks {
				w.todo(a, "x")
			}
			wg.Wait()
			if len(got) != tasks {
				t.Errorf("round %d: %d tasks were claimed, want %d", round, len(got), tasks)
			}
		}
	})
}

func TestClaimTask_WhoLosesItsRightWaitsNoLonger(t *testing.T) {
	for name, revoke := range map[string]func(w *world, b bridge.Caller, id bridge.ConversationID) error{
		"token": func(w *world, b bridge.Caller, _ bridge.ConversationID) error { return w.RevokeToken(w.ctx, b.Token()) },
		"seat": func(w *world, b bridge.Caller, id bridge.ConversationID) error {
			return w.RevokeMember(w.ctx, id, b.Name())
		},
	} {
		t.Run(name, func(t *testing.T) {
			inBubble(t, func(t *testing.T) {
				w := newWorld(t)
				a, b := w.agent("alpha"), w.agent("beta")
				id := w.talk(a, b)
				start, errs := time.Now(), make(chan error)
				go func() {
					_, err := w.ClaimTask(w.ctx, b, bridge.ClaimTaskRequest{Conversation: id, Wait: 4 * minute})
					errs <- err
				}()
				time.Sleep(time.Second)
				if err := revoke(w, b, id); err != nil {
					t.Fatal(err)
				}
				if err := <-errs; !errors.Is(err, bridge.Denied) || time.Since(start) != time.Second {
					t.Errorf("after %s: %v", time.Since(start), err)
				}
			})
		})
	}
}

func TestClaimTask_IsChargedAsARead(t *testing.T) {
	w := newWorld(t)
	a, b := w.agent("alpha"), w.agent("beta")
	w.talk(a, b)
	for range 600 {
		w.claim(b, "")
	}
	_, err := w.ClaimTask(w.ctx, b, bridge.ClaimTaskRequest{})
	want(t, err, bridge.RateLimited, "wait")
}
