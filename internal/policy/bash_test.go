package policy

import (
	"bytes"
	"context"
	"os/exec"
	"slices"
	"strings"
	"testing"
	"time"
)

// judgeBash is a bash that runs nothing: restricted, no program to be found, no builtin but printf, and a handler that prints the
// words of each command it does not find.
const judgeBash = `command_not_found_handle() { printf '%s\0' "$#" "$@"; }
enable -n . : [ alias bg bind break builtin caller cd command compgen complete compopt continue declare dirs disown echo eval exec exit export false fc fg getopts hash help history jobs kill let local logout mapfile popd pushd pwd read readarray readonly return set shift shopt source suspend test times trap true type typeset ulimit umask unalias unset wait enable
`

// bashWords are the words that bash makes of each command of a text.
func bashWords(t testing.TB, command string) ([][]string, bool) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
	defer cancel()
	cmd := exec.CommandContext(ctx, "bash", "--noprofile", "--norc", "-r", "-f", "-c", judgeBash+command)
	cmd.Env, cmd.Dir = []string{"PATH=/nowhere", "LC_ALL=C.UTF-8"}, t.TempDir()
	var out, said bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &said
	if cmd.Run(); strings.Contains(said.String(), "syntax error") || strings.Contains(said.String(), "unexpected EOF") {
		return nil, false
	}
	var all [][]string
	fields := strings.Split(strings.TrimSuffix(out.String(), "\x00"), "\x00")
	for len(fields) > 0 && fields[0] != "" {
		n := 0
		for _, c := range fields[0] {
			n = n*10 + int(c-'0')
		}
		if n < 1 || n >= len(fields)+0 && n != len(fields)-1 {
			return nil, false
		}
		all, fields = append(all, fields[1:1+n]), fields[1+n:]
	}
	return all, true
}

// ours are the words that this package makes of it; not ok where it refuses, or where bash cannot tell us: pipes and redirections
// hide the words, and what follows || does not run.
func ours(command string) (all [][]string, ok bool) {
	if readable(command) != nil || unbroken(command) != nil {
		return nil, false
	}
	file, err := parse(command)
	if err != nil {
		return nil, false
	}
	var r reader
	if r.file(file) != nil || r.dir != "" {
		return nil, false
	}
	for _, st := range r.stages {
		one := st.commands[0]
		if st.when == IfFailed || len(st.commands) > 1 || len(one.redirects)+len(one.vars) > 0 || one.words[0].text == "printf" || strings.Trim(one.words[0].text, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789.-") != "" {
			return nil, false
		}
		var argv []string
		for _, w := range one.words {
			argv = append(argv, w.text)
		}
		all = append(all, argv)
	}
	return all, true
}

func FuzzWords_AreBashs(f *testing.F) {
	if _, err := exec.LookPath("bash"); err != nil {
		f.Fatal("bash is missing; install it")
	}
	for _, seed := range []string{
		`x a b`, `x 'a b' "c d" e\ f`, `x "a\"b\$c\d"`, `x {a,b}c{d,e}`, `x {a}{b,c}`, `x {} {,} a{b`, `x a{b,c`, `x {a,b,}`, `x $'a\tb'`, `x ''`, `x "" a`, `x a=~b HEAD~1 a~`,
		`x [ a ] ]`, `x *.go '*'`, `x a#b #c`, "x a \\\n b", "x a;y b\nz c", `x a && y b && z`, `x \{a,b\}`, `x '{'a,b}`, `x "a"'b'c`, `x \a\b\\`, `x a\`, "x \"a\\\nb\"", `x %s -- -n`,
		`x {a,b}{c,d}e`, `x a,b {`, `x }`, `x a{1..3}`, `x {a\,b,c}`, `x ~a`, `x a:~b`, `x $`, `x a$ "$"`, `x !a`, `x ^a^b`, `x é{ü,ß}`, `x {"a b",c}`, `x -{a,b}`, `x --{a,b}=c`, `x ,{a,b},`,
		`x {{a,b},c}`, `x {a,{b,c}}`, `x a{,}b`, `x a{b,,c}`, `x [a]`, `x [a`, `x a]`, `x a[`, `x ?`, `x {a,b}*`, `x "{a,b}"`, `x \'a\'`, `x a'b'"c"$'d'`, `x $"a"`, `x a\	b`,
		"x 'a\nb'", "x a\t\tb", `x 1 2>&1`, `time x`, `then x`, `x then`, `x if`, `x a=b`, `a=b`, `x {a,b};y`, `x {a..b,c}`, `x {a,b..c}`, `x ..{a,b}`, `x @(a)`, `x a@(b`, `x +(a)`, `x a{b}c`, `x {a,b}}`, `x {{a,b}`,
		`x {a,'b,c'}`, `x {a,b\}}`, `x a\{b,c}`, `x {\a,b}`, `x a\\{b,c}`,
	} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, command string) {
		got, ok := ours(command)
		if !ok {
			return
		}
		want, understood := bashWords(t, command)
		if !understood {
			t.Fatalf("%q: %q, and bash does not take it", command, got)
		}
		if !slices.EqualFunc(got, want, slices.Equal[[]string]) {
			t.Errorf("%q: %q, and bash says %q", command, got, want)
		}
	})
}

// Whatever is asked, the answer comes, and what is refused has nothing to execute.
func FuzzDecide_NeverPanics(f *testing.F) {
	p, err := New(Options{})
	if err != nil {
		f.Fatal(err)
	}
	for _, seed := range []string{"ls", "awk '/a/ {print $1/2}' f", "sed -n '1,2p;s/a/b/g' f", "find . -exec cat {} +", "ls | xargs cat", "((((((", "$($($(", "git log -5 --format=%h", "a && b || c; d > e"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, command string) {
		for _, mode := range []Mode{Safe, Restricted, Yolo} {
			d := p.Decide(mode, command)
			if d.Reason == "" || d.Verdict == Deny && len(d.Steps) > 0 || d.Verdict == Allow && len(d.Steps) == 0 && d.Script == "" {
				t.Errorf("%s: %q: %+v", mode, command, d)
			}
			if mode == Safe && d.Verdict == Ask {
				t.Errorf("safe mode asks about %q", command)
			}
		}
	})
}

func BenchmarkDecide(b *testing.B) {
	p, err := New(Options{})
	if err != nil {
		b.Fatal(err)
	}
	for _, bench := range []struct {
		name, command string
		mode          Mode
	}{
		{"grep", "grep -rn sudo README.md", Safe},
		{"pipe", "git log --oneline -5 | head", Safe},
		{"find", "find . -name '*.go' | xargs grep -n TODO", Safe},
		{"awk", "awk '/error/ {n++} END {printf \"%d errors\\n\", n}' app.log", Safe},
		{"go", "cd internal && go test ./... 2>&1 | tail -20", Restricted},
		{"refused", "sort --compress-program=sh x", Safe},
	} {
		b.Run(bench.name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				p.Decide(bench.mode, bench.command)
			}
		})
	}
}
