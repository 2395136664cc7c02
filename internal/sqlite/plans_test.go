package sqlite

import (
	"errors"
	"maps"
	"slices"
	"strings"
	"testing"
	"time"

	"agentbridge/internal/bridge"
)

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
	ask(tx.Task("", ""))
	ask(tx.Tasks("", "", 0, 0))
	ask(tx.Tasks("", bridge.TaskOpen, 0, 0))
	ask(tx.Ready("", "", 0))
	ask(tx.Assigned("", ""))
	ask(tx.Movable("", "", 0))
	ask(tx.Dependents("", ""))
	ask(tx.Leases(""))
	ask(tx.Leases("c"))
	ask(tx.CountTasks(""))
	ask(tx.Seats())
	ask(tx.Alerts(time.Now(), 1))
	ask(tx.Sendings(""))
	ask(tx.Presence(""))
	ask(tx.Entries("", 0, 0))
	ask(tx.Logs())
	return errors.Join(slices.DeleteFunc(errs, func(err error) bool { return errors.Is(err, bridge.NotFound) })...)
}

// plan is how the engine answers a query, step by step.
func plan(t *testing.T, s *Store, sql string) (steps []string) {
	t.Helper()
	if err := s.writer.query(func(r *row) {
		r.next = 3
		steps = append(steps, r.text())
	}, "EXPLAIN QUERY PLAN "+strings.ReplaceAll(sql, "?", "NULL")); err != nil {
		t.Fatal(err)
	}
	return steps
}

// underWay are the indexes that hold no history, so that reading all of one is nothing to fear.
var underWay = []string{"tasks_claimed", "conversations_unburied"}

func TestReads_FindWhatTheyWantByAnIndex(t *testing.T) {
	s := start(t, memory, Options{})
	if err := s.View(t.Context(), readAll); err != nil {
		t.Fatal(err)
	}
	for _, sql := range slices.Collect(maps.Keys(s.writer.stmts)) {
		if !strings.Contains(sql, "FROM ") || strings.Contains(sql, "sqlite_schema") {
			continue
		}
		if strings.Contains(sql, "LIMIT ?") {
			t.Errorf("%s\nis planned anew whenever the limit changes; write LIMIT +?", sql)
		}
		plan := plan(t, s, sql)
		for _, step := range plan {
			scan := strings.HasPrefix(step, "SCAN") && !slices.Contains([]string{"SCAN CONSTANT ROW", "SCAN hop"}, step) && !strings.HasPrefix(step, "SCAN (subquery")
			sort := strings.Contains(step, "TEMP B-TREE")
			scan = scan && !slices.ContainsFunc(underWay, func(index string) bool { return strings.HasSuffix(step, "USING INDEX "+index) })
			few := strings.Contains(sql, "FROM members WHERE conversation") || strings.Contains(sql, "GROUP BY") // seats of one conversation; all that is held
			if (scan || sort) && !few {
				t.Errorf("%s\nis answered by %q", sql, plan)
			}
		}
	}
}

// TestTasks_AreFoundWithoutThoseThatEnded holds to the letter of the plans: what is asked by every claim and every sweep reads no task
// that has ended, sorts nothing, and, where it has a limit, stops there.
func TestTasks_AreFoundWithoutThoseThatEnded(t *testing.T) {
	for _, c := range []struct {
		what string
		read func(tx bridge.Tx) error
		want []string
	}{
		{"Ready", func(tx bridge.Tx) error { _, err := tx.Ready("c", "m", 1); return err }, []string{
			"MERGE (UNION ALL)",
			"LEFT", "SEARCH tasks USING INDEX tasks_ready (conversation=? AND assign_to=?)",
			"RIGHT", "SEARCH tasks USING INDEX tasks_ready (conversation=? AND assign_to=?)",
		}},
		{"Assigned", func(tx bridge.Tx) error { _, err := tx.Assigned("c", "m"); return err }, []string{
			"SEARCH tasks USING INDEX tasks_assigned (conversation=? AND assign_to=?)",
		}},
		{"Movable", func(tx bridge.Tx) error { _, err := tx.Movable("c", "m", 1); return err }, []string{
			"SEARCH tasks USING INDEX tasks_assigned (conversation=? AND assign_to=?)",
		}},
		{"Leases of one", func(tx bridge.Tx) error { _, err := tx.Leases("c"); return err }, []string{
			"SEARCH tasks USING INDEX tasks_claimed (conversation=?)",
		}},
		{"Leases of all", func(tx bridge.Tx) error { _, err := tx.Leases(""); return err }, []string{
			"SCAN tasks USING INDEX tasks_claimed",
		}},
		{"Dependents", func(tx bridge.Tx) error { _, err := tx.Dependents("c", "t"); return err }, []string{
			"SEARCH a USING PRIMARY KEY (conversation=? AND after=?)", "SEARCH k USING PRIMARY KEY (conversation=? AND n=?)",
		}},
		{"Tasks in a state", func(tx bridge.Tx) error { _, err := tx.Tasks("c", bridge.TaskOpen, 7, 1); return err }, []string{
			"SEARCH tasks USING INDEX tasks_by_state (conversation=? AND state=? AND n>?)",
		}},
		{"Tasks", func(tx bridge.Tx) error { _, err := tx.Tasks("c", "", 7, 1); return err }, []string{
			"SEARCH tasks USING PRIMARY KEY (conversation=? AND n>?)",
		}},
		{"Task", func(tx bridge.Tx) error {
			if _, err := tx.Task("c", "t"); !errors.Is(err, bridge.NotFound) {
				return err
			}
			return nil
		}, []string{"SEARCH tasks USING INDEX tasks_by_id (conversation=? AND id=?)"}},
		{"Seats", func(tx bridge.Tx) error { _, err := tx.Seats(); return err }, []string{
			"SCAN c USING INDEX conversations_unburied", "SEARCH m USING PRIMARY KEY (conversation=?)",
		}},
		{"Alerts", func(tx bridge.Tx) error { _, err := tx.Alerts(time.Now(), 1); return err }, []string{
			"SEARCH alerts USING INDEX alerts_by_time (at>?)",
		}},
	} {
		s := start(t, memory, Options{})
		before := maps.Clone(s.writer.stmts)
		if err := s.View(t.Context(), c.read); err != nil {
			t.Fatal(err)
		}
		for _, sql := range slices.Collect(maps.Keys(s.writer.stmts)) {
			if _, old := before[sql]; old || !strings.Contains(sql, "FROM ") {
				continue
			}
			if got := plan(t, s, sql); !slices.Equal(got, c.want) {
				t.Errorf("%s is answered by %q, want %q", c.what, got, c.want)
			}
		}
	}
}

// TestPutConversation_LeavesIndexesAlone is about every send: of what it writes, the conversation's row is the only page.
func TestPutConversation_LeavesIndexesAlone(t *testing.T) {
	s := start(t, memory, Options{})
	if err := s.Update(t.Context(), bridge.Deployment, func(tx bridge.Tx) error { return tx.PutConversation(bridge.Conversation{ID: "c"}) }); err != nil {
		t.Fatal(err)
	}
	found := false
	for _, sql := range slices.Collect(maps.Keys(s.writer.stmts)) {
		if !strings.Contains(sql, "UPDATE conversations") {
			continue
		}
		found = true
		opened := 0
		if err := s.writer.query(func(r *row) {
			if r.next = 1; r.text() == "OpenWrite" {
				opened++
			}
		}, "EXPLAIN "+strings.ReplaceAll(sql, "?", "NULL")); err != nil {
			t.Fatal(err)
		}
		if opened != 1 {
			t.Errorf("%s\nwrites to %d trees, want 1", sql, opened)
		}
	}
	if !found {
		t.Error("PutConversation updates nothing")
	}
}
