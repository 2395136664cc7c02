// Package audit is an append-only Merkle log of what happened: entries, heads, and their verification.
//
// There is one log per conversation and one for the deployment. A log is a sequence of records, each the encoding of an [Entry];
// its [Head] is what RFC 6962 calls the tree: a few hashes that commit to every record, kept beside the log so that appending
// reads nothing else. [Verify] reads a log again and says whether it is still the one its head was made from.
//
// What this proves has a limit: whoever can rewrite the records and the head together can make another consistent log. Only what
// was kept elsewhere shows that: a signed [Checkpoint], which [Verify] takes as a [Mark], or the head itself, from which a witness
// follows the log with [Head.Follow]. For people without this program's database there are a [Proof] of one entry and
// [WriteTiles], the whole log as files.
//
// The package is pure: it reads no clock, no database, and no file but those it is given.
package audit

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"fmt"
	"hash"
	"io"
	"time"
)

// Entry says who did what to what, and when. It holds no content: where content matters, a fact holds its [ContentHash].
type Entry struct {
	Log     string            // the log it is in: a conversation's id, or the deployment's log
	N       int64             // its position in that log, from 0
	At      time.Time         // kept as UTC to the microsecond; years 0 to 9999
	Actor   string            // a member's or agent's name, "person" or "bridge"
	Action  string            // one verb, such as "send"
	Subject string            // the id of what was changed
	Facts   map[string]string // a few short facts about the change; nil for none
}

// contentLabel keeps content hashes apart from whatever else the same key authenticates.
const contentLabel = "agentbridge audit content v1"

// minKey is the shortest key of a content hash, in bytes. Under a key that can be guessed, so can short contents.
const minKey = 16

// ContentHash is what an entry keeps in place of content: HMAC-SHA256 under the conversation's key, in hex. It tells whoever has
// the key and the content that it was this content, and others nothing. Parts are hashed with their lengths, so ("ab", "c") is
// not ("a", "bc"). It panics on a key of fewer than 16 bytes: a hash without a secret would give short contents away.
func ContentHash(key []byte, parts ...string) string {
	if len(key) < minKey {
		panic(fmt.Sprintf("audit: content key of %d bytes, want at least %d", len(key), minKey))
	}
	mac := hmac.New(sha256.New, key)
	writePart(mac, contentLabel)
	for _, part := range parts {
		writePart(mac, part)
	}
	return hex.EncodeToString(mac.Sum(nil))
}

func writePart(mac hash.Hash, part string) {
	var size [8]byte
	binary.BigEndian.PutUint64(size[:], uint64(len(part)))
	mac.Write(size[:])
	io.WriteString(mac, part)
}
