package audit

import (
	"bytes"
	"encoding/base64"
	"errors"
	"fmt"
	"strconv"
	"strings"

	"golang.org/x/mod/sumdb/tlog"
)

// Proof shows a stranger, offline and without the log, that a record is in it: the record, its position, the hashes beside its way
// to the root, and the signed checkpoint that has the root.
type Proof struct {
	Record     []byte
	N          int64
	Hashes     []tlog.Hash // RFC 6962, 2.1.1: from the leaf's sibling upwards
	Checkpoint []byte      // of the log at the size of the proof, signed; [ProveInclusion] leaves it to its caller
}

// ErrProof is what [Proof.Verify] returns of a proof that proves nothing.
var ErrProof = errors.New("the proof does not hold")

const (
	proofHeader = "c2sp.org/tlog-proof@v1"
	maxHashes   = 64       // on the way to the root of any log
	maxNote     = 64 << 10 // bytes of a signed checkpoint, witnesses included
	maxRecord   = 1<<16 - 1
)

// Text is the proof as C2SP tlog-proof v1, with the record as its extra data:
//
//	c2sp.org/tlog-proof@v1
//	extra BASE64-OF-RECORD
//	index N
//	BASE64-OF-HASH            one line for each, from the leaf upwards
//
//	the signed checkpoint, as it is
func (p Proof) Text() []byte {
	var b bytes.Buffer
	fmt.Fprintf(&b, "%s\nextra %s\nindex %d\n", proofHeader, base64.StdEncoding.EncodeToString(p.Record), p.N)
	for _, hash := range p.Hashes {
		fmt.Fprintf(&b, "%s\n", hash)
	}
	b.WriteByte('\n')
	b.Write(p.Checkpoint)
	return b.Bytes()
}

// ParseProof reads what [Proof.Text] wrote and nothing else, so that one proof has one text. Whether it holds is for
// [Proof.Verify] to say.
func ParseProof(text []byte) (Proof, error) {
	bad := func(what string) (Proof, error) { return Proof{}, fmt.Errorf("parse proof: %s", what) }
	head, note, found := bytes.Cut(text, []byte("\n\n"))
	if !found {
		return bad("it has no checkpoint")
	}
	lines := strings.Split(string(head), "\n")
	if lines[0] != proofHeader {
		return bad("its first line is not " + proofHeader)
	}
	if len(lines) < 3 || len(lines)-3 > maxHashes || len(note) > maxNote {
		return bad("it is too short or too long")
	}
	p := Proof{Checkpoint: bytes.Clone(note)}
	extra, ok := strings.CutPrefix(lines[1], "extra ")
	if !ok || len(extra) > base64.StdEncoding.EncodedLen(maxRecord) {
		return bad("its second line holds no record")
	}
	var err error
	if p.Record, err = base64.StdEncoding.Strict().DecodeString(extra); err != nil {
		return bad("its second line holds no record")
	}
	index, _ := strings.CutPrefix(lines[2], "index ")
	if p.N, err = strconv.ParseInt(index, 10, 64); err != nil || p.N < 0 {
		return bad("its third line is not an index")
	}
	for _, line := range lines[3:] {
		hash, err := base64.StdEncoding.Strict().DecodeString(line)
		if err != nil || len(hash) != tlog.HashSize {
			return bad("it has a line that is not a hash")
		}
		p.Hashes = append(p.Hashes, tlog.Hash(hash))
	}
	// Base64 is read with carriage returns in it, numbers with a sign. Writing the proof again forgives nothing.
	if !bytes.Equal(p.Text(), text) {
		return bad("it is not written as such proofs are")
	}
	return p, nil
}

// Verify checks the proof with nothing but public keys, one of which must have signed its checkpoint, and gives the entry that it
// proves. The error is of [OpenCheckpoint] or [ErrProof].
func (p Proof) Verify(keys ...*Verifier) (Entry, error) {
	cp, signed, err := open(p.Checkpoint, keys)
	if err != nil {
		return Entry{}, err
	}
	e, err := ParseRecord(p.Record)
	if err != nil {
		return Entry{}, fmt.Errorf("verify proof: %w: %w", ErrProof, err)
	}
	if log := cp.logOf(signed); log == "" || log != e.Log || p.N != e.N {
		return Entry{}, fmt.Errorf("verify proof: %w: entry %d of log %q is not entry %d of %q", ErrProof, e.N, e.Log, p.N, cp.Origin)
	}
	if p.N >= cp.Size || len(p.Hashes) > maxHashes {
		return Entry{}, fmt.Errorf("verify proof: %w: entry %d is not in a log of %d", ErrProof, p.N, cp.Size)
	}
	if err := tlog.CheckRecord(p.Hashes, cp.Size, cp.Root, p.N, tlog.RecordHash(p.Record)); err != nil {
		return Entry{}, fmt.Errorf("verify proof: %w: the record does not hash to the checkpoint's root", ErrProof)
	}
	return e, nil
}
