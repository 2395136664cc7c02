package clients

import (
	"bytes"
	"reflect"
	"strings"
	"testing"

	"pgregory.net/rapid"
)

// anExtra draws space and comments as they stand between the parts of a settings file.
func anExtra(t *rapid.T, newline string) string {
	return strings.ReplaceAll(rapid.SampledFrom([]string{
		"", "", "", "", " ", "\n", "\n  ", "\n\t", "  \n", " // line\n", "\n  // own \"line\n  ", " /* block */ ", "\n/* two\nlines */\n", "\n\n    ", "/**/",
	}).Draw(t, "extra"), "\n", newline)
}

// aJSON draws a value in whatever layout. Where the clients have objects and lists, so has it.
func aJSON(t *rapid.T, newline string, depth int, kind string) string {
	x := func() string { return anExtra(t, newline) }
	if kind == "" {
		kind = rapid.SampledFrom([]string{"plain", "plain", "plain", "{", "["}).Draw(t, "kind")
	}
	if depth > 3 {
		kind = "plain"
	}
	var parts []string
	switch kind {
	case "{", "root":
		keys := []string{"a", "b", "c", `d\"//`}
		if kind == "root" {
			keys = []string{"a", "mcpServers", "hooks", "c"}
		}
		for _, key := range keys {
			if !rapid.Bool().Draw(t, "has") {
				continue
			}
			inner := map[string]string{"mcpServers": "{", "hooks": "hooks"}[key]
			parts = append(parts, x()+`"`+key+`"`+x()+":"+x()+aJSON(t, newline, depth+1, inner)+x())
		}
	case "hooks":
		for _, key := range []string{"Stop", "AfterAgent", "stop"} {
			if rapid.Bool().Draw(t, "has") {
				parts = append(parts, x()+`"`+key+`":`+x()+aJSON(t, newline, depth+1, "[")+x())
			}
		}
	case "[":
		for range rapid.IntRange(0, 2).Draw(t, "elements") {
			parts = append(parts, x()+aJSON(t, newline, depth+1, "")+x())
		}
		return "[" + strings.Join(parts, ",") + comma(t, parts) + x() + "]"
	default:
		return rapid.SampledFrom([]string{"1", "null", "true", `"x"`, `"// no"`, `"é\\"`, "-1.5e3"}).Draw(t, "plain")
	}
	return "{" + strings.Join(parts, ",") + comma(t, parts) + x() + "}"
}

func comma(t *rapid.T, parts []string) string {
	if len(parts) > 0 && rapid.Bool().Draw(t, "trailing") {
		return ","
	}
	return ""
}

func aTOML(t *rapid.T, newline string) string {
	var b strings.Builder
	for i := range rapid.IntRange(0, 6).Draw(t, "lines") {
		n := string(rune('a' + i))
		b.WriteString(rapid.SampledFrom([]string{
			n + " = 1", n + ` = "[x]" # tail`, "# [mcp_servers.bridge]", "", "  ", "[t" + n + "]", "[[list]]", n + " = [\n 1, # [\n]",
			n + " = \"\"\"\n[mcp_servers.bridge]\n\\\"\"\"\"", n + " = '''\n'a''''", "[mcp_servers." + n + "]\ncommand = 'x'", n + ".x = { y = [1] }",
		}).Draw(t, "line") + rapid.SampledFrom([]string{"\n", "\n", "\n\n"}).Draw(t, "end"))
	}
	text := b.String()
	if rapid.Bool().Draw(t, "open end") {
		text = strings.TrimSuffix(text, "\n")
	}
	return strings.ReplaceAll(text, "\n", newline)
}

func aText(t *rapid.T, f settings) string {
	newline := rapid.SampledFrom([]string{"\n", "\r\n"}).Draw(t, "newline")
	mark := rapid.SampledFrom([]string{"", "", bom}).Draw(t, "mark")
	if f.toml {
		return mark + aTOML(t, newline)
	}
	return mark + anExtra(t, newline) + aJSON(t, newline, 0, "root") + anExtra(t, newline)
}

// Whatever a settings file looks like: after install and uninstall it has the same bytes, and an edit that others make meanwhile stays.
func TestSettings_AnyFileIsGivenBackAsItWas(t *testing.T) {
	files := []settings{mcpFile, bothFile, hooksFile, flatFile, tomlFile}
	rapid.Check(t, func(t *rapid.T) {
		f := rapid.SampledFrom(files).Draw(t, "file")
		text := aText(t, f)
		w := aWish()
		in, err := f.put([]byte(text), nil, false, w)
		if err != nil {
			t.Skip(err) // what the clients could not read either
		}
		out, err := f.remove(in, []byte(text), true, w.name, true)
		if err != nil {
			t.Fatalf("remove: %v\nfrom\n%s", err, in)
		}
		if string(out) != text && !(f.vacant(out) && f.vacant([]byte(text))) {
			t.Fatalf("was %q\ninstalled %q\nis  %q", text, in, out)
		}
		edited := edit(t, f, string(in))
		out, err = f.remove([]byte(edited), []byte(text), true, w.name, true)
		if err != nil {
			t.Fatalf("remove: %v\nfrom\n%s", err, edited)
		}
		if want := edit(t, f, text); string(out) != want && !(f.vacant(out) && f.vacant([]byte(want))) {
			t.Fatalf("was %q\nedited %q\nis  %q\nwant %q", text, edited, out, want)
		}
		if f.toml {
			return
		}
		// An edit next to ours: what it means stays, however its layout comes out.
		_, body := splitMark(in)
		later, err := put(body, nil, false, "later", "x")
		if err != nil {
			t.Fatal(err)
		}
		if later, err = f.remove(later, []byte(text), true, w.name, true); err != nil {
			t.Fatal(err)
		}
		got, err := f.decode(later)
		if err != nil {
			t.Fatalf("%v in %q", err, later)
		}
		_, body = splitMark([]byte(text))
		want, _ := f.decode(body)
		want["later"] = "x"
		if f.flat && got["version"] != nil && want["version"] == nil {
			delete(got, "version") // it stays: the file needs it
		}
		if !reflect.DeepEqual(got, want) {
			t.Fatalf("was %q\nis %q", text, later)
		}
	})
}

// edit is an edit that has nothing to do with ours: comments in front and behind, and another value.
func edit(_ *rapid.T, f settings, text string) string {
	mark, body := splitMark([]byte(text))
	comment := "// mine"
	if f.toml {
		return string(mark) + "# mine\n" + string(body)
	}
	if _, err := parseJSON(body); err == nil && len(bytes.TrimSpace(body)) > 0 {
		return string(mark) + comment + "\n" + strings.Replace(string(body), `"// no"`, `"// yes"`, 1) + "\n" + comment
	}
	return text
}

// FuzzSettings puts ours into any text: it is refused, or comes out again byte for byte.
func FuzzSettings(f *testing.F) {
	for _, text := range jsonTexts {
		f.Add([]byte(text), byte(1))
	}
	for _, text := range tomlTexts {
		f.Add([]byte(text), byte(4))
	}
	files := []settings{mcpFile, bothFile, hooksFile, flatFile, tomlFile}
	f.Fuzz(func(t *testing.T, text []byte, which byte) {
		s, w := files[int(which)%len(files)], aWish()
		base, err := s.remove(text, nil, false, w.name, true)
		if err != nil {
			return
		}
		in, err := s.put(base, nil, false, w)
		if err != nil {
			return
		}
		out, err := s.remove(in, base, true, w.name, true)
		if err != nil {
			t.Fatalf("%q: remove: %v", in, err)
		}
		if !bytes.Equal(out, base) && !(s.vacant(out) && s.vacant(base)) {
			t.Fatalf("was %q\ninstalled %q\nis  %q", base, in, out)
		}
	})
}
