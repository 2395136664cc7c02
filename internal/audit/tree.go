package audit

import (
	"crypto/sha256"
	"math/bits"

	"golang.org/x/mod/sumdb/tlog"
)

// tree reads a log from its beginning: a [Head] that changes in place, which costs no memory for each record, and tells of every
// complete subtree as soon as it is one.
type tree struct {
	Head
	made func(level int, n int64, hash tlog.Hash) // the n-th subtree of 2^level records; nil: nobody wants to know
	buf  []byte
}

// append adds a record, like [Head.Append].
func (t *tree) append(record []byte) {
	hash := t.leaf(record)
	if t.made != nil {
		t.made(0, t.Size, hash)
	}
	keep := len(t.edge) - bits.TrailingZeros64(^uint64(t.Size))
	for level := 1; len(t.edge) > keep; level++ {
		last := len(t.edge) - 1
		hash = tlog.NodeHash(t.edge[last], hash)
		t.edge = t.edge[:last]
		if t.made != nil {
			t.made(level, t.Size>>level, hash)
		}
	}
	t.edge = append(t.edge, hash)
	t.Size++
}

// leaf is tlog.RecordHash in memory that is used again.
func (t *tree) leaf(record []byte) tlog.Hash {
	t.buf = append(append(t.buf[:0], 0), record...) // RFC 6962, 2.1: a leaf is hashed behind a zero
	return sha256.Sum256(t.buf)
}
