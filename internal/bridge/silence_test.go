package bridge_test

import (
	"io"
	"log/slog"
	"slices"
	"strings"
	"testing"
	"time"

	"agentbridge/internal/bridge"
)

// watched lets time pass in which somebody sweeps every 5 seconds, and the processes of these callers are there. It counts what the
// sweeps did.
func (w *world) watched(d time.Duration, callers ...bridge.Caller) (sum bridge.SweepReport) {
	w.t.Helper()
	for end := time.Now().Add(d); time.Now().Before(end); {
		time.Sleep(min(5*time.Second, time.Until(end)))
		for _, c := range callers {
			if err := w.Heartbeat(w.ctx, c, bridge.Pulse{}); err != nil {
				w.t.Fatal(err)
			}
		}
		rep := w.sweep()
		sum.Silenced, sum.Recovered, sum.Reassigned = sum.Silenced+rep.Silenced, sum.Recovered+rep.Recovered, sum.Reassigned+rep.Reassigned
		sum.Reopened, sum.Failed, sum.Nudged = sum.Reopened+rep.Reopened, sum.Failed+rep.Failed, sum.Nudged+rep.Nudged
		sum.Beats = rep.Beats
	}
	return sum
}

// alarms are the alerts of silence and recovery, in order: "silent beta".
func (w *world) alarms() (list []string) {
	w.t.Helper()
	all, err := w.AlertsSince(w.ctx, time.Time{})
	if err != nil {
		w.t.Fatal(err)
	}
	for _, a := range all {
		if a.Kind == bridge.AlertSilent || a.Kind == bridge.AlertRecovered {
			list = append(list, string(a.Kind)+" "+a.Member)
		}
	}
	return list
}

func (w *world) alarmed(want ...string) {
	w.t.Helper()
	if got := w.alarms(); !slices.Equal(got, want) {
		w.t.Errorf("alerts = %q, want %q", got, want)
	}
}

func TestSilence_RaisesOneAlertAndItsEndAnother(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		w := newWorld(t)
		a, b, c := w.remote("alpha"), w.remote("beta"), w.remote("gamma")
		id := w.talk(a, b, c)
		w.watched(45*time.Second-time.Millisecond, a, c)
		w.alarmed()
		time.Sleep(time.Millisecond)
		if rep := w.sweep(); rep.Silenced != 1 {
			t.Errorf("Sweep = %+v", rep)
		}
		w.alarmed("silent beta")
		if rep := w.watched(10*minute, a, c); rep.Silenced+rep.Recovered != 0 {
			t.Errorf("ten minutes of silence: %+v", rep)
		}
		w.told(a, "beta is silent: no heartbeat for 45s.")
		w.told(c) // only orchestrators are alarmed
		if rep := w.watched(minute, a, b, c); rep.Recovered != 1 || rep.Silenced != 0 {
			t.Errorf("back: %+v", rep)
		}
		w.watched(2*minute, a, c)
		w.alarmed("silent beta", "recovered beta", "silent beta")
		w.told(a, "beta is back, 10m after", "beta is silent")
		lines, err := w.AuditEntries(w.ctx, bridge.AuditFilter{Conversation: id, Agent: bridge.ProgramName})
		if err != nil {
			t.Fatal(err)
		}
		var marks []string
		for _, l := range lines {
			if l.Action != "notice" {
				marks = append(marks, l.Action+" "+l.Subject)
			}
		}
		if !slices.Equal(marks, []string{"silent beta", "recover beta", "silent beta"}) {
			t.Errorf("entries = %q", marks)
		}
	})
}

func TestSilence_OfALocalProcessThatDiedIsKnownAtTheNextSweep(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		w := newWorld(t)
		a, b := w.agent("alpha"), w.agent("beta")
		w.talk(a, b)
		task := w.claim(b, w.todo(a, "x")).Task.ID
		pinned := w.addTask(a, bridge.AddTaskRequest{Title: "y", AssignTo: "beta"}).Task
		w.kill(b)
		if rep := w.sweep(); rep.Silenced != 1 || rep.Reopened != 1 || rep.Reassigned != 1 {
			t.Errorf("Sweep = %+v", rep)
		}
		w.alarmed("silent beta")
		w.told(a, string(pinned)+" is assigned to you", "beta is silent: its process ended. Assigned to alpha now: "+string(pinned)+". Free to claim again: "+string(task)+".")
		if v := w.task(task); v.State != bridge.TaskOpen {
			t.Errorf("task = %+v", v)
		}
	})
}

func TestSilence_InConversationsThatAreOverAlarmsNobody(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		w := newWorld(t)
		a, b := w.remote("alpha"), w.remote("beta")
		id := w.talk(a, b)
		if err := w.Close(w.ctx, id); err != nil {
			t.Fatal(err)
		}
		w.watched(10*minute, a)
		w.alarmed()
	})
}

func TestSilence_OfWhoSaidItIsCompleteAlarmsNobody(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		w := newWorld(t)
		a, b := w.remote("alpha"), w.remote("beta")
		w.talk(a, b)
		w.mayLeave(b)
		w.watched(10*minute, a)
		w.watched(minute, a, b)
		w.alarmed()
	})
}

func TestSilence_BetweenCommandsOfAShellIsNone(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		w := newWorld(t)
		a, b := w.remote("alpha"), passing(w.agent("beta"))
		w.talk(a, b)
		w.kill(b)
		if p := w.partner(a); p.Liveness != bridge.Alive {
			t.Errorf("after a command beta is %s", p.Liveness)
		}
		if err := w.Heartbeat(w.ctx, b, bridge.Pulse{End: true}); err != nil {
			t.Fatal(err)
		}
		if p := w.partner(a); p.Liveness != bridge.Alive {
			t.Errorf("after its end beta is %s", p.Liveness)
		}
		w.watched(10*minute, a)
		if p := w.partner(a); p.Liveness != bridge.Gone {
			t.Errorf("ten minutes later beta is %s", p.Liveness)
		}
		w.alarmed()
	})
}

func TestSilence_DoesNotEndWithACommand(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		w := newWorld(t)
		a, b := w.remote("alpha"), w.agent("beta")
		w.talk(a, b)
		w.kill(b)
		w.watched(10*time.Second, a)
		w.say(passing(b), "from a shell")
		w.watched(30*time.Second, a)
		w.alarmed("silent beta")
		if p := w.partner(a); p.Liveness != bridge.Alive {
			t.Errorf("it is there all the same, and shown %s", p.Liveness)
		}
	})
}

func TestSilence_IsNotMadeByAClock(t *testing.T) {
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
				defer w.Attend(b)()
				w.watched(minute, a)
				clock.off = jump
				for _, c := range []bridge.Caller{a, b} {
					if _, err := w.ExtendToken(w.ctx, c.Token()); err != nil {
						t.Fatal(err)
					}
				}
				w.sweep()
				w.alarmed()
				w.watched(10*minute, a) // beta is connected, and never heard of in another way
				w.alarmed()
			})
		})
	}
}

func TestSilence_WhileNobodyWatchedIsNone(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		same := func(o *bridge.Options) { o.Keys = ring }
		w := newWorld(t, same)
		a, b := w.remote("alpha"), w.remote("beta")
		w.talk(a, b)
		w.watched(minute, a, b)
		time.Sleep(40 * time.Second) // the hub is down
		again := worldOn(t, w.store, same)
		again.sweep()
		again.alarmed()
		again.watched(45*time.Second-time.Millisecond, a) // time to come back
		again.alarmed()
		again.watched(time.Millisecond, a)
		again.alarmed("silent beta")
	})
}

func logTo(out io.Writer) option {
	return func(o *bridge.Options) { o.Log = slog.New(slog.NewTextHandler(out, nil)) }
}

func TestAlert_IsLoggedOnce(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		var out strings.Builder
		w := newWorld(t, logTo(&out))
		a, b := w.remote("alpha"), w.remote("beta")
		id := w.talk(a, b)
		w.watched(3*minute, a)
		if n := strings.Count(out.String(), "msg=alert"); n != 1 || !strings.Contains(out.String(), string(id)) {
			t.Errorf("log = %s", out.String())
		}
		out.Reset()
		if err := w.volley(60, 2*time.Second, a, b); err != nil {
			t.Fatal(err)
		}
		if n := strings.Count(out.String(), "kind=paused"); n != 1 {
			t.Errorf("log = %s", out.String())
		}
	})
}

func TestAlert_WhereTheOrchestratorIsSilentTooTheOthersAreTold(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		w := newWorld(t)
		a, b, c := w.agent("alpha"), w.agent("beta"), w.agent("gamma")
		w.talk(a, b, c)
		w.kill(a)
		w.watched(5*time.Second, b, c)
		w.told(c, "alpha is silent")
		w.kill(b)
		w.watched(5*time.Second, c)
		w.told(c, "beta is silent")
	})
}
