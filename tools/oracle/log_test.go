package oracle_test

import (
	"fmt"
	"iter"
	"os"
	"path/filepath"
	"testing"
	"time"

	"golang.org/x/mod/sumdb/tlog"

	"agentbridge/internal/audit"
)

// A log is what a bridge exported.
type log struct {
	dir        string
	key        *audit.Verifier
	checkpoint []byte // the one in dir
}

const logName = "conv_0123456789abcdef"

// export writes entries as the log of a bridge with this key.
func export(t *testing.T, signer *audit.Signer, entries []audit.Entry) log {
	t.Helper()
	l := log{dir: t.TempDir(), key: signer.Verifier()}
	put := func(name string, data []byte) error {
		write(t, filepath.Join(l.dir, filepath.FromSlash(name)), data)
		return nil
	}
	sign := func(size int64, root tlog.Hash) ([]byte, error) {
		return audit.Checkpoint{Origin: audit.Origin(signer.Name(), logName), Size: size, Root: root}.Sign(signer)
	}
	var records iter.Seq2[[]byte, error] = func(yield func([]byte, error) bool) {
		for n, e := range entries {
			e.N = int64(n)
			if !yield(e.Record(), nil) {
				return
			}
		}
	}
	if err := audit.WriteTiles(put, records, sign); err != nil {
		t.Fatal(err)
	}
	var err error
	if l.checkpoint, err = os.ReadFile(filepath.Join(l.dir, "checkpoint")); err != nil {
		t.Fatal(err)
	}
	return l
}

// newSigner makes a key. A forger has it, too: what is tested is what a checkpoint shows that was kept elsewhere.
func newSigner(t *testing.T) *audit.Signer {
	t.Helper()
	signer, err := audit.NewKey()
	if err != nil {
		t.Fatal(err)
	}
	return signer
}

// entries are n of them, all by actor.
func entries(n int, actor string) (all []audit.Entry) {
	for i := range n {
		all = append(all, audit.Entry{
			Log: logName, At: time.Date(2026, 11, 20, 9, 0, i, 0, time.UTC), Actor: actor, Action: "send",
			Subject: fmt.Sprintf("msg_%016x", i), Facts: map[string]string{"to": "gamma"},
		})
	}
	return all
}
