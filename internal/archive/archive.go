// Package archive is the form in which the rows of a store travel: into a backup, out of one, and from one engine to another.
//
// An archive is gzip over lines of JSON. The first is a [Header]; then come the tables, each a line {"table","columns"}, a line with an array
// for every row, and a line {"rows","digest"}; then files, each a line {"file","mode","data"}; and at the end {"lines","sha256"}, over all
// bytes before that line. A value is null, an integer, a string, or {"b":"base64"}. Nothing depends on an engine but the names.
package archive

import (
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"math/big"
	"slices"
	"strings"
	"unicode/utf8"
)

// Format names the form.
const Format = "agentbridge-archive/1"

// Header begins an archive.
type Header struct {
	Format  string `json:"format"`
	Version string `json:"version"`  // of the program that made it
	Engine  string `json:"engine"`   // whose rows they were
	Store   string `json:"store"`    // where it was, without a password
	MadeAt  string `json:"made_at"`  // RFC 3339
	Keys    bool   `json:"has_keys"` // files are there that let their reader be anybody here
}

// Table is a table of a store: its name and its columns.
type Table struct {
	Name    string   `json:"table"`
	Columns []string `json:"columns"`
}

// Same reports whether two tables hold the same, in whatever order their columns are.
func (t Table) Same(other Table) bool {
	a, b := slices.Sorted(slices.Values(t.Columns)), slices.Sorted(slices.Values(other.Columns))
	return t.Name == other.Name && slices.Equal(a, b)
}

// Sum is what a table holds: how many rows, and a digest that does not depend on the order of rows or columns.
type Sum struct {
	Rows   int64  `json:"rows"`
	Digest string `json:"digest"`
}

// Tally makes the [Sum] of a table.
type Tally struct {
	order []int // of the columns by name
	rows  int64
	total *big.Int
}

// NewTally begins with no row.
func NewTally(t Table) *Tally {
	y := &Tally{order: make([]int, len(t.Columns)), total: new(big.Int)}
	for i := range y.order {
		y.order[i] = i
	}
	slices.SortFunc(y.order, func(a, b int) int { return strings.Compare(t.Columns[a], t.Columns[b]) })
	return y
}

var modulus = new(big.Int).Lsh(big.NewInt(1), 256)

// Add adds a row.
func (y *Tally) Add(row []any) error {
	sorted := make([]any, len(row))
	for i, at := range y.order {
		sorted[i] = row[at]
	}
	line, err := encode(sorted)
	if err != nil {
		return err
	}
	sum := sha256.Sum256(line)
	y.rows++
	y.total.Mod(y.total.Add(y.total, new(big.Int).SetBytes(sum[:])), modulus)
	return nil
}

// Sum is of the rows so far.
func (y *Tally) Sum() Sum {
	return Sum{y.rows, hex.EncodeToString(y.total.FillBytes(make([]byte, 32)))}
}

// encode writes a row as a JSON array.
func encode(row []any) ([]byte, error) {
	values := make([]any, len(row))
	for i, v := range row {
		switch v := v.(type) {
		case nil, int64:
			values[i] = v
		case string:
			if !utf8.ValidString(v) {
				return nil, fmt.Errorf("column %d holds no text", i)
			}
			values[i] = v
		case []byte:
			values[i] = map[string]string{"b": base64.StdEncoding.EncodeToString(v)}
		default:
			return nil, fmt.Errorf("column %d is a %T", i, v)
		}
	}
	return json.Marshal(values)
}

// decode reads what encode wrote.
func decode(line []byte, columns int) ([]any, error) {
	var raw []json.RawMessage
	if err := json.Unmarshal(line, &raw); err != nil || len(raw) != columns {
		return nil, fmt.Errorf("a row of %d columns is needed", columns)
	}
	row := make([]any, len(raw))
	for i, text := range raw {
		var err error
		switch text[0] {
		case 'n':
		case '"':
			var s string
			err = json.Unmarshal(text, &s)
			row[i] = s
		case '{':
			var b struct {
				B *[]byte `json:"b"`
			}
			if err = json.Unmarshal(text, &b); err == nil && b.B == nil {
				err = fmt.Errorf("column %d holds nothing known", i)
			} else if err == nil {
				row[i] = append([]byte{}, *b.B...)
			}
		default:
			var n int64
			err = json.Unmarshal(text, &n)
			row[i] = n
		}
		if err != nil {
			return nil, err
		}
	}
	return row, nil
}
