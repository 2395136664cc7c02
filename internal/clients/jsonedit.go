package clients

import (
	"bytes"
	"slices"
	"strconv"
	"strings"

	"github.com/tailscale/hujson"
)

// Edits insert and delete bytes and leave all others where they are: a parsed text is only asked where things begin and end.
// What add puts in, cut takes out again, so that the same bytes are left.

// put adds a value at the end of the object or array under a path, and the objects on the way that are not there yet, where the last
// container is an array if list is set. With a key it becomes a member, otherwise an element.
func put(text []byte, path []string, list bool, key string, value any) ([]byte, error) {
	root, err := parseJSON(text)
	if err != nil {
		return nil, err
	}
	if root == nil { // nothing but space
		lead := text[:len(text)-len(bytes.TrimLeft(text, " \t\r\n"))]
		s := styleOf(text, nil)
		return put([]byte("{}"+pick(len(lead) > 0, string(lead), s.newline)), path, list, key, value)
	}
	depth := len(path)
	for depth > 0 && at(root, path[:depth]...) == nil {
		depth--
	}
	for i := len(path) - 1; i >= depth; i-- {
		if list && i == len(path)-1 {
			value = []any{value}
		} else {
			value = object{{key, value}}
		}
		key = path[i]
	}
	return add(text, root, at(root, path[:depth]...), key, value), nil
}

// add inserts one item at the end of a container.
func add(text []byte, root, container *hujson.Value, key string, value any) []byte {
	s := styleOf(text, root)
	open, shut := container.StartOffset, container.EndOffset-1
	items := itemsOf(container)
	outer := indentation(text, open)
	render := func(prefix string, inline bool) string {
		var b strings.Builder
		if container.Value.Kind() == '{' {
			b.WriteString(quoteJSON(key) + pick(inline && s.tight, ":", ": "))
		}
		s.write(&b, value, prefix, inline)
		return b.String()
	}
	if len(items) == 0 {
		inner := text[open+1 : shut]
		inline := container != root && bytes.IndexByte(text[:open], '\n') < 0
		if len(bytes.TrimSpace(inner)) == 0 {
			if inline {
				return splice(text, open+1, shut, render("", true))
			}
			prefix := outer + s.unit
			return splice(text, open+1, shut, s.newline+prefix+render(prefix, false)+s.newline+outer)
		}
		// Behind the last comment; what is behind that, a newline if the comment needs one, stays behind the new item.
		end := open + 1 + len(bytes.TrimRight(inner, " \t\r\n"))
		prefix := outer + s.unit
		return splice(text, end, end, s.newline+prefix+render(prefix, false))
	}
	last := items[len(items)-1]
	prefix, multi := outer+s.unit, false
	for i, it := range slices.Backward(items) {
		if bytes.IndexByte(text[beforeItem(text, container, items, i):it.start], '\n') >= 0 {
			prefix, multi = indentation(text, it.start), true
			break
		}
	}
	comma, _ := skip(text, last.end)
	from, trailing := last.end, text[comma] == ','
	if trailing {
		from = comma + 1
	}
	end, line := firstLine(text, from)
	inline := !multi && !line
	lead := s.newline + prefix
	if inline {
		lead = pick(s.tight, "", " ")
	}
	if trailing {
		return splice(text, end, end, lead+render(prefix, inline)+",")
	}
	text = splice(text, end, end, lead+render(prefix, inline))
	return splice(text, last.end, last.end, ",")
}

// beforeItem is where the space and the comments before an item begin.
func beforeItem(text []byte, container *hujson.Value, items []item, i int) int {
	if i == 0 {
		return container.StartOffset + 1
	}
	comma, _ := skip(text, items[i-1].end)
	return comma + 1
}

// firstLine is where the comments end that follow a place on its line; line if the last goes to the line's end.
func firstLine(text []byte, at int) (end int, line bool) {
	end = at
	for i := at; i < len(text); {
		switch rest := text[i:]; {
		case rest[0] == ' ' || rest[0] == '\t':
			i++
		case bytes.HasPrefix(rest, []byte("/*")):
			i += 2 + bytes.Index(rest[2:], []byte("*/")) + 2
			end = i
		case bytes.HasPrefix(rest, []byte("//")):
			n := bytes.IndexByte(rest, '\n')
			if n < 0 {
				return len(text), true
			}
			return i + len(bytes.TrimSuffix(rest[:n], []byte("\r"))), true
		default:
			return end, false
		}
	}
	return end, false
}

// cut takes an item out of a container, with the comma and the line that it does not need any more.
func cut(text []byte, container *hujson.Value, i int) []byte {
	items := itemsOf(container)
	it := items[i]
	first := beforeItem(text, container, items, i)
	begin := it.start
	for begin > first && (text[begin-1] == ' ' || text[begin-1] == '\t') {
		begin--
	}
	if begin > first && text[begin-1] == '\n' {
		begin--
		if begin > first && text[begin-1] == '\r' {
			begin--
		}
	}
	comma, _ := skip(text, it.end)
	end, following := it.end, text[comma] == ','
	rest := it.end
	if following {
		rest = comma + 1
	}
	// A comment to the end of the line before must not swallow what is behind the item.
	if _, line := firstLine(text, lineBefore(text, first, begin)); line && !blankLine(text, rest) {
		begin = it.start
	}
	switch {
	case following:
		text = splice(text, comma, comma+1, "")
	case i > 0: // the comma before is in front of what is deleted next
		before, _ := skip(text, items[i-1].end)
		text = splice(text, begin, end, "")
		return splice(text, before, before+1, "")
	}
	return splice(text, begin, end, "")
}

// lineBefore is where the last line of text[first:begin] begins.
func lineBefore(text []byte, first, begin int) int {
	return first + bytes.LastIndexByte(text[first:begin], '\n') + 1
}

func blankLine(text []byte, at int) bool {
	line, _, more := bytes.Cut(text[at:], []byte("\n"))
	return more && len(bytes.TrimSpace(line)) == 0
}

func splice(text []byte, from, to int, with string) []byte {
	return slices.Concat(text[:from], []byte(with), text[to:])
}

// prune takes out the containers on a path, from the innermost on, that are empty now and were not there in base, and gives those back
// their inside that were empty there. base is nil if it is not known: then empty ones stay.
func prune(text []byte, base *hujson.Value, baseText []byte, path []string) ([]byte, error) {
	for depth := len(path); depth >= 0; depth-- {
		root, err := parseJSON(text)
		if err != nil {
			return nil, err
		}
		v := at(root, path[:depth]...)
		if v == nil {
			continue
		}
		inner := text[v.StartOffset+1 : v.EndOffset-1]
		if len(itemsOf(v)) > 0 || len(bytes.TrimSpace(inner)) > 0 {
			return text, nil
		}
		if was := at(base, path[:depth]...); was != nil {
			if old := baseText[was.StartOffset+1 : max(was.StartOffset+1, was.EndOffset-1)]; was.Value.Kind() == v.Value.Kind() && len(bytes.TrimSpace(old)) == 0 {
				text = splice(text, v.StartOffset+1, v.EndOffset-1, string(old))
			}
			return text, nil
		}
		outer := at(root, path[:depth-1]...)
		for i, it := range slices.Backward(itemsOf(outer)) {
			if it.value == v {
				text = cut(text, outer, i)
				break
			}
		}
	}
	return text, nil
}

// place is the name of an element in a path.
func place(i int) string { return strconv.Itoa(i) }
