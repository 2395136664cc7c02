package bridge_test

import (
	"fmt"
	"slices"
	"sync"
	"testing"
	"time"

	"agentbridge/internal/bridge"
)

func (w *world) take(sink string) (ids []bridge.AlertID) {
	w.t.Helper()
	list, err := w.TakeAlerts(w.ctx, sink)
	if err != nil {
		w.t.Fatal(err)
	}
	for _, a := range list {
		ids = append(ids, a.ID)
	}
	return ids
}

func (w *world) delivered(sink string, ids ...bridge.AlertID) {
	w.t.Helper()
	for _, id := range ids {
		if err := w.AlertTaken(w.ctx, sink, id); err != nil {
			w.t.Fatal(err)
		}
	}
}

// alarm raises so many alerts: of members that fall silent together.
func (w *world) alarm(n int) {
	w.t.Helper()
	a := w.remote("alpha")
	var others []bridge.Caller
	for i := range n {
		others = append(others, w.remote(fmt.Sprintf("beta%02d", i)))
	}
	w.talk(a, others...)
	w.watched(45*time.Second, a)
	if got := len(w.alarms()); got != n {
		w.t.Fatalf("%d alerts were raised, want %d", got, n)
	}
}

func TestTakeAlerts_TriesAgainLaterAndLaterUntilItIsTaken(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		w := newWorld(t)
		w.alarm(1)
		start := time.Now()
		var tries []time.Duration
		for time.Since(start) < time.Hour {
			for _, id := range w.take("webhook") {
				tries = append(tries, time.Since(start))
				if err := w.AlertMissed(w.ctx, "webhook", id); err != nil {
					t.Fatal(err)
				}
			}
			time.Sleep(time.Second)
		}
		want := []time.Duration{0, 5, 15, 35, 75, 155, 315, 635, 1235, 1835, 2435, 3035}
		for i := range want {
			want[i] *= time.Second
		}
		if !slices.Equal(tries, want) {
			t.Errorf("tries after %s, want %s", tries, want)
		}
		time.Sleep(10 * minute)
		w.delivered("webhook", w.take("webhook")...)
		for range 100 {
			time.Sleep(10 * minute)
			if got := w.take("webhook"); got != nil {
				t.Fatalf("taken, and given again: %v", got)
			}
		}
	})
}

func TestTakeAlerts_HoldsAnAlertForASlowSinkAndGivesUpOnADeadOne(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		w := newWorld(t)
		w.alarm(1)
		w.take("webhook")
		time.Sleep(2*minute - time.Second)
		if got := w.take("webhook"); got != nil {
			t.Errorf("given to another while it may still be on its way: %v", got)
		}
		time.Sleep(time.Second)
		if got := w.take("webhook"); len(got) != 1 {
			t.Errorf("after its taker said nothing for two minutes: %v, want it again", got)
		}
	})
}

func TestTakeAlerts_GivesUpAfterADay(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		w := newWorld(t)
		w.alarm(1)
		w.take("webhook")
		time.Sleep(24*time.Hour - time.Second)
		if got := w.take("webhook"); len(got) != 1 {
			t.Errorf("within a day: %v", got)
		}
		time.Sleep(time.Hour)
		if got := w.take("webhook"); got != nil {
			t.Errorf("after a day: %v", got)
		}
	})
}

func TestTakeAlerts_NeverGivesOneToTwoAtOnce(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		w := newWorld(t)
		w.alarm(30)
		var mu sync.Mutex // guards given
		given := map[bridge.AlertID]int{}
		var wg sync.WaitGroup
		for range 8 {
			wg.Go(func() {
				ids := w.take("webhook")
				mu.Lock()
				defer mu.Unlock()
				for _, id := range ids {
					given[id]++
				}
			})
		}
		wg.Wait()
		if len(given) != 30 {
			t.Errorf("%d of 30 alerts were given", len(given))
		}
		for id, n := range given {
			if n != 1 {
				t.Errorf("%s was given to %d at once", id, n)
			}
		}
		if got := w.take("command"); len(got) != 20 {
			t.Errorf("another sink was given %d, want a batch of its own", len(got))
		}
	})
}

func TestTakeAlerts_ASinkBeginsAnHourBeforeItIsFirstAskedAbout(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		w := newWorld(t)
		w.alarm(1)
		time.Sleep(59 * minute)
		early := w.take("webhook")
		time.Sleep(2 * minute)
		late := w.take("command")
		if len(early) != 1 || late != nil {
			t.Errorf("asked after 59 minutes: %v; after 61: %v", early, late)
		}
		time.Sleep(2 * time.Hour)
		if got := w.take("webhook"); len(got) != 1 {
			t.Errorf("who asked in time is given it again: %v", got)
		}
		if got := w.take("command"); got != nil {
			t.Errorf("who did not is not: %v", got)
		}
	})
}

func TestTakeAlerts_AClockSetBackHoldsUpNothing(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		clock := &wall{}
		w := worldAt(t, clock)
		w.alarm(1)
		w.take("webhook")
		clock.off = -12 * time.Hour
		if got := w.take("webhook"); len(got) != 1 {
			t.Errorf("half a day back: %v", got)
		}
	})
}

func TestSweep_DropsSendingsOfOldAlerts(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		w := newWorld(t)
		w.alarm(1)
		w.delivered("webhook", w.take("webhook")...)
		count := func() (n int) {
			if err := w.store.View(w.ctx, func(tx bridge.Tx) error {
				all, err := tx.Sendings("webhook")
				n = len(all)
				return err
			}); err != nil {
				t.Fatal(err)
			}
			return n
		}
		time.Sleep(47 * time.Hour)
		w.sweep()
		if n := count(); n != 1 {
			t.Errorf("%d sendings are kept for two days", n)
		}
		time.Sleep(2 * time.Hour)
		w.sweep()
		if n := count(); n != 0 {
			t.Errorf("%d sendings are kept for longer", n)
		}
	})
}
