package audit

import (
	"crypto/sha256"
	"encoding/binary"
	"fmt"
	"math/bits"
	"slices"

	"golang.org/x/mod/sumdb/tlog"
)

// Head is a log in brief: how many records it has, and hashes that commit to all of them in their order. The zero Head is that
// of an empty log. A Head is a value: Append leaves the one it was called on as it was.
type Head struct {
	Size int64 // how many records; only Append and UnmarshalBinary set it

	// edge holds the roots of the complete subtrees that make up the tree (RFC 6962, 2.1), largest and leftmost first: one for
	// each bit of Size. It is all of the tree that an append can need.
	edge []tlog.Hash
}

// Append returns the head of the log with one record more. It costs one hash for the record and, on average, one for the tree.
func (h Head) Append(record []byte) Head {
	hash := tlog.RecordHash(record)
	// Like a carry in binary counting: each trailing one bit of the size is a subtree as large as the one that hash is the root
	// of by then, and together they make one of twice that size.
	keep := len(h.edge) - bits.TrailingZeros64(^uint64(h.Size))
	for i := len(h.edge) - 1; i >= keep; i-- {
		hash = tlog.NodeHash(h.edge[i], hash)
	}
	edge := make([]tlog.Hash, keep+1) // not in place: the old head shares h.edge
	copy(edge, h.edge[:keep])
	edge[keep] = hash
	return Head{Size: h.Size + 1, edge: edge}
}

// clone is a head that can be changed in place.
func (h Head) clone() Head { return Head{Size: h.Size, edge: slices.Clone(h.edge)} }

// Root is the Merkle tree hash of the log (RFC 6962, 2.1), the same as [tlog.TreeHash] gives: equal roots of equal sizes mean
// equal logs. That of the empty log is the SHA-256 of nothing.
func (h Head) Root() tlog.Hash {
	if len(h.edge) == 0 {
		return sha256.Sum256(nil)
	}
	root := h.edge[len(h.edge)-1]
	for i := len(h.edge) - 2; i >= 0; i-- {
		root = tlog.NodeHash(h.edge[i], root)
	}
	return root
}

// A head in binary is the version, the size in 8 bytes, big-endian, and the edge.
const (
	headVersion = 1
	headPrefix  = 1 + 8
)

// MarshalBinary gives the head as a store keeps it: 9 bytes and 32 for each bit of the size, so 329 for 1,023 records and never
// more than 2,025. The error is always nil.
func (h Head) MarshalBinary() ([]byte, error) {
	data := make([]byte, 0, headPrefix+len(h.edge)*tlog.HashSize)
	data = append(data, headVersion)
	data = binary.BigEndian.AppendUint64(data, uint64(h.Size))
	for _, hash := range h.edge {
		data = append(data, hash[:]...)
	}
	return data, nil
}

// UnmarshalBinary reads what MarshalBinary wrote. It refuses anything else, no bytes at all included, and leaves h as it was
// then: a head that was lost must not look like that of an empty log.
func (h *Head) UnmarshalBinary(data []byte) error {
	if len(data) < headPrefix {
		return fmt.Errorf("read log head: %d bytes, want at least %d", len(data), headPrefix)
	}
	if data[0] != headVersion {
		return fmt.Errorf("read log head: version %d, and this program reads version %d", data[0], headVersion)
	}
	size := binary.BigEndian.Uint64(data[1:headPrefix])
	if int64(size) < 0 {
		return fmt.Errorf("read log head: size %d is out of range", size)
	}
	rest := data[headPrefix:]
	if want := bits.OnesCount64(size) * tlog.HashSize; len(rest) != want {
		return fmt.Errorf("read log head: %d bytes of hashes for %d records, want %d", len(rest), size, want)
	}
	edge := make([]tlog.Hash, len(rest)/tlog.HashSize)
	for i := range edge {
		copy(edge[i][:], rest[i*tlog.HashSize:])
	}
	*h = Head{Size: int64(size), edge: edge}
	return nil
}
