package audit

import (
	"bytes"
	"fmt"
	"strconv"
	"time"
	"unicode/utf8"
)

// ParseRecord gives the entry whose record this is, and an error for any bytes that [Entry.Record] would not have written, down
// to a space.
func ParseRecord(record []byte) (Entry, error) {
	// By hand, because a log of a million is verified by parsing each: encoding/json takes four times as long, forgives much, and so
	// wants the entry written again to be compared. The tests hold the two against each other.
	p := parser{rest: record}
	var e Entry
	p.literal(`{"v":`)
	if version := p.integer(); !p.bad && version != recordVersion {
		return Entry{}, fmt.Errorf("parse record: version %d, and this program reads version %d", version, recordVersion)
	}
	p.literal(`,"log":`)
	e.Log = p.text()
	p.literal(`,"n":`)
	e.N = p.integer()
	p.literal(`,"at":`)
	e.At = p.time()
	p.literal(`,"actor":`)
	e.Actor = p.text()
	p.literal(`,"action":`)
	e.Action = p.text()
	p.literal(`,"subject":`)
	e.Subject = p.text()
	if p.skip(`,"facts":{`) {
		e.Facts = map[string]string{}
		for last := ""; !p.bad; {
			key := p.text()
			p.bad = p.bad || len(e.Facts) > 0 && key <= last
			p.literal(`:`)
			e.Facts[key] = p.text()
			last = key
			if !p.skip(`,`) {
				break
			}
		}
		p.literal(`}`)
	}
	p.literal(`}`)
	if p.bad || len(p.rest) > 0 {
		return Entry{}, fmt.Errorf("parse record: not in canonical form at byte %d", len(record)-len(p.rest))
	}
	return e, nil
}

// parser reads the canonical form. Once bad it stays so, and what it gives means nothing.
type parser struct {
	rest []byte
	bad  bool
}

// skip passes over a text, if it is next.
func (p *parser) skip(text string) bool {
	if p.bad || len(p.rest) < len(text) || string(p.rest[:len(text)]) != text {
		return false
	}
	p.rest = p.rest[len(text):]
	return true
}

func (p *parser) literal(text string) { p.bad = p.bad || !p.skip(text) }

// integer reads a decimal number that has no other text.
func (p *parser) integer() int64 {
	if p.bad {
		return 0
	}
	end := 0
	for end < len(p.rest) && (p.rest[end] == '-' || '0' <= p.rest[end] && p.rest[end] <= '9') {
		end++
	}
	n, err := strconv.ParseInt(string(p.rest[:end]), 10, 64)
	var again [20]byte
	if err != nil || !bytes.Equal(strconv.AppendInt(again[:0], n, 10), p.rest[:end]) {
		p.bad = true
		return 0
	}
	p.rest = p.rest[end:]
	return n
}

// time reads a moment in timeLayout, in quotes.
func (p *parser) time() time.Time {
	const size = len(timeLayout)
	if p.literal(`"`); p.bad || len(p.rest) < size {
		p.bad = true
		return time.Time{}
	}
	text := p.rest[:size]
	number := func(from, to int) (n int) {
		for _, c := range text[from:to] {
			n = n*10 + int(c) - '0' // of something else comes a moment with another text
		}
		return n
	}
	at := time.Date(number(0, 4), time.Month(number(5, 7)), number(8, 10), number(11, 13), number(14, 16), number(17, 19), number(20, 26)*1000, time.UTC)
	var again [size + 8]byte // room for a year with more digits
	if !bytes.Equal(at.AppendFormat(again[:0], timeLayout), text) {
		p.bad = true
		return time.Time{}
	}
	p.rest = p.rest[size:]
	p.literal(`"`)
	return at
}

// text reads a string as appendString writes it.
func (p *parser) text() string {
	if p.literal(`"`); p.bad {
		return "" // the rest begins where it went wrong
	}
	// Most are plain.
	end := 0
	for end < len(p.rest) && plain(p.rest[end]) {
		end++
	}
	if end < len(p.rest) && p.rest[end] == '"' {
		s := string(p.rest[:end])
		p.rest = p.rest[end+1:]
		return s
	}
	b := append([]byte(nil), p.rest[:end]...)
	p.rest = p.rest[end:]
	for !p.bad && len(p.rest) > 0 {
		c := p.rest[0]
		switch {
		case c == '"':
			p.rest = p.rest[1:]
			return string(b)
		case c == '\\':
			b = append(b, string(p.escape())...)
		case plain(c):
			b = append(b, c)
			p.rest = p.rest[1:]
		default:
			r, size := utf8.DecodeRune(p.rest)
			if r == utf8.RuneError && size < 2 || r < 0xa0 { // those are written as escapes
				p.bad = true
				return ""
			}
			b = append(b, p.rest[:size]...)
			p.rest = p.rest[size:]
		}
	}
	p.bad = true
	return ""
}

// plain reports whether a byte stands for itself in a string.
func plain(c byte) bool { return 0x20 <= c && c < 0x7f && c != '"' && c != '\\' }

// escape reads what stands for a character that does not stand for itself.
func (p *parser) escape() rune {
	for _, r := range `"\` {
		if p.skip(`\` + string(r)) {
			return r
		}
	}
	if !p.skip(`\u00`) || len(p.rest) < 2 {
		p.bad = true
		return 0
	}
	r := rune(hexDigit(p.rest[0])<<4 | hexDigit(p.rest[1]))
	p.bad = r < 0 || 0x20 <= r && r < 0x7f || r >= 0xa0
	p.rest = p.rest[2:]
	return r
}

// hexDigit is the value of a lower-case digit, and -1 of anything else.
func hexDigit(c byte) int {
	switch {
	case '0' <= c && c <= '9':
		return int(c - '0')
	case 'a' <= c && c <= 'f':
		return int(c-'a') + 10
	}
	return -1
}
