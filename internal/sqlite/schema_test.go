package sqlite

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"maps"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"agentbridge/internal/bridge"
)

// shipped are the migrations that some database may have been made by. A line is added with a new one, and never changed.
var shipped = map[string]string{
	"0001_init.sql":  "5dfe2af24e4540c68551bbb3212b33d98a284645c05ced847040f25a5f3d75e2",
	"0002_tasks.sql": "e4f6cf1769e2e8f44d762232589f3db4e5d10d784c8f289b11735c2a8b2e6693",
}

func TestMigrations_NeverChangeOnceShipped(t *testing.T) {
	files, err := migrations.ReadDir("migrations")
	if err != nil {
		t.Fatal(err)
	}
	if len(files) != schema || len(shipped) != schema {
		t.Errorf("there are %d migrations, %d of them with a hash, and the schema is %d", len(files), len(shipped), schema)
	}
	for _, f := range files {
		text, err := migrations.ReadFile("migrations/" + f.Name())
		if err != nil {
			t.Fatal(err)
		}
		sum := sha256.Sum256(text)
		if got := hex.EncodeToString(sum[:]); got != shipped[f.Name()] {
			t.Errorf("%s has the hash %s, want %s: a shipped migration never changes", f.Name(), got, shipped[f.Name()])
		}
	}
}

func TestOpen_OfManyProcessesAtOnceMakesOneSchema(t *testing.T) {
	path := filepath.Join(t.TempDir(), "bridge.db")
	var all []*child
	for range 30 {
		all = append(all, spawn(t, "open", path))
	}
	for _, c := range all {
		out, _ := c.out.ReadString('\n')
		if err := c.end(); err != nil {
			t.Errorf("one of many processes: %v, %s", err, out)
		}
	}
	s := start(t, path, Options{})
	if version, err := s.writer.number("PRAGMA user_version"); err != nil || version != schema {
		t.Errorf("schema %d, %v, want %d", version, err, schema)
	}
}

func TestUpdate_RefusesUnderANewerSchema(t *testing.T) {
	path := filepath.Join(t.TempDir(), "bridge.db")
	s, upgrader := start(t, path, Options{}), start(t, path, Options{})
	if err := upgrader.writer.script(fmt.Sprintf("PRAGMA user_version = %d", schema+1)); err != nil {
		t.Fatal(err)
	}
	err := s.Update(t.Context(), bridge.Deployment, func(tx bridge.Tx) error { return tx.PutMeta("x", nil) })
	if !errors.Is(err, bridge.Invalid) || !strings.Contains(bridge.AsError(err).Hint, "upgrade") {
		t.Errorf("Update after another process upgraded the database = %v, want invalid", err)
	}
}

// readAll asks everything that can be asked.
func readAll(tx bridge.Tx) error {
	_, _, err := tx.Charges(bridge.Account{}, 1, 10, 100)
	errs := []error{err}
	ask := func(_ any, err error) { errs = append(errs, err) }
	ask(tx.Meta(""))
	ask(tx.Agent(""))
	ask(tx.AgentsNamed(""))
	ask(tx.Token(""))
	ask(tx.Tokens("a"))
	ask(tx.Conversation(""))
	ask(tx.DueConversations(time.Now(), 1))
	ask(tx.Member("", ""))
	ask(tx.Members(""))
	ask(tx.Memberships(""))
	ask(tx.Invite(""))
	ask(tx.Invites(""))
	ask(tx.InvitesNamed(""))
	ask(tx.Message("", ""))
	ask(tx.Messages("", 0, 0))
	ask(tx.Deliveries("", 0, 0))
	ask(tx.Waiting("", "", 0))
	ask(tx.Held("", ""))
	ask(tx.Batch("", "", "r"))
	ask(tx.Unacked("", 10, ""))
	ask(tx.Unread(""))
	ask(tx.Holders())
	ask(tx.Presence(""))
	ask(tx.Entries("", 0, 0))
	ask(tx.Logs())
	return errors.Join(slices.DeleteFunc(errs, func(err error) bool { return errors.Is(err, bridge.NotFound) })...)
}

func TestReads_FindWhatTheyWantByAnIndex(t *testing.T) {
	s := start(t, memory, Options{})
	if err := s.View(t.Context(), readAll); err != nil {
		t.Fatal(err)
	}
	for _, sql := range slices.Collect(maps.Keys(s.writer.stmts)) {
		if !strings.Contains(sql, "FROM ") || strings.Contains(sql, "sqlite_schema") {
			continue
		}
		var plan []string
		if err := s.writer.query(func(r *row) {
			r.next = 3
			plan = append(plan, r.text())
		}, "EXPLAIN QUERY PLAN "+strings.ReplaceAll(sql, "?", "NULL")); err != nil {
			t.Fatal(err)
		}
		for _, step := range plan {
			scan := strings.HasPrefix(step, "SCAN") && !slices.Contains([]string{"SCAN CONSTANT ROW", "SCAN hop"}, step) && !strings.HasPrefix(step, "SCAN (subquery")
			sort := strings.Contains(step, "TEMP B-TREE")
			few := strings.Contains(sql, "FROM members WHERE conversation") || strings.Contains(sql, "GROUP BY") // seats of one conversation; all that is held
			if (scan || sort) && !few {
				t.Errorf("%s\nis answered by %q", sql, plan)
			}
		}
	}
}
