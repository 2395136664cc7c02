package sqlite

import (
	"bytes"
	"os"
	"path/filepath"
	"strconv"
	"testing"

	"agentbridge/internal/bridge"
)

// The log stays short without any commit having reached the engine's own limit.
func TestCheckpoint_KeepsTheLogShort(t *testing.T) {
	path := filepath.Join(t.TempDir(), "bridge.db")
	s := start(t, path, Options{})
	const pages, commits = 10, 400 // as many as the engine's limit, without the index's
	for i := range commits {
		if err := s.Update(t.Context(), bridge.Deployment, func(tx bridge.Tx) error {
			return tx.PutMeta("key"+strconv.Itoa(i%20), bytes.Repeat([]byte{byte(i)}, pages*4096))
		}); err != nil {
			t.Fatal(err)
		}
	}
	info, err := os.Stat(path + "-wal")
	if err != nil {
		t.Fatal(err)
	}
	const frame = 4096 + 24
	if most := int64(moveFrom + 2*lookEvery*(pages+3)); info.Size() > most*frame {
		t.Errorf("the log has %d pages, want at most %d", info.Size()/frame, most)
	}
}
