package bridge

import (
	"bytes"
	"context"
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"strings"
)

// KeyRing holds the keys that sign tokens, invites and receipts. It lives outside the database, so that a copy of the database
// lets nobody in. The current key signs; the others still verify.
type KeyRing struct {
	current string
	keys    map[string][]byte // by key id
}

// keySize is the length of a key, in bytes.
const keySize = 32

// NewKeyRing makes a ring of one fresh key.
func NewKeyRing() *KeyRing {
	id := newKeyID()
	return &KeyRing{current: id, keys: map[string][]byte{id: randomBytes(keySize)}}
}

// ParseKeyRing reads what [KeyRing.MarshalText] wrote: a line a key, id and base64, the current one first.
func ParseKeyRing(text []byte) (*KeyRing, error) {
	ring := &KeyRing{keys: map[string][]byte{}}
	for n, line := range bytes.Split(bytes.TrimSpace(text), []byte("\n")) {
		id, encoded, ok := strings.Cut(string(bytes.TrimSpace(line)), " ")
		key, err := base64.StdEncoding.DecodeString(encoded)
		if !ok || err != nil || len(key) != keySize || !validKeyID(id) || ring.keys[id] != nil {
			// The line is not shown: it may hold most of a key.
			return nil, Errorf(Invalid, "read key file: line %d is not a key", n+1).
				WithHint("restore the key file from its backup; without it no token of this store is valid")
		}
		if ring.current == "" {
			ring.current = id
		}
		ring.keys[id] = key
	}
	return ring, nil
}

// MarshalText gives the ring as a file keeps it. It is secret.
func (k *KeyRing) MarshalText() ([]byte, error) {
	var b bytes.Buffer
	line := func(id string) { fmt.Fprintf(&b, "%s %s\n", id, base64.StdEncoding.EncodeToString(k.keys[id])) }
	line(k.current)
	for id := range k.keys {
		if id != k.current {
			line(id)
		}
	}
	return b.Bytes(), nil
}

// tag is HMAC-SHA256 over label and parts, each with its length, under the key of that id; nil if the ring has no such key.
func (k *KeyRing) tag(id, label string, parts ...string) []byte {
	key, ok := k.keys[id]
	if !ok {
		return nil
	}
	mac := hmac.New(sha256.New, key)
	var size [8]byte
	for _, part := range append([]string{label}, parts...) {
		binary.BigEndian.PutUint64(size[:], uint64(len(part)))
		mac.Write(size[:])
		io.WriteString(mac, part)
	}
	return mac.Sum(nil)
}

// matches reports in constant time whether tag is what [KeyRing.tag] gives.
func (k *KeyRing) matches(tag []byte, id, label string, parts ...string) bool {
	want := k.tag(id, label, parts...)
	return want != nil && hmac.Equal(tag, want)
}

// matchKeys refuses a ring that cannot verify what the store's tokens were signed with, and notes a new key in a new store.
func (s *Service) matchKeys(ctx context.Context) error {
	const label = "agentbridge key check v1"
	meta := "key/" + s.keys.current
	known := false
	err := s.store.View(ctx, func(tx Tx) error {
		check, err := tx.Meta(meta)
		if errors.Is(err, NotFound) {
			_, err = tx.Meta(metaHead)
			if err == nil {
				return Errorf(Invalid, "the key file does not belong to this store").
					WithHint("put back the key file that was made with this store; without it no token of this store is valid")
			}
			if errors.Is(err, NotFound) {
				return nil
			}
		}
		if err != nil {
			return err
		}
		if known = s.keys.matches(check, s.keys.current, label); !known {
			return Errorf(Invalid, "the key file holds another key under the id of this store's").
				WithHint("put back the key file that was made with this store")
		}
		return nil
	})
	if err != nil || known {
		return err
	}
	return s.store.Update(ctx, Deployment, func(tx Tx) error {
		if _, err := tx.Meta(meta); err == nil {
			return nil // another process was first; it had the same file
		}
		if err := tx.PutMeta(meta, s.keys.tag(s.keys.current, label)); err != nil {
			return err
		}
		return recordDeployment(tx, ProgramName, "key", s.keys.current, nil)
	})
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
