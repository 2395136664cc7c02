package bridge_test

import (
	"strings"
	"testing"
	"time"

	"agentbridge/internal/bridge"
)

// beat lets time pass in which the processes of these callers are there, and somebody sweeps.
func (w *world) beat(d time.Duration, callers ...bridge.Caller) {
	w.t.Helper()
	for end := time.Now().Add(d); time.Now().Before(end); {
		time.Sleep(min(15*time.Second, time.Until(end)))
		for _, c := range callers {
			if err := w.Heartbeat(w.ctx, c, bridge.Pulse{}); err != nil {
				w.t.Fatal(err)
			}
		}
	}
}

// lost fails unless every write with the token of a lease is lost, and the task can be claimed by another.
func (w *world) lost(holder bridge.Caller, lease bridge.ClaimTaskResult, why string, next bridge.Caller) {
	w.t.Helper()
	for _, action := range []bridge.TaskAction{bridge.RenewTask, bridge.CompleteTask, bridge.FailTask, bridge.ReleaseTask} {
		_, err := w.UpdateTask(w.ctx, holder, holders(lease, action, ""))
		want(w.t, err, bridge.LeaseLost, "claim")
		if !strings.Contains(err.Error(), why) {
			w.t.Errorf("%s: %v, want it to say %q", action, err, why)
		}
	}
	got := w.claim(next, "")
	if got.Task == nil || got.Task.ID != lease.Task.ID || got.LeaseToken <= lease.LeaseToken {
		w.t.Errorf("then %s claims %+v", next.Name(), got.Task)
		return
	}
	w.told(holder, "lost: "+why)
	w.end(next, got, bridge.CompleteTask, "")
}

func TestLease_EndsWithItsTimeHoweverWellTheProcessIs(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		for _, sweeping := range []bool{false, true} {
			w := newWorld(t)
			a, b := w.agent("alpha"), w.agent("beta")
			w.talk(a, b)
			lease := w.claim(b, w.todo(a, "x"))
			w.beat(30*minute-time.Microsecond, a, b) // hung: nothing but heartbeats
			if why := w.end(b, lease, bridge.RenewTask, "").Task; why.State != bridge.TaskClaimed {
				t.Errorf("a moment before: %+v", why)
			}
			w.beat(30*minute, a, b)
			if sweeping {
				w.sweep()
			}
			if sweeping {
				_, err := w.UpdateTask(w.ctx, b, holders(lease, bridge.CompleteTask, ""))
				want(t, err, bridge.LeaseLost, "claim")
			} else {
				w.lost(b, lease, "its time was over", a)
			}
		}
	})
}

func TestLease_OnlyItsHolderRenews(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		w := newWorld(t)
		a, b := w.agent("alpha"), w.agent("beta")
		w.talk(a, b)
		three := 3
		lease := w.claim(b, w.addTask(a, bridge.AddTaskRequest{Title: "x", LeaseMinutes: &three}).Task)
		entries := func() int {
			lines, err := w.AuditEntries(w.ctx, bridge.AuditFilter{})
			if err != nil {
				t.Fatal(err)
			}
			return len(lines)
		}
		before := entries()
		for range 10 {
			w.beat(2*minute, a, b)
			got := w.end(b, lease, bridge.RenewTask, "").Task
			if !got.LeaseExpiresAt.Equal(time.Now().UTC().Add(3 * minute)) {
				t.Errorf("renewed until %s", got.LeaseExpiresAt)
			}
			_, err := w.UpdateTask(w.ctx, a, holders(lease, bridge.RenewTask, ""))
			want(t, err, bridge.Denied, "holder")
		}
		if n := entries(); n != before {
			t.Errorf("renewing made %d entries", n-before)
		}
		w.beat(2*minute, a, b)
		w.claim(b, lease.Task.ID) // the same lease again: not renewed
		w.say(b, "still here")
		w.beat(minute, a, b)
		w.lost(b, lease, "its time was over", a)
	})
}

func TestLease_EndsWithALocalProcessAtOnce(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		w := newWorld(t)
		a := w.agent("alpha")
		token, _, err := w.NewAgent(w.ctx, "beta", true)
		if err != nil {
			t.Fatal(err)
		}
		b, other := w.process(token, "beta"), w.process(token, "beta")
		w.talk(a, b)
		lease := w.claim(b, w.todo(a, "x"))
		w.kill(b)
		w.beat(0, other)
		w.lost(other, lease, "its holder's process had ended", a) // also to another process of the same agent, which is well
	})
}

func TestLease_EndsWithTheSilenceOfARemoteHolder(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		w := newWorld(t)
		a, b := w.remote("alpha"), w.remote("beta")
		w.talk(a, b)
		lease := w.claim(b, w.todo(a, "x"))
		w.beat(45*time.Second-time.Microsecond, a)
		if got := w.claim(a, ""); got.Task != nil {
			t.Fatalf("alpha got %+v from a holder that is not silent yet", got.Task)
		}
		time.Sleep(time.Microsecond)
		w.lost(b, lease, "its holder had fallen silent", a)
	})
}

func TestLease_OfAShellsCommandEndsWithTimeOnly(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		w := newWorld(t)
		a, b := w.agent("alpha"), w.agent("beta")
		w.talk(a, b)
		lease := w.claim(passing(b), w.todo(a, "x"))
		w.kill(b)
		time.Sleep(29 * minute)
		if got := w.end(passing(b), lease, bridge.RenewTask, "").Task; got.State != bridge.TaskClaimed {
			t.Errorf("renewed by the next command: %+v", got)
		}
		time.Sleep(30 * minute)
		w.lost(b, lease, "its time was over", passing(a))
	})
}

func TestLease_EndsWithTheSeat(t *testing.T) {
	w := newWorld(t)
	a, b := w.agent("alpha"), w.agent("beta")
	id := w.talk(a, b)
	task := w.todo(a, "x")
	lease := w.claim(b, task)
	if err := w.RevokeMember(w.ctx, id, "beta"); err != nil {
		t.Fatal(err)
	}
	_, err := w.UpdateTask(w.ctx, b, holders(lease, bridge.CompleteTask, ""))
	want(t, err, bridge.Denied, "invite")
	made, err := w.Create(w.ctx, a, bridge.CreateRequest{Conversation: id, Partners: partners("beta")})
	if err != nil {
		t.Fatal(err)
	}
	c := w.agent("gamma") // another agent in the same seat
	if _, err := w.Join(w.ctx, c, bridge.JoinRequest{Code: made.Invites[0].Code}); err != nil {
		t.Fatal(err)
	}
	_, err = w.UpdateTask(w.ctx, c, holders(lease, bridge.CompleteTask, ""))
	if err == nil {
		t.Error("a new agent in a seat ended its predecessor's lease")
	}
	if got := w.claim(c, ""); got.Task == nil || got.LeaseToken <= lease.LeaseToken {
		t.Errorf("claimed %+v", got)
	}
}

// Whoever revokes a seat opens its tasks at once; the lease would be lost all the same.
func TestLease_EndsWithTheSeatAlsoBeforeItsTasksAreOpened(t *testing.T) {
	w := newWorld(t)
	a, b, c := w.agent("alpha"), w.agent("beta"), w.agent("gamma")
	id := w.talk(a, b, c)
	lease := w.claim(passing(b), w.todo(a, "x"))
	err := w.store.Update(w.ctx, bridge.InConversation(id), func(tx bridge.Tx) error {
		m, err := tx.Member(id, "beta")
		if err != nil {
			return err
		}
		m.RevokedAt = tx.Now()
		return tx.PutMember(m)
	})
	if err != nil {
		t.Fatal(err)
	}
	w.tampered = true // a seat was revoked without an entry
	if got := w.claim(c, lease.Task.ID); got.Task.Holder != "gamma" || got.LeaseToken <= lease.LeaseToken {
		t.Errorf("claimed %+v", got)
	}
}

func TestLease_AClockJumpLosesNone(t *testing.T) {
	for name, jump := range map[string]time.Duration{"forward": 20 * time.Hour, "back": -20 * time.Hour} {
		t.Run(name, func(t *testing.T) {
			inBubble(t, func(t *testing.T) {
				clock := &wall{}
				w := worldAt(t, clock)
				a, b := w.remote("alpha"), w.remote("beta")
				made, err := w.Create(w.ctx, a, bridge.CreateRequest{Partners: partners("beta"), TTLMinutes: 3 * 24 * 60})
				if err != nil {
					t.Fatal(err)
				}
				if _, err := w.Join(w.ctx, b, bridge.JoinRequest{Code: made.Invites[0].Code}); err != nil {
					t.Fatal(err)
				}
				w.sweep()
				task := w.todo(a, "x")
				lease := w.claim(b, task)
				time.Sleep(10 * time.Second)
				clock.off = jump
				for _, c := range []bridge.Caller{a, b} { // a token's life is not a lease: its end stays where it is
					if _, err := w.ExtendToken(w.ctx, c.Token()); err != nil {
						t.Fatal(err)
					}
				}
				if got := w.claim(a, ""); got.Task != nil {
					t.Fatalf("alpha got %+v", got.Task)
				}
				w.sweep()
				if v := w.task(task); v.State != bridge.TaskClaimed || v.LeaseExpiresAt.Sub(time.Now().Add(jump)) < 29*minute {
					t.Errorf("task = %+v, expires at %s", v, v.LeaseExpiresAt)
				}
				w.end(b, lease, bridge.RenewTask, "")
				w.beat(29*minute, a, b)
				w.end(b, lease, bridge.CompleteTask, "")
			})
		})
	}
}

func TestLease_LostTooOftenFailsTheTask(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		w := newWorld(t, fewAttempts(3))
		a, b, c, d := w.agent("alpha"), w.agent("beta"), w.agent("gamma"), w.agent("delta")
		made, err := w.Create(w.ctx, a, bridge.CreateRequest{Partners: []bridge.Partner{{Name: "beta"}, {Name: "gamma", Rank: bridge.Peer}, {Name: "delta"}}})
		if err != nil {
			t.Fatal(err)
		}
		for i, agent := range []bridge.Caller{b, c, d} {
			if _, err := w.Join(w.ctx, agent, bridge.JoinRequest{Code: made.Invites[i].Code}); err != nil {
				t.Fatal(err)
			}
		}
		one := 1
		task := w.addTask(c, bridge.AddTaskRequest{Title: "x", LeaseMinutes: &one}).Task
		after := w.addTask(c, bridge.AddTaskRequest{Title: "y", After: []bridge.TaskID{task}}).Task
		var last bridge.ClaimTaskResult
		for range 3 {
			last = w.claim(passing(b), "")
			if last.Task == nil || last.Task.ID != task {
				t.Fatalf("claimed %+v", last.Task)
			}
			time.Sleep(minute)
		}
		if got := w.claim(passing(d), ""); got.Task != nil {
			t.Fatalf("a fourth attempt: %+v", got.Task)
		}
		v := w.task(task)
		if v.State != bridge.TaskFailed || v.Attempts != 3 || v.Holder != "" || !strings.Contains(v.Result, "3 attempts") {
			t.Errorf("task = %+v", v)
		}
		_, err = w.UpdateTask(w.ctx, b, holders(last, bridge.CompleteTask, ""))
		want(t, err, bridge.LeaseLost, "")
		w.told(c, string(after)+" waits for "+string(task), "claimed 3 times")
		w.told(a, "claimed 3 times") // the alert
		if alerts := w.alerts(bridge.AlertTaskFailed); len(alerts) != 1 || alerts[0].Task != task || alerts[0].Member != "beta" {
			t.Errorf("alerts = %+v", alerts)
		}
		if w.entries(task, "task_lapse") != 3 || w.entries(task, "task_fail") != 1 {
			t.Error("the log does not tell it")
		}
	})
}
