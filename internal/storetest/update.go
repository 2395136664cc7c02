package storetest

import (
	"errors"
	"fmt"
	"strconv"
	"sync"
	"testing"

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
		{"Jot_IsSeenAtOnceAndUndoneWholly", jots},
	}
}

func jots(t *testing.T, e Engine) {
	s := e.start(t)
	for n := range 20 {
		key, value := strconv.Itoa(n%3), strconv.Itoa(n)
		if err := s.Jot(t.Context(), bridge.Deployment, putMeta(key, value)); err != nil {
			t.Fatalf("Jot = %v", err)
		}
		if got := meta(t, s, key); got != value {
			t.Fatalf("a view after Jot reads %q, want %q", got, value)
		}
		err := s.Jot(t.Context(), bridge.Deployment, func(tx bridge.Tx) error {
			if err := tx.PutMeta(key, []byte("undone")); err != nil {
				return err
			}
			return errTest
		})
		if err != errTest || meta(t, s, key) != value {
			t.Fatalf("a Jot that failed = %v, and a view reads %q, want %q", err, meta(t, s, key), value)
		}
		put(t, s, bridge.Deployment, putMeta("last", value))
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
