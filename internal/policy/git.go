package policy

import (
	"errors"
	"io/fs"
	"path"
	"regexp"
	"strings"
)

// revision judges what git may take for a revision or for a path: it must be harmless as both.
func (c *check) revision(text string) error {
	if text == "/dev/null" {
		return refuse("with /dev/null git compares files outside of the repository, too", "git show COMMIT:FILE shows a file")
	}
	if path.IsAbs(text) || strings.HasPrefix(text, "..") && strings.Contains(text, "/") {
		return c.path(text, pathKind)
	}
	if c.mode != Safe {
		return nil
	}
	// Of A..B, HEAD:PATH and :(magic)PATH, every part may name a private file.
	for part := range strings.FieldsFuncSeq(text, func(r rune) bool { return strings.ContainsRune("/:()", r) }) {
		if why := c.tables.hides(part); why != "" {
			return refuse("%s is not shown in safe mode: %s", "restricted mode shows it, if a person approves", text, why)
		}
	}
	return c.scene.inside(text, path.Join(c.scene.dir, text))
}

// signed are the placeholders that make git run gpg, with what may stand before them.
var signed = regexp.MustCompile(`%[-+ ]?G`)

// logFormat refuses formats that make git run gpg, and names that the repository's configuration can give a meaning.
func logFormat(text string) error {
	format, custom := strings.CutPrefix(text, "format:")
	if !custom {
		format, custom = strings.CutPrefix(text, "tformat:")
	}
	switch {
	case signed.MatchString(format):
		return refuse("%%G runs the program that checks signatures", "leave it out")
	case custom || strings.Contains(format, "%"):
		return nil
	}
	switch format {
	case "oneline", "short", "medium", "full", "fuller", "reference", "email", "raw", "":
		return nil
	}
	return refuse("%s may be a format of the repository's own", "write format:… with what it stands for", text)
}

// telling are what makes git run a program, or read another repository, at the word of the repository's own configuration, and cannot
// be turned off on the command line because it has a name of its own. What can be is turned off by the guard in the tables.
var telling = []struct{ text, does string }{
	{"[filter", "filters, which are programs that git diff and git status run"},
	{"[include", "other files of configuration"},
	{"worktree", "another work tree or more configuration"},
	{"partialclone", "a remote from which git log fetches"},
	{"promisor", "a remote from which git log fetches"},
	{"objectformat", "an unusual format"},
	{"refstorage", "an unusual format"},
}

// repository refuses git in safe mode where the repository that it would find here could make it run something.
func (s scene) repository() error {
	if s.files == nil {
		return nil
	}
	const hint = "restricted mode runs it in the sandbox, if a person approves"
	for at := path.Join(".", s.dir); ; at = path.Dir(at) {
		git := path.Join(at, ".git")
		info, err := fs.Lstat(s.files, git)
		switch {
		case err == nil && !info.IsDir():
			return refuse("%s leads to a repository elsewhere", hint, git)
		case err == nil:
			return s.configuration(git, hint)
		case !errors.Is(err, fs.ErrNotExist):
			return refuse("%s cannot be looked at", hint, git)
		}
		if _, err := fs.Stat(s.files, path.Join(at, "HEAD")); err == nil {
			if _, err := fs.Stat(s.files, path.Join(at, "objects")); err == nil {
				return refuse("%s looks like a repository without a work tree", hint, at)
			}
		}
		if at == "." {
			return nil // git says that there is none
		}
	}
}

func (s scene) configuration(git, hint string) error {
	for _, name := range []string{"commondir", "gitdir", "config.worktree", "info/attributes"} {
		if _, err := fs.Lstat(s.files, path.Join(git, name)); !errors.Is(err, fs.ErrNotExist) {
			return refuse("%s is there, and may make git run programs", hint, path.Join(git, name))
		}
	}
	text, err := fs.ReadFile(s.files, path.Join(git, "config"))
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return refuse("%s/config cannot be read", hint, git)
	}
	config := strings.ToLower(string(text))
	for _, t := range telling {
		if strings.Contains(config, t.text) {
			return refuse("%s/config names %s", hint, git, t.does)
		}
	}
	return nil
}
