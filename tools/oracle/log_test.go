package oracle_test

import (
	"encoding/base64"
	"fmt"
	"math/rand/v2"
	"path/filepath"
	"strings"
	"testing"

	"golang.org/x/mod/sumdb/note"
	"golang.org/x/mod/sumdb/tlog"
)

const origin = "bridge.example/audit"

// A log is an export in a directory, and the newest checkpoint.
type log struct {
	dir        string
	verifier   note.Verifier
	checkpoint []byte
}

// newLog writes records as C2SP tlog-tiles.
func newLog(t *testing.T, records [][]byte) log {
	t.Helper()
	l := log{dir: t.TempDir()}
	var hashes hashes
	for i, record := range records {
		more, err := tlog.StoredHashes(int64(i), record, hashes)
		if err != nil {
			t.Fatal(err)
		}
		hashes = append(hashes, more...)
	}
	size := int64(len(records))
	for _, tile := range tlog.NewTiles(8, 0, size) {
		data, err := tlog.ReadTileData(tile, hashes)
		if err != nil {
			t.Fatal(err)
		}
		l.write(t, strings.TrimPrefix(tile.Path(), "tile/8/"), data)
		if tile.L == 0 {
			first := tile.N << 8
			tile.L = -1
			l.write(t, strings.Replace(strings.TrimPrefix(tile.Path(), "tile/8/"), "data", "entries", 1), joined(records[first:first+int64(tile.W)]))
		}
	}
	root, err := tlog.TreeHash(size, hashes)
	if err != nil {
		t.Fatal(err)
	}
	text := fmt.Sprintf("%s\n%d\n%s\n", origin, size, base64.StdEncoding.EncodeToString(root[:]))
	signer, verifier := keys(t)
	l.verifier = verifier
	if l.checkpoint, err = note.Sign(&note.Note{Text: text}, signer); err != nil {
		t.Fatal(err)
	}
	return l
}

// keys are the same in every log of this program, as a forger with the key has them.
func keys(t *testing.T) (note.Signer, note.Verifier) {
	t.Helper()
	private, public, err := note.GenerateKey(rand.NewChaCha8([32]byte{}), origin)
	if err != nil {
		t.Fatal(err)
	}
	signer, err := note.NewSigner(private)
	if err != nil {
		t.Fatal(err)
	}
	verifier, err := note.NewVerifier(public)
	if err != nil {
		t.Fatal(err)
	}
	return signer, verifier
}

func (l log) write(t *testing.T, name string, data []byte) {
	t.Helper()
	write(t, filepath.Join(l.dir, "tile", filepath.FromSlash(name)), data)
}

// hashes are those of a log, by their stored index.
type hashes []tlog.Hash

func (h hashes) ReadHashes(indexes []int64) (found []tlog.Hash, err error) {
	for _, i := range indexes {
		found = append(found, h[i])
	}
	return found, nil
}
