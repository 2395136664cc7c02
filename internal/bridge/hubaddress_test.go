package bridge_test

import (
	"bytes"
	"crypto/sha256"
	"encoding/base64"
	"strings"
	"testing"
	"unicode"

	"agentbridge/internal/bridge"
)

// FuzzCodeHub: a code comes from a stranger, and what it says of its hub is shown and connected to.
func FuzzCodeHub(f *testing.F) {
	secret := bytes.Repeat([]byte{7}, 24)
	f.Add(secret)
	f.Add(append(secret[:24:24], "\x00https://hub.example"...))
	f.Add(append(append(append(secret[:24:24], 3), bytes.Repeat([]byte{9}, 32)...), "\x04betahttps://hub.example"...))
	f.Add(append(append(secret[:24:24], 2, 255), strings.Repeat("n", 400)...))
	f.Fuzz(func(t *testing.T, raw []byte) {
		sum := sha256.Sum256(raw)
		code := "abi1_" + base64.RawURLEncoding.EncodeToString(append(raw[:len(raw):len(raw)], sum[:4]...))
		at, name, ok := bridge.CodeHub(code)
		unseen := func(s string) bool {
			return strings.ContainsFunc(s, func(r rune) bool { return !unicode.IsPrint(r) || r == ' ' })
		}
		switch {
		case ok && (at.URL == "" || unseen(at.URL) || unseen(name) || at.Fingerprint != "" && len(at.Fingerprint) != len("sha256:")+64):
			t.Errorf("CodeHub = %q, %q", at, name)
		case !ok && at != (bridge.HubAddress{}):
			t.Errorf("what is no hub's code says %q", at)
		}
	})
}
