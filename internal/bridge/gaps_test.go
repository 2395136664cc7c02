package bridge_test

import (
	"encoding/json"
	"fmt"
	"testing"
	"time"

	"agentbridge/internal/bridge"
)

// lasts lets tokens and conversations outlive a story of days.
func lasts(o *bridge.Options) { o.Config.TokenTTL = 1000 * time.Hour }

func (w *world) talkForDays(creator bridge.Caller, others ...bridge.Caller) {
	w.t.Helper()
	if _, err := w.Extend(w.ctx, w.talk(creator, others...), 20*24*time.Hour); err != nil {
		w.t.Fatal(err)
	}
}

// unwatched lets time pass in which nobody sweeps, as when a laptop sleeps, and then these callers are back.
func (w *world) unwatched(d time.Duration, callers ...bridge.Caller) {
	w.t.Helper()
	time.Sleep(d)
	for _, c := range callers {
		if err := w.Heartbeat(w.ctx, c, bridge.Pulse{}); err != nil {
			w.t.Fatal(err)
		}
	}
}

func (w *world) holds(lease bridge.ClaimTaskResult, want bool) {
	w.t.Helper()
	if v := w.task(lease.Task.ID); (v.State == bridge.TaskClaimed) != want {
		w.t.Errorf("the task is %s; want it held: %v", v.State, want)
	}
}

func TestGaps_NoneOfManyCountsForALease(t *testing.T) {
	for name, c := range map[string]struct {
		n    int
		gap  time.Duration
		each time.Duration
	}{"two": {2, time.Hour, 10 * minute}, "two nights": {2, 16 * time.Hour, 10 * minute}, "a hundred": {100, 3 * minute, 15 * time.Second}} {
		t.Run(name, func(t *testing.T) {
			inBubble(t, func(t *testing.T) {
				w := newWorld(t, lasts)
				a, b := w.agent("alpha"), w.agent("beta")
				w.talkForDays(a, b)
				w.sweep()
				lease := w.claim(b, w.todo(a, "x"))
				for range c.n {
					w.unwatched(c.gap, a, b)
					w.watched(c.each, a, b)
				}
				w.holds(lease, true)
				w.watched(31*minute-time.Duration(c.n)*c.each+time.Duration(c.n)*15*time.Second, a, b) // a gap may begin up to 15 s early
				w.holds(lease, false)
			})
		})
	}
}

func TestGaps_AHubThatRestartsOftenMakesNobodySilent(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		same := func(o *bridge.Options) { o.Keys = ring }
		w := newWorld(t, same)
		a, b := w.remote("alpha"), w.remote("beta")
		w.talk(a, b)
		lease := w.claim(b, w.todo(a, "x"))
		w.watched(minute, a, b)
		for range 3 {
			time.Sleep(50 * time.Second)
			worldOn(t, w.store, same).watched(5 * time.Second)
		}
		w.alarmed()
		w.holds(lease, true)
	})
}

func TestGaps_JumpsOfTheClockInARowMakeNobodySilent(t *testing.T) {
	for name, by := range map[string]time.Duration{"forward": 2 * minute, "a little forward": 62 * time.Second, "back": -2 * minute} {
		t.Run(name, func(t *testing.T) {
			inBubble(t, func(t *testing.T) {
				clock := &wall{}
				w := worldAt(t, clock)
				a, b := w.remote("alpha"), w.remote("beta")
				made, err := w.Create(w.ctx, a, bridge.CreateRequest{Partners: partners("beta"), TTLMinutes: 24 * 60})
				if err != nil {
					t.Fatal(err)
				}
				if _, err := w.Join(w.ctx, b, bridge.JoinRequest{Code: made.Invites[0].Code}); err != nil {
					t.Fatal(err)
				}
				lease := w.claim(b, w.todo(a, "x"))
				w.watched(30*time.Second, a, b)
				for range 3 {
					clock.off += by
					if p := w.partner(a); p.Liveness != bridge.Alive {
						t.Errorf("before anybody swept beta is %s", p.Liveness)
					}
					w.watched(10*time.Second, a)
				}
				w.alarmed()
				w.holds(lease, true)
				w.watched(2*minute, a)
				w.alarmed("silent beta") // and yet it is found out
			})
		})
	}
}

func TestGaps_AreFewAndReadInTheirOldForm(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		w := newWorld(t, lasts)
		a, b := w.agent("alpha"), w.agent("beta")
		w.talkForDays(a, b)
		lease := w.claim(b, w.todo(a, "x"))
		w.watched(minute, a, b)
		until := time.Now()
		w.unwatched(time.Hour, a, b)
		old := fmt.Sprintf(`{"at":%q,"until":%q,"epoch":%q}`, stamp(time.Now()), stamp(until), stamp(time.Now()))
		err := w.store.Update(w.ctx, bridge.Deployment, func(tx bridge.Tx) error { return tx.PutMeta("watch", []byte(old)) })
		if err != nil {
			t.Fatal(err)
		}
		w.watched(20*minute, a, b)
		w.holds(lease, true)
		gaps := func() int {
			var kept struct{ Gaps []json.RawMessage }
			err := w.store.View(w.ctx, func(tx bridge.Tx) error {
				raw, err := tx.Meta("watch")
				if err != nil {
					return err
				}
				return json.Unmarshal(raw, &kept)
			})
			if err != nil {
				t.Fatal(err)
			}
			return len(kept.Gaps)
		}
		if n := gaps(); n != 1 {
			t.Errorf("%d gaps are kept of the old form", n)
		}
		for range 120 {
			w.unwatched(2*minute, a, b)
			w.sweep()
		}
		if n := gaps(); n != 100 {
			t.Errorf("%d gaps are kept of 121", n)
		}
		w.holds(lease, true)
		for range 25 * 60 {
			time.Sleep(minute)
			w.sweep()
		}
		if n := gaps(); n != 0 {
			t.Errorf("%d gaps are kept after a day", n)
		}
	})
}

func stamp(t time.Time) string { return t.UTC().Format(time.RFC3339Nano) }

func TestSilence_OfWhoLeftNoTraceIsFoundAfterADay(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		w := newWorld(t, lasts)
		a, b, c := w.agent("alpha"), w.agent("beta"), w.agent("gamma")
		w.talkForDays(a, b, c)
		task := w.assign(a, "beta", true)
		w.watched(minute, a, b, c)
		w.kill(b)
		w.unwatched(25*time.Hour, a, c)
		w.progress(a, c)
		w.watched(40*time.Second, a, c)
		w.alarmed() // it has the time of anybody to come back
		w.watched(10*minute, a, c)
		w.alarmed("silent beta")
		if v := w.task(task); v.AssignTo == "beta" {
			t.Error("its task is still its own")
		}
		again := anew(b)
		w.watched(minute, a, again, c)
		w.alarmed("silent beta", "recovered beta")
	})
}

func TestReassign_FromWhoFellSilentWithEverybodyADayAgo(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		w := newWorld(t, lasts)
		a, b := w.agent("alpha"), w.agent("beta")
		w.talkForDays(a, b)
		task := w.assign(a, "beta", true)
		w.watched(minute, a, b)
		w.kill(a)
		w.kill(b)
		for range 25 * 60 {
			time.Sleep(minute)
			w.sweep()
		}
		back := anew(a)
		w.progress(back)
		w.watched(minute, back)
		w.assigned("alpha", task)
	})
}

func TestReassign_FromAShellThatIsGoneRaisesNoAlert(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		w := newWorld(t, lasts)
		a, c := w.agent("alpha"), w.agent("gamma")
		b := passing(w.agent("beta"))
		w.talkForDays(a, b, c)
		task := w.assign(a, "beta", true)
		w.watched(2*minute, a, c)
		w.assigned("beta", task) // silent between two commands
		w.watched(time.Hour, a, c)
		w.alarmed()
		if v := w.task(task); v.AssignTo == "beta" {
			t.Error("its task is still its own")
		}
	})
}
