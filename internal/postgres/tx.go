package postgres

import (
	"slices"
	"strings"
	"time"

	"agentbridge/internal/bridge"
)

// tx is one caller's view or its part of a group's transaction.
//
// Writes are held back until the next read or the commit, and then travel with it: a trip to the server costs more than most statements.
// A write whose answer matters is believed to do what it should. Where the server then says otherwise, the caller's function runs again
// with care, and each such write asks at once.
type tx struct {
	c       *conn
	now     time.Time
	epoch   time.Time
	writes  bool
	careful bool
	part    bool  // others share the transaction, so what is written goes into a savepoint
	begun   bool  // the savepoint is made, or held back
	lost    error // the engine's first error: nothing more is asked of it, and nothing of this tx may be committed
	ahead   *ahead
	topics  []bridge.Topic

	fleet *fleet // it runs together with updates of other scopes, and has no connection but through it
	ship  *ship
	own   []*call // what it wrote there, all of it held back
}

var _ bridge.Tx = (*tx)(nil)

func (t *tx) Now() time.Time            { return t.now }
func (t *tx) Epoch() time.Time          { return t.epoch }
func (t *tx) Notify(topic bridge.Topic) { t.topics = append(t.topics, topic) }

// exec holds back a statement that writes.
func (t *tx) exec(op, sql string, args ...any) error {
	if t.lost == nil && !t.writes {
		t.lost = bridge.Errorf(bridge.Internal, "%s: a view must not write", op)
	}
	if t.lost != nil {
		return t.lost
	}
	if t.fleet != nil {
		t.own = append(t.own, &call{op: op, sql: sql, args: encode(args)})
		return nil
	}
	if t.part && !t.begun {
		t.begun = true
		t.c.hold(&call{op: "begin an update", sql: `SAVEPOINT part`})
	}
	t.c.hold(&call{op: op, sql: sql, args: encode(args)})
	return nil
}

// change is exec with care: it tells how many rows there were.
func (t *tx) change(op, sql string, args ...any) (rows int64, err error) {
	if err := t.exec(op, sql, args...); err != nil {
		return 0, err
	}
	last := t.c.held[len(t.c.held)-1]
	t.flush()
	return last.rows, t.lost
}

// add is exec for a row that must be new. A key that is taken is no failure of the engine, so the transaction goes on.
func (t *tx) add(op, sql string, args ...any) error {
	if !t.careful {
		return t.exec(op, sql, args...)
	}
	n, err := t.change(op, sql+` ON CONFLICT DO NOTHING`, args...)
	if err == nil && n == 0 {
		return bridge.Errorf(bridge.Conflict, "%s: there is one already", op)
	}
	return err
}

// put is exec for a row that must be there. Believed, it divides by the number of rows it changed.
func (t *tx) put(op, sql string, args ...any) error {
	if !t.careful {
		return t.exec(op, `WITH put AS (`+sql+` RETURNING 1) SELECT 1 / count(*) FROM put`, args...)
	}
	n, err := t.change(op, sql, args...)
	if err == nil && n == 0 {
		return bridge.Errorf(bridge.NotFound, "%s: there is none", op)
	}
	return err
}

// query runs a statement that reads, after what was held back.
func (t *tx) query(op string, each func(*row), sql string, args ...any) error {
	if t.lost == nil {
		t.send(&call{op: op, sql: sql, args: encode(args), each: each})
	}
	return t.lost
}

// flush sends what was held back.
func (t *tx) flush() {
	if t.lost == nil && t.fleet == nil && len(t.c.held) > 0 {
		t.send()
	}
}

func (t *tx) send(calls ...*call) {
	if t.fleet != nil {
		if slices.ContainsFunc(calls, t.wrote) {
			t.lost = errSplit // it has to see its own writes, and they are not sent
			return
		}
		calls = append(t.ship.writes, calls...)
		t.ship.writes = nil
		t.lost = t.fleet.ask(calls)
		return
	}
	if failed, err := t.c.release(calls...); err != nil {
		if t.writes {
			t.lost = blamed(failed, err, t.careful)
		} else {
			t.lost = failure("read", err)
		}
	}
}

// wrote reports whether what a call reads may be among what this update wrote and holds back: whether it names one of those tables.
func (t *tx) wrote(read *call) bool {
	return slices.ContainsFunc(t.own, func(k *call) bool { return strings.Contains(read.sql, k.table()) })
}

// table is what a call writes to, which it says at its beginning.
func (k *call) table() string {
	words := strings.Fields(k.sql[:min(len(k.sql), 80)])
	for i, word := range words[:len(words)-1] {
		if word == "INTO" || word == "FROM" || strings.HasSuffix(word, "UPDATE") {
			return words[i+1]
		}
	}
	return "" // then whatever is read may be of it
}

// one reads the only row of a query, or says [bridge.NotFound].
func one[T any](t *tx, op string, scan func(*row) T, sql string, args ...any) (v T, err error) {
	found := false
	err = t.query(op, func(r *row) { v, found = scan(r), true }, sql, args...)
	if err == nil && !found {
		err = bridge.Errorf(bridge.NotFound, "%s: there is none", op)
	}
	return v, err
}

// many reads all rows of a query.
func many[T any](t *tx, op string, scan func(*row) T, sql string, args ...any) ([]T, error) {
	all := []T{}
	err := t.query(op, func(r *row) { all = append(all, scan(r)) }, sql, args...)
	return all, err
}

func scanInt(r *row) int { return int(r.int()) }
