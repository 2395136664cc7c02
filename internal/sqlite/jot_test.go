package sqlite

import (
	"path/filepath"
	"testing"
	"testing/synctest"

	"agentbridge/internal/bridge"
)

// The levels of PRAGMA synchronous.
const (
	normal = 1
	full   = 2
)

func TestJot_AloneDoesNotWaitForTheDiskAndUpdateAlwaysDoes(t *testing.T) {
	s := start(t, filepath.Join(t.TempDir(), "bridge.db"), Options{})
	level := func(commit func() error) int64 {
		t.Helper()
		if err := commit(); err != nil {
			t.Fatal(err)
		}
		n, err := s.writer.number("PRAGMA synchronous") // nobody else uses the writer here
		if err != nil {
			t.Fatal(err)
		}
		return n
	}
	none := func(bridge.Tx) error { return nil }
	for range 2 {
		if got := level(func() error { return s.Jot(t.Context(), bridge.Deployment, none) }); got != normal {
			t.Errorf("a Jot was committed at level %d, want %d", got, normal)
		}
		if got := level(func() error { return s.Update(t.Context(), bridge.Deployment, none) }); got != full {
			t.Errorf("an Update was committed at level %d, want %d", got, full)
		}
	}
}

func TestJot_ThatSharesACommitWithAnUpdateWaitsWithIt(t *testing.T) {
	onEach(t, func(t *testing.T, p *party) {
		levels := make(chan int64, 2)
		look := func(tx bridge.Tx) error {
			n, err := p.s.writer.number("PRAGMA synchronous")
			levels <- n
			return err
		}
		p.wg.Go(func() {
			if err := p.s.Jot(t.Context(), bridge.Deployment, look); err != nil {
				t.Error(err)
			}
		})
		p.wg.Go(func() {
			if err := p.s.Update(t.Context(), bridge.Deployment, look); err != nil {
				t.Error(err)
			}
		})
		synctest.Wait()
		close(p.open)
		for range 2 {
			if got := <-levels; got != full {
				t.Errorf("a group with an Update in it was committed at level %d, want %d", got, full)
			}
		}
	})
}
