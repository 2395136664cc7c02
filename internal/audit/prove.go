package audit

import (
	"fmt"
	"iter"

	"golang.org/x/mod/sumdb/tlog"
)

// ProveInclusion reads the first size records of a log and proves that record n is among them. It gives the root they hash to, too,
// which the caller compares with the log's before it signs a checkpoint for the proof. Memory does not grow with the log.
func ProveInclusion(n, size int64, records iter.Seq2[[]byte, error]) (Proof, tlog.Hash, error) {
	p := Proof{N: n}
	if n < 0 || n >= size || size > maxSize {
		return p, tlog.Hash{}, fmt.Errorf("prove entry %d: a log of %d entries has none such", n, size)
	}
	hashes, root, err := prove(size, records, func(r tlog.HashReader) ([]tlog.Hash, error) { return tlog.ProveRecord(size, n, r) }, func(i int64, record []byte) {
		if i == n {
			p.Record = append([]byte(nil), record...)
		}
	})
	if err != nil {
		return p, root, fmt.Errorf("prove entry %d: %w", n, err)
	}
	p.Hashes = hashes
	return p, root, nil
}

// ProveConsistency reads the first to records of a log and proves that its first from records were all of it once: RFC 6962, 2.1.2.
// It gives the root of the larger log, too. Whoever has both roots checks it with [tlog.CheckTree] and needs no records.
func ProveConsistency(from, to int64, records iter.Seq2[[]byte, error]) (tlog.TreeProof, tlog.Hash, error) {
	if from < 1 || from > to || to > maxSize {
		return nil, tlog.Hash{}, fmt.Errorf("prove that %d entries continue %d: there is no such proof", to, from)
	}
	hashes, root, err := prove(to, records, func(r tlog.HashReader) ([]tlog.Hash, error) { return tlog.ProveTree(to, from, r) }, nil)
	if err != nil {
		return nil, root, fmt.Errorf("prove that %d entries continue %d: %w", to, from, err)
	}
	return hashes, root, nil
}

// node is a complete subtree: the n-th of those with 2^level records.
type node struct {
	level int
	n     int64
}

// prove asks which hashes a proof is made of, gathers them in one pass over the records, and makes it.
func prove(size int64, records iter.Seq2[[]byte, error], proof func(tlog.HashReader) ([]tlog.Hash, error), see func(int64, []byte)) (_ []tlog.Hash, root tlog.Hash, err error) {
	hashes := map[node]tlog.Hash{}
	read := tlog.HashReaderFunc(func(indexes []int64) ([]tlog.Hash, error) {
		list := make([]tlog.Hash, len(indexes))
		for i, index := range indexes {
			level, n := tlog.SplitStoredHashIndex(index)
			list[i] = hashes[node{level, n}]
			hashes[node{level, n}] = list[i] // wanted
		}
		return list, nil
	})
	// Once with zeros, since what tlog asks for does not depend on what it gets.
	if _, err := proof(read); err != nil {
		return nil, root, err
	}
	t := tree{made: func(level int, n int64, hash tlog.Hash) {
		if _, wanted := hashes[node{level, n}]; wanted {
			hashes[node{level, n}] = hash
		}
	}}
	for record, err := range records {
		if err != nil {
			return nil, root, fmt.Errorf("read entry %d: %w", t.Size, err)
		}
		if see != nil {
			see(t.Size, record)
		}
		if t.append(record); t.Size == size {
			break
		}
	}
	if t.Size < size {
		return nil, root, fmt.Errorf("the log ends after %d entries, want %d: %w", t.Size, size, ErrBroken)
	}
	list, err := proof(read)
	return list, t.Root(), err
}
