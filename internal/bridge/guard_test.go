package bridge_test

import (
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"agentbridge/internal/bridge"
)

// plenty is limits that never get in the way of the loop guard.
func plenty(o *bridge.Options) {
	o.Config.Limits = bridge.Limits{Name: "plenty"}
}

// volley lets two agents talk in turn, so many times, with a pause after each.
func (w *world) volley(turns int, pause time.Duration, a, b bridge.Caller) error {
	w.t.Helper()
	for range turns {
		if _, err := w.Send(w.ctx, a, bridge.SendRequest{Message: "thank you", To: []string{b.Name()}}); err != nil {
			return err
		}
		a, b = b, a
		time.Sleep(pause)
	}
	return nil
}

// paused tells by whom the only open conversation is paused.
func (w *world) paused() string {
	w.t.Helper()
	list, err := w.List(w.ctx, false)
	if err != nil {
		w.t.Fatal(err)
	}
	if (list[0].PausedAt == nil) != (list[0].PausedBy == "") {
		w.t.Errorf("paused at %v by %q", list[0].PausedAt, list[0].PausedBy)
	}
	return list[0].PausedBy
}

func TestLoopGuard_SlowsAVolleyAndThenPausesIt(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		w := newWorld(t, plenty)
		a, b, c := w.agent("alpha"), w.agent("beta"), w.agent("gamma")
		w.talk(a, b, c)
		if err := w.volley(40, 0, a, b); err != nil {
			t.Fatalf("the first forty: %v", err)
		}
		time.Sleep(500 * time.Millisecond)
		_, err := w.Send(w.ctx, a, bridge.SendRequest{Message: "thanks", To: []string{"beta"}})
		want(t, err, bridge.RateLimited, "a task that changes")
		if after := bridge.AsError(err).RetryAfter; after != 2 {
			t.Errorf("retry after %d s, want 2", after)
		}
		time.Sleep(1500 * time.Millisecond)
		if err := w.volley(19, 2*time.Second, a, b); err != nil {
			t.Fatal(err)
		}
		if by := w.paused(); by != "" {
			t.Fatalf("paused by %q after 59 turns", by)
		}
		last := w.say(b, "the sixtieth", "alpha")
		if by := w.paused(); by != bridge.ProgramName {
			t.Errorf("paused by %q after 60 turns", by)
		}
		if d := w.delivery(last.Conversation, last.Seq, "alpha"); d.State != bridge.Stored {
			t.Errorf("the last message is %+v", d)
		}
		_, err = w.Send(w.ctx, a, bridge.SendRequest{Message: "hello?", To: []string{"beta"}})
		want(t, err, bridge.Paused, "agentbridge resume")
		for _, member := range []bridge.Caller{a, b, c} {
			w.told(member, "paused: 60 turns")
		}
		if alerts := w.alerts(bridge.AlertPaused); len(alerts) != 1 || alerts[0].Member != "" {
			t.Errorf("alerts = %+v", alerts)
		}
		time.Sleep(time.Hour) // quiet resumes nothing
		_, err = w.Send(w.ctx, a, bridge.SendRequest{Message: "hello?", To: []string{"beta"}})
		want(t, err, bridge.Paused, "agentbridge resume")
		if err := w.Resume(w.ctx, last.Conversation); err != nil {
			t.Fatal(err)
		}
		if err := w.volley(40, 0, a, b); err != nil {
			t.Errorf("after the person resumed: %v", err)
		}
	})
}

func TestLoopGuard_ProgressOfAnyKindSetsItBack(t *testing.T) {
	var lease bridge.ClaimTaskResult
	for name, something := range map[string]func(w *world, a, b bridge.Caller){
		"a task added":     func(w *world, a, _ bridge.Caller) { w.todo(a, "y") },
		"a task claimed":   func(w *world, _, b bridge.Caller) { w.claim(b, "") },
		"a task completed": func(w *world, a, _ bridge.Caller) { w.end(a, lease, bridge.CompleteTask, "") },
		"a task failed":    func(w *world, a, _ bridge.Caller) { w.end(a, lease, bridge.FailTask, "") },
		"a task released":  func(w *world, a, _ bridge.Caller) { w.end(a, lease, bridge.ReleaseTask, "") },
		"a task cancelled": func(w *world, a, _ bridge.Caller) {
			w.update(a, bridge.UpdateTaskRequest{Task: lease.Task.ID, Action: bridge.CancelTask})
		},
		"a task assigned": func(w *world, a, _ bridge.Caller) {
			w.update(a, bridge.UpdateTaskRequest{Task: lease.Task.ID, Action: bridge.AssignTask, AssignTo: "beta"})
		},
		"a new file": func(w *world, a, _ bridge.Caller) {
			if _, err := w.Send(w.ctx, a, bridge.SendRequest{Message: "x", To: []string{"beta"}, Files: []string{"old.go", "new.go"}}); err != nil {
				w.t.Fatal(err)
			}
		},
		"a word from the person": func(w *world, _, _ bridge.Caller) {
			if _, err := w.Say(w.ctx, bridge.SendRequest{Message: "go on"}); err != nil {
				w.t.Fatal(err)
			}
		},
		"two minutes of quiet": func(*world, bridge.Caller, bridge.Caller) { time.Sleep(2 * minute) },
	} {
		t.Run(name, func(t *testing.T) {
			inBubble(t, func(t *testing.T) {
				w := newWorld(t, plenty)
				a, b := w.agent("alpha"), w.agent("beta")
				w.talk(a, b)
				lease = w.claim(a, w.todo(a, "x"))
				w.todo(a, "for whoever is free")
				if _, err := w.Send(w.ctx, a, bridge.SendRequest{Message: "x", To: []string{"beta"}, Files: []string{"old.go"}}); err != nil {
					t.Fatal(err)
				}
				if err := w.volley(39, 0, b, a); err != nil {
					t.Fatal(err)
				}
				something(w, a, b)
				if err := w.volley(39, 0, b, a); err != nil {
					t.Errorf("after it: %v", err)
				}
			})
		})
	}
}

func TestLoopGuard_WhatIsNoProgressSetsNothingBack(t *testing.T) {
	var lease bridge.ClaimTaskResult
	for name, something := range map[string]func(w *world, a bridge.Caller) error{
		"a file named lately": func(w *world, a bridge.Caller) error {
			_, err := w.Send(w.ctx, a, bridge.SendRequest{Message: "x", To: []string{"beta"}, Files: []string{"old.go"}})
			return err
		},
		"a status": func(w *world, a bridge.Caller) error {
			_, err := w.SetStatus(w.ctx, a, bridge.StatusRequest{Status: bridge.Working})
			return err
		},
		"a renewed lease": func(w *world, a bridge.Caller) error {
			_, err := w.UpdateTask(w.ctx, a, holders(lease, bridge.RenewTask, ""))
			return err
		},
		"less than two minutes of quiet": func(*world, bridge.Caller) error {
			time.Sleep(2*minute - time.Millisecond)
			return nil
		},
	} {
		t.Run(name, func(t *testing.T) {
			inBubble(t, func(t *testing.T) {
				w := newWorld(t, plenty)
				a, b := w.agent("alpha"), w.agent("beta")
				w.talk(a, b)
				lease = w.claim(a, w.todo(a, "x"))
				if _, err := w.Send(w.ctx, a, bridge.SendRequest{Message: "x", To: []string{"beta"}, Files: []string{"old.go"}}); err != nil {
					t.Fatal(err)
				}
				if err := w.volley(38, 0, b, a); err != nil { // 39 turns; the last was alpha's
					t.Fatal(err)
				}
				if err := something(w, a); err != nil {
					t.Fatal(err)
				}
				err := w.volley(2, 0, b, a)
				want(t, err, bridge.RateLimited, "")
			})
		})
	}
}

func TestLoopGuard_OneWhoTalksAloneIsNeverStopped(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		w := newWorld(t, plenty)
		a, b, c, d := w.agent("alpha"), w.agent("beta"), w.agent("gamma"), w.agent("delta")
		w.talk(a, b, c, d)
		for range 200 {
			w.say(a, "a report", "beta")
			w.say(a, "a report to three")
		}
		w.say(b, "thanks")
	})
}

func TestLoopGuard_AMonologueDoesNotShutOthersOut(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		w := newWorld(t, plenty)
		a, b := w.agent("alpha"), w.agent("beta")
		w.talk(a, b)
		if err := w.volley(41, 0, a, b); !errors.Is(err, bridge.RateLimited) {
			t.Fatal(err)
		}
		for range 30 {
			time.Sleep(100 * time.Millisecond)
			w.say(b, "and another thing")
		}
		w.say(a, "may I?")
	})
}

func TestLoopGuard_AStormHasOneVoice(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		w := newWorld(t, plenty)
		a, b, c, d, e := w.agent("alpha"), w.agent("beta"), w.agent("gamma"), w.agent("delta"), w.agent("epsilon")
		w.talk(a, b, c, d, e)
		for range 40 {
			w.say(a, "to all four")
		}
		_, err := w.Send(w.ctx, a, bridge.SendRequest{Message: "to all four"})
		want(t, err, bridge.RateLimited, "wait")
		w.say(a, "to three", "beta", "gamma", "delta")
		for range 20 {
			time.Sleep(2 * time.Second)
			w.say(a, "to all four")
		}
		if by := w.paused(); by != bridge.ProgramName {
			t.Errorf("after sixty to all, paused by %q", by)
		}
	})
}

func TestLoopGuard_ALeadAndThirtyOneWorkersMayAskAndAnswer(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		w := newWorld(t, plenty)
		lead := w.agent("lead")
		team := []bridge.Caller{lead}
		for n := range 31 {
			team = append(team, w.agent(fmt.Sprintf("worker-%d", n)))
		}
		w.talk(lead, team[1:]...)
		turns := 0
		for range 4 { // 248 turns
			for _, worker := range team[1:] {
				w.say(lead, "how far are you?", worker.Name())
				w.say(worker, "halfway", "lead")
				turns += 2
			}
		}
		if err := w.volley(256-turns, 0, lead, team[1]); err != nil {
			t.Fatalf("eight turns for each: %v", err)
		}
		want(t, w.volley(1, 0, lead, team[1]), bridge.RateLimited, "a task that changes")
		time.Sleep(2 * time.Second)
		if err := w.volley(127, 2*time.Second, lead, team[1]); err != nil || w.paused() != "" {
			t.Fatalf("after 383 turns: paused by %q, %v", w.paused(), err)
		}
		if err := w.volley(1, 0, team[1], lead); err != nil || w.paused() != bridge.ProgramName {
			t.Errorf("after twelve turns for each: paused by %q, %v", w.paused(), err)
		}
	})
}

func TestLoopGuard_TheSameFilesAgainAndAgainAreNoProgress(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		w := newWorld(t, plenty)
		a, b := w.agent("alpha"), w.agent("beta")
		w.talk(a, b)
		from, to := a, b
		for n := range 55 + 59 { // with the last new file sixty turns; each file is named again after 54 other messages
			if _, err := w.Send(w.ctx, from, bridge.SendRequest{Message: "look", To: []string{to.Name()}, Files: []string{fmt.Sprintf("%d.go", n%55)}}); err != nil {
				t.Fatalf("message %d: %v", n+1, err)
			}
			from, to = to, from
			time.Sleep(2 * time.Second)
		}
		if by := w.paused(); by != bridge.ProgramName {
			t.Errorf("after 55 files and sixty turns about the same, paused by %q", by)
		}
	})
}

func TestLoopGuard_OffIsOff(t *testing.T) {
	for name, off := range map[string]option{
		"loop_guard": func(o *bridge.Options) { plenty(o); o.Config.LoopGuard = false },
		"limits":     func(o *bridge.Options) { o.Config.Limits = bridge.NoLimits },
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t, off)
			a, b := w.agent("alpha"), w.agent("beta")
			id := w.talk(a, b)
			if err := w.volley(100, 0, a, b); err != nil {
				t.Error(err)
			}
			if err := w.Pause(w.ctx, id); err != nil { // the person still can
				t.Fatal(err)
			}
			want(t, w.volley(1, 0, a, b), bridge.Paused, "resume")
		})
	}
}

func TestLoopGuard_ARefusedTurnDoesNotCountAndARetryIsNone(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		w := newWorld(t, plenty)
		a, b := w.agent("alpha"), w.agent("beta")
		id := w.talk(a, b)
		if err := w.volley(39, 0, a, b); err != nil {
			t.Fatal(err)
		}
		for range 100 {
			if _, err := w.Send(w.ctx, b, bridge.SendRequest{Message: "x", To: []string{"nobody"}}); !errors.Is(err, bridge.NotFound) {
				t.Fatal(err)
			}
			if _, err := w.Send(w.ctx, b, bridge.SendRequest{Message: "x", Key: "k"}); err != nil { // turn 40, once
				t.Fatal(err)
			}
		}
		time.Sleep(2 * time.Second)
		if err := w.volley(19, 2*time.Second, a, b); err != nil {
			t.Fatal(err)
		}
		if err := w.volley(1, 0, b, a); err != nil || w.paused() == "" {
			t.Errorf("the sixtieth turn: %v", err)
		}
		if _, err := w.Send(w.ctx, b, bridge.SendRequest{Conversation: id, Message: "x", Key: "k"}); err != nil {
			t.Errorf("a retry of what was sent is answered while paused, too: %v", err)
		}
		if !strings.Contains(strings.Join(w.notices(a), " "), "paused") {
			t.Error("alpha was not told")
		}
	})
}

func TestResume_BeginsTheCountAnew(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		w := newWorld(t, plenty)
		a, b := w.agent("alpha"), w.agent("beta")
		id := w.talk(a, b)
		if err := w.volley(60, 2*time.Second, a, b); err != nil || w.paused() == "" {
			t.Fatalf("sixty turns: paused by %q, %v", w.paused(), err)
		}
		if err := w.Resume(w.ctx, id); err != nil {
			t.Fatal(err)
		}
		if err := w.volley(40, 0, a, b); err != nil {
			t.Error(err)
		}
	})
}
