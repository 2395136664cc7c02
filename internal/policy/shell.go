package policy

import (
	"path"
	"slices"
	"strconv"
	"strings"
	"sync"

	"mvdan.cc/sh/v3/syntax"
)

// When says whether a step runs, given the exit status of the last step that ran.
type When string

// The conditions of a step.
const (
	Always   When = ""       // after ; or first
	IfOK     When = "ok"     // after &&
	IfFailed When = "failed" // after ||
)

// A Step is commands joined by pipes; its exit status is that of the last.
type Step struct {
	When     When      `json:"when,omitempty"`
	Commands []Command `json:"commands"`
}

// A Command is one program to execute.
type Command struct {
	Argv      []string   `json:"argv"`                // with what the policy adds, such as git's --no-pager; the program is looked up on the runner's own PATH
	Env       []string   `json:"env,omitempty"`       // NAME=VALUE, beside what the runner gives
	Dir       string     `json:"dir,omitempty"`       // below the workspace, slash-separated; empty for the workspace itself
	Redirects []Redirect `json:"redirects,omitempty"` // to be done in their order, after the pipe's
	Patterns  []int      `json:"patterns,omitempty"`  // which of Argv stand for the files that match them; none after DecideIn
}

// A Redirect changes where one file descriptor of a command goes.
type Redirect struct {
	FD   int    `json:"fd"`
	Op   string `json:"op"`             // "<", ">", ">>" with Path, or ">&" with From
	Path string `json:"path,omitempty"` // relative to the command's Dir, or /dev/null
	From int    `json:"from,omitempty"` // the descriptor that FD becomes a copy of
}

var parsers = sync.Pool{New: func() any { return syntax.NewParser(syntax.Variant(syntax.LangBash)) }}

func parse(command string) (*syntax.File, error) {
	parser := parsers.Get().(*syntax.Parser)
	defer parsers.Put(parser)
	file, err := parser.Parse(strings.NewReader(command), "")
	if err != nil {
		return nil, refuse("this is not a command that bash understands: %s", "look at its quotes and brackets", strings.TrimSpace(err.Error()))
	}
	if len(file.Stmts) == 0 {
		return nil, refuse("there is no command", "say what to run")
	}
	return file, nil
}

// unbroken refuses a backslash at the end of a line in the middle of a word: bash joins the lines before it looks for $ and the like,
// the parser behind it.
func unbroken(command string) error {
	for i := 1; i < len(command); i++ {
		if command[i] == '\n' && command[i-1] == '\\' && (i == 1 || command[i-2] != ' ' && command[i-2] != '\t') {
			return refuse("a line is broken in the middle of a word", "put a space before the backslash, or write it in one line")
		}
	}
	return nil
}

// simple is a command as it was written: words, before any table was asked.
type simple struct {
	words     []word
	vars      []assignment
	redirects []Redirect
	dir       string
}

type assignment struct{ name, value string }

// stage is a step before any table was asked.
type stage struct {
	when     When
	commands []simple
}

// reader turns a parsed command into stages, and refuses what only a shell can do.
type reader struct {
	stages []stage
	dir    string // where cd has led
	moved  bool   // a cd was the last thing done
}

func (r *reader) file(file *syntax.File) error {
	for _, stmt := range file.Stmts {
		if err := r.statement(stmt, Always); err != nil {
			return err
		}
	}
	if r.moved {
		return refuse("cd alone moves nothing: each command starts in the workspace", "write cd DIR && COMMAND")
	}
	return nil
}

func (r *reader) statement(stmt *syntax.Stmt, when When) error {
	if err := plain(stmt); err != nil {
		return err
	}
	if b, ok := stmt.Cmd.(*syntax.BinaryCmd); ok && (b.Op == syntax.AndStmt || b.Op == syntax.OrStmt) {
		if len(stmt.Redirs) > 0 {
			return refuse("a redirection of several commands needs a shell", "redirect each command")
		}
		if err := r.statement(b.X, when); err != nil {
			return err
		}
		next := IfOK
		if b.Op == syntax.OrStmt {
			next = IfFailed
		}
		return r.statement(b.Y, next)
	}
	if r.moved && when != IfOK {
		return refuse("after a cd that failed, the next command would run somewhere else", "write cd DIR && COMMAND")
	}
	if dir, ok, err := r.cd(stmt, when); ok || err != nil {
		r.dir, r.moved = dir, true
		return err
	}
	r.moved = false
	commands, err := r.pipeline(stmt, nil)
	if err != nil {
		return err
	}
	r.stages = append(r.stages, stage{when, commands})
	return nil
}

// cd reads cd DIR. It is no program: the commands after it run there. So it has to come before all others, and where && ties
// them to it, a directory that is missing stops them as it would in a shell.
func (r *reader) cd(stmt *syntax.Stmt, when When) (dir string, ok bool, err error) {
	call, ok := stmt.Cmd.(*syntax.CallExpr)
	if !ok || len(call.Args) == 0 || call.Args[0].Lit() != "cd" {
		return "", false, nil
	}
	if len(r.stages) > 0 || when == IfFailed || len(call.Args) != 2 || len(call.Assigns)+len(stmt.Redirs) > 0 {
		return "", true, refuse("cd is only taken in front of all commands, with one directory", "write cd DIR && COMMAND")
	}
	to, err := words(call.Args[1])
	if err != nil {
		return "", true, err
	}
	if len(to) != 1 || to[0].pattern != "" || to[0].text == "" || to[0].text[0] == '-' {
		return "", true, refuse("cd is only taken with one directory", "write cd DIR && COMMAND")
	}
	if path.IsAbs(to[0].text) || strings.Contains(to[0].text, "\\") || slices.Contains(strings.Split(to[0].text, "/"), "..") {
		return "", true, refuse("cd %s may lead out of the workspace", "name a directory below the workspace", to[0].text)
	}
	return path.Join(r.dir, to[0].text), true, nil
}

// plain refuses what changes how a statement runs.
func plain(stmt *syntax.Stmt) error {
	switch {
	case stmt.Background || stmt.Coprocess || stmt.Disown:
		return refuse("& leaves a command running that nobody watches", "leave out the &")
	case stmt.Negated:
		return refuse("! turns an exit status around, which needs a shell", "leave out the !")
	}
	return nil
}

func (r *reader) pipeline(stmt *syntax.Stmt, into []simple) ([]simple, error) {
	if err := plain(stmt); err != nil {
		return nil, err
	}
	switch cmd := stmt.Cmd.(type) {
	case *syntax.BinaryCmd:
		if cmd.Op != syntax.Pipe {
			return nil, refuse("%s is not taken inside a pipe", "write 2>&1 | for |&, and keep && and || out of pipes", cmd.Op)
		}
		if len(stmt.Redirs) > 0 {
			return nil, refuse("a redirection of several commands needs a shell", "redirect each command")
		}
		into, err := r.pipeline(cmd.X, into)
		if err != nil {
			return nil, err
		}
		return r.pipeline(cmd.Y, into)
	case *syntax.CallExpr:
		one, err := r.call(cmd, stmt.Redirs)
		return append(into, one), err
	case nil:
		return nil, refuse("a redirection without a command needs a shell", "name the command")
	}
	return nil, refuse("%s needs a shell", "run the commands one by one, or put them into a script in the workspace and run that in restricted mode", construct(stmt.Cmd))
}

func construct(cmd syntax.Command) string {
	switch cmd.(type) {
	case *syntax.IfClause:
		return "if"
	case *syntax.WhileClause, *syntax.ForClause:
		return "a loop"
	case *syntax.CaseClause:
		return "case"
	case *syntax.Block:
		return "{ … }"
	case *syntax.Subshell:
		return "( … )"
	case *syntax.FuncDecl:
		return "a function"
	case *syntax.TestClause:
		return "[[ … ]]"
	case *syntax.ArithmCmd, *syntax.LetClause:
		return "arithmetic"
	case *syntax.DeclClause:
		return "declaring a variable"
	case *syntax.TimeClause:
		return "time"
	}
	return "this"
}

func (r *reader) call(call *syntax.CallExpr, redirs []*syntax.Redirect) (simple, error) {
	one := simple{dir: r.dir}
	if len(call.Args) == 0 {
		return one, refuse("a variable that is set for no command needs a shell", "write NAME=VALUE COMMAND")
	}
	for _, a := range call.Assigns {
		if a.Append || a.Naked || a.Index != nil || a.Array != nil {
			return one, refuse("this way to set a variable needs a shell", "write NAME=VALUE COMMAND")
		}
		value := word{}
		if a.Value != nil {
			if all, err := words(a.Value); err != nil {
				return one, err
			} else if value = all[0]; len(all) > 1 || value.pattern != "" || strings.HasPrefix(value.text, "~") {
				return one, refuse("the value of %s needs a shell", hintQuote, a.Name.Value)
			}
		}
		one.vars = append(one.vars, assignment{a.Name.Value, value.text})
	}
	for _, arg := range call.Args {
		all, err := words(arg)
		if err != nil {
			return one, err
		}
		one.words = append(one.words, all...)
	}
	if program := one.words[0]; program.text == "cd" || program.pattern != "" {
		return one, refuse("%s is no program that is known by its name", "cd is only taken in front: cd DIR && COMMAND", program.text)
	}
	for _, redir := range redirs {
		changed, err := redirects(redir)
		if err != nil {
			return one, err
		}
		one.redirects = append(one.redirects, changed...)
	}
	return one, nil
}

func redirects(redir *syntax.Redirect) ([]Redirect, error) {
	fd := -1
	if redir.N != nil {
		n, err := strconv.Atoi(redir.N.Value)
		if err != nil || n > 2 {
			return nil, refuse("only input, output and errors can be redirected", "0, 1 and 2 are their numbers")
		}
		fd = n
	}
	if redir.Hdoc != nil || redir.Op == syntax.WordHdoc {
		return nil, refuse("text given with << needs a shell", "put the text into a file of the workspace first")
	}
	all, err := words(redir.Word)
	if err != nil {
		return nil, err
	}
	to := all[0]
	if len(all) > 1 || to.pattern != "" || to.text == "" {
		return nil, refuse("a redirection to a pattern needs a shell", "name the file")
	}
	or := func(standard int) int {
		if fd >= 0 {
			return fd
		}
		return standard
	}
	switch redir.Op {
	case syntax.RdrIn:
		return []Redirect{{FD: or(0), Op: "<", Path: to.text}}, nil
	case syntax.RdrOut:
		return []Redirect{{FD: or(1), Op: ">", Path: to.text}}, nil
	case syntax.AppOut:
		return []Redirect{{FD: or(1), Op: ">>", Path: to.text}}, nil
	case syntax.RdrAll:
		return []Redirect{{FD: 1, Op: ">", Path: to.text}, {FD: 2, Op: ">&", From: 1}}, nil
	case syntax.AppAll:
		return []Redirect{{FD: 1, Op: ">>", Path: to.text}, {FD: 2, Op: ">&", From: 1}}, nil
	case syntax.DplOut:
		if to.text == "1" || to.text == "2" {
			return []Redirect{{FD: or(1), Op: ">&", From: int(to.text[0] - '0')}}, nil
		}
	}
	return nil, refuse("this redirection needs a shell", "< FILE, > FILE, >> FILE, &> FILE and 2>&1 are read")
}
