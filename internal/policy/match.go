package policy

import (
	"errors"
	"slices"
	"strings"
)

// check judges one command.
type check struct {
	*Policy
	mode   Mode
	scene  scene
	inner  string // the program that runs this one, if any
	hole   string // the argument that find or xargs fills in; empty for none
	fed    bool   // xargs adds arguments of its own
	listed bool   // what comes through the pipe are names of files in the workspace
}

// match is what a rule made of a command.
type match struct {
	rule  *rule
	at    int      // where the words of the rule ended
	words int      // how many those were
	flags []string // those that were there
	paths int      // how many other arguments were paths
	asked []string // why a person is to be asked
	told  []string // what it does, and what the commands that it runs do
	argv0 string
}

// program finds the rule that takes a command, or says why none does.
func (c *check) program(argv []word) (*match, error) {
	if len(argv) == 0 || argv[0].text == "" {
		return nil, refuse("there is no program to run", "name one")
	}
	name := argv[0].text
	if strings.ContainsRune(name, '/') {
		if err := c.path(name, pathKind); err != nil || strings.HasPrefix(name, "/") {
			return nil, refuse("%s is a program outside of the workspace", "name it without its directory", name)
		}
		name = "./"
	}
	for _, r := range c.tables.refusals[name] {
		if c.mode <= r.Mode && (r.Words == "" || startsWith(argv[1:], strings.Fields(r.Words))) {
			return nil, refuse("%s: %s", r.Hint, strings.TrimSpace(argv[0].text+" "+r.Words), r.Reason)
		}
	}
	var best *match // that with the longest subcommand, and of these one that does not ask
	var problem error
	deep, tried := -1, false
	for _, r := range c.tables.rules[name] {
		if r.Mode > c.mode {
			continue
		}
		m, depth, err := c.rule(r, argv)
		tried = true
		switch {
		case err == errOther:
		case err != nil && depth > deep:
			problem, deep = err, depth
		case err == nil && (best == nil || m.words > best.words || m.words == best.words && len(best.asked) > len(m.asked)):
			best = m
		}
	}
	switch {
	case best != nil:
		return best, nil
	case problem != nil:
		return nil, problem
	}
	said := argv[0].text
	if i := slices.IndexFunc(argv[1:], func(w word) bool { return !isFlag(w.text) }); tried && i >= 0 {
		said += " " + argv[1+i].text
	}
	return nil, refuse("%s is not in the tables of %s mode", "a person can add it to agentbridge.toml: [[policy.allow]]", said, c.mode)
}

// errOther says that a rule is about another subcommand.
var errOther = errors.New("another subcommand")

func startsWith(argv []word, words []string) bool {
	if len(argv) < len(words) {
		return false
	}
	for i, w := range words {
		if argv[i].text != w {
			return false
		}
	}
	return true
}

// rule tries one rule. Depth tells how far it went, so that the refusal of the rule that came closest is told.
func (c *check) rule(r *rule, argv []word) (m *match, depth int, err error) {
	m = &match{rule: r, argv0: argv[0].text}
	rest := argv[1:]
	if len(r.before) > 0 {
		for len(rest) > 0 && strings.HasPrefix(rest[0].text, "-") {
			if _, ok := r.before[flagName(rest[0].text)]; !ok {
				break
			}
			n, err := c.flag(r, r.before, rest, m)
			if err != nil {
				return nil, 0, err
			}
			rest = rest[n:]
		}
	}
	if len(r.words) > 0 {
		i := slices.IndexFunc(r.words, func(words []string) bool { return startsWith(rest, words) })
		if i < 0 {
			return nil, 0, errOther
		}
		m.words = len(r.words[i])
		rest = rest[m.words:]
	}
	m.at, m.told = len(argv)-len(rest), []string{r.Reason}
	depth = 1 + m.at
	if r.Ask {
		m.asked = []string{r.Reason}
	}
	if r.Style == "find" {
		err = c.find(r, rest, m)
	} else {
		err = c.arguments(r, rest, m)
	}
	if err == nil && len(r.needs) > 0 && !slices.ContainsFunc(m.flags, func(f string) bool { return slices.Contains(r.needs, f) }) {
		err = refuse("%s changes something unless it has one of %s", "add one of these flags", argv[0].text, r.Needs)
	}
	if err != nil {
		return nil, depth, err
	}
	return m, depth, nil
}

func flagName(text string) string {
	if strings.HasPrefix(text, "--") {
		text, _, _ = strings.Cut(text, "=")
		return text
	}
	return text[:min(2, len(text))]
}

// arguments reads flags and other arguments the way getopt does.
func (c *check) arguments(r *rule, rest []word, m *match) error {
	var others []word
	ended := r.Style == "raw"
	for len(rest) > 0 {
		w := rest[0]
		if len(others) < len(r.args) && r.args[len(others)].rest() && (ended || !isFlag(w.text) || r.anyFlags) {
			return c.command(r.args[len(others)], rest, m)
		}
		switch {
		case !ended && w.text == "--":
			ended, rest = true, rest[1:]
		case !ended && isFlag(w.text) && !r.anyFlags:
			n, err := c.flag(r, r.flags, rest, m)
			if err != nil {
				return err
			}
			rest = rest[n:]
		default:
			others, rest = append(others, w), rest[1:]
			ended = ended || r.Style == "posix"
		}
	}
	kinds := r.args
	if len(kinds) > 0 && slices.ContainsFunc(m.flags, func(f string) bool { return slices.Contains(r.instead, f) }) {
		kinds = kinds[1:]
	}
	for i, w := range others {
		if i >= len(kinds) {
			if !r.many || len(kinds) == 0 {
				return refuse("%s is not taken with the argument %s in %s mode", "leave it out", m.argv0, w.text, c.mode)
			}
			i = len(kinds) - 1
		}
		if err := c.value(kinds[i], w); err != nil {
			return err
		}
		if kinds[i] == pathKind {
			m.paths++
		}
	}
	return nil
}

func isFlag(text string) bool { return len(text) > 1 && text[0] == '-' }

// flag reads one argument of flags, and their values. It gives how many arguments that took.
func (c *check) flag(r *rule, set flags, rest []word, m *match) (int, error) {
	text := rest[0].text
	unknown := func(name string) error {
		return refuse("%s is not taken with the flag %s in %s mode", "leave it out, or see the tables in doc/commands.md", m.argv0, name, c.mode)
	}
	if c.hole != "" && strings.Contains(text, c.hole) {
		return 0, refuse("%s would fill in a flag", "let it fill in an argument of its own", c.inner)
	}
	if strings.HasPrefix(text, "--") || r.Style == "go" {
		name, value, attached := strings.Cut(text, "=")
		f, ok := set[name]
		if !ok && r.Style == "go" {
			f, ok = set[strings.TrimPrefix(name, "-")] // --run is -run
		}
		if !ok || attached && len(f.kinds) != 1 {
			return 0, unknown(name)
		}
		m.flags = append(m.flags, name)
		if attached {
			return 1, c.value(f.kinds[0], word{text: value, pattern: rest[0].pattern})
		}
		return c.values(f, name, rest)
	}
	if _, ok := set["-#"]; ok && strings.Trim(text[1:], "0123456789") == "" {
		m.flags = append(m.flags, "-#")
		return 1, nil
	}
	for i := 1; i < len(text); i++ {
		name := "-" + text[i:i+1]
		f, ok := set[name]
		if !ok {
			return 0, unknown(name)
		}
		m.flags = append(m.flags, name)
		if len(f.kinds) == 0 {
			continue
		}
		if attached := text[i+1:]; attached != "" {
			if len(f.kinds) > 1 {
				return 0, unknown(text)
			}
			return 1, c.value(f.kinds[0], word{text: attached, pattern: rest[0].pattern})
		}
		return c.values(f, name, rest)
	}
	return 1, nil
}

// values reads the values that stand behind a flag.
func (c *check) values(f flag, name string, rest []word) (int, error) {
	if f.optional {
		return 1, nil
	}
	for i, k := range f.kinds {
		if i+1 >= len(rest) {
			return len(rest), nil // the program says that it wants a value, or knows one
		}
		w := rest[1+i]
		// Should the table be wrong about a program, so that this is no value to it, then it must be no flag either.
		if isFlag(w.text) && !k.dashed(w.text) {
			return 0, refuse("the value of %s looks like a flag: %s", "write it to the flag itself", name, w.text)
		}
		if err := c.value(k, w); err != nil {
			return 0, err
		}
	}
	return 1 + len(f.kinds), nil
}

// find reads find's own language: paths, then tests and actions.
func (c *check) find(r *rule, rest []word, m *match) error {
	for len(rest) > 0 && slices.Contains([]string{"-H", "-P"}, rest[0].text) {
		rest = rest[1:]
	}
	expression := false
	for len(rest) > 0 {
		text := rest[0].text
		if text == "(" || text == ")" || text == "!" || text == "," {
			expression, rest = true, rest[1:]
			continue
		}
		if text == "" || text[0] != '-' {
			if expression {
				return refuse("find wants paths before tests, and %s comes behind", "put it in front", text)
			}
			if err := c.value(pathKind, rest[0]); err != nil {
				return err
			}
			m.paths++
			rest = rest[1:]
			continue
		}
		expression = true
		f, ok := r.flags[text]
		if !ok {
			return refuse("find is not taken with %s in %s mode", "leave it out; -exec is taken with a program that only reads", text, c.mode)
		}
		m.flags = append(m.flags, text)
		rest = rest[1:]
		for _, k := range f.kinds {
			if k == commandKind {
				n, err := c.exec(rest, m)
				if err != nil {
					return err
				}
				rest = rest[n:]
				continue
			}
			if len(rest) == 0 {
				return refuse("find's %s has no value", "give it one", text)
			}
			if err := c.value(k, rest[0]); err != nil {
				return err
			}
			rest = rest[1:]
		}
	}
	return nil
}

// command reads the command behind xargs, timeout and the like.
func (c *check) command(k kind, rest []word, m *match) error {
	if k == envCommandKind {
		for len(rest) > 0 && strings.Contains(rest[0].text, "=") {
			name, value, _ := strings.Cut(rest[0].text, "=")
			if err := c.variable(assignment{name, value}); err != nil {
				return err
			}
			rest = rest[1:]
		}
	}
	hole := ""
	if m.argv0 == "xargs" {
		if slices.Contains(m.flags, "-I") {
			hole = "{}"
		}
		if c.mode == Safe && !c.listed {
			return refuse("xargs takes arguments from what may be anything", "feed it names of files: find, git ls-files, rg --files or grep -l, and a pipe")
		}
	}
	return c.within(m.argv0, hole, rest, m)
}

// variable judges NAME=VALUE in front of a command.
func (c *check) variable(a assignment) error {
	v, ok := c.tables.variable(a.name)
	if !ok || v.Mode > c.mode {
		return refuse("the variable %s is not in the tables of %s mode", "leave it out: it can change what programs run", a.name, c.mode)
	}
	if c.mode == Safe && !plainName(a.value) {
		return refuse("the value of %s is more than a name", "give it a plain name", a.name)
	}
	return nil
}

// exec reads the command of find's -exec, up to its end. What find fills in begins with one of the paths it was given, and so is
// neither a flag nor outside.
func (c *check) exec(rest []word, m *match) (int, error) {
	end := slices.IndexFunc(rest, func(w word) bool { return w.text == ";" })
	if plus := slices.IndexFunc(rest, func(w word) bool { return w.text == "+" }); plus > 0 && rest[plus-1].text == "{}" && (end < 0 || plus < end) {
		end = plus
	}
	if end < 1 {
		return 0, refuse(`find's -exec has no end`, `end it with {} + or with \;`)
	}
	return end + 1, c.within("find", "{}", rest[:end], m)
}

// within judges a command that another program runs.
func (c *check) within(by, hole string, argv []word, m *match) error {
	inner := *c
	inner.inner, inner.fed = by, c.fed || by == "xargs"
	if by == "find" || by == "xargs" {
		inner.hole, inner.listed = hole, false
	}
	got, err := inner.program(argv)
	if err != nil {
		return err
	}
	if hole != "" && strings.Contains(argv[0].text, hole) {
		return refuse("%s would fill in the program", "name it", by)
	}
	if c.mode == Safe && (got.rule.Guard != "" || got.rule.After != "") {
		return refuse("%s runs %s without what makes it safe", "run it by itself", by, argv[0].text)
	}
	if c.mode == Safe && inner.fed && !got.rule.Fed {
		return refuse("%s does more than read with some arguments, and xargs takes them from its input", "name its arguments yourself", argv[0].text)
	}
	m.told, m.asked = append(m.told, got.told...), append(m.asked, got.asked...)
	return nil
}
