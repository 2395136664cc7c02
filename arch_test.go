// Package agentbridge_test holds the rules of the repository as a whole, as tests.
package agentbridge_test

import (
	"bytes"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"path"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
	"testing/fstest"
)

const module = "agentbridge"

// everything stands for all rooms under internal.
const everything = "everything"

// rooms says who may import whom, among our own packages. A directory with Go files that is not here is a mistake, so a new room
// starts with a line here; the design says what each is for.
var rooms = map[string][]string{
	"cmd/agentbridge":         {"internal/cli"},
	"internal/cli":            {everything}, // the only room that knows both engines
	"internal/mcpserver":      {"internal/bridge"},
	"internal/agent":          {"internal/bridge", "internal/mcpserver"},
	"internal/clients":        {"internal/agent", "internal/bridge"},
	"internal/creds":          {"internal/agent", "internal/bridge"},
	"internal/daemon":         {"internal/bridge", "internal/policy", "internal/sandbox", "internal/snapshot"},
	"internal/bridge":         {"internal/audit", "internal/redact", "internal/policy"},
	"internal/archive":        {},
	"internal/sqlite":         {"internal/archive", "internal/bridge", "internal/audit", "internal/policy"},
	"internal/postgres":       {"internal/archive", "internal/bridge", "internal/audit", "internal/policy"},
	"internal/storetest":      {"internal/bridge", "internal/audit", "internal/policy"},
	"internal/audit":          {},
	"internal/redact":         {},
	"internal/policy":         {},
	"internal/sandbox":        {"internal/sandbox/inner"},
	"internal/sandbox/inner":  {},
	"internal/snapshot":       {},
	"internal/workload":       {"internal/agent", "internal/audit", "internal/bridge"},
	"internal/workload/scale": {},
	"internal/workload/bench": {"internal/workload", "internal/workload/scale", "internal/agent", "internal/audit", "internal/bridge", "internal/postgres", "internal/redact", "internal/redact/corpus"},

	"internal/redact/corpus":        {"internal/redact"},
	"internal/redact/corpus/report": {"internal/redact", "internal/redact/corpus"},
	"contrib/pack":                  {},                                                              // what clients install, out of the repository; no part of the product
	"tools/oracle":                  {"internal/audit", "internal/redact", "internal/redact/corpus"}, // a module of its own, tests only
}

// testRooms is what tests of any room may import besides: a real store, scanner and policy instead of mocks.
var testRooms = []string{"internal/storetest", "internal/sqlite", "internal/postgres", "internal/policy", "internal/redact", "internal/redact/corpus"}

// vague are names under which anything could be put.
var vague = []string{"util", "utils", "common", "types", "models", "pkg", "config", "logger", "errors"}

// clockless are the rooms where time comes from the caller, which has it from tx.Now.
var clockless = []string{"internal/bridge", "internal/audit", "internal/redact", "internal/policy"}

// clocks are the files in those rooms that may look at this process's clock all the same, each for its reason.
var clocks = map[string]string{
	"internal/bridge/clock.go": "how long ago by this process: notices jumps of the engine's clock, spares repeated writes, and says how long ago a connection closed",
}

// inits are the files that may begin unasked, each for its reason.
var inits = map[string]string{
	"internal/sandbox/inner/early_linux.go": "becomes the command in a sandbox before the rest of the program begins, which takes longer than all it does",
}

// unshipped are the files of builds that only break themselves, for make chaos: they count what they broke.
var unshipped = []string{"internal/bridge/seeded.go", "internal/sqlite/seeded.go", "internal/sqlite/failpoint.go"}

const maxLines = 400

// machine finds what belongs to one machine or one network and not in a repository. It is in pieces so as not to find itself.
var machine = regexp.MustCompile(strings.Join([]string{
	`proxy\.golang` + `\.org`, `registry\.npmjs` + `\.org`, `GOPROXY=` + `https?:`, `"resolved":\s*"` + `https?:`,
	`(?:^|[^\w.~/-])/wo` + `rk/`,
}, "|"))

func TestRepository_KeepsItsRules(t *testing.T) {
	found, err := breaches(os.DirFS("."))
	if err != nil {
		t.Fatal(err)
	}
	for _, breach := range found {
		t.Error(breach)
	}
}

// breaches checks every file of the repository and tells what breaks a rule, one line each.
func breaches(repo fs.FS) (found []string, err error) {
	fset := token.NewFileSet()
	report := func(name, format string, args ...any) {
		found = append(found, name+": "+fmt.Sprintf(format, args...))
	}
	err = fs.WalkDir(repo, ".", func(name string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if d.IsDir() {
			hidden := strings.HasPrefix(d.Name(), ".") && name != "." && d.Name() != ".ci"
			if hidden || name == "bin" || d.Name() == "node_modules" {
				return fs.SkipDir // not ours, or not committed
			}
			if slices.Contains(vague, d.Name()) && !strings.Contains(name, "testdata/") {
				report(name, "a room of this name would be about anything")
			}
			return nil
		}
		if !d.Type().IsRegular() {
			return nil
		}
		text, err := fs.ReadFile(repo, name)
		if err != nil {
			return err
		}
		if bytes.IndexByte(text, 0) >= 0 {
			return nil // a program somebody built here
		}
		for i, line := range strings.Split(string(text), "\n") {
			if hit := machine.FindString(line); hit != "" {
				report(fmt.Sprintf("%s:%d", name, i+1), "%q is of one machine or network", hit)
			}
		}
		if path.Ext(name) != ".go" || strings.Contains(name, "testdata/") {
			return nil
		}
		file, err := parser.ParseFile(fset, name, text, parser.ParseComments|parser.SkipObjectResolution)
		if err != nil {
			return err
		}
		check(source{name: name, room: path.Dir(name), fset: fset, file: file}, report)
		return nil
	})
	return found, err
}

// source is one Go file.
type source struct {
	name string
	room string
	fset *token.FileSet
	file *ast.File
}

func check(s source, report func(name, format string, args ...any)) {
	at := func(n ast.Node) string { return fmt.Sprintf("%s:%d", s.name, s.fset.Position(n.Pos()).Line) }
	test := strings.HasSuffix(s.name, "_test.go")
	if _, ok := rooms[s.room]; !ok && !(test && s.room == ".") {
		report(s.name, "room %s is not in the table of arch_test.go", s.room)
	}
	for _, spec := range s.file.Imports {
		imported, _ := strconv.Unquote(spec.Path.Value)
		if imported == "C" {
			report(at(spec), "imports C, and the product builds without cgo")
		}
		if room, ours := strings.CutPrefix(imported, module+"/"); ours && !mayImport(s.room, room, test) {
			report(at(spec), "%s may not import %s", s.room, room)
		}
	}
	if test {
		return
	}
	if lines := s.fset.File(s.file.FileStart).LineCount(); lines > maxLines {
		report(s.name, "%d lines, want at most %d: look for the second subject", lines, maxLines)
	}
	for _, decl := range s.file.Decls {
		switch decl := decl.(type) {
		case *ast.FuncDecl:
			if _, excused := inits[s.name]; !excused && decl.Recv == nil && decl.Name.Name == "init" {
				report(at(decl), "init runs unasked; let main call what it needs")
			}
		case *ast.GenDecl:
			if decl.Tok != token.VAR || embeds(decl.Doc) {
				continue
			}
			for _, spec := range decl.Specs {
				if spec := spec.(*ast.ValueSpec); !embeds(spec.Doc) && startsEmpty(spec) && !slices.Contains(unshipped, s.name) {
					report(at(spec), "%s starts empty, so it is there to be changed; give it to those who need it", spec.Names[0].Name)
				}
			}
		}
	}
	if _, excused := clocks[s.name]; slices.Contains(clockless, s.room) && !excused {
		for _, call := range clockReads(s.file) {
			report(at(call), "time.%s: time is tx.Now() here", call.Sel.Name)
		}
	}
}

func mayImport(room, imported string, test bool) bool {
	allowed := rooms[room]
	switch {
	case test && (imported == room || slices.Contains(testRooms, imported)):
		return true
	case slices.Contains(allowed, everything):
		return strings.HasPrefix(imported, "internal/")
	default:
		return slices.Contains(allowed, imported)
	}
}

// startsEmpty reports whether a package-level variable holds nothing until something fills it: a registry, a cache, a lock.
func startsEmpty(spec *ast.ValueSpec) bool {
	if len(spec.Values) == 0 {
		return true
	}
	return slices.ContainsFunc(spec.Values, func(value ast.Expr) bool {
		if addr, ok := value.(*ast.UnaryExpr); ok && addr.Op == token.AND {
			value = addr.X
		}
		switch value := value.(type) {
		case *ast.CompositeLit:
			return len(value.Elts) == 0
		case *ast.CallExpr:
			fn, ok := value.Fun.(*ast.Ident)
			return ok && (fn.Name == "make" || fn.Name == "new")
		}
		return false
	})
}

// embeds reports whether the compiler fills the variable under this comment.
func embeds(doc *ast.CommentGroup) bool {
	return doc != nil && slices.ContainsFunc(doc.List, func(c *ast.Comment) bool { return strings.HasPrefix(c.Text, "//go:embed ") })
}

// clockReads finds where a file names time.Now, Since or Until, called or not.
func clockReads(file *ast.File) (found []*ast.SelectorExpr) {
	name := ""
	for _, spec := range file.Imports {
		if spec.Path.Value == `"time"` {
			name = "time"
			if spec.Name != nil {
				name = spec.Name.Name
			}
		}
	}
	ast.Inspect(file, func(n ast.Node) bool {
		if sel, ok := n.(*ast.SelectorExpr); ok {
			pkg, ok := sel.X.(*ast.Ident)
			if ok && name != "" && pkg.Name == name && slices.Contains([]string{"Now", "Since", "Until"}, sel.Sel.Name) {
				found = append(found, sel)
			}
		}
		return true
	})
	return found
}

// A rule that nothing can break is no rule: each is broken once here.
func TestRules_EachIsBreakable(t *testing.T) {
	tests := []struct {
		name, file, text string
		want             string // part of the one breach; empty for none
	}{
		{"allowed import", "internal/bridge/a.go", "package bridge\nimport _ \"agentbridge/internal/audit\"", ""},
		{"forbidden import", "internal/audit/a.go", "package audit\nimport _ \"agentbridge/internal/bridge\"", "a.go:2: internal/audit may not import internal/bridge"},
		{"cli knows everything", "internal/cli/a.go", "package cli\nimport _ \"agentbridge/internal/postgres\"", ""},
		{"but not main", "internal/cli/a.go", "package cli\nimport _ \"agentbridge/cmd/agentbridge\"", "may not import cmd/agentbridge"},
		{"an engine", "internal/mcpserver/a.go", "package mcpserver\nimport _ \"agentbridge/internal/sqlite\"", "may not import internal/sqlite"},
		{"an engine in a test", "internal/mcpserver/a_test.go", "package mcpserver\nimport _ \"agentbridge/internal/sqlite\"", ""},
		{"another room in a test", "internal/audit/a_test.go", "package audit_test\nimport _ \"agentbridge/internal/bridge\"", "may not import internal/bridge"},
		{"its own room in a test", "internal/audit/a_test.go", "package audit_test\nimport _ \"agentbridge/internal/audit\"", ""},
		{"unknown room", "internal/extras/a.go", "package extras", "room internal/extras is not in the table"},
		{"test of an unknown room", "internal/extras/a_test.go", "package extras", "room internal/extras is not in the table"},
		{"product code at the root", "a.go", "package agentbridge", "room . is not in the table"},
		{"vague room", "internal/bridge/util/a.md", "", "internal/bridge/util: a room of this name"},
		{"cgo", "internal/sqlite/a.go", "package sqlite\nimport \"C\"", "imports C"},
		{"clock", "internal/bridge/a.go", "package bridge\nimport \"time\"\nvar t = time.Now()", "a.go:3: time.Now"},
		{"clock by another name", "internal/bridge/a.go", "package bridge\nimport clock \"time\"\nfunc f(t clock.Time) any { return clock.Since(t) }", "a.go:3: time.Since"},
		{"excused clock", "internal/bridge/clock.go", "package bridge\nimport \"time\"\nvar t = time.Now()", ""},
		{"clock where it is allowed", "internal/daemon/a.go", "package daemon\nimport \"time\"\nvar t = time.Now()", ""},
		{"init", "internal/cli/a.go", "package cli\nfunc init() {}", "init runs unasked"},
		{"excused init", "internal/sandbox/inner/early_linux.go", "package inner\nfunc init() {}", ""},
		{"method called init", "internal/cli/a.go", "package cli\ntype t int\nfunc (t) init() {}", ""},
		{"registry", "internal/cli/a.go", "package cli\nvar drivers = map[string]int{}", "drivers starts empty"},
		{"registry behind a pointer", "internal/cli/a.go", "package cli\nvar drivers = &[]int{}", "drivers starts empty"},
		{"made registry", "internal/cli/a.go", "package cli\nvar (\n\tdrivers = make(map[string]int)\n)", "drivers starts empty"},
		{"global lock", "internal/cli/a.go", "package cli\nimport \"sync\"\nvar mu sync.Mutex", "mu starts empty"},
		{"table", "internal/cli/a.go", "package cli\nvar codes = map[string]int{\"a\": 1}", ""},
		{"embedded file", "internal/sqlite/a.go", "package sqlite\nimport _ \"embed\"\n//go:embed schema.sql\nvar schema string", ""},
		{"too long", "internal/cli/a.go", "package cli" + strings.Repeat("\n", maxLines+1), "lines, want at most 400"},
		{"as long as may be", "internal/cli/a.go", "package cli" + strings.Repeat("\n", maxLines-1), ""},
		{"long test", "internal/cli/a_test.go", "package cli" + strings.Repeat("\n", maxLines+1), ""},
		{"registry address", "doc/a.md", "see\nhttps://proxy.golang" + ".org/", "doc/a.md:2: "},
		{"registry in a lock file", "a.json", `  "resolved": "` + `https://example.com/x.tgz"`, "a.json:1: "},
		{"path of a machine", ".ci/run", "cd /wo" + "rk/main", ".ci/run:1: "},
		{"somebody's own path", "doc/a.md", "~/wo" + "rk/main, /home/ada/wo" + "rk/main", ""},
		{"built binary", "bin/a", "/wo" + "rk/main", ""},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			found, err := breaches(fstest.MapFS{test.file: {Data: []byte(test.text)}})
			if err != nil {
				t.Fatal(err)
			}
			switch {
			case test.want == "" && len(found) > 0:
				t.Errorf("found %q, want no breach", found)
			case test.want != "" && (len(found) != 1 || !strings.Contains(found[0], test.want)):
				t.Errorf("found %q, want one breach: %s", found, test.want)
			}
		})
	}
}
