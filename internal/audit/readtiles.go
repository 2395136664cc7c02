package audit

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"iter"
	"strings"

	"golang.org/x/mod/sumdb/tlog"
)

// errTile is of a file of an export that is not as it should be, rather than one that cannot be read.
var errTile = errors.New("the export is damaged")

// ReadTiles gives the records of a log of this size from a directory that [WriteTiles] wrote. Their paths are made from the size
// alone, whatever the directory holds. It checks no hash: [VerifyTiles] does.
func ReadTiles(fsys fs.FS, size int64) iter.Seq2[[]byte, error] {
	return func(yield func([]byte, error) bool) {
		for n := int64(0); n*tileWidth < size; n++ {
			width := int(min(size-n*tileWidth, tileWidth))
			path := tilePath(tileEntries, n, width)
			bundle, err := readPlain(fsys, path, width*(2+maxRecord))
			if err != nil {
				yield(nil, err)
				return
			}
			for i := range width {
				if len(bundle) < 2 || len(bundle)-2 < int(binary.BigEndian.Uint16(bundle)) {
					yield(nil, fmt.Errorf("%w: %s ends in entry %d", errTile, path, n*tileWidth+int64(i)))
					return
				}
				end := 2 + int(binary.BigEndian.Uint16(bundle))
				if !yield(bundle[2:end:end], nil) {
					return
				}
				bundle = bundle[end:]
			}
			if len(bundle) > 0 {
				yield(nil, fmt.Errorf("%w: %s has more than its %d entries", errTile, path, width))
				return
			}
		}
	}
}

// readPlain reads a file that is one, up to limit bytes, and refuses a longer one.
func readPlain(fsys fs.FS, path string, limit int) ([]byte, error) {
	info, err := fs.Lstat(fsys, path)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return nil, fmt.Errorf("%w: %s is missing", errTile, path)
	case err != nil:
		return nil, err
	case !info.Mode().IsRegular(): // a link could lead anywhere, and a pipe would wait for ever
		return nil, fmt.Errorf("%w: %s is not a plain file", errTile, path)
	}
	f, err := fsys.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	data, err := io.ReadAll(io.LimitReader(f, int64(limit)+1))
	if err == nil && len(data) > limit {
		err = fmt.Errorf("%w: %s is too long", errTile, path)
	}
	return data, err
}

// VerifyTiles checks a directory that [WriteTiles] wrote, or another program of C2SP tlog-tiles, with nothing but public keys, one
// of which must have signed its checkpoint: that the entries are entries of one log which hash to the checkpoint, that every tile of
// hashes is what the entries give, that no file is missing and none there that is no part of it, and that the log was what the marks
// say, which show a log that was signed anew. The report names the log. Its error is [ErrBroken] or of [OpenCheckpoint] where the
// directory is at fault, and any other is of the reading.
//
// What is read are plain files of names made from the checkpoint's size; a link anywhere below "tile" is a fault, and not followed.
// Files beside "checkpoint" and "tile" are not looked at.
func VerifyTiles(fsys fs.FS, keys []*Verifier, marks ...Mark) (Report, error) {
	note, err := readPlain(fsys, tileCheckpoint, maxNote)
	if errors.Is(err, errTile) {
		return Report{}, fmt.Errorf("verify tiles: %w: %w", ErrNotCheckpoint, err)
	}
	if err != nil {
		return Report{}, fmt.Errorf("verify tiles: %w", err)
	}
	cp, signed, err := open(note, keys)
	if err != nil {
		return Report{}, fmt.Errorf("verify tiles: %w", err)
	}
	v := verifier{Report: Report{Log: cp.logOf(signed)}, marks: newMarks(marks)}
	if v.Log == "" {
		return v.Report, fmt.Errorf("verify tiles: %w: its origin %q names no log of the key's", ErrNotCheckpoint, cp.Origin)
	}
	err = v.strangers(fsys, cp.Size)
	if err == nil {
		err = v.readTiles(fsys, cp.Size)
	}
	switch {
	case errors.Is(err, errTile): // of the rest nothing can be said
		v.find("%v", err)
		return v.Report, v.broken()
	case err != nil:
		return v.Report, fmt.Errorf("verify tiles of %s: %w", v.Log, err)
	}
	return v.verdict("checkpoint", cp.Size, cp.Root)
}

// readTiles reads the entries, and beside them the tiles that they should give.
func (v *verifier) readTiles(fsys fs.FS, size int64) error {
	t := newTiler(func(path string, data []byte) error { return v.compare(fsys, path, data) })
	return v.read(func(yield func([]byte, error) bool) {
		for record, err := range ReadTiles(fsys, size) {
			if err == nil {
				err = t.add(record)
			}
			if !yield(record, err) || err != nil {
				return
			}
		}
		if err := t.end(); err != nil {
			yield(nil, err)
		}
	})
}

// compare finds a tile that is not what the entries give. That of entries they came from.
func (v *verifier) compare(fsys fs.FS, path string, want []byte) error {
	if strings.HasPrefix(path, tileDir+"/"+tileEntries+"/") {
		return nil
	}
	got, err := readPlain(fsys, path, tileWidth*tlog.HashSize)
	switch {
	case errors.Is(err, errTile):
		v.find("%v", err)
	case err != nil:
		return err
	case !bytes.Equal(got, want):
		v.find("%s is not what the entries give", path)
	}
	return nil
}

// strangers finds links, and files that are no part of a log of this size.
func (v *verifier) strangers(fsys fs.FS, size int64) error {
	// Walking a directory begins by following a link to one.
	if info, err := fs.Lstat(fsys, tileDir); err == nil && !info.IsDir() {
		return fmt.Errorf("%w: %s is no directory", errTile, tileDir)
	}
	return fs.WalkDir(fsys, tileDir, func(path string, d fs.DirEntry, err error) error {
		switch {
		case errors.Is(err, fs.ErrNotExist) && path == tileDir:
			return nil // what is missing is found by reading it
		case err != nil:
			return err
		case !d.IsDir() && !d.Type().IsRegular():
			return fmt.Errorf("%w: %q is neither a file nor a directory", errTile, path)
		case !d.IsDir() && !tileWanted(path, size):
			v.find("%q is no part of a log of %d entries", path, size)
		}
		return nil
	})
}
