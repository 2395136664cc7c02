package postgres

import (
	stdbinary "encoding/binary"
	"encoding/json"
	"strings"
	"time"
)

// row reads the columns of a result from left to right. Columns are text, bigint or bytea, in the protocol's binary form.
type row struct {
	values [][]byte
	next   int
}

func (r *row) value() []byte {
	r.next++
	return r.values[r.next-1]
}

func (r *row) text() string { return string(r.value()) }

func (r *row) int() int64 { return number(r.value()) }

func number(b []byte) int64 {
	if len(b) != 8 {
		return 0
	}
	return int64(stdbinary.BigEndian.Uint64(b))
}

func (r *row) bool() bool { return r.int() != 0 }

func (r *row) blob() []byte { return append([]byte{}, r.value()...) }

func (r *row) time() time.Time {
	if b := r.value(); b != nil {
		return time.UnixMicro(number(b)).UTC()
	}
	return time.Time{}
}

// encode puts arguments into the protocol's binary form.
func encode(args []any) [][]byte {
	if len(args) == 0 {
		return nil
	}
	values := make([][]byte, len(args))
	for i, arg := range args {
		switch v := arg.(type) {
		case nil:
		case string:
			values[i] = []byte(v)
		case int64:
			values[i] = stdbinary.BigEndian.AppendUint64(nil, uint64(v))
		case []byte:
			values[i] = v
		default:
			panic("postgres: an argument of a type that no column has")
		}
	}
	return values
}

// micros is how a time is kept: NULL is the zero time.
func micros(t time.Time) any {
	if t.IsZero() {
		return nil
	}
	return t.UnixMicro()
}

func flag(b bool) any {
	if b {
		return int64(1)
	}
	return int64(0)
}

// blob keeps an absent value and an empty one alike: as empty.
func blob(b []byte) any {
	if b == nil {
		return []byte{}
	}
	return b
}

// atMost is a LIMIT: the seam's 0 is SQL's NULL, no limit.
func atMost(n int) any {
	if n <= 0 {
		return nil
	}
	return int64(n)
}

// list keeps texts as a JSON array, and none as NULL, which is how nearly every row has it.
func list[T ~string](texts []T) any {
	if len(texts) == 0 {
		return nil
	}
	return array(texts)
}

func array[T ~string](texts []T) string {
	if len(texts) == 0 {
		return "[]"
	}
	raw, _ := json.Marshal(texts) // strings always can be
	return string(raw)
}

func scanList[T ~string](r *row) []T {
	texts := []T{}
	if raw := r.text(); raw != "" {
		_ = json.Unmarshal([]byte(raw), &texts) // written by list
	}
	return texts
}

// qualified puts a table's name before each of its columns.
func qualified(table, columns string) string {
	return table + "." + strings.ReplaceAll(columns, ", ", ", "+table+".")
}
