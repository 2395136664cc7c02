package archive

import (
	"bytes"
	"errors"
	"fmt"
	"math"
	"slices"
	"strings"
	"testing"
)

var (
	people = Table{"people", []string{"name", "age", "key"}}
	rows   = [][]any{
		{"ada <&> \u2028 \"x\"", int64(36), []byte{0, 1, 255}},
		{"", int64(math.MaxInt64), []byte{}},
		{nil, int64(math.MinInt64), nil},
	}
	files = []File{{"bridge.key", 0o600, []byte("secret\n")}, {"agents/a.token", 0o600, nil}}
)

func archived(t testing.TB) []byte {
	t.Helper()
	var out bytes.Buffer
	w, err := NewWriter(&out, Header{Version: "test", Engine: "sqlite", Keys: true})
	if err != nil {
		t.Fatal(err)
	}
	for _, table := range []Table{people, {"empty", []string{"a"}}} {
		if err := w.Table(table); err != nil {
			t.Fatal(err)
		}
		for _, row := range rows {
			if table.Name == people.Name {
				err = errors.Join(err, w.Row(row))
			}
		}
	}
	for _, f := range files {
		err = errors.Join(err, w.File(f))
	}
	if err := errors.Join(err, w.Close()); err != nil {
		t.Fatal(err)
	}
	return out.Bytes()
}

func TestArchive_GivesBackWhatWasPutIn(t *testing.T) {
	var got [][]any
	var tables, paths []string
	h, err := Read(bytes.NewReader(archived(t)), Visitor{
		Table: func(t Table) error { tables = append(tables, t.Name); return nil },
		Row:   func(row []any) error { got = append(got, row); return nil },
		File:  func(f File) error { paths = append(paths, f.Path); return nil },
	})
	if err != nil || h.Version != "test" || !h.Keys {
		t.Fatalf("%+v, %v", h, err)
	}
	if !slices.Equal(tables, []string{"people", "empty"}) || !slices.Equal(paths, []string{"bridge.key", "agents/a.token"}) || len(got) != len(rows) {
		t.Fatalf("tables %v, files %v, %d rows", tables, paths, len(got))
	}
	for i, row := range rows {
		for j, want := range row {
			a, _ := want.([]byte)
			b, blob := got[i][j].([]byte)
			if a != nil && (!blob || !bytes.Equal(a, b)) || a == nil && !blob && got[i][j] != want {
				t.Errorf("row %d, column %d: %#v, want %#v", i, j, got[i][j], want)
			}
		}
	}
}

func TestArchive_WhatWasChangedOrIsNotWholeIsNone(t *testing.T) {
	whole := archived(t)
	same, err := held(whole)
	if err != nil {
		t.Fatal(err)
	}
	for n := range whole {
		if _, err := Read(bytes.NewReader(whole[:n]), Visitor{}); !errors.Is(err, ErrNone) {
			t.Fatalf("the first %d bytes: %v", n, err)
		}
		changed := bytes.Clone(whole)
		changed[n] ^= 0x20
		if held, err := held(changed); err == nil && held != same { // bits that mean nothing to gzip may be any
			t.Errorf("byte %d changed, and it is taken for %s", n, held)
		} else if err != nil && !errors.Is(err, ErrNone) {
			t.Errorf("byte %d changed: %v", n, err)
		}
	}
	if _, err := Read(bytes.NewReader(append(bytes.Clone(whole), whole...)), Visitor{}); !errors.Is(err, ErrNone) {
		t.Errorf("twice: %v", err)
	}
}

// held is all that an archive holds, as a text.
func held(text []byte) (string, error) {
	var b strings.Builder
	h, err := Read(bytes.NewReader(text), Visitor{
		Table: func(t Table) error { fmt.Fprintf(&b, "%q\n", t); return nil },
		Row:   func(row []any) error { fmt.Fprintf(&b, "%q\n", row); return nil },
		File:  func(f File) error { fmt.Fprintf(&b, "%q %o %q\n", f.Path, f.Mode, f.Data); return nil },
	})
	return fmt.Sprintf("%+v\n%s", h, b.String()), err
}

func TestArchive_TakesNoPathThatLeadsOut(t *testing.T) {
	for _, path := range []string{"", "/etc/passwd", "../x", "a/../../x", "a//b", "./a", "..", `a\b`, "c:x", "a\x00"} {
		var out bytes.Buffer
		w, err := NewWriter(&out, Header{})
		if err = errors.Join(err, w.File(File{Path: path}), w.Close()); err != nil {
			t.Fatal(err)
		}
		if _, err := Read(&out, Visitor{}); !errors.Is(err, ErrNone) {
			t.Errorf("%q is taken: %v", path, err)
		}
	}
}

func TestTally_HoldsWhateverTheOrder(t *testing.T) {
	a, b := NewTally(people), NewTally(Table{"people", []string{"key", "name", "age"}})
	for i := range rows {
		r := rows[len(rows)-1-i]
		if err := errors.Join(a.Add(rows[i]), b.Add([]any{r[2], r[0], r[1]})); err != nil {
			t.Fatal(err)
		}
	}
	if a.Sum() != b.Sum() {
		t.Errorf("%v and %v", a.Sum(), b.Sum())
	}
	a.Add(rows[0])
	if a.Sum() == b.Sum() {
		t.Error("a row more makes no difference")
	}
	if err := a.Add([]any{"\xff", nil, nil}); err == nil {
		t.Error("what is no text is taken")
	}
}

func FuzzRead(f *testing.F) {
	f.Add(archived(f))
	f.Add([]byte(strings.Repeat("x", 100)))
	f.Fuzz(func(t *testing.T, text []byte) {
		if _, err := Read(bytes.NewReader(text), Visitor{}); err != nil && !errors.Is(err, ErrNone) {
			t.Errorf("%v", err)
		}
	})
}
