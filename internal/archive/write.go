package archive

import (
	"bufio"
	"compress/gzip"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"hash"
	"io"
)

// Writer writes an archive: tables with their rows first, then files, then [Writer.Close].
type Writer struct {
	zip   *gzip.Writer
	out   *bufio.Writer
	hash  hash.Hash
	lines int64
	table Table
	tally *Tally // nil: between tables
	err   error
}

// end is the last line of an archive.
type end struct {
	Lines  int64  `json:"lines"`
	SHA256 string `json:"sha256"`
}

// File is a file that belongs to a store.
type File struct {
	Path string `json:"file"` // slash-separated, below the data directory
	Mode uint32 `json:"mode"`
	Data []byte `json:"data"`
}

// NewWriter begins an archive.
func NewWriter(w io.Writer, h Header) (*Writer, error) {
	zip := gzip.NewWriter(w)
	a := &Writer{zip: zip, out: bufio.NewWriterSize(zip, 1<<16), hash: sha256.New()}
	h.Format = Format
	return a, a.put(h)
}

// Table begins a table, and ends the one before it.
func (a *Writer) Table(t Table) error {
	if err := a.endTable(); err != nil {
		return err
	}
	a.table, a.tally = t, NewTally(t)
	return a.put(t)
}

// Row adds a row to the table that was begun: nil, int64, string and []byte.
func (a *Writer) Row(row []any) error {
	if a.tally == nil || len(row) != len(a.table.Columns) {
		return errors.New("a row of no table")
	}
	line, err := encode(row)
	if err == nil {
		err = a.tally.Add(row)
	}
	if err != nil {
		return err
	}
	return a.line(line)
}

// File adds a file.
func (a *Writer) File(f File) error {
	if err := a.endTable(); err != nil {
		return err
	}
	return a.put(f)
}

// Close ends the archive. Without it, it is none.
func (a *Writer) Close() error {
	if err := a.endTable(); err != nil {
		return err
	}
	last, err := json.Marshal(end{a.lines, hex.EncodeToString(a.hash.Sum(nil))})
	if err != nil {
		return err
	}
	return errors.Join(a.line(last), a.out.Flush(), a.zip.Close())
}

func (a *Writer) endTable() error {
	if a.tally == nil {
		return nil
	}
	sum := a.tally.Sum()
	a.tally = nil
	return a.put(sum)
}

func (a *Writer) put(v any) error {
	text, err := json.Marshal(v)
	if err != nil {
		return err
	}
	return a.line(text)
}

// line writes a line. What goes wrong stays wrong.
func (a *Writer) line(text []byte) error {
	if a.err != nil {
		return a.err
	}
	text = append(text, '\n')
	a.hash.Write(text)
	a.lines++
	_, a.err = a.out.Write(text)
	return a.err
}
