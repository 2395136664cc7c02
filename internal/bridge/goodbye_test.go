package bridge_test

import (
	"testing"
	"time"

	"agentbridge/internal/bridge"
)

// leave ends a caller's process in order: its client hung up.
func (w *world) leave(c bridge.Caller) {
	w.t.Helper()
	if err := w.Heartbeat(w.ctx, c, bridge.Pulse{End: true}); err != nil {
		w.t.Fatal(err)
	}
	w.kill(c)
}

// anew is the same agent in a new process.
func anew(c bridge.Caller) bridge.Caller {
	c.Instance += "_anew"
	return c
}

func TestGoodbye_AClientThatStartsAnewCarriesOnWithItsTasks(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		w := newWorld(t)
		a, b := w.agent("alpha"), w.agent("beta")
		w.talk(a, b)
		lease := w.claim(b, w.todo(a, "x"))
		pinned := w.assign(a, "beta", true)
		w.leave(b)
		w.watched(44*time.Second, a)
		w.alarmed()
		w.assigned("beta", pinned)
		c := anew(b)
		got := w.claim(c, lease.Task.ID)
		if !got.Again || got.LeaseToken != lease.LeaseToken || got.Task.Attempts != 1 {
			t.Errorf("the new process claims it: %+v, want the same lease", got)
		}
		w.watched(2*minute, a, c)
		w.alarmed()
		w.end(c, lease, bridge.CompleteTask, "done")
	})
}

func TestGoodbye_WhoeverStaysAwayIsSilentAndItsTasksMove(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		w := newWorld(t)
		a, b := w.agent("alpha"), w.agent("beta")
		w.talk(a, b)
		lease := w.claim(b, w.todo(a, "x"))
		pinned := w.assign(a, "beta", true)
		w.leave(b)
		w.watched(45*time.Second, a)
		w.alarmed("silent beta")
		w.told(a, "is assigned to you", "beta is silent: its client left.")
		w.assigned("alpha", pinned)
		if got := w.claim(a, lease.Task.ID); got.LeaseToken <= lease.LeaseToken {
			t.Errorf("alpha claims it: %+v", got)
		}
		_, err := w.UpdateTask(w.ctx, anew(b), holders(lease, bridge.CompleteTask, ""))
		want(t, err, bridge.LeaseLost, "stop working on it")
	})
}

func TestGoodbye_ALeaseCarriedOnIsThatOfTheNewProcess(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		for name, carryOn := range map[string]func(w *world, c bridge.Caller, lease bridge.ClaimTaskResult){
			"claimed again": func(w *world, c bridge.Caller, lease bridge.ClaimTaskResult) { w.claim(c, lease.Task.ID) },
			"renewed": func(w *world, c bridge.Caller, lease bridge.ClaimTaskResult) {
				w.end(c, lease, bridge.RenewTask, "")
			},
		} {
			w := newWorld(t)
			a, b := w.agent("alpha"), w.agent("beta")
			w.talk(a, b)
			lease := w.claim(b, w.todo(a, "x"))
			w.leave(b)
			c := anew(b)
			carryOn(w, c, lease)
			w.kill(c) // without a word
			if rep := w.sweep(); rep.Reopened != 1 {
				t.Errorf("%s, and then its process died: %+v", name, rep)
			}
		}
	})
}

func TestClaimTask_AnotherLivingProcessOfTheAgentIsNotItsHolder(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		w := newWorld(t)
		a, b := w.agent("alpha"), w.agent("beta")
		w.talk(a, b)
		lease := w.claim(b, w.todo(a, "x"))
		_, err := w.ClaimTask(w.ctx, anew(b), bridge.ClaimTaskRequest{Task: lease.Task.ID})
		want(t, err, bridge.Conflict, "wait")
		w.end(anew(b), lease, bridge.RenewTask, "") // it may help with the token, but the lease stays where it is
		w.kill(b)
		if rep := w.sweep(); rep.Reopened != 1 {
			t.Errorf("its own process died: %+v", rep)
		}
	})
}

func TestGoodbye_AKeepAliveHoldsNothingForTheClientThatLeft(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		w := newWorld(t)
		a, b := w.agent("alpha"), w.agent("beta")
		w.talk(a, b)
		keeper := anew(b) // beta's keep-alive, which goes on
		lease := w.claim(b, w.todo(a, "x"))
		w.leave(b)
		w.watched(45*time.Second-time.Millisecond, a, keeper)
		if got := w.task(lease.Task.ID); got.State != bridge.TaskClaimed {
			t.Errorf("while its client may come back: %s", got.State)
		}
		w.watched(5*time.Second, a, keeper)
		if got := w.task(lease.Task.ID); got.State != bridge.TaskOpen {
			t.Errorf("45 s after its client left: %s, want it open", got.State)
		}
	})
}
