package storetest

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"sync"
	"testing"
	"time"

	"agentbridge/internal/bridge"
)

func updatePromises() []promise {
	return []promise{
		{"Update_RollsBackWhollyOnError", rollsBack},
		{"Update_ReadsItsOwnWrites", readsOwnWrites},
		{"Update_PanicRollsBackAndReachesTheCaller", panicRollsBack},
		{"Update_FailuresAndPanicsLeaveNeighboursAlone", neighbours},
		{"Update_RunsAloneInItsScope", alone},
		{"Update_OtherScopesDoNotDeadlock", manyScopes},
		{"Update_SwallowedErrorIsNotHalfCommitted", swallowed},
		{"Update_CancelledBeforeItsStartDoesNothing", cancelledBefore},
		{"Update_CancelledWhileWaitingStopsWaiting", cancelledWaiting},
		{"Update_CancelledAtAnyTimeIsWholeOrNothing", cancelledAnyTime},
		{"Now_IsUTCToTheMicrosecondAndNeverDecreases", now},
		{"Close_WaitsForUpdatesUnderWay", closeWaits},
		{"Close_MakesCallsUnavailable", closed},
	}
}

// errTest is an error of fn's own: no code, and only equal to itself.
var errTest = errors.New("a reason of fn's own")

func putMeta(key, value string) func(tx bridge.Tx) error {
	return func(tx bridge.Tx) error { return tx.PutMeta(key, []byte(value)) }
}

// meta gives a value, "" if there is none.
func meta(t testing.TB, s bridge.Store, key string) string {
	t.Helper()
	return look(t, s, func(tx bridge.Tx) (string, error) { return metaIn(tx, key) })
}

func metaIn(tx bridge.Tx, key string) (string, error) {
	value, err := tx.Meta(key)
	if errors.Is(err, bridge.NotFound) {
		err = nil
	}
	return string(value), err
}

// count adds one to a number kept under a key. Two of them at once lose one.
func count(key string) func(tx bridge.Tx) error {
	return func(tx bridge.Tx) error {
		value, err := metaIn(tx, key)
		if err != nil {
			return err
		}
		n, _ := strconv.Atoi(value)
		return tx.PutMeta(key, strconv.AppendInt(nil, int64(n+1), 10))
	}
}

func rollsBack(t *testing.T, e Engine) {
	s := e.start(t)
	put(t, s, bridge.Deployment, func(tx bridge.Tx) error {
		return first(
			func() error { return tx.PutMeta("beta", []byte("before")) },
			func() error {
				return tx.PutMember(bridge.Member{Conversation: convID(1), Name: "beta", Rank: bridge.Peer})
			},
			func() error {
				return tx.AddMessage(bridge.Message{ID: messageID(1), Conversation: convID(1), Seq: 1, Rank: bridge.Peer, ActionType: bridge.Info})
			},
			func() error { return tx.AddDelivery(delivery(1, "beta", 1, bridge.Stored)) },
		)
	})
	before := look(t, s, dump)
	for _, want := range []error{errTest, bridge.Conflict, bridge.Errorf(bridge.Unavailable, "a reason with a code"), fmt.Errorf("wrapped: %w", errTest)} {
		got := s.Update(t.Context(), bridge.Deployment, func(tx bridge.Tx) error {
			if err := first(
				func() error { return tx.PutMeta("beta", []byte("after")) },
				func() error { return tx.PutAgent(bridge.Agent{ID: agentID(1), Name: "beta"}) },
				func() error { return tx.PutDelivery(delivery(1, "beta", 1, bridge.Acked)) },
				func() error { return tx.Charge(accounts[0], 0, 9) },
				func() error { return tx.AddEntry(bridge.LogEntry{Log: string(convID(1)), Record: []byte("r")}) },
				func() error { return tx.EraseConversation(convID(1)) },
			); err != nil {
				return err
			}
			return want
		})
		if got != want {
			t.Errorf("Update = %v, want the very error of fn, %v", got, want)
		}
		same(t, "the store after a failed update", look(t, s, dump), before)
	}
}

func readsOwnWrites(t *testing.T, e Engine) {
	s := e.start(t)
	put(t, s, bridge.Deployment, func(tx bridge.Tx) error {
		for n := 1; n <= 3; n++ {
			if err := count("n")(tx); err != nil {
				return err
			}
			if got, err := metaIn(tx, "n"); err != nil || got != strconv.Itoa(n) {
				return fmt.Errorf("read %q, %v after writing %d", got, err, n)
			}
		}
		return nil
	})
}

// caught gives what fn panicked with.
func caught(fn func()) (value any) {
	defer func() { value = recover() }()
	fn()
	return nil
}

func panicRollsBack(t *testing.T, e Engine) {
	s := e.start(t)
	got := caught(func() {
		_ = s.Update(t.Context(), bridge.Deployment, func(tx bridge.Tx) error {
			if err := tx.PutMeta("key", []byte("half")); err != nil {
				return err
			}
			panic(errTest)
		})
	})
	if got != errTest {
		t.Errorf("the caller of Update recovered %v, want the value fn panicked with", got)
	}
	got = caught(func() { _ = s.View(t.Context(), func(tx bridge.Tx) error { panic(errTest) }) })
	if got != errTest {
		t.Errorf("the caller of View recovered %v, want the value fn panicked with", got)
	}
	if got := meta(t, s, "key"); got != "" {
		t.Errorf("after a panic the store has %q, want nothing", got)
	}
	put(t, s, bridge.Deployment, putMeta("key", "whole"))
	if got := meta(t, s, "key"); got != "whole" {
		t.Errorf("an update after a panic left %q", got)
	}
}

// hold begins an update of the scope that goes on until release is called, at the latest when the test ends. Release waits for it.
func hold(t *testing.T, s bridge.Store, scope bridge.Scope) (release func()) {
	t.Helper()
	entered, end, over := make(chan struct{}), make(chan struct{}), make(chan struct{})
	enter := sync.OnceFunc(func() { close(entered) })
	go func() {
		defer close(over)
		if err := s.Update(context.WithoutCancel(t.Context()), scope, func(bridge.Tx) error {
			enter()
			<-end
			return nil
		}); err != nil {
			t.Errorf("Update = %v", err)
		}
	}()
	release = sync.OnceFunc(func() {
		close(end)
		<-over
	})
	t.Cleanup(release)
	await(t, entered, "an update to run")
	return release
}

// crowd calls do n times at once, all behind an update of the scope that is under way, so that an engine which gathers updates has
// something to gather.
func crowd(t *testing.T, s bridge.Store, scope bridge.Scope, n int, do func(i int)) {
	t.Helper()
	release := hold(t, s, scope)
	var calling, wg sync.WaitGroup
	calling.Add(n)
	for i := range n {
		wg.Go(func() { calling.Done(); do(i) })
	}
	calling.Wait()
	release()
	wg.Wait()
}

// await waits for a channel, but not for ever.
func await(t testing.TB, ch <-chan struct{}, what string) {
	t.Helper()
	select {
	case <-ch:
	case <-time.After(patience):
		t.Fatalf("waited %v for %s", patience, what)
	}
}

func neighbours(t *testing.T, e Engine) {
	s := e.start(t)
	const rounds, size = 20, 12
	for round := range rounds {
		key := func(i int) string { return fmt.Sprintf("%d/%d", round, i) }
		crowd(t, s, bridge.Deployment, size, func(i int) {
			var err error
			panicked := caught(func() {
				err = s.Update(t.Context(), bridge.Deployment, func(tx bridge.Tx) error {
					if err := first(func() error { return tx.PutMeta(key(i), []byte("x")) }, func() error { return count("n")(tx) }); err != nil {
						return err
					}
					switch i % 4 {
					case 1:
						return errTest
					case 2:
						panic(i)
					}
					return nil
				})
			})
			switch i % 4 {
			case 1:
				if err != errTest {
					t.Errorf("Update that fails = %v, want its own error", err)
				}
			case 2:
				if panicked != i {
					t.Errorf("Update that panics with %d gave %v, %v", i, panicked, err)
				}
			default:
				if err != nil || panicked != nil {
					t.Errorf("Update beside those that fail = %v, panic %v", err, panicked)
				}
			}
		})
		for i := range size {
			want := "x"
			if i%4 == 1 || i%4 == 2 {
				want = ""
			}
			if got := meta(t, s, key(i)); got != want {
				t.Errorf("round %d: update %d left %q, want %q", round, i, got, want)
			}
		}
	}
	if got, want := meta(t, s, "n"), strconv.Itoa(rounds*size/2); got != want {
		t.Errorf("%s updates counted, want %s", got, want)
	}
}

func alone(t *testing.T, e Engine) {
	s := e.start(t)
	countAtOnce(t, []bridge.Store{s, s, s, s}, 25)
}

// countAtOnce has all stores count in one scope and reads the sum in the first.
func countAtOnce(t *testing.T, stores []bridge.Store, each int) {
	t.Helper()
	var wg sync.WaitGroup
	for _, s := range stores {
		wg.Go(func() {
			for range each {
				if err := s.Update(t.Context(), bridge.Deployment, count("n")); err != nil {
					t.Errorf("Update = %v", err)
				}
			}
		})
	}
	wg.Wait()
	if got, want := meta(t, stores[0], "n"), strconv.Itoa(each*len(stores)); got != want {
		t.Errorf("%s updates counted, want %s: they did not run alone", got, want)
	}
}

// manyScopes lets updates of different scopes touch the same rows in opposite orders. Nobody may wait for ever, and whoever is
// told that it was done has done it.
func manyScopes(t *testing.T, e Engine) {
	s := e.start(t)
	var wg sync.WaitGroup
	for n := range 4 {
		wg.Go(func() {
			a, b := "row a", "row b"
			if n%2 == 1 {
				a, b = b, a
			}
			for i := range 15 {
				own := fmt.Sprintf("scope %d", n)
				err := s.Update(t.Context(), bridge.InConversation(convID(n)), func(tx bridge.Tx) error {
					return first(
						func() error { return count(own)(tx) },
						func() error { return tx.PutMeta(a, []byte(own)) },
						func() error { return tx.PutMeta(b, []byte(own)) },
					)
				})
				if err != nil {
					t.Errorf("Update %d of scope %d = %v", i, n, err)
				}
			}
		})
	}
	wg.Wait()
	for n := range 4 {
		if got := meta(t, s, fmt.Sprintf("scope %d", n)); got != "15" {
			t.Errorf("scope %d counted %s, want 15", n, got)
		}
	}
	if a, b := meta(t, s, "row a"), meta(t, s, "row b"); a != b {
		t.Errorf("rows written together are of %q and %q", a, b)
	}
}

// swallowed has fn pass over errors that cost the transaction. The engine may refuse to commit, or commit all the rest.
func swallowed(t *testing.T, e Engine) {
	s := e.start(t)
	put(t, s, bridge.Deployment, func(tx bridge.Tx) error {
		return first(
			func() error { return tx.AddDelivery(delivery(1, "beta", 1, bridge.Stored)) },
			func() error {
				return tx.AddMessage(bridge.Message{ID: messageID(1), Conversation: convID(1), Seq: 1, Rank: bridge.Peer, ActionType: bridge.Info})
			},
			func() error { return tx.AddEntry(bridge.LogEntry{Log: string(convID(1)), Record: []byte("r")}) },
		)
	})
	for name, fail := range map[string]func(tx bridge.Tx) error{
		"AddDelivery": func(tx bridge.Tx) error { return tx.AddDelivery(delivery(1, "beta", 1, bridge.Stored)) },
		"PutDelivery": func(tx bridge.Tx) error { return tx.PutDelivery(delivery(1, "gamma", 1, bridge.Stored)) },
		"AddMessage": func(tx bridge.Tx) error {
			return tx.AddMessage(bridge.Message{ID: messageID(2), Conversation: convID(1), Seq: 1, Rank: bridge.Peer, ActionType: bridge.Info})
		},
		"AddEntry": func(tx bridge.Tx) error {
			return tx.AddEntry(bridge.LogEntry{Log: string(convID(1)), Record: []byte("s")})
		},
	} {
		err := s.Update(t.Context(), bridge.Deployment, func(tx bridge.Tx) error {
			before, failed, after := tx.PutMeta(name+" 1", []byte("x")), fail(tx), tx.PutMeta(name+" 2", []byte("x"))
			if failed == nil {
				return fmt.Errorf("storetest: %s should have failed (%v, %v)", name, before, after)
			}
			return nil
		})
		one, two := meta(t, s, name+" 1"), meta(t, s, name+" 2")
		if err == nil && (one == "" || two == "") || err != nil && (one != "" || two != "") {
			t.Errorf("fn passed over an error of %s: Update = %v, and the writes before and after it are there: %t, %t", name, err, one != "", two != "")
		}
	}
}

func cancelledBefore(t *testing.T, e Engine) {
	s := e.start(t)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	late, cancel := context.WithDeadline(t.Context(), time.Now().Add(-time.Second))
	defer cancel()
	for ctx, want := range map[context.Context]error{ctx: context.Canceled, late: context.DeadlineExceeded} {
		if err := s.Update(ctx, bridge.Deployment, putMeta("key", "done")); !errors.Is(err, want) {
			t.Errorf("Update with a context that is over = %v, want %v", err, want)
		}
	}
	put(t, s, bridge.Deployment, putMeta("other", "done"))
	if got := meta(t, s, "key"); got != "" {
		t.Error("an update whose context was over before it began was done")
	}
}

// cancelledWaiting cancels an update that waits behind another one which does not end.
func cancelledWaiting(t *testing.T, e Engine) {
	s := e.start(t)
	release := hold(t, s, bridge.Deployment)
	ctx, cancel := context.WithCancel(t.Context())
	answer := make(chan error, 1)
	go func() { answer <- s.Update(ctx, bridge.Deployment, putMeta("key", "done")) }()
	cancel()
	var err error
	select {
	case err = <-answer:
	case <-time.After(patience):
		t.Errorf("a cancelled update still waited after %v", patience)
	}
	release()
	put(t, s, bridge.Deployment, putMeta("other", "done"))
	whole(t, s, "key", err)
}

// whole checks the answer of a cancelled update against what is stored.
func whole(t *testing.T, s bridge.Store, key string, err error) {
	t.Helper()
	done := meta(t, s, key) != ""
	switch {
	case err == nil && !done:
		t.Errorf("%s: Update = nil, and it was not done", key)
	case err == nil, errors.Is(err, bridge.Unavailable):
	case !errors.Is(err, context.Canceled):
		t.Errorf("%s: Update = %v, want nil, unavailable or the context's error", key, err)
	case done:
		t.Errorf("%s: Update = %v, which says that it was not done, and it was", key, err)
	}
}

func cancelledAnyTime(t *testing.T, e Engine) {
	s := e.start(t)
	const rounds, size = 15, 8
	answers := map[string]error{}
	var mu sync.Mutex // guards answers
	for round := range rounds {
		crowd(t, s, bridge.Deployment, size, func(i int) {
			ctx, cancel := context.WithCancel(t.Context())
			var wg sync.WaitGroup
			defer wg.Wait()
			if i%2 == 0 {
				defer cancel()
			} else {
				wg.Go(func() {
					for range round * i { // at some point of the update: sooner in some rounds, later in others
						_ = s.View(t.Context(), func(bridge.Tx) error { return nil })
					}
					cancel()
				})
			}
			key := fmt.Sprintf("%d/%d", round, i)
			err := s.Update(ctx, bridge.Deployment, func(tx bridge.Tx) error {
				return first(func() error { return count("n")(tx) }, func() error { return tx.PutMeta(key, []byte("x")) })
			})
			if i%2 == 0 && err != nil {
				t.Errorf("Update beside cancelled ones = %v", err)
			}
			mu.Lock()
			defer mu.Unlock()
			answers[key] = err
		})
	}
	put(t, s, bridge.Deployment, putMeta("last", "x")) // whatever was still under way comes before it
	done := 0
	for key, err := range answers {
		whole(t, s, key, err)
		if meta(t, s, key) != "" {
			done++
		}
	}
	if got := meta(t, s, "n"); got != strconv.Itoa(done) {
		t.Errorf("%s updates counted, and %d are there", got, done)
	}
}

func now(t *testing.T, e Engine) {
	s := e.start(t)
	var last time.Time
	for range 50 {
		var moments [3]time.Time
		var epoch time.Time
		put(t, s, bridge.InConversation(convID(1)), func(tx bridge.Tx) error {
			moments[0] = tx.Now()
			if err := count("n")(tx); err != nil {
				return err
			}
			moments[1], moments[2], epoch = tx.Now(), tx.Now(), tx.Epoch()
			return nil
		})
		got := moments[0]
		if got.Location() != time.UTC || !got.Equal(got.Truncate(time.Microsecond)) {
			t.Errorf("Now = %v, want UTC and whole microseconds", got)
		}
		if !moments[1].Equal(got) || !moments[2].Equal(got) {
			t.Errorf("Now changed within a transaction: %v", moments)
		}
		if got.Before(last) {
			t.Errorf("Now = %v after %v", got, last)
		}
		if epoch.After(got) {
			t.Errorf("Epoch = %v, after Now = %v", epoch, got)
		}
		last = got
		seen := look(t, s, func(tx bridge.Tx) (time.Time, error) { return tx.Now(), nil })
		if seen.Location() != time.UTC || seen.Before(last) {
			t.Errorf("Now of a view = %v after %v", seen, last)
		}
	}
}

func closeWaits(t *testing.T, e Engine) {
	address := e.New(t)
	s := e.open(t, address)
	entered, release := make(chan struct{}), make(chan struct{})
	answer, shut := make(chan error, 1), make(chan error, 1)
	var once sync.Once
	go func() {
		answer <- s.Update(t.Context(), bridge.Deployment, func(tx bridge.Tx) error {
			once.Do(func() { close(entered) })
			<-release
			return tx.PutMeta("key", []byte("done"))
		})
	}()
	await(t, entered, "the update to run")
	go func() { shut <- s.Close() }()
	select {
	case err := <-shut:
		t.Errorf("Close() = %v while an update was under way", err)
		shut <- err
	case <-time.After(20 * time.Millisecond): // too short to prove much, and never wrong
	}
	close(release)
	if err := <-answer; err != nil {
		t.Errorf("Update under way while closing = %v", err)
	}
	if err := <-shut; err != nil {
		t.Errorf("Close() = %v", err)
	}
	if !e.Private {
		if got := meta(t, e.open(t, address), "key"); got != "done" {
			t.Errorf("after Close and Open the store has %q", got)
		}
	}
}

func closed(t *testing.T, e Engine) {
	s := e.start(t)
	put(t, s, bridge.Deployment, putMeta("key", "done"))
	hints := s.Watch(t.Context(), bridge.Everything)
	if err := s.Close(); err != nil {
		t.Errorf("Close() = %v", err)
	}
	ran := false
	fn := func(bridge.Tx) error { ran = true; return nil }
	if err := s.Update(t.Context(), bridge.Deployment, fn); !errors.Is(err, bridge.Unavailable) {
		t.Errorf("Update after Close = %v, want unavailable", err)
	}
	if err := s.View(t.Context(), fn); !errors.Is(err, bridge.Unavailable) {
		t.Errorf("View after Close = %v, want unavailable", err)
	}
	if ran {
		t.Error("fn ran after Close")
	}
	for _, ch := range []<-chan struct{}{hints, s.Watch(t.Context(), bridge.Everything)} {
		select {
		case _, open := <-ch:
			if !open {
				t.Error("Close closed a watcher's channel")
			}
		default:
		}
	}
	_ = s.Close() // may say Unavailable, must not hang or panic
}
