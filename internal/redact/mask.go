package redact

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"strings"
)

// mask replaces found, which is sorted and disjoint, by placeholders.
func mask(key []byte, text string, found []Finding) string {
	var b strings.Builder
	b.Grow(len(text) + len(found)*16)
	mac := hmac.New(sha256.New, key)
	var sum [sha256.Size]byte
	done := 0
	for _, f := range found {
		mac.Reset()
		mac.Write([]byte(text[f.Start:f.End]))
		b.WriteString(text[done:f.Start])
		b.WriteString(placeholderOpen)
		b.WriteString(f.Kind)
		b.WriteByte(':')
		b.WriteString(hex.EncodeToString(mac.Sum(sum[:0])[:4]))
		b.WriteByte(']')
		done = f.End
	}
	b.WriteString(text[done:])
	return b.String()
}

const placeholderOpen = "[REDACTED:"

// placeholderLen gives the length of the placeholder at the start of s, or 0.
func placeholderLen(s string) int {
	kind, ok := strings.CutPrefix(s, placeholderOpen)
	if !ok {
		return 0
	}
	n := 0
	for n < len(kind) && (isLower(kind[n]) || isDigit(kind[n]) || kind[n] == '-') {
		n++
	}
	tail := kind[n:]
	if n == 0 || n > maxKind || len(tail) < len(":01234567]") || tail[0] != ':' || tail[9] != ']' {
		return 0
	}
	for _, c := range []byte(tail[1:9]) {
		if !isDigit(c) && (c < 'a' || c > 'f') {
			return 0
		}
	}
	return len(placeholderOpen) + n + len(":01234567]")
}

// maxKind bounds the kind in a placeholder: what looks like one is not scanned, so it must not have room to hide in.
const maxKind = 24
