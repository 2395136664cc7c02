// Package storetest is the store contract as a test suite.
//
// The contract is the comments of [bridge.Store] and [bridge.Tx]. Every engine runs the whole of it:
//
//	func TestMain(m *testing.M) {
//		storetest.Child(open)
//		os.Exit(m.Run())
//	}
//
//	func TestStore_KeepsTheContract(t *testing.T) {
//		storetest.Run(t, storetest.Engine{New: newAddress, Open: open})
//	}
//
// A bug found in one engine becomes a promise here, so that all engines learn it. For the tests of the rules there are [Faulty],
// which breaks a store at a chosen point, [BreakEach], which does so at every point in turn, and [Invariants], which checks
// whatever a story left behind.
package storetest

import (
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"agentbridge/internal/bridge"
)

// Engine is a kind of store to be tested.
type Engine struct {
	// New makes an empty store, which lasts as long as the test, and gives its address.
	New func(t testing.TB) (address string)

	// Open opens a handle on the store at that address. Handles on one address share their rows, from whatever process of this
	// machine, and closing all of them loses nothing.
	Open func(address string) (bridge.Store, error)

	// Private says that each handle is a store of its own, gone once closed, as in memory. Promises about several handles are
	// then left out.
	Private bool
}

// promise is one test of the suite.
type promise struct {
	name string
	keep func(t *testing.T, e Engine)
}

// Run checks that an engine keeps the store contract. It takes some ten seconds, most of them for random updates, of which -short
// does a fifth. The engine's TestMain must call [Child].
func Run(t *testing.T, e Engine) {
	promises := [][]promise{
		rowPromises(), updatePromises(), cancelPromises(), lifetimePromises(), viewPromises(), watchPromises(), faultPromises(), modelPromises(), invariantPromises(),
		historyPromises(),
	}
	if !e.Private {
		promises = append(promises, sharedPromises(), sharedWatchPromises(), sharedHistoryPromises())
	}
	for _, group := range promises {
		for _, p := range group {
			t.Run(p.name, func(t *testing.T) {
				t.Parallel()
				p.keep(t, e)
			})
		}
	}
}

// start opens a handle on a new store.
func (e Engine) start(t testing.TB) bridge.Store {
	t.Helper()
	return e.open(t, e.New(t))
}

// open opens a handle and closes it when the test ends.
func (e Engine) open(t testing.TB, address string) bridge.Store {
	t.Helper()
	s, err := e.Open(address)
	if err != nil {
		t.Fatalf("open a store: %v", err)
	}
	t.Cleanup(func() {
		if err := s.Close(); err != nil && !errors.Is(err, bridge.Unavailable) { // the test may have closed it
			t.Errorf("Close() = %v", err)
		}
	})
	return s
}

// patience is how long anything may take that should take milliseconds: long enough for a busy machine, too short for a hang.
const patience = 10 * time.Second

// put runs an update that must succeed. Its fn must not end the test itself: an engine may run it on another goroutine.
func put(t testing.TB, s bridge.Store, scope bridge.Scope, fn func(tx bridge.Tx) error) {
	t.Helper()
	if err := s.Update(t.Context(), scope, fn); err != nil {
		t.Fatalf("Update(%s) = %v", scope, err)
	}
}

// look reads one thing in a view of its own.
func look[T any](t testing.TB, s bridge.Store, get func(tx bridge.Tx) (T, error)) T {
	t.Helper()
	var got T
	err := s.View(t.Context(), func(tx bridge.Tx) (err error) {
		got, err = get(tx)
		return err
	})
	if err != nil {
		t.Fatalf("View = %v", err)
	}
	return got
}

// missing checks that a getter of one thing says NotFound, and that this does not cost the transaction.
func missing[T any](t testing.TB, s bridge.Store, what string, get func(tx bridge.Tx) (T, error)) {
	t.Helper()
	look(t, s, func(tx bridge.Tx) (struct{}, error) {
		if _, err := get(tx); !errors.Is(err, bridge.NotFound) {
			t.Errorf("%s of nothing = %v, want not_found", what, err)
		}
		_, err := tx.Agents()
		return struct{}{}, err
	})
}

// same checks that two values are the same rows: times to the microsecond and in UTC, and no difference between nil and empty.
func same(t testing.TB, what string, got, want any) {
	t.Helper()
	if diff := diff(got, want); diff != "" {
		t.Errorf("%s differs (-want +got):\n%s", what, diff)
	}
}

func diff(got, want any) string {
	if fmt.Sprintf("%q", got) == fmt.Sprintf("%q", want) {
		return "" // the usual case, and some thirty times as fast as cmp
	}
	return cmp.Diff(want, got, cmpopts.EquateEmpty(), cmp.Comparer(func(a, b time.Time) bool {
		return a.Equal(b) && (a.IsZero() || a.Location() == time.UTC && b.Location() == time.UTC)
	}))
}
