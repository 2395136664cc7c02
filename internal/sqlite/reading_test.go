package sqlite

import (
	"bytes"
	"database/sql"
	"errors"
	"os"
	"path/filepath"
	"testing"

	_ "modernc.org/sqlite" // another program's way to a database

	"agentbridge/internal/bridge"
)

func TestOpenReading_SeesWhatIsThereAndWritesNothing(t *testing.T) {
	path := filepath.Join(t.TempDir(), "bridge.db")
	s := start(t, path, Options{})
	if err := s.Update(t.Context(), bridge.Deployment, func(tx bridge.Tx) error { return tx.PutMeta("key", []byte("value")) }); err != nil {
		t.Fatal(err)
	}
	r, err := OpenReading(t.Context(), path, Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	if err := r.View(t.Context(), func(tx bridge.Tx) error {
		value, err := tx.Meta("key")
		if string(value) != "value" {
			t.Errorf("Meta = %q", value)
		}
		return err
	}); err != nil {
		t.Error(err)
	}
	write := func(bridge.Tx) error { t.Error("it writes"); return nil }
	if err := r.Update(t.Context(), bridge.Deployment, write); !errors.Is(err, bridge.Unavailable) {
		t.Errorf("Update = %v", err)
	}
	if err := r.Jot(t.Context(), bridge.Deployment, write); !errors.Is(err, bridge.Unavailable) {
		t.Errorf("Jot = %v", err)
	}
	hint := r.Watch(t.Context(), "topic")
	if err := s.Update(t.Context(), bridge.Deployment, func(tx bridge.Tx) error { tx.Notify("topic"); return tx.PutMeta("key", []byte("other")) }); err != nil {
		t.Fatal(err)
	}
	<-hint
}

// What is no store of this program stays as it is, byte for byte, and where there is none none is made.
func TestOpenReading_LeavesOtherFilesAlone(t *testing.T) {
	dir := t.TempDir()
	other := filepath.Join(dir, "other.db")
	db, err := sql.Open("sqlite", other)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := db.Exec("CREATE TABLE t (a)"); err != nil {
		t.Fatal(err)
	}
	db.Close()
	texts := filepath.Join(dir, "text")
	empty := filepath.Join(dir, "empty")
	if err := errors.Join(os.WriteFile(texts, []byte("no database at all, but rather long"), 0o600), os.WriteFile(empty, nil, 0o600)); err != nil {
		t.Fatal(err)
	}
	before, _ := os.ReadDir(dir)
	for _, path := range []string{other, texts, empty, filepath.Join(dir, "missing"), dir} {
		was, _ := os.ReadFile(path)
		if s, err := OpenReading(t.Context(), path, Options{}); err == nil {
			t.Errorf("%s was opened", filepath.Base(path))
			s.Close()
		}
		if is, _ := os.ReadFile(path); !bytes.Equal(was, is) {
			t.Errorf("%s was changed", filepath.Base(path))
		}
	}
	if after, _ := os.ReadDir(dir); len(after) != len(before) {
		t.Errorf("%d files, were %d", len(after), len(before))
	}
}
