package sqlite

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"maps"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"agentbridge/internal/bridge"
)

// shipped are the migrations that some database may have been made by. A line is added with a new one, and never changed.
var shipped = map[string]string{
	"0001_init.sql":     "5dfe2af24e4540c68551bbb3212b33d98a284645c05ced847040f25a5f3d75e2",
	"0002_tasks.sql":    "befbe70e7b92c6f4c2ad8b3a416160902a2ae62857758e0237d0246c2a032585",
	"0003_trust.sql":    "54112acbbd7e0b1bc9b123a607a10fbdb58037dc4f16c87c3c425a222699960d",
	"0004_commands.sql": "3994453c22a851cb63c38ccf5ae071e137f3959c69de2fee835804f81fc7ed2d",
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
	openAtOnce(t, filepath.Join(t.TempDir(), "bridge.db"), 30)
}

// openAtOnce has so many processes open a database that is not there or not of this schema, and looks at what they made of it.
func openAtOnce(t *testing.T, path string, processes int) {
	t.Helper()
	var all []*child
	for range processes {
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

// madeByFirst makes a database as the first version of this program did, with a row or two in each table.
func madeByFirst(t *testing.T) (path string) {
	t.Helper()
	path = filepath.Join(t.TempDir(), "bridge.db")
	c := raw(t, path)
	if err := errors.Join(step(c, 1), c.script(`
		INSERT INTO meta VALUES ('head', x'0102'), ('key', x'');
		INSERT INTO agents VALUES ('agent_1', 'alpha', 1, 1000), ('agent_2', 'beta', 0, NULL);
		INSERT INTO tokens VALUES ('t1', 'agent_1', 'k1', x'01', x'02', 1, 2, NULL);
		INSERT INTO conversations VALUES
			('conv_1', 'title', 'agent_1', 1000000, 2000000, NULL, 3000000, NULL, NULL, 4000000, 2, 5000000, x'0a0b', x'0c'),
			('conv_2', '', '', 1, 2, 3, 4, 5, 6, NULL, 0, 7, NULL, x'0d'),
			('conv_3', 'buried', 'agent_1', 1, 2, 3, 4, 5, NULL, 9, 0, 7, NULL, x'0d');
		INSERT INTO members VALUES
			('conv_1', 'alpha', 'r', 'peer', 'agent_1', 1, 2, NULL, 'working', 'note', 3),
			('conv_1', 'beta', 'r', 'peer', '', 1, NULL, NULL, '', '', NULL),
			('conv_3', 'alpha', 'r', 'peer', 'agent_1', 1, 2, NULL, '', '', NULL);
		INSERT INTO invites VALUES ('i1', 'conv_1', 'beta', 'k1', x'01', 1, 2, NULL, '', 0, 0);
		INSERT INTO messages VALUES ('conv_1', 1, 'msg_1', 'alpha', 'r', 'peer', 'text', 'info', '["f"]', '', 1, 'd', 0), ('conv_1', 2, 'msg_2', 'alpha', 'r', 'peer', 'é', 'info', NULL, 'msg_1', 1, 'd', 3);
		INSERT INTO deliveries VALUES ('conv_1', 1, 'beta', 'msg_1', 'stored', 1, '', '', 0, '', ''), ('conv_1', 2, 'beta', 'msg_2', 'delivered', 1, '', '', 1, 'rcpt_1', 'proc_1');
		INSERT INTO presence VALUES ('agent_1', 'proc_1', 1, 2, 3, NULL);
		INSERT INTO charges VALUES ('conv_1', 'agent_1', 'write', 1, 1000);
		INSERT INTO entries VALUES ('conv_1', 0, 1, 'alpha', 'send', x'7b7d'), ('deployment', 0, 1, 'bridge', 'key', x'7b7d');`), c.close()); err != nil {
		t.Fatal(err)
	}
	return path
}

// raw opens a database without looking at its schema.
func raw(t *testing.T, path string) *conn {
	t.Helper()
	c, err := connect(path)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// tables gives every row of every table in the columns that the first schema has.
func tables(t *testing.T, path string) map[string][]string {
	t.Helper()
	first, c := raw(t, memory), raw(t, path)
	defer func() {
		if err := errors.Join(first.close(), c.close()); err != nil {
			t.Error(err)
		}
	}()
	if err := step(first, 1); err != nil {
		t.Fatal(err)
	}
	columns := map[string][]string{}
	if err := first.query(func(r *row) {
		table := r.text()
		columns[table] = append(columns[table], fmt.Sprintf("quote(%q)", r.text()))
	},
		"SELECT t.name, c.name FROM sqlite_schema t, pragma_table_info(t.name) c WHERE t.type = 'table' ORDER BY t.name, c.cid"); err != nil {
		t.Fatal(err)
	}
	rows := map[string][]string{}
	for table, names := range columns {
		if err := c.query(func(r *row) { rows[table] = append(rows[table], r.text()) },
			"SELECT "+strings.Join(names, " || ', ' || ")+" FROM "+table+" ORDER BY 1"); err != nil {
			t.Fatal(err)
		}
		if len(rows[table]) == 0 {
			t.Errorf("nothing is in %s", table)
		}
	}
	return rows
}

func TestOpen_MigratesAndKeepsEverything(t *testing.T) {
	path := madeByFirst(t)
	before := tables(t, path)
	s := start(t, path, Options{})
	if after := tables(t, path); !maps.EqualFunc(before, after, slices.Equal) {
		t.Errorf("after the migration there is\n%q\nwant\n%q", after, before)
	}
	id := bridge.ConversationID("conv_1")
	second := func(n int64) time.Time { return time.Unix(n, 0).UTC() }
	want := bridge.Conversation{
		ID: id, Title: "title", Creator: "agent_1", CreatedAt: second(1), ExpiresAt: second(2), WarnedAt: second(3), DueAt: second(4), LastSeq: 2,
		SeenAt: second(5), Key: []byte{10, 11}, Head: []byte{12},
	}
	if err := s.Update(t.Context(), bridge.InConversation(id), func(tx bridge.Tx) error {
		c, err := tx.Conversation(id)
		if !reflect.DeepEqual(c, want) {
			t.Errorf("a conversation that was migrated is %+v, want %+v", c, want)
		}
		seats, err2 := tx.Seats()
		if len(seats) != 1 || seats[0].Conversation != id || seats[0].Name != "alpha" || !seats[0].SilentAt.IsZero() {
			t.Errorf("the seats that were migrated are %+v, want that of alpha in %s", seats, id)
		}
		c.LastTask++
		return errors.Join(err, err2, tx.PutConversation(c), tx.AddTask(bridge.Task{Conversation: id, ID: "task_1", N: 1, State: bridge.TaskOpen}))
	}); err != nil {
		t.Fatal(err)
	}
	if err := s.View(t.Context(), readAll); err != nil {
		t.Error(err)
	}
}

func TestOpen_OfManyProcessesAtOnceMigratesOnce(t *testing.T) {
	path := madeByFirst(t)
	before := tables(t, path)
	openAtOnce(t, path, 10)
	if after := tables(t, path); !maps.EqualFunc(before, after, slices.Equal) {
		t.Errorf("after the migration there is\n%q\nwant\n%q", after, before)
	}
}

// TestOpen_MigratesWhollyOrNotAtAll has a step fail at its end: the table it would make is there.
func TestOpen_MigratesWhollyOrNotAtAll(t *testing.T) {
	path := madeByFirst(t)
	c := raw(t, path)
	if err := errors.Join(c.script("CREATE TABLE sendings (x)"), c.close()); err != nil {
		t.Fatal(err)
	}
	if s, err := Open(t.Context(), path, Options{}); err == nil || !strings.Contains(err.Error(), "migrate to schema 2") {
		t.Errorf("Open = %v, %v, want what failed", s, err)
	}
	c = raw(t, path)
	defer c.close()
	version, err := c.number("PRAGMA user_version")
	made, err2 := c.number("SELECT count(*) FROM sqlite_schema WHERE name IN ('tasks', 'alerts')")
	if err := errors.Join(err, err2); err != nil || version != 1 || made != 0 {
		t.Errorf("a migration that failed left schema %d and %d of its tables, %v; want 1 and none", version, made, err)
	}
	// Without what was in the way it is done.
	if err := c.script("DROP TABLE sendings"); err != nil {
		t.Fatal(err)
	}
	start(t, path, Options{})
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
