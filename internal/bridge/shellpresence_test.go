package bridge_test

import (
	"testing"
	"time"

	"agentbridge/internal/bridge"
)

func TestLiveness_ACommandFromBeforeHidesNoDeath(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		for _, before := range []time.Duration{time.Second, 2 * minute, 10 * minute} {
			w := newWorld(t)
			a, shell := w.agent("alpha"), w.agent("beta")
			shell.Passing = true
			w.talk(a, shell) // beta joins by a command
			w.watched(before, a)
			process := anew(shell)
			process.Passing = false
			w.watched(10*time.Second, a, process)
			w.kill(process)
			time.Sleep(time.Second)
			got := w.partner(a)
			if quiet := time.Since(got.Since); got.Liveness != bridge.Silent || quiet > 2*time.Second {
				t.Errorf("%s after the command and just after the process died: %s for %s", before, got.Liveness, quiet)
			}
		}
	})
}
