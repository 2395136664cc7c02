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

	"agentbridge/internal/audit"
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

// check has tessera's fsck look at the tiles of l as those of the log of the checkpoint. It takes a panic and silence for
// refusals, since fsck panics on a bundle with too few entries, and waits for ever once all of its workers have met a bad tile.
// (Its command exits 0 in every case, so the package is what counts.)
func check(t *testing.T, l log, checkpoint []byte) error {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	key, err := note.NewVerifier(l.key.String())
	if err != nil {
		t.Fatal(err)
	}
	tiles := kept{client.FileFetcher{Root: l.dir}, checkpoint}
	checker := fsck.New(audit.Origin(key.Name(), logName), key, tiles, leafHashes, fsck.Opts{N: 4})
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

// verify has our own verifier look at the same.
func verify(l log, checkpoint []byte) error {
	c, err := audit.OpenCheckpoint(checkpoint, l.key)
	if err != nil {
		return err
	}
	_, err = audit.VerifyTiles(os.DirFS(l.dir), []*audit.Verifier{l.key}, audit.Mark{Size: c.Size, Root: c.Root, From: "the test"})
	return err
}

func accepted(t *testing.T, l log, checkpoint []byte) {
	t.Helper()
	if err := check(t, l, checkpoint); err != nil {
		t.Errorf("fsck refuses it: %v", err)
	}
	if err := verify(l, checkpoint); err != nil {
		t.Errorf("our verifier refuses it: %v", err)
	}
}

func refused(t *testing.T, l log, checkpoint []byte) {
	t.Helper()
	if err := check(t, l, checkpoint); err == nil {
		t.Error("fsck accepts it")
	} else {
		why, _, _ := strings.Cut(err.Error(), "\n")
		t.Log("fsck:", why)
	}
	if err := verify(l, checkpoint); err == nil {
		t.Error("our verifier accepts it")
	} else {
		t.Log("ours:", err)
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

const grown = 700 // entries: two full bundles, and one that is not

func TestExport_IsAccepted(t *testing.T) {
	for _, size := range []int{1, 2, 255, 256, 257, 512, grown, 1 << 16, 70_000} {
		t.Run(fmt.Sprint(size), func(t *testing.T) {
			l := export(t, newSigner(t), entries(size, "alpha"))
			accepted(t, l, l.checkpoint)
		})
	}
}

// An older checkpoint, kept elsewhere, stands for the beginning of the same log.
func TestExport_OfAGrownLogIsAcceptedByAnOlderCheckpoint(t *testing.T) {
	signer := newSigner(t)
	now := export(t, signer, entries(grown, "alpha"))
	for _, size := range []int{1, 200, 256, 500, 600, grown - 1} {
		t.Run(fmt.Sprint(size), func(t *testing.T) {
			accepted(t, now, export(t, signer, entries(size, "alpha")).checkpoint)
		})
	}
}

// What somebody does to the exported files is seen by the checkpoint that lies beside them.
func TestExport_WithChangedFilesIsRefused(t *testing.T) {
	bundles := []struct {
		name   string
		change func(bundle [][]byte) [][]byte // the one in the middle
	}{
		{"edit", func(b [][]byte) [][]byte { b[7] = bytes.Replace(b[7], []byte("alpha"), []byte("gamma"), 1); return b }},
		{"delete", func(b [][]byte) [][]byte { return slices.Delete(b, 7, 8) }},
		{"insert", func(b [][]byte) [][]byte { return slices.Insert(b, 7, b[7]) }},
		{"swap", func(b [][]byte) [][]byte { b[7], b[8] = b[8], b[7]; return b }},
		{"truncate", func(b [][]byte) [][]byte { return b[:100] }},
	}
	for _, tt := range bundles {
		t.Run(tt.name, func(t *testing.T) {
			l := export(t, newSigner(t), entries(grown, "alpha"))
			name := filepath.Join(l.dir, "tile", "entries", "001")
			var bundle api.EntryBundle
			if err := bundle.UnmarshalText(read(t, name)); err != nil {
				t.Fatal(err)
			}
			write(t, name, joined(tt.change(bundle.Entries)))
			refused(t, l, l.checkpoint)
		})
	}
	for _, name := range []string{"tile/entries/000", "tile/entries/002.p/188", "tile/0/001", "tile/0/002.p/188", "tile/1/000.p/2"} {
		t.Run(name, func(t *testing.T) {
			l := export(t, newSigner(t), entries(grown, "alpha"))
			file := filepath.Join(l.dir, filepath.FromSlash(name))
			tile := read(t, file)
			tile[40] ^= 1
			write(t, file, tile)
			refused(t, l, l.checkpoint)
			if err := os.Remove(file); err != nil {
				t.Fatal(err)
			}
			refused(t, l, l.checkpoint)
		})
	}
	t.Run("checkpoint", func(t *testing.T) {
		l := export(t, newSigner(t), entries(grown, "alpha"))
		forged := bytes.Replace(l.checkpoint, []byte("\n700\n"), []byte("\n699\n"), 1)
		write(t, filepath.Join(l.dir, "checkpoint"), forged)
		refused(t, l, forged)
	})
	t.Run("another key", func(t *testing.T) {
		l, other := export(t, newSigner(t), entries(grown, "alpha")), newSigner(t)
		l.key = other.Verifier()
		refused(t, l, l.checkpoint)
	})
}

// Whoever has the key and the database can make another log with good checkpoints. One that was kept elsewhere shows it.
func TestExport_OfAnotherHistoryIsRefusedByAKeptCheckpoint(t *testing.T) {
	signer := newSigner(t)
	known := export(t, signer, entries(grown, "alpha"))
	beta := entries(800, "beta")
	for _, tt := range []struct {
		name   string
		change func(e []audit.Entry) []audit.Entry
	}{
		{"edit", func(e []audit.Entry) []audit.Entry { e[300] = beta[300]; return e }},
		{"delete", func(e []audit.Entry) []audit.Entry { return slices.Delete(e, 300, 301) }},
		{"delete and go on", func(e []audit.Entry) []audit.Entry { return append(slices.Delete(e, 300, 301), beta[:5]...) }},
		{"insert", func(e []audit.Entry) []audit.Entry { return slices.Insert(e, 300, beta[300]) }},
		{"swap", func(e []audit.Entry) []audit.Entry { e[300], e[301] = e[301], e[300]; return e }},
		{"truncate", func(e []audit.Entry) []audit.Entry { return e[:grown-1] }},
		{"roll back", func(e []audit.Entry) []audit.Entry { return e[:300] }},
		{"fork", func(e []audit.Entry) []audit.Entry { return append(e[:300], beta...) }},
	} {
		t.Run(tt.name, func(t *testing.T) {
			forged := export(t, signer, tt.change(entries(grown, "alpha")))
			accepted(t, forged, forged.checkpoint) // it is good in itself
			refused(t, forged, known.checkpoint)
		})
	}
}

// joined makes an entry bundle: each entry behind its length.
func joined(entries [][]byte) (bundle []byte) {
	for _, e := range entries {
		bundle = binary.BigEndian.AppendUint16(bundle, uint16(len(e)))
		bundle = append(bundle, e...)
	}
	return bundle
}

func read(t *testing.T, name string) []byte {
	t.Helper()
	data, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	return data
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
