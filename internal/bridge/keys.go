package bridge

import (
	"bytes"
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"
	"fmt"
	"io"
	"slices"
	"strings"
	"time"
)

// KeyRing holds the keys that sign tokens, invites and receipts. It lives outside the database, so that a copy of the database
// lets nobody in. The current key signs; the others still verify, each until its end. A ring never changes: rotating makes another.
type KeyRing struct {
	keys  []ringKey // the current one first
	decoy []byte    // stands in for a key that the ring does not have, so that not having it takes as long
}

type ringKey struct {
	id     string
	secret []byte
	until  time.Time // what it signed is good until then; zero: the current key, which has no end
}

// keySize is the length of a key, in bytes.
const keySize = 32

// NewKeyRing makes a ring of one fresh key.
func NewKeyRing() *KeyRing {
	return &KeyRing{keys: []ringKey{newKey()}, decoy: randomBytes(keySize)}
}

func newKey() ringKey { return ringKey{id: newKeyID(), secret: randomBytes(keySize)} }

// ParseKeyRing reads what [KeyRing.MarshalText] wrote: a line a key, which is id, base64 and, of all but the current one, its end
// (RFC 3339). The current one is first. An older key without an end, as files had before keys could be rotated, has none.
func ParseKeyRing(text []byte) (*KeyRing, error) {
	ring := &KeyRing{decoy: randomBytes(keySize)}
	for n, line := range bytes.Split(bytes.TrimSpace(text), []byte("\n")) {
		key, ok := parseKey(string(bytes.TrimSpace(line)))
		_, double := ring.find(key.id)
		if !ok || double || n == 0 && !key.until.IsZero() {
			// The line is not shown: it may hold most of a key.
			return nil, Errorf(Invalid, "read key file: line %d is not a key", n+1).
				WithHint("restore the key file from its backup; without it no token of this store is valid")
		}
		ring.keys = append(ring.keys, key)
	}
	return ring, nil
}

func parseKey(line string) (k ringKey, ok bool) {
	id, rest, ok := strings.Cut(line, " ")
	encoded, until, ends := strings.Cut(rest, " ")
	secret, err := base64.StdEncoding.DecodeString(encoded)
	if !ok || err != nil || len(secret) != keySize || !validKeyID(id) {
		return k, false
	}
	k = ringKey{id: id, secret: secret}
	if ends {
		k.until, err = time.Parse(time.RFC3339, until)
	}
	return k, err == nil
}

// MarshalText gives the ring as a file keeps it. It is secret.
func (k *KeyRing) MarshalText() ([]byte, error) {
	var b bytes.Buffer
	for _, key := range k.keys {
		fmt.Fprintf(&b, "%s %s", key.id, base64.StdEncoding.EncodeToString(key.secret))
		if !key.until.IsZero() {
			fmt.Fprintf(&b, " %s", key.until.UTC().Format(time.RFC3339Nano))
		}
		b.WriteByte('\n')
	}
	return b.Bytes(), nil
}

// rotated is a ring with a new current key. What the others signed is good until then at the latest. Those whose end is over are dropped.
func (k *KeyRing) rotated(now, until time.Time) *KeyRing {
	next := &KeyRing{keys: []ringKey{newKey()}, decoy: k.decoy}
	for _, key := range k.keys {
		if !key.until.IsZero() && !now.Before(key.until) {
			continue
		}
		if key.until.IsZero() || until.Before(key.until) {
			key.until = until
		}
		next.keys = append(next.keys, key)
	}
	return next
}

// current is the id of the key that signs.
func (k *KeyRing) current() string { return k.keys[0].id }

// ids are those of all keys, the current one first.
func (k *KeyRing) ids() (list []string) {
	for _, key := range k.keys {
		list = append(list, key.id)
	}
	return list
}

func (k *KeyRing) find(id string) (ringKey, bool) {
	i := slices.IndexFunc(k.keys, func(key ringKey) bool { return key.id == id })
	if i < 0 {
		return ringKey{}, false
	}
	return k.keys[i], true
}

// lasts is until when what that key signed is good; forever for the current one. No key, no time: false.
func (k *KeyRing) lasts(id string) (until time.Time, forever, ok bool) {
	key, ok := k.find(id)
	return key.until, ok && key.until.IsZero(), ok
}

// holds reports whether what that key signed is good now.
func (k *KeyRing) holds(id string, now time.Time) bool {
	until, forever, ok := k.lasts(id)
	return ok && (forever || now.Before(until))
}

// tag is HMAC-SHA256 over label and parts, each with its length, under the key of that id. Where the ring has no such key, the tag
// is one that nobody can make, found with the same work, and ok is false.
func (k *KeyRing) tag(id, label string, parts ...string) (tag []byte, ok bool) {
	key, ok := k.find(id)
	if !ok {
		key.secret = k.decoy
	}
	mac := hmac.New(sha256.New, key.secret)
	var size [8]byte
	for _, part := range append([]string{label}, parts...) {
		binary.BigEndian.PutUint64(size[:], uint64(len(part)))
		mac.Write(size[:])
		io.WriteString(mac, part)
	}
	return mac.Sum(nil), ok
}

// sign is tag under the current key.
func (k *KeyRing) sign(label string, parts ...string) []byte {
	tag, _ := k.tag(k.current(), label, parts...)
	return tag
}

// matches reports in constant time whether tag is what [KeyRing.tag] gives under a key that the ring has.
func (k *KeyRing) matches(tag []byte, id, label string, parts ...string) bool {
	want, ok := k.tag(id, label, parts...)
	return hmac.Equal(tag, want) && ok
}

// keyIDAlphabet has no underscore: the key id stands between two of them in a token.
const keyIDAlphabet = "0123456789abcdefghijkmnpqrstuvwxyz"

func newKeyID() string {
	id := randomBytes(6)
	for i, b := range id {
		id[i] = keyIDAlphabet[int(b)%len(keyIDAlphabet)]
	}
	return string(id)
}

func validKeyID(id string) bool {
	return id != "" && len(id) <= 16 && strings.Trim(id, keyIDAlphabet) == ""
}

// randomBytes gives n bytes nobody can guess. [rand.Read] never fails.
func randomBytes(n int) []byte {
	b := make([]byte, n)
	rand.Read(b)
	return b
}
