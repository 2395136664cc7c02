package sqlite

import (
	"errors"
	"fmt"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"agentbridge/internal/bridge"
)

// hammer lets processes, each of so many callers, update one store as fast as they can. It gives how many updates each did and
// the longest wait.
func hammer(t testing.TB, callers []int, lasts time.Duration) (counts []int, longest time.Duration) {
	t.Helper()
	path := filepath.Join(t.TempDir(), "bridge.db")
	var all []*child
	for range callers {
		all = append(all, spawn(t, "hammer", path))
	}
	for _, c := range all {
		c.line()
	}
	for i, c := range all {
		c.say(fmt.Sprintln(callers[i], int64(lasts)))
	}
	for _, c := range all {
		var n int
		var wait int64
		line := c.line()
		if _, err := fmt.Sscan(line, &n, &wait); err != nil {
			t.Fatalf("a child says %q", line)
		}
		counts, longest = append(counts, n), max(longest, time.Duration(wait))
	}
	return counts, longest
}

func TestTurn_GoesRoundFairly(t *testing.T) {
	for _, callers := range [][]int{
		slices.Repeat([]int{1}, 30),
		slices.Repeat([]int{20}, 5),
		{60, 1, 1, 1, 1, 1}, // a busy process does not push the others aside
	} {
		counts, longest := hammer(t, callers, 2*time.Second)
		sum, share := 0, make([]float64, len(counts))
		for i, n := range counts {
			sum += n
			share[i] = float64(n) / float64(callers[i])
		}
		mean := 0.0
		for _, n := range share {
			mean += n / float64(len(share))
		}
		slowest := slices.Min(share) / mean
		t.Logf("%d processes of %d callers and so on: %.0f updates/s, the slowest caller did %.2f of the mean, longest wait %v",
			len(callers), callers[0], float64(sum)/2, slowest, longest)
		if slowest < 0.5 {
			t.Errorf("the slowest caller did %.2f of the mean, want half at least; updates of each process: %v", slowest, counts)
		}
	}
}

func TestTurn_PassesOnWhenItsHolderIsKilled(t *testing.T) {
	path := filepath.Join(t.TempDir(), "bridge.db")
	s := start(t, path, Options{})
	holder := spawn(t, "hold", path)
	holder.line()
	done := make(chan error)
	go func() { done <- s.Update(t.Context(), bridge.Deployment, bump("mine")) }()
	holder.signal(syscall.SIGKILL)
	if err := <-done; err != nil {
		t.Errorf("Update = %v", err)
	}
	if err := s.View(t.Context(), func(tx bridge.Tx) error {
		_, err := tx.Meta("held")
		return err
	}); !errors.Is(err, bridge.NotFound) {
		t.Errorf("what the killed process had not committed: %v, want not_found", err)
	}
}

func TestTurn_OfAStoppedHolderMakesOthersUnavailable(t *testing.T) {
	path := filepath.Join(t.TempDir(), "bridge.db")
	s := start(t, path, Options{LockTimeout: 100 * time.Millisecond})
	holder := spawn(t, "hold", path)
	holder.line()
	holder.signal(syscall.SIGSTOP)
	t.Cleanup(func() { _ = holder.cmd.Process.Signal(syscall.SIGCONT) })
	for range 3 {
		err := s.Update(t.Context(), bridge.Deployment, bump("mine"))
		if !errors.Is(err, bridge.Unavailable) || !strings.Contains(bridge.AsError(err).Hint, "stopped") {
			t.Errorf("Update behind a stopped process = %v, want unavailable with a hint", err)
		}
	}
	if _, err := Open(t.Context(), path, Options{LockTimeout: 100 * time.Millisecond}); !errors.Is(err, bridge.Unavailable) {
		t.Errorf("Open behind a stopped process = %v, want unavailable", err)
	}
	holder.signal(syscall.SIGCONT)
	holder.say("")
	if err := holder.end(); err != nil {
		t.Errorf("the stopped process went on and failed: %v", err)
	}
	if err := s.Update(t.Context(), bridge.Deployment, bump("mine")); err != nil {
		t.Errorf("Update after it went on = %v", err)
	}
}
