package oracle_test

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/transparency-dev/tessera/api"
	"github.com/transparency-dev/tessera/api/layout"
	"github.com/transparency-dev/tessera/client"
	"github.com/transparency-dev/tessera/fsck"
	"golang.org/x/mod/sumdb/note"
	"golang.org/x/mod/sumdb/tlog"
)

// kept is fsck's view of a directory for somebody who has a checkpoint from elsewhere and trusts no other. Of a log that has
// grown since then, a tile that was partial may be there only with more in it.
type kept struct {
	client.FileFetcher
	checkpoint []byte
}

func (k kept) ReadCheckpoint(context.Context) ([]byte, error) { return k.checkpoint, nil }

func (k kept) ReadTile(ctx context.Context, level, index uint64, width uint8) ([]byte, error) {
	data, err := k.FileFetcher.ReadTile(ctx, level, index, width)
	if errors.Is(err, fs.ErrNotExist) && width > 0 {
		return k.wider(layout.TilePath(level, index, width), width)
	}
	return data, err
}

func (k kept) ReadEntryBundle(ctx context.Context, index uint64, width uint8) ([]byte, error) {
	data, err := k.FileFetcher.ReadEntryBundle(ctx, index, width)
	if errors.Is(err, fs.ErrNotExist) && width > 0 {
		return k.wider(layout.EntriesPath(index, width), width)
	}
	return data, err
}

// wider reads the partial tile beside the named one that has more in it.
func (k kept) wider(name string, width uint8) ([]byte, error) {
	dir := filepath.Join(k.Root, filepath.FromSlash(path.Dir(name)))
	files, err := os.ReadDir(dir)
	if err != nil {
		return nil, err
	}
	for _, f := range files {
		if w, err := strconv.Atoi(f.Name()); err == nil && w > int(width) {
			return os.ReadFile(filepath.Join(dir, f.Name()))
		}
	}
	return nil, fmt.Errorf("%s: %w, nor any with more in it", name, fs.ErrNotExist)
}

// accepts runs tessera's fsck over the tiles in dir, and says why it does not accept them as the log of the checkpoint. It
// takes a panic and silence for refusals, since fsck panics on a bundle with too few entries, and waits for ever once all of
// its workers have met a bad tile. (Its command exits 0 in every case, so the package is what counts.)
func accepts(t *testing.T, dir string, verifier note.Verifier, checkpoint []byte) error {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 2*time.Second)
	defer cancel()
	checker := fsck.New(verifier.Name(), verifier, kept{client.FileFetcher{Root: dir}, checkpoint}, leafHashes, fsck.Opts{N: 4})
	verdict := make(chan error, 1)
	go func() {
		defer func() {
			if p := recover(); p != nil {
				verdict <- fmt.Errorf("fsck panics: %v", p)
			}
		}()
		verdict <- checker.Check(ctx)
	}()
	select {
	case err := <-verdict:
		return err
	case <-ctx.Done():
		return fmt.Errorf("fsck does not end: %w", ctx.Err())
	}
}

// leafHashes are those of C2SP tlog-tiles: of each entry of a bundle, as RFC 6962 hashes a leaf.
func leafHashes(bundle []byte) ([][]byte, error) {
	var entries api.EntryBundle
	if err := entries.UnmarshalText(bundle); err != nil {
		return nil, err
	}
	var hashes [][]byte
	for _, e := range entries.Entries {
		h := tlog.RecordHash(e)
		hashes = append(hashes, h[:])
	}
	return hashes, nil
}

const grown = 700 // records: two full bundles, and one that is not

func TestFsck_AcceptsTheExport(t *testing.T) {
	for _, size := range []int{1, 2, 255, 256, 257, 512, grown} {
		l := newLog(t, records(size))
		if err := accepts(t, l.dir, l.verifier, l.checkpoint); err != nil {
			t.Errorf("fsck of %d records: %v", size, err)
		}
	}
}

// An older checkpoint, kept elsewhere, stands for the beginning of the same log.
func TestFsck_AcceptsAGrownLogByAnOlderCheckpoint(t *testing.T) {
	now := newLog(t, records(grown))
	for _, size := range []int{1, 200, 256, 500, 600, 699} {
		if err := accepts(t, now.dir, now.verifier, newLog(t, records(size)).checkpoint); err != nil {
			t.Errorf("fsck by the checkpoint at %d: %v", size, err)
		}
	}
}

// What somebody does to the exported files is seen by the checkpoint that lies beside them.
func TestFsck_RefusesChangedFiles(t *testing.T) {
	for _, tt := range []struct {
		name   string
		change func(entries [][]byte) [][]byte // of the bundle in the middle
	}{
		{"edit", func(e [][]byte) [][]byte { e[7][3] ^= 1; return e }},
		{"delete", func(e [][]byte) [][]byte { return slices.Delete(e, 7, 8) }},
		{"insert", func(e [][]byte) [][]byte { return slices.Insert(e, 7, []byte("not of the log")) }},
		{"swap", func(e [][]byte) [][]byte { e[7], e[8] = e[8], e[7]; return e }},
		{"truncate", func(e [][]byte) [][]byte { return e[:100] }},
	} {
		t.Run(tt.name, func(t *testing.T) {
			l := newLog(t, records(grown))
			name := filepath.Join(l.dir, "tile", "entries", "001")
			bundle, err := os.ReadFile(name)
			if err != nil {
				t.Fatal(err)
			}
			var entries api.EntryBundle
			if err := entries.UnmarshalText(bundle); err != nil {
				t.Fatal(err)
			}
			write(t, name, joined(tt.change(entries.Entries)))
			refuses(t, l.dir, l.verifier, l.checkpoint)
		})
	}
	for _, name := range []string{"tile/0/001", "tile/1/000.p/2", "tile/0/002.p/188"} {
		t.Run("tile "+name, func(t *testing.T) {
			l := newLog(t, records(grown))
			file := filepath.Join(l.dir, filepath.FromSlash(name))
			tile, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			tile[40%len(tile)] ^= 1
			write(t, file, tile)
			refuses(t, l.dir, l.verifier, l.checkpoint)
			if err := os.Remove(file); err != nil {
				t.Fatal(err)
			}
			refuses(t, l.dir, l.verifier, l.checkpoint)
		})
	}
	t.Run("checkpoint", func(t *testing.T) {
		l := newLog(t, records(grown))
		refuses(t, l.dir, l.verifier, bytes.Replace(l.checkpoint, []byte("\n700\n"), []byte("\n699\n"), 1))
	})
}

// Whoever has the key and the database can make another log with good checkpoints. One that was kept elsewhere shows it.
func TestFsck_RefusesAnotherHistoryByAKeptCheckpoint(t *testing.T) {
	known := newLog(t, records(grown))
	for _, tt := range []struct {
		name   string
		change func(records [][]byte) [][]byte
	}{
		{"edit", func(r [][]byte) [][]byte { r[300] = []byte("edited"); return r }},
		{"delete", func(r [][]byte) [][]byte { return slices.Delete(r, 300, 301) }},
		{"insert", func(r [][]byte) [][]byte { return slices.Insert(r, 300, []byte("inserted")) }},
		{"swap", func(r [][]byte) [][]byte { r[300], r[301] = r[301], r[300]; return r }},
		{"truncate", func(r [][]byte) [][]byte { return r[:grown-1] }},
		{"roll back", func(r [][]byte) [][]byte { return r[:300] }},
		{"fork", func(r [][]byte) [][]byte { return append(r[:300], other(800)...) }},
	} {
		t.Run(tt.name, func(t *testing.T) {
			forged := newLog(t, tt.change(records(grown)))
			if err := accepts(t, forged.dir, forged.verifier, forged.checkpoint); err != nil {
				t.Fatalf("the forger's own checkpoint: %v; want a log that is good in itself", err)
			}
			refuses(t, forged.dir, forged.verifier, known.checkpoint)
		})
	}
}

func refuses(t *testing.T, dir string, verifier note.Verifier, checkpoint []byte) {
	t.Helper()
	err := accepts(t, dir, verifier, checkpoint)
	if err == nil {
		t.Error("fsck accepts it")
		return
	}
	why, _, _ := strings.Cut(err.Error(), "\n")
	t.Log(why)
}

func records(n int) (all [][]byte) {
	for i := range n {
		all = append(all, fmt.Appendf(nil, `{"n":%d,"actor":"alpha","action":"send"}`, i))
	}
	return all
}

func other(n int) (all [][]byte) {
	for i := range n {
		all = append(all, fmt.Appendf(nil, `{"n":%d,"actor":"beta","action":"send"}`, i))
	}
	return all
}

// joined makes an entry bundle: each entry behind its length.
func joined(entries [][]byte) (bundle []byte) {
	for _, e := range entries {
		bundle = binary.BigEndian.AppendUint16(bundle, uint16(len(e)))
		bundle = append(bundle, e...)
	}
	return bundle
}

func write(t *testing.T, name string, data []byte) {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(name), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(name, data, 0o600); err != nil {
		t.Fatal(err)
	}
}
