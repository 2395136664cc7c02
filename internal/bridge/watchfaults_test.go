package bridge_test

import (
	"maps"
	"slices"
	"testing"
	"time"

	"agentbridge/internal/bridge"
	"agentbridge/internal/storetest"
)

// TestEveryWriteOfTheWatchdogBrokenTwice is the story of the watchdog, broken at each point in turn: see [TestEveryWriteBrokenTwice].
// A sweep that failed is swept again, and everything ends as if each had run once.
func TestEveryWriteOfTheWatchdogBrokenTwice(t *testing.T) {
	storetest.BreakEach(t, func(t *testing.T, plan storetest.Plan) {
		inBubble(t, func(t *testing.T) { watchdogStory(t, plan) })
	})
}

func watchdogStory(t *testing.T, plan storetest.Plan) {
	w, a, b, id := brokenWorld(t, plan)
	again := func(call func() error) {
		t.Helper()
		if _, err := insist(t, func() (any, error) { return nil, call() }); err != nil {
			t.Fatal(err)
		}
	}
	sweep := func() {
		t.Helper()
		again(func() error { return w.Heartbeat(w.ctx, a, bridge.Pulse{Progress: true}) })
		again(func() error { _, err := w.Sweep(w.ctx); return err })
	}
	add := func(title, to string) {
		t.Helper()
		one := 1
		again(func() error {
			_, err := w.AddTask(w.ctx, a, bridge.AddTaskRequest{Conversation: id, Title: title, AssignTo: to, LeaseMinutes: &one, Key: title})
			return err
		})
	}
	claim := func() {
		t.Helper()
		again(func() error {
			_, err := w.ClaimTask(w.ctx, b, bridge.ClaimTaskRequest{Conversation: id})
			return err
		})
	}

	add("free", "")
	claim()
	add("pinned", "beta")
	leave := w.Attend(b)
	sweep()
	time.Sleep(40 * time.Second)
	sweep() // nudged
	time.Sleep(20 * time.Second)
	sweep() // its time is over
	leave()
	w.kill(b)
	sweep() // silent; what is pinned goes to alpha
	w.revive(b)
	again(func() error { return w.Heartbeat(w.ctx, b, bridge.Pulse{}) })
	sweep() // back

	sink := map[bridge.AlertID]bool{}
	for range 2 {
		var due []bridge.Alert
		again(func() (err error) { due, err = w.TakeAlerts(w.ctx, "webhook"); return err })
		for _, alert := range due {
			again(func() error { return w.AlertTaken(w.ctx, "webhook", alert.ID) })
			sink[alert.ID] = true
		}
		time.Sleep(2 * minute) // one whose answer got lost is due again
	}

	again(func() error { return w.Pause(w.ctx, id) })
	again(func() error { return w.Resume(w.ctx, id) })
	err := w.store.Update(w.ctx, bridge.InConversation(id), func(tx bridge.Tx) error { // they talked and talked
		c, err := tx.Conversation(id)
		if err != nil {
			return err
		}
		c.Turns, c.SpokeBy, c.SpokeAt = 59, "beta", tx.Now().Add(-minute)
		return tx.PutConversation(c)
	})
	if err != nil {
		t.Fatal(err)
	}
	again(func() error {
		_, err := w.Send(w.ctx, a, bridge.SendRequest{Conversation: id, Message: "thanks", Key: "last"})
		return err
	})
	again(func() error { return w.Resume(w.ctx, id) })
	claim() // the free one, again
	again(func() error {
		err := w.RevokeMember(w.ctx, id, "beta")
		if bridge.AsError(err) != nil && bridge.AsError(err).Code == bridge.NotFound {
			return nil // it was, and the answer got lost
		}
		return err
	})

	alerts, err := w.AlertsSince(w.ctx, time.Time{})
	if err != nil {
		t.Fatal(err)
	}
	var kinds []bridge.AlertKind
	for _, alert := range alerts {
		kinds = append(kinds, alert.Kind)
	}
	slices.Sort(kinds)
	if want := []bridge.AlertKind{bridge.AlertPaused, bridge.AlertRecovered, bridge.AlertSilent}; !slices.Equal(kinds, want) || len(sink) != 2 {
		t.Errorf("alerts = %q, want %q; %d came to the sink", kinds, want, len(sink))
	}
	lines, err := w.AuditEntries(w.ctx, bridge.AuditFilter{Conversation: id})
	if err != nil {
		t.Fatal(err)
	}
	effects := map[string]int{}
	for _, l := range lines {
		effects[l.Action]++
	}
	for _, action := range []string{"create", "invite", "join", "send", "task_add", "void"} { // told elsewhere
		delete(effects, action)
	}
	effects["task_claim"] -= effects["task_unclaim"] // a claim whose answer got lost was given back
	delete(effects, "task_unclaim")
	want := map[string]int{
		"task_claim": 2, "task_lapse": 2, "task_assign": 1, "silent": 1, "recover": 1, "pause": 2, "resume": 2, "revoke": 1, "dead": effects["dead"],
		// To beta: a task of its own, the end near, a lease lost. To alpha: that task, beta silent, beta back, a message not delivered, beta
		// revoked. To both: two pauses and their ends.
		"notice": 12,
	}
	if !maps.Equal(effects, want) {
		t.Errorf("entries = %v, want %v", effects, want)
	}
	if n := w.states(id); n[bridge.TaskOpen] != 2 || len(n) != 1 {
		t.Errorf("tasks = %v", n)
	}
	w.holdsTogether()
}

// revive makes a process that was killed live again.
func (w *world) revive(c bridge.Caller) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.dead[c.Instance] = false
}

// states counts the tasks in each state.
func (w *world) states(id bridge.ConversationID) (n map[bridge.TaskState]int) {
	w.t.Helper()
	v, err := w.Show(w.ctx, id)
	if err != nil {
		w.t.Fatal(err)
	}
	return v.Tasks
}
