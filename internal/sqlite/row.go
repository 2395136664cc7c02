package sqlite

import (
	"database/sql/driver"
	"encoding/json"
	"slices"
	"strings"
	"time"

	"modernc.org/libc"
	sqlite3 "modernc.org/sqlite/lib"
)

// row reads the columns of a result from left to right.
type row struct {
	tls  *libc.TLS
	stmt uintptr
	next int32
}

// column gives the number of the next one.
func (r *row) column() int32 {
	r.next++
	return r.next - 1
}

func (r *row) text() string { return string(r.bytes()) }

func (r *row) int() int64 { return sqlite3.Xsqlite3_column_int64(r.tls, r.stmt, r.column()) }

func (r *row) bool() bool { return r.int() != 0 }

func (r *row) blob() []byte { return slices.Clone(r.bytes()) }

// bytes gives the engine's memory of a text or a blob, which is good until the next step.
func (r *row) bytes() []byte {
	n := r.column()
	at := sqlite3.Xsqlite3_column_blob(r.tls, r.stmt, n) // of a text its UTF-8
	return libc.GoBytes(at, int(sqlite3.Xsqlite3_column_bytes(r.tls, r.stmt, n)))
}

func (r *row) time() time.Time {
	n := r.column()
	if sqlite3.Xsqlite3_column_type(r.tls, r.stmt, n) == sqlite3.SQLITE_NULL {
		return time.Time{}
	}
	return time.UnixMicro(sqlite3.Xsqlite3_column_int64(r.tls, r.stmt, n)).UTC()
}

// value gives what is kept in a column, whatever it is.
func (r *row) value() driver.Value {
	switch sqlite3.Xsqlite3_column_type(r.tls, r.stmt, r.next) {
	case sqlite3.SQLITE_INTEGER:
		return r.int()
	case sqlite3.SQLITE_FLOAT:
		return sqlite3.Xsqlite3_column_double(r.tls, r.stmt, r.column())
	case sqlite3.SQLITE_TEXT:
		return r.text()
	case sqlite3.SQLITE_BLOB:
		return r.blob()
	}
	r.next++
	return nil
}

// micros is how a time is kept: NULL is the zero time.
func micros(t time.Time) driver.Value {
	if t.IsZero() {
		return nil
	}
	return t.UnixMicro()
}

func flag(b bool) driver.Value {
	if b {
		return int64(1)
	}
	return int64(0)
}

// blob keeps an absent value and an empty one alike: as empty.
func blob(b []byte) driver.Value {
	if b == nil {
		return []byte{}
	}
	return b
}

// atMost is a LIMIT: the seam's 0 is SQL's -1, no limit. In SQL it is "LIMIT +?", because SQLite plans anew whenever the value of a bare
// one changes, which takes 40 µs for [tx.Ready] and not 4.
func atMost(n int) driver.Value {
	if n <= 0 {
		return int64(-1)
	}
	return int64(n)
}

// list keeps texts as a JSON array, and none as NULL, which is how nearly every row has it.
func list[T ~string](texts []T) driver.Value {
	if len(texts) == 0 {
		return nil
	}
	array, _ := json.Marshal(texts) // strings always can be
	return string(array)
}

func scanList[T ~string](r *row) []T {
	texts := []T{}
	if array := r.text(); array != "" {
		_ = json.Unmarshal([]byte(array), &texts) // written by list
	}
	return texts
}

// qualified puts a table's name before each of its columns.
func qualified(table, columns string) string {
	return table + "." + strings.ReplaceAll(columns, ", ", ", "+table+".")
}
