package storetest

import (
	"fmt"
	"strconv"
	"sync"
	"testing"
	"time"

	"agentbridge/internal/bridge"
)

func viewPromises() []promise {
	return []promise{
		{"View_ReturnsTheVeryErrorOfFn", viewError},
		{"View_SeesEveryUpdateThatReturned", viewIsFresh},
		{"View_IsOneSnapshot", viewIsStable},
		{"View_KeepsNothing", viewKeepsNothing},
	}
}

// sharedPromises are about several handles on one store.
func sharedPromises() []promise {
	return []promise{
		{"Handles_ShareRowsAndOutliveEachOther", handlesShare},
		{"Handles_SeeEachOthersUpdatesAtOnce", handlesAreFresh},
		{"Handles_RunAloneInAScope", handlesAlone},
		{"Processes_RunAloneInAScope", processesAlone},
		{"View_LetsUpdatesGoOn", viewLetsGoOn},
		{"Now_IsReadAfterTheTurnWasTaken", nowAfterTurn},
	}
}

func viewError(t *testing.T, e Engine) {
	s := e.start(t)
	for _, want := range []error{errTest, bridge.NotFound, bridge.Errorf(bridge.Denied, "no")} {
		if got := s.View(t.Context(), func(bridge.Tx) error { return want }); got != want {
			t.Errorf("View = %v, want the very error of fn, %v", got, want)
		}
	}
}

func viewIsFresh(t *testing.T, e Engine) {
	s := e.start(t)
	readAfterWrite(t, s, s)
}

// readAfterWrite updates one handle and looks at another at once, from several goroutines.
func readAfterWrite(t *testing.T, writer, reader bridge.Store) {
	t.Helper()
	var wg sync.WaitGroup
	for g := range 4 {
		wg.Go(func() {
			key := strconv.Itoa(g)
			for n := range 25 {
				want := strconv.Itoa(n)
				if err := writer.Update(t.Context(), bridge.InConversation(convID(g)), putMeta(key, want)); err != nil {
					t.Errorf("Update = %v", err)
				}
				var got string
				if err := reader.View(t.Context(), func(tx bridge.Tx) (err error) { got, err = metaIn(tx, key); return err }); err != nil {
					t.Errorf("View = %v", err)
				}
				if got != want {
					t.Errorf("View saw %q after an update to %q had returned", got, want)
				}
			}
		})
	}
	wg.Wait()
}

// viewIsStable reads two rows that are always changed together, while they are being changed.
func viewIsStable(t *testing.T, e Engine) {
	s := e.start(t)
	done := make(chan struct{})
	go func() {
		defer close(done)
		for range 100 {
			if err := s.Update(t.Context(), bridge.Deployment, func(tx bridge.Tx) error {
				return first(func() error { return count("one")(tx) }, func() error { return count("two")(tx) })
			}); err != nil {
				t.Errorf("Update = %v", err)
			}
		}
	}()
	for going := true; going; {
		select {
		case <-done:
			going = false
		default:
		}
		look(t, s, func(tx bridge.Tx) (struct{}, error) {
			var read [4]string
			for i := range read {
				var err error
				if read[i], err = metaIn(tx, []string{"one", "two"}[i%2]); err != nil {
					return struct{}{}, err
				}
			}
			if read != [4]string{read[0], read[0], read[0], read[0]} {
				return struct{}{}, fmt.Errorf("one view read %q of rows that change together", read)
			}
			return struct{}{}, nil
		})
	}
}

// viewKeepsNothing writes in a view, which is a mistake: the engine has to refuse it, or at least to forget it.
func viewKeepsNothing(t *testing.T, e Engine) {
	s := e.start(t)
	_ = s.View(t.Context(), putMeta("key", "written in a view"))
	if got := meta(t, s, "key"); got != "" {
		t.Errorf("a view left %q in the store", got)
	}
	put(t, s, bridge.Deployment, putMeta("key", "done"))
}

func handlesShare(t *testing.T, e Engine) {
	address := e.New(t)
	a, b := e.open(t, address), e.open(t, address)
	put(t, a, bridge.Deployment, putMeta("key", "one"))
	if got := meta(t, b, "key"); got != "one" {
		t.Errorf("the other handle has %q", got)
	}
	if err := a.Close(); err != nil {
		t.Errorf("Close() = %v", err)
	}
	put(t, b, bridge.Deployment, putMeta("key", "two")) // closing one handle costs the other nothing
	if err := b.Close(); err != nil {
		t.Errorf("Close() = %v", err)
	}
	if got := meta(t, e.open(t, address), "key"); got != "two" {
		t.Errorf("a new handle has %q", got)
	}
	if got := meta(t, e.start(t), "key"); got != "" {
		t.Errorf("another store has %q", got)
	}
}

func handlesAreFresh(t *testing.T, e Engine) {
	address := e.New(t)
	readAfterWrite(t, e.open(t, address), e.open(t, address))
}

func handlesAlone(t *testing.T, e Engine) {
	address := e.New(t)
	a, b := e.open(t, address), e.open(t, address)
	countAtOnce(t, []bridge.Store{a, b, a, b}, 25)
}

func processesAlone(t *testing.T, e Engine) {
	address := e.New(t)
	s := e.open(t, address)
	const each = 25
	var wg sync.WaitGroup
	for _, a := range []actor{e.spawn(t, address), e.spawn(t, address), &local{store: s}} {
		wg.Go(func() {
			for range each {
				if got := a.do(call{Op: "count", Key: "n"}); got.Err != "" {
					t.Errorf("count = %s", got.Err)
				}
			}
		})
	}
	wg.Wait()
	if got := meta(t, s, "n"); got != strconv.Itoa(3*each) {
		t.Errorf("%s updates counted, want %d: processes did not run alone", got, 3*each)
	}
}

func viewLetsGoOn(t *testing.T, e Engine) {
	address := e.New(t)
	s, other := e.open(t, address), e.open(t, address)
	put(t, s, bridge.Deployment, putMeta("key", "before"))
	for _, writer := range []bridge.Store{s, other} {
		want := meta(t, s, "key")
		look(t, s, func(tx bridge.Tx) (struct{}, error) {
			if _, err := metaIn(tx, "key"); err != nil {
				return struct{}{}, err
			}
			done := make(chan error, 1)
			go func() { done <- writer.Update(t.Context(), bridge.Deployment, putMeta("key", want+", after")) }()
			select {
			case err := <-done:
				if err != nil {
					return struct{}{}, err
				}
			case <-time.After(patience):
				return struct{}{}, fmt.Errorf("an update waited %v for a view", patience)
			}
			got, err := metaIn(tx, "key")
			if got != want {
				t.Errorf("a view read %q and then %q", want, got)
			}
			return struct{}{}, err
		})
		if got := meta(t, s, "key"); got != want+", after" {
			t.Errorf("the next view read %q", got)
		}
	}
}

// nowAfterTurn looks at the clock while an update waits for another one: the waiting one's Now has to be later.
func nowAfterTurn(t *testing.T, e Engine) {
	address := e.New(t)
	s, other := e.open(t, address), e.open(t, address)
	for _, waiter := range []bridge.Store{s, other} {
		for range 5 {
			release, calling, answered := hold(t, s, bridge.Deployment), make(chan struct{}), make(chan struct{})
			var seen, got time.Time
			go func() {
				defer close(answered)
				close(calling)
				if err := waiter.Update(t.Context(), bridge.Deployment, func(tx bridge.Tx) error { got = tx.Now(); return nil }); err != nil {
					t.Errorf("Update = %v", err)
				}
			}()
			await(t, calling, "the second update")
			for range 20 { // lets the waiter get as far as it can
				seen = look(t, s, func(tx bridge.Tx) (time.Time, error) { return tx.Now(), nil })
			}
			release()
			await(t, answered, "the second update to end")
			if got.Before(seen) {
				t.Errorf("Now = %v, though its turn came after %v", got, seen)
			}
		}
	}
}
