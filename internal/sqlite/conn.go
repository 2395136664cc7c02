package sqlite

import (
	"database/sql/driver"
	"errors"
	"fmt"
	"net/url"

	"modernc.org/libc"
	sqlite3 "modernc.org/sqlite/lib"
)

// conn is one connection with its statements, each prepared once. One goroutine uses it at a time.
//
// It speaks to the engine itself, and not through database/sql: a transaction here is owned by a group of callers, which that has no word
// for, and the driver spends as much on a short statement as the engine does. doc/decisions/0037-the-engine-without-its-driver.md.
type conn struct {
	tls   *libc.TLS
	db    uintptr
	stmts map[string]stmt // by their text
	lent  lent            // for what goes to the engine and comes back
	lax   bool            // commits do not wait for the disk
}

// stmt is a prepared statement.
type stmt struct {
	handle uintptr
	params int
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
		"wal_autocheckpoint = 4000",
		"trusted_schema = OFF",
		"temp_store = MEMORY",
	}, pragmas...))
}

func dial(name string, pragmas []string) (*conn, error) {
	c, err := openEngine(name)
	if err != nil {
		return nil, err
	}
	for _, p := range pragmas {
		if err := c.script("PRAGMA " + p); err != nil {
			return nil, errors.Join(fmt.Errorf("set %s: %w", p, err), c.close())
		}
	}
	return c, nil
}

// script runs statements that are not worth keeping prepared.
func (c *conn) script(sql string) error {
	if err := c.lent.fit(len(sql) + 1); err != nil {
		return err
	}
	return c.failure(sqlite3.Xsqlite3_exec(c.tls, c.db, lend(&c.lent, sql+"\x00"), 0, 0, 0))
}

// end runs a kept statement that has neither arguments nor an answer: what begins or ends a transaction or a part of one.
func (c *conn) end(sql string) error {
	_, err := c.exec(sql)
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
	err := c.query(func(*row) {}, sql, args...)
	return int64(sqlite3.Xsqlite3_changes(c.tls, c.db)), err
}

// query runs a kept statement and calls each for every row. each must not use the connection.
func (c *conn) query(each func(*row), sql string, args ...driver.Value) error {
	s, err := c.prepare(sql)
	if err == nil {
		err = c.bind(s, args)
	}
	if err != nil {
		return err
	}
	r := row{tls: c.tls, stmt: s.handle}
	rc := sqlite3.Xsqlite3_step(c.tls, s.handle)
	for ; rc == sqlite3.SQLITE_ROW; rc = sqlite3.Xsqlite3_step(c.tls, s.handle) {
		r.next = 0
		each(&r)
	}
	if rc != sqlite3.SQLITE_DONE {
		err = c.failure(rc)
	}
	sqlite3.Xsqlite3_reset(c.tls, s.handle) // says again what the last step said
	return err
}

// number runs a kept statement that answers with one integer.
func (c *conn) number(sql string) (n int64, err error) {
	err = c.query(func(r *row) { n = r.int() }, sql)
	return n, err
}

func (c *conn) close() error {
	for _, s := range c.stmts {
		sqlite3.Xsqlite3_finalize(c.tls, s.handle) // says again what the last step said
	}
	err := c.failure(sqlite3.Xsqlite3_close(c.tls, c.db))
	c.lent.free()
	c.tls.Close()
	return err
}
