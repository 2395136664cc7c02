package archive

import (
	"bufio"
	"bytes"
	"compress/gzip"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"path"
	"strings"
)

// ErrNone says that something is no archive, or not the whole of one, or that it was changed.
var ErrNone = errors.New("it is no whole archive")

// Visitor is told what an archive holds, in its order. Each function may be nil.
type Visitor struct {
	Table func(Table) error
	Row   func(row []any) error
	File  func(File) error
}

const maxLine = 64 << 20

// Read reads an archive to its end and checks it: its checksum, the sums of its tables, that nothing follows. What a visitor was told is
// good only if Read gives no error; an error that is none of the visitor's is [ErrNone].
func Read(r io.Reader, v Visitor) (h Header, err error) {
	zip, err := gzip.NewReader(r)
	if err != nil {
		return h, none("%v", err)
	}
	a := reader{in: bufio.NewReaderSize(zip, 1<<16), visitor: v, seen: map[string]bool{}}
	if err := a.read(&h); err != nil {
		return h, err
	}
	if n, err := io.Copy(io.Discard, a.in); err != nil || n > 0 {
		return h, none("something follows its end (%d bytes, %v)", n, err)
	}
	return h, nil
}

func none(format string, args ...any) error {
	return fmt.Errorf("%w: %s", ErrNone, fmt.Sprintf(format, args...))
}

type reader struct {
	in      *bufio.Reader
	visitor Visitor
	seen    map[string]bool // tables and files
	table   Table
	tally   *Tally
}

func (a *reader) read(h *Header) error {
	hash := sha256.New()
	for lines := int64(0); ; lines++ {
		line, err := a.line()
		if err != nil {
			return none("it ends early (%v)", err)
		}
		switch {
		case lines == 0:
			if err := strict(line, h); err != nil || h.Format != Format {
				return none("it does not begin as one")
			}
		case bytes.HasPrefix(line, []byte(`{"lines":`)):
			var last end
			if err := strict(line, &last); err != nil || a.tally != nil || last.Lines != lines || last.SHA256 != hex.EncodeToString(hash.Sum(nil)) {
				return none("its checksum is another")
			}
			return nil
		default:
			if err := a.take(line); err != nil {
				return err
			}
		}
		hash.Write(line)
	}
}

// take takes a line in the middle.
func (a *reader) take(line []byte) error {
	switch {
	case a.tally != nil && line[0] == '[':
		row, err := decode(line, len(a.table.Columns))
		if err != nil {
			return none("a row of %s: %v", a.table.Name, err)
		}
		if err := a.tally.Add(row); err != nil {
			return none("a row of %s: %v", a.table.Name, err)
		}
		if a.visitor.Row != nil {
			return a.visitor.Row(row)
		}
	case a.tally != nil:
		var sum Sum
		if err := strict(line, &sum); err != nil || sum != a.tally.Sum() {
			return none("the rows of %s are not what they were", a.table.Name)
		}
		a.tally = nil
	case bytes.HasPrefix(line, []byte(`{"table":`)):
		var t Table
		if err := strict(line, &t); err != nil || a.seen["table "+t.Name] {
			return none("a table cannot be read")
		}
		a.seen["table "+t.Name] = true
		a.table, a.tally = t, NewTally(t)
		if a.visitor.Table != nil {
			return a.visitor.Table(t)
		}
	default:
		var f File
		if err := strict(line, &f); err != nil || !local(f.Path) || a.seen["file "+f.Path] {
			return none("a file cannot be read")
		}
		a.seen["file "+f.Path] = true
		if a.visitor.File != nil {
			return a.visitor.File(f)
		}
	}
	return nil
}

// line reads a line with its end.
func (a *reader) line() (line []byte, err error) {
	for {
		part, err := a.in.ReadSlice('\n')
		line = append(line, part...)
		if err == nil {
			if len(line) < 2 {
				return nil, errors.New("an empty line")
			}
			return line, nil
		}
		if !errors.Is(err, bufio.ErrBufferFull) {
			return nil, err
		}
		if len(line) > maxLine {
			return nil, errors.New("a line is too long")
		}
	}
}

// strict decodes a line that holds nothing else.
func strict(line []byte, v any) error {
	d := json.NewDecoder(bytes.NewReader(line))
	d.DisallowUnknownFields()
	return d.Decode(v)
}

// local reports whether a path is below the data directory, in its shortest form.
func local(name string) bool {
	return name != "" && name == path.Clean(name) && !path.IsAbs(name) && name != ".." && !strings.HasPrefix(name, "../") && !strings.ContainsAny(name, "\\:\x00")
}
