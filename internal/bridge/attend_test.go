package bridge_test

import (
	"testing"
	"time"

	"agentbridge/internal/bridge"
)

func TestAttend_AnOpenConnectionIsAHeartbeatAndNeverProgress(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		w := newWorld(t)
		a, b := w.remote("alpha"), w.remote("beta")
		w.talk(a, b)
		leave := w.Attend(b)
		if rep := w.watched(10*minute, a); rep.Beats != 1 || rep.Silenced != 0 {
			t.Errorf("sweeps = %+v", rep)
		}
		if p := w.partner(a); p.Liveness != bridge.Idle || *p.LastSeen > 5 {
			t.Errorf("partner = %s, last seen %d s ago", p.Liveness, *p.LastSeen)
		}
		time.Sleep(3 * time.Second)
		leave()
		left := time.Now()
		leave() // does no harm
		w.watched(45*time.Second-time.Millisecond, a)
		if p := w.partner(a); p.Liveness != bridge.Idle {
			t.Errorf("%s after it left beta is %s", time.Since(left), p.Liveness)
		}
		time.Sleep(time.Millisecond)
		if p := w.partner(a); p.Liveness != bridge.Silent {
			t.Errorf("%s after it left beta is %s", time.Since(left), p.Liveness)
		}
		w.sweep()
		w.alarmed("silent beta")
		if rep := w.sweep(); rep.Beats != 0 {
			t.Errorf("long gone, and still written: %+v", rep)
		}
	})
}

func TestAttend_CountsConnections(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		w := newWorld(t)
		a, b := w.remote("alpha"), w.remote("beta")
		w.talk(a, b)
		first, second := w.Attend(b), w.Attend(b)
		first()
		first()
		w.watched(5*minute, a)
		w.alarmed()
		second()
		w.watched(5*minute, a)
		w.alarmed("silent beta")
		defer w.Attend(b)() // back, after it was forgotten
		w.watched(5*minute, a)
		w.alarmed("silent beta", "recovered beta")
	})
}

func TestAttend_AConnectionBetweenTwoSweepsCounts(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		w := newWorld(t)
		a, b := w.remote("alpha"), w.remote("beta")
		w.talk(a, b)
		time.Sleep(30 * time.Second)
		w.Attend(b)()
		time.Sleep(3 * time.Second)
		w.sweep()
		if p := w.partner(a); *p.LastSeen != 3 {
			t.Errorf("last seen %d s ago, want 3", *p.LastSeen)
		}
	})
}

func TestAttend_WithATokenThatIsNotGoodIsNoHeartbeat(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		w := newWorld(t)
		a, b, c := w.remote("alpha"), w.remote("beta"), w.remote("gamma")
		w.talk(a, b, c)
		defer w.Attend(b)()
		defer w.Attend(c)()
		w.watched(minute, a)
		if err := w.RevokeToken(w.ctx, b.Token()); err != nil {
			t.Fatal(err)
		}
		if rep := w.watched(45*time.Second, a); rep.Beats != 1 {
			t.Errorf("sweeps = %+v", rep)
		}
		w.alarmed("silent beta")
		time.Sleep(3 * time.Hour) // gamma's expires
		if rep := w.sweep(); rep.Beats != 0 {
			t.Errorf("Sweep = %+v", rep)
		}
	})
}
