package sqlite

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"runtime"
	"sync"
	"testing"
	"testing/synctest"

	"agentbridge/internal/bridge"
)

// party is updates that share a commit: they queue while an update before them is held up.
type party struct {
	t    *testing.T
	s    *Store
	wg   sync.WaitGroup
	open chan struct{} // closed to let the first one end
}

// onEach runs a story on a store in memory and on one on disk, in a bubble, where it is known who waits.
func onEach(t *testing.T, story func(t *testing.T, p *party)) {
	for name, path := range map[string]string{"memory": memory, "disk": filepath.Join(t.TempDir(), "bridge.db")} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				p := &party{t: t, s: start(t, path, Options{}), open: make(chan struct{})}
				p.wg.Go(func() {
					if err := p.s.Update(t.Context(), bridge.Deployment, func(bridge.Tx) error { <-p.open; return nil }); err != nil {
						t.Errorf("the first Update = %v", err)
					}
				})
				synctest.Wait()
				story(t, p)
				p.wg.Wait()
			})
		})
	}
}

// join queues an update behind those before it and gives where its outcome will be.
func (p *party) join(ctx context.Context, fn func(bridge.Tx) error) (outcome *error) {
	outcome = new(error)
	p.wg.Go(func() {
		defer func() {
			if v := recover(); v != nil {
				*outcome = fmt.Errorf("panic: %v", v)
			}
		}()
		*outcome = p.s.Update(ctx, bridge.Deployment, fn)
	})
	synctest.Wait()
	return outcome
}

// has reports whether a row is there.
func (p *party) has(key string) bool {
	p.t.Helper()
	err := p.s.View(p.t.Context(), func(tx bridge.Tx) error { _, err := tx.Meta(key); return err })
	if err != nil && !errors.Is(err, bridge.NotFound) {
		p.t.Fatal(err)
	}
	return err == nil
}

func (p *party) expect(want map[string]bool) {
	p.t.Helper()
	for key, want := range want {
		if got := p.has(key); got != want {
			p.t.Errorf("row %s is there: %t, want %t", key, got, want)
		}
	}
}

func put(key string) func(bridge.Tx) error {
	return func(tx bridge.Tx) error { return tx.PutMeta(key, []byte(key)) }
}

func TestGroup_SharesOneCommit(t *testing.T) {
	onEach(t, func(t *testing.T, p *party) {
		var at [5]any
		for i := range at {
			p.join(t.Context(), func(tx bridge.Tx) error {
				at[i] = tx.Now()
				return put(fmt.Sprint(i))(tx)
			})
		}
		close(p.open)
		p.wg.Wait()
		for i := range at {
			if !p.has(fmt.Sprint(i)) || at[i] != at[0] {
				t.Errorf("update %d was not part of the group of %v", i, at[0])
			}
		}
	})
}

func TestGroup_ErrorAndPanicUndoTheirOwnPartOnly(t *testing.T) {
	onEach(t, func(t *testing.T, p *party) {
		mine := errors.New("mine")
		a := p.join(t.Context(), put("a"))
		b := p.join(t.Context(), func(tx bridge.Tx) error { return errors.Join(put("b")(tx), mine) })
		c := p.join(t.Context(), func(tx bridge.Tx) error { _ = put("c")(tx); panic("ouch") })
		d := p.join(t.Context(), put("d"))
		close(p.open)
		p.wg.Wait()
		if *a != nil || !errors.Is(*b, mine) || *c == nil || (*c).Error() != "panic: ouch" || *d != nil {
			t.Errorf("outcomes %v, %v, %v, %v", *a, *b, *c, *d)
		}
		p.expect(map[string]bool{"a": true, "b": false, "c": false, "d": true})
	})
}

func TestGroup_WhoStopsWaitingBeforeItsTurnDidNothing(t *testing.T) {
	onEach(t, func(t *testing.T, p *party) {
		ctx, cancel := context.WithCancel(t.Context())
		first := p.join(ctx, put("first")) // would have led the group
		held, hold := make(chan struct{}), make(chan struct{})
		p.join(t.Context(), func(tx bridge.Tx) error { close(held); <-hold; return put("second")(tx) })
		third := p.join(ctx, put("third"))
		cancelSoon, stop := context.WithCancel(t.Context())
		fourth := p.join(cancelSoon, put("fourth"))
		cancel()
		synctest.Wait()
		if !errors.Is(*first, context.Canceled) || !errors.Is(*third, context.Canceled) {
			t.Errorf("outcomes in the queue: %v, %v, want canceled", *first, *third)
		}
		close(p.open)
		<-held
		stop() // in the group by now, but not begun
		synctest.Wait()
		if !errors.Is(*fourth, context.Canceled) {
			t.Errorf("outcome in the group, before its part: %v, want canceled", *fourth)
		}
		close(hold)
		p.wg.Wait()
		p.expect(map[string]bool{"first": false, "second": true, "third": false, "fourth": false})
	})
}

func TestGroup_WhoStopsWaitingLaterDoesNotKnow(t *testing.T) {
	onEach(t, func(t *testing.T, p *party) {
		held, hold := make(chan struct{}), make(chan struct{})
		p.join(t.Context(), put("leader"))
		ctx, cancel := context.WithCancel(t.Context())
		b := p.join(ctx, put("b"))
		p.join(t.Context(), func(tx bridge.Tx) error { close(held); <-hold; return nil })
		close(p.open)
		<-held
		cancel()
		synctest.Wait()
		if !errors.Is(*b, bridge.Unavailable) {
			t.Errorf("outcome after its part ran: %v, want unavailable", *b)
		}
		close(hold)
		p.wg.Wait()
		p.expect(map[string]bool{"leader": true, "b": true})
	})
}

func TestGroup_LeaderThatGoesAwayPassesTheLeadOn(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := &party{t: t, s: start(t, memory, Options{})}
		if err := p.s.turn.take(t.Context(), 0); err != nil {
			t.Fatal(err)
		}
		ctx, cancel := context.WithCancel(t.Context())
		leader := p.join(ctx, put("leader"))
		follower := p.join(t.Context(), put("follower"))
		cancel()
		synctest.Wait()
		if !errors.Is(*leader, context.Canceled) {
			t.Errorf("the leader's outcome = %v, want canceled", *leader)
		}
		p.s.turn.release()
		p.wg.Wait()
		if *follower != nil {
			t.Errorf("the follower's outcome = %v", *follower)
		}
		p.expect(map[string]bool{"leader": false, "follower": true})
	})
}

func TestGroup_GoexitLeavesNobodyWaiting(t *testing.T) {
	onEach(t, func(t *testing.T, p *party) {
		p.join(t.Context(), func(tx bridge.Tx) error { _ = put("exit")(tx); runtime.Goexit(); return nil })
		other := p.join(t.Context(), put("other"))
		close(p.open)
		p.wg.Wait()
		if *other != nil && !errors.Is(*other, bridge.Unavailable) {
			t.Errorf("the other's outcome = %v", *other)
		}
		if err := p.s.Update(t.Context(), bridge.Deployment, put("next")); err != nil {
			t.Errorf("the next Update = %v", err)
		}
		p.expect(map[string]bool{"exit": false, "next": true, "other": *other == nil})
	})
}

// fill writes until there is no space, and takes no notice.
func fill(tx bridge.Tx) error {
	_ = tx.PutMeta("fill", nil)
	for i := range 1000 {
		_ = tx.PutMeta(fmt.Sprint("fill", i), make([]byte, 1<<16))
	}
	return nil
}

func TestGroup_FullDiskFailsOnlyWhoFilledIt(t *testing.T) {
	onEach(t, func(t *testing.T, p *party) {
		pages, err := p.s.writer.number("PRAGMA page_count")
		if err != nil {
			t.Fatal(err)
		}
		limit := func(pages int64) {
			if err := p.s.writer.script(fmt.Sprintf("PRAGMA max_page_count = %d", pages)); err != nil {
				t.Fatal(err)
			}
		}
		limit(pages + 50)
		ran := 0
		a := p.join(t.Context(), func(tx bridge.Tx) error { ran++; return put("a")(tx) })
		// What this one says rests on a's change, which is undone when the engine drops the transaction, and then done again.
		b := p.join(t.Context(), func(tx bridge.Tx) error { _, err := tx.Meta("a"); return errors.Join(err, errors.New("saw a")) })
		c := p.join(t.Context(), fill)
		d := p.join(t.Context(), put("d"))
		close(p.open)
		p.wg.Wait()
		if *a != nil || *b == nil || (*b).Error() != "saw a" || !errors.Is(*c, bridge.Unavailable) || *d != nil {
			t.Errorf("outcomes %v, %v, %v, %v", *a, *b, *c, *d)
		}
		if ran != 3 {
			t.Errorf("the first of the group ran %d times, want 3: with all others, apart from them, and without the one that filled it", ran)
		}
		p.expect(map[string]bool{"a": true, "fill": false, "fill0": false, "d": true})
		if err := p.s.Update(t.Context(), bridge.Deployment, fill); !errors.Is(err, bridge.Unavailable) {
			t.Errorf("Update that fills the disk alone = %v, want unavailable", err)
		}
		limit(pages + 1<<20)
		if err := p.s.Update(t.Context(), bridge.Deployment, fill); err != nil {
			t.Errorf("Update with space again = %v", err)
		}
		p.expect(map[string]bool{"a": true, "fill": true, "fill999": true})
	})
}
