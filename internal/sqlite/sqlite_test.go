package sqlite

import (
	"context"
	"path/filepath"
	"testing"

	"go.uber.org/goleak"

	"agentbridge/internal/bridge"
	"agentbridge/internal/storetest"
)

func open(address string) (bridge.Store, error) {
	return Open(context.Background(), address, Options{})
}

func TestMain(m *testing.M) {
	storetest.Child(open)
	actAsChild()
	goleak.VerifyTestMain(m)
}

func TestStore_OnDiskKeepsTheContract(t *testing.T) {
	storetest.Run(t, storetest.Engine{
		New:  func(t testing.TB) string { return filepath.Join(t.TempDir(), "bridge.db") },
		Open: open,
	})
}

func TestStore_InMemoryKeepsTheContract(t *testing.T) {
	storetest.Run(t, storetest.Engine{New: func(testing.TB) string { return memory }, Open: open, Private: true})
}

// start opens a store that is closed with the test.
func start(t testing.TB, path string, opts Options) *Store {
	t.Helper()
	s, err := Open(t.Context(), path, opts)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Errorf("Close() = %v", err)
		}
	})
	return s
}
