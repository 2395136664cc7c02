package sqlite

import (
	"database/sql/driver"
	"time"

	"agentbridge/internal/bridge"
)

// tx is one caller's view or its part of a group's transaction.
type tx struct {
	c      *conn
	now    time.Time
	epoch  time.Time
	writes bool
	wrote  bool  // something may have to be undone
	lost   error // the engine's first error: nothing more is asked of it, and nothing of this tx may be committed
	topics []bridge.Topic
}

var _ bridge.Tx = (*tx)(nil)

func (t *tx) Now() time.Time            { return t.now }
func (t *tx) Epoch() time.Time          { return t.epoch }
func (t *tx) Notify(topic bridge.Topic) { t.topics = append(t.topics, topic) }

// exec runs a statement that writes.
func (t *tx) exec(op, sql string, args ...driver.Value) error {
	_, err := t.change(op, sql, args...)
	return err
}

// change is exec where it matters how many rows there were.
func (t *tx) change(op, sql string, args ...driver.Value) (int64, error) {
	if t.lost == nil && !t.writes {
		t.lost = bridge.Errorf(bridge.Internal, "%s: a view must not write", op)
	}
	if t.lost != nil {
		return 0, t.lost
	}
	t.wrote = true
	n, err := t.c.exec(sql, args...)
	if err != nil {
		t.lost = failure(op, err)
	}
	return n, t.lost
}

// add is exec for a row that must be new, with ON CONFLICT DO NOTHING: a key that is taken is no failure of the engine, so the
// transaction goes on.
func (t *tx) add(op, sql string, args ...driver.Value) error {
	n, err := t.change(op, sql, args...)
	if err == nil && n == 0 {
		return bridge.Errorf(bridge.Conflict, "%s: there is one already", op)
	}
	return err
}

// query runs a statement that reads.
func (t *tx) query(op string, each func(*row), sql string, args ...driver.Value) error {
	if t.lost == nil {
		if err := t.c.query(each, sql, args...); err != nil {
			t.lost = failure(op, err)
		}
	}
	return t.lost
}

// one reads the only row of a query, or says [bridge.NotFound].
func one[T any](t *tx, op string, scan func(*row) T, sql string, args ...driver.Value) (v T, err error) {
	found := false
	err = t.query(op, func(r *row) { v, found = scan(r), true }, sql, args...)
	if err == nil && !found {
		err = bridge.Errorf(bridge.NotFound, "%s: there is none", op)
	}
	return v, err
}

// many reads all rows of a query.
func many[T any](t *tx, op string, scan func(*row) T, sql string, args ...driver.Value) ([]T, error) {
	all := []T{}
	err := t.query(op, func(r *row) { all = append(all, scan(r)) }, sql, args...)
	return all, err
}

func scanInt(r *row) int { return int(r.int()) }
