package policy

import (
	"errors"
	"io/fs"
	"path"
	"slices"
	"strings"
	"syscall"

	"mvdan.cc/sh/v3/syntax"
)

// judge reads a command and asks the tables about each program in it.
func (p *Policy) judge(mode Mode, command string, file *syntax.File, files fs.FS) Decision {
	d := Decision{Verdict: Allow, Mode: mode}
	var read reader
	err := unbroken(command)
	if err == nil {
		err = read.file(file)
	}
	if err == nil {
		err = (&check{Policy: p, mode: mode, scene: scene{files: files}}).path(read.dir, pathKind)
	}
	if err == nil {
		err = scene{files, read.dir}.linkless()
	}
	var told, asked []string
	if err == nil {
		d.Steps, told, asked, err = p.steps(mode, read, files)
	}
	switch {
	case err != nil:
		d = denied(mode, err)
		if mode == Safe {
			if next := p.judge(Restricted, command, file, files); next.Verdict != Deny {
				d.Hint = strings.TrimPrefix(d.Hint+"; restricted mode takes it", "; ")
			}
		}
	case len(asked) > 0:
		d.Verdict, d.Reason = Ask, strings.Join(asked, "; ")
	default:
		d.Reason = strings.Join(told, "; ")
	}
	return d
}

func (p *Policy) steps(mode Mode, read reader, files fs.FS) (steps []Step, told, asked []string, err error) {
	for _, st := range read.stages {
		step := Step{When: st.when}
		var before *match
		listed := false
		for _, one := range st.commands {
			c := check{Policy: p, mode: mode, scene: scene{files, one.dir}}
			c.listed = listed
			m, cmd, err := c.simple(one)
			if err != nil {
				return nil, nil, nil, err
			}
			listed = m.lists() || listed && before != nil && m.filters()
			before = m
			step.Commands = append(step.Commands, cmd)
			told, asked = more(told, m.told), more(asked, m.asked)
		}
		steps = append(steps, step)
	}
	return steps, told, asked, nil
}

// more puts together what was not said before.
func more(all, next []string) []string {
	for _, text := range next {
		if !slices.Contains(all, text) {
			all = append(all, text)
		}
	}
	return all
}

// simple judges one command of a pipe.
func (c *check) simple(one simple) (*match, Command, error) {
	cmd := Command{Dir: one.dir}
	for _, a := range one.vars {
		if err := c.variable(a); err != nil {
			return nil, cmd, err
		}
		cmd.Env = append(cmd.Env, a.name+"="+a.value)
	}
	argv := one.words
	if c.scene.files != nil {
		var err error
		if argv, err = c.scene.filled(argv); err != nil {
			return nil, cmd, err
		}
	}
	m, err := c.program(argv)
	if err != nil {
		return nil, cmd, err
	}
	for _, r := range one.redirects {
		if err := c.redirect(r); err != nil {
			return nil, cmd, err
		}
	}
	if m.rule.Guard != "" && m.argv0 == "git" && c.mode == Safe {
		if err := c.scene.repository(); err != nil {
			return nil, cmd, err
		}
	}
	cmd.Redirects = one.redirects
	cmd.Argv = make([]string, 0, len(argv)+len(m.rule.guard.Argv)+len(m.rule.after))
	cmd.Env = append(cmd.Env, m.rule.guard.Env...)
	for i, w := range argv {
		if i == m.at {
			cmd.Argv = append(cmd.Argv, m.rule.after...)
		}
		if w.pattern != "" && c.scene.files == nil {
			cmd.Patterns = append(cmd.Patterns, len(cmd.Argv))
		}
		cmd.Argv = append(cmd.Argv, w.text)
		if i == 0 {
			cmd.Argv = append(cmd.Argv, m.rule.guard.Argv...)
		}
	}
	if m.at == len(argv) {
		cmd.Argv = append(cmd.Argv, m.rule.after...)
	}
	return m, cmd, nil
}

func (c *check) redirect(r Redirect) error {
	switch {
	case r.Op == ">&" || r.Path == "/dev/null":
		return nil
	case r.Op == "<":
		return c.path(r.Path, pathKind)
	case c.mode == Safe:
		return refuse("%s %s writes a file, and safe mode writes none", "only /dev/null is written in safe mode", r.Op, r.Path)
	}
	return c.path(r.Path, outKind)
}

// lists says whether a command prints names of files in the workspace, and nothing else.
func (m *match) lists() bool {
	switch {
	case m.rule.Style == "find":
		return !slices.ContainsFunc(m.flags, func(f string) bool { return slices.Contains([]string{"-printf", "-exec", "-ls"}, f) })
	case m.rule.Lists == "always":
		return m.plain()
	}
	return m.plain() && slices.ContainsFunc(m.flags, func(f string) bool { return slices.Contains(m.rule.lists, f) })
}

// filters says whether a command passes on some lines of its input, unchanged.
func (m *match) filters() bool {
	return m.rule.Filters && m.paths == 0 && m.plain()
}

// plain says whether all flags leave what is printed as it is.
func (m *match) plain() bool {
	return !slices.ContainsFunc(m.flags, func(f string) bool { return !slices.Contains(m.rule.plain, f) && !slices.Contains(m.rule.lists, f) })
}

// inside refuses a path that a link leads out of the workspace. What is not there harms nobody.
func (s scene) inside(text, below string) error {
	if s.files == nil || strings.ContainsAny(below, "*?") || below == "" {
		return nil
	}
	if _, err := fs.Stat(s.files, path.Clean(below)); err != nil && !errors.Is(err, fs.ErrNotExist) && !errors.Is(err, fs.ErrInvalid) && !errors.Is(err, syscall.ENOTDIR) {
		return refuse("%s cannot be looked at inside the workspace: a link may lead out of it", "name something in the workspace", text)
	}
	return nil
}

// linkless refuses a directory that cd reaches through a link: its .. is elsewhere.
func (s scene) linkless() error {
	if s.files == nil || s.dir == "" {
		return nil
	}
	at := ""
	for name := range strings.SplitSeq(s.dir, "/") {
		at = path.Join(at, name)
		if info, err := fs.Lstat(s.files, at); err == nil && info.Mode()&fs.ModeSymlink != 0 {
			return refuse("cd %s goes through a link", "name the directory itself", s.dir)
		}
	}
	return nil
}

// filled puts the names of files in the place of patterns, as bash does, in the order of their bytes. A pattern that nothing matches
// stays as it is.
func (s scene) filled(argv []word) ([]word, error) {
	if !slices.ContainsFunc(argv, func(w word) bool { return w.pattern != "" }) {
		return argv, nil
	}
	var out []word
	for _, w := range argv {
		if w.pattern == "" {
			out = append(out, w)
			continue
		}
		found, err := s.glob(w.pattern)
		if err != nil {
			return nil, err
		}
		for _, name := range found {
			out = append(out, word{text: name})
		}
		if len(found) == 0 {
			out = append(out, word{text: w.text})
		}
		if len(out) > maxArguments {
			return nil, refuse("%s matches more than %d files", "name fewer", w.text, maxArguments)
		}
	}
	return out, nil
}

// maxArguments is the most that patterns may make of a command.
const maxArguments = 4096

// glob gives the files that match a pattern, as it names them.
func (s scene) glob(pattern string) ([]string, error) {
	if path.IsAbs(pattern) || slices.Contains(strings.Split(pattern, "/"), "..") || strings.Contains(pattern, "//") {
		return nil, refuse("%s is a pattern that may lead out of the workspace", "name the files", pattern)
	}
	found := []string{""}
	parts := strings.Split(pattern, "/")
	for i, part := range parts {
		var next []string
		for _, at := range found {
			if !strings.ContainsAny(part, "*?") {
				// Quoting has nothing to hide in a part without patterns.
				name := at + strings.ReplaceAll(part, `\`, "")
				if _, err := fs.Stat(s.files, path.Join(".", s.dir, name)); err == nil {
					next = append(next, name)
				}
				if i < len(parts)-1 && len(next) > 0 {
					next[len(next)-1] += "/"
				}
				continue
			}
			entries, err := fs.ReadDir(s.files, path.Join(".", s.dir, at))
			if err != nil {
				continue
			}
			for _, e := range entries {
				ok, err := path.Match(part, e.Name())
				if err != nil || !ok || e.Name()[0] == '.' && part[0] != '.' {
					continue
				}
				name := at + e.Name()
				if i < len(parts)-1 {
					if info, err := fs.Stat(s.files, path.Join(".", s.dir, name)); err != nil || !info.IsDir() {
						continue
					}
					name += "/"
				}
				next = append(next, name)
			}
		}
		if found = next; len(found) > maxArguments {
			return nil, refuse("%s matches more than %d files", "name fewer", pattern, maxArguments)
		}
	}
	slices.Sort(found)
	return found, nil
}
