package sqlite

import (
	"context"
	"database/sql/driver"
	"errors"
	"fmt"
	"io"
	"net/url"

	engine "modernc.org/sqlite"
)

// background is what every statement runs on: a caller's context would interrupt the whole group, not its own part.
var background = context.Background()

// conn is one connection with its statements, each prepared once. One goroutine uses it at a time.
//
// It speaks to the driver itself: a transaction here is owned by a group of callers, which database/sql has no word for.
type conn struct {
	raw   driver.Conn
	stmts map[string]stmt // by their text
	args  []driver.NamedValue
	lax   bool // commits do not wait for the disk
}

type stmt interface {
	driver.StmtExecContext
	driver.StmtQueryContext
	Close() error
}

// connect opens a connection and sets what holds for all of them.
func connect(path string, pragmas ...string) (*conn, error) {
	name := path
	if path != memory {
		name = (&url.URL{Scheme: "file", OmitHost: true, Path: path}).String()
	}
	return dial(name, append([]string{
		"busy_timeout = 10000",
		"journal_mode = WAL",
		"synchronous = FULL",
		"wal_autocheckpoint = 1000",
		"trusted_schema = OFF",
		"temp_store = MEMORY",
	}, pragmas...))
}

func dial(name string, pragmas []string) (*conn, error) {
	raw, err := (&engine.Driver{}).Open(name)
	if err != nil {
		return nil, err
	}
	c := &conn{raw: raw, stmts: map[string]stmt{}}
	for _, p := range pragmas {
		if err := c.script("PRAGMA " + p); err != nil {
			return nil, errors.Join(fmt.Errorf("set %s: %w", p, err), c.close())
		}
	}
	return c, nil
}

// script runs statements that are not worth keeping prepared.
func (c *conn) script(sql string) error {
	_, err := c.raw.(driver.ExecerContext).ExecContext(background, sql, nil)
	return err
}

// end runs a kept statement that has neither arguments nor an answer: what begins or ends a transaction or a part of one.
func (c *conn) end(sql string) error {
	s, err := c.prepare(sql)
	if err != nil {
		return err
	}
	_, err = s.ExecContext(background, nil)
	return err
}

// sync says whether the next commits wait for the disk. With NORMAL they do not, and a power failure undoes the last ones, whole.
func (c *conn) sync(wait bool) error {
	if c.lax == !wait {
		return nil
	}
	level := "FULL"
	if !wait {
		level = "NORMAL"
	}
	// Not through end: a prepared PRAGMA takes effect when it is prepared.
	if err := c.script("PRAGMA synchronous = " + level); err != nil {
		return err
	}
	c.lax = !wait
	return nil
}

// exec runs a kept statement and tells how many rows it changed.
func (c *conn) exec(sql string, args ...driver.Value) (int64, error) {
	s, err := c.prepare(sql)
	if err != nil {
		return 0, err
	}
	done, err := s.ExecContext(background, c.bind(args))
	if err != nil {
		return 0, err
	}
	return done.RowsAffected()
}

// query runs a kept statement and calls each for every row. each must not use the connection.
func (c *conn) query(each func(*row), sql string, args ...driver.Value) error {
	s, err := c.prepare(sql)
	if err != nil {
		return err
	}
	rows, err := s.QueryContext(background, c.bind(args))
	if err != nil {
		return err
	}
	r := row{values: make([]driver.Value, len(rows.Columns()))}
	for {
		if err := rows.Next(r.values); err == io.EOF {
			return rows.Close()
		} else if err != nil {
			return errors.Join(err, rows.Close())
		}
		r.next = 0
		each(&r)
	}
}

// number runs a kept statement that answers with one integer.
func (c *conn) number(sql string) (n int64, err error) {
	err = c.query(func(r *row) { n = r.int() }, sql)
	return n, err
}

func (c *conn) prepare(sql string) (stmt, error) {
	if s, ok := c.stmts[sql]; ok {
		return s, nil
	}
	s, err := c.raw.Prepare(sql)
	if err != nil {
		return nil, err
	}
	c.stmts[sql] = s.(stmt)
	return s.(stmt), nil
}

func (c *conn) bind(args []driver.Value) []driver.NamedValue {
	c.args = c.args[:0]
	for i, v := range args {
		c.args = append(c.args, driver.NamedValue{Ordinal: i + 1, Value: v})
	}
	return c.args
}

func (c *conn) close() error {
	var errs []error
	for _, s := range c.stmts {
		errs = append(errs, s.Close())
	}
	return errors.Join(append(errs, c.raw.Close())...)
}
