package audit

import (
	"maps"
	"slices"
	"strconv"
	"unicode/utf8"
)

// recordVersion is in every record. A record of another version is refused, never guessed at.
const recordVersion = 1

// timeLayout always writes six digits, so that one moment has one text.
const timeLayout = "2006-01-02T15:04:05.000000Z"

// Record is the leaf of the log: one JSON object on one line, without the newline, and all that is hashed and stored.
//
//	{"v":1,"log":"conv_…","n":0,"at":"2026-11-22T16:00:00.000000Z","actor":"ada","action":"send","subject":"msg_…","facts":{"to":"bob"}}
//
// JSON, because an export should be readable with the tools at hand, years later and without this program. The order of the keys
// is fixed, facts are sorted by their bytes and left out when there are none, and only quotes, backslashes and control
// characters are escaped, so an entry has exactly one record and nothing in it can forge a line or move a terminal's cursor.
// Bytes that are not UTF-8 become U+FFFD.
func (e Entry) Record() []byte {
	// Written by hand: encoding/json does not promise the same bytes from one Go release to the next, and these are hashed.
	b := make([]byte, 0, 256)
	b = append(b, `{"v":`...)
	b = strconv.AppendInt(b, recordVersion, 10)
	b = appendString(append(b, `,"log":`...), e.Log)
	b = strconv.AppendInt(append(b, `,"n":`...), e.N, 10)
	b = append(b, `,"at":"`...)
	b = e.At.UTC().AppendFormat(b, timeLayout)
	b = appendString(append(b, `","actor":`...), e.Actor)
	b = appendString(append(b, `,"action":`...), e.Action)
	b = appendString(append(b, `,"subject":`...), e.Subject)
	for i, key := range slices.Sorted(maps.Keys(e.Facts)) {
		if i == 0 {
			b = append(b, `,"facts":{`...)
		} else {
			b = append(b, ',')
		}
		b = append(appendString(b, key), ':')
		b = appendString(b, e.Facts[key])
	}
	if len(e.Facts) > 0 {
		b = append(b, '}')
	}
	return append(b, '}')
}

// appendString appends s as a JSON string.
func appendString(b []byte, s string) []byte {
	const hex = "0123456789abcdef"
	b = append(b, '"')
	for _, r := range s { // ranging turns each byte that is not UTF-8 into U+FFFD
		switch {
		case r == '"' || r == '\\':
			b = append(b, '\\', byte(r))
		case r < 0x20 || 0x7f <= r && r < 0xa0: // C0, DEL, C1
			b = append(b, '\\', 'u', '0', '0', hex[r>>4], hex[r&15])
		default:
			b = utf8.AppendRune(b, r)
		}
	}
	return append(b, '"')
}
