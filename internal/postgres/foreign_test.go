//go:build postgres

package postgres

import (
	"slices"
	"testing"
	"time"

	"agentbridge/internal/bridge"
)

func TestForeign_NamesWhatAnotherHandChanged(t *testing.T) {
	dsn := fresh(t)
	s := start(t, dsn, Options{})
	at, err := parse(dsn, time.Second)
	if err != nil {
		t.Fatal(err)
	}
	list := func() []string {
		t.Helper()
		list, err := s.Foreign(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		return list
	}
	if got := list(); len(got) != 0 {
		t.Fatalf("of a new schema, foreign is %q", got)
	}
	adminOf(t, dsn, "SET search_path = "+at.schema+`;
		CREATE FUNCTION undo() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NULL; END';
		CREATE TRIGGER undo BEFORE INSERT ON entries FOR EACH ROW EXECUTE FUNCTION undo();
		CREATE RULE lose AS ON DELETE TO tokens DO INSTEAD NOTHING;
		ALTER TABLE messages ADD COLUMN mood text;
		DROP INDEX alerts_by_id; CREATE INDEX alerts_by_id ON alerts (id);
		DROP TABLE sendings`)
	got := list()
	for _, want := range []string{
		"function undo", "trigger entries.undo", "rule tokens.lose", "column messages.mood", "index alerts_by_id", "no table sendings",
	} {
		if !slices.Contains(got, want) {
			t.Errorf("foreign is %q, without %q", got, want)
		}
	}
	if err := s.View(t.Context(), func(tx bridge.Tx) error { _, err := tx.Agents(); return err }); err != nil {
		t.Errorf("View after Foreign = %v", err)
	}
}

func TestOpenReading_MakesNothingAndWritesNothing(t *testing.T) {
	dsn := fresh(t)
	_, err := OpenReading(t.Context(), dsn, Options{})
	refused(t, err, bridge.NotFound, "there is no store")
	_, err = Open(t.Context(), dsn, Options{Existing: true})
	refused(t, err, bridge.NotFound, "there is no store")

	s := start(t, dsn, Options{})
	if err := put(s, "key"); err != nil {
		t.Fatal(err)
	}
	reader, err := OpenReading(t.Context(), dsn, Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer reader.Close()
	if !has(t, reader, "key") {
		t.Error("a reader does not see what is there")
	}
	refused(t, put(reader, "other"), bridge.Unavailable, "only reads")
}
