package bridge_test

import (
	"strings"
	"sync"
	"testing"
	"time"

	"agentbridge/internal/bridge"
)

func (w *world) sweep() bridge.SweepReport {
	w.t.Helper()
	rep, err := w.Sweep(w.ctx)
	if err != nil {
		w.t.Fatal(err)
	}
	return rep
}

// mayLeave makes members complete, so that their silence alarms nobody.
func (w *world) mayLeave(members ...bridge.Caller) {
	w.t.Helper()
	for _, c := range members {
		if _, err := w.SetStatus(w.ctx, c, bridge.StatusRequest{Status: bridge.Complete}); err != nil {
			w.t.Fatal(err)
		}
	}
}

func TestSweep_AConversationsLifeEndsInOrder(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		w := newWorld(t)
		a, b := w.agent("alpha"), w.agent("beta")
		id := w.talk(a, b)
		w.mayLeave(a, b)
		w.say(a, "never read")
		renew := func() {
			t.Helper()
			for _, c := range []bridge.Caller{a, b} {
				if _, err := w.ExtendToken(w.ctx, c.Token()); err != nil {
					t.Fatal(err)
				}
			}
		}
		time.Sleep(165*minute - time.Second)
		if rep := w.sweep(); rep.Warned != 0 {
			t.Fatal("warned too early")
		}
		time.Sleep(time.Second)
		if first, second := w.sweep(), w.sweep(); first.Warned != 1 || second.Warned != 0 {
			t.Errorf("15 minutes before the end: %+v, then %+v", first, second)
		}
		got := w.check(a, bridge.CheckRequest{})
		if len(got.Messages) != 1 || got.Messages[0].Rank != bridge.Program || !strings.Contains(got.Messages[0].Text, "ends in 15m") {
			t.Errorf("alpha was warned with %+v", got.Messages)
		}
		w.check(a, bridge.CheckRequest{Ack: got.Receipt})
		renew()
		time.Sleep(75*minute - time.Second)
		if rep := w.sweep(); rep.Buried != 0 {
			t.Error("buried while it could still be read")
		}
		time.Sleep(time.Second)
		if rep := w.sweep(); rep.Buried != 1 || rep.Dead != 2 {
			t.Errorf("an hour after the end: %+v", rep)
		}
		if d := w.delivery(id, 1, "beta"); d.State != bridge.Dead || d.Reason != bridge.DeadExpired {
			t.Errorf("delivery = %+v", d)
		}
		_, err := w.Check(w.ctx, b, bridge.CheckRequest{Conversation: id})
		want(t, err, bridge.Expired, "new conversation")
		told := w.check(a, bridge.CheckRequest{})
		if len(told.Messages) != 1 || !strings.Contains(told.Messages[0].Text, "not read before") {
			t.Errorf("alpha was told %+v", told.Messages)
		}
		time.Sleep(30*24*time.Hour - time.Hour)
		if rep := w.sweep(); rep.Erased != 1 {
			t.Errorf("after the retention: %+v", rep)
		}
		_, err = w.Show(w.ctx, id)
		if v, _ := w.Show(w.ctx, id); len(v.Recent) != 0 || v.Phase != bridge.Forgotten || v.Entries == 0 {
			t.Errorf("after erasure: %+v, %v", v, err)
		}
		if rep := w.sweep(); rep != (bridge.SweepReport{}) {
			t.Errorf("then %+v", rep)
		}
	})
}

func TestSweep_ManyAtOnceDoEachThingOnce(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		w := newWorld(t)
		a, b := w.agent("alpha"), w.agent("beta")
		id := w.talk(a, b)
		w.say(a, "x")
		w.check(b, bridge.CheckRequest{})
		w.kill(b)
		time.Sleep(165 * minute)
		var wg sync.WaitGroup
		reps := make([]bridge.SweepReport, 8)
		for i := range reps {
			wg.Go(func() { reps[i] = w.sweep() })
		}
		wg.Wait()
		var sum bridge.SweepReport
		for _, r := range reps {
			sum.Warned, sum.Reclaimed = sum.Warned+r.Warned, sum.Reclaimed+r.Reclaimed
		}
		if sum.Warned != 1 || sum.Reclaimed != 1 {
			t.Errorf("eight sweeps at once: %+v", sum)
		}
		if d := w.delivery(id, 1, "beta"); d.State != bridge.Stored || d.Attempts != 1 {
			t.Errorf("delivery = %+v", d)
		}
	})
}

func TestSweep_RefusalsAreCountedPerAgentAndCode(t *testing.T) {
	w := newWorld(t)
	a, b := w.agent("alpha"), w.agent("beta")
	w.talk(a, b)
	for range 3 {
		_, err := w.Send(w.ctx, a, bridge.SendRequest{Message: "x", To: []string{"nobody"}})
		want(t, err, bridge.NotFound, "beta")
	}
	_, err := w.Send(w.ctx, a, bridge.SendRequest{})
	want(t, err, bridge.Invalid, "")
	w.sweep()
	w.sweep()
	lines, err := w.AuditEntries(w.ctx, bridge.AuditFilter{Actions: []string{"refuse"}})
	if err != nil {
		t.Fatal(err)
	}
	counts := map[string]string{}
	for _, l := range lines {
		if l.Subject != string(a.Agent()) {
			t.Errorf("entry = %+v", l)
		}
		counts[l.Facts["code"]] = l.Facts["count"]
	}
	if len(lines) != 2 || counts["not_found"] != "3" || counts["invalid"] != "1" {
		t.Errorf("refusals = %+v", lines)
	}
}

func TestExtend_MovesTheEndAndWarnsAnew(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		w := newWorld(t)
		a, b := w.agent("alpha"), w.agent("beta")
		id := w.talk(a, b)
		time.Sleep(170 * minute)
		w.sweep()
		if _, err := w.ExtendToken(w.ctx, a.Token()); err != nil {
			t.Fatal(err)
		}
		time.Sleep(40 * minute) // past the end, and still readable
		expires, err := w.Extend(w.ctx, id, time.Hour)
		if err != nil || !expires.Equal(time.Now().UTC().Add(time.Hour)) {
			t.Fatalf("Extend = %s, %v", expires, err)
		}
		w.say(a, "going on")
		time.Sleep(45 * minute)
		if rep := w.sweep(); rep.Warned != 1 {
			t.Errorf("Sweep = %+v, want a second warning", rep)
		}
		if err := w.Close(w.ctx, id); err != nil {
			t.Fatal(err)
		}
		_, err = w.Send(w.ctx, a, bridge.SendRequest{Message: "x"})
		want(t, err, bridge.Expired, "create")
		_, err = w.Extend(w.ctx, id, time.Hour)
		want(t, err, bridge.Conflict, "new one")
		_, err = w.Extend(w.ctx, id, -time.Hour)
		want(t, err, bridge.Invalid, "--for")
		if err := w.Close(w.ctx, id); err != nil {
			t.Errorf("closing twice: %v", err)
		}
	})
}

func TestSay_SpeaksWithTheRankThatNoAgentHas(t *testing.T) {
	w := newWorld(t)
	a, b := w.agent("alpha"), w.agent("beta")
	id := w.talk(a, b)
	if _, err := w.Say(w.ctx, bridge.SendRequest{Message: "stop, please", To: []string{"beta"}}); err != nil {
		t.Fatal(err)
	}
	m := w.check(b, bridge.CheckRequest{}).Messages[0]
	if m.Rank != bridge.Person || m.From != "person" || strings.Contains(m.Text, "another agent") {
		t.Errorf("message = %+v", m)
	}
	if got := w.check(a, bridge.CheckRequest{}); len(got.Messages) != 0 {
		t.Error("alpha got it too")
	}
	_, err := w.Say(w.ctx, bridge.SendRequest{Conversation: id, Message: "x", To: []string{"nobody"}})
	want(t, err, bridge.NotFound, "alpha")
}

func TestCleanup_ErasesContentAndKeepsTheLog(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		w := newWorld(t)
		a, b := w.agent("alpha"), w.agent("beta")
		id := w.talk(a, b)
		w.say(a, "forget this")
		if err := w.Close(w.ctx, id); err != nil {
			t.Fatal(err)
		}
		_, err := w.Cleanup(w.ctx, minute)
		want(t, err, bridge.Invalid, "1h")
		if n, err := w.Cleanup(w.ctx, time.Hour); err != nil || n != 0 {
			t.Errorf("Cleanup = %d, %v", n, err)
		}
		time.Sleep(2 * time.Hour)
		if n, err := w.Cleanup(w.ctx, time.Hour); err != nil || n != 1 {
			t.Errorf("Cleanup = %d, %v", n, err)
		}
		if n := w.stored(id); n != 0 {
			t.Errorf("%d messages are left", n)
		}
		lines, err := w.AuditEntries(w.ctx, bridge.AuditFilter{Conversation: id})
		if err != nil || len(lines) < 5 || lines[len(lines)-1].Action != "erase" {
			t.Errorf("log = %+v, %v", lines, err)
		}
		_, err = w.Send(w.ctx, a, bridge.SendRequest{Conversation: id, Message: "x"})
		want(t, err, bridge.NotFound, "audit show")
	})
}
