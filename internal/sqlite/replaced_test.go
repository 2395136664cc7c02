package sqlite

import (
	"bytes"
	"errors"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"agentbridge/internal/bridge"
)

func TestStore_AnswersNothingWhileItsFileIsNotWhereItWasOpened(t *testing.T) {
	dir := t.TempDir()
	path, kept := filepath.Join(dir, "bridge.db"), filepath.Join(dir, "kept.db")
	var log bytes.Buffer
	s := start(t, path, Options{Logger: slog.New(slog.NewTextHandler(&log, nil))})
	put := func(tx bridge.Tx) error { return tx.PutMeta("key", []byte("value")) }
	calls := map[string]func() error{
		"View":   func() error { return s.View(t.Context(), func(bridge.Tx) error { return nil }) },
		"Update": func() error { return s.Update(t.Context(), bridge.Deployment, put) },
		"Jot":    func() error { return s.Jot(t.Context(), bridge.Deployment, put) },
	}
	all := func(when string, want error) {
		t.Helper()
		for name, call := range calls {
			if err := call(); !errors.Is(err, want) || want != nil && !strings.Contains(bridge.AsError(err).Hint, "restart this process") {
				t.Errorf("%s: %s = %v, want %v", when, name, err, want)
			}
		}
	}
	all("as opened", nil)
	if err := os.Rename(path, kept); err != nil {
		t.Fatal(err)
	}
	all("taken away", bridge.Unavailable)
	if err := os.WriteFile(path, []byte("another file"), 0o600); err != nil {
		t.Fatal(err)
	}
	all("replaced", bridge.Unavailable)
	if n := strings.Count(log.String(), "level=ERROR"); n != 1 {
		t.Errorf("%d errors logged, want 1:\n%s", n, log.String())
	}
	if err := os.Rename(kept, path); err != nil {
		t.Fatal(err)
	}
	all("put back", nil)
}
