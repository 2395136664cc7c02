package sandbox

import (
	"bytes"
	"testing"

	"pgregory.net/rapid"
)

// However it is written, the beginning and the end are kept and all is counted.
func TestCapture_KeepsBothEnds(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		limit := rapid.IntRange(0, 50).Draw(t, "limit")
		c := newCapture(limit)
		var all []byte
		for _, part := range rapid.SliceOf(rapid.SliceOfN(rapid.Byte(), 0, 60)).Draw(t, "writes") {
			if n, err := c.Write(part); n != len(part) || err != nil {
				t.Fatalf("Write = %d, %v", n, err)
			}
			all = append(all, part...)
		}
		var r Result
		c.into(&r)
		want := all
		if over := len(all) - limit; over > 0 {
			cut := limit - limit/4
			want = append(append([]byte(nil), all[:cut]...), all[cut+over:]...)
			if r.Cut != cut {
				t.Fatalf("cut at %d, want %d", r.Cut, cut)
			}
		}
		if !bytes.Equal(r.Output, want) || r.Size != int64(len(all)) || r.Omitted != int64(len(all)-len(want)) {
			t.Fatalf("kept %q of %d bytes, %d omitted; want %q of %q", r.Output, r.Size, r.Omitted, want, all)
		}
	})
}
