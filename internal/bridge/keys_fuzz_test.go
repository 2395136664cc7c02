package bridge_test

import (
	"bytes"
	"strings"
	"testing"

	"agentbridge/internal/bridge"
)

// FuzzParseKeyRing holds a key file's reading to its writing, and its complaints to say nothing of the keys.
func FuzzParseKeyRing(f *testing.F) {
	ring, err := bridge.NewKeyRing().MarshalText()
	if err != nil {
		f.Fatal(err)
	}
	f.Add(ring)
	f.Add(bytes.Repeat(ring, 2))
	f.Add(append(bytes.TrimSpace(ring), " 2026-11-22T10:00:00Z"...))
	f.Add([]byte("k1 " + strings.Repeat("A", 43) + "=\n"))
	f.Add([]byte(""))
	f.Fuzz(func(t *testing.T, text []byte) {
		ring, err := bridge.ParseKeyRing(text)
		if err != nil {
			for word := range bytes.FieldsSeq(text) {
				if len(word) >= 12 && strings.Contains(err.Error(), string(word)) {
					t.Errorf("%q is complained of with %q", text, err)
				}
			}
			return
		}
		once, err := ring.MarshalText()
		if err != nil {
			t.Fatal(err)
		}
		again, err := bridge.ParseKeyRing(once)
		if err != nil {
			t.Fatalf("%q is written as %q and not read again: %v", text, once, err)
		}
		if twice, _ := again.MarshalText(); !bytes.Equal(once, twice) {
			t.Errorf("%q is written as %q and then as %q", text, once, twice)
		}
	})
}
