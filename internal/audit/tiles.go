package audit

import (
	"encoding/binary"
	"fmt"
	"iter"
	"strconv"
	"strings"

	"golang.org/x/mod/sumdb/tlog"
)

// An exported log is a directory as C2SP tlog-tiles lays it out, so that others' programs read it:
//
//	checkpoint                  the signed checkpoint (C2SP tlog-checkpoint), written last
//	tile/entries/<N>[.p/<W>]    records 256·N to 256·N+255, or W of them: each behind its length, 2 bytes, big-endian
//	tile/<L>/<N>[.p/<W>]        256 hashes of 32 bytes, or W: on level L, of the subtrees of 256^L records from 256·N on
//
// N is three digits a path element, all but the last behind an x: 1234067 is x001/x234/067. Only the last tile of a level may
// be partial; it is not there if it would be empty. A log of 70,000 records has tile/entries/000 to tile/entries/272 and
// tile/entries/273.p/112, the same on level 0, tile/1/000 and tile/1/001.p/17, and tile/2/000.p/1.
const (
	tileWidth      = 256 // hashes or records
	tileLevels     = 8   // levels of the tree from one level of tiles to the next
	tileCheckpoint = "checkpoint"
	tileDir        = "tile"
	tileEntries    = "entries"
)

// tilePath is the path of a tile of width hashes or records, on a level or of entries.
func tilePath(level string, n int64, width int) string {
	path := fmt.Sprintf("%03d", n%1000)
	for n >= 1000 {
		n /= 1000
		path = fmt.Sprintf("x%03d/%s", n%1000, path)
	}
	path = tileDir + "/" + level + "/" + path
	if width < tileWidth {
		path += ".p/" + strconv.Itoa(width)
	}
	return path
}

// tileWanted reports whether a log of this size has a file of this path.
func tileWanted(path string, size int64) bool {
	level, index, _ := strings.Cut(strings.TrimPrefix(path, tileDir+"/"), "/")
	l := 0
	if level != tileEntries {
		var err error
		if l, err = strconv.Atoi(level); err != nil || l < 0 || l >= 64/tileLevels || strconv.Itoa(l) != level {
			return false
		}
	}
	index, _, _ = strings.Cut(index, ".p/")
	n, err := strconv.ParseInt(strings.NewReplacer("x", "", "/", "").Replace(index), 10, 64)
	if err != nil || n < 0 {
		return false
	}
	hashes := size >> (l * tileLevels)
	if n > hashes/tileWidth {
		return false
	}
	width := min(hashes-n*tileWidth, tileWidth)
	// Numbers have many texts; a tile has one.
	return width > 0 && path == tilePath(level, n, int(width))
}

// tiler makes the tiles of a log while it is read. It holds one tile of each level and one bundle of entries.
type tiler struct {
	tree
	write  func(path string, data []byte) error
	levels []*tile // of hashes
	bundle tile
	err    error // of write; then nothing more is written
}

// tile is one that fills.
type tile struct {
	level string
	n     int64
	width int
	data  []byte
}

func newTiler(write func(path string, data []byte) error) *tiler {
	t := &tiler{write: write, bundle: tile{level: tileEntries}}
	t.made = func(level int, _ int64, hash tlog.Hash) {
		if level%tileLevels != 0 {
			return
		}
		if level /= tileLevels; level == len(t.levels) {
			t.levels = append(t.levels, &tile{level: strconv.Itoa(level)})
		}
		t.levels[level].data = append(t.levels[level].data, hash[:]...)
		t.filled(t.levels[level])
	}
	return t
}

// add takes the next record.
func (t *tiler) add(record []byte) error {
	if len(record) > maxRecord {
		return fmt.Errorf("entry %d has %d bytes, and a tile holds at most %d", t.Size, len(record), maxRecord)
	}
	t.bundle.data = binary.BigEndian.AppendUint16(t.bundle.data, uint16(len(record)))
	t.bundle.data = append(t.bundle.data, record...)
	t.filled(&t.bundle)
	t.append(record)
	return t.err
}

// filled notes that a tile has one more, and writes it when it is full.
func (t *tiler) filled(one *tile) {
	if one.width++; one.width == tileWidth {
		t.flush(one)
		one.n, one.width, one.data = one.n+1, 0, one.data[:0]
	}
}

func (t *tiler) flush(one *tile) {
	if t.err == nil {
		t.err = t.write(tilePath(one.level, one.n, one.width), one.data)
	}
}

// end writes the tiles that are not full.
func (t *tiler) end() error {
	for _, one := range append([]*tile{&t.bundle}, t.levels...) {
		if one.width > 0 {
			t.flush(one)
		}
	}
	return t.err
}

// WriteTiles writes a log as C2SP tlog-tiles: all tiles and bundles of entries, each once, then the file "checkpoint", which is what
// sign returns for the size and root of what was written. Sign is the place to compare them with the log's head; after its error,
// or any other, there is no checkpoint, so an export is whole or says nothing. Write must not keep the data; paths have slashes and
// are safe below any directory. Memory does not grow with the log.
func WriteTiles(write func(path string, data []byte) error, records iter.Seq2[[]byte, error], sign func(size int64, root tlog.Hash) ([]byte, error)) error {
	t := newTiler(write)
	for record, err := range records {
		if err != nil {
			return fmt.Errorf("read entry %d: %w", t.Size, err)
		}
		if err := t.add(record); err != nil {
			return fmt.Errorf("write tiles: %w", err)
		}
	}
	if err := t.end(); err != nil {
		return fmt.Errorf("write tiles: %w", err)
	}
	note, err := sign(t.Size, t.Root())
	if err != nil {
		return fmt.Errorf("write tiles: %w", err)
	}
	if err := write(tileCheckpoint, note); err != nil {
		return fmt.Errorf("write tiles: %w", err)
	}
	return nil
}
