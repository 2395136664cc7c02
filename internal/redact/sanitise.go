package redact

import (
	"strings"
	"unicode/utf8"
)

// Sanitise returns s without what a terminal would act on and without what a reader cannot see, so that text means what it
// looks like and a token split by such characters becomes whole again. It takes out ANSI escape sequences in their seven-bit
// and C1 forms (ECMA-48), control characters, bidirectional controls, zero-width and other invisible characters, tag
// characters, private use areas and noncharacters. Newline and tab stay; the other line ends (CR LF, CR, NEL, U+2028 and
// U+2029) become one newline each. Joiners and variation selectors, which emoji and several scripts need, stay where they
// follow a character outside ASCII.
//
// s must be valid UTF-8. Sanitise is idempotent, and returns s itself if there is nothing to change.
func Sanitise(s string) string {
	i := firstUnclean(s)
	if i == len(s) {
		return s
	}
	var b strings.Builder
	b.Grow(len(s))
	b.WriteString(s[:i])
	prev, _ := utf8.DecodeLastRuneInString(s[:i])
	for i < len(s) {
		r, n := utf8.DecodeRuneInString(s[i:])
		switch {
		case isLineEnd(r):
			if r == '\r' && strings.HasPrefix(s[i+n:], "\n") {
				n++
			}
			r = '\n'
			b.WriteByte('\n')
		case introducesEscape(r):
			i += escapeLen(s[i:])
			continue
		case !keeps(prev, r):
			i += n
			continue
		default:
			b.WriteString(s[i : i+n])
		}
		prev = r
		i += n
	}
	return b.String()
}

// firstUnclean gives the offset of the first character that Sanitise changes, or len(s).
func firstUnclean(s string) int {
	i := 0
	for i < len(s) && isPlainByte(s[i]) {
		i++
	}
	prev := rune(0)
	for i < len(s) {
		if isPlainByte(s[i]) {
			prev = 0
			i++
			continue
		}
		r, n := utf8.DecodeRuneInString(s[i:])
		if isLineEnd(r) || !keeps(prev, r) {
			return i
		}
		prev = r
		i += n
	}
	return len(s)
}

// isPlainByte reports whether c is ASCII that every text may hold.
func isPlainByte(c byte) bool {
	return c < 0x7f && (c >= 0x20 || c == '\n' || c == '\t')
}

func isLineEnd(r rune) bool {
	return r == '\r' || r == 0x85 || r == 0x2028 || r == 0x2029
}

// keeps reports whether r may stand after prev.
func keeps(prev, r rune) bool {
	switch {
	case r < utf8.RuneSelf:
		return isPlainByte(byte(r))
	case isJoiner(r):
		// Behind ASCII a joiner can only split a word, and a run of them can only carry a hidden message.
		return prev >= utf8.RuneSelf && !isJoiner(prev)
	case isVariation(r):
		return prev >= utf8.RuneSelf && !isJoiner(prev) && !isVariation(prev)
	default:
		return !isUnseen(r)
	}
}

func isJoiner(r rune) bool    { return r == 0x200C || r == 0x200D }
func isVariation(r rune) bool { return r >= 0xFE00 && r <= 0xFE0F }

// isUnseen reports whether r, which is not ASCII, is a control, invisible, private or no character at all.
func isUnseen(r rune) bool {
	if r&0xFFFE == 0xFFFE {
		return true // the last two code points of every plane
	}
	for _, u := range unseen {
		if r <= u.last {
			return r >= u.first
		}
	}
	return false
}

// unseen is sorted. Most of it is Default_Ignorable_Code_Point (Unicode 16, DerivedCoreProperties) and category Cf, without
// the visible signs of the latter.
var unseen = []struct{ first, last rune }{
	{0x0080, 0x009F},    // C1 controls
	{0x00AD, 0x00AD},    // soft hyphen
	{0x034F, 0x034F},    // combining grapheme joiner
	{0x061C, 0x061C},    // Arabic letter mark
	{0x115F, 0x1160},    // Hangul fillers
	{0x17B4, 0x17B5},    // Khmer inherent vowels
	{0x180B, 0x180F},    // Mongolian selectors and vowel separator
	{0x200B, 0x200F},    // zero-width space, joiners, direction marks
	{0x202A, 0x202E},    // bidirectional embeddings and overrides
	{0x2060, 0x206F},    // word joiner, invisible operators, isolates
	{0x3164, 0x3164},    // Hangul filler
	{0xE000, 0xF8FF},    // private use
	{0xFDD0, 0xFDEF},    // noncharacters
	{0xFEFF, 0xFEFF},    // byte order mark
	{0xFFA0, 0xFFA0},    // halfwidth Hangul filler
	{0xFFF0, 0xFFFB},    // unassigned specials, interlinear annotation
	{0x1BCA0, 0x1BCA3},  // shorthand format controls
	{0x1D173, 0x1D17A},  // musical format controls
	{0xE0000, 0xE0FFF},  // tags, variation selectors supplement
	{0xF0000, 0x10FFFF}, // private use planes
}

const (
	bel = 0x07
	esc = 0x1b
	csi = 0x9b
	st  = 0x9c
)

// introducesEscape reports whether r begins a control sequence: ESC, or the C1 form of DCS, SOS, CSI, OSC, PM or APC.
func introducesEscape(r rune) bool {
	return r == esc || r == csi || isStringIntroducer(r)
}

func isStringIntroducer(r rune) bool {
	return r == 0x90 || r == 0x98 || r == 0x9d || r == 0x9e || r == 0x9f
}

// escapeLen gives the length of the sequence at the start of s. Of a sequence that is malformed or cut off only the
// introducer goes, so that no text disappears with it.
func escapeLen(s string) int {
	r, n := utf8.DecodeRuneInString(s)
	if r == esc {
		if n == len(s) {
			return n
		}
		switch c := s[1]; {
		case c >= '@' && c <= '_' && introducesEscape(rune(c)+0x40):
			r, n = rune(c)+0x40, 2 // the seven-bit form of a C1 control
		case c >= 0x20 && c <= 0x2f:
			return n + finalLen(s[n:], 0x20, 0x2f, 0x30)
		case strings.IndexByte(`78=>cDEHMZ\`, c) >= 0:
			return 2
		default:
			// An unknown letter is text: eating it could break a token apart.
			return n
		}
	}
	if r == csi {
		return n + finalLen(s[n:], 0x20, 0x3f, 0x40)
	}
	return n + stringLen(s[n:])
}

// finalLen gives the length of a run of bytes from lo to hi and the final byte behind it, which is at least final; without
// such a byte, that of the run.
func finalLen(s string, lo, hi, final byte) int {
	i := 0
	for i < len(s) && s[i] >= lo && s[i] <= hi {
		i++
	}
	if i < len(s) && s[i] >= final && s[i] <= 0x7e {
		i++
	}
	return i
}

// stringLen gives the length of a control string and its terminator, BEL or ST, or 0 if another control ends it first.
func stringLen(s string) int {
	for i, r := range s {
		switch {
		case r == bel:
			return i + 1
		case r == st:
			return i + 2
		case r == esc && strings.HasPrefix(s[i+1:], `\`):
			return i + 2
		case r < 0x20 && r != '\t' || r >= 0x7f && r <= 0x9f:
			return 0
		}
	}
	return 0
}
