package policy

import (
	"fmt"
	"io/fs"
	"path"
	"slices"
	"strings"
)

// kind is what an argument or the value of a flag may be.
type kind int

const (
	noKind         kind = iota
	textKind            // anything: it is only looked at
	patternKind         // anything, even what begins with a dash
	numberKind          // digits, perhaps with a sign before and a unit behind
	nameKind            // letters, digits and a little between them
	pathKind            // a file or directory to read
	archiveKind         // a path that no program takes for another machine's
	outKind             // a path to write
	revisionKind        // a revision or a path, for git
	formatKind          // a format of git log
	dateKind            // a format of date, which begins with +
	awkKind             // a program for awk
	sedKind             // a script for sed
	jqKind              // a program for jq
	holeKind            // {}, for xargs -I
	anyKind             // anything; for programs that run what is in the workspace anyway
	commandKind         // a command, to the end
	envCommandKind      // variables and a command, to the end
)

var kindNames = []string{"", "text", "pattern", "number", "name", "path", "archive", "out", "revision", "format", "date", "awk", "sed", "jq", "hole", "any", "command", "envcommand"}

func parseKind(name string) (kind, error) {
	if i := slices.Index(kindNames, name); i > 0 {
		return kind(i), nil
	}
	return noKind, fmt.Errorf("there is no kind of argument %q: %s are", name, strings.Join(kindNames[1:], ", "))
}

// rest says whether an argument of this kind is a command, to which all that follows belongs.
func (k kind) rest() bool { return k == commandKind || k == envCommandKind }

// dashed says whether a value that begins with a dash may stand behind its flag.
func (k kind) dashed(text string) bool {
	return k == patternKind || k == anyKind || k == numberKind && isNumber(text)
}

// value judges one argument or one value of a flag.
func (c *check) value(k kind, w word) error {
	if c.mode == Safe && c.hole != "" && strings.Contains(w.text, c.hole) && (w.text != c.hole || k != pathKind && k != textKind) {
		return refuse("%s would fill in %s", "let it fill in a path by itself", c.inner, w.text)
	}
	if w.pattern != "" && k != pathKind && k != textKind && k != patternKind && k != anyKind && k != outKind && k != revisionKind {
		return refuse("%s holds a pattern of the shell", hintQuote, w.text)
	}
	switch k {
	case numberKind:
		if !isNumber(w.text) {
			return refuse("%s is no number", "give a number", w.text)
		}
	case nameKind:
		if !plainName(w.text) {
			return refuse("%s is more than a name", "give a plain word", w.text)
		}
	case pathKind, outKind:
		return c.path(w.text, k)
	case archiveKind:
		if strings.Contains(w.text, ":") {
			return refuse("%s may be on another machine", "name a file without a colon", w.text)
		}
		return c.path(w.text, pathKind)
	case revisionKind:
		return c.revision(w.text)
	case formatKind:
		return logFormat(w.text)
	case dateKind:
		if !strings.HasPrefix(w.text, "+") {
			return refuse("date %s sets the clock", "write a format: date +%%F", w.text)
		}
	case awkKind:
		return awk(w.text)
	case sedKind:
		return sed(w.text)
	case jqKind:
		return jq(w.text)
	case holeKind:
		if w.text != "{}" {
			return refuse("-I is only taken with {}", "write -I{}")
		}
	}
	return nil
}

func isNumber(text string) bool {
	text = strings.TrimLeft(text, "+-")
	units := strings.TrimLeft(text, "0123456789.")
	return len(units) < len(text) && len(units) <= 2 && strings.Trim(units, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ") == ""
}

// plainName says whether a text is a word, perhaps of several parts: UTF-8, en_GB.UTF-8, Europe/Berlin, or nothing.
func plainName(text string) bool {
	for i, r := range text {
		letter := 'a' <= r && r <= 'z' || 'A' <= r && r <= 'Z' || '0' <= r && r <= '9' || r == '_'
		if !letter && (i == 0 || !strings.ContainsRune(".,:+@%/=-", r)) {
			return false
		}
	}
	return !strings.Contains(text, "..")
}

// scene is where a command runs.
type scene struct {
	files fs.FS  // the workspace; nil where only the text is judged
	dir   string // below it
}

// path judges a path by its text, and where the workspace is at hand by where it leads.
func (c *check) path(text string, k kind) error {
	if text == "" || text == "-" || text == "/dev/null" {
		return nil
	}
	const hint = "name something in the workspace"
	if c.mode == Safe && text[0] == '@' {
		return refuse("%s is a list of arguments to some programs", "write ./"+text, text)
	}
	below := text
	switch {
	case path.IsAbs(text):
		rel, ok := c.below(text)
		if !ok {
			if c.mode >= Restricted && (text == "/tmp" || strings.HasPrefix(path.Clean(text), "/tmp/")) {
				return nil // the sandbox's own
			}
			return refuse("%s is outside of the workspace", hint, text)
		}
		below = rel
	case strings.HasPrefix(text, `\\`) || len(text) > 1 && text[1] == ':' && strings.Contains(text, `\`):
		return refuse("%s is outside of the workspace", hint, text)
	default:
		tail := text
		for tail == ".." || strings.HasPrefix(tail, "../") {
			tail = strings.TrimLeft(tail[2:], "/")
		}
		// Where b is a link, b/.. is not here.
		if c.mode == Safe && slices.Contains(strings.Split(tail, "/"), "..") {
			return refuse("%s goes up in the middle, where a link may lead elsewhere", "write the path without ..", text)
		}
		below = path.Join(c.scene.dir, text)
	}
	if below == ".." || strings.HasPrefix(below, "../") {
		return refuse("%s is outside of the workspace", hint, text)
	}
	for name := range strings.SplitSeq(below, "/") {
		if k == outKind && strings.EqualFold(name, ".git") {
			return refuse("%s is git's own", "let git write there", text)
		}
		if c.mode == Safe {
			if why := c.tables.hides(name); why != "" {
				return refuse("%s is not shown in safe mode: %s", "restricted mode shows it, if a person approves", text, why)
			}
		}
	}
	return c.scene.inside(text, below)
}

// below gives the rest of an absolute path that is in the workspace.
func (c *check) below(text string) (string, bool) {
	if c.workspace == "" || slices.Contains(strings.Split(text, "/"), "..") {
		return "", false
	}
	if path.Clean(text) == path.Clean(c.workspace) {
		return ".", true
	}
	return strings.CutPrefix(path.Clean(text), strings.TrimSuffix(path.Clean(c.workspace), "/")+"/")
}
