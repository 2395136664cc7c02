package clients

import (
	"bytes"
	"fmt"
	"regexp"
	"strconv"
	"strings"

	"github.com/BurntSushi/toml"
)

// tomlTable is a [table] of a text: from its header to the end of its last value.
type tomlTable struct {
	path       []string
	array      bool // [[…]]
	begin, end int
}

// scanTOML finds the tables with a header of their own, in order, without looking at values further than to where they end. What is
// not TOML can come out as anything but does no harm: the decoder is asked as well.
func scanTOML(text []byte) (tables []tomlTable, err error) {
	i := 0
	for i < len(text) {
		switch text[i] {
		case ' ', '\t', '\r', '\n':
			i++
			continue
		case '#':
			i += lineEnd(text[i:])
			continue
		}
		begin, header := i, text[i] == '['
		depth := 0
	value:
		for i < len(text) {
			switch c := text[i]; c {
			case '\n':
				if depth <= 0 {
					break value
				}
				i++
			case '#':
				i += lineEnd(text[i:])
			case '"', '\'':
				i += tomlString(text[i:])
			case '[', '{':
				if depth++; depth > maxDepth {
					return nil, fmt.Errorf("line %d: nested deeper than %d", lineOf(text, i), maxDepth)
				}
				i++
			case ']', '}':
				depth--
				i++
			default:
				i++
			}
		}
		end := begin + len(bytes.TrimRight(text[begin:i], " \t\r\n"))
		if header {
			array := bytes.HasPrefix(text[begin:], []byte("[["))
			tables = append(tables, tomlTable{path: tomlPath(text[begin:end]), array: array, begin: begin, end: end})
		} else if n := len(tables); n > 0 {
			tables[n-1].end = end
		}
	}
	return tables, nil
}

// inlineTOML reports whether a name of the root is given a value of its own, as an inline table is.
func inlineTOML(text []byte, name string) bool {
	if tables, err := scanTOML(text); err == nil && len(tables) > 0 {
		text = text[:tables[0].begin]
	}
	return regexp.MustCompile(`(?m)^[ \t]*["']?` + regexp.QuoteMeta(name) + `["']?[ \t]*=`).Match(text)
}

func lineEnd(text []byte) int {
	if n := bytes.IndexByte(text, '\n'); n >= 0 {
		return n
	}
	return len(text)
}

// tomlString is the length of the string that a text begins with.
func tomlString(text []byte) int {
	quote := text[0]
	long := len(text) >= 3 && text[1] == quote && text[2] == quote
	i := 1
	if long {
		i = 3
	}
	for ; i < len(text); i++ {
		switch {
		case text[i] == '\\' && quote == '"':
			i++
		case text[i] == quote && !long:
			return i + 1
		case text[i] == quote && bytes.HasPrefix(text[i:], bytes.Repeat([]byte{quote}, 3)):
			for i += 3; i < len(text) && text[i] == quote; i++ { // up to two quotes may stand before the end
			}
			return i
		case text[i] == '\n' && !long:
			return i
		}
	}
	return len(text)
}

// tomlPath reads the name of a table out of its header: the decoder does.
func tomlPath(header []byte) []string {
	head, _, _ := bytes.Cut(header, []byte("\n"))
	meta, err := toml.Decode(string(head), &map[string]any{})
	if err != nil || len(meta.Keys()) == 0 {
		return nil
	}
	keys := meta.Keys()
	return keys[len(keys)-1]
}

// addTOML puts a table at the end of a text.
func addTOML(text []byte, path []string, table object) []byte {
	newline := newlineOf(text)
	var b strings.Builder
	if len(text) > 0 {
		if text[len(text)-1] != '\n' {
			b.WriteString(newline)
		}
		b.WriteString(newline)
	}
	b.WriteString("[" + tomlName(path) + "]" + newline)
	for _, m := range table {
		b.WriteString(tomlName([]string{m.key}) + " = ")
		writeTOML(&b, m.value)
		b.WriteString(newline)
	}
	return append(bytes.Clone(text), b.String()...)
}

func tomlName(path []string) string {
	var names []string
	for _, name := range path {
		if strings.Trim(name, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_-") != "" || name == "" {
			name = quoteJSON(name) // a JSON string is a TOML string, too
		}
		names = append(names, name)
	}
	return strings.Join(names, ".")
}

func writeTOML(b *strings.Builder, value any) {
	switch v := value.(type) {
	case string:
		b.WriteString(strings.ReplaceAll(quoteJSON(v), "\x7f", `\u007f`))
	case []any:
		b.WriteByte('[')
		for i, e := range v {
			b.WriteString(pick(i == 0, "", ", "))
			writeTOML(b, e)
		}
		b.WriteByte(']')
	case map[string]any:
		b.WriteByte('{')
		for i, key := range sortedKeys(v) {
			b.WriteString(pick(i == 0, " ", ", ") + tomlName([]string{key}) + " = ")
			writeTOML(b, v[key])
		}
		b.WriteString(pick(len(v) == 0, "}", " }"))
	case []map[string]any:
		list := make([]any, len(v))
		for i := range v {
			list[i] = v[i]
		}
		writeTOML(b, list)
	case float64:
		text := strconv.FormatFloat(v, 'f', -1, 64)
		b.WriteString(text + pick(strings.Trim(text, "-0123456789") == "", ".0", ""))
	default:
		fmt.Fprint(b, v)
	}
}

// cutTOML takes the table of that name and the tables in it out of a text, with the empty line that [addTOML] puts before it. base is
// what the text was made from, as far as known.
func cutTOML(text, base []byte, path []string) ([]byte, bool) {
	tables, _ := scanTOML(text)
	found := false
	for i := len(tables) - 1; i >= 0; i-- {
		t := tables[i]
		if len(t.path) < len(path) || strings.Join(t.path[:len(path)], "\x00") != strings.Join(path, "\x00") {
			continue
		}
		found = true
		begin, end := t.begin, t.end
		begin -= len(indentation(text, begin))
		if end < len(text) {
			end += lineEnd(text[end:]) // space behind the last value
			if end < len(text) {
				end++
			}
		}
		if line := bytes.TrimSuffix(bytes.TrimSuffix(text[:begin], []byte("\n")), []byte("\r")); bytes.HasSuffix(line, []byte("\n")) {
			begin = len(line) // an empty line
		}
		if last := len(text) == end; last && begin > 0 && len(base) > 0 && base[len(base)-1] != '\n' && len(bytes.TrimSpace(text[end:])) == 0 {
			begin = len(bytes.TrimSuffix(bytes.TrimSuffix(text[:begin], []byte("\n")), []byte("\r")))
		}
		text = splice(text, begin, end, "")
	}
	return text, found
}
