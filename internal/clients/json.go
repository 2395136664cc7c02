package clients

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/tailscale/hujson"
)

// object is a JSON object or TOML table that we write; the order of its members is kept.
type object []member

type member struct {
	key   string
	value any // string, bool, int, object, []any or rawJSON; in TOML what its decoder gives, too
}

// rawJSON is a value as it stands in a text.
type rawJSON string

func words(list []string) []any {
	out := []any{}
	for _, s := range list {
		out = append(out, s)
	}
	return out
}

const (
	bom      = "\ufeff"
	maxDepth = 200
)

// parseJSON reads JSON with comments and trailing commas, whose root must be an object; nil if there is nothing but space and comments.
// Offsets in it are those in the text, so the text must not have a byte order mark.
func parseJSON(text []byte) (*hujson.Value, error) {
	if !utf8.Valid(text) {
		return nil, errors.New("it is not UTF-8 text")
	}
	if line := tooDeep(text); line > 0 {
		return nil, fmt.Errorf("line %d: nested deeper than %d", line, maxDepth)
	}
	if end, _ := skip(text, 0); end == len(text) {
		if len(bytes.TrimSpace(text)) == 0 {
			return nil, nil
		}
		return nil, errors.New("it holds comments and no object")
	}
	// A comment may end with the text; the parser wants a newline.
	root, err := hujson.Parse(append(text[:len(text):len(text)], '\n'))
	if err != nil {
		return nil, errors.New(strings.TrimPrefix(err.Error(), "hujson: "))
	}
	if root.Value.Kind() != '{' {
		return nil, fmt.Errorf("line %d: it is not an object in braces", lineOf(text, root.StartOffset))
	}
	return &root, nil
}

func lineOf(text []byte, at int) int { return 1 + bytes.Count(text[:at], []byte("\n")) }

// tooDeep gives the line at which brackets are nested deeper than any settings are, 0 if nowhere: parsers recurse.
func tooDeep(text []byte) int {
	depth := 0
	for i := 0; i < len(text); i++ {
		switch text[i] {
		case '{', '[':
			if depth++; depth > maxDepth {
				return lineOf(text, i)
			}
		case '}', ']':
			depth--
		case '"':
			for i++; i < len(text) && text[i] != '"'; i++ {
				if text[i] == '\\' {
					i++
				}
			}
		case '/':
			if end, _ := skip(text, i); end > i {
				i = end - 1
			}
		}
	}
	return 0
}

// skip passes over space and comments from at on. line tells that the last comment goes to the end of its line.
func skip(text []byte, at int) (end int, line bool) {
	for at < len(text) {
		switch rest := text[at:]; {
		case rest[0] == ' ' || rest[0] == '\t' || rest[0] == '\r' || rest[0] == '\n':
			at++
		case bytes.HasPrefix(rest, []byte("//")):
			n := bytes.IndexByte(rest, '\n')
			if n < 0 {
				return len(text), true
			}
			at, line = at+n, true
		case bytes.HasPrefix(rest, []byte("/*")):
			n := bytes.Index(rest[2:], []byte("*/"))
			if n < 0 {
				return len(text), false
			}
			at, line = at+2+n+2, false
		default:
			return at, line
		}
	}
	return at, line
}

// item is a member of an object, or an element of an array.
type item struct {
	key        string
	start, end int // from the name, if any, to the end of the value
	value      *hujson.Value
}

func itemsOf(v *hujson.Value) (items []item) {
	switch c := v.Value.(type) {
	case *hujson.Object:
		for i := range c.Members {
			m := &c.Members[i]
			items = append(items, item{nameOf(m), m.Name.StartOffset, m.Value.EndOffset, &m.Value})
		}
	case *hujson.Array:
		for i := range c.Elements {
			e := &c.Elements[i]
			items = append(items, item{strconv.Itoa(i), e.StartOffset, e.EndOffset, e})
		}
	}
	return items
}

func nameOf(m *hujson.ObjectMember) string {
	name, _ := m.Name.Value.(hujson.Literal)
	return name.String()
}

// at finds the value under a path of names and places; nil if there is none. Of members with the same name the last counts.
func at(v *hujson.Value, path ...string) *hujson.Value {
	for _, key := range path {
		if v == nil {
			return nil
		}
		items := itemsOf(v)
		v = nil
		for _, it := range slices.Backward(items) {
			if it.key == key {
				v = it.value
				break
			}
		}
	}
	return v
}

func sortedKeys(m map[string]any) []string { return slices.Sorted(maps.Keys(m)) }

// style is how a text is laid out.
type style struct {
	newline, unit string // unit: one step of indentation
	tight         bool   // on one line, no space after a colon
}

// styleOf reads the style off a text.
func styleOf(text []byte, root *hujson.Value) style {
	s := style{newline: newlineOf(text), unit: "  "}
	if root == nil {
		return s
	}
	outer := indentation(text, root.StartOffset)
	for i, it := range itemsOf(root) {
		if i == 100 { // on one line, or oddly laid out; looking back over a long line takes its time
			break
		}
		own := indentation(text, it.start)
		if startsLine(text, it.start) && len(own) > len(outer) && strings.HasPrefix(own, outer) {
			s.unit = own[len(outer):]
			break
		}
	}
	if items := itemsOf(root); len(items) > 0 {
		s.tight = len(items[0].value.BeforeExtra) == 0
	}
	return s
}

func newlineOf(text []byte) string {
	if i := bytes.IndexByte(text, '\n'); i > 0 && text[i-1] == '\r' {
		return "\r\n"
	}
	return "\n"
}

// indentation is the space that the line of a place begins with.
func indentation(text []byte, at int) string {
	begin := bytes.LastIndexByte(text[:at], '\n') + 1
	end := begin
	for end < at && (text[end] == ' ' || text[end] == '\t') {
		end++
	}
	return string(text[begin:end])
}

// startsLine reports whether there is nothing but space before a place on its line.
func startsLine(text []byte, at int) bool {
	begin := bytes.LastIndexByte(text[:at], '\n') + 1
	return begin > 0 && begin+len(indentation(text, at)) == at
}

// write renders a value. inline puts it on one line; otherwise its lines begin with prefix. Lists of plain values are on one line.
func (s style) write(b *strings.Builder, value any, prefix string, inline bool) {
	step, gap, colon := s.newline+prefix+s.unit, ","+s.newline+prefix+s.unit, ": "
	if inline {
		step, gap = "", ", "
		if s.tight {
			gap, colon = ",", ":"
		}
	}
	switch v := value.(type) {
	case object:
		b.WriteByte('{')
		for i, m := range v {
			b.WriteString(pick(i == 0, step, gap))
			b.WriteString(quoteJSON(m.key) + colon)
			s.write(b, m.value, prefix+s.unit, inline)
		}
		b.WriteString(pick(inline, "", s.newline+prefix) + "}")
	case []any:
		flat := inline || !slices.ContainsFunc(v, func(e any) bool { _, nested := e.(object); return nested })
		if flat {
			step, gap = "", pick(inline && s.tight, ",", ", ")
		}
		b.WriteByte('[')
		for i, e := range v {
			b.WriteString(pick(i == 0, step, gap))
			s.write(b, e, prefix+s.unit, inline)
		}
		b.WriteString(pick(flat, "", s.newline+prefix) + "]")
	case string:
		b.WriteString(quoteJSON(v))
	default:
		fmt.Fprint(b, v)
	}
}

func pick(first bool, a, b string) string {
	if first {
		return a
	}
	return b
}

// quoteJSON leaves <, > and & as they are: people read these files.
func quoteJSON(s string) string {
	var b strings.Builder
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	e.Encode(s)
	return strings.TrimSuffix(b.String(), "\n")
}
