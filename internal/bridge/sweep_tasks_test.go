package bridge_test

import (
	"strings"
	"testing"
	"time"

	"agentbridge/internal/bridge"
)

func TestSweep_OpensWhatIsLostAndNothingElse(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		w := newWorld(t)
		a, b, c := w.agent("alpha"), w.agent("beta"), w.agent("gamma")
		one, two := w.talk(a, b), w.talk(a, c)
		add := func(in bridge.ConversationID) bridge.TaskID {
			return w.addTask(a, bridge.AddTaskRequest{Conversation: in, Title: "x"}).Task
		}
		betas, gammas := w.claim(b, add(one)).Task.ID, w.claim(c, add(two)).Task.ID
		if rep := w.sweep(); rep != (bridge.SweepReport{}) {
			t.Errorf("Sweep = %+v", rep)
		}
		w.kill(b)
		if rep := w.sweep(); rep.Reopened != 1 {
			t.Errorf("Sweep = %+v", rep)
		}
		if w.task(betas).State != bridge.TaskOpen || w.task(gammas).State != bridge.TaskClaimed {
			t.Errorf("beta's is %s, gamma's %s", w.task(betas).State, w.task(gammas).State)
		}
	})
}

func TestSweep_NudgesAtTwoThirdsOnceALease(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		w := newWorld(t)
		a, b := w.agent("alpha"), w.agent("beta")
		w.talk(a, b)
		first, second := w.claim(b, w.todo(a, "secret title")), w.claim(b, w.todo(a, "y"))
		if rep := w.watched(20*minute-time.Second, a, b); rep.Nudged != 0 {
			t.Errorf("before two thirds: %+v", rep)
		}
		if rep := w.watched(5*minute, a, b); rep.Nudged != 2 {
			t.Errorf("after two thirds: %+v", rep)
		}
		told := w.notices(b)
		if len(told) != 1 || !strings.Contains(told[0], string(first.Task.ID)+" in 9m") || !strings.Contains(told[0], string(second.Task.ID)) || !strings.Contains(told[0], "renew") || strings.Contains(told[0], "secret") {
			t.Errorf("beta was told %q", told)
		}
		w.end(b, first, bridge.RenewTask, "")
		if rep := w.watched(20*minute-time.Second, a, b); rep.Nudged != 0 || rep.Reopened != 1 {
			t.Errorf("renewed: %+v", rep) // the second was not
		}
		if rep := w.watched(time.Second, a, b); rep.Nudged != 1 {
			t.Errorf("two thirds after renewing: %+v", rep)
		}
	})
}

func TestSweep_HeartbeatsKeepNoLease(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		w := newWorld(t)
		a, b := w.remote("alpha"), w.remote("beta")
		w.talk(a, b)
		task := w.claim(b, w.todo(a, "x")).Task.ID
		defer w.Attend(b)()
		if rep := w.watched(31*minute, a, b); rep.Reopened != 1 || rep.Silenced != 0 {
			t.Errorf("sweeps = %+v", rep)
		}
		w.assigned("", task)
	})
}

func TestSweep_LeavesNoLeaseInAConversationThatIsOver(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		w := newWorld(t)
		a, b := w.agent("alpha"), w.agent("beta")
		id := w.talk(a, b)
		task := w.claim(b, w.todo(a, "x")).Task.ID
		if err := w.Close(w.ctx, id); err != nil {
			t.Fatal(err)
		}
		if rep := w.watched(59*minute, a, b); rep.Reopened+rep.Nudged != 0 {
			t.Errorf("closed: %+v", rep)
		}
		w.watched(2*minute, a, b)
		if v := w.task(task); v.State != bridge.TaskOpen || w.entries(task, "task_lapse") != 1 {
			t.Errorf("buried: %+v", v)
		}
	})
}

func TestSweep_AClockSetBackNudgesNoMoreOften(t *testing.T) {
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
		w.claim(b, w.todo(a, "x"))
		w.watched(10*minute, a, b)
		clock.off = -20 * time.Hour
		if rep := w.watched(25*minute, a, b); rep.Nudged != 1 {
			t.Errorf("nudged %d times", rep.Nudged)
		}
	})
}
