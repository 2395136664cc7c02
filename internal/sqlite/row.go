package sqlite

import (
	"database/sql/driver"
	"encoding/json"
	"strings"
	"time"
)

// row reads the columns of a result from left to right.
type row struct {
	values []driver.Value
	next   int
}

func (r *row) value() driver.Value {
	r.next++
	return r.values[r.next-1]
}

func (r *row) text() string {
	s, _ := r.value().(string)
	return s
}

func (r *row) int() int64 {
	n, _ := r.value().(int64)
	return n
}

func (r *row) bool() bool { return r.int() != 0 }

func (r *row) blob() []byte {
	b, _ := r.value().([]byte)
	return b
}

func (r *row) time() time.Time {
	if n, ok := r.value().(int64); ok {
		return time.UnixMicro(n).UTC()
	}
	return time.Time{}
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
