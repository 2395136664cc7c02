package policy

import (
	"embed"
	"fmt"
	"io/fs"
	"maps"
	"path"
	"slices"
	"strings"
	"sync"

	"github.com/BurntSushi/toml"
)

// A Rule allows a program, or one of its subcommands, with the flags and arguments it names and no others. doc/commands.md
// explains the notation; the built-in rules, in the directory tables, are examples of it.
type Rule struct {
	Program string // names, separated by spaces: one rule for all of them
	Words   string // the subcommand it is about; alternatives by |
	Mode    Mode   // the least mode that takes it
	Ask     bool   // a person must know why
	Style   string // how flags are written: "" as GNU does, "posix" if they end at the first other argument, "go" for -name, "find", or "raw" for a program that has none
	Before  string // flags in front of Words
	Flags   string // -x, -xyz for three of them, --name, -x=KIND, --name?=KIND, -# for a number, @name for a group of flags, any
	Args    string // kinds of the other arguments, in order; the last may end in *
	Instead string // flags in whose presence the first argument falls away, as grep's -e
	Needs   string // flags of which one must be there
	Guard   string // what is put in besides, by the name of its group
	After   string // flags put in behind Words
	Fed     bool   // whatever its arguments are, it neither writes nor runs: xargs may fill them in
	Lists   string // flags with which it prints names of files in the workspace; "always" if it does without
	Filters bool   // it passes on some lines of its input, as they are
	Plain   string // flags with which what it lists or passes on is still only that
	Reason  string // what it does, for the person who approves
}

// A Refusal names a program, or a subcommand, that is refused whatever rule allows it.
type Refusal struct {
	Program, Words string
	Mode           Mode // the last mode that refuses it; Restricted if it is not said
	Reason, Hint   string
}

// guard is what is put into a command line, whoever wrote it.
type guard struct {
	Name   string
	Argv   []string // behind the program's name
	Env    []string
	Reason string
}

// variable is an environment variable that a command may be given.
type variable struct {
	Names  string // patterns, separated by spaces
	Mode   Mode
	Reason string
}

// private names files that safe mode does not show, in whatever directory.
type private struct {
	Names, Except, Reason string
}

// tables are rules, ready for use. They do not change.
type tables struct {
	groups    map[string]string
	guards    map[string]guard
	rules     map[string][]*rule
	refusals  map[string][]*Refusal
	variables []variable
	private   []private
	hidden    map[string]string // names in private that are no patterns, with the reason
}

//go:embed tables/*.toml
var files embed.FS

// builtin is read once, when it is first needed: it is the same for all policies.
var builtin = sync.OnceValues(func() (*tables, error) {
	t := &tables{groups: map[string]string{}, guards: map[string]guard{}, rules: map[string][]*rule{}, refusals: map[string][]*Refusal{}, hidden: map[string]string{}}
	names, err := fs.Glob(files, "tables/*.toml")
	if err != nil {
		return nil, err
	}
	slices.Sort(names)
	for _, name := range names {
		var file struct {
			Flags    map[string]string
			Guard    []guard
			Variable []variable
			Private  []private
			Allow    []Rule
			Deny     []Refusal
		}
		meta, err := toml.DecodeFS(files, name, &file)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", name, err)
		}
		if unknown := meta.Undecoded(); len(unknown) > 0 {
			return nil, fmt.Errorf("%s: unknown key %s", name, unknown[0])
		}
		maps.Copy(t.groups, file.Flags)
		for _, g := range file.Guard {
			t.guards[g.Name] = g
		}
		t.variables, t.private = append(t.variables, file.Variable...), append(t.private, file.Private...)
		for _, p := range file.Private {
			for name := range strings.FieldsSeq(p.Names) {
				if !strings.Contains(name, "*") {
					t.hidden[name] = p.Reason
				}
			}
		}
		if err := t.add(file.Allow, file.Deny); err != nil {
			return nil, fmt.Errorf("%s: %w", name, err)
		}
	}
	return t, nil
})

// with is the tables with more rules, which come first.
func (t *tables) with(allow []Rule, deny []Refusal) (*tables, error) {
	more := *t
	more.rules, more.refusals = map[string][]*rule{}, map[string][]*Refusal{}
	if err := more.add(allow, deny); err != nil {
		return nil, err
	}
	for name, rules := range t.rules {
		more.rules[name] = append(more.rules[name], rules...)
	}
	for name, refusals := range t.refusals {
		if len(more.rules[name]) == len(t.rules[name]) { // a person who allows a program has read why it was refused
			more.refusals[name] = append(more.refusals[name], refusals...)
		}
	}
	return &more, nil
}

func (t *tables) add(allow []Rule, deny []Refusal) error {
	for _, r := range allow {
		compiled, err := t.compile(r)
		if err != nil {
			return fmt.Errorf("rule for %q: %w", strings.TrimSpace(r.Program+" "+r.Words), err)
		}
		for name := range strings.FieldsSeq(r.Program) {
			t.rules[name] = append(t.rules[name], compiled)
		}
	}
	for _, r := range deny {
		if r.Mode == 0 {
			r.Mode = Restricted
		}
		if r.Program == "" || r.Reason == "" {
			return fmt.Errorf("refusal of %q: it needs a program and a reason", r.Program)
		}
		for name := range strings.FieldsSeq(r.Program) {
			t.refusals[name] = append(t.refusals[name], &r)
		}
	}
	return nil
}

// rule is a Rule as it is used.
type rule struct {
	Rule
	words         [][]string // alternatives
	before, flags flags
	anyFlags      bool
	args          []kind
	many          bool // the last of args may come any number of times
	instead       []string
	needs         []string
	lists         []string
	plain         []string
	after         []string
	guard         guard
}

// flags are what a program may be told, by "-x" or "--name".
type flags map[string]flag

type flag struct {
	kinds    []kind // of its values
	optional bool   // a value is only one if it is written to the flag itself
}

func (t *tables) compile(r Rule) (*rule, error) {
	c := &rule{Rule: r}
	switch {
	case r.Program == "" || r.Reason == "":
		return nil, fmt.Errorf("it needs a program and a reason")
	case r.Mode != Safe && r.Mode != Restricted:
		return nil, fmt.Errorf("its mode is safe or restricted")
	case !slices.Contains([]string{"", "posix", "go", "find", "raw"}, r.Style):
		return nil, fmt.Errorf("there is no style %q", r.Style)
	}
	for alternative := range strings.SplitSeq(r.Words, "|") {
		if fields := strings.Fields(alternative); len(fields) > 0 {
			c.words = append(c.words, fields)
		}
	}
	var err error
	if c.before, err = t.flags(r.Before, r.Style); err != nil {
		return nil, err
	}
	if c.anyFlags = r.Flags == "any"; !c.anyFlags {
		if c.flags, err = t.flags(r.Flags, r.Style); err != nil {
			return nil, err
		}
	} else if r.Mode == Safe {
		return nil, fmt.Errorf("in safe mode each flag is named")
	}
	for name := range strings.FieldsSeq(r.Args) {
		name, c.many = strings.CutSuffix(name, "*")
		k, err := parseKind(name)
		if err != nil {
			return nil, err
		}
		c.args = append(c.args, k)
	}
	for _, list := range []struct {
		to   *[]string
		from string
	}{{&c.instead, r.Instead}, {&c.needs, r.Needs}, {&c.lists, r.Lists}, {&c.plain, r.Plain}, {&c.after, r.After}} {
		*list.to = strings.Fields(list.from)
	}
	if r.Guard != "" {
		var ok bool
		if c.guard, ok = t.guards[r.Guard]; !ok {
			return nil, fmt.Errorf("there is no guard %q", r.Guard)
		}
	}
	return c, nil
}

// flags reads the notation of a rule.
func (t *tables) flags(text, style string) (flags, error) {
	out := flags{}
	for token := range strings.FieldsSeq(text) {
		if group, ok := strings.CutPrefix(token, "@"); ok {
			more, ok := t.groups[group]
			if !ok {
				return nil, fmt.Errorf("there is no group of flags %q", group)
			}
			set, err := t.flags(more, style)
			if err != nil {
				return nil, err
			}
			maps.Copy(out, set)
			continue
		}
		name, values, valued := strings.Cut(token, "=")
		var f flag
		name, f.optional = strings.CutSuffix(name, "?")
		if valued {
			for value := range strings.SplitSeq(values, ",") {
				k, err := parseKind(value)
				if err != nil {
					return nil, fmt.Errorf("flag %s: %w", token, err)
				}
				f.kinds = append(f.kinds, k)
			}
		}
		long := strings.HasPrefix(name, "--")
		switch {
		case len(name) < 2 || name[0] != '-' || name == "--" || f.optional && len(f.kinds) != 1:
			return nil, fmt.Errorf("%q is no flag", token)
		case style != "go" && style != "find" && !long && len(name) > 2:
			if valued {
				return nil, fmt.Errorf("%q: a flag with a value stands alone", token)
			}
			for _, letter := range name[1:] {
				out["-"+string(letter)] = flag{}
			}
		default:
			out[name] = f
		}
	}
	return out, nil
}

// variable finds what is said of an environment variable.
func (t *tables) variable(name string) (variable, bool) {
	for _, v := range t.variables {
		for pattern := range strings.FieldsSeq(v.Names) {
			if ok, _ := path.Match(pattern, name); ok {
				return v, true
			}
		}
	}
	return variable{}, false
}

// hides says why a file of that name is not shown in safe mode; empty if it may be.
func (t *tables) hides(name string) string {
	name = strings.ToLower(name)
	if why := t.hidden[name]; why != "" {
		return why
	}
	if !strings.ContainsAny(name, "._") { // which all patterns have
		return ""
	}
	for _, p := range t.private {
		if matches(p.Names, name) && !matches(p.Except, name) {
			return p.Reason
		}
	}
	return ""
}

func matches(patterns, name string) bool {
	for pattern := range strings.FieldsSeq(patterns) {
		head, tail, patterned := strings.Cut(pattern, "*")
		if name == pattern || patterned && len(name) >= len(head)+len(tail) && strings.HasPrefix(name, head) && strings.HasSuffix(name, tail) {
			return true
		}
	}
	return false
}
