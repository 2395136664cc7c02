package sqlite

import (
	"path/filepath"
	"slices"
	"testing"
)

func TestForeign_NamesWhatNoMigrationMade(t *testing.T) {
	path := filepath.Join(t.TempDir(), "bridge.db")
	s, err := Open(t.Context(), path, Options{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Close() })
	if list, err := s.Foreign(t.Context()); err != nil || len(list) != 0 {
		t.Errorf("Foreign = %q, %v of a store that nobody touched", list, err)
	}
	c, err := connect(path)
	if err != nil {
		t.Fatal(err)
	}
	for _, sql := range []string{
		`CREATE TRIGGER tt AFTER INSERT ON grown BEGIN DELETE FROM grown; END`,
		`CREATE TABLE extra (n INTEGER)`,
		`DROP INDEX charges_old`,
	} {
		if err := c.script(sql); err != nil {
			t.Fatal(err)
		}
	}
	if err := c.close(); err != nil {
		t.Fatal(err)
	}
	list, err := s.Foreign(t.Context())
	if want := []string{`table "extra"`, `trigger "tt"`, `no index "charges_old"`}; err != nil || !slices.Equal(list, want) {
		t.Errorf("Foreign = %q, %v, want %q", list, err, want)
	}
}
