package sqlite

import (
	"database/sql/driver"
	"encoding/binary"
	"errors"
	"fmt"

	"modernc.org/libc"
	sqlite3 "modernc.org/sqlite/lib"
)

// What follows is SQLite's C interface as far as it is used here, translated to Go: https://sqlite.org/c3ref/intro.html. An address is a
// uintptr into memory of the engine's own, which the collector neither moves nor frees.

// openEngine opens a connection of which nothing is set yet.
func openEngine(name string) (*conn, error) {
	// No mutex: it would be taken for every column, to keep out who never comes.
	const flags = sqlite3.SQLITE_OPEN_READWRITE | sqlite3.SQLITE_OPEN_CREATE | sqlite3.SQLITE_OPEN_URI | sqlite3.SQLITE_OPEN_NOMUTEX
	c := &conn{tls: libc.NewTLS(), stmts: map[string]stmt{}}
	c.lent.tls = c.tls
	if err := c.lent.fit(handleSize + len(name) + 1); err != nil {
		return nil, errors.Join(err, c.close())
	}
	at := c.lent.handle()
	rc := sqlite3.Xsqlite3_open_v2(c.tls, lend(&c.lent, name+"\x00"), at, flags, 0)
	c.db = c.lent.given() // after most failures, too: it is closed then, and knows why
	if err := c.failure(rc); err != nil {
		return nil, errors.Join(err, c.close())
	}
	sqlite3.Xsqlite3_extended_result_codes(c.tls, c.db, 1)
	return c, nil
}

// prepare gives the statement of that text, which is made once.
func (c *conn) prepare(sql string) (stmt, error) {
	if s, ok := c.stmts[sql]; ok {
		return s, nil
	}
	if err := c.lent.fit(handleSize + len(sql)); err != nil {
		return stmt{}, err
	}
	at := c.lent.handle()
	rc := sqlite3.Xsqlite3_prepare_v3(c.tls, c.db, lend(&c.lent, sql), int32(len(sql)), sqlite3.SQLITE_PREPARE_PERSISTENT, at, 0)
	if err := c.failure(rc); err != nil {
		return stmt{}, err
	}
	s := stmt{handle: c.lent.given()}
	s.params = int(sqlite3.Xsqlite3_bind_parameter_count(c.tls, s.handle))
	c.stmts[sql] = s
	return s, nil
}

// bind gives a statement its arguments, which stay good until the next statement is given its own.
func (c *conn) bind(s stmt, args []driver.Value) error {
	if len(args) != s.params {
		return fmt.Errorf("a statement of %d parameters was given %d", s.params, len(args))
	}
	size := 0
	for _, v := range args {
		switch v := v.(type) {
		case string:
			size += len(v)
		case []byte:
			size += len(v)
		}
	}
	if err := c.lent.fit(size); err != nil {
		return err
	}
	for i, v := range args {
		var rc int32
		switch n := int32(i + 1); v := v.(type) {
		case nil:
			rc = sqlite3.Xsqlite3_bind_null(c.tls, s.handle, n)
		case int64:
			rc = sqlite3.Xsqlite3_bind_int64(c.tls, s.handle, n, v)
		case string:
			rc = sqlite3.Xsqlite3_bind_text(c.tls, s.handle, n, lend(&c.lent, v), int32(len(v)), sqlite3.SQLITE_STATIC)
		case []byte:
			rc = sqlite3.Xsqlite3_bind_blob(c.tls, s.handle, n, lend(&c.lent, v), int32(len(v)), sqlite3.SQLITE_STATIC)
		default:
			return fmt.Errorf("an argument is a %T", v)
		}
		if err := c.failure(rc); err != nil {
			return err
		}
	}
	return nil
}

// lent is memory of the engine's that this program writes to. What is lent there is good until the next fit.
type lent struct {
	tls   *libc.TLS
	at    uintptr
	bytes []byte // the same memory
	used  int
}

// handleSize is what the engine writes a handle to: a pointer, of 8 bytes at most.
const handleSize = 8

// fit makes room for n bytes, and forgets what is there.
func (l *lent) fit(n int) error {
	l.used = 0
	if n < len(l.bytes) {
		return nil
	}
	l.free()
	size := max(2*n, 4096)
	if l.at = sqlite3.Xsqlite3_malloc64(l.tls, uint64(size)); l.at == 0 {
		return &engineError{sqlite3.SQLITE_NOMEM, "out of memory"}
	}
	l.bytes = libc.GoBytes(l.at, size)
	return nil
}

func (l *lent) free() {
	sqlite3.Xsqlite3_free(l.tls, l.at) // nothing where there is none
	l.at, l.bytes = 0, nil
}

// lend copies a text to lent memory and gives its address there.
func lend[T string | []byte](l *lent, text T) uintptr {
	at := l.at + uintptr(l.used)
	l.used += copy(l.bytes[l.used:], text)
	return at
}

// handle makes the place, first in lent memory, where the engine puts a handle; given is what it put there.
func (l *lent) handle() uintptr { return lend(l, make([]byte, handleSize)) }
func (l *lent) given() uintptr  { return uintptr(binary.NativeEndian.Uint64(l.bytes)) }

// engineError is what the engine says went wrong.
type engineError struct {
	code int32 // extended
	text string
}

func (e *engineError) Error() string { return e.text }

// failure is the error that a result code of the connection's last call stands for; nil for none.
func (c *conn) failure(rc int32) error {
	if rc == sqlite3.SQLITE_OK {
		return nil
	}
	text := libc.GoString(sqlite3.Xsqlite3_errstr(c.tls, rc))
	if c.db != 0 {
		if more := libc.GoString(sqlite3.Xsqlite3_errmsg(c.tls, c.db)); more != text {
			text += ": " + more
		}
	}
	return &engineError{rc, fmt.Sprintf("%s (%d)", text, rc)}
}
