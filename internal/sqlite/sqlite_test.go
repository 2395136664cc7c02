package sqlite

import (
	"path/filepath"
	"testing"

	"go.uber.org/goleak"

	"agentbridge/internal/bridge"
	"agentbridge/internal/storetest"
)

func open(address string) (bridge.Store, error) {
	return Open(background, address, Options{})
}

func TestMain(m *testing.M) {
	storetest.Child(open)
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
